"""Resample a stream with libsamplerate, at exactly known instants and with an exactly known delay.

The library's outputs lie exactly where they belong, but `samplerate.Resampler.process` returns as many as it likes
and, in rare blocks, loses a sample (github.com/tuxu/python-samplerate/issues/7). So outputs are requested by number,
through the library's callback interface, and only once their input is available.
"""

from collections import deque
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import samplerate
from numpy.typing import NDArray

LOWEST_RATE_HZ, HIGHEST_RATE_HZ = 4000, 384000
_CONVERTER = "sinc_medium"
"""Flat up to 84 % of the lower Nyquist frequency (18.5 kHz at 44.1 kHz), -0.5 dB at 88 %, -3 dB at 91 %, -90 dB at
100 %. `sinc_fastest` has half the delay but loses the highest fifth; `sinc_best` has three times the delay."""


@dataclass(frozen=True)
class Resampling:
    """Conversion from one sample rate to another: output k lies exactly at input number k * from_hz / to_hz.

    The filter is centred and adds no delay, but it looks `ahead_samples` input samples ahead.
    """

    from_hz: int
    to_hz: int

    @cached_property
    def ahead_samples(self) -> int:
        """How far beyond an output's instant the input must be known, measured on the library itself.

        This counts the samples that a new converter takes before its first output, which lies at the first of them. It
        is one sample more than the filter needs: the library accumulates its position in floating point, and rounding
        must never make it wait.
        """
        taken = 0

        def silence() -> NDArray[np.float32]:
            nonlocal taken
            taken += 1
            return np.zeros((1, 1), np.float32)

        samplerate.CallbackResampler(silence, self.to_hz / self.from_hz, _CONVERTER, 1).read(1)
        return taken

    def first_needed(self, output: int) -> int:
        """Return the first input sample that can influence output number `output`."""
        return output * self.from_hz // self.to_hz - self.ahead_samples

    def first_beyond(self, end: int) -> int:
        """Return the first output that needs input number `end` or later."""
        return -(-(end - self.ahead_samples) * self.to_hz // self.from_hz)


class StreamResampler:
    """Resamples a stream of several lanes incrementally, starting at any output.

    The output does not depend on how the input is cut into blocks, to the last bit. Memory: the blocks not yet needed,
    and 141 KB per lane in the library.
    """

    def __init__(self, resampling: Resampling, lanes: int) -> None:
        self._resampling = resampling
        self._lanes = lanes
        self._ratio = resampling.to_hz / resampling.from_hz
        self._blocks = blocks = deque[NDArray[np.float32]]()
        # The library asks for a block before it checks whether it needs one; when there is none, it does not.
        nothing = np.zeros((0, lanes), np.float32)
        # Not a method of `self`: garbage collection cannot find a cycle that leads through the library.
        self._library = samplerate.CallbackResampler(
            lambda: blocks.popleft() if blocks else nothing, self._ratio, _CONVERTER, lanes
        )
        self.reset()

    def reset(self) -> None:
        """Return to output 0 and input 0, preceded by silence."""
        first = self._resampling.first_needed(0)
        self.restart(first, -first, output=0)

    def restart(self, first: int, zeros: int, *, output: int) -> None:
        """Start at output number `output`, with `zeros` samples of silence from input number `first` on.

        `first` is at most `Resampling.first_needed` of that output.
        """
        # A new converter starts at input number `first`, which is seldom an output's instant. A few outputs at
        # nearly the right ratio, to be discarded, lead to the instant of the first one that is wanted.
        distance = output * self._resampling.from_hz - first * self._resampling.to_hz  # in 1 / to_hz samples
        assert distance > 0, f"output {output} lies before input {first}"
        self._unwanted = -(-distance // self._resampling.from_hz)
        self._library.reset()
        self._library.set_starting_ratio(self._unwanted * self._resampling.to_hz / distance)
        self._next = output
        self._end = first
        self._blocks.clear()
        self.append(zeros)[:] = 0

    def append(self, count: int) -> NDArray[np.float32]:
        """Return the next `count` input samples [lanes, count], for the caller to write before the next `read`."""
        block = np.empty((count, self._lanes), np.float32)
        if count:  # an empty block would end the stream
            self._blocks.append(block)
        self._end += count
        return block.T

    def pending(self) -> int:
        """Return how many outputs can be read."""
        return max(0, self._resampling.first_beyond(self._end) - self._next)

    def read(self, count: int) -> NDArray[np.float32]:
        """Return the next `count` outputs [lanes, count]; at most `pending()`."""
        assert count <= self.pending(), f"{count} outputs asked for, {self.pending()} pending"
        if count and self._unwanted:
            self._library.read(self._unwanted)
            self._library.set_starting_ratio(self._ratio)
            self._unwanted = 0
        outputs: NDArray[np.float32] = self._library.read(count)
        assert len(outputs) == count, f"{len(outputs)} outputs instead of {count}"
        self._next += count
        return outputs.T
