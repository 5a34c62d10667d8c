"""What each style of music is made of.

Programs are General MIDI numbers counted from 0. No program imitates a voice.
"""

from __future__ import annotations

from dataclasses import dataclass

from stemlive.training.corpus import compose_grooves as grooves
from stemlive.training.corpus.compose_grooves import Groove

VOICE_LIKE_PROGRAMS = frozenset({52, 53, 54, 78, 79, 85, 91})
"""Choir aahs, voice oohs, synth voice, whistle, ocarina, voice lead, choir pad: never used."""


@dataclass(frozen=True)
class Style:
    """A style; every tuple is a set of choices, of which a song draws one (of `comps` as many as `comp_count` says).

    `tonalities` name a table of progressions, `kits` a kind of drum kit, `bass_lines` a way of playing, `comps`
    textures of accompaniment. `swing` is the range of the delay of the second half of a beat, as a share of it; `pump`
    is the depth of side-chain ducking, 0 to 1.
    """

    name: str
    tempo_bpm: tuple[int, int]
    tonalities: tuple[str, ...]
    grooves: tuple[Groove, ...]
    kits: tuple[str, ...]
    bass_lines: tuple[str, ...]
    bass_sounds: tuple[int | str, ...]
    comps: tuple[str, ...]
    comp_count: tuple[int, int]
    leads: tuple[int | str, ...]
    swing: tuple[float, float] = (0.0, 0.0)
    beats_per_bar: int = 4
    pump: float = 0.0


