"""A level meter: peak, RMS, peak hold and a clip light."""

import math

from PyQt6.QtCore import QPointF, QRectF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent
from PyQt6.QtWidgets import QSizePolicy, QWidget

from stemlive.gui.scale import meter_place
from stemlive.gui.theme import DARK, Theme

_HOLD_S = 1.5
_FALL_DB_PER_S = 20.0
_MARKS_DB = (-48, -36, -24, -18, -12, -6, -3)
_WARN_DB, _HOT_DB = -12.0, -3.0
_LIGHT = 12


def to_db(level: float) -> float:
    """Return a linear level in dB; -inf for silence."""
    return 20 * math.log10(level) if level > 0 else -math.inf


class HeldPeak:
    """Peak hold: the highest level, held for 1.5 s and then falling; and whether the level ever passed full scale."""

    def __init__(self) -> None:
        self.level_db = -math.inf
        self.clipped = False
        self._since_s = 0.0

    def show(self, peak: float, now_s: float) -> None:
        """Take a linear peak and its time."""
        peak_db = to_db(peak)
        self.clipped = self.clipped or peak > 1.0
        fallen_db = self.level_db - _FALL_DB_PER_S * max(0.0, now_s - self._since_s - _HOLD_S)
        if peak_db >= fallen_db:
            self.level_db, self._since_s = peak_db, now_s
        elif fallen_db < self.level_db - 0.5:
            self.level_db, self._since_s = fallen_db, now_s - _HOLD_S

    def reset(self) -> None:
        """Clear the held peak and the clip flag."""
        self.level_db, self.clipped = -math.inf, False


class Meter(QWidget):
    """Shows linear peak and RMS. A click resets the clip light and emits `cleared`."""

    cleared = pyqtSignal()

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(name)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setToolTip("Light: mean level, outline: peak, line: highest peak. Red light: clipped; a click puts it out")
        self.theme: Theme = DARK
        self.held = HeldPeak()
        self._shown: tuple[int, int, int, bool] = (0, 0, 0, False)

    def show_levels(self, peak: float, rms: float, now_s: float) -> None:
        """Take the current levels; redraw only if a bar has moved."""
        self.held.show(peak, now_s)
        span = self.width() - _LIGHT - 4
        places = (meter_place(to_db(peak)), meter_place(to_db(rms)), meter_place(self.held.level_db))
        peak_x, rms_x, held_x = (round(span * place) for place in places)
        shown = (peak_x, rms_x, held_x, self.held.clipped)
        if shown != self._shown:
            self._shown = shown
            self.update()

    @property
    def settled(self) -> bool:
        """Whether it shows silence."""
        return not any(self._shown[:3])

    def sizeHint(self) -> QSize:  # noqa: N802
        """Return a size as wide as a fader."""
        return QSize(240, 10)

    def mousePressEvent(self, _: QMouseEvent | None) -> None:  # noqa: N802
        """Reset the clip light."""
        self.held.reset()
        self.cleared.emit()

    def paintEvent(self, _: QPaintEvent | None) -> None:  # noqa: N802
        """Draw bar, peak, line and light."""
        painter = QPainter(self)
        theme, height = self.theme, self.height()
        span = self.width() - _LIGHT - 4
        peak_x, rms_x, held_x, clipped = self._shown
        painter.fillRect(QRectF(0, 0, span, height), QColor(theme.line if theme.dark else "#d7dbe1"))
        zones = ((0.0, _WARN_DB, theme.good), (_WARN_DB, _HOT_DB, theme.warn), (_HOT_DB, 0.0, theme.bad))
        for number, (first_db, last_db, colour) in enumerate(zones):
            first = 0.0 if number == 0 else span * meter_place(first_db)
            last = span * meter_place(last_db)
            bright, pale = QColor(colour), QColor(colour)
            pale.setAlphaF(0.45)
            if peak_x > first:
                painter.fillRect(QRectF(first, 0, min(peak_x, last) - first, height), pale)
            if rms_x > first:
                painter.fillRect(QRectF(first, 0, min(rms_x, last) - first, height), bright)
        painter.setPen(QColor(theme.panel))
        for mark_db in _MARKS_DB:
            x = round(span * meter_place(mark_db))
            painter.drawLine(QPointF(x, 0), QPointF(x, height))
        if held_x:
            painter.fillRect(QRectF(held_x - 2, 0, 2, height), QColor(theme.text))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.fillRect(QRectF(span + 4, 0, _LIGHT, height), QColor(theme.bad if clipped else theme.line))
