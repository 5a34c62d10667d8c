"""Resample a stream with libsamplerate, at instants and with a delay that are known beforehand.

The library's outputs lie exactly where they belong, but `samplerate.Resampler.process` gives as many of them as it
likes and, in rare blocks, loses a sample (github.com/tuxu/python-samplerate/issues/7). So outputs are asked for by
number, through the library's callback interface, and only once their input is there.
"""

from collections import deque
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import samplerate
from numpy.typing import NDArray

_CONVERTER = "sinc_medium"
"""Flat up to 84 % of the lower Nyquist frequency (18.5 kHz at 44.1 kHz), -0.5 dB at 88 %, -3 dB at 91 %, -90 dB at
100 %. `sinc_fastest` waits half as long, but loses the highest fifth; `sinc_best` waits three times as long."""


@dataclass(frozen=True)
class Resampling:
    """From one sample rate to another: output k lies at input number k * from_hz / to_hz, exactly.

    The filter is centred and adds no delay, but it looks `ahead_samples` input samples ahead.
    """

    from_hz: int
    to_hz: int

    @cached_property
    def ahead_samples(self) -> int:
        """How far beyond an output's instant the input must be known, as far as the library tells by itself.

        Counted are the samples that a new converter takes before it gives its first output, which lies at the
        first of them. So it is one sample more than the filter needs: the library adds up its position in
        floating point, and rounding must never make it wait.
        """
        taken = 0

        def silence() -> NDArray[np.float32]:
            nonlocal taken
            taken += 1
            return np.zeros((1, 1), np.float32)

        samplerate.CallbackResampler(silence, self.to_hz / self.from_hz, _CONVERTER, 1).read(1)
        return taken

    def first_needed(self, output: int) -> int:
        """Return the number of an input sample before which nothing bears on output number `output`."""
        return output * self.from_hz // self.to_hz - self.ahead_samples

    def first_beyond(self, end: int) -> int:
        """Return the number of the first output that waits for input number `end` or later ones."""
        return -(-(end - self.ahead_samples) * self.to_hz // self.from_hz)


class StreamResampler:
    """Resample a stream of some lanes as it comes, from any output on.

    Any cutting into blocks gives the same output to the last bit. Held are the blocks that were not needed yet,
    and in the library 141 KB a lane.
    """

    def __init__(self, resampling: Resampling, lanes: int) -> None:
        self._resampling = resampling
        self._lanes = lanes
        self._ratio = resampling.to_hz / resampling.from_hz
        self._blocks = blocks = deque[NDArray[np.float32]]()
        # The library asks for a block before it looks whether it needs one; it never does where there is none.
        nothing = np.zeros((0, lanes), np.float32)
        # No method of `self` below: Python never finds a cycle that leads through the library.
        self._library = samplerate.CallbackResampler(
            lambda: blocks.popleft() if blocks else nothing, self._ratio, _CONVERTER, lanes
        )
        self.reset()

    def reset(self) -> None:
        """Stand before output number 0 and input number 0, behind silence."""
        first = self._resampling.first_needed(0)
        self.restart(first, -first, output=0)

    def restart(self, first: int, zeros: int, *, output: int) -> None:
        """Stand before output number `output`, with `zeros` samples of silence from input number `first` on.

        `first` is `Resampling.first_needed` of the output or less.
        """
        # A new converter stands at input number `first`, which seldom is an output's instant. A few outputs at
        # nearly the right ratio, to be thrown away, lead to the instant of the first one that is wanted.
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
        """Return the number of outputs that can be read."""
        return max(0, self._resampling.first_beyond(self._end) - self._next)

    def read(self, count: int) -> NDArray[np.float32]:
        """Return the next `count` outputs [lanes, count]; `pending` at most."""
        assert count <= self.pending(), f"{count} outputs asked for, {self.pending()} pending"
        if count and self._unwanted:
            self._library.read(self._unwanted)
            self._library.set_starting_ratio(self._ratio)
            self._unwanted = 0
        outputs: NDArray[np.float32] = self._library.read(count)
        assert len(outputs) == count, f"{len(outputs)} outputs instead of {count}"
        self._next += count
        return outputs.T
