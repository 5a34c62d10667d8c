"""Is what is trained on also in what is scored? Told by the sound: names, files, levels and codecs may differ.

A recording is reduced to landmarks: pairs of peaks of its spectrogram, each a number made of their two frequencies and
the time between them. Two recordings hold the same sound where many of their landmarks are the same at one distance in
time. Source: Wang, "An Industrial-Strength Audio Search Algorithm" (ISMIR 2003). What was changed in pitch or speed is
not found.
"""

import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from stemlive.training.recordings import Recording, write_whole
from stemlive.training.sources import Sources

log = logging.getLogger(__name__)

WINDOW_S = 0.093
LOWEST_HZ, HIGHEST_HZ = 100.0, 5500.0
APART_FRAMES, APART_BINS = 8, 10  # no two peaks are closer in both
FLOOR_DB = -50.0  # under the loudest bin of the recording: no peaks there
NEXT_PEAKS, MOST_FRAMES = 3, 63  # a landmark joins a peak with the next few within about three seconds
CHUNK_FRAMES = 1024
BINS = 1024  # more than there are between those frequencies
SILENT_DB = -30.0
LEAST_MARKS, LEAST_SHARE = 20, 0.05  # the same sound has 20 in 3 s and a tenth; other music 14, or 9 of a twentieth
_FAR = 2**24  # frames: longer than any recording

Marks = npt.NDArray[np.int64]
"""Landmarks `[marks, 2]`: number, and frame of the first peak."""


@dataclass(frozen=True)
class Overlap:
    """A recording that is trained on holds what a song to be scored holds: so many landmarks, a share of its own."""

    name: str
    song: str
    landmarks: int
    share: float


def landmarks(recording: Recording, sample_rate_hz: int) -> Marks:
    """The landmarks of a recording, from beside its decoded audio or made and left there."""
    file = recording.cache_file.with_suffix(".marks.npy")
    with suppress(OSError, ValueError, EOFError):  # not there yet, or damaged
        kept: Marks = np.load(file)
        return kept
    marks = _landmarks(_levels_db(recording, sample_rate_hz))
    write_whole(file, marks)
    return marks


def _landmarks(levels_db: Tensor) -> Marks:
    frames, bins = _peaks(levels_db)
    rows = [np.empty((0, 2), np.int64)]
    for later in range(1, min(NEXT_PEAKS + 1, len(frames))):
        apart = frames[later:] - frames[:-later]
        number = (bins[:-later] * BINS + bins[later:]) * (MOST_FRAMES + 1) + apart
        rows.append(np.stack([number, frames[:-later]], axis=1)[apart <= MOST_FRAMES])
    return np.concatenate(rows)


