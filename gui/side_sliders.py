"""The small sliders beside the faders: pan and reverberation."""

from PyQt6.QtCore import QPointF, QSize
from PyQt6.QtGui import QColor, QPainter, QPaintEvent
from PyQt6.QtWidgets import QWidget

from stemlive.gui.fader import STEPS, DeskSlider


class Pan(DeskSlider):
    """A pan slider, -1 (left) to 1 (right). `moved` carries the pan."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(name, parent)
        self.pan = 0.0
        self.show_pan(0.0)

    def show_pan(self, pan: float) -> None:
        """Show a pan, without emitting `moved`."""
        self.pan = pan
        self.setValue(round(STEPS * (pan + 1) / 2))
        side = "middle" if abs(pan) < 0.005 else f"{abs(pan):.0%} {'left' if pan < 0 else 'right'}"
        self.setAccessibleDescription(f"{side}; arrows move it, Home sets the middle")
        self.update()

    def step(self, by: float) -> float:
        """Return the value 0.05 per key stroke away."""
        return min(1.0, max(-1.0, round(self.pan + by / 20, 3)))

    def lowest(self) -> float:
        """Return -1: left."""
        return -1.0

    def value_at(self, place: float) -> float:
        """Return the pan at a position, linear, snapping to the middle."""
        pan = round(2 * place - 1, 2)
        return 0.0 if abs(pan) < 0.06 else pan

    def sizeHint(self) -> QSize:  # noqa: N802
        """Return a small size: it is seldom moved."""
        return QSize(92, 22)

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """Return the smallest usable size."""
        return QSize(80, 20)

    def paintEvent(self, _: QPaintEvent | None) -> None:  # noqa: N802
        """Draw groove, handle and middle mark."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        y = self.height() / 2
        painter.setPen(QColor(self.theme.faint))
        painter.drawLine(QPointF(self.x_of(0.5), y - 7), QPointF(self.x_of(0.5), y + 7))
        self.paint_groove(painter, y, 0.5, (self.pan + 1) / 2)


class Reverb(DeskSlider):
    """A slider for the amount of reverberation, 0 to 1. `moved` carries the amount."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(name, parent)
        self.amount = 0.0
        self.show_amount(0.0)

    def show_amount(self, amount: float) -> None:
        """Show an amount, without emitting `moved`."""
        self.amount = amount
        self.setValue(round(STEPS * amount))
        self.setAccessibleDescription(f"{amount:.0%}; arrows move it, Home sets none")
        self.update()

    def step(self, by: float) -> float:
        """Return the value 0.05 per key stroke away."""
        return min(1.0, max(0.0, round(self.amount + by / 20, 3)))

    def lowest(self) -> float:
        """Return 0: none."""
        return 0.0

    def value_at(self, place: float) -> float:
        """Return the amount at a position, linear."""
        return round(place, 2)

    def sizeHint(self) -> QSize:  # noqa: N802
        """Return a small size."""
        return QSize(92, 22)

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """Return the smallest usable size."""
        return QSize(70, 20)

    def paintEvent(self, _: QPaintEvent | None) -> None:  # noqa: N802
        """Draw groove and handle."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self.paint_groove(painter, self.height() / 2, 0.0, self.amount)
