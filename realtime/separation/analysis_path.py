"""The input side of the separation: clean, resample to the model's rate, transform to spectra."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemlive.realtime.dsp.framing import Framing
from stemlive.realtime.dsp.resample import Resampling, StreamResampler
from stemlive.realtime.dsp.stft import Analysis

LOUDEST_SAMPLE = 1e6
"""Samples beyond this (+120 dB over full scale) can only be errors; they are limited to it and counted."""


class InputPath:
    """Cleans, resamples and transforms blocks; mono is fed to all channels of the model."""

    def __init__(
        self,
        framing: Framing,
        resampling: Resampling | None,
        *,
        channels: int,
        model_channels: int,
        max_frames: int,
    ) -> None:
        self._channels = channels
        self._analysis = Analysis(framing, model_channels, max_frames)
        self._resampled = None if resampling is None else StreamResampler(resampling, model_channels)
        self.bad_samples = 0

    def reset(self) -> None:
        """Return to the state before the first sample, preceded by silence."""
        self._analysis.reset()
        if self._resampled is not None:
            self._resampled.reset()
        self.bad_samples = 0

    def write(self, block: NDArray[Any]) -> NDArray[np.complex64]:
        """Take a block [n, C]; return the spectra [T, C, F] of the hops that it completes, `max_frames` at most.

        The spectra are valid until the next call.
        """
        if self._resampled is None:
            self._clean(block, self._analysis.append(len(block)))
        else:
            self._clean(block, self._resampled.append(len(block)))
            pending = self._resampled.pending()
            self._analysis.append(pending)[:] = self._resampled.read(pending)
        return self._analysis.spectra()

    def _clean(self, block: NDArray[Any], samples: NDArray[np.float32]) -> None:
        """Copy a block [n, C] to `samples` [C, n], without values that would corrupt a recurrent state for good."""
        with np.errstate(over="ignore", invalid="ignore"):
            samples[:] = block.T
        if not len(block):
            return
        # Mono is there once for each channel of the model.
        self.bad_samples += clean(samples) * self._channels // len(samples)


def clean(samples: NDArray[np.float32]) -> int:
    """Replace bad samples in place (NaN and infinity by 0, too loud ones by the limit); return how many there were."""
    # Minimum and maximum instead of an array of comparisons: no allocation. NaN fails both tests.
    if not samples.size or (samples.min() >= -LOUDEST_SAMPLE and samples.max() <= LOUDEST_SAMPLE):
        return 0
    bad = int(np.count_nonzero(~(np.abs(samples) <= LOUDEST_SAMPLE)))
    np.nan_to_num(samples, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
    np.clip(samples, -LOUDEST_SAMPLE, LOUDEST_SAMPLE, out=samples)
    return bad
