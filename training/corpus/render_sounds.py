"""The sound sources of this machine, and how notes become dry sound through them.

General MIDI fonts and fonts of single drum kits are played by the fluidsynth program, Hydrogen kits and synthesised
kits by the own sampler.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import soundfile

from stemlive.errors import StemliveError
from stemlive.training.corpus.compose_parts import DRUM_CHANNEL, Note, Part, midi_bytes
from stemlive.training.corpus.render_drums import Kit, general_midi_note, load_hydrogen_kit, play_kit, synth_kit
from stemlive.training.corpus.render_effects import SAMPLE_RATE_HZ, Audio
from stemlive.training.corpus.render_patches import find_patches, lmms_installed

_SHARE = {"FluidR3_GM.sf2": 0.6, "TimGM6mb.sf2": 0.28, "MuseScore_General.sf3": 0.12}
_KIT_PROGRAMS = {
    "acoustic": (0, 0, 8, 16),
    "electronic": (24, 25, 25),
    "jazz": (32, 0),
    "brush": (40,),
    "synth": (25,),
}
_ELECTRONIC_KITS = frozenset({"ElectricEmpireKit", "HardElectro1", "VariBreaks", "rumpf_kit_z01_h2"})
_DRUM_FONT = "_LV2.sf2"
_FOLDERS = (Path("/usr/share/sounds/sf2"), Path("/usr/share/sounds/sf3"), Path("/usr/share/soundfonts"))
_HYDROGEN = Path("/usr/share/hydrogen/data/drumkits")


@dataclass(frozen=True)
class Sounds:
    """The sound sources of this machine: General MIDI fonts, fonts of one drum kit, Hydrogen kits, patches."""

    fonts: tuple[Path, ...]
    drum_fonts: tuple[Path, ...]
    kits: tuple[Path, ...]
    patches: tuple[Path, ...] = ()


def find_sounds() -> Sounds:
    """Look where Debian's packages put sound fonts, drum kits and synthesiser patches.

    Raises `StemliveError` if fluidsynth or every General MIDI font is missing; the rest is optional.
    """
    if shutil.which("fluidsynth") is None:
        raise StemliveError("fluidsynth not found: apt-get install fluidsynth fluid-soundfont-gm")
    files = {path.name: path for folder in _FOLDERS if folder.is_dir() for path in sorted(folder.iterdir())}
    fonts = tuple(files[name] for name in _SHARE if name in files)
    if not fonts:
        raise StemliveError(f"no sound font ({', '.join(_SHARE)}) found: apt-get install fluid-soundfont-gm")
    drums = tuple(path for name, path in files.items() if name.endswith(_DRUM_FONT))
    kits = tuple(sorted(_HYDROGEN.iterdir())) if _HYDROGEN.is_dir() else ()
    patches = find_patches() if lmms_installed() else ()
    return Sounds(fonts, drums, tuple(kit for kit in kits if (kit / "drumkit.xml").exists()), patches)


def render_font(midi: bytes, font: Path, samples: int) -> Audio:
    """Render a MIDI file through a sound font with fluidsynth, without its own effects; returns ``[samples, 2]``."""
    with tempfile.TemporaryDirectory() as folder:
        score, sound = Path(folder, "score.mid"), Path(folder, "sound.wav")
        score.write_bytes(midi)
        quiet = ["-ni", "-q", "-R", "0", "-C", "0", "-g", "0.5", "-o", "synth.dynamic-sample-loading=1"]
        output = f"-O float -T wav -r {SAMPLE_RATE_HZ} -F".split()
        command = ["fluidsynth", *quiet, *output, str(sound), str(font), str(score)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode or not sound.exists():
            raise StemliveError(
                f"fluidsynth failed on {font.name} ({done.stderr.strip()[-200:]}): reinstall the sound font's package"
            )
        audio, _ = soundfile.read(sound, dtype="float32", always_2d=True, frames=samples)
    return np.asarray(np.pad(audio, ((0, samples - len(audio)), (0, 0))), dtype=np.float32)


def pick_font(sounds: Sounds, rng: np.random.Generator) -> Path:
    """Draw one of the General MIDI fonts (the compressed one, slow to load, rarely)."""
    weights = np.array([_SHARE[font.name] for font in sounds.fonts])
    return sounds.fonts[int(rng.choice(len(weights), p=weights / weights.sum()))]


def render_drum_part(
    notes: Sequence[Note],
    kind: str,
    tempo_bpm: float,
    beats: float,
    samples: int,
    sounds: Sounds,
    rng: np.random.Generator,
) -> Audio:
    """Render drum notes through a kit of the `kind`: acoustic, electronic, synth, jazz or brush.

    Returns ``[samples, 2]``. Hydrogen kits that lack more than a tenth of the notes give way to a sound font.
    """
    chance = rng.random()
    if kind == "synth" or (kind == "electronic" and chance < 0.3):
        return play_kit(notes, synth_kit(rng), 60.0 / tempo_bpm, samples, rng)
    if kind in ("acoustic", "electronic") and chance < 0.6:
        kits = [kit for kit in sounds.kits if (kit.name in _ELECTRONIC_KITS) == (kind == "electronic")]
        kit = _usable(kits[int(rng.integers(len(kits)))]) if kits else None
        if kit and sum(general_midi_note(n.pitch) not in kit for n in notes) < 0.1 * len(notes):
            return play_kit(notes, kit, 60.0 / tempo_bpm, samples, rng)
    program, font = int(rng.choice(_KIT_PROGRAMS.get(kind, (0,)))), pick_font(sounds, rng)
    if kind == "acoustic" and sounds.drum_fonts and rng.random() < 0.45:
        program, font = 0, sounds.drum_fonts[int(rng.integers(len(sounds.drum_fonts)))]
    channel = 0 if font in sounds.drum_fonts else DRUM_CHANNEL  # these fonts hold their kit as a melodic preset
    part = Part("drums", "drums", kind, list(notes))
    return render_font(midi_bytes([part], tempo_bpm, beats, program=program, channel=channel), font, samples)


@lru_cache(maxsize=16)
def _usable(folder: Path) -> Kit | None:
    try:
        return load_hydrogen_kit(folder)
    except StemliveError:
        return None
