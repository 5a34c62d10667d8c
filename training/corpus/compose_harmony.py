"""Accompanying instruments of an arrangement: chords as pads, strums, arpeggios, stabs, riffs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stemlive.training.corpus.compose_form import ChordSpan, Section
from stemlive.training.corpus.compose_parts import Note


@dataclass(frozen=True)
class Texture:
    """How an accompanying instrument plays: candidate sounds, way of playing, effect, middle of its range (MIDI)."""

    sounds: tuple[int | str, ...]
    mode: str
    effect: str
    center: int
    patterns: tuple[str, ...] = ("x.......x.......",)


_EIGHTHS = (
    "x...x...x...x...",
    "x.x.x.x.x.x.x.x.",
    "x..x..x.x..x..x.",
    "x.....x...x.....",
    "x.......x.......",
    "x...x..x..x.x...",
)
_STABS = (
    "..x...x...x...x.",
    "x..x..x...x..x..",
    "x......x..x.....",
    "...x..x....x..x.",
    "x..x....x..x....",
    "x.......x..x....",
)
_SIXTEENTHS = ("x.xx.xx.x.xx.xx.", "x.x.xxx.x.xxx.xx", "..xx..xx..xx..xx", "x..xx.x.x..xx.xx")
_STRUMS = ("x.x.xxx.x.xxxxx.", "x...x.xx..xxx.xx", "x...x...x...x.x.", "x.xxx.xxx.xxx.xx", "x..xx.x.x..xx.x.")

TEXTURES: Mapping[str, Texture] = {
    "piano": Texture((0, 1, 2, 3), "rhythm", "room", 62, _EIGHTHS),
    "epiano": Texture((4, 5, 4), "rhythm", "chorus", 62, (*_EIGHTHS, *_STABS)),
    "organ": Texture((16, 17, 18, 19, 20), "sustain", "rotary", 62),
    "clav": Texture((7,), "rhythm", "drive", 62, _SIXTEENTHS),
    "wah": Texture((27, 28), "rhythm", "wah", 64, (*_SIXTEENTHS, *_STABS)),
    "pad": Texture((88, 89, 90, 92, 93, 94, 95, 50, 51, "synth", "synth"), "sustain", "wide", 64),
    "strings": Texture((48, 49, 44, 48, 50), "sustain", "hall", 66),
    "arp": Texture((24, 25, 26, 27, 46, 11, 98, 99, 8, "synth", 12), "arp", "echo", 66),
    "pluck": Texture(("synth", 45, 12, 10, 108, 13, 84), "arp", "echo", 68),
    "stabs": Texture(("synth", 62, 63, 81, 90, 80, 55), "rhythm", "echo", 64, _STABS),
    "strum": Texture((24, 25, 25, 26, 27), "strum", "room", 60, _STRUMS),
    "power": Texture(
        (29, 30, 30),
        "power",
        "amp",
        48,
        ("x.x.x.x.x.x.x.x.", "x.......x.......", "x..x..x.x..x..x.", "x.xxx.xxx.xxx.xx", "x..............."),
    ),
    "crunch": Texture((29, 27, 28, 30), "rhythm", "amp", 57, (*_EIGHTHS, *_STRUMS)),
    "skank": Texture(
        (27, 28, 25, 26), "rhythm", "room", 64, ("....x.......x...", "..x...x...x...x.", "....x.x.....x.x.")
    ),
    "brass": Texture((61, 61, 62, 56, 57, 63, 66), "rhythm", "room", 65, _STABS),
    "montuno": Texture((0, 1, 2), "arp", "room", 66),
    "nylon": Texture((24,), "rhythm", "room", 60, ("x..x..x...x..x..", "x.x..x.xx.x..x.x", "x...x...x...x...")),
    "jazzpiano": Texture(
        (0, 1),
        "rhythm",
        "room",
        62,
        ("x.....x.........", "......x.......x.", "x.....x...x...x.", "..x.......x....."),
    ),
    "guitarcomp": Texture((26, 27), "strum", "room", 60, ("x...x...x...x...", "x...x.x.x...x.x.")),
    "banjo": Texture((105, 105, 104, 25), "arp", "room", 66),
    "accordion": Texture((21, 23), "rhythm", "room", 64, ("....x...x...", "x...x...x...", "x...........")),
    "harp": Texture((46,), "arp", "hall", 68),
    "pizzicato": Texture((45,), "arp", "hall", 64),
}
"""Accompanying textures by name; `Style.comps` chooses among them."""


def voice_chord(chord_pitches: Sequence[int], center: float, previous: Sequence[int] | None) -> list[int]:
    """Place pitch classes near `center`, or near the previous voicing (voice leading), without doubling."""
    around = float(np.mean(previous)) * 0.6 + center * 0.4 if previous else center
    return sorted({round(around) + (pitch - round(around) + 6) % 12 - 6 for pitch in chord_pitches})


def chord_part(
    rng: np.random.Generator, sections: Sequence[Section], role: str, key: int, texture: Texture
) -> list[Note]:
    """Play the chords of every section in which `role` takes part, in one texture (pattern per kind of section)."""
    notes: list[Note] = []
    previous: list[int] | None = None
    patterns = {
        kind: texture.patterns[int(rng.integers(len(texture.patterns)))] for kind in sorted({s.kind for s in sections})
    }
    arp = [int(x) for x in rng.integers(0, 5, size=int(rng.choice([4, 6, 8, 8, 16])))]
    arp_step = float(rng.choice([0.25, 0.25, 0.5, 1 / 3]))
    sustain = bool(rng.random() < 0.5)
    for section in sections:
        if role not in section.roles:
            continue
        for span in section.spans:
            classes = [key + span.chord.root + interval for interval in span.chord.intervals]
            voicing = voice_chord(classes, texture.center, previous)
            previous = voicing
            loud = 62 + 34 * section.energy
            if texture.mode == "sustain":
                notes += [Note(span.start, span.length * 0.99, p, _velocity(rng, loud)) for p in voicing]
                if rng.random() < 0.25:
                    notes.append(Note(span.start, span.length * 0.99, voicing[0] + 12, _velocity(rng, loud - 8)))
            elif texture.mode == "arp":
                notes += _arpeggio(rng, span, voicing, arp, arp_step, loud, sustain)
            elif texture.mode == "power":
                notes += _power(rng, span, key, patterns[section.kind], section.beats_per_bar, loud)
            else:
                notes += _rhythm(
                    rng,
                    span,
                    voicing,
                    patterns[section.kind],
                    section.beats_per_bar,
                    loud,
                    texture.mode == "strum",
                    sustain,
                )
    return notes


def _velocity(rng: np.random.Generator, mean: float, spread: float = 6.0) -> int:
    return int(np.clip(rng.normal(mean, spread), 20, 127))


def _arpeggio(
    rng: np.random.Generator,
    span: ChordSpan,
    voicing: Sequence[int],
    order: Sequence[int],
    step: float,
    loud: float,
    sustain: bool,
) -> list[Note]:
    ladder = [*voicing, *(p + 12 for p in voicing)]
    notes = []
    for index, t in enumerate(np.arange(0, span.length - 1e-6, step)):
        if rng.random() < 0.06:
            continue
        pitch = ladder[order[index % len(order)] % len(ladder)]
        length = min(span.length - t, step * (3 if sustain else 0.9))
        notes.append(
            Note(
                span.start + float(t),
                float(length),
                pitch,
                _velocity(rng, loud + (8 if index % 4 == 0 else 0)),
            )
        )
    return notes


def _onsets(pattern: str, beats_per_bar: int, length: float) -> list[float]:
    pattern = pattern[: beats_per_bar * 4]
    step = 0.25 if len(pattern) == beats_per_bar * 4 else beats_per_bar / len(pattern)
    bar = [i * step for i, mark in enumerate(pattern) if mark == "x"]
    return [
        t + k * beats_per_bar
        for k in range(int(np.ceil(length / beats_per_bar)))
        for t in bar
        if t + k * beats_per_bar < length - 1e-6
    ]


def _rhythm(
    rng: np.random.Generator,
    span: ChordSpan,
    voicing: Sequence[int],
    pattern: str,
    beats: int,
    loud: float,
    strum: bool,
    sustain: bool,
) -> list[Note]:
    onsets = _onsets(pattern, beats, span.length)
    notes = []
    strings = [voicing[0] - 12, *voicing, voicing[0] + 12] if strum else list(voicing)
    for index, (t, end) in enumerate(zip(onsets, [*onsets[1:], span.length], strict=True)):
        length = (end - t) * (0.97 if sustain or strum else float(rng.uniform(0.35, 0.7)))
        down = t % 1 == 0
        played = strings if not strum or down else strings[2:]
        for order, pitch in enumerate(played if down else played[::-1]):
            delay = order * float(rng.uniform(0.012, 0.03)) if strum else abs(float(rng.normal(0, 0.006)))
            notes.append(
                Note(
                    span.start + t + delay,
                    max(0.05, length - delay),
                    pitch,
                    _velocity(rng, loud + (6 if down else -6)),
                )
            )
        if not strum and index == 0 and rng.random() < 0.3:
            notes.append(Note(span.start + t, length, voicing[0] - 12, _velocity(rng, loud)))
    return notes


def _power(rng: np.random.Generator, span: ChordSpan, key: int, pattern: str, beats: int, loud: float) -> list[Note]:
    root = 40 + (key + span.chord.root - 40) % 12
    tones = (root, root + 7, root + 12)
    onsets = _onsets(pattern, beats, span.length)
    notes = []
    for t, end in zip(onsets, [*onsets[1:], span.length], strict=True):
        muted = len(onsets) > 4 and rng.random() < 0.45
        length = min(0.16, end - t) if muted else (end - t) * 0.95
        notes += [
            Note(span.start + t, length, p, _velocity(rng, loud + (0 if muted else 12)))
            for p in (tones[:2] if muted else tones)
        ]
    return notes
