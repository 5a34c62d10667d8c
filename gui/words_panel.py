"""Where the words are seen: a panel in the window, and a screen of their own."""

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtGui import QAction, QCloseEvent, QFontMetrics, QGuiApplication, QKeySequence, QScreen, QShortcut
from PyQt6.QtWidgets import QFrame, QHBoxLayout, QLabel, QToolButton, QVBoxLayout, QWidget

from stemlive.gui.words_view import WordsView


class WordsPanel(QFrame):
    """The words beside the strips, and below them the buttons for their time."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("bar")
        self.view = WordsView()
        self.earlier = _button("◀", "The words 0.1 s earlier (,)")
        self.later = _button("▶", "The words 0.1 s later (.)")
        self.open = _button("Open…", "Open the words of this song (Ctrl+Shift+O), or drop an .lrc file on the window")
        self.apart = _button("Screen", "The words alone, on another screen (Shift+W)")
        self.shut = _button("✕", "Hide the words (W)")
        self.shift = QLabel()
        self.shift.setObjectName("faint")
        self.shift.setAccessibleName("Time of the words")
        self.shift.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.shift.setMinimumWidth(QFontMetrics(self.shift.font()).horizontalAdvance("0.0 s earlier"))
        row = QHBoxLayout()
        row.setContentsMargins(4, 0, 4, 2)
        row.setSpacing(2)
        for part in (self.earlier, self.shift, self.later):
            row.addWidget(part)
        row.addStretch(1)
        for part in (self.open, self.apart, self.shut):
            row.addWidget(part)
        column = QVBoxLayout(self)
        column.setContentsMargins(2, 2, 2, 2)
        column.setSpacing(2)
        column.addWidget(self.view, 1)
        column.addLayout(row)

    def show_shift(self, later_s: float, *, timed: bool) -> None:
        """Show by how much the words come later than their file says, negative for earlier."""
        for part in (self.earlier, self.shift, self.later):
            part.setVisible(timed)
        side = "later" if later_s > 0 else "earlier"
        self.shift.setText(f"{abs(later_s):.1f} s {side}" if later_s else "in time")


class WordsScreen(QWidget):
    """The words alone, on the whole of a screen. `closed` tells that it is gone: Esc closes it."""

    closed = pyqtSignal()

    def __init__(self, actions: list[QAction]) -> None:
        """`actions` are those of the window whose keys shall do the same here."""
        super().__init__()
        self.setWindowTitle("Words - stemlive")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setCursor(Qt.CursorShape.BlankCursor)
        self.addActions(actions)
        self.view = WordsView()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.view)
        QShortcut(QKeySequence("Esc"), self).activated.connect(self.close)
        application = QGuiApplication.instance()
        assert isinstance(application, QGuiApplication)
        application.screenRemoved.connect(self._lose)

    def show_beside(self, window: QWidget) -> None:
        """Fill a screen that the window is not on; its own, if there is no other."""
        own = window.screen()
        screen = next((screen for screen in QGuiApplication.screens() if screen is not own), own)
        if screen is not None:
            self.setScreen(screen)
            self.setGeometry(screen.geometry())
        self.showFullScreen()
        self.activateWindow()  # for Esc

    def closeEvent(self, event: QCloseEvent | None) -> None:  # noqa: N802
        """Tell that it is gone."""
        self.closed.emit()
        super().closeEvent(event)

    def _lose(self, screen: QScreen) -> None:
        """Close with its screen, before the system moves it over the window."""
        if screen is self.screen():
            self.close()


def _button(text: str, tip: str) -> QToolButton:
    button = QToolButton()
    button.setObjectName("flat")
    button.setText(text)
    button.setToolTip(tip)
    button.setAccessibleName(tip.split(" (", maxsplit=1)[0])
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    return button
