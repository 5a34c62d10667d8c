"""Bass lines of an arrangement: locked to the kick drum and the chords' roots, in many ways of playing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from stemlive.training.corpus.compose_form import ChordSpan, Section
from stemlive.training.corpus.compose_grooves import Groove
from stemlive.training.corpus.compose_parts import Control, Note

BASS_LOWEST, BASS_HIGHEST = 24, 60
"""Bass notes stay within C1..C4; those of instruments other than synthesisers above E1 (28)."""


@dataclass(frozen=True)
class _Bar:
    """One bar of bass: where and how long (beats), the chord's tones as MIDI pitches, and what there is to lock to."""

    rng: np.random.Generator
    start: float
    length: float
    root: int
    third: int
    fifth: int
    seventh: int
    next_root: int
    is_last: bool
    kicks: Sequence[float]
    motif: Sequence[tuple[float, int]]

    def note(self, at: float, length: float, pitch: int, velocity: float = 96) -> Note:
        loud = int(np.clip(velocity + self.rng.normal(0, 5), 20, 127))
        return Note(self.start + at, min(length, self.length - at), pitch, loud)

    def steps(self, step: float) -> list[float]:
        return [float(t) for t in np.arange(0, self.length - 1e-6, step)]

    @property
    def approach(self) -> int:
        """A note that leads to the next chord's root."""
        return self.next_root + int(self.rng.choice([-1, 1, 2, -2]))

    def fixed(self, *pattern: tuple[float, float, int]) -> list[Note]:
        """Notes from (onset, length, pitch), those that begin within the bar, one at a time."""
        notes = [self.note(at, length, pitch) for at, length, pitch in pattern if at < self.length]
        ends = [n.start for n in notes[1:]] + [self.start + self.length]
        return [replace(n, length=min(n.length, end - n.start)) for n, end in zip(notes, ends, strict=True)]


def bass_notes(
    rng: np.random.Generator,
    sections: Sequence[Section],
    key: int,
    line: str,
    grooves: Mapping[str, Groove],
    lowest: int = 28,
) -> tuple[list[Note], list[Control]]:
    """Write a bass line of the named kind (`LINES`) under the sections' chords, and its slides (pitch bends).

    `grooves` are the drums' grooves by kind of section; `lowest` is the lowest MIDI pitch of the instrument, roots lie
    in the octave above it.
    """
    beats = sections[0].beats_per_bar
    motif = _motif(rng, beats)
    notes: list[Note] = []
    for section in sections:
        if "bass" not in section.roles:
            continue
        kick = grooves[section.kind].get("kick", "X.......X.......")
        kicks = [i * beats / len(kick) for i, mark in enumerate(kick) if mark in "Xxo"]
        for span in section.spans:
            for at in range(0, max(1, round(span.length)), beats):
                notes += LINES[line](_bar(rng, span, at, beats, key, lowest, kicks, motif))
    in_range = [replace(n, pitch=n.pitch if n.pitch >= lowest else n.pitch + 12) for n in notes]
    kept = [n for n in in_range if n.pitch <= BASS_HIGHEST and n.length > 0]
    return kept, _slides(rng, kept, 0.35 if line in ("sub", "long", "slap") else 0.08)


def _bar(
    rng: np.random.Generator,
    span: ChordSpan,
    at: int,
    beats: int,
    key: int,
    lowest: int,
    kicks: Sequence[float],
    motif: Sequence[tuple[float, int]],
) -> _Bar:
    root = lowest + (key + span.chord.root - lowest) % 12
    third = next((i for i in (3, 4) if i in span.chord.intervals), 7)
    length = min(float(beats), span.length - at)
    next_root = lowest + (key + span.next_root - lowest) % 12
    is_last = at + beats >= span.length - 1e-6
    seventh = root + span.chord.intervals[-1] % 12
    return _Bar(
        rng, span.start + at, length, root, root + third, root + 7, seventh, next_root, is_last, kicks, motif
    )  # fmt: skip


