"""Drum kits as sets of samples: Hydrogen kits from disk, kits synthesised here, and a sampler that plays either.

A Hydrogen kit is a folder with a ``drumkit.xml`` that names samples per instrument and velocity layer; instruments are
matched to General MIDI notes by their names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import soundfile
import soxr

from stemlive.errors import StemliveError
from stemlive.training.corpus.compose_grooves import DRUM_NOTES
from stemlive.training.corpus.compose_parts import Note
from stemlive.training.corpus.render_effects import SAMPLE_RATE_HZ, Audio
from stemlive.training.corpus.render_synths import synth_drum


@dataclass(frozen=True)
class Hit:
    """One sample ``[samples, 2]`` for velocities from `lowest` to `highest` (0..1)."""

    lowest: float
    highest: float
    audio: Audio


Kit = Mapping[int, Sequence[Hit]]
"""General MIDI note to its samples."""

# fmt: off
_NAMES: tuple[tuple[str, str], ...] = (
    ("crash.?ride|ride.*crash", "ride crash2"), ("stick|rim ?click|click", "stick"), ("clap", "clap"),
    ("splash", "splash"), (r"kick|bass ?drum|\bbd", "kick"), ("snare|rimshot", "snare"),
    ("(open|oh|semi).*(hat|hh)|(hat|hh).*op|ohh|hihat.*open", "open"),
    ("(pedal|foot).*(hat|hh)|(hat|hh).*p(ed|d)", "pedal"), (r"hat|hh\b", "hat"),
    ("floor|tom.*(low|floor)|low.*tom", "floor low"), ("tom.*mid|mid.*tom|tom 2", "mid"), ("tom", "hi"),
    ("china", "china"), ("bell|cup", "bell"), ("ride|cymbal 2", "ride"), ("crash|cymbal", "crash crash2"),
    ("tambourine", "tamb"), ("cowbell", "cowbell"), ("bongo ?hi", "bongo_hi"), ("bongo ?lo", "bongo_lo"),
    ("maraca|shaker", "maracas cabasa"), ("clave", "clave"), ("woodblock", "block"),
)
"""Patterns of instrument names, the first that fits wins, and the pieces that the instrument plays."""
_SUBSTITUTES: Mapping[str, str] = {
    "floor": "low mid hi", "low": "floor mid hi", "mid": "hi floor low", "hi": "mid floor", "pedal": "hat",
    "open": "hat", "ride": "hat crash", "bell": "ride cowbell", "crash": "crash2 ride open", "crash2": "crash",
    "china": "crash", "splash": "crash", "stick": "block snare", "clap": "snare", "maracas": "hat",
    "cabasa": "maracas hat", "tamb": "hat", "cowbell": "bell", "snare": "clap",
}
"""What plays a piece that a kit lacks, in order of preference."""
_SYNTH_SHAPES: Mapping[str, str] = {
    "kick": "kick", "snare": "snare", "clap": "clap", "stick": "block", "hat": "hat", "pedal": "hat",
    "open": "open", "crash": "crash", "ride": "ride", "floor": "tom", "low": "tom", "mid": "tom", "hi": "tom",
    "tamb": "shaker", "maracas": "shaker", "cabasa": "shaker", "cowbell": "bell", "conga": "bell",
    "conga_lo": "tom", "conga_mute": "block", "clave": "block", "block": "block", "agogo": "bell",
    "guiro": "shaker", "timbale": "tom",
}
_SYNTH_LEVELS: Mapping[str, float] = {
    "hat": 0.35, "open": 0.35, "ride": 0.3, "crash": 0.45, "shaker": 0.25, "block": 0.4, "bell": 0.3, "tom": 0.7,
    "clap": 0.7, "snare": 0.8,
}
# fmt: on
_CHOKES = {DRUM_NOTES["hat"], DRUM_NOTES["pedal"]}
_GROOVE_TO_GM = {22: 42, 26: 46, 40: 38, 35: 36, 45: 47, 48: 50, 58: 43, 59: 51, 57: 57, 55: 55, 52: 52}
"""Roland TD-11 notes of the Groove MIDI Dataset, and GM alternates, to the notes that kits hold."""


def load_hydrogen_kit(folder: Path) -> Kit:
    """Read a Hydrogen drum kit; raises `StemliveError` if it has no usable kick and snare."""
    try:
        root = ElementTree.fromstring(
            re.sub(
                r'\sxmlns="[^"]+"',
                "",
                (folder / "drumkit.xml").read_text(encoding="utf-8", errors="replace"),
                count=1,
            )
        )
    except (OSError, ElementTree.ParseError) as error:
        raise StemliveError(
            f"drum kit {folder.name} cannot be read ({error}): reinstall the package hydrogen-drumkits"
        ) from error
    kit: dict[str, list[Hit]] = {}
    for instrument in root.iter("instrument"):
        name = (instrument.findtext("name") or "").lower()
        pieces = next((pieces for pattern, pieces in _NAMES if re.search(pattern, name)), "").split()
        if not pieces or all(piece in kit for piece in pieces):
            continue
        layers = list(instrument.iter("layer")) or ([instrument] if instrument.findtext("filename") else [])
        gains = [_number(instrument, tag, 1.0) for tag in ("pan_L", "pan_R")]
        hits = []
        for layer in layers:
            audio = _sample(folder / (layer.findtext("filename") or ""))
            if audio is not None:
                scaled = (
                    audio * np.array(gains, dtype=np.float32) * np.float32(min(_number(instrument, "volume", 1.0), 1.5))
                )
                hits.append(Hit(_number(layer, "min", 0.0), _number(layer, "max", 1.0), scaled))
        for piece in pieces:
            if hits:
                kit.setdefault(piece, hits)
    if "kick" not in kit or not {"snare", "clap"} & set(kit):
        raise StemliveError(f"drum kit {folder.name} has no kick or snare that could be recognised: leave it out")
    return _complete(kit)


def _number(element: ElementTree.Element, tag: str, default: float) -> float:
    try:
        return float(element.findtext(tag) or default)
    except ValueError:
        return default


def _sample(path: Path) -> Audio | None:
    try:
        audio, rate = soundfile.read(path, dtype="float32", always_2d=True, frames=44100 * 4)
    except (soundfile.SoundFileError, OSError):
        return None
    if not len(audio) or not np.all(np.isfinite(audio)):
        return None
    stereo = np.repeat(audio[:, :1], 2, axis=1) if audio.shape[1] == 1 else audio[:, :2]
    if rate != SAMPLE_RATE_HZ:
        stereo = soxr.resample(stereo, rate, SAMPLE_RATE_HZ)
    faded = np.array(stereo, dtype=np.float32)
    tail = min(len(faded), 512)
    faded[-tail:] *= np.linspace(1, 0, tail, dtype=np.float32)[:, None]
    return faded


def synth_kit(rng: np.random.Generator) -> Kit:
    """Synthesise an electronic kit, its pieces panned a little."""
    kit = {}
    for piece, shape in _SYNTH_SHAPES.items():
        mono = synth_drum(shape, rng) * np.float32(_SYNTH_LEVELS.get(shape, 1.0))
        position = 0.0 if shape in ("kick", "snare") else float(rng.uniform(-0.4, 0.4))
        kit[piece] = [
            Hit(0.0, 1.0, np.stack([mono * np.float32(1 - position), mono * np.float32(1 + position)], axis=1))
        ]
    return _complete(kit)


def _complete(kit: Mapping[str, Sequence[Hit]]) -> Kit:
    notes: dict[int, Sequence[Hit]] = {}
    for piece, number in DRUM_NOTES.items():
        source = next((name for name in (piece, *_SUBSTITUTES.get(piece, "").split()) if name in kit), None)
        if source:
            notes[number] = kit[source]
    return notes


def general_midi_note(note: int) -> int:
    """Map a drum note of another layout (Groove MIDI's Roland notes) to the General MIDI note that kits hold."""
    return _GROOVE_TO_GM.get(note, note)


def play_kit(notes: Sequence[Note], kit: Kit, seconds_per_beat: float, samples: int, rng: np.random.Generator) -> Audio:
    """Play drum notes with a kit; returns ``[samples, 2]``. A closed hi-hat cuts off the open one."""
    out = np.zeros((samples, 2), dtype=np.float32)
    ordered = sorted(notes, key=lambda n: n.start)
    closing = [
        int(n.start * seconds_per_beat * SAMPLE_RATE_HZ) for n in ordered if general_midi_note(n.pitch) in _CHOKES
    ]
    for note in ordered:
        number = general_midi_note(note.pitch)
        hits = kit.get(number)
        if not hits:
            continue
        loud = note.velocity / 127.0
        fitting = [hit for hit in hits if hit.lowest <= loud <= hit.highest] or list(hits)
        audio = fitting[int(rng.integers(len(fitting)))].audio
        start = int(note.start * seconds_per_beat * SAMPLE_RATE_HZ)
        count = min(len(audio), samples - start)
        if number == DRUM_NOTES["open"]:
            index = int(np.searchsorted(closing, start, side="right"))
            count = min(count, closing[index] + 900 - start) if index < len(closing) else count
        if count <= 0 or start < 0:
            continue
        gain = np.float32(loud**1.4 * rng.uniform(0.93, 1.0))
        piece = audio[:count] * gain
        if count < len(audio):
            tail = min(800, count)
            piece[-tail:] *= np.linspace(1, 0, tail, dtype=np.float32)[:, None]
        out[start : start + count] += piece
    return out
