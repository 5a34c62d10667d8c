"""A page with panels at its side."""

from PyQt6.QtWidgets import QHBoxLayout, QWidget


def side_by_side(page: QWidget, *panels: QWidget) -> QWidget:
    """Return a widget of a page, which takes the room, and panels to its right."""
    both = QWidget()
    row = QHBoxLayout(both)
    row.setContentsMargins(0, 0, 0, 0)
    row.setSpacing(5)
    row.addWidget(page, 1)
    for panel in panels:
        row.addWidget(panel)
    return both
