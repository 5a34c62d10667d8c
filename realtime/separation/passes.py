"""Separate a recording several times, at speeds a little apart, and take the mean: fewer errors for more time."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemlive.realtime.dsp.resample import HIGHEST_RATE_HZ
from stemlive.realtime.model_file.session import Session
from stemlive.realtime.separation.offline import separate_blocks
from stemlive.realtime.separation.separator import Separator

FloatArray = NDArray[np.float32]

SPEEDS = (1.0, 0.94, 0.89, 0.84)
"""Samples that the model hears in place of one, pass by pass: below 1, the song is faster and higher."""


class Passes:
    """Separates whole recordings, one pass for each session; `sample_rate_hz` None is the model's.

    The stems line up with the recording to the sample and add up to what they do in one pass: what the later passes
    lose of the highest treble (above 18 kHz) is `other`. Errors as of `Separator`.
    """

    def __init__(
        self, sessions: Sequence[Session], *, sample_rate_hz: int | None = None, channels: int = 2, max_frames: int = 64
    ) -> None:
        rate = sessions[0].info.sample_rate_hz if sample_rate_hz is None else sample_rate_hz
        rates = [rate, *(min(round(rate / speed), HIGHEST_RATE_HZ) for speed in SPEEDS[1 : len(sessions)])]
        self._separators = [
            Separator(session, sample_rate_hz=rate, channels=channels, max_frames=max_frames)
            for session, rate in zip(sessions, rates, strict=True)
        ]
        self.stems, self.channels, self.sample_rate_hz = self._separators[0].stems, channels, rate

    @property
    def bad_samples(self) -> int:
        """As of a `Separator`."""
        return self._separators[0].bad_samples

    @property
    def bad_frames(self) -> int:
        """As of a `Separator`, of all passes together."""
        return sum(separator.bad_frames for separator in self._separators)

    def separate(self, blocks: Iterable[NDArray[Any]]) -> Iterator[FloatArray]:
        """Yield the stems [S, n, C] of a recording in blocks [n, C], as `separate_blocks` does."""
        copies = itertools.tee(blocks, len(self._separators))
        first, *others = map(separate_blocks, self._separators, copies)
        later = [_Pieces(pieces) for pieces in others]
        rest = self.stems.index("other") if "other" in self.stems else -1
        for stems in first:
            if not later:
                yield stems
                continue
            mean = stems.copy()
            for pieces in later:
                mean += pieces.take(stems.shape[1])
            mean /= len(self._separators)
            mean[rest] += stems.sum(0) - mean.sum(0)
            yield mean


class _Pieces:
    """What one pass yields, in pieces of the lengths that are asked for."""

    def __init__(self, pieces: Iterator[FloatArray]) -> None:
        self._pieces = pieces
        self._held: FloatArray | None = None

    def take(self, count: int) -> FloatArray:
        while self._held is None or self._held.shape[1] < count:
            piece = next(self._pieces)
            self._held = piece if self._held is None else np.concatenate([self._held, piece], axis=1)
        taken, self._held = self._held[:, :count], self._held[:, count:]
        return taken
