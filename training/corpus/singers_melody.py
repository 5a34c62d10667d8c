"""What is sung, and at what pitch at every moment: the composer's melodies as a human voice follows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from scipy.signal import bilinear, butter, lfilter, lfilter_zi, sosfiltfilt

from stemlive.training.corpus.compose_chords import SCALES
from stemlive.training.corpus.compose_form import lay_out
from stemlive.training.corpus.compose_melody import lead_part
from stemlive.training.corpus.compose_styles import STYLES
from stemlive.training.corpus.singers_voice import FRAME_S, Floats

A4_HZ, A4_PITCH = 440.0, 69
_SHORTEST_S = 0.17
"""Of a note with a syllable of its own; shorter ones are slurred to the note before."""
_LONGEST_S = 58.0
_MELODY_CENTER = 70
_RANGE = 10
"""Semitones around a voice's middle, beyond which a note is sung an octave nearer."""
_SLOW_SHARE, _SLOWEST = 0.3, 3.5
"""Of the melodies, those sung up to so much slower, as ballads and chorales are: their notes are held for seconds."""
_HELD_SHARE, _HELD_S = 0.2, (1.5, 4.0)
"""Of the phrases, those whose last note is held for so long at least."""


@dataclass(frozen=True)
class SungNote:
    """A note: start and length in seconds from its phrase's start, MIDI pitch, loudness 0..1; slurred: no syllable."""

    start: float
    length: float
    pitch: float
    loudness: float
    slurred: bool = False

    @property
    def end(self) -> float:
        """Where it ends, in seconds."""
        return self.start + self.length


@dataclass(frozen=True)
class Phrase:
    """What is sung in one breath, and the seconds of silence before it."""

    rest: float
    notes: tuple[SungNote, ...]


@dataclass(frozen=True)
class Style:
    """How a singer moves between notes and holds them.

    vibrato_hz, vibrato_cents (peak), vibrato_delay_s: of notes that are long enough. glide: the angular frequency
    (rad/s) and damping of the movement to a new note, overshoot included (Saitou, Unoki and Akagi 2005); None: steps,
    as a pitch corrector makes them. drift_cents, jitter_cents: slow and fast deviations, standard deviations.
    scoop: semitones below its pitch where a phrase's first note may start.
    """

    vibrato_hz: float = 5.5
    vibrato_cents: float = 50.0
    vibrato_delay_s: float = 0.3
    glide: tuple[float, float] | None = (35.0, 0.6)
    drift_cents: float = 10.0
    jitter_cents: float = 3.0
    scoop: float = 1.0


def draw_style(rng: np.random.Generator) -> Style:
    """Some singer's style: from straight to operatic, one in ten through a pitch corrector."""
    if rng.random() < 0.1:
        return Style(vibrato_cents=0.0, glide=None, drift_cents=1.0, jitter_cents=1.0, scoop=0.0)
    return Style(
        vibrato_hz=float(rng.uniform(4.5, 6.5)),
        vibrato_cents=float(rng.choice([0.0, 12.0, 35.0, 60.0, 90.0])) * float(rng.uniform(0.8, 1.25)),
        vibrato_delay_s=float(rng.uniform(0.1, 0.5)),
        glide=(float(rng.uniform(20, 55)), float(rng.uniform(0.5, 0.85))),
        drift_cents=float(rng.uniform(5, 18)),
        jitter_cents=float(rng.uniform(2, 5)),
        scoop=float(rng.uniform(0, 2.5)),
    )


def compose_phrases(rng: np.random.Generator, center: float) -> list[Phrase]:
    """A melody of 40 to 60 seconds around the MIDI pitch `center`, cut into phrases."""
    style = STYLES[int(rng.integers(len(STYLES)))]
    tempo = float(rng.uniform(*style.tempo_bpm))
    tonality = str(rng.choice(style.tonalities))
    sections = lay_out(rng, style, tempo, tonality, 1, 1)
    sung = [replace(section, roles=frozenset({"voice"})) for section in sections]
    scale = SCALES["minor" if tonality in ("minor", "harmonic_minor", "dorian", "blues") else "major"]
    notes, _ = lead_part(rng, sung, "voice", int(rng.integers(12)), scale, "voice")
    beat_s = 60.0 / tempo
    if np.median([note.length for note in notes]) * beat_s < 0.25:
        beat_s *= 2.0  # no words can be sung that fast
    elif rng.random() < _SLOW_SHARE:
        beat_s *= float(rng.uniform(1.5, _SLOWEST))
    phrases: list[Phrase] = []
    current: list[SungNote] = []
    begin = last_end = 0.0
    for note in notes:
        start, length = note.start * beat_s, note.length * beat_s
        rest = start - last_end
        if current and (rest > 0.3 or start - begin > 8.0):
            phrases.append(_phrase(rng, begin, current, phrases))
            current = []
        if not current:
            begin = start
        pitch = note.pitch - _MELODY_CENTER + round(center)
        pitch += 12 * ((pitch < center - _RANGE) - int(pitch > center + _RANGE))
        slurred = bool(current) and (length < _SHORTEST_S or rng.random() < 0.12)
        current.append(SungNote(start - begin, length, pitch, note.velocity / 127, slurred))
        last_end = start + length
        if start > _LONGEST_S:
            break
    return [*phrases, _phrase(rng, begin, current, phrases)]


