"""Let a voice sing a phrase: syllables stretched to the notes, the melody's pitch, a singer's timbre, WORLD's sound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyworld
from scipy.ndimage import uniform_filter1d

from stemlive.training.corpus.render_effects import SAMPLE_RATE_HZ
from stemlive.training.corpus.singers_melody import Phrase, Style, SungNote, pitch_hz
from stemlive.training.corpus.singers_voice import BIN_HZ, FFT_SIZE, FRAME_S, Floats, Syllable, Voice

_BINS = FFT_SIZE // 2 + 1
_SILENCE = -46.0  # natural logarithm of power: -200 dB
_DB = np.log(10) / 10
_LEAD_S, _TAIL_S, _RELEASE_S = 0.25, 0.3, 0.08
_BREATH_DB = -24.0
_LEGATO_S = 0.06


@dataclass(frozen=True)
class Timbre:
    """What makes of one speaker other singers.

    formants: factor on all formant frequencies (0.8 to 1.2: a longer or shorter throat).
    tilt_db: per octave above 1 kHz. ring_db: raises 2.4 to 3.4 kHz, the singer's formant.
    breath: exponent of the aperiodicity, below 1 for more breath.
    breathing: share of the phrases before which a breath is heard.
    """

    formants: float = 1.0
    tilt_db: float = 0.0
    ring_db: float = 0.0
    breath: float = 1.0
    breathing: float = 0.5


def draw_timbre(rng: np.random.Generator) -> Timbre:
    """Some singer's timbre."""
    return Timbre(
        formants=float(np.exp(rng.uniform(np.log(0.83), np.log(1.2)))),
        tilt_db=float(rng.uniform(-2.0, 2.5)),
        ring_db=float(rng.uniform(0.0, 9.0)),
        breath=float(rng.uniform(0.7, 1.8)),
        breathing=float(rng.uniform(0.0, 0.9)),
    )


