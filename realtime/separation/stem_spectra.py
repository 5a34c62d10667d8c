"""Spectra of the mixture to spectra of the stems: the model, the rest, and a history of the last few hops."""

import math

import numpy as np
from numpy.typing import NDArray

from stemlive.realtime.model_file.session import AHEAD, DELAYED, Session
from stemlive.realtime.separation.mixer import REST, STANDARD_STEMS


class StemSpectra:
    """The model's stems, plus `rest` (mixture minus their sum) if it has fewer than four; always finite."""

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
        self._unheard = info.lookahead_hops

    def reset(self) -> None:
        """Clear the model's state and the counts."""
        self._session.reset()
        self.hops = self.bad_frames = 0
        self._unheard = self._session.info.lookahead_hops

    def forget(self) -> None:
        """Clear the model's state, for a jump in the music; counts, history and what a model holds back stay."""
        self._session.reset(keep=(AHEAD, DELAYED))

    def run(self, mixture: NDArray[np.complex64]) -> NDArray[np.complex64]:
        """Return the stems' spectra [S, T, F, C] for spectra [T, C, F]; for mono, C is 1, the mean of the channels.

        A model with look-ahead holds the first frames back: of those fewer come than went in, or none.
        If the model gives NaN or infinity, its state is reset, the frames are counted, and each stem is an equal share
        of the mixture: the mix goes on unseparated. The result for a single frame is valid until the next call.
        """
        alone = len(mixture) == 1  # the live case: nothing below allocates then
        separate = self._session.run_hop if alone else self._session.run
        heard, mixture = mixture, self._session.late(mixture)  # [T, F, C]
        stems = separate(heard).transpose(0, 1, 3, 2)  # [S, T, F, C]
        parts = stems.view(np.float32)
        # Maximum and minimum propagate NaN, and need no array of comparisons.
        if not (math.isfinite(parts.max()) and math.isfinite(parts.min())):
            self._session.reset(keep=(DELAYED,))
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
        stems = stems[:, self._held_back(len(mixture)) :]
        self._remember(stems)
        return stems

    def skip(self, mixture: NDArray[np.complex64]) -> NDArray[np.complex64]:
        """Let a frame [1, C, F] pass without the model; return what is heard instead of its stems, [T, F, C].

        That is the mixture; with look-ahead that of an earlier frame, or nothing, as in `run`.
        """
        late = self._session.late(mixture).copy()
        self._session.skip(mixture)
        if self._channels == 1:
            late = late.mean(axis=-1, keepdims=True)
        return late[self._held_back(1) :]

    def _held_back(self, frames: int) -> int:
        """Return how many of the next frames are still about the time before the first one, and count them."""
        held = min(self._unheard, frames)
        self._unheard -= held
        return held

    def since(self, hop: int) -> NDArray[np.complex64]:
        """Return the spectra [S, T, F, C] from hop number `hop` on."""
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
        newest = stems[:, max(0, stems.shape[1] - kept) :]
        self.hops += stems.shape[1]
        self._history[:, np.arange(self.hops - newest.shape[1], self.hops) % kept] = newest


def stem_names(stems: tuple[str, ...]) -> tuple[str, ...]:
    """Return a model's stems, followed by `rest` if there are fewer than four."""
    return (*stems, REST) if len(stems) < len(STANDARD_STEMS) else stems


def mix(
    stems: NDArray[np.complex64],
    gains: NDArray[np.float32],
    out: NDArray[np.complex64],
    scratch: NDArray[np.complex64],
) -> None:
    """Write the sum of the stems' spectra [S, T, F, C], weighted by linear gains [S], to `out` [1, T, F, C].

    Gains [S, 2C] are per channel, each given twice: for the real and the imaginary part. `scratch` has the shape of
    `out`.
    """
    # Real arithmetic on (real, imaginary) pairs, not a matrix product, for which BLAS would wake its threads.
    parts, total, weighted = stems.view(np.float32), out[0].view(np.float32), scratch[0].view(np.float32)
    np.multiply(parts[0], gains[0], out=total)
    for part, gain in zip(parts[1:], gains[1:], strict=True):
        np.multiply(part, gain, out=weighted)
        total += weighted
