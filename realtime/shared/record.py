"""A record that one thread writes and any other reads whole, in one process or two, without locks."""

import time
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

_HEAD = 64
"""Bytes before the contents, of which the first eight count the publications, or hold a slot's checksum."""
_TRIES = 20


class SharedRecord:
    """The writer changes `draft`; `publish` shows all of it at once, and `read` returns what was published last.

    Two slots take turns, so the last record stays whole while the next one is written, even if the writer is killed
    half-way. A checksum detects a slot that was overwritten during a read, or by a second writer.
    """

    def __init__(self, dtype: np.dtype[Any], buffer: Any, offset: int, initial: Any) -> None:
        """Use a part of a shared buffer. `initial` is what `read` returns before the first `publish`."""
        self._dtype = dtype
        self._seen = self._room()
        self._view(self._seen)[...] = initial
        self.map(buffer, offset)
        self._own = self._room()
        self.draft: Any = self._view(self._own)
        """The writer's own copy: a structured array without dimensions."""
        self.take_over()

    @classmethod
    def size(cls, dtype: np.dtype[Any]) -> int:
        """Return how many bytes it takes in the shared buffer."""
        return _HEAD + 2 * (_HEAD + dtype.itemsize + 63 & ~63)

    def map(self, buffer: Any, offset: int) -> None:
        """Switch to another buffer."""
        self._count = np.ndarray((), np.int64, buffer, offset)
        slot = _HEAD + self._dtype.itemsize + 63 & ~63
        self._slots = np.ndarray((2, _HEAD + self._dtype.itemsize), np.uint8, buffer, offset + _HEAD, (slot, 1))

    def take_over(self) -> None:
        """Writer: set the draft to what another writer, which has ended, published last."""
        self.draft[...] = self.read()

    def publish(self) -> None:
        """Writer, one thread at a time: show the draft as it is now. Allocates views only, and never waits."""
        count = int(self._count)
        self._own[:8].view(np.uint64)[0] = zlib.crc32(self._own[_HEAD:].data)
        self._slots[(count + 1) % 2] = self._own
        self._count[()] = count + 1

    def read(self) -> Any:
        """Reader: return the last published record, not to be changed; an older one, where that is damaged."""
        for _ in range(_TRIES):
            count = int(self._count)
            if not count:
                break
            slot = self._slots[count % 2].copy()
            if slot[:8].view(np.uint64)[0] == zlib.crc32(slot[_HEAD:].data):
                self._seen = slot
                break
            time.sleep(0)
        return self._view(self._seen)

    def _room(self) -> NDArray[np.uint8]:
        return np.zeros(_HEAD + self._dtype.itemsize, np.uint8)

    def _view(self, room: NDArray[np.uint8]) -> Any:
        return np.ndarray((), self._dtype, room, _HEAD)
