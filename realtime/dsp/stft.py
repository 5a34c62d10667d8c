"""Streaming analysis and synthesis: samples to spectra, and spectra to samples by overlap-add."""

from typing import Any, cast

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from stemlive.realtime.dsp.framing import Framing
from stemlive.realtime.dsp.sample_buffer import SampleBuffer

# More is slower: the intermediate arrays no longer fit into the processor's cache.
_FRAMES_AT_ONCE = 4


class Analysis:
    """Collects samples and turns every complete hop into a spectrum."""

    def __init__(self, framing: Framing, channels: int, max_frames: int) -> None:
        self._framing = framing
        self._max_frames = max_frames
        held = framing.analysis_samples + (max_frames + 1) * framing.hop_samples
        # Twice what is ever held, so that the samples are seldom moved to the front.
        self._samples = SampleBuffer(channels, 2 * held)
        self._spectra = np.zeros((max_frames, framing.bins, channels), np.complex64)
        at_once = min(max_frames, _FRAMES_AT_ONCE)
        self._windowed = np.zeros((at_once, channels, framing.analysis_samples), np.float32)
        # numpy divides by the length in single precision, but would allocate a buffer to convert a factor of 1.
        self._window = framing.analysis_window * np.float32(framing.analysis_samples)
        self._bins = np.zeros((at_once, channels, framing.bins), np.complex64)
        self.reset()

    def reset(self) -> None:
        """Return to the state before the first sample, preceded by A - R zeros."""
        before = self._framing.analysis_samples - self._framing.hop_samples
        self._samples.reset(-before, before)

    def append(self, count: int) -> NDArray[np.float32]:
        """Return the next `count` samples [C, count], for the caller to write before `spectra` is called."""
        return self._samples.append(count)

    def spectra(self) -> NDArray[np.complex64]:
        """Return the spectra [T, C, F] of the hops completed since the last call; T may be 0.

        At most `max_frames` hops may have been completed. The result is a view of memory laid out [T, F, C], as the
        model needs it, and is valid until the next call.
        """
        a, r = self._framing.analysis_samples, self._framing.hop_samples
        count = (self._samples.end - self._samples.first - a) // r + 1
        assert count <= self._max_frames, f"{count} hops at once, more than {self._max_frames}"
        spectra = self._spectra[:count].transpose(0, 2, 1)
        for first in range(0, count, _FRAMES_AT_ONCE):
            part = spectra[first : first + _FRAMES_AT_ONCE]
            samples = self._samples.view(self._samples.first, a + (len(part) - 1) * r)
            if len(part) == 1:
                overlapping = samples[None]
            else:
                overlapping = sliding_window_view(samples, a, axis=1)[:, ::r].transpose(1, 0, 2)  # [T, C, A]
            windowed = self._windowed[: len(part)]
            np.multiply(overlapping, self._window, out=windowed)
            bins = self._bins[: len(part)]
            part[:] = np.fft.rfft(windowed, axis=-1, norm="forward", out=cast(Any, bins))
            self._samples.forget(self._samples.first + len(part) * r)
        return spectra


class OverlapAdd:
    """Turns spectra into samples, carrying over the unfinished end of the last frames."""

    def __init__(self, framing: Framing, stems: int, channels: int) -> None:
        self._framing = framing
        self._window = framing.synthesis_window[-framing.synthesis_samples :]
        carried = framing.overlap - 1
        lanes, r = stems * channels, framing.hop_samples
        self._sum = np.zeros((lanes, _FRAMES_AT_ONCE + carried, r), np.float32)
        self._tail = np.zeros((lanes, carried, r), np.float32)
        self._frames = np.zeros((stems, channels, _FRAMES_AT_ONCE, framing.analysis_samples), np.float32)
        self._slots = np.zeros((stems, channels, _FRAMES_AT_ONCE, len(self._window)), np.float32)

    def reset(self) -> None:
        """Drop the unfinished end of the frames so far."""
        self._tail[:] = 0

    def add(self, spectra: NDArray[np.complex64], out: NDArray[np.float32]) -> None:
        """Add spectra [S, T, F, C] and write the T * R samples that they complete to `out` [S * C, T * R].

        Frames are added in order of time, so the sums do not depend on how the frames are split into calls, to the
        last bit.
        """
        r = self._framing.hop_samples
        for first in range(0, spectra.shape[1], _FRAMES_AT_ONCE):
            part = spectra[:, first : first + _FRAMES_AT_ONCE]
            self._add(part, out[:, first * r : (first + part.shape[1]) * r])

    def _add(self, spectra: NDArray[np.complex64], out: NDArray[np.float32]) -> None:
        count, a, w = spectra.shape[1], self._framing.analysis_samples, self._framing.synthesis_samples
        frames = np.fft.irfft(
            spectra.transpose(0, 3, 1, 2), a, axis=-1, out=cast(Any, self._frames[:, :, :count])
        )  # [S, C, T, A]
        lanes, carried, r = self._tail.shape
        every = frames.reshape(lanes, count, a)
        slots = self._slots.reshape(lanes, -1, carried + 1, r)[:, :count]  # [S * C, T, W / R, R]
        total = self._sum[:, : count + carried]
        # Lane by lane: for more samples at once, numpy would allocate buffers.
        for lane in range(lanes):
            np.multiply(every[lane, :, a - w :], self._window, out=slots[lane].reshape(count, w))
            total[lane, :carried] = self._tail[lane]
            total[lane, carried:] = 0
            for slot in reversed(range(carried + 1)):
                total[lane, slot : slot + count] += slots[lane, :, slot]
            out[lane] = total[lane, :count].reshape(count * r)
            self._tail[lane] = total[lane, count:]
