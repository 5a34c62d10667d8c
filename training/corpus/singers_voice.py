"""A voice, taken from speech: what the vocoder WORLD needs to let it sing, cut into syllables.

WORLD (Morise, Yokomori and Ozawa 2016) splits speech into pitch, spectral envelope (the vowel and the person) and
aperiodicity (the breath). Only the last two are kept: the pitch will be the melody's. A syllable is what lies around
one peak of the loudness; in it the nucleus, the vowel's steady part, is what a singer holds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyworld
from scipy.ndimage import uniform_filter1d
from scipy.signal import find_peaks

from stemlive.errors import StemliveError
from stemlive.training.corpus.render_effects import SAMPLE_RATE_HZ

Floats = npt.NDArray[np.float64]

FRAME_S = 0.005
FFT_SIZE = 2048
BIN_HZ = SAMPLE_RATE_HZ / FFT_SIZE
_LOWEST_HZ, _HIGHEST_HZ = 65.0, 600.0
_ONSET_S, _CODA_S, _NUCLEUS_S = 0.16, 0.14, 0.25
"""At most so much before and after the nucleus, and of it."""
_SHORTEST_NUCLEUS_S = 0.035
_AUDIBLE = 3
"""First bin that counts: below 65 Hz there is rumble."""
_FEWEST_SYLLABLES = 8
_TREBLE_DB = -70.0
"""A frequency is in a voice's band where its loudest frame comes this near to the loudest of all frequencies."""


class VoiceError(StemliveError):
    """Recordings from which no voice can be made; says why."""


@dataclass(frozen=True)
class Syllable:
    """Frames of 5 ms: ``envelope`` (natural logarithm of power) and ``aperiodicity`` ``[frames, bins]``.

    voiced: which frames have a pitch, ``[frames]``. begin, end: the nucleus's frames.
    """

    envelope: Floats
    aperiodicity: Floats
    voiced: npt.NDArray[np.bool_]
    begin: int
    end: int


@dataclass(frozen=True)
class Voice:
    """A speaker's syllables in the order they were spoken, the median pitch, and the frequency where the band ends."""

    syllables: Sequence[Syllable]
    speaking_hz: float
    band_hz: float


def analyse_voice(clips: Sequence[Floats]) -> Voice:
    """The voice in some recordings of one speaker, ``[samples]`` each at 44.1 kHz.

    Raises VoiceError when there are too few syllables in them.
    """
    syllables: list[Syllable] = []
    pitches: list[Floats] = []
    loudest = np.full(FFT_SIZE // 2 + 1, 1e-20)
    for clip in clips:
        peak = float(np.abs(clip).max())
        if peak < 1e-3:
            continue
        # a trace of noise, as digital silence has no envelope
        audio = clip / peak + 1e-6 * np.random.default_rng(0).standard_normal(len(clip))
        rough_hz, times = pyworld.dio(
            audio, SAMPLE_RATE_HZ, f0_floor=_LOWEST_HZ, f0_ceil=_HIGHEST_HZ, frame_period=1000 * FRAME_S, speed=4
        )
        pitch_hz = pyworld.stonemask(audio, rough_hz, times, SAMPLE_RATE_HZ)
        power = pyworld.cheaptrick(audio, pitch_hz, times, SAMPLE_RATE_HZ, fft_size=FFT_SIZE)
        breath = pyworld.d4c(audio, pitch_hz, times, SAMPLE_RATE_HZ, threshold=0.0, fft_size=FFT_SIZE)
        loudest = np.maximum(loudest, _loudest(audio))
        pitches.append(pitch_hz[pitch_hz > 0])
        syllables += _syllables(np.log(power), breath, pitch_hz > 0)
    if len(syllables) < _FEWEST_SYLLABLES:
        raise VoiceError(f"{len(syllables)} syllables found, {_FEWEST_SYLLABLES} are needed: add recordings of speech")
    level_db = 10 * np.log10(uniform_filter1d(loudest, 9))
    band_hz = float(np.flatnonzero(level_db > level_db.max() + _TREBLE_DB).max() * BIN_HZ)
    return Voice(syllables, float(np.median(np.concatenate(pitches))), band_hz)


def _syllables(envelope: Floats, aperiodicity: Floats, voiced: npt.NDArray[np.bool_]) -> Iterator[Syllable]:
    """Cut one recording at the dips of its loudness between 200 and 3500 Hz."""
    low, high = int(200 / BIN_HZ), int(3500 / BIN_HZ)
    level_db = 10 * np.log10(uniform_filter1d(np.exp(envelope[:, low:high]).mean(axis=1), 7))
    heard_db = np.where(voiced, level_db, level_db.min())
    peaks, _ = find_peaks(heard_db, height=level_db.max() - 18, prominence=3, distance=_frames(0.09))
    edges = [0, *(a + int(level_db[a:b].argmin()) for a, b in pairwise(peaks)), len(level_db)]
    for peak, first, last in zip(peaks, edges, edges[1:], strict=False):
        steady = voiced & (level_db > level_db[peak] - 5)
        begin = end = int(peak)
        while begin > first and steady[begin - 1] and end - begin < _frames(_NUCLEUS_S):
            begin -= 1
        while end < last and steady[end] and end - begin < _frames(_NUCLEUS_S):
            end += 1
        if end - begin < _frames(_SHORTEST_NUCLEUS_S):
            continue
        audible = level_db > level_db[peak] - 35
        start, stop = begin, end
        while start > max(first, begin - _frames(_ONSET_S)) and audible[start - 1]:
            start -= 1
        while stop < min(last, end + _frames(_CODA_S)) and audible[stop]:
            stop += 1
        part = slice(start, stop)
        yield Syllable(
            _even(envelope[part], begin - start, end - start),
            aperiodicity[part],
            voiced[part].copy(),
            begin=begin - start,
            end=end - start,
        )


def _loudest(audio: Floats) -> Floats:
    """The highest power of each bin: of the sound itself, as WORLD's envelope blurs the end of a band."""
    padded = np.pad(audio, (0, FFT_SIZE))
    frames = np.lib.stride_tricks.sliding_window_view(padded, FFT_SIZE)[:: FFT_SIZE // 2]
    return np.asarray(np.square(np.abs(np.fft.rfft(frames * np.hanning(FFT_SIZE)))).max(axis=0))


def _even(envelope: Floats, begin: int, end: int) -> Floats:
    """The envelope with its nucleus at 0 dB and no frame above 3 dB: a singer's notes are more even than speech."""
    level = np.log(np.exp(envelope[:, _AUDIBLE:]).sum(axis=1))
    level -= np.log(np.exp(level[begin:end]).mean())
    over = np.maximum(level - 0.3 * np.log(10), 0)
    return np.asarray(envelope - (np.log(np.exp(envelope[begin:end, _AUDIBLE:]).sum(axis=1).mean()) + over)[:, None])


def _frames(seconds: float) -> int:
    return round(seconds / FRAME_S)
