"""A list to choose from, with an arrow that suits both themes."""

from PyQt6.QtCore import QPointF
from PyQt6.QtGui import QPainter, QPaintEvent, QPalette, QPen
from PyQt6.QtWidgets import QComboBox, QSizePolicy

_ARROW_FROM_RIGHT = 15


class Choice(QComboBox):
    """A long entry is cut at its end, and never widens the window."""

    def __init__(self, name: str, tip: str = "", *, least_characters: int = 12) -> None:
        super().__init__()
        self.setAccessibleName(name)
        self.setAccessibleDescription(tip or name)
        self.setToolTip(tip)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(least_characters)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802
        """Draw the arrow, which a style sheet takes away."""
        super().paintEvent(event)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(self.palette().color(QPalette.ColorRole.ButtonText), 1.5))
        x, y = self.width() - _ARROW_FROM_RIGHT, self.height() / 2
        painter.drawPolyline(QPointF(x - 4, y - 2), QPointF(x, y + 2), QPointF(x + 4, y - 2))