def _motif(rng: np.random.Generator, beats: int) -> list[tuple[float, int]]:
    """Draw a one-bar riff: onsets (beats, on the sixteenth grid, the first on the one) and intervals above the root."""
    steps = np.arange(1, beats * 4)
    weights = np.where(steps % 2 == 0, 1.0, 0.45)
    count = int(rng.integers(3, 7))
    onsets = np.sort(rng.choice(steps, size=count, replace=False, p=weights / weights.sum())) / 4.0
    intervals = rng.choice([0, 0, 0, 12, 7, 10, -2, 5, 3], size=count)
    return [(0.0, 0), *((float(t), int(i)) for t, i in zip(onsets, intervals, strict=True))]


def _eighths(bar: _Bar, step: float = 0.5, octaves: float = 0.0) -> list[Note]:
    notes = [
        bar.note(t, step * 0.85, bar.root + (12 if bar.rng.random() < octaves else 0), 104 if t % 1 == 0 else 88)
        for t in bar.steps(step)
    ]
    if bar.is_last and bar.rng.random() < 0.5:
        notes[-1] = replace(notes[-1], pitch=bar.approach)
    return notes


def _octaves(bar: _Bar) -> list[Note]:
    return [bar.note(t, 0.4, bar.root + (12 if t % 1 else 0)) for t in bar.steps(0.5)]


def _offbeat(bar: _Bar) -> list[Note]:
    return [bar.note(t, 0.4, bar.root) for t in bar.steps(0.5) if t % 1]


def _gallop(bar: _Bar) -> list[Note]:
    strokes = ((0.0, 110), (0.5, 92), (0.75, 92))
    return [bar.note(t + o, 0.2, bar.root, v) for t in bar.steps(1.0) for o, v in strokes if t + o < bar.length]


def _kick(bar: _Bar) -> list[Note]:
    rng = bar.rng
    onsets = [t for t in bar.kicks if t < bar.length] or [0.0]
    notes = []
    for t, end in zip(onsets, [*onsets[1:], bar.length], strict=True):
        pitch = int(rng.choice([bar.root, bar.root, bar.root, bar.fifth, bar.root + 12])) if t else bar.root
        notes.append(bar.note(t, (end - t) * float(rng.choice([0.5, 0.8, 0.95])), pitch))
    if bar.is_last and rng.random() < 0.4 and onsets[-1] < bar.length - 0.5:
        last = notes[-1]
        notes[-1] = replace(last, length=min(last.length, bar.start + bar.length - 0.5 - last.start))
        notes.append(bar.note(bar.length - 0.5, 0.45, bar.approach, 84))
    return notes


def _riff(bar: _Bar, slap: bool = False) -> list[Note]:
    rng = bar.rng
    motif = [(t, interval) for t, interval in bar.motif if t < bar.length]
    notes = []
    for (t, interval), end in zip(motif, [*(t for t, _ in motif[1:]), bar.length], strict=True):
        popped = slap and rng.random() < 0.3
        if rng.random() < 0.08:
            continue
        pitch, gap = bar.root + (12 if popped else interval), end - t
        length = min(gap, 1.5) * float(rng.choice([0.45, 0.8, 0.95]))
        ghost = slap and gap > 0.4 and rng.random() < 0.35
        notes.append(bar.note(t, min(length, gap - 0.25) if ghost else length, pitch, 114 if popped else 96))
        if ghost:
            notes.append(bar.note(end - 0.25, 0.08, bar.root, 45))
    return notes


def _walking(bar: _Bar) -> list[Note]:
    rng = bar.rng
    tones = [bar.root, bar.third, bar.fifth, bar.root + 12, bar.seventh]
    notes = [bar.note(t, 0.92, int(rng.choice(tones)) if t else bar.root, 98) for t in bar.steps(1.0)]
    if bar.is_last:
        notes[-1] = replace(notes[-1], pitch=bar.next_root + int(rng.choice([-1, 1])))
    skips = [t for t in bar.steps(1.0) if rng.random() < 0.1]
    shortened = [replace(n, length=0.6) if n.start - bar.start in skips else n for n in notes]
    return [*shortened, *(bar.note(t + 2 / 3, 0.25, bar.root, 60) for t in skips)]


