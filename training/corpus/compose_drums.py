"""Drums of an arrangement: grooves with variations, ghost notes and fills."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from stemlive.training.corpus.compose_form import Section
from stemlive.training.corpus.compose_grooves import DRUM_NOTES, Groove
from stemlive.training.corpus.compose_parts import Note

_VELOCITY = {"X": 116, "x": 96, "o": 72, "g": 38, "?": 80}


def drum_notes(
    rng: np.random.Generator, sections: Sequence[Section], grooves: Mapping[str, Groove], busy: float
) -> list[Note]:
    """Play the grooves (by kind of section) with variations and fills; `busy` 0..1 is how much the drummer adds."""
    notes: list[Note] = []
    for index, section in enumerate(sections):
        if "drums" not in section.roles:
            continue
        groove = grooves[section.kind]
        if (section.start > 0 and rng.random() < 0.7) or section.energy > 0.8:
            notes.append(Note(section.start, 1.0, DRUM_NOTES["crash" if rng.random() < 0.7 else "crash2"], 105))
        fill_every = int(rng.choice([2, 4, 4, 8]))
        for bar in range(section.bars):
            start = section.start + bar * section.beats_per_bar
            is_last = bar == section.bars - 1
            fill = (is_last and index < len(sections) - 1 and rng.random() < 0.75) or (
                (bar + 1) % fill_every == 0 and rng.random() < 0.35 * busy
            )
            fill_beats = float(rng.choice([1, 1, 2, section.beats_per_bar])) if fill else 0.0
            notes += _bar(rng, groove, start, section, section.beats_per_bar - fill_beats, busy)
            if fill:
                notes += _fill(
                    rng,
                    start + section.beats_per_bar - fill_beats,
                    fill_beats,
                    len(next(iter(groove.values()))) % 16 != 0,
                )
    return notes


def _bar(
    rng: np.random.Generator, groove: Groove, start: float, section: Section, until: float, busy: float
) -> list[Note]:
    notes: list[Note] = []
    gain = 0.72 + 0.32 * section.energy
    for written, pattern in groove.items():
        quiet = section.energy < 0.35 and written in ("crash", "open", "china") and rng.random() < 0.5
        piece = "hat" if quiet else written
        step = section.beats_per_bar / len(pattern)
        for index, mark in enumerate(pattern):
            added = mark == "." and piece in ("kick", "snare") and rng.random() < 0.025 * busy
            played = ("g" if piece == "snare" else "o") if added else mark
            if played == "." or index * step >= until - 1e-6 or (played == "?" and rng.random() < 0.5):
                continue
            if piece == "hat" and played != "X" and rng.random() < 0.03 * busy:
                notes.append(Note(start + (index + 0.5) * step, step, DRUM_NOTES["hat"], 50))
            note = "open" if piece == "hat" and rng.random() < 0.02 * busy else piece
            velocity = int(np.clip(_VELOCITY[played] * gain + rng.normal(0, 5), 12, 127))
            notes.append(Note(start + index * step, step * 0.9, DRUM_NOTES[note], velocity))
    return notes


def _fill(rng: np.random.Generator, start: float, beats: float, triplets: bool) -> list[Note]:
    """Write a fill: from the snare down the toms, a roll, a crescendo anywhere, or one hit and silence."""
    kind = rng.choice(["toms", "roll", "random", "stop"], p=[0.4, 0.2, 0.3, 0.1])
    step = 1 / 3 if triplets else (0.25 if rng.random() < 0.75 else 0.5)
    count = round(beats / step)
    path = [DRUM_NOTES[name] for name in ("snare", "hi", "mid", "low", "floor")]
    if kind == "stop":
        return [Note(start, 0.5, DRUM_NOTES["kick"], 112), Note(start, 0.5, DRUM_NOTES["crash"], 100)]
    notes = []
    for index in range(count):
        if rng.random() < 0.15:
            continue
        pitch = {"toms": path[min(4, index * 5 // max(count, 1))], "roll": path[0]}.get(
            str(kind), path[int(rng.integers(5))]
        )
        velocity = int(np.clip(66 + 50 * index / max(count, 1) + rng.normal(0, 8), 20, 127))
        notes.append(Note(start + index * step, step, pitch, velocity))
        if rng.random() < 0.25:
            notes.append(Note(start + index * step, step, DRUM_NOTES["kick"], 90))
    return notes
