"""The clicks of a count-in, which are heard as they are: beside the separation, and in no recording."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]

_LENGTH_S = 0.03
_HZ = (1500.0, 1000.0)
"""Of the first one, and of the others."""
_LEVEL = 0.4
_KEPT = 64


class Clicks:
    """Adds clicks at numbered samples of the source's ring. The source's thread plans them, the engine's adds them."""

    def __init__(self, sample_rate_hz: int, parameters: Any) -> None:
        self._parameters, self._rate_hz = parameters, sample_rate_hz
        t = np.arange(round(_LENGTH_S * sample_rate_hz)) / sample_rate_hz
        fall = _LEVEL * np.exp(-150 * t) * np.minimum(1, t * 2000)
        self._first, self._other = ((fall * np.sin(2 * np.pi * hz * t)).astype(np.float32) for hz in _HZ)
        self._scaled = np.zeros_like(self._first)
        self._planned: tuple[tuple[int, bool], ...] = ()
        self._counts: tuple[tuple[float, float, float], ...] = ()
        """First sample, sample after the last, and length of a beat, of each count-in."""

    def begin(self, first: float, speed: float) -> float:
        """Plan the count-in that is set, from sample `first` on; return how many seconds it takes, 0 for none.

        The first click is higher. `speed` is that of the song.
        """
        beats, bpm = int(self._parameters["count_beats"]), float(self._parameters["count_bpm"])
        beat_s = 60 / (bpm * speed) if bpm else 1.0
        new = tuple((round(first + beat * beat_s * self._rate_hz), beat == 0) for beat in range(beats))
        self._planned = (*self._planned, *new)[-_KEPT:]
        if beats:
            beat = beat_s * self._rate_hz
            self._counts = (*self._counts, (first, first + beats * beat, beat))[-_KEPT:]
        return beats * beat_s

    def beat_at(self, sample: float) -> int:
        """Return which beat of a count-in this is, from 1 on; 0 where none is counted. For any thread."""
        for first, end, beat in self._counts:
            if first <= sample < end:
                return int((sample - first) / beat) + 1
        return 0

    def cancel(self, since: float) -> None:
        """Do not click from sample `since` on."""
        self._planned = tuple(click for click in self._planned if click[0] < since)
        self._counts = tuple((first, min(end, since), beat) for first, end, beat in self._counts)

    def add_to(self, block: FloatArray, number: int) -> None:
        """Add them to a block [n, D] that begins with this sample, to the first two channels, with the mix's gain."""
        for at, is_first in self._planned:
            sound = self._first if is_first else self._other
            begin, end = max(at, number), min(at + len(sound), number + len(block))
            if begin >= end:
                continue
            part = self._scaled[: end - begin]
            np.multiply(sound[begin - at : end - at], np.float32(self._parameters["master"]), out=part)
            for channel in range(min(2, block.shape[1])):
                block[begin - number : end - number, channel] += part