def _phrase(rng: np.random.Generator, begin: float, notes: list[SungNote], before: Sequence[Phrase]) -> Phrase:
    """Bind the notes of a phrase, most of them without a gap."""
    bound = [
        replace(note, length=after.start - note.start) if after.slurred or rng.random() < 0.85 else note
        for note, after in pairwise(notes)
    ]
    last = notes[-1]
    if rng.random() < _HELD_SHARE:
        last = replace(last, length=max(last.length, float(rng.uniform(*_HELD_S))))
    return Phrase(float(rng.uniform(0.35, 1.5)) if before else 0.3, (*bound, last))


def harmony(rng: np.random.Generator, phrases: Sequence[Phrase]) -> list[Phrase]:
    """A second voice to the same words: doubled, or thirds or fifths above or below on the melody's own scale."""
    classes = {round(note.pitch) % 12 for phrase in phrases for note in phrase.notes}
    ladder = [pitch for pitch in range(128) if pitch % 12 in classes]
    steps = int(rng.choice([0, 0, 2, 2, -2, -3, 4]))

    def moved(note: SungNote) -> SungNote:
        where = ladder.index(round(note.pitch)) + steps
        late = float(rng.normal(0, 0.02))
        return replace(note, pitch=ladder[int(np.clip(where, 0, len(ladder) - 1))], start=max(0.0, note.start + late))

    return [replace(phrase, notes=tuple(moved(note) for note in phrase.notes)) for phrase in phrases]


def pitch_hz(notes: Sequence[SungNote], style: Style, count: int, lead_s: float, rng: np.random.Generator) -> Floats:
    """The pitch of a phrase in Hz, ``[count]`` frames of 5 ms, of which the first lies `lead_s` before the first note.

    The movement to a note begins a little before it, so that it is there in time.
    """
    times = np.arange(count) * FRAME_S - lead_s
    ahead_s = 1.2 / style.glide[0] if style.glide else 0.0
    starts = np.array([note.start for note in notes]) - ahead_s
    pitches = np.array([note.pitch for note in notes])
    target = pitches[np.clip(np.searchsorted(starts, times, side="right") - 1, 0, None)].astype(np.float64)
    if style.scoop and rng.random() < 0.5:
        target[times < notes[0].start] -= style.scoop
    if style.glide:
        omega, damping = style.glide
        b, a = bilinear([omega**2], [1.0, 2 * damping * omega, omega**2], fs=1 / FRAME_S)
        target, _ = lfilter(b, a, target, zi=lfilter_zi(b, a) * target[0])
    cents = _noise(rng, count, 0.3, 2.0) * style.drift_cents + _noise(rng, count, 8.0, 30.0) * style.jitter_cents
    for note in notes:
        rate = style.vibrato_hz * float(rng.uniform(0.95, 1.05))
        since = times - note.start - style.vibrato_delay_s
        rising = np.clip(since / 0.25, 0, 1) * np.clip((note.end - times) / 0.08, 0, 1)
        cents += style.vibrato_cents * rising * np.sin(2 * np.pi * rate * since)
    return np.asarray(A4_HZ * 2 ** ((target - A4_PITCH + cents / 100) / 12))


def _noise(rng: np.random.Generator, count: int, low_hz: float, high_hz: float) -> Floats:
    """Band-passed noise of standard deviation 1, ``[count]`` frames."""
    band = butter(1, [low_hz, high_hz], "bandpass", fs=1 / FRAME_S, output="sos")
    noise = sosfiltfilt(band, rng.standard_normal(count + 400))[200 : 200 + count]
    return np.asarray(noise / max(float(noise.std()), 1e-9))
