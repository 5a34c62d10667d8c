"""Media keys and the desktop's player controls on Linux, by MPRIS over D-Bus (specifications.freedesktop.org)."""

import asyncio
import os
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from stemlive.guarded_thread import GuardedThread
from stemlive.realtime.control.media import Playing, Request

if TYPE_CHECKING:
    from stemlive.realtime.control.mpris_bus import Service

_JUMP_S = 0.7
"""A position that differs by more from what is expected was sought."""
_PATIENCE_S = 2.0


class MediaKeys:
    """Listens on the session's bus, on a thread of its own, beside all sound; without a bus it does nothing.

    One thread calls its methods. `raises` is whether there is a window that `raise` brings to the front.
    """

    def __init__(self, *, raises: bool = False) -> None:
        self.now = Playing()
        self.raises = raises
        self.requests: SimpleQueue[Request] = SimpleQueue()
        self._position = (0.0, 0.0)
        self._service: Service | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end: asyncio.Event | None = None
        self._thread = GuardedThread("stemlive mpris", self._listen)
        if sys.platform == "linux" and "DBUS_SESSION_BUS_ADDRESS" in os.environ:
            self._thread.start()

    @property
    def listens(self) -> bool:
        """Whether there is a bus, as far as is known."""
        return self._thread.is_alive()

    @property
    def position_s(self) -> float:
        """Where the song is now. Any thread may ask."""
        position_s, at_s = self._position
        return min(position_s + (time.monotonic() - at_s if self.now.plays else 0.0), self.now.length_s)

    def take(self) -> Iterator[Request]:
        """Yield what was requested since the last call."""
        with suppress(Empty):
            while True:
                yield self.requests.get_nowait()

    def show(self, now: Playing, position_s: float) -> None:
        """Show what plays, and where it is; call it often."""
        before, expected_s = self.now, self.position_s
        jumped = now.number == before.number and abs(position_s - expected_s) > _JUMP_S
        self.now, self._position = now, (position_s, time.monotonic())
        if self._loop is None or self._service is None or (now == before and not jumped):
            return
        with suppress(RuntimeError):  # it has just ended
            self._loop.call_soon_threadsafe(self._service.tell, before, now, position_s if jumped else None)

    def close(self) -> None:
        """Leave the bus."""
        if self._loop is not None and self._end is not None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._end.set)
        self._thread.end(_PATIENCE_S)

    def _listen(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        from stemlive.realtime.control.mpris_bus import Service

        end = asyncio.Event()
        service = Service(self)
        if await service.begin():
            self._end, self._service = end, service
            self._loop = asyncio.get_running_loop()
            service.tell(Playing(), self.now, None)
            await service.until(end)
            self._loop = None
