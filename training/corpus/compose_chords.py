"""Chords, scales and progressions of the composer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

# fmt: off
SCALES: Mapping[str, tuple[int, ...]] = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
    "harmonic": (0, 2, 3, 5, 7, 8, 11),
    "blues": (0, 3, 5, 6, 7, 10),
    "pentatonic": (0, 2, 4, 7, 9),
    "minor_pentatonic": (0, 3, 5, 7, 10),
}
"""Semitones above the tonic."""

QUALITIES: Mapping[str, tuple[int, ...]] = {
    "": (0, 4, 7), "m": (0, 3, 7), "7": (0, 4, 7, 10), "m7": (0, 3, 7, 10), "maj7": (0, 4, 7, 11),
    "dim": (0, 3, 6), "m7b5": (0, 3, 6, 10), "sus4": (0, 5, 7), "sus2": (0, 2, 7), "9": (0, 4, 7, 10, 14),
    "m9": (0, 3, 7, 10, 14), "add9": (0, 4, 7, 14), "6": (0, 4, 7, 9), "5": (0, 7),
    "maj9": (0, 4, 7, 11, 14),
}
"""Semitones above the root, by the suffix of a numeral."""

PROGRESSIONS: Mapping[str, tuple[str, ...]] = {
    "major": (
        "I V vi IV", "I vi IV V", "vi IV I V", "I IV V IV", "I IV vi V", "I iii IV V", "IV I V vi",
        "I V IV IV", "I ii IV V", "Iadd9 V vi7 IVadd9", "I I IV IV I I V IV", "I V vi iii IV I IV V",
        "IV V iii vi ii V I I", "I Isus4 IV V", "ii V I vi",
    ),
    "minor": (
        "i bVI bIII bVII", "i bVII bVI V", "i iv bVII bIII", "i bVI iv V", "i i iv v", "i bVII iv i",
        "bVI bVII i i", "i bIII bVII iv", "i v bVI iv", "i i bVI bVII", "i iv i V",
        "iv bVII bIII bVI i iv V i",
    ),
    "dorian": (
        "i7 IV7", "i7 i7 IV7 IV7", "i IV i bVII", "im9 IV9", "i7 bVII IV i7",
    ),
    "mixolydian": (
        "I bVII IV I", "I I bVII IV", "I7 IV7 I7 V7", "I bVII I IV", "I5 bVII5 IV5 I5",
    ),
    "phrygian": (
        "i bII", "i bII bIII bII", "i5 i5 bII5 i5", "i bVII bII i",
    ),
    "jazz": (
        "iim7 V7 Imaj7 vim7", "Imaj7 vim7 iim7 V7", "iim7 V7 Imaj7 Imaj7",
        "Imaj9 IVmaj7 iiim7 vim7 iim9 V9 Imaj7 Imaj7", "iim7b5 V7 im7 im7", "I6 I7 IV6 ivm7 I6 V7 I6 V7",
        "im9 iv7 im9 V7",
    ),
    "blues": (
        "I7 I7 I7 I7 IV7 IV7 I7 I7 V7 IV7 I7 V7", "I7 IV7 I7 I7 IV7 IV7 I7 I7 V7 IV7 I7 I7",
        "i7 i7 i7 i7 iv7 iv7 i7 i7 bVI7 V7 i7 V7",
    ),
    "power": (
        "i5 bVI5 bVII5 i5", "i5 i5 bIII5 iv5", "i5 bII5 i5 bVII5", "i5 bVII5 bVI5 V5", "I5 IV5 V5 IV5",
        "i5 bIII5 iv5 bVI5",
    ),
}
"""Common progressions by tonality, one chord a bar (or two bars, or half a bar)."""
# fmt: on

_DEGREES = {"i": 0, "ii": 2, "iii": 4, "iv": 5, "v": 7, "vi": 9, "vii": 11}
_ROMAN = re.compile(r"(b|#)?([ivIV]+)(.*)")


@dataclass(frozen=True)
class Chord:
    """A chord relative to the key: root in semitones above the tonic, intervals above the root in semitones."""

    root: int
    intervals: tuple[int, ...]


def parse_chord(numeral: str) -> Chord:
    """Read a Roman numeral such as ``bVII``, ``ii``, ``V7`` or ``Imaj9`` (lower case is minor)."""
    match = _ROMAN.fullmatch(numeral)
    if match is None:
        raise ValueError(f"not a chord numeral: {numeral!r}")
    accidental, roman, suffix = match.groups()
    root = _DEGREES[roman.lower()] + {"b": -1, "#": 1, None: 0}[accidental]
    if roman.islower() and suffix in ("", "7", "9"):
        suffix = "m" + suffix
    return Chord(root % 12, QUALITIES[suffix])