# fmt: off
STYLES: tuple[Style, ...] = (
    Style("rock", tempo_bpm=(95, 150), tonalities=("major", "minor", "mixolydian", "power"),
          grooves=grooves.ROCK, kits=("acoustic",), bass_lines=("eighths", "kick", "riff"),
          bass_sounds=(33, 34, 34, 33), comps=("power", "strum", "crunch", "organ", "piano"),
          comp_count=(2, 4), leads=(29, 30, 30, 27, 81, 65)),
    Style("pop", tempo_bpm=(88, 130), tonalities=("major", "minor", "major"), grooves=grooves.POP,
          kits=("acoustic", "electronic", "synth"), bass_lines=("kick", "eighths", "riff", "long"),
          bass_sounds=(33, 38, 39, "synth", 35), comps=("piano", "pad", "strum", "arp", "pluck", "strings"),
          comp_count=(2, 4), leads=(80, 81, 73, 11, 40, 27, "synth")),
    Style("funk", tempo_bpm=(92, 122), tonalities=("dorian", "dorian", "mixolydian", "minor"),
          grooves=grooves.FUNK, kits=("acoustic",), bass_lines=("riff", "slap", "kick"),
          bass_sounds=(36, 37, 33, "synth"), comps=("clav", "wah", "brass", "organ", "epiano"),
          comp_count=(2, 4), leads=(65, 66, 56, 27, 61, "synth")),
    Style("disco", tempo_bpm=(108, 128), tonalities=("minor", "dorian", "major"), grooves=grooves.HOUSE,
          kits=("acoustic", "electronic"), bass_lines=("octaves", "riff", "slap"), bass_sounds=(33, 36, 38),
          comps=("wah", "strings", "brass", "piano", "epiano"), comp_count=(2, 4),
          leads=(48, 65, 73, 56, 81), pump=0.1),
    Style("house", tempo_bpm=(116, 130), tonalities=("minor", "dorian", "major"), grooves=grooves.HOUSE,
          kits=("electronic", "synth", "synth"), bass_lines=("offbeat", "octaves", "riff"),
          bass_sounds=("synth", "synth", 38, 39),
          comps=("stabs", "pad", "arp", "pluck", "piano", "strings"), comp_count=(2, 4),
          leads=(80, 81, 87, "synth", "synth", 11), pump=0.6),
    Style("techno", tempo_bpm=(122, 142), tonalities=("minor", "phrygian"), grooves=grooves.HOUSE,
          kits=("electronic", "synth", "synth"), bass_lines=("offbeat", "sixteenths", "riff"),
          bass_sounds=("synth",), comps=("stabs", "arp", "pad", "pluck"), comp_count=(1, 3),
          leads=("synth", 81, 80, 87), pump=0.5),
    Style("trance", tempo_bpm=(130, 142), tonalities=("minor",), grooves=grooves.HOUSE,
          kits=("electronic", "synth"), bass_lines=("offbeat", "sixteenths"), bass_sounds=("synth", 38),
          comps=("pad", "arp", "pluck", "stabs", "strings"), comp_count=(2, 4), leads=("synth", 81, 80, 87),
          pump=0.7),
    Style("breakbeat", tempo_bpm=(140, 176), tonalities=("minor", "dorian"), grooves=grooves.BREAKS,
          kits=("electronic", "synth", "acoustic"), bass_lines=("sub", "riff"),
          bass_sounds=("synth", "sub", 38), comps=("pad", "epiano", "arp", "stabs"), comp_count=(1, 3),
          leads=("synth", 81, 11, 73, 66), pump=0.1),
    Style("hip-hop", tempo_bpm=(72, 100), tonalities=("minor", "dorian", "jazz"), grooves=grooves.HIPHOP,
          kits=("electronic", "synth", "acoustic"), bass_lines=("sub", "kick", "long"),
          bass_sounds=("sub", "sub", "synth", 33),
          comps=("epiano", "pluck", "pad", "strings", "piano", "arp"), comp_count=(1, 3),
          leads=(73, 11, 56, "synth", 24, 40), swing=(0.0, 0.25)),
    Style("reggae", tempo_bpm=(66, 92), tonalities=("major", "minor", "dorian"), grooves=grooves.REGGAE,
          kits=("acoustic",), bass_lines=("reggae",), bass_sounds=(33, 34, 32, "synth"),
          comps=("skank", "organ", "piano", "brass"), comp_count=(2, 3), leads=(57, 66, 18, 27, 73),
          swing=(0.0, 0.2)),
    Style("swing", tempo_bpm=(105, 180), tonalities=("jazz", "blues"), grooves=grooves.SWING,
          kits=("jazz", "brush", "acoustic"), bass_lines=("walking",), bass_sounds=(32, 32, 33),
          comps=("jazzpiano", "guitarcomp", "organ", "brass"), comp_count=(1, 3),
          leads=(66, 65, 56, 26, 71, 11, 59, 0)),
    Style("blues", tempo_bpm=(66, 130), tonalities=("blues",), grooves=grooves.SHUFFLE, kits=("acoustic",),
          bass_lines=("shuffle", "walking"), bass_sounds=(33, 32, 34),
          comps=("organ", "piano", "crunch", "guitarcomp"), comp_count=(2, 3), leads=(27, 29, 22, 66, 30)),
    Style("ballad", tempo_bpm=(58, 84), tonalities=("major", "minor"), grooves=grooves.SPARSE,
          kits=("acoustic", "brush", "electronic"), bass_lines=("long", "kick"), bass_sounds=(33, 35, 32),
          comps=("piano", "pad", "strings", "arp", "strum", "epiano"), comp_count=(2, 4),
          leads=(40, 42, 65, 73, 68, 26, 27, 71)),
    Style("slow twelve-eight", tempo_bpm=(54, 76), tonalities=("major", "minor", "blues"),
          grooves=grooves.SLOW12, kits=("acoustic", "brush"), bass_lines=("long", "shuffle"),
          bass_sounds=(33, 32, 35), comps=("piano", "organ", "strings", "arp"), comp_count=(2, 3),
          leads=(65, 27, 66, 40, 22)),
    Style("metal", tempo_bpm=(105, 180), tonalities=("power", "phrygian", "minor"), grooves=grooves.METAL,
          kits=("acoustic",), bass_lines=("gallop", "eighths", "kick"), bass_sounds=(34, 34, 33),
          comps=("power", "power", "crunch", "strings"), comp_count=(1, 3), leads=(30, 30, 29, "synth")),
    Style("punk", tempo_bpm=(150, 180), tonalities=("major", "power"), grooves=grooves.ROCK,
          kits=("acoustic",), bass_lines=("eighths",), bass_sounds=(34, 33), comps=("power", "crunch"),
          comp_count=(1, 3), leads=(29, 30, 27)),
    Style("latin", tempo_bpm=(92, 132), tonalities=("minor", "major", "dorian", "jazz"),
          grooves=grooves.LATIN, kits=("acoustic", "jazz"), bass_lines=("tumbao", "tumbao", "kick"),
          bass_sounds=(32, 33, 35), comps=("montuno", "brass", "nylon", "piano"), comp_count=(2, 3),
          leads=(56, 65, 73, 57, 24, 11, 40)),
    Style("bossa", tempo_bpm=(110, 145), tonalities=("jazz",), grooves=grooves.LATIN[:1],
          kits=("brush", "jazz"), bass_lines=("bossa",), bass_sounds=(32, 33, 35),
          comps=("nylon", "epiano", "strings"), comp_count=(1, 3), leads=(73, 65, 66, 24, 11)),
    Style("waltz", tempo_bpm=(84, 150), tonalities=("major", "minor", "jazz"), grooves=grooves.WALTZ,
          kits=("acoustic", "brush"), bass_lines=("waltz",), bass_sounds=(32, 33, 43),
          comps=("piano", "strings", "accordion", "arp"), comp_count=(1, 3), leads=(21, 40, 71, 73, 68, 42),
          beats_per_bar=3),
    Style("country", tempo_bpm=(90, 140), tonalities=("major", "mixolydian"),
          grooves=(*grooves.ROCK[:4], *grooves.POP[:1]), kits=("acoustic", "brush"),
          bass_lines=("country", "eighths"), bass_sounds=(33, 32, 34),
          comps=("strum", "arp", "banjo", "piano"), comp_count=(2, 4), leads=(25, 110, 40, 22, 27)),
    Style("synthwave", tempo_bpm=(80, 118), tonalities=("minor", "dorian"),
          grooves=(*grooves.POP, *grooves.ROCK[:2]), kits=("electronic", "synth"),
          bass_lines=("sixteenths", "eighths", "octaves"), bass_sounds=("synth", "synth", 38, 39),
          comps=("pad", "arp", "stabs", "pluck"), comp_count=(2, 4), leads=("synth", 80, 81, 87, 62),
          pump=0.3),
    Style("orchestral", tempo_bpm=(66, 130), tonalities=("minor", "harmonic_minor", "major"),
          grooves=grooves.SPARSE, kits=("acoustic", "electronic"), bass_lines=("long", "eighths"),
          bass_sounds=(43, 42, 32), comps=("strings", "brass", "harp", "strings", "pizzicato"),
          comp_count=(2, 4), leads=(40, 60, 68, 71, 73, 56, 42)),
)
# fmt: on
"""The styles, each as likely as the other."""