def _reggae(bar: _Bar) -> list[Note]:
    pattern = (
        (0.0, 0.8, bar.root),
        (1.0, 0.4, bar.third),
        (1.5, 0.9, bar.fifth),
        (3.0, 0.45, bar.root),
        (3.5, 0.4, bar.third),
    )
    notes = bar.fixed(*pattern)
    return [n for i, n in enumerate(notes) if i == 0 or bar.rng.random() < 0.8]


def _tumbao(bar: _Bar) -> list[Note]:
    return bar.fixed((1.5, 1.4, bar.fifth), (3, 0.95, bar.root + 12 if bar.rng.random() < 0.4 else bar.next_root))


def _sub(bar: _Bar) -> list[Note]:
    second = int(bar.rng.choice([bar.root, bar.fifth, bar.root + 12]))
    return _leading(bar, bar.fixed((0, float(bar.rng.choice([1.4, 2.4, 3.2])), bar.root), (2.5, 1.2, second)))


def _long(bar: _Bar) -> list[Note]:
    if bar.rng.random() < 0.6:
        return _leading(bar, bar.fixed((0, bar.length * 0.96, bar.root)))
    second = int(bar.rng.choice([bar.root, bar.fifth]))
    return _leading(bar, bar.fixed((0, bar.length * 0.6, bar.root), (bar.length * 0.625, bar.length * 0.34, second)))


def _country(bar: _Bar) -> list[Note]:
    return _leading(bar, bar.fixed((0, 0.9, bar.root), (2, 0.9, bar.fifth)))


def _waltz(bar: _Bar) -> list[Note]:
    length = 1.0 if bar.rng.random() < 0.5 else 2.6
    return _leading(bar, bar.fixed((0, length, bar.root if bar.rng.random() < 0.7 else bar.fifth)))


def _leading(bar: _Bar, notes: list[Note]) -> list[Note]:
    """Replace the last beat, now and then, by a note that leads to the next chord."""
    if not bar.is_last or bar.length < 2 or bar.rng.random() > 0.35:
        return notes
    cut = bar.start + bar.length - 1
    kept = [replace(n, length=min(n.length, cut - n.start)) for n in notes if n.start < cut]
    return [*kept, bar.note(bar.length - 1, 0.9, bar.approach, 86)]


LINES: Mapping[str, Callable[[_Bar], list[Note]]] = {
    "eighths": _eighths,
    "sixteenths": lambda bar: _eighths(bar, 0.25, 0.12),
    "octaves": _octaves,
    "offbeat": _offbeat,
    "gallop": _gallop,
    "kick": _kick,
    "riff": _riff,
    "slap": lambda bar: _riff(bar, slap=True),
    "walking": _walking,
    "shuffle": lambda b: b.fixed(
        (0, 0.6, b.root), (0.5, 0.3, b.root), (1, 0.9, b.third), (2, 0.9, b.fifth), (3, 0.9, b.root + 9)
    ),
    "bossa": lambda b: b.fixed((0, 1.4, b.root), (1.5, 0.45, b.fifth), (2, 1.4, b.fifth), (3.5, 0.45, b.root)),
    "tumbao": _tumbao,
    "reggae": _reggae,
    "sub": _sub,
    "long": _long,
    "country": _country,
    "waltz": _waltz,
}
"""Ways of playing by name; `Style.bass_lines` chooses among them."""


def _slides(rng: np.random.Generator, notes: Sequence[Note], share: float) -> list[Control]:
    """Slide into a share of the notes from up to two semitones below or above, and falls at the end of some."""
    controls: list[Control] = []
    for n in notes:
        if n.length < 0.3 or rng.random() > share:
            continue
        depth, glide = float(rng.choice([-2.0, -1.0, 1.0, -2.0])), min(0.25, n.length / 3)
        if rng.random() < 0.7:
            controls += [Control(n.start + glide * x, -1, depth * (1 - x)) for x in np.linspace(0, 1, 6)]
        else:
            controls += [Control(n.start + n.length - glide * (1 - x), -1, -2.0 * x) for x in np.linspace(0, 1, 6)]
            controls.append(Control(n.start + n.length, -1, 0.0))
    return controls
