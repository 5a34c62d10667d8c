"""A page with panels at its side."""

from PyQt6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

PANEL_WIDTH = 242
"""Of the panels, at most."""


def side_by_side(page: QWidget, *panels: QWidget) -> QWidget:
    """Return a widget of a page, which takes the room, and panels to its right, one above the other."""
    both = QWidget()
    row = QHBoxLayout(both)
    row.setContentsMargins(0, 0, 0, 0)
    row.setSpacing(5)
    row.addWidget(page, 1)
    column = QVBoxLayout()  # without a widget, for one would take room when all panels are hidden
    column.setSpacing(5)
    row.addLayout(column)
    for panel in panels:
        panel.setMaximumWidth(PANEL_WIDTH)
        column.addWidget(panel)
    return both
