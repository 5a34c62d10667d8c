"""Resample streams with a short polyphase filter, whose delay is known to the sample whatever the cutting.

soxr's streams hold back whole blocks of its FFT filters: 19 + 21 ms for 48 kHz to 44.1 kHz and back (quality
HQ), nearly twice the delay of the separation itself. This filter waits for half of its impulse response and
nothing more: 0.8 + 0.8 ms.
"""

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from stemlive.realtime.sample_buffer import SampleBuffer

STOPBAND_DB = 100.0
PASSBAND = 20000 / 22050
"""Flat up to this part of the lower Nyquist frequency; what folds back lies above it, too."""

# Each takes all its taps' samples out of every lane; more at once do not fit into the processor's cache.
_OUTPUTS_AT_ONCE = 512


class Resampler:
    """Values of a stream at the instants of another sample rate: Kaiser-windowed sinc, one row of taps a phase.

    Output k lies at input number k * down / up, exactly: the filter is centred and adds no delay, but it looks
    `half` input samples ahead. Holds no state. The taps take at most 4 * 2 * half * to_hz / gcd bytes, which is
    70 KB from 44.1 to 48 kHz.
    """

    def __init__(self, from_hz: int, to_hz: int) -> None:
        common = math.gcd(from_hz, to_hz)
        self._up, self._down = to_hz // common, from_hz // common
        cutoff = min(from_hz, to_hz) / from_hz  # relative to the input's Nyquist frequency
        # Kaiser's estimate of the length for a transition from PASSBAND to as far beyond the cutoff.
        transition = 2 * np.pi * cutoff * (1 - PASSBAND)
        self.half = math.ceil((STOPBAND_DB - 7.95) / (2.285 * transition) / 2)
        beta = 0.1102 * (STOPBAND_DB - 8.7)
        phases = np.arange(self._up)[:, None] / self._up
        distance = phases - np.arange(1 - self.half, self.half + 1)
        window = np.i0(beta * np.sqrt(np.maximum(0, 1 - (distance / self.half) ** 2)))
        taps = np.sinc(cutoff * distance) * window
        self._taps = (taps / taps.sum(axis=1, keepdims=True)).astype(np.float32)  # [up, 2 * half]

    def first_needed(self, output: int) -> int:
        """Return the number of the first input sample that output number `output` depends on."""
        return output * self._down // self._up - self.half + 1

    def outputs_before(self, end: int) -> int:
        """Return how many outputs, from number 0 on, depend on input before number `end` only."""
        return ((end - self.half) * self._up - 1) // self._down + 1

    def read(self, samples: SampleBuffer, first: int, count: int) -> NDArray[np.float32]:
        """Return `count` outputs from number `first` on as [lanes, count]."""
        parts = [
            self._read(samples, start, min(_OUTPUTS_AT_ONCE, first + count - start))
            for start in range(first, first + count, _OUTPUTS_AT_ONCE)
        ]
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)

    def _read(self, samples: SampleBuffer, first: int, count: int) -> NDArray[np.float32]:
        start = self.first_needed(first)
        needed = self.first_needed(first + count - 1) + 2 * self.half - start
        positions, phases = np.divmod(np.arange(first, first + count) * self._down, self._up)
        windows = sliding_window_view(samples.view(start, needed), 2 * self.half, axis=1)
        outputs: NDArray[np.float32]
        outputs = np.einsum("lkt,kt->lk", windows[:, positions - positions[0]], self._taps[phases])
        return outputs


class StreamResampler:
    """Resample a stream as it comes: every output is given as soon as its input is there."""

    def __init__(self, resampler: Resampler, lanes: int, max_samples: int) -> None:
        self._resampler = resampler
        self._samples = SampleBuffer(lanes, 2 * (2 * resampler.half + max_samples))
        self.reset()

    def reset(self) -> None:
        """Stand before the first sample, behind silence."""
        self._next = 0
        first = self._resampler.first_needed(0)
        self._samples.reset(first, -first)

    def append(self, count: int) -> NDArray[np.float32]:
        """Return the next `count` (up to `max_samples`) input samples [lanes, count], for the caller to write."""
        return self._samples.append(count)

    def pending(self) -> int:
        """Return the number of outputs that can be read."""
        return max(0, self._resampler.outputs_before(self._samples.end) - self._next)

    def read(self, out: NDArray[np.float32]) -> None:
        """Write the next outputs to `out` [lanes, count]."""
        count = out.shape[1]
        if count:
            out[:] = self._resampler.read(self._samples, self._next, count)
            self._next += count
            self._samples.forget(self._resampler.first_needed(self._next))
