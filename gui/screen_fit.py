"""Where the window opens: within the screen, with room for its frame."""

from PyQt6.QtCore import QByteArray, QRect, QSize
from PyQt6.QtGui import QGuiApplication
from PyQt6.QtWidgets import QWidget

LEAST_SIZE = (960, 600)
_FIRST_SIZE, _FIRST_SHARE = (1280, 760), 0.85
"""The first window takes this much of a large screen's width and height, and all that it needs of a small one's."""
_FRAME_SIDE, _FRAME_TOP = 8, 40
"""Room for the frame and the title bar, whose sizes are known only once the window is shown."""


def fit_to_screen(window: QWidget, geometry: QByteArray) -> None:
    """Restore the geometry of the last time, or take most of the screen; never more than the screen shows."""
    screen = window.screen() or QGuiApplication.primaryScreen()
    if not window.restoreGeometry(geometry):
        assert screen is not None
        room = screen.availableGeometry()
        size = QSize(round(_FIRST_SHARE * room.width()), round(_FIRST_SHARE * room.height()))
        place = QRect(room.topLeft(), size.expandedTo(QSize(*_FIRST_SIZE)))
        place.moveCenter(room.center())
        window.setGeometry(place)
    if window.isMaximized() or window.isFullScreen():
        return
    screen = window.screen() or screen
    assert screen is not None
    window.setGeometry(fitted(window.geometry(), screen.availableGeometry()))


def fitted(wanted: QRect, available: QRect) -> QRect:
    """Return a window's geometry, without its frame, moved and shrunk into what a screen has available."""
    least = QSize(*LEAST_SIZE)
    room = available.adjusted(_FRAME_SIDE, _FRAME_TOP, -_FRAME_SIDE, -_FRAME_SIDE)
    if room.width() < least.width() or room.height() < least.height():
        room = available
    size = wanted.size().boundedTo(room.size()).expandedTo(least)
    place = QRect(wanted.topLeft(), size)
    place.moveRight(min(place.right(), room.right()))
    place.moveBottom(min(place.bottom(), room.bottom()))
    place.moveLeft(max(place.left(), room.left()))
    place.moveTop(max(place.top(), room.top()))
    return place
