"""How often the window looks at the engine: less while nothing moves."""

from collections.abc import Callable

from PyQt6.QtCore import QObject, QTimer

FRAME_MS, TEXT_MS, _IDLE_FRAME_MS, _IDLE_TEXT_MS = 40, 200, 250, 500
"""Idle is when nothing moves, as in a paused song."""


class Pace:
    """Calls `show_frame` about 25 times a second, and `show_texts` a few times."""

    def __init__(self, parent: QObject, show_frame: Callable[[], None], show_texts: Callable[[], None]) -> None:
        self.frames, self.texts = QTimer(parent), QTimer(parent)
        self.frames.timeout.connect(show_frame)
        self.texts.timeout.connect(show_texts)

    def start(self) -> None:
        """Begin."""
        self.frames.start(FRAME_MS)
        self.texts.start(TEXT_MS)

    def stop(self) -> None:
        """End."""
        self.frames.stop()
        self.texts.stop()

    def take(self, *, idle: bool) -> None:
        """Call seldom while nothing moves, if called at all."""
        for timer, wanted_ms in (
            (self.frames, _IDLE_FRAME_MS if idle else FRAME_MS),
            (self.texts, _IDLE_TEXT_MS if idle else TEXT_MS),
        ):
            if timer.isActive() and timer.interval() != wanted_ms:
                timer.start(wanted_ms)
