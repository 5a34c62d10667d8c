"""The overview of the song: waveform, position and loop. A click seeks, a drag sets the loop."""

from PyQt6.QtCore import QPointF, QRectF, QSize, QSizeF, Qt, pyqtSignal
from PyQt6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPixmap, QResizeEvent
from PyQt6.QtWidgets import QSizePolicy, QWidget

from stemlive.gui.scale import write_time
from stemlive.gui.theme import DARK, Theme
from stemlive.gui.waveform import BARS, Waveform

LEAST_HEIGHT = 44
_DRAG_PX = 6
_STEP_S = 5.0


class Overview(QWidget):
    """Shows a song. Signals, in seconds of the song: `sought` with a position, `marked` with a part to loop."""

    sought = pyqtSignal(float)
    marked = pyqtSignal(float, float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Song")
        self.setAccessibleDescription("Click to go to a place, drag to mark a part that is repeated; arrows: 5 seconds")
        self.setToolTip("Click: go there (Ctrl+Left, Ctrl+Right: 5 s). Drag: repeat a part ([ and ], L: no loop)")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.theme: Theme = DARK
        self._waveform: Waveform | None = None
        self._hint = ""
        self._position_s = 0.0
        self._loop: tuple[float, float] | None = None
        self._pressed_x: float | None = None
        self._drag_x: float | None = None
        self._pictures: tuple[QPixmap, QPixmap] | None = None
        self._drawn = 0
        self._tall = LEAST_HEIGHT

    def show_song(self, waveform: Waveform | None, hint: str = "") -> None:
        """Show another song, or a hint if there is none."""
        self._waveform, self._hint = waveform, hint
        self._pictures = None
        self.setEnabled(waveform is not None)
        self.update()

    def show_position(self, position_s: float, loop: tuple[float, float] | None) -> None:
        """Move the position line; redraw only if it moves by a pixel."""
        if self._waveform is not None and self._drawn < self._waveform.done:
            self._pictures = None
        moved = round(self._x_of(position_s)) != round(self._x_of(self._position_s)) or loop != self._loop
        self._position_s, self._loop = position_s, loop
        if moved or self._pictures is None:
            self.update()

    def show_theme(self, theme: Theme) -> None:
        """Apply a theme."""
        self.theme = theme
        self._pictures = None
        self.update()

    def sizeHint(self) -> QSize:  # noqa: N802
        """Return a low and wide size."""
        return QSize(300, self._tall)

    def set_tall(self, height: int) -> None:
        """Set the height, `LEAST_HEIGHT` at least."""
        self._tall = max(LEAST_HEIGHT, height)
        self.setFixedHeight(self._tall)

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802
        """Redraw the waveform at the new size."""
        self._pictures = None
        super().resizeEvent(event)

    def mousePressEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802
        """Start a click or a drag."""
        assert event is not None
        if self._waveform is not None and event.button() == Qt.MouseButton.LeftButton:
            self._pressed_x, self._drag_x = event.position().x(), None

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802
        """Show the part that the drag would mark."""
        assert event is not None
        if self._pressed_x is not None and abs(event.position().x() - self._pressed_x) >= _DRAG_PX:
            self._drag_x = event.position().x()
            self.update()

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802
        """Seek after a click, mark a part after a drag."""
        assert event is not None
        pressed_x, drag_x = self._pressed_x, self._drag_x
        self._pressed_x = self._drag_x = None
        if pressed_x is None:
            return
        if drag_x is None:
            self.sought.emit(self._time_at(pressed_x))
        else:
            first, last = sorted((self._time_at(pressed_x), self._time_at(drag_x)))
            self.marked.emit(first, last)
        self.update()

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802
        """Seek with the arrow keys."""
        assert event is not None
        step = {Qt.Key.Key_Left: -_STEP_S, Qt.Key.Key_Right: _STEP_S}.get(Qt.Key(event.key()))
        if step is None or event.modifiers():
            event.ignore()
        else:
            self.sought.emit(max(0.0, self._position_s + step))

    def paintEvent(self, _: QPaintEvent | None) -> None:  # noqa: N802
        """Draw waveform, loop and position."""
        painter = QPainter(self)
        frame = QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5)
        painter.fillRect(self.rect(), QColor(self.theme.field))
        if self._waveform is None:
            painter.setPen(QColor(self.theme.faint))
            painter.drawText(frame, Qt.AlignmentFlag.AlignCenter, self._hint)
        else:
            self._paint_song(painter)
        painter.setPen(QColor(self.theme.accent if self.hasFocus() else self.theme.line))
        painter.drawRect(frame)

    def _paint_song(self, painter: QPainter) -> None:
        if self._pictures is None:
            self._pictures = (self._outline(self.theme.faint), self._outline(self.theme.accent))
        height, x = self.height(), self._x_of(self._position_s)
        ahead, played = self._pictures
        painter.drawPixmap(0, 0, ahead)
        if round(x) > 0:  # 0 would mean all of it
            painter.drawPixmap(0, 0, played, 0, 0, round(x), height)
        part = self._loop
        if self._pressed_x is not None and self._drag_x is not None:
            first, last = sorted((self._time_at(self._pressed_x), self._time_at(self._drag_x)))
            part = (first, last)
        if part is not None:
            shade = QColor(self.theme.warn)
            shade.setAlphaF(0.22)
            left, right = self._x_of(part[0]), self._x_of(part[1])
            painter.fillRect(QRectF(left, 0, right - left, height), shade)
            painter.setPen(QColor(self.theme.warn))
            for edge in (left, right):
                painter.drawLine(QPointF(edge, 0), QPointF(edge, height))
        painter.fillRect(QRectF(round(x) - 1, 0, 2, height), QColor(self.theme.text))
        if part is not None:
            self._paint_label(painter, left, f"loop {write_time(part[0])} to {write_time(part[1])}")

    def _paint_label(self, painter: QPainter, x: float, text: str) -> None:
        """Draw a label with its own background, kept within the widget."""
        size = self.fontMetrics().size(0, text)
        ground = QRectF(min(x, self.width() - size.width() - 9), self.height() - size.height() - 3, 0, 0)
        ground.setSize(QSizeF(size.width() + 8, size.height() + 2))
        painter.fillRect(ground, QColor(self.theme.panel))
        painter.setPen(QColor(self.theme.text))
        painter.drawText(ground, Qt.AlignmentFlag.AlignCenter, text)

    def _outline(self, colour: str) -> QPixmap:
        """Draw the peaks that have been read so far."""
        assert self._waveform is not None
        self._drawn = self._waveform.done
        picture = QPixmap(self.size())
        picture.fill(Qt.GlobalColor.transparent)
        painter = QPainter(picture)
        middle, half = self.height() / 2, self.height() / 2 - 4
        for x in range(self.width()):
            first, last = (min(BARS, round((x + side) * BARS / self.width())) for side in (0, 1))
            last = max(last, first + 1)
            peak = float(self._waveform.peaks[first:last].max(initial=0.0))
            if first < self._drawn:
                painter.fillRect(QRectF(x, middle - peak * half, 1, max(1.0, 2 * peak * half)), QColor(colour))
        painter.end()
        return picture

    def _x_of(self, position_s: float) -> float:
        length_s = self._waveform.length_s if self._waveform is not None else 0.0
        return self.width() * min(1.0, position_s / length_s) if length_s else 0.0

    def _time_at(self, x: float) -> float:
        assert self._waveform is not None
        return self._waveform.length_s * min(1.0, max(0.0, x / max(1, self.width())))
