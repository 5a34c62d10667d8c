"""The output ring in layers: silence, the dry signal over it, and the separated (wet) signal over that.

A layer that comes too late leaves the one below it audible. So a slow model lets the dry signal through, and a program
that stalls fades into silence, without a click.
"""

import numpy as np
from numpy.typing import NDArray

from stemlive.realtime.devices.ring import OutputRing

FloatArray = NDArray[np.float32]

FADE_SAMPLES = 64
"""Length of each cross-fade. It is part of the latency, so it is short: 1.5 ms is enough to avoid a click."""


class Playout:
    """The dry and the wet layer of an output ring. For the engine's thread.

    The end of a layer fades into the layer below, and the next block overwrites that fade. So the next block is in time
    while the device has not read to within `FADE_SAMPLES` of the layer's end.
    """

    def __init__(self, ring: OutputRing, longest_block: int) -> None:
        self._ring = ring
        self._silent_to = ring.read
        self.dry = _Layer(ring, longest_block)
        self.wet = _Layer(ring, longest_block)

    @property
    def read(self) -> int:
        """Position that the device reads next."""
        return self._ring.read

    @property
    def end(self) -> int:
        """First position beyond the room for writing."""
        return self._silent_to + self._ring.memory.capacity

    @property
    def channels(self) -> int:
        """Channels of the device."""
        return self._ring.memory.channels

    def refresh(self) -> None:
        """Clear what the device has read, so that it can be written again. Call it several times per ring length."""
        played = self._ring.read - self._silent_to
        # After a stall the device has read the silence ahead as well, perhaps more than once around the ring.
        self._ring.memory.clear(self._silent_to, min(played, self._ring.memory.capacity))
        self._ring.advance_write(played)
        self._silent_to += played


class _Layer:
    """A signal written over the layer below, with a fade at each end."""

    def __init__(self, ring: OutputRing, longest_block: int) -> None:
        self._ring = ring
        held = FADE_SAMPLES + longest_block
        # Both begin with the last FADE_SAMPLES of the previous block, not yet faded.
        self._signal = np.zeros((held, ring.memory.channels), np.float32)
        self._below = np.zeros_like(self._signal)
        self._fade = np.zeros((FADE_SAMPLES, ring.memory.channels), np.float32)
        self._other = np.zeros_like(self._fade)
        self._risen = FADE_SAMPLES
        """How many samples of the fade-in are done."""
        self._rise = ((np.arange(FADE_SAMPLES) + 0.5) / FADE_SAMPLES).astype(np.float32)[:, None]
        self._fall = self._rise[::-1].copy()
        self.end: int | None = None
        """Position after the last sample written; None where there is nothing to continue."""

    def begin(self, position: int) -> None:
        """Start at a position, preceded by silence: the first block needs no fade-in."""
        self._signal[:FADE_SAMPLES] = 0
        self._ring.memory.get(position - FADE_SAMPLES, self._below[:FADE_SAMPLES])
        self._risen = FADE_SAMPLES
        self.end = position

    def leave(self) -> None:
        """End the layer here: the next block fades in instead of continuing it."""
        self.end = None

    def is_late(self, position: int) -> bool:
        """Whether a block written at a position now would be too late, at least in part."""
        return self._ring.read > self._needed_at(position)

    def write(self, position: int, block: FloatArray) -> bool:
        """Write a block [n, C] of any length at a position; return whether all of it was in time.

        Samples that are too late are dropped, and the rest fades in, over several blocks if they are short. If the
        device reads during the write, it plays some old and some new samples; that counts as late.
        """
        memory, count = self._ring.memory, len(block)
        signal, below = self._signal[: FADE_SAMPLES + count], self._below[: FADE_SAMPLES + count]
        signal[FADE_SAMPLES:] = block
        memory.get(position, below[FADE_SAMPLES:])
        in_time = not self.is_late(position)
        first = 0
        if not in_time or self.end != position:
            first = FADE_SAMPLES + max(0, self._ring.read - position)
            if first >= len(signal):
                self.leave()
                return False
            memory.get(position - FADE_SAMPLES, below[:FADE_SAMPLES])
            signal[:first] = below[:first]
            self._risen = 0
        self._fade_in(signal[max(first, FADE_SAMPLES) :], below[max(first, FADE_SAMPLES) :])
        begins = position - FADE_SAMPLES + first
        memory.put(begins, signal[first:count])
        np.multiply(signal[count:], self._fall, out=self._fade)
        np.multiply(below[count:], self._rise, out=self._other)
        self._fade += self._other
        before = max(0, first - count)
        memory.put(position + count - FADE_SAMPLES + before, self._fade[before:])
        signal[:FADE_SAMPLES] = signal[count:]
        below[:FADE_SAMPLES] = below[count:]
        self.end = position + count
        return in_time and self._ring.read <= begins

    def _fade_in(self, signal: FloatArray, below: FloatArray) -> None:
        """Apply the next part of the fade-in to the samples [n, C]."""
        rise = self._rise[self._risen : self._risen + len(signal)]
        self._risen += len(rise)
        rising, under = signal[: len(rise)], below[: len(rise)]
        np.subtract(rising, under, out=rising)
        rising *= rise
        rising += under

    def _needed_at(self, position: int) -> int:
        return position - FADE_SAMPLES if self.end == position else position
