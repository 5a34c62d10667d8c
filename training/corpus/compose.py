"""The composer: one seeded generator in, one arrangement out, with drums, bass and several other instruments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from stemlive.training.corpus.compose_bass import bass_notes
from stemlive.training.corpus.compose_chords import SCALES
from stemlive.training.corpus.compose_drums import drum_notes
from stemlive.training.corpus.compose_form import TAIL_SECONDS, Section, lay_out
from stemlive.training.corpus.compose_grooves import Groove
from stemlive.training.corpus.compose_harmony import TEXTURES, chord_part
from stemlive.training.corpus.compose_melody import lead_part
from stemlive.training.corpus.compose_parts import Arrangement, Control, Note, Part
from stemlive.training.corpus.compose_styles import STYLES, Style

_LEFT_OUT = 0.04
"""Share of the songs without drums, and of those without bass."""
_SCALE_OF: Mapping[str, tuple[str, ...]] = {
    "power": ("minor_pentatonic", "blues", "minor"),
    "jazz": ("major", "mixolydian"),
    "blues": ("blues", "minor_pentatonic"),
    "harmonic_minor": ("harmonic",),
    "major": ("major", "pentatonic"),
    "minor": ("minor", "minor_pentatonic", "harmonic"),
}


def compose(rng: np.random.Generator, style: Style | None = None) -> Arrangement:
    """Compose a song of 40 to 75 seconds in `style`, or in a style drawn from `STYLES`.

    The same state of the generator gives the same song, to the byte of its MIDI.
    """
    style = style or STYLES[int(rng.integers(len(STYLES)))]
    tempo = round(float(rng.uniform(*style.tempo_bpm)), 2)
    key = int(rng.integers(12))
    tonality = str(rng.choice(style.tonalities))
    comps = _choose(rng, style.comps, int(rng.integers(style.comp_count[0], style.comp_count[1] + 1)))
    leads = 0 if rng.random() < 0.12 else 1 + int(rng.random() < 0.25)
    sections = lay_out(rng, style, tempo, tonality, len(comps), leads)
    beats = sections[-1].end + TAIL_SECONDS * tempo / 60.0
    triplets = style.beats_per_bar == 4 and len(next(iter(style.grooves[0].values()))) == 12
    swing = 1 / 3 if triplets else float(rng.uniform(*style.swing))
    loose = float(rng.uniform(0.002, 0.009)) * (0.2 if style.pump else 1.0) * tempo / 60.0

    favourite = int(rng.integers(len(style.grooves)))
    drawn = {kind: int(rng.integers(len(style.grooves) + 1)) for kind in sorted({s.kind for s in sections})}
    grooves = {kind: style.grooves[(favourite, *range(len(style.grooves)))[index]] for kind, index in drawn.items()}

    parts: list[Part] = []
    if rng.random() > _LEFT_OUT:
        notes = drum_notes(rng, sections, grooves, busy=float(rng.uniform(0.1, 1.0)))
        drums = Part("drums", "drums", str(rng.choice(style.kits)), notes, effect="drums")
        parts.append(_finish(rng, drums, 0.0 if triplets else swing, loose))
    if rng.random() > _LEFT_OUT:
        parts.append(_finish(rng, _bass(rng, style, sections, key, grooves), swing, loose))
    for index, name in enumerate(comps):
        comp = _accompaniment(rng, sections, key, index, name)
        parts.append(_finish(rng, comp, swing, loose))
    scale = SCALES[str(rng.choice(_SCALE_OF.get(tonality, (tonality,))))]
    for index in range(leads):
        lead = _lead(rng, style, sections, key, scale, index)
        parts.append(_finish(rng, lead, swing, loose))
    kept = [part for part in parts if part.notes]
    pump = style.pump * float(rng.uniform(0.3, 1.0)) if rng.random() < 0.7 else 0.0
    return Arrangement(style.name, tempo, key, tonality, beats, kept, pump)


def _accompaniment(rng: np.random.Generator, sections: Sequence[Section], key: int, index: int, name: str) -> Part:
    texture = TEXTURES[name]
    sound = texture.sounds[int(rng.integers(len(texture.sounds)))]
    notes = chord_part(rng, sections, f"comp{index}", key, texture)
    pan = float(rng.uniform(-0.7, 0.7)) if index else float(rng.uniform(-0.35, 0.35))
    level_db = float(rng.uniform(-7, 0)) - (3 if texture.mode == "sustain" else 0)
    return Part(name, "other", sound, notes, effect=texture.effect, pan=pan, level_db=level_db)


def _lead(
    rng: np.random.Generator, style: Style, sections: Sequence[Section], key: int, scale: Sequence[int], index: int
) -> Part:
    sound = style.leads[int(rng.integers(len(style.leads)))]
    notes, controls = lead_part(rng, sections, f"lead{index}", key, scale, sound)
    effect = "amp" if sound in (29, 30) else str(rng.choice(["lead", "echo", "hall", "room"]))
    pan, level_db = float(rng.uniform(-0.3, 0.3)), float(rng.uniform(-3, 4))
    return Part(f"lead{index}", "other", sound, notes, controls, effect, pan, level_db)


def _choose(rng: np.random.Generator, names: Sequence[str], count: int) -> list[str]:
    distinct = list(dict.fromkeys(names))
    picked = rng.choice(len(distinct), size=min(count, len(distinct)), replace=False)
    return [distinct[int(i)] for i in picked]


def _bass(
    rng: np.random.Generator, style: Style, sections: Sequence[Section], key: int, grooves: Mapping[str, Groove]
) -> Part:
    sound = style.bass_sounds[int(rng.integers(len(style.bass_sounds)))]
    line = str(rng.choice(style.bass_lines))
    lowest = 24 if sound == "sub" else 28
    notes, controls = bass_notes(rng, sections, key, line, grooves, lowest)
    return Part("bass", "bass", sound, notes, controls, effect="bass")


def _swung(beat: float, swing: float) -> float:
    whole = np.floor(beat)
    part = beat - whole
    half = 0.5 * (1.0 + swing)
    return float(whole + (part / 0.5 * half if part < 0.5 else half + (part - 0.5) / 0.5 * (1.0 - half)))


def _finish(rng: np.random.Generator, part: Part, swing: float, loose: float) -> Part:
    """Swing and humanise a part: timing spread `loose` (beats), a constant lead or lag, a little velocity spread."""
    lag = float(rng.normal(0, loose * 0.8)) if part.stem != "drums" else 0.0

    def moved(time: float) -> float:
        return max(0.0, _swung(max(0.0, time), swing) + lag)

    notes: list[Note] = []
    for n in part.notes:
        start = max(0.0, moved(n.start) + float(rng.normal(0, loose)))
        length = max(0.04, moved(n.start + n.length) - moved(n.start))
        notes.append(Note(start, length, n.pitch, int(np.clip(n.velocity + rng.normal(0, 3), 1, 127))))
    controls = [Control(moved(c.time), c.number, c.value) for c in part.controls]
    return replace(part, notes=sorted(notes, key=lambda n: (n.start, n.pitch)), controls=controls)