def sing_phrase(
    voice: Voice, phrase: Phrase, first: int, style: Style, timbre: Timbre, rng: np.random.Generator
) -> tuple[Floats, float]:
    """A phrase sung on the voice's syllables from number `first` on, in a circle.

    Returns the sound, ``[samples]`` at 44.1 kHz, and the second in it at which the phrase's time 0 lies.
    """
    inhales = rng.random() < timbre.breathing
    lead_s = _LEAD_S + (float(rng.uniform(0.25, 0.5)) if inhales else 0.0)
    count = int(np.ceil((lead_s + phrase.notes[-1].end + _TAIL_S) / FRAME_S))
    envelope, aperiodicity = np.full((count, _BINS), _SILENCE), np.ones((count, _BINS))
    voiced = np.zeros(count, bool)
    groups = grouped(phrase.notes)
    earliest = round((lead_s - _LEAD_S) / FRAME_S) + 1
    for index, group in enumerate(groups):
        syllable = voice.syllables[(first + index) % len(voice.syllables)]
        following = groups[index + 1][0].start if index + 1 < len(groups) else np.inf
        next_onset = voice.syllables[(first + index + 1) % len(voice.syllables)].begin
        begin, vowel = _onset(syllable, round((group[0].start + lead_s) / FRAME_S), earliest)
        end = round((group[-1].end + lead_s) / FRAME_S)
        if following - group[-1].end < _LEGATO_S:
            end = max(vowel + 8, round((following + lead_s) / FRAME_S) - min(next_onset, (end - vowel) // 3))
        where = _held(syllable, begin, vowel, end, rng)
        part = slice(begin, begin + len(where))
        envelope[part], aperiodicity[part] = _at(syllable.envelope, where), _at(syllable.aperiodicity, where)
        voiced[part] = syllable.voiced[np.round(where).astype(int)]
        _release(envelope, aperiodicity, voiced, part.stop)
        _smooth(envelope, begin)
        earliest = part.stop
    if inhales:
        _inhale(envelope, voice, round((lead_s - _LEAD_S) / FRAME_S), rng)
    gain_db = dynamics_db(phrase.notes, count, lead_s, rng)
    envelope = _coloured(envelope, gain_db, timbre)
    aperiodicity = np.clip(_warped(aperiodicity, timbre.formants) ** timbre.breath, 1e-4, 1.0)
    pitch = np.where(voiced, pitch_hz(phrase.notes, style, count, lead_s, rng), 0.0)
    sound = pyworld.synthesize(pitch, np.exp(envelope), aperiodicity, SAMPLE_RATE_HZ, frame_period=1000 * FRAME_S)
    return np.asarray(sound), lead_s


def grouped(notes: Sequence[SungNote]) -> list[list[SungNote]]:
    """The notes of each syllable."""
    groups: list[list[SungNote]] = []
    for note in notes:
        if note.slurred and groups:
            groups[-1].append(note)
        else:
            groups.append([note])
    return groups


def _onset(syllable: Syllable, vowel: int, earliest: int) -> tuple[int, int]:
    """Frames at which the consonant and the vowel begin: the vowel on the beat, where there is room before it."""
    begin = max(earliest, vowel - syllable.begin)
    return begin, max(vowel, begin + min(syllable.begin, 6))


def _held(syllable: Syllable, begin: int, vowel: int, end: int, rng: np.random.Generator) -> Floats:
    """Which (fractional) frame of the syllable sounds in each frame from `begin` on: the nucleus is what is stretched.

    In the nucleus the way leads forth and back a little, so that a held vowel keeps moving as in a mouth.
    """
    onset = np.linspace(0, syllable.begin, vowel - begin, endpoint=False)
    coda_count = min(len(syllable.envelope) - syllable.end, max(0, (end - vowel) // 3))
    held = max(4, end - vowel - coda_count)
    along = np.linspace(0, 1, held)
    wander = np.interp(
        np.arange(held), np.arange(0, held + 30, 15), rng.uniform(-0.4, 0.4, len(range(0, held + 30, 15)))
    )
    path = np.clip(along + np.sin(np.pi * along) * wander, 0, 1)
    nucleus = syllable.begin + (syllable.end - 1 - syllable.begin) * path
    coda = np.linspace(syllable.end, len(syllable.envelope) - 1, coda_count)
    return np.concatenate([onset, nucleus, coda])


def _at(rows: Floats, where: Floats) -> Floats:
    """Rows at fractional indices."""
    low = np.clip(np.floor(where).astype(int), 0, len(rows) - 1)
    high = np.minimum(low + 1, len(rows) - 1)
    share = (where - low)[:, None]
    return np.asarray((1 - share) * rows[low] + share * rows[high])


def _release(envelope: Floats, aperiodicity: Floats, voiced: npt.NDArray[np.bool_], at: int) -> None:
    """Fade out the last frame before `at`; what is sung next overwrites it."""
    stop = min(at + round(_RELEASE_S / FRAME_S), len(envelope))
    fade_db = np.linspace(0, -50, stop - at + 1)[1:]
    envelope[at:stop] = envelope[at - 1] + fade_db[:, None] * _DB
    aperiodicity[at:stop] = aperiodicity[at - 1]
    voiced[at:stop] = voiced[at - 1]


def _smooth(envelope: Floats, joint: int) -> None:
    """Cross-fade two syllables that follow each other closely."""
    part = slice(max(0, joint - 3), joint + 3)
    envelope[part] = uniform_filter1d(envelope[part], 3, axis=0, mode="nearest")


def _inhale(envelope: Floats, voice: Voice, end: int, rng: np.random.Generator) -> None:
    """Breath noise up to frame `end`, coloured by the mean of a few vowels."""
    vowels = [voice.syllables[int(i)] for i in rng.integers(len(voice.syllables), size=4)]
    colour = np.mean([s.envelope[s.begin : s.end].mean(axis=0) for s in vowels], axis=0)
    rising_db = 3.0 * _octaves_above_1khz()
    shape = np.sin(np.pi * np.linspace(0.02, 0.98, end) ** 1.5)
    level_db = _BREATH_DB + float(rng.uniform(-8, 4)) + 20 * np.log10(shape)
    envelope[:end] = uniform_filter1d(colour, 41) + (rising_db + level_db[:, None]) * _DB


def dynamics_db(notes: Sequence[SungNote], count: int, lead_s: float, rng: np.random.Generator) -> Floats:
    """Gain in dB of each frame: the notes' loudness, more for higher ones, a swell, a little tremor, a soft end."""
    times = np.arange(count) * FRAME_S - lead_s
    middle = float(np.mean([note.pitch for note in notes]))
    points = [note.start + 0.5 * note.length for note in notes]
    levels = [16 * (note.loudness - 0.75) + 0.35 * (note.pitch - middle) for note in notes]
    gain_db = np.interp(times, points, levels)
    gain_db += float(rng.uniform(-2, 3)) * np.sin(np.pi * np.clip(times / notes[-1].end, 0, 1))
    knots = np.arange(0, count + 40, 20)
    gain_db += np.interp(np.arange(count), knots, rng.normal(0, 0.6, len(knots)))
    last = notes[-1]
    since = np.clip((times - last.start - 0.6 * last.length) / (0.4 * last.length), 0, 1)
    return np.asarray(gain_db - float(rng.uniform(2, 10)) * since)


def _octaves_above_1khz() -> Floats:
    """Of each bin; 0 below 1 kHz and no more above 12 kHz."""
    return np.asarray(np.log2(np.clip(np.arange(_BINS) * BIN_HZ / 1000, 1, 12)))


def _coloured(envelope: Floats, gain_db: Floats, timbre: Timbre) -> Floats:
    """The envelope with the singer's formants, tilt and ring, and with the gain; what is loud is brighter too."""
    hz = np.arange(_BINS) * BIN_HZ
    octaves = _octaves_above_1khz()
    ring = np.exp(-0.5 * ((hz / timbre.formants - 2900) / 350) ** 2)
    static_db = timbre.tilt_db * octaves + timbre.ring_db * ring
    brighter_db = np.clip(gain_db, -12, 8)[:, None] * (0.2 * octaves)
    return np.asarray(_warped(envelope, timbre.formants) + (static_db + gain_db[:, None] + brighter_db) * _DB)


def _warped(rows: Floats, formants: float) -> Floats:
    """What was at a frequency moves to `formants` times that frequency."""
    where = np.minimum(np.arange(_BINS) / formants, _BINS - 1)
    return np.ascontiguousarray(_at(rows.T, where).T)
