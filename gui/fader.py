"""The slider of the mixer, and the fader with its scale in dB."""

import math
from collections.abc import Callable

from PyQt6.QtCore import QPointF, QRectF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QWheelEvent
from PyQt6.QtWidgets import QSlider, QWidget

from stemlive.gui.scale import FADER_MARKS_DB, fader_db, fader_place, write_db
from stemlive.gui.theme import DARK, Theme, number_font

STEPS = 1000
_MARGIN = 9
_ALL_MARKS_WIDTH = 204
_NUMBERS_HEIGHT = 29
"""A lower fader has marks, but no numbers."""
_SPARED_DB = (-45.0, -20.0, -6.0, 6.0)
"""Marks without a number on a narrow fader."""


class DeskSlider(QSlider):
    """A slider that jumps to a click. Signals: `moved` with the new value, `released` at the end of a gesture.

    It has the keys and the accessibility of a slider; Home and a double click set the resting value.
    """

    moved = pyqtSignal(float)
    released = pyqtSignal()

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(Qt.Orientation.Horizontal, parent)
        self.setRange(0, STEPS)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName(name)
        self.theme: Theme = DARK
        self.colour = "#888888"
        self._drag_from: tuple[float, float] | None = None

    def step(self, by: float) -> float:
        """Return the value after `by` key strokes."""
        raise NotImplementedError

    def rest(self) -> float:
        """Return the resting value, for Home and a double click."""
        return 0.0

    def lowest(self) -> float:
        """Return the lowest value, for End."""
        raise NotImplementedError

    def value_at(self, place: float) -> float:
        """Return the value at a position from 0 to 1."""
        raise NotImplementedError

    def x_of(self, place: float) -> float:
        """Return the x coordinate of a position from 0 to 1."""
        return _MARGIN + place * (self.width() - 2 * _MARGIN)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802
        """Handle arrows, page keys, Home and End; pass other keys on to the window."""
        assert event is not None
        keys: dict[int, Callable[[], float]] = {
            Qt.Key.Key_Right: lambda: self.step(1),
            Qt.Key.Key_Up: lambda: self.step(1),
            Qt.Key.Key_Left: lambda: self.step(-1),
            Qt.Key.Key_Down: lambda: self.step(-1),
            Qt.Key.Key_PageUp: lambda: self.step(6),
            Qt.Key.Key_PageDown: lambda: self.step(-6),
            Qt.Key.Key_Home: self.rest,
            Qt.Key.Key_End: self.lowest,
        }
        find = keys.get(event.key())
        if find is None or event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier:
            event.ignore()
            return
        self.moved.emit(find())

    def keyReleaseEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802
        """End the gesture when a key is released, but not on its repeats."""
        if event is not None and not event.isAutoRepeat():
            self.released.emit()

    def mousePressEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802
        """Jump to the click; with Shift, start a fine movement instead."""
        assert event is not None
        if event.button() != Qt.MouseButton.LeftButton:
            return
        place = self._place(event)
        if event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            self._drag_from = (place, self.sliderPosition() / STEPS)
        else:
            self._drag_from = None
            self.moved.emit(self.value_at(place))
        self.setSliderDown(True)

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802
        """Follow the mouse."""
        assert event is not None
        if self.isSliderDown():
            place = self._place(event)
            if self._drag_from is not None:
                place = min(1.0, max(0.0, self._drag_from[1] + (place - self._drag_from[0]) / 8))
            self.moved.emit(self.value_at(place))

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802
        """End the gesture."""
        self.setSliderDown(False)
        self.released.emit()

    def mouseDoubleClickEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802
        """Set the resting value."""
        self.moved.emit(self.rest())
        self.released.emit()

    def wheelEvent(self, event: QWheelEvent | None) -> None:  # noqa: N802
        """Move by one step per notch."""
        assert event is not None
        notches = event.angleDelta().y() / 120
        if notches:
            self.moved.emit(self.step(notches))
        event.accept()

    def _place(self, event: QMouseEvent) -> float:
        place = (event.position().x() - _MARGIN) / max(1, self.width() - 2 * _MARGIN)
        return min(1.0, max(0.0, place))

    def paint_groove(self, painter: QPainter, y: float, lit_from: float, lit_to: float) -> None:
        """Draw the groove, highlighted between two positions, and the handle at the second one."""
        enabled = self.isEnabled()
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(self.theme.line))
        painter.drawRoundedRect(QRectF(self.x_of(0), y - 2, self.x_of(1) - self.x_of(0), 4), 2, 2)
        colour = QColor(self.colour if enabled else self.theme.faint)
        painter.setBrush(colour)
        first, last = sorted((self.x_of(lit_from), self.x_of(lit_to)))
        painter.drawRoundedRect(QRectF(first, y - 2, last - first, 4), 2, 2)
        focus = QColor(self.theme.text if self.hasFocus() else self.theme.window)
        painter.setPen(QPen(focus, 2 if self.hasFocus() else 1))
        painter.drawRoundedRect(QRectF(self.x_of(lit_to) - 5, y - 8, 10, 16), 3, 3)
        painter.setPen(QPen(QColor("#ffffff"), 1))
        painter.drawLine(QPointF(self.x_of(lit_to), y - 4), QPointF(self.x_of(lit_to), y + 4))


