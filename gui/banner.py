"""A banner above the strips for what must be seen: a file that cannot be opened, a missing device, a recording."""

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtGui import QColor
from PyQt6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QToolButton

from stemlive.gui.notices import Notice
from stemlive.gui.theme import Theme

_BREAKS = "/\\_-"


class Banner(QFrame):
    """One notice, in as many lines as it needs, with its button and one that closes it; hidden without a notice."""

    closed = pyqtSignal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("banner")
        self.notice: Notice | None = None
        self.sign = QLabel()
        self.sign.setFixedWidth(18)
        self.text = QLabel()
        self.text.setAccessibleName("Message")
        self.text.setTextFormat(Qt.TextFormat.PlainText)
        self.text.setWordWrap(True)
        self.text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.text.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.button = QPushButton()
        self.button.clicked.connect(self._press)
        self.shut = QToolButton()
        self.shut.setText("✕")
        self.shut.setObjectName("flat")
        self.shut.setAccessibleName("Close the message")
        self.shut.setToolTip("Close this message (Escape)")
        self.shut.clicked.connect(self.closed)
        row = QHBoxLayout(self)
        row.setContentsMargins(10, 4, 6, 4)
        row.addWidget(self.sign)
        row.addWidget(self.text, 1)
        row.addWidget(self.button)
        row.addWidget(self.shut)
        self.setVisible(False)

    @property
    def said(self) -> str:
        """What the banner says; empty while it is hidden."""
        return "" if self.notice is None else self.notice.text

    def show_notice(self, notice: Notice | None, theme: Theme) -> None:
        """Show a notice, or hide the banner for none."""
        if notice == self.notice:
            return
        self.notice = notice
        if notice is not None:
            self.sign.setText("!" if notice.bad else "✓")
            self.text.setText(_breakable(notice.text))
            self.text.setAccessibleDescription(notice.text)
            self.button.setText(notice.button)
            self.button.setToolTip(_TIPS.get(notice.button, notice.button))
            self.button.setVisible(bool(notice.button))
            self.show_theme(theme)
        self.setVisible(notice is not None)

    def show_theme(self, theme: Theme) -> None:
        """Apply a theme."""
        colour = theme.bad if self.notice is None or self.notice.bad else theme.good
        ground = QColor(colour)
        self.setStyleSheet(
            f"QFrame#banner {{ border: 1px solid {colour}; border-radius: 6px; background: "
            f"rgba({ground.red()}, {ground.green()}, {ground.blue()}, {40 if theme.dark else 26}); }}"
        )
        self.sign.setStyleSheet(f"color: {colour}; font-size: 16px; font-weight: bold;")

    def _press(self) -> None:
        if self.notice is not None and self.notice.press is not None:
            self.notice.press()


def _breakable(text: str) -> str:
    """Return a text whose long paths may be broken where they have signs between words."""
    for sign in _BREAKS:
        text = text.replace(sign, f"{sign}\u200b")
    return text


_TIPS = {"Try again": "Look for devices and try again (Ctrl+R)", "Open folder": "Show the files in the file manager"}
