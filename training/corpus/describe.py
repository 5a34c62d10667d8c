"""What training mixtures are like beside real songs: width, level, dynamics and spectrum of every stem.

A model learns what its mixtures have in common. If that is something that records do not have (voices exactly alike on
both sides, for one), it learns a rule that fails on records. So the two are measured alike and set side by side.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy.signal import coherence, welch

from stemlive.model.config import STEMS
from stemlive.training.layout import KINDS
from stemlive.training.mixing import SegmentMixer
from stemlive.training.sources import Sources

Audio = npt.NDArray[np.float32]
Piece = dict[str, Audio]
"""Stems that are known of a mixture, and `mixture`, each `[n, 2]`."""

MEASURES = {
    "side_db": "sides against middle, dB",
    "coherence": "coherence of left and right",
    "level_db": "level against the mixture, dB",
    "crest_db": "crest factor, dB",
    "tilt_db": "spectral tilt, dB per octave",
    "active": "share of time active",
}
PIECE_S = 6.0
SILENT_DB = -40.0
"""A stem is silent, in a piece or a block of it, so far below the level of the mixture."""
BLOCK_S = 0.1
NARROWEST_DB = -60.0
WEAK_DB = -60.0
"""Bins so far below a stem's loudest say nothing about its coherence."""
THIRDS_HZ = 1000.0 * 2.0 ** (np.arange(-10, 11) / 3)  # 99 Hz to 10 kHz
DEEPEST_DB = -80.0
"""Thirds of an octave below that, against the loudest, count as if they were there: codecs leave nothing."""


@dataclass(frozen=True)
class Row:
    """One measure of one stem: mean and standard deviation over the pieces of the songs, and of the mixtures."""

    stem: str
    measure: str
    songs: tuple[float, float]
    mixtures: tuple[float, float]

    @property
    def deviations(self) -> float:
        """How far the mixtures' mean is from the songs', in the songs' standard deviations."""
        difference = self.mixtures[0] - self.songs[0]
        if self.songs[1] == 0:
            return 0.0 if difference == 0 else math.copysign(math.inf, difference)
        return difference / self.songs[1]


def song_pieces(sources: Sources, sample_rate_hz: int) -> Iterator[Piece]:
    """All pieces of all songs of which every stem is known."""
    for song in sources.songs.values():
        if set(song) == set(STEMS):
            count = max(recording.num_samples for recording in song.values())
            stems = {stem: song[stem].read(0, count) for stem in STEMS}
            accompaniment = sum(stems[stem] for stem in STEMS if stem != "vocals")
            yield from _cut({**stems, "accompaniment": np.asarray(accompaniment, np.float32)}, sample_rate_hz)


def mixture_pieces(mixer: SegmentMixer, segments: Iterable[int]) -> Iterator[Piece]:
    """All pieces of some segments of a mixer, with the stems that are known alone."""
    for index in segments:
        item = mixer[index]
        targets, groups = item["targets"].numpy().transpose(0, 2, 1), item["groups"].numpy()
        stems = {}
        for target, members in zip(targets, groups, strict=True):
            if members.sum() == 1:
                stems[STEMS[int(members.argmax())]] = target
        if "vocals" in stems:
            stems["accompaniment"] = targets.sum(0) - stems["vocals"]
        yield from _cut(stems, mixer.sample_rate_hz, targets.sum(0))


def _cut(stems: Piece, sample_rate_hz: int, mixture: Audio | None = None) -> Iterator[Piece]:
    """Pieces of about PIECE_S, equally long."""
    whole = {**stems, "mixture": stems["vocals"] + stems["accompaniment"] if mixture is None else mixture}
    count = len(whole["mixture"])
    edges = np.linspace(0, count, max(1, round(count / sample_rate_hz / PIECE_S)) + 1).astype(int)
    for begin, end in pairwise(edges):
        yield {stem: audio[begin:end] for stem, audio in whole.items()}