def _levels_db(recording: Recording, sample_rate_hz: int) -> Tensor:
    """Spectrogram `[T, F]` in dB, both sides added as energies, so that a side out of phase hides nothing."""
    window = int(2 ** round(math.log2(WINDOW_S * sample_rate_hz)))
    first, last = (round(hz * window / sample_rate_hz) for hz in (LOWEST_HZ, HIGHEST_HZ))
    numbers = recording.numbers()
    padded = np.pad(numbers, ((0, max(0, window - len(numbers))), (0, 0)))
    framed = np.lib.stride_tricks.sliding_window_view(padded, window, axis=0)[:: window // 2]  # [T, C, n]
    shape = torch.hann_window(window)
    powers = []
    for start in range(0, len(framed), CHUNK_FRAMES):
        chunk = torch.from_numpy(framed[start : start + CHUNK_FRAMES].astype(np.float32) * recording.step)
        powers.append(torch.fft.rfft(chunk * shape)[..., first:last].abs().square().sum(1))
    return 10 * torch.log10(torch.cat(powers) + 1e-12)


def _peaks(levels_db: Tensor) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Frame and bin of the loudest points within APART_FRAMES and APART_BINS, in the order of their frames."""
    image = levels_db[None, None]
    highest = functional.max_pool2d(image, (2 * APART_FRAMES + 1, 1), 1, (APART_FRAMES, 0))
    highest = functional.max_pool2d(highest, (1, 2 * APART_BINS + 1), 1, (0, APART_BINS))
    found = (image == highest) & (image > max(float(levels_db.max()) + FLOOR_DB, SILENT_DB))
    frames, bins = torch.nonzero(found[0, 0], as_tuple=True)
    return frames.numpy(), bins.numpy()


class Scored:
    """The landmarks of all songs that are scored, to look those of other recordings up in."""

    def __init__(self, songs: Mapping[str, Mapping[str, Recording]], sample_rate_hz: int) -> None:
        self.sample_rate_hz = sample_rate_hz
        files = [(name, recording) for name, song in songs.items() for recording in song.values()]
        self._songs = [name for name, _ in files]
        self._marks = [landmarks(recording, sample_rate_hz) for _, recording in files]
        owners = [np.full(len(marks), index) for index, marks in enumerate(self._marks)]
        numbers, frames = np.concatenate([np.empty((0, 2), np.int64), *self._marks]).T
        order = np.argsort(numbers, kind="stable")
        self._numbers, self._frames = numbers[order], frames[order]
        self._owners = np.concatenate([np.empty(0, np.int64), *owners])[order]

    def most_alike(self, recording: Recording) -> Overlap | None:
        """The song of which a recording holds the most at one distance in time; None if it has nothing in common."""
        if recording.silent:
            return None
        marks = landmarks(recording, self.sample_rate_hz)
        first = np.searchsorted(self._numbers, marks[:, 0], "left")
        count = np.searchsorted(self._numbers, marks[:, 0], "right") - first
        if not count.sum():
            return None
        mine = np.repeat(np.arange(len(marks)), count)
        theirs = np.arange(len(mine)) - np.repeat(np.cumsum(count) - count, count) + first[mine]
        distance = self._frames[theirs] - marks[mine, 1]
        keys, found = np.unique(self._owners[theirs] * _FAR + distance + _FAR // 2, return_counts=True)
        beside = np.where(np.diff(keys, append=0) == 1, np.append(found[1:], 0), 0)  # a frame falls to either side
        best = int(np.argmax(found + beside))
        owner, distance_of_best = divmod(int(keys[best]), _FAR)
        start = distance_of_best - _FAR // 2
        frames = self._marks[owner][:, 1]
        length = int(marks[:, 1].max()) + 1
        in_common = int(((frames >= start) & (frames <= start + length)).sum())
        alike = int((found + beside)[best])
        return Overlap(recording.name, self._songs[owner], alike, alike / max(1, min(in_common, len(marks))))


def overlaps(
    scored: Scored,
    recordings: Sequence[Recording],
    *,
    workers: int = 1,
    advance: Callable[[int], None] = lambda steps: None,
) -> Iterator[tuple[Recording, Overlap]]:
    """Yield the recordings that hold a part of a song that is scored; `advance(1)` is called after each one looked at.

    So many threads at once make landmarks.
    """
    pool = ThreadPoolExecutor(workers)
    try:
        for recording, found in zip(recordings, pool.map(scored.most_alike, recordings), strict=True):
            advance(1)
            if found is not None and found.landmarks >= LEAST_MARKS and found.share >= LEAST_SHARE:
                yield recording, found
    finally:
        pool.shutdown(cancel_futures=True)


def drop_scored(sources: Sources, scored_sources: Sources, sample_rate_hz: int, *, quiet: bool = False) -> None:
    """Take out of what is trained on whatever is scored too, and name it (unless `quiet`); a song goes whole."""
    scored = Scored(scored_sources.songs, sample_rate_hz)

    def held(recordings: Sequence[Recording]) -> list[Recording]:
        found = list(overlaps(scored, recordings))
        for _, overlap in found:
            if not quiet:
                log.warning(
                    "left out %s: it holds what is scored in %s (%d landmarks, %.0f %%)",
                    overlap.name,
                    overlap.song,
                    overlap.landmarks,
                    100 * overlap.share,
                )
        return [recording for recording, _ in found]

    for name, song in list(sources.songs.items()):
        if held(list(song.values())):
            del sources.songs[name]
    for pools in sources.pools.values():
        for source, recordings in list(pools.items()):
            dropped = held(recordings)
            pools[source] = [recording for recording in recordings if recording not in dropped]
            if not pools[source]:
                del pools[source]
