"""Spectra of the mixture to spectra of the stems: the model, what it leaves over, and the last few hops."""

import math

import numpy as np
from numpy.typing import NDArray

from stemlive.realtime.model_file.session import Session
from stemlive.realtime.separation.mixer import REST, STANDARD_STEMS


class StemSpectra:
    """The model's stems, plus `rest` (mixture less their sum) if it has fewer than four; always finite."""

    def __init__(self, session: Session, *, channels: int, history_hops: int) -> None:
        info = session.info
        self._session = session
        self._channels = channels
        self.stems = stem_names(info.stems)
        self._with_rest = self.stems != info.stems
        self._history = np.zeros((len(self.stems), history_hops, info.framing.bins, channels), np.complex64)
        self._every = np.zeros((len(self.stems), 1, info.framing.bins, info.channels), np.complex64)
        self._mono = np.zeros((len(self.stems), 1, info.framing.bins, 1), np.complex64)
        self.hops = 0
        self.bad_frames = 0

    def reset(self) -> None:
        """Forget everything heard so far."""
        self._session.reset()
        self.hops = self.bad_frames = 0

    def forget(self) -> None:
        """Let the model forget what it heard, as when the music jumps; counts and history stay."""
        self._session.reset()

    def run(self, mixture: NDArray[np.complex64]) -> NDArray[np.complex64]:
        """Spectra [T, C, F] to the stems' spectra [S, T, F, C]; C is 1 for mono, the mean of the channels.

        Should the model give NaN or infinity, its state is reset, and each stem is an equal share of the
        mixture for these frames, which are counted: the mix goes on, unseparated. The result for one frame is
        good until the next call.
        """
        alone = len(mixture) == 1  # as when it is live: nothing below allocates then
        separate = self._session.run_hop if alone else self._session.run
        stems = separate(mixture).transpose(0, 1, 3, 2)  # [S, T, F, C]
        mixture = mixture.transpose(0, 2, 1)  # [T, F, C]
        parts = stems.view(np.float32)
        # NaN is the greatest and the least of all; two numbers instead of an array of truths.
        if not (math.isfinite(parts.max()) and math.isfinite(parts.min())):
            self._session.reset()
            self.bad_frames += len(mixture)
            stems = np.repeat(mixture[None] / np.float32(len(stems)), len(stems), axis=0)
        if self._with_rest:
            every = self._every if alone else np.empty((len(self.stems), *mixture.shape), np.complex64)
            every[:-1] = stems
            every[-1] = mixture
            for stem in stems:
                every[-1] -= stem
            stems = every
        if self._channels == 1:
            mono = self._mono if alone else np.empty((*stems.shape[:3], 1), np.complex64)
            stems = np.mean(stems, axis=-1, keepdims=True, out=mono)
        self._remember(stems)
        return stems

    def since(self, hop: int) -> NDArray[np.complex64]:
        """Return the spectra [S, T, F, C] of hop number `hop` and all after it."""
        numbers = np.arange(hop, self.hops)
        kept = self._history.shape[1]
        assert len(numbers) <= kept, f"{len(numbers)} hops asked for, {kept} kept"
        return self._history[:, numbers % kept]

    def _remember(self, stems: NDArray[np.complex64]) -> None:
        kept = self._history.shape[1]
        if stems.shape[1] == 1:
            self._history[:, self.hops % kept] = stems[:, 0]
            self.hops += 1
            return
        newest = stems[:, -kept:]
        self.hops += stems.shape[1]
        self._history[:, np.arange(self.hops - newest.shape[1], self.hops) % kept] = newest


def stem_names(stems: tuple[str, ...]) -> tuple[str, ...]:
    """Return what a model's stems are together with what they leave over."""
    return (*stems, REST) if len(stems) < len(STANDARD_STEMS) else stems


def mix(
    stems: NDArray[np.complex64],
    gains: NDArray[np.float32],
    out: NDArray[np.complex64],
    scratch: NDArray[np.complex64],
) -> None:
    """Add the stems' spectra [S, T, F, C], weighted with the linear gains [S], into `out` [1, T, F, C].

    Gains [S, 2C] are one for each channel, twice: for the real and the imaginary part.
    `scratch` is as large as `out`.
    """
    # Real arithmetic on (real, imaginary) pairs, and no matrix product: BLAS would wake its threads for it.
    parts, total, weighted = stems.view(np.float32), out[0].view(np.float32), scratch[0].view(np.float32)
    np.multiply(parts[0], gains[0], out=total)
    for part, gain in zip(parts[1:], gains[1:], strict=True):
        np.multiply(part, gain, out=weighted)
        total += weighted
