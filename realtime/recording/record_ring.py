"""A ring that never makes its writer wait: where there is no room, a gap is noted, and time goes on."""

import numpy as np
from numpy.typing import NDArray

from stemlive.realtime.devices.ring import Memory, ring_frames

FloatArray = NDArray[np.float32]

_GAPS = 256


class RecordRing:
    """Several signals side by side, from the engine's thread to a writer of files. Positions count from the start.

    `written` and `taken` have one writer each. A gap is noted before `written` goes past it, so the reader never
    takes for sound what is none.
    """

    def __init__(self, at_least: int, channels: tuple[int, ...]) -> None:
        """Make room for `at_least` frames of signals with so many channels; nothing is allocated later."""
        capacity = ring_frames(at_least)
        self._memories = tuple(Memory(capacity, count) for count in channels)
        for memory in self._memories:
            memory.frames.fill(0)  # so that the pages are there before the sound is
        self._capacity = capacity
        self._gaps = np.zeros((_GAPS, 2), np.int64)
        self._gaps_noted = self._gaps_passed = 0
        self._in_gap = False
        self.written = self.taken = 0
        self.lost_blocks = 0
        """Blocks for which there was no room."""

    # For the engine's thread.

    def has_room(self, count: int) -> bool:
        """Whether `count` more frames fit; where not, they are lost. After a loss half of the ring has to be free."""
        waiting = self.written - self.taken
        if waiting + count > (self._capacity // 2 if self._in_gap else self._capacity):
            self.lost_blocks += 1
            self.skip(count)
            return False
        self._in_gap = False
        return True

    def put(self, signal: int, block: FloatArray) -> None:
        """Copy a block [n, C] of one signal to where the next frames stand; there must be room."""
        self._memories[signal].put(self.written, block)

    def advance(self, count: int) -> None:
        """All signals of the next `count` frames are there."""
        self.written += count

    def skip(self, count: int) -> None:
        """Let `count` frames be silence."""
        if not self._in_gap and self._gaps_noted - self._gaps_passed < _GAPS:
            self._gaps[self._gaps_noted % _GAPS] = self.written, self.written + count
            self._gaps_noted += 1
        else:
            # Where no gap can be noted any more, the last one grows over what came after it.
            self._gaps[(self._gaps_noted - 1) % _GAPS, 1] = self.written + count
        self._in_gap = True
        self.written += count

    # For the thread that writes files.

    def take(self, count: int, out: list[FloatArray]) -> None:
        """Read the next `count` frames, of `written - taken`, into the heads of `out`, one array [m, C] a signal."""
        first, last = self.taken, self.taken + count
        for memory, block in zip(self._memories, out, strict=True):
            memory.get(first, block[:count])
        while self._gaps_passed < self._gaps_noted:
            begins, ends = (int(number) for number in self._gaps[self._gaps_passed % _GAPS])
            if begins >= last:
                break
            for block in out:
                block[max(begins, first) - first : min(ends, last) - first] = 0
            if ends > last or (ends == last and self._gaps_passed == self._gaps_noted - 1 and self._in_gap):
                break  # it may still grow
            self._gaps_passed += 1
        self.taken = last
