"""Melodies of an arrangement, for instruments that are not voices: the model has to learn the difference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from stemlive.training.corpus.compose_form import ChordSpan, Section
from stemlive.training.corpus.compose_parts import Control, Note

# fmt: off
LEAD_CENTER: Mapping[int | str, int] = {
    0: 74, 11: 74, 18: 70, 21: 72, 22: 70, 24: 66, 25: 66, 26: 67, 27: 68, 29: 69, 30: 70, 40: 76, 42: 57, 48: 74,
    56: 69, 57: 57, 59: 68, 60: 60, 61: 66, 62: 68, 65: 67, 66: 61, 68: 73, 71: 70, 73: 77, 80: 74, 81: 72, 87: 72,
    110: 72, "synth": 73,
}
# fmt: on
"""Middle of the range of the instruments that play melodies."""

_WINDS_AND_STRINGS = frozenset({18, 21, 22, 40, 42, 48, 56, 57, 59, 60, 61, 65, 66, 68, 71, 73, 110})


def lead_part(
    rng: np.random.Generator,
    sections: Sequence[Section],
    role: str,
    key: int,
    scale: Sequence[int],
    sound: int | str,
) -> tuple[list[Note], list[Control]]:
    """A melody: motifs of one or two bars, repeated and varied over four-bar phrases, chord tones on the strong beats.

    Winds, strings and synthesisers get swells (controller 11), vibrato (controller 1) and scoops (pitch bend).
    """
    center = LEAD_CENTER.get(sound, 70)
    notes: list[Note] = []
    for section in sections:
        if role not in section.roles:
            continue
        motif_beats = section.beats_per_bar * int(rng.choice([1, 2, 2]))
        motifs = [_rhythm_motif(rng, motif_beats, section.energy) for _ in range(2)]
        pitch = center + int(rng.integers(-4, 5))
        shape: list[int] = []
        at, index = section.start, 0
        while at < section.end - 1e-6:
            motif = motifs[1 if index % 4 == 3 else 0]
            repeat = index % 4 == 2 and bool(shape)
            steps = (
                shape if repeat else [int(x) for x in rng.choice([-3, -2, -1, -1, 0, 1, 1, 2, 3, 4], size=len(motif))]
            )
            for (offset, length), step in zip(motif, [*steps, *([0] * len(motif))], strict=False):
                start = at + offset
                if start + 0.05 > section.end:
                    continue
                span = next(
                    (s for s in section.spans if s.start <= start + 1e-6 < s.start + s.length),
                    section.spans[-1],
                )
                pitch = _move(pitch, step, center, key, scale, span if offset % 1 == 0 and length >= 0.5 else None)
                notes.append(
                    Note(
                        start,
                        min(length, section.end - start),
                        pitch,
                        _velocity(rng, 76 + 30 * section.energy, 8),
                    )
                )
            shape, at, index = steps, at + motif_beats, index + 1
    return notes, _expression(rng, notes, sound)


def _rhythm_motif(rng: np.random.Generator, beats: int, energy: float) -> list[tuple[float, float]]:
    """Onsets and lengths: a walk over note values that leaves a breath at the end."""
    values, weights = (
        np.array([0.25, 0.5, 1.0, 1.5, 2.0]),
        np.array([0.1 + 0.3 * energy, 0.45, 0.35, 0.15, 0.15]),
    )
    at, motif = float(rng.choice([0, 0, 0.5, 1.0])), []
    breath = beats - float(rng.choice([0, 0.5, 1.0, 1.5]))
    while at < breath - 1e-6:
        value = min(float(rng.choice(values, p=weights / weights.sum())), beats - at)
        if rng.random() > 0.12:
            motif.append((at, value * float(rng.choice([0.6, 0.95, 1.0]))))
        at += value
    return motif


def _move(pitch: int, step: int, center: int, key: int, scale: Sequence[int], span: ChordSpan | None) -> int:
    """Go `step` degrees along the scale (to the nearest chord tone where `span` is given), staying near `center`."""
    if abs(pitch - center) > 9:
        step = -abs(step) if pitch > center else abs(step)
    classes = {(key + s) % 12 for s in scale}
    ladder = [p for p in range(center - 16, center + 17) if p % 12 in classes]
    nearest = int(np.argmin([abs(p - pitch) for p in ladder]))
    target = ladder[int(np.clip(nearest + step, 0, len(ladder) - 1))]
    if span is None:
        return target
    tones = {(key + span.chord.root + interval) % 12 for interval in span.chord.intervals}
    return min(
        (p for p in range(target - 4, target + 5) if p % 12 in tones),
        key=lambda p: abs(p - target),
        default=target,
    )


def _expression(rng: np.random.Generator, notes: Sequence[Note], sound: int | str) -> list[Control]:
    controls: list[Control] = []
    sustained = sound in _WINDS_AND_STRINGS or sound in (80, 81, 87, 29, 30, "synth")
    scoop_share = 0.25 if sustained or sound in (26, 27) else 0.0
    for n in notes:
        if sound in _WINDS_AND_STRINGS and n.length >= 0.9:
            controls += [
                Control(n.start + n.length * x, 11, 80 + 47 * np.sin(np.pi * (0.25 + 0.6 * x)))
                for x in np.linspace(0, 1, 6)
            ]
        elif sound in _WINDS_AND_STRINGS:
            controls.append(Control(n.start, 11, 112))
        if sustained:
            controls.append(Control(n.start, 1, 0))
            if n.length >= 0.7:
                controls.append(Control(n.start + n.length * 0.4, 1, float(rng.uniform(30, 90))))
        if rng.random() < scoop_share and n.length > 0.2:
            depth = float(rng.choice([-2.0, -1.0, -1.0, 1.0]))
            controls += [Control(n.start + 0.2 * x, -1, depth * (1 - x)) for x in np.linspace(0, 1, 5)]
    return controls


def _velocity(rng: np.random.Generator, mean: float, spread: float = 6.0) -> int:
    return int(np.clip(rng.normal(mean, spread), 20, 127))
