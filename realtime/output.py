"""The way out of the separator: spectra to samples at the listener's rate, a fixed delay after the input."""

import math

import numpy as np
from numpy.typing import NDArray

from stemlive.realtime.framing import Framing
from stemlive.realtime.resample import Resampler
from stemlive.realtime.sample_buffer import SampleBuffer
from stemlive.realtime.stft import OverlapAdd


class OutputPath:
    """Overlap-add, delay and resampling of some stems; written hop by hop, read sample by sample.

    A path that was left unused can join in again at any sample: `restart` says from which hop on the spectra
    have to be written once more, and what is read then is what it would have been without the pause.
    """

    def __init__(
        self,
        framing: Framing,
        resampler: Resampler | None,
        latency_samples: int,
        *,
        stems: int,
        channels: int,
        max_frames: int,
    ) -> None:
        self._framing = framing
        self._resampler = resampler
        self._latency_samples = latency_samples
        self._overlap_add = OverlapAdd(framing, stems, channels)
        self._shape = (stems, channels)
        # From the first sample that an output needs to the last one of a full batch of hops.
        held = (self.history_hops + max_frames + 1) * framing.hop_samples + framing.synthesis_samples
        self._samples = SampleBuffer(stems * channels, 2 * held)
        self.position = 0
        self.restart(0)

    @property
    def history_hops(self) -> int:
        """Number of past hops whose spectra are enough for any restart."""
        ahead = -self._first_needed(0) - self._framing.synthesis_samples
        return math.ceil((ahead + 2) / self._framing.hop_samples) + self._framing.overlap + 1

    def restart(self, position: int) -> int:
        """Make ready to read from output number `position` on; return the hop to write first."""
        w, r = self._framing.synthesis_samples, self._framing.hop_samples
        needed = self._first_needed(position)
        # Hop t completes the samples from (t + 1) R - W on, to which the frames before it contribute too.
        hop = max(0, (needed + w) // r - self._framing.overlap)
        written = (hop + 1) * r - w
        first = min(needed, written)
        self._samples.reset(first, written - first)
        self._overlap_add.reset()
        self.position = position
        return hop

    def write(self, spectra: NDArray[np.complex64]) -> None:
        """Take the next hops' spectra [S, T, F, C]; T is at most `max_frames`."""
        samples = self._samples.append(spectra.shape[1] * self._framing.hop_samples)
        self._overlap_add.add(spectra, samples)

    def read(self, out: NDArray[np.float32]) -> None:
        """Write the next output samples to `out` [S, n, C]."""
        count = out.shape[1]
        if count == 0:
            return
        start = self.position - self._latency_samples
        if self._resampler is None:
            lanes = self._samples.view(start, count)
        else:
            lanes = self._resampler.read(self._samples, start, count)
        out[:] = lanes.reshape(*self._shape, count).transpose(0, 2, 1)
        self.position += count
        self._samples.forget(self._first_needed(self.position))

    def _first_needed(self, position: int) -> int:
        output = position - self._latency_samples
        return output if self._resampler is None else self._resampler.first_needed(output)