class Fader(DeskSlider):
    """A fader from -inf to +12 dB. `moved` carries the gain in dB."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(name, parent)
        self.gain_db = 0.0
        self.show_db(0.0)

    def show_db(self, gain_db: float) -> None:
        """Show a gain, without emitting `moved`."""
        self.gain_db = gain_db
        self.setValue(round(STEPS * fader_place(gain_db)))
        self.setAccessibleDescription(f"{write_db(gain_db)} dB; arrows move it by half a dB, Home sets 0 dB")
        self.update()

    def step(self, by: float) -> float:
        """Return the gain half a dB per key stroke away; up from off is -60 dB."""
        if self.gain_db == -math.inf:
            return -60.0 if by > 0 else -math.inf
        gain_db = self.gain_db + by / 2
        return -math.inf if gain_db < -72 else min(12.0, gain_db)

    def lowest(self) -> float:
        """Return -inf: off."""
        return -math.inf

    def value_at(self, place: float) -> float:
        """Return the gain on the scale, which snaps to 0 dB."""
        gain_db = fader_db(place)
        return 0.0 if abs(gain_db) < 0.35 else gain_db

    def sizeHint(self) -> QSize:  # noqa: N802
        """Wide enough for the scale."""
        return QSize(240, _NUMBERS_HEIGHT + 2)

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """As wide as the numbers of the scale need."""
        return QSize(130, 20)

    def paintEvent(self, _: QPaintEvent | None) -> None:  # noqa: N802
        """Draw groove, handle and scale."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        y = 8.5
        painter.setFont(number_font(9))
        for mark_db in FADER_MARKS_DB:
            x = self.x_of(fader_place(mark_db))
            if mark_db in _SPARED_DB and self.width() < _ALL_MARKS_WIDTH:
                continue
            painter.setPen(QColor(self.theme.text if mark_db == 0 else self.theme.faint))
            painter.drawLine(QPointF(x, y + 8), QPointF(x, y + 10))
            if self.height() < _NUMBERS_HEIGHT:
                continue
            text = f"{mark_db:+.0f}" if mark_db else "0"
            painter.drawText(QRectF(x - 14, y + 9.5, 28, 11), Qt.AlignmentFlag.AlignCenter, text)
        if self.height() >= _NUMBERS_HEIGHT:
            painter.setPen(QColor(self.theme.faint))
            painter.drawText(
                QRectF(0, y + 9.5, 24, 11), Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, "-∞"
            )
        self.paint_groove(painter, y, 0.0, fader_place(self.gain_db))
