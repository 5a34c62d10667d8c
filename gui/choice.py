"""A combo box whose arrow suits both themes."""

from PyQt6.QtCore import QPointF, Qt
from PyQt6.QtGui import QPainter, QPaintEvent, QPalette, QPen
from PyQt6.QtWidgets import QComboBox, QSizePolicy, QStyle, QStyleOptionComboBox, QStylePainter

_ARROW_FROM_RIGHT, _TEXT_FROM_LEFT = 15, 12


class Choice(QComboBox):
    """A combo box that elides long entries instead of widening the window."""

    def __init__(self, name: str, tip: str = "", *, least_characters: int = 12) -> None:
        super().__init__()
        self.setAccessibleName(name)
        self.setAccessibleDescription(tip or name)
        self.setToolTip(tip)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(least_characters)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802
        """Draw the elided entry, and the arrow, which a style sheet removes."""
        painter = QStylePainter(self)
        option = QStyleOptionComboBox()
        self.initStyleOption(option)
        painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
        room = self.width() - _TEXT_FROM_LEFT - _ARROW_FROM_RIGHT - 8
        option.currentText = self.fontMetrics().elidedText(option.currentText, Qt.TextElideMode.ElideRight, room)
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(self.palette().color(QPalette.ColorRole.ButtonText), 1.5))
        x, y = self.width() - _ARROW_FROM_RIGHT, self.height() / 2
        painter.drawPolyline(QPointF(x - 4, y - 2), QPointF(x, y + 2), QPointF(x + 4, y - 2))
