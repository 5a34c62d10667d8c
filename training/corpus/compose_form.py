"""The form of a song: sections with their chords, their energy and who plays in them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stemlive.training.corpus.compose_chords import PROGRESSIONS, Chord, parse_chord
from stemlive.training.corpus.compose_styles import Style

SHORTEST_SECONDS, LONGEST_SECONDS = 40.0, 75.0
TAIL_SECONDS = 2.0

_FORMS: tuple[tuple[str, ...], ...] = (
    ("intro", "verse", "chorus", "verse", "chorus", "break", "solo", "chorus"),
    ("verse", "chorus", "break", "chorus", "solo", "verse"),
    ("chorus", "verse", "break", "solo", "chorus", "verse"),
    ("intro", "solo", "verse", "chorus", "break", "chorus"),
    ("break", "verse", "verse", "chorus", "solo", "chorus"),
    ("solo", "verse", "solo", "break", "chorus"),
)
_ENERGY = {"intro": 0.4, "verse": 0.55, "chorus": 0.9, "break": 0.35, "solo": 0.75}
_PLAYS = {
    "intro": (0.45, 0.4, 0.65, 0.3),
    "verse": (0.93, 0.93, 0.8, 0.45),
    "chorus": (0.98, 0.98, 0.95, 0.6),
    "break": (0.45, 0.45, 0.5, 0.3),
    "solo": (0.95, 0.95, 0.8, 1.0),
}
"""How likely each plays: drums, bass, an accompanying instrument, a lead."""


@dataclass(frozen=True)
class ChordSpan:
    """A chord that sounds from `start` for `length` beats; `next_root` is where the bass goes afterwards."""

    start: float
    length: float
    chord: Chord
    next_root: int


@dataclass(frozen=True)
class Section:
    """A stretch of the form. `energy` is 0..1, `roles` says who plays: drums, bass, lead, comp0, comp1, ..."""

    kind: str
    start: float
    bars: int
    beats_per_bar: int
    spans: tuple[ChordSpan, ...]
    energy: float
    roles: frozenset[str]

    @property
    def end(self) -> float:
        """Where the next section starts, in beats."""
        return self.start + self.bars * self.beats_per_bar


def lay_out(
    rng: np.random.Generator, style: Style, tempo: float, tonality: str, comps: int, leads: int
) -> list[Section]:
    """Lay out sections with chords and players until the song lasts 40 to 75 seconds.

    `comps` and `leads` are how many accompanying and leading instruments there are; each plays in some sections only.
    """
    beats = style.beats_per_bar
    bar_seconds = beats * 60.0 / tempo
    goal = float(rng.uniform(SHORTEST_SECONDS + 6, LONGEST_SECONDS - 14)) - TAIL_SECONDS
    form = _FORMS[int(rng.integers(len(_FORMS)))]
    table = PROGRESSIONS[{"harmonic_minor": "minor"}.get(tonality, tonality)]
    progressions = {kind: table[int(rng.integers(len(table)))] for kind in sorted(_ENERGY)}
    chord_beats = beats
    if beats % 2 == 0 and rng.random() < 0.25:
        chord_beats = beats * 2 if tempo > 110 else beats // 2
    sections: list[Section] = []
    at, index = 0.0, 0
    while True:
        left_bars = int((LONGEST_SECONDS - TAIL_SECONDS - at * 60.0 / tempo) / bar_seconds)
        kind = form[index % len(form)]
        choices = [2, 4] if bar_seconds >= 2.2 else [2, 4, 4] if kind == "break" else [4, 8]
        bars = min(int(rng.choice(choices)), left_bars)
        if at * 60.0 / tempo >= goal or bars < 1:
            break
        roles = _roles(rng, kind, comps, leads)
        spans = _spans(progressions[kind], at, bars * beats, chord_beats)
        energy = float(np.clip(_ENERGY[kind] + rng.normal(0, 0.08), 0.1, 1.0))
        sections.append(Section(kind, at, bars, beats, spans, energy, roles))
        at, index = at + bars * beats, index + 1
    end = sections[-1]
    final = ChordSpan(end.end, float(beats), parse_chord(progressions[end.kind].split()[0]), 0)
    if rng.random() < 0.5 and end.end * 60.0 / tempo + bar_seconds < LONGEST_SECONDS - TAIL_SECONDS:
        players = frozenset(role for role in end.roles if role != "drums")
        sections.append(Section("ending", end.end, 1, beats, (final,), 0.5, players))
    return sections


def _roles(rng: np.random.Generator, kind: str, comps: int, leads: int) -> frozenset[str]:
    drums, bass, comp, lead = _PLAYS[kind]
    roles = {name for name, chance in (("drums", drums), ("bass", bass)) if rng.random() < chance}
    roles |= {f"comp{i}" for i in range(comps) if rng.random() < comp}
    roles |= {f"lead{i}" for i in range(leads) if rng.random() < (lead if i == 0 else 0.4)}
    if not roles:
        roles = {"comp0" if rng.random() < 0.6 else "drums"}
    return frozenset(roles)


def _spans(progression: str, start: float, beats: int, chord_beats: int) -> tuple[ChordSpan, ...]:
    chords = [parse_chord(numeral) for numeral in progression.split()]
    spans, at, index = [], 0, 0
    while at < beats:
        length = min(chord_beats, beats - at)
        chord, following = chords[index % len(chords)], chords[(index + 1) % len(chords)]
        spans.append(ChordSpan(start + at, float(length), chord, following.root))
        at, index = at + length, index + 1
    return tuple(spans)
