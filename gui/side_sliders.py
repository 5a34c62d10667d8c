"""The small sliders beside the faders: a pan with a middle, and an amount of reverberation."""

from PyQt6.QtCore import QPointF, QSize
from PyQt6.QtGui import QColor, QPainter, QPaintEvent
from PyQt6.QtWidgets import QWidget

from stemlive.gui.fader import STEPS, DeskSlider


class Pan(DeskSlider):
    """A place between the sides, -1 to 1. `moved` tells it."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(name, parent)
        self.pan = 0.0
        self.show_pan(0.0)

    def show_pan(self, pan: float) -> None:
        """Stand at a place, without telling."""
        self.pan = pan
        self.setValue(round(STEPS * (pan + 1) / 2))
        side = "middle" if abs(pan) < 0.005 else f"{abs(pan):.0%} {'left' if pan < 0 else 'right'}"
        self.setAccessibleDescription(f"{side}; arrows move it, Home sets the middle")
        self.update()

    def step(self, by: float) -> float:
        """A twentieth a key stroke."""
        return min(1.0, max(-1.0, round(self.pan + by / 20, 3)))

    def lowest(self) -> float:
        """Left."""
        return -1.0

    def value_at(self, place: float) -> float:
        """Evenly; it holds in the middle."""
        pan = round(2 * place - 1, 2)
        return 0.0 if abs(pan) < 0.06 else pan

    def sizeHint(self) -> QSize:  # noqa: N802
        """Small: it is seldom moved."""
        return QSize(92, 22)

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """As its hint."""
        return QSize(80, 20)

    def paintEvent(self, _: QPaintEvent | None) -> None:  # noqa: N802
        """Draw groove, handle and the middle."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        y = self.height() / 2
        painter.setPen(QColor(self.theme.faint))
        painter.drawLine(QPointF(self.x_of(0.5), y - 7), QPointF(self.x_of(0.5), y + 7))
        self.paint_groove(painter, y, 0.5, (self.pan + 1) / 2)


class Reverb(DeskSlider):
    """An amount from 0 to 1. `moved` tells it."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(name, parent)
        self.amount = 0.0
        self.show_amount(0.0)

    def show_amount(self, amount: float) -> None:
        """Stand at an amount, without telling."""
        self.amount = amount
        self.setValue(round(STEPS * amount))
        self.setAccessibleDescription(f"{amount:.0%}; arrows move it, Home sets none")
        self.update()

    def step(self, by: float) -> float:
        """A twentieth a key stroke."""
        return min(1.0, max(0.0, round(self.amount + by / 20, 3)))

    def lowest(self) -> float:
        """None."""
        return 0.0

    def value_at(self, place: float) -> float:
        """Evenly."""
        return round(place, 2)

    def sizeHint(self) -> QSize:  # noqa: N802
        """Small."""
        return QSize(92, 22)

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """As its hint."""
        return QSize(70, 20)

    def paintEvent(self, _: QPaintEvent | None) -> None:  # noqa: N802
        """Draw groove and handle."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self.paint_groove(painter, self.height() / 2, 0.0, self.amount)
