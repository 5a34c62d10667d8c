"""A banner above the strips for urgent problems: a missing device, an unreadable file."""

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy

from stemlive.gui.theme import Theme


class Banner(QFrame):
    """One message with a button to try again; hidden while there is no problem."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("banner")
        self.text = QLabel()
        self.text.setAccessibleName("Problem")
        self.text.setTextFormat(Qt.TextFormat.PlainText)
        self.text.setWordWrap(True)
        self.text.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.retry = QPushButton("Try again")
        self.retry.setToolTip("Look for devices and try again (Ctrl+R)")
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 6, 8, 6)
        row.addWidget(self.text, 1)
        row.addWidget(self.retry)
        self.setVisible(False)

    def show_problem(self, text: str, theme: Theme) -> None:
        """Show a problem, or hide the banner for an empty text."""
        if text != self.text.text():
            self.text.setText(text)
            self.show_theme(theme)
        self.setVisible(bool(text))

    def show_theme(self, theme: Theme) -> None:
        """Apply a theme."""
        self.setStyleSheet(f"QFrame#banner {{ border: 1px solid {theme.bad}; border-radius: 6px; }}")