def compare(songs: Iterable[Piece], mixtures: Iterable[Piece], sample_rate_hz: int) -> list[Row]:
    """A row for every stem and measure that both have."""
    found = [_gather(pieces, sample_rate_hz) for pieces in (songs, mixtures)]
    return [
        Row(stem, measure, *(_mean_and_deviation(one[stem, measure]) for one in found))
        for stem in KINDS
        for measure in MEASURES
        if all((stem, measure) in one for one in found)
    ]


def _gather(pieces: Iterable[Piece], sample_rate_hz: int) -> dict[tuple[str, str], list[float]]:
    gathered: dict[tuple[str, str], list[float]] = {}
    for piece in pieces:
        mixture = piece["mixture"]
        if not np.any(mixture):
            continue
        for stem in piece.keys() - {"mixture"}:
            for measure, value in measure_stem(piece[stem], mixture, sample_rate_hz).items():
                gathered.setdefault((stem, measure), []).append(value)
    return gathered


def _mean_and_deviation(values: list[float]) -> tuple[float, float]:
    return float(np.mean(values)), float(np.std(values))


def measure_stem(stem: Audio, mixture: Audio, sample_rate_hz: int) -> dict[str, float]:
    """The MEASURES of a stem `[n, 2]` of a mixture that is not silent; of a silent stem only how long it is active.

    side_db: energy of half the difference of the channels against that of half their sum, at least NARROWEST_DB.
    coherence: magnitude-squared, by Welch's method with Hann windows of 2048, mean over the bins that are not weak;
        left out where one channel is silent.
    crest_db: peak of both channels against the RMS of both.
    tilt_db: slope of a straight line through the density in thirds of an octave from 100 Hz to 10 kHz; white noise: 0.
    active: share of blocks of 0.1 s that are not silent.
    """
    power, mixture_power = (float(np.mean(np.square(audio, dtype=np.float64))) for audio in (stem, mixture))
    threshold = mixture_power * 10 ** (SILENT_DB / 10)
    blocks = np.array_split(stem, max(1, round(len(stem) / sample_rate_hz / BLOCK_S)))
    found = {"active": float(np.mean([np.mean(np.square(block)) > threshold for block in blocks]))}
    if power <= threshold:
        return found
    left, right = np.asarray(stem, np.float64).T
    middle, side = (float(np.mean(np.square(x))) for x in ((left + right) / 2, (left - right) / 2))
    found["side_db"] = 10 * np.log10(max(side / max(middle, 1e-12 * power), 10 ** (NARROWEST_DB / 10)))
    alike = _coherence(left, right, sample_rate_hz)
    if alike is not None:
        found["coherence"] = alike
    found["level_db"] = 10 * np.log10(power / mixture_power)
    found["crest_db"] = 20 * np.log10(float(np.abs(stem).max()) / np.sqrt(power))
    found["tilt_db"] = _tilt_db(stem, sample_rate_hz)
    return {measure: float(value) for measure, value in found.items()}


def _coherence(left: npt.NDArray[np.float64], right: npt.NDArray[np.float64], sample_rate_hz: int) -> float | None:
    spectra = [welch(x, sample_rate_hz, nperseg=2048)[1] for x in (left, right)]
    weak = 10 ** (WEAK_DB / 10) * np.max(spectra)
    strong = (spectra[0] > weak) & (spectra[1] > weak)
    if not strong.any():
        return None
    return float(coherence(left, right, sample_rate_hz, nperseg=2048)[1][strong].mean())


def _tilt_db(stem: Audio, sample_rate_hz: int) -> float:
    hz, density = welch(stem, sample_rate_hz, nperseg=min(4096, len(stem)), axis=0)
    edges = np.searchsorted(hz, [THIRDS_HZ * 2 ** (-1 / 6), THIRDS_HZ * 2 ** (1 / 6)])
    bands = np.array([density[low:high].mean() for low, high in edges.T if high > low])
    octaves = np.log2(np.array([c for c, low, high in zip(THIRDS_HZ, *edges, strict=True) if high > low]))
    levels_db = 10 * np.log10(np.maximum(bands, bands.max() * 10 ** (DEEPEST_DB / 10)))
    return float(np.polyfit(octaves, levels_db, 1)[0])
