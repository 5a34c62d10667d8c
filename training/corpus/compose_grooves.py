"""Drum grooves of the composer, by style.

A groove maps a drum piece to one bar, written as one character per step: ``X`` accent, ``x`` normal, ``o`` soft,
``g`` ghost, ``?`` played half of the time, ``.`` rest. The number of steps sets the grid: 16 are straight sixteenths,
12 are triplets (or sixteenths of a bar of three).
"""

from __future__ import annotations

from collections.abc import Mapping

Groove = Mapping[str, str]

# fmt: off
DRUM_NOTES: Mapping[str, int] = {
    "kick": 36, "stick": 37, "snare": 38, "clap": 39, "floor": 41, "hat": 42, "low": 43, "pedal": 44,
    "mid": 47, "open": 46, "crash": 49, "hi": 50, "ride": 51, "china": 52, "bell": 53, "tamb": 54,
    "splash": 55, "cowbell": 56, "crash2": 57, "bongo_hi": 60, "bongo_lo": 61, "conga_mute": 62,
    "conga": 63, "conga_lo": 64, "timbale": 65, "agogo": 67, "cabasa": 69, "maracas": 70, "guiro": 73,
    "clave": 75, "block": 76,
}
"""Piece to General MIDI note of channel 10."""

ROCK: tuple[Groove, ...] = (
    {"kick": "X.......X.x.....", "snare": "....X.......X...", "hat": "x.o.x.o.x.o.x.o."},
    {"kick": "X.....x.x.......", "snare": "....X..g.g..X..?", "hat": "x.o.x.o.x.o.x.o."},
    {"kick": "X..x..x.X..x....", "snare": "....X.......X...", "hat": "X.x.X.x.X.x.X.x."},
    {"kick": "X.x.....X.x...x.", "snare": "....X.......X...", "ride": "x.o.x.o.x.o.x.o."},
    {"kick": "X...x...X...x...", "snare": "....X.......X...", "open": "x...x...x...x..."},
    {"kick": "X.....x...x.....", "snare": "....X.......X..g", "hat": "X...x...X...x..."},
    {"kick": "X...............", "snare": "........X.......", "hat": "x.o.x.o.x.o.x.o."},
)
POP: tuple[Groove, ...] = (
    {"kick": "X.......X.......", "snare": "....X.......X...", "hat": "x.o.x.o.x.o.x.o.",
     "tamb": "....x.......x..."},
    {"kick": "X..x....X.x.....", "snare": "....X.......X...", "clap": "....x.......x...",
     "hat": "xoxoxoxoxoxoxoxo"},
    {"kick": "X...X...X...X...", "snare": "....X.......X...", "hat": "..x...x...x...x.",
     "maracas": "ogogogogogogogog"},
    {"kick": "X......x..x.....", "snare": "....X.......X...", "hat": "x.xox.o.x.xox.o."},
    {"kick": "X.....x...x...?.", "stick": "....X.......X...", "hat": "x.o.x.o.x.o.x.o.",
     "maracas": "gogogogogogogogo"},
)
FUNK: tuple[Groove, ...] = (
    {"kick": "X.x.......x..x..", "snare": "....X..g.g.gX..g", "hat": "x.x.x.x.x.x.x.o."},
    {"kick": "X..x..x...x.....", "snare": "....X.g..g..X.g.", "hat": "xoxoxoxoxoxoxoxo"},
    {"kick": "X......xx.x....x", "snare": "..g.X..g.g..X..g", "hat": "x.x.x.xox.x.x.o.",
     "cowbell": "x...x...x...x..."},
    {"kick": "X.x...x...x..x..", "snare": "....X..g.X.g..g.", "open": "..........x.....",
     "hat": "xoxoxoxo.oxoxoxo"},
)
HOUSE: tuple[Groove, ...] = (
    {"kick": "X...X...X...X...", "clap": "....X.......X...", "open": "..x...x...x...x.",
     "hat": "o.o.o.o.o.o.o.o."},
    {"kick": "X...X...X...X..?", "snare": "....X.......X...", "open": "..x...x...x...x.",
     "maracas": "ogogogogogogogog"},
    {"kick": "X...X...X...X...", "clap": "....X.......X..?", "hat": "oxXxoxXxoxXxoxXx",
     "conga": "..x..x....x..?.."},
    {"kick": "X...X...X...X...", "open": "..X...X...X...X.", "ride": "x.x.x.x.x.x.x.x.",
     "clap": "....x.......x..."},
)
BREAKS: tuple[Groove, ...] = (
    {"kick": "X.X.......XX....", "snare": "....X..g.g..X..g", "hat": "x.x.x.x.x.x.x.x."},
    {"kick": "X.........X.....", "snare": "....X..?....X...", "hat": "xoxoxoxoxoxoxoxo"},
    {"kick": "X.x.......x.....", "snare": "....X.......X...", "ride": "x.x.x.x.x.x.x.x."},
)
HIPHOP: tuple[Groove, ...] = (
    {"kick": "X..x...x..x.....", "snare": "....X.......X...", "hat": "x.o.x.o.x.o.x.o."},
    {"kick": "X......x..x..x..", "clap": "....X.......X...", "hat": "x.xox.x.x.xxx.x."},
    {"kick": "X.....x.........", "snare": "........X.......", "hat": "x.x.x.xxx.x.xxxx",
     "open": "..............?."},
    {"kick": "X..x......x....?", "snare": "....X..g....X.g.", "hat": "x.x.x.x.x.x.x.x.",
     "stick": ".......?......?."},
)
REGGAE: tuple[Groove, ...] = (
    {"kick": "........X.......", "stick": "........X......?", "hat": "o.x.o.x.o.x.o.x."},
    {"kick": "X...X...X...X...", "snare": "........X.......", "hat": "o.xoo.x.o.xoo.x."},
    {"kick": "........X.......", "snare": "........X..?..?.", "hat": "..x...x...x..xx.",
     "open": "..............?."},
)
SWING: tuple[Groove, ...] = (
    {"ride": "x..x.ox..x.o", "pedal": "...x.....x..", "kick": "g..g..g..g..", "snare": ".....?..?..?"},
    {"ride": "X..x.xX..x.x", "pedal": "...X.....X..", "snare": "..?..g...?.g", "kick": "o....?......"},
    {"hat": "x..x.xx..x.x", "snare": "...x.....x..", "kick": "x.....x....?"},
)
SHUFFLE: tuple[Groove, ...] = (
    {"kick": "X.....X.x...", "snare": "...X.....X..", "hat": "x.ox.ox.ox.o"},
    {"kick": "X....xX.....", "snare": "..gX.g..gX.g", "ride": "x.xx.xx.xx.x"},
)
SLOW12: tuple[Groove, ...] = (
    {"kick": "X.....X....x", "snare": "...X.....X..", "hat": "xooxooxooxoo"},
    {"kick": "X.....x.x...", "stick": "...X.....X..", "ride": "x.ox.ox.ox.o"},
)
METAL: tuple[Groove, ...] = (
    {"kick": "XxXxXxXxXxXxXxXx", "snare": "....X.......X...", "ride": "X...X...X...X..."},
    {"kick": "X..xx..xX..xx..x", "snare": "....X.......X...", "hat": "X...X...X...X..."},
    {"kick": "x.x.x.x.x.x.x.x.", "snare": "..X...X...X...X.", "crash": "x...x...x...x..."},
    {"kick": "X.xxX.xxX.xxX.xx", "snare": "........X.......", "china": "X...X...X...X..."},
    {"kick": "XxXx..XxXx..XxXx", "snare": "....X.......X...", "open": "x...x...x...x..."},
)
LATIN: tuple[Groove, ...] = (
    {"kick": "X..xx..xX..xx..x", "stick": "x..x..x...x..x..", "hat": "xoxoxoxoxoxoxoxo"},
    {"conga_mute": "x.x.x...x.x.x...", "conga": "......xx......xx", "clave": "x..x..x...x.x...",
     "cowbell": "x.x.x.x.x.x.x.x.", "kick": "......x.......x."},
    {"timbale": "x.xx.x.xx.x.xx.x", "conga": "......xx......xx", "conga_lo": "...x.......x....",
     "kick": "X.....x.X.....x.", "maracas": "ogogogogogogogog"},
    {"kick": "X...X...X...X...", "snare": "...X..X....X..X.", "hat": "..x...x...x...x.",
     "guiro": "X.xxX.xxX.xxX.xx"},
    {"kick": "X.....X.X.....X.", "stick": "X..X..X...X.X...", "maracas": "xoxoxoxoxoxoxoxo",
     "agogo": "x.x..xx.x.x..xx."},
)
WALTZ: tuple[Groove, ...] = (
    {"kick": "X...........", "snare": "....x...x...", "hat": "x...x...x..."},
    {"kick": "X.......?...", "stick": "....x...x...", "ride": "x...x.o.x..."},
)
SPARSE: tuple[Groove, ...] = (
    {"kick": "X.......x.......", "stick": "....x.......x...", "hat": "o.o.o.o.o.o.o.o."},
    {"kick": "X.........x.....", "snare": "....X.......X...", "ride": "x...o...x...o..."},
    {"kick": "X...............", "stick": "........X.......", "maracas": "ogogogogogogogog"},
)
# fmt: on
