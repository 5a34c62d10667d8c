"""What the device will play: silence, over it the dry signal, and over that the separated one.

A signal that comes too late has nothing to catch up with: what lies below it was there before. So a slow model
lets the dry signal through, and a program that does not run at all fades into silence, without a click.
"""

import numpy as np
from numpy.typing import NDArray

from stemlive.realtime.devices.ring import OutputRing

FloatArray = NDArray[np.float32]

FADE_SAMPLES = 64
"""Length of each cross-fade: short, because it is part of the latency; 1.5 ms is enough not to click."""


class Playout:
    """The layers of sound in an output ring. For the engine's thread.

    A layer's newest end always fades into what lies below, and the fade is taken back when the layer goes on in
    time. So a layer has to be written before the device reads `FADE_SAMPLES` before its end.
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
        """Position before which may be written."""
        return self._silent_to + self._ring.memory.capacity

    @property
    def channels(self) -> int:
        """Channels of the device."""
        return self._ring.memory.channels

    def refresh(self) -> None:
        """Put silence where the device has read; to be called well within the time that the ring lasts."""
        played = self._ring.read - self._silent_to
        # After a standstill the device has read the silence ahead, too, and perhaps more than once.
        self._ring.memory.clear(self._silent_to, min(played, self._ring.memory.capacity))
        self._ring.advance_write(played)
        self._silent_to += played


class _Layer:
    """A signal written over what lies below it, with a fade at each end."""

    def __init__(self, ring: OutputRing, longest_block: int) -> None:
        self._ring = ring
        held = FADE_SAMPLES + longest_block
        # In both, the first FADE_SAMPLES are the end of the block before, without its fade.
        self._signal = np.zeros((held, ring.memory.channels), np.float32)
        self._below = np.zeros_like(self._signal)
        self._fade = np.zeros((FADE_SAMPLES, ring.memory.channels), np.float32)
        self._other = np.zeros_like(self._fade)
        self._rise = ((np.arange(FADE_SAMPLES) + 0.5) / FADE_SAMPLES).astype(np.float32)[:, None]
        self._fall = self._rise[::-1].copy()
        self.end: int | None = None
        """Position after the last sample written; None where there is nothing to continue."""

    def begin(self, position: int) -> None:
        """Stand before a position, behind silence: the first block needs no fade."""
        self._signal[:FADE_SAMPLES] = 0
        self._ring.memory.get(position - FADE_SAMPLES, self._below[:FADE_SAMPLES])
        self.end = position

    def leave(self) -> None:
        """Stop here: what is written next does not continue what was written last."""
        self.end = None

    def is_late(self, position: int) -> bool:
        """Whether a block written at a position now would come too late for a part of it."""
        return self._ring.read > self._needed_at(position)

    def write(self, position: int, block: FloatArray) -> bool:
        """Write a block [n, C] at a position; return whether all of it came in time.

        What came too late is left out, and the rest fades in where there is room for it. The device may read
        while this writes: it then plays a part of either, which counts as late.
        """
        memory, count = self._ring.memory, len(block)
        signal, below = self._signal[: FADE_SAMPLES + count], self._below[: FADE_SAMPLES + count]
        signal[FADE_SAMPLES:] = block
        memory.get(position, below[FADE_SAMPLES:])
        in_time = not self.is_late(position)
        first = 0
        if not in_time or self.end != position:
            first = FADE_SAMPLES + max(0, self._ring.read - position)
            if first + 2 * FADE_SAMPLES > len(signal):
                self.leave()
                return False
            rising, under = signal[first : first + FADE_SAMPLES], below[first : first + FADE_SAMPLES]
            np.subtract(rising, under, out=rising)
            rising *= self._rise
            rising += under
        begins = position - FADE_SAMPLES + first
        memory.put(begins, signal[first:count])
        np.multiply(signal[count:], self._fall, out=self._fade)
        np.multiply(below[count:], self._rise, out=self._other)
        self._fade += self._other
        memory.put(position + count - FADE_SAMPLES, self._fade)
        signal[:FADE_SAMPLES] = signal[count:]
        below[:FADE_SAMPLES] = below[count:]
        self.end = position + count
        return in_time and self._ring.read <= begins

    def _needed_at(self, position: int) -> int:
        return position - FADE_SAMPLES if self.end == position else position
