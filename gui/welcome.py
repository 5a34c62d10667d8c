"""What the window shows while nothing is open: three ways to begin, and the songs of the last times."""

from functools import partial
from pathlib import Path

from PyQt6.QtCore import QPointF, QRectF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import QColor, QPainter, QPainterPath, QPaintEvent, QPen
from PyQt6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from stemlive.capture_help import how_to_capture
from stemlive.gui.file_names import shown
from stemlive.gui.theme import DARK, Theme

_MOST_RECENT = 3
_CARD_WIDTH = 270


class Sign(QWidget):
    """A drawing of one way to begin: `drop`, `open` or `listen`."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self._kind = kind
        self.theme: Theme = DARK
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:  # noqa: N802
        """Return the only size."""
        return QSize(64, 64)

    def paintEvent(self, _: QPaintEvent | None) -> None:  # noqa: N802
        """Draw an arrow into a tray, a folder with a note, or a microphone."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        pen = QPen(QColor(self.theme.accent), 3.5, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap)
        pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
        painter.setPen(pen)
        if self._kind == "drop":
            painter.drawLine(QPointF(32, 8), QPointF(32, 40))
            painter.drawPolyline(QPointF(20, 29), QPointF(32, 41), QPointF(44, 29))
            painter.drawPolyline(QPointF(10, 42), QPointF(10, 54), QPointF(54, 54), QPointF(54, 42))
        elif self._kind == "open":
            folder = QPainterPath(QPointF(8, 52))
            for x, y in ((8, 14), (24, 14), (30, 21), (56, 21), (56, 52)):
                folder.lineTo(x, y)
            folder.closeSubpath()
            painter.drawPath(folder)
            painter.drawPolyline(QPointF(29, 44), QPointF(29, 29), QPointF(39, 29), QPointF(39, 42))
            painter.setBrush(QColor(self.theme.accent))
            painter.drawEllipse(QPointF(26.5, 44.5), 2.5, 2)
            painter.drawEllipse(QPointF(36.5, 42.5), 2.5, 2)
        else:
            painter.drawRoundedRect(QRectF(24, 6, 16, 30), 8, 8)
            painter.drawArc(QRectF(15, 14, 34, 32), 180 * 16, 180 * 16)
            painter.drawLine(QPointF(32, 47), QPointF(32, 56))
            painter.drawLine(QPointF(22, 56), QPointF(42, 56))


class Welcome(QWidget):
    """Three cards. `chosen` carries a recent song; `wiring` connects the buttons."""

    chosen = pyqtSignal(object)

    def __init__(self) -> None:
        super().__init__()
        self.open = _button("Open a song…", "Open a song (Ctrl+O)")
        self.listen = _button("Listen", "Separate what an input device hears (Ctrl+I)")
        self.players = _button("What the computer plays", "Separate what other programs play")
        self._signs: list[Sign] = []
        cards = QHBoxLayout()
        cards.setSpacing(16)
        cards.addStretch(1)
        for kind, title, text, buttons in (
            ("drop", "Drop a song here", "Drag a file from your file manager anywhere onto this window.", ()),
            ("open", "Open a song", "Choose a file from your computer; it starts at once.", (self.open,)),
            (
                "listen",
                "Listen to an input",
                "A microphone, a line-in, or what another program plays.",
                (self.players, self.listen),
            ),
        ):
            cards.addWidget(self._card(kind, title, text, buttons))
        self.show_players(there=False)
        cards.addStretch(1)
        headline = QLabel("Take any song apart while it plays")
        headline.setStyleSheet("font-size: 22px; font-weight: bold;")
        headline.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.resume = _button("", "Open the queue of the last time, where it was")
        again = QHBoxLayout()
        again.addStretch(1)
        again.addWidget(self.resume)
        again.addStretch(1)
        self._show_offer("")
        self.recent = QHBoxLayout()
        self.recent.setSpacing(8)
        column = QVBoxLayout(self)
        column.setSpacing(14)
        column.addStretch(2)
        column.addWidget(headline)
        column.addLayout(cards)
        column.addLayout(again)
        column.addLayout(self.recent)
        column.addStretch(3)

    def show_recent(self, songs: list[Path], offer: str = "") -> None:
        """Offer the songs that were opened last, and in words to go on where one was."""
        self._show_offer(offer)
        while (item := self.recent.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.hide()
                widget.deleteLater()
        if not songs:
            return
        self.recent.addStretch(1)
        label = QLabel("Or again:")
        label.setObjectName("faint")
        self.recent.addWidget(label)
        for path in songs[:_MOST_RECENT]:
            button = QPushButton()
            name = button.fontMetrics().elidedText(shown(Path(path.name)), Qt.TextElideMode.ElideMiddle, 220)
            button.setText(name.replace("&", "&&"))
            button.setAccessibleName(f"Open {shown(Path(path.name))}")
            button.setToolTip(shown(path))
            button.clicked.connect(partial(self.chosen.emit, path))
            self.recent.addWidget(button)
        self.recent.addStretch(1)

    def _show_offer(self, text: str) -> None:
        """Offer to go on with what was played the last time, or nothing if the text is empty."""
        metrics = self.resume.fontMetrics()
        self.resume.setText(metrics.elidedText(text, Qt.TextElideMode.ElideMiddle, 560).replace("&", "&&"))
        self.resume.setAccessibleName(text)
        self.resume.setVisible(bool(text))

    def show_theme(self, theme: Theme) -> None:
        """Apply a theme."""
        for sign in self._signs:
            sign.theme = theme
            sign.update()

    def show_players(self, *, there: bool) -> None:
        """Offer what the computer plays, or say how it can be an input."""
        self.players.setVisible(there)
        self.listen.setToolTip("Separate what an input device hears (Ctrl+I)" if there else how_to_capture())

    def _card(self, kind: str, title: str, text: str, buttons: tuple[QPushButton, ...]) -> QFrame:
        card = QFrame()
        card.setObjectName("drop" if kind == "drop" else "card")
        card.setFixedWidth(_CARD_WIDTH)
        sign = Sign(kind)
        self._signs.append(sign)
        heading, line = QLabel(title), QLabel(text)
        heading.setStyleSheet("font-size: 16px; font-weight: bold;")
        line.setObjectName("faint")
        line.setWordWrap(True)
        for label in (heading, line):
            label.setAlignment(Qt.AlignmentFlag.AlignCenter)
        column = QVBoxLayout(card)
        column.setContentsMargins(18, 20, 18, 18)
        column.setSpacing(10)
        column.addWidget(sign, 0, Qt.AlignmentFlag.AlignHCenter)
        column.addWidget(heading)
        column.addWidget(line)
        column.addStretch(1)
        for button in buttons:
            column.addWidget(button, 0, Qt.AlignmentFlag.AlignHCenter)
        return card


def _button(text: str, tip: str) -> QPushButton:
    button = QPushButton(text)
    button.setObjectName("begin")
    button.setAccessibleName(text.rstrip("…"))
    button.setToolTip(tip)
    return button
