"""Draw a spectrogram with its axes: frequency in Hz, time before now, and the colour scale."""

import math
from functools import cache

import numpy as np
import pyqtgraph
from numpy.typing import NDArray
from PyQt6 import sip
from PyQt6.QtCore import QRect, QRectF, QSize, Qt
from PyQt6.QtGui import QColor, QImage, QPainter, QPaintEvent, QResizeEvent
from PyQt6.QtWidgets import QSizePolicy, QWidget

from stemlive.gui.spectrogram_ring import COLUMNS, SpectrogramRing
from stemlive.gui.theme import DARK, Theme, number_font
from stemlive.realtime.dsp.meters import COLUMN_BINS, HIGHEST_HZ, LOWEST_HZ, RANGE_DB

GUTTER = 38
_LEAST_WIDTH = GUTTER + 30
_MARKS_HZ = ((100, "100"), (300, "300"), (1000, "1k"), (3000, "3k"), (10000, "10k"))
_COLOURS = {True: "magma", False: "CET-L17"}
"""From black to bright on dark, from white to a dark blue on light."""
_DIMMED = 0.35
_TICKS_S = (0.5, 1.0, 2.0, 5.0, 10.0)


@cache
def colour_table(dark: bool, dimmed: bool = False) -> tuple[int, ...]:
    """Return the 256 colours of levels as 0xAARRGGBB, for a dark or light window; `dimmed` if a stem is not heard."""
    table = pyqtgraph.colormap.get(_COLOURS[dark]).getLookupTable(nPts=256, alpha=False).astype(float)
    if dimmed:
        grey, ground = table.mean(axis=1, keepdims=True), 0 if dark else 255
        table = ground + (grey + (table - grey) * 0.4 - ground) * _DIMMED
    return tuple(0xFF000000 | int(r) << 16 | int(g) << 8 | int(b) for r, g, b in table)


class Spectrogram(QWidget):
    """The newest columns of one lane, one pixel each, labelled in Hz."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(name)
        self.setAccessibleDescription("What sounds at which frequency, over the last seconds; the newest is right")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.theme: Theme = DARK
        self._ring = SpectrogramRing(COLUMN_BINS, 90)
        self._heard = True

    def add(self, columns: NDArray[np.uint8]) -> None:
        """Append columns [n, bins]."""
        self._ring.add(columns[-COLUMNS:])
        self.update(self._picture_rect())

    def clear(self) -> None:
        """Clear the picture."""
        self._ring.clear()
        self.update()

    def show_heard(self, heard: bool) -> None:
        """Dim the picture while the stem is not heard."""
        if heard != self._heard:
            self._heard = heard
            self.update()

    def sizeHint(self) -> QSize:  # noqa: N802
        """Return the preferred size."""
        return QSize(600, 90)

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """Return the smallest size: where room is short, none is left for the picture."""
        return QSize(0, 54)

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802
        """Rescale the kept columns to the new height."""
        if self.height() != self._ring.height and self.height() > 1:
            self._ring.resize(self.height())
        super().resizeEvent(event)

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802
        """Draw the picture, and the labels only if they need repainting."""
        assert event is not None
        painter = QPainter(self)
        if self.width() < _LEAST_WIDTH:
            painter.fillRect(self.rect(), self._panel())
            return
        rect = self._picture_rect()
        view = self._ring.view(rect.width())
        # A pointer (missing in the stubs) avoids a copy; `view` outlives the image.
        image = QImage(
            sip.voidptr(view.ctypes.data),  # type: ignore[call-overload]
            view.shape[1],
            view.shape[0],
            view.strides[0],
            QImage.Format.Format_Indexed8,
        )
        image.setColorTable(list(colour_table(self.theme.dark, not self._heard)))
        painter.drawImage(rect.topLeft(), image)
        if not rect.contains(event.rect()):
            self._paint_gutter(painter)

    def _picture_rect(self) -> QRect:
        width = min(COLUMNS, max(1, self.width() - GUTTER))
        return QRect(self.width() - width, 0, width, self.height())

    def _paint_gutter(self, painter: QPainter) -> None:
        painter.fillRect(QRect(0, 0, self.width() - self._picture_rect().width(), self.height()), self._panel())
        painter.setFont(number_font(9))
        painter.setPen(QColor(self.theme.faint))
        for mark_hz, text in _MARKS_HZ:
            y = self.height() * (1 - math.log(mark_hz / LOWEST_HZ) / math.log(HIGHEST_HZ / LOWEST_HZ))
            painter.drawText(
                QRectF(0, y - 6, GUTTER - 7, 12), Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, text
            )
            painter.drawLine(GUTTER - 5, round(y), GUTTER - 2, round(y))

    def _panel(self) -> QColor:
        return QColor(self.theme.panel)


class TimeAxis(QWidget):
    """The time axis below the spectrograms, and their colour scale at its left."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFixedHeight(16)
        self.theme: Theme = DARK
        self._hop_s = 512 / 44100
        self.indent = 0
        """Left edge of the spectrograms in pixels."""

    def show_hop(self, hop_s: float) -> None:
        """Set the duration of a column."""
        if hop_s > 0 and hop_s != self._hop_s:
            self._hop_s = hop_s
            self.update()

    def paintEvent(self, _: QPaintEvent | None) -> None:  # noqa: N802
        """Draw both scales."""
        painter = QPainter(self)
        painter.setFont(number_font(10))
        painter.setPen(QColor(self.theme.faint))
        left = self.indent + GUTTER
        if self.width() < self.indent + _LEAST_WIDTH:
            return
        span_s = (self.width() - left) * self._hop_s
        tick_s = next((tick for tick in _TICKS_S if span_s / tick <= 12), _TICKS_S[-1])
        centre = Qt.AlignmentFlag.AlignCenter
        for number in range(int(span_s / tick_s) + 1):
            x = self.width() - number * tick_s / self._hop_s
            painter.drawLine(round(x) - (number == 0), 0, round(x) - (number == 0), 4)
            text = f"-{number * tick_s:g} s" if number else "now"
            where = QRectF(x - 30, 3, 60, 13)
            if number == 0:
                painter.drawText(where.translated(-30, 0), Qt.AlignmentFlag.AlignRight, text)
            elif x - 30 > left - 20:
                painter.drawText(where, centre, text)
        self._paint_colours(painter)

    def _paint_colours(self, painter: QPainter) -> None:
        width = 128
        x = max(0, self.indent - width - 60)
        table = colour_table(self.theme.dark)
        for step in range(width):
            painter.fillRect(x + step, 3, 1, 9, QColor(table[step * 255 // (width - 1)]))
        painter.drawText(QRectF(x - 66, 1, 62, 13), Qt.AlignmentFlag.AlignRight, f"-{RANGE_DB:.0f} dB")
        painter.drawText(QRectF(x + width + 5, 1, 60, 13), Qt.AlignmentFlag.AlignLeft, "0 dB")
