"""A ring whose writer never waits: when it is full, a gap is noted instead of samples."""

import numpy as np
from numpy.typing import NDArray

from stemlive.realtime.devices.ring import Memory, ring_frames

FloatArray = NDArray[np.float32]

_GAPS = 256


class RecordRing:
    """Several signals side by side, from the engine's thread to the file writer's. Positions count from the start.

    Only the engine's thread changes `written`, only the file writer's `taken`. A gap is noted before `written` passes
    it, so the reader never mistakes it for sound.
    """

    def __init__(self, at_least: int, channels: tuple[int, ...]) -> None:
        """Allocate room for `at_least` frames; `channels` has a number for each signal. Nothing is allocated later."""
        capacity = ring_frames(at_least)
        self._memories = tuple(Memory(capacity, count) for count in channels)
        for memory in self._memories:
            memory.frames.fill(0)  # touch all pages before the sound starts
        self._capacity = capacity
        self._gaps = np.zeros((_GAPS, 2), np.int64)
        self._gaps_noted = self._gaps_passed = 0
        self._in_gap = False
        self.written = self.taken = 0
        self.lost_blocks = 0
        """Blocks for which there was no room."""

    # For the engine's thread.

    def has_room(self, count: int) -> bool:
        """Whether `count` more frames fit; if not, they count as lost. After a loss, half of the ring must be free."""
        waiting = self.written - self.taken
        if waiting + count > (self._capacity // 2 if self._in_gap else self._capacity):
            self.lost_blocks += 1
            self.skip(count)
            return False
        self._in_gap = False
        return True

    def put(self, signal: int, block: FloatArray) -> None:
        """Write a block [n, C] of one signal at `written`; `has_room` must have said yes."""
        self._memories[signal].put(self.written, block)

    def advance(self, count: int) -> None:
        """Publish the next `count` frames, once `put` has written them for every signal."""
        self.written += count

    def skip(self, count: int) -> None:
        """Note `count` frames of silence instead of sound."""
        if not self._in_gap and self._gaps_noted - self._gaps_passed < _GAPS:
            self._gaps[self._gaps_noted % _GAPS] = self.written, self.written + count
            self._gaps_noted += 1
        else:
            # With no room to note another gap, the last one grows over the sound after it.
            self._gaps[(self._gaps_noted - 1) % _GAPS, 1] = self.written + count
        self._in_gap = True
        self.written += count

    # For the thread that writes files.

    def take(self, count: int, out: list[FloatArray]) -> None:
        """Read the next `count` frames into the start of each array [m, C] of `out`, one for each signal.

        At most `written - taken` frames are available; gaps read as zeros.
        """
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
