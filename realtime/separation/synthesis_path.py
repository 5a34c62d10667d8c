"""The output side of the separation: spectra to samples at the listener's rate, at a fixed delay."""

import math

import numpy as np
from numpy.typing import NDArray

from stemlive.realtime.dsp.framing import Framing
from stemlive.realtime.dsp.resample import Resampling, StreamResampler
from stemlive.realtime.dsp.sample_buffer import SampleBuffer
from stemlive.realtime.dsp.stft import OverlapAdd


class _SameRate:
    """Takes the place of `StreamResampler` at the model's own rate: output k is input k."""

    def __init__(self, lanes: int, capacity: int) -> None:
        self._samples = SampleBuffer(lanes, capacity)
        self.append = self._samples.append

    def restart(self, first: int, zeros: int, *, output: int) -> None:
        self._samples.reset(first, zeros)
        self._next = output

    def pending(self) -> int:
        return max(0, self._samples.end - self._next)

    def read(self, count: int) -> NDArray[np.float32]:
        if not count:  # a model with look-ahead may have written nothing yet
            return self._samples.view(self._samples.end, 0)
        outputs = self._samples.view(self._next, count)
        self._next += count
        self._samples.forget(self._next)
        return outputs


class OutputPath:
    """Overlap-add, delay and resampling of some stems; written hop by hop, read sample by sample.

    A path that was unused for a while can resume at any sample: `restart` returns the hop from which the spectra must
    be written again. What is read afterwards is the same as without the pause.
    """

    def __init__(
        self,
        framing: Framing,
        resampling: Resampling | None,
        latency_samples: int,
        *,
        stems: int,
        channels: int,
        max_frames: int,
    ) -> None:
        self._framing = framing
        self._resampling = resampling
        self._latency_samples = latency_samples
        self._overlap_add = OverlapAdd(framing, stems, channels)
        self._shape = (stems, channels)
        self._stream: _SameRate | StreamResampler
        if resampling is None:
            # From the first sample that an output needs to the last sample of a full batch of hops.
            held = (self.history_hops + max_frames + 1) * framing.hop_samples + framing.synthesis_samples
            self._stream = _SameRate(stems * channels, 2 * held)
        else:
            self._stream = StreamResampler(resampling, stems * channels)
        self.position = 0
        self.restart(0)

    @property
    def history_hops(self) -> int:
        """Number of past hops whose spectra suffice for any restart."""
        ahead = -self._first_needed(0) - self._framing.synthesis_samples
        return math.ceil((ahead + 2) / self._framing.hop_samples) + self._framing.overlap + 1

    def restart(self, position: int) -> int:
        """Prepare to read from output number `position` on; return the hop to write first."""
        w, r = self._framing.synthesis_samples, self._framing.hop_samples
        needed = self._first_needed(position)
        # Hop t completes the samples from (t + 1) R - W on, to which earlier frames contribute as well.
        hop = max(0, (needed + w) // r - self._framing.overlap)
        written = (hop + 1) * r - w
        first = min(needed, written)
        self._stream.restart(first, written - first, output=position - self._latency_samples)
        self._overlap_add.reset()
        self.position = position
        return hop

    def write(self, spectra: NDArray[np.complex64]) -> None:
        """Take the next hops' spectra [S, T, F, C]; T is at most `max_frames`."""
        samples = self._stream.append(spectra.shape[1] * self._framing.hop_samples)
        self._overlap_add.add(spectra, samples)

    def pending(self) -> int:
        """Return the number of output samples that can be read."""
        return self._stream.pending()

    def read(self, out: NDArray[np.float32]) -> None:
        """Copy the next output samples to `out` [S, n, C]."""
        count = out.shape[1]
        lanes = self._stream.read(count)
        out[:] = lanes.reshape(*self._shape, count).transpose(0, 2, 1)
        self.position += count

    def _first_needed(self, position: int) -> int:
        output = position - self._latency_samples
        return output if self._resampling is None else self._resampling.first_needed(output)
