"""The outline of the song: waveform or stems, position and loop. A click seeks, a drag sets the loop, a wheel zooms."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import QPointF, QRectF, QSize, QSizeF, Qt, pyqtSignal
from PyQt6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPixmap, QResizeEvent, QWheelEvent
from PyQt6.QtWidgets import QSizePolicy, QWidget

from stemlive.gui.outline_span import Span
from stemlive.gui.scale import write_time
from stemlive.gui.stem_outline import Stems
from stemlive.gui.theme import DARK, Theme, stem_colour
from stemlive.gui.waveform import BARS, Waveform

LEAST_HEIGHT = 44
_DRAG_PX = 6
_STEP_S = 5.0
_ZOOM = 2.0
_NOTCH_ZOOM, _NOTCH_SCROLL = 1.25, 0.15
_PLAYED_ALPHA = 0.4
_NEWS_BARS = BARS // 40
"""How many more bars of the stems must be known to draw them."""


class Overview(QWidget):
    """Shows a song. Signals, in seconds of the song: `sought` with a position, `marked` with a part to loop."""

    sought = pyqtSignal(float)
    marked = pyqtSignal(float, float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Song")
        self.setAccessibleDescription(
            "Click to go to a place, drag to mark a part that is repeated; arrows: 5 s; + and - zoom"
        )
        self.setToolTip(
            "Click: go there (Ctrl+Left, Ctrl+Right: 5 s). Drag: repeat a part ([ and ], L: no loop). Wheel: zoom "
            "(+, -, 0), with Shift along the song. Colours: the stems, one above the other, once they are known"
        )
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
        self._drawn = self._stems_drawn = 0
        self._stems: Stems | None = None
        self.span = Span()
        self._tall = LEAST_HEIGHT

    def show_song(self, waveform: Waveform | None, hint: str = "") -> None:
        """Show another song, or a hint if there is none."""
        if waveform is not self._waveform:
            self.span = Span()
        self._waveform, self._hint = waveform, hint
        self._pictures = None
        self.setEnabled(waveform is not None)
        self.update()

    def show_position(self, position_s: float, loop: tuple[float, float] | None) -> None:
        """Move the position line; redraw only if it moves by a pixel."""
        if self._waveform is not None:
            self.span.set_length(self._waveform.length_s)
            if self._drawn < self._waveform.done or self.span.follow(position_s):
                self._pictures = None
        moved = round(self._x_of(position_s)) != round(self._x_of(self._position_s)) or loop != self._loop
        self._position_s, self._loop = position_s, loop
        if moved or self._pictures is None:
            self.update()

    def show_stems(self, stems: Stems | None) -> None:
        """Show the stems as far as they are known; call it again when there are more."""
        known = 0 if stems is None else stems.done
        last = stems is not None and stems.complete and self._stems_drawn < known
        if stems is not self._stems or last or known >= self._stems_drawn + _NEWS_BARS:
            self._stems, self._stems_drawn = stems, known
            self._pictures = None
            self.update()

    def zoom(self, steps: float) -> None:
        """Zoom in by steps, or out if they are negative, with the position where it is; -inf shows the whole song."""
        self._zoom(_ZOOM**steps, min(max(self._position_s, self.span.first_s), self.span.last_s))

    def _zoom(self, factor: float, about_s: float) -> None:
        if self._waveform is not None and self.span.zoom(factor or 1e-9, about_s):
            self._pictures = None
            self.update()

    def wheelEvent(self, event: QWheelEvent | None) -> None:  # noqa: N802
        """Zoom about the mouse; with Shift, or sideways, move along the song."""
        assert event is not None
        turn = event.angleDelta()
        sideways = turn.x() or (turn.y() if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else 0)
        if self._waveform is None:
            event.ignore()
        elif sideways:
            if self.span.scroll(-_NOTCH_SCROLL * sideways / 120):
                self._pictures = None
                self.update()
        else:
            self._zoom(_NOTCH_ZOOM ** (turn.y() / 120), self._time_at(event.position().x()))

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
            self._pictures = (self._outline(played=False), self._outline(played=True))
        height, x = self.height(), self._x_of(self._position_s)
        ahead, played = self._pictures
        edge = min(self.width(), max(0, round(x)))
        painter.drawPixmap(edge, 0, ahead, edge, 0, self.width() - edge, height)
        if edge > 0:  # 0 would mean all of it
            painter.drawPixmap(0, 0, played, 0, 0, edge, height)
        if not self.span.whole:
            left, right = (self.width() * s / self.span.length_s for s in (self.span.first_s, self.span.last_s))
            painter.fillRect(QRectF(left, height - 3, right - left, 3), QColor(self.theme.accent))
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
            for side in (left, right):
                painter.drawLine(QPointF(side, 0), QPointF(side, height))
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

    def _outline(self, *, played: bool) -> QPixmap:
        """Draw the stems in lanes where they are known, and the waveform elsewhere, as far as it has been read."""
        assert self._waveform is not None
        self._drawn = self._waveform.done
        picture = QPixmap(self.size())
        picture.fill(Qt.GlobalColor.transparent)
        painter = QPainter(picture)
        middle, half = self.height() / 2, self.height() / 2 - 4
        plain = QColor(self.theme.accent if played else self.theme.faint)
        stems = self._stems
        lanes = [QColor(stem_colour(name, number)) for number, name in enumerate(stems.names if stems else (), 1)]
        for lane in lanes:
            lane.setAlphaF(_PLAYED_ALPHA if played else 1.0)
        loudest = max(1, int(stems.peaks.max(initial=0))) if stems else 1
        tall = (self.height() - 6) / max(1, len(lanes))
        edges = self._edges(self._waveform.length_s)
        first, last = edges[:-1].tolist(), np.maximum(edges[1:], edges[:-1] + 1).tolist()
        levels = _highest(self._waveform.peaks, edges).tolist()
        peaks = _highest(stems.peaks, edges) if stems else np.zeros((0, self.width()))
        bars = np.maximum(1.0, (tall - 1) * np.sqrt(peaks / loudest)).T.tolist()  # quiet passages are seen, too
        for x in range(self.width()):
            if stems is not None and last[x] <= stems.done:
                for number, bar in enumerate(bars[x], 1):
                    painter.fillRect(QRectF(x, 3 + number * tall - bar, 1, bar), lanes[number - 1])
            elif first[x] < self._drawn:
                tip = levels[x] * half
                painter.fillRect(QRectF(x, middle - tip, 1, max(1.0, 2 * tip)), plain)
        painter.end()
        return picture

    def _edges(self, length_s: float) -> NDArray[np.int64]:
        """The bar at which each column of pixels begins, and the one at which the last ends: `[width + 1]`."""
        scale = BARS / length_s if length_s else 0.0
        span_s = self.span.last_s - self.span.first_s
        times_s = self.span.first_s + np.arange(self.width() + 1) / max(1, self.width()) * span_s
        return np.minimum(BARS, np.rint(scale * times_s)).astype(np.int64)

    def _x_of(self, position_s: float) -> float:
        return self.width() * self.span.place(position_s)

    def _time_at(self, x: float) -> float:
        return self.span.position(x / max(1, self.width()))


def _highest(peaks: NDArray[Any], edges: NDArray[np.int64]) -> NDArray[Any]:
    """The highest of the bars `[..., BARS]` of each column, of which each has one at least: `[..., width]`."""
    padded = np.concatenate([peaks, np.zeros_like(peaks[..., :1])], axis=-1)
    columns: NDArray[Any] = np.maximum.reduceat(padded, edges, axis=-1)[..., :-1]
    return columns
