"""The way into the separator: a listener's samples, cleaned, at the model's rate, as spectra."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemlive.realtime.framing import Framing
from stemlive.realtime.resample import Resampler, StreamResampler
from stemlive.realtime.stft import Analysis

LOUDEST_SAMPLE = 1e6
"""Samples beyond this (+120 dB over full scale) can only be damage; they are limited to it and counted."""


class InputPath:
    """Cleaning, resampling and analysis of blocks; mono is fed to all channels of the model."""

    def __init__(
        self,
        framing: Framing,
        resampler: Resampler | None,
        *,
        channels: int,
        model_channels: int,
        max_frames: int,
        max_samples: int,
    ) -> None:
        self._channels = channels
        self._analysis = Analysis(framing, model_channels, max_frames)
        self._resampling = None if resampler is None else StreamResampler(resampler, model_channels, max_samples)
        self.bad_samples = 0

    def reset(self) -> None:
        """Stand before the first sample, behind silence."""
        self._analysis.reset()
        if self._resampling is not None:
            self._resampling.reset()
        self.bad_samples = 0

    def write(self, block: NDArray[Any]) -> NDArray[np.complex64]:
        """Take a block [n, C], n at most `max_samples`; return the spectra [T, C, F] of its hops.

        The hops are those that the block completes; the spectra are good until the next call.
        """
        if self._resampling is None:
            self._clean(block, self._analysis.append(len(block)))
        else:
            self._clean(block, self._resampling.append(len(block)))
            self._resampling.read(self._analysis.append(self._resampling.pending()))
        return self._analysis.spectra()

    def _clean(self, block: NDArray[Any], samples: NDArray[np.float32]) -> None:
        """Copy a block [n, C] to `samples` [C, n] without what would stay in a recurrent state."""
        with np.errstate(over="ignore", invalid="ignore"):
            samples[:] = block.T
        good = np.abs(samples) <= LOUDEST_SAMPLE
        if not good.all():
            self.bad_samples += int(np.count_nonzero(~good[: self._channels]))
            np.nan_to_num(samples, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
            np.clip(samples, -LOUDEST_SAMPLE, LOUDEST_SAMPLE, out=samples)
