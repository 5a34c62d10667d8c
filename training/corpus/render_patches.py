"""What LMMS plays without its window: patches of the synthesiser ZynAddSubFX, and the songs that come with LMMS.

Pads, plucks, organs and leads of more than a thousand kinds, moving as no sound font's samples do.
"""

from __future__ import annotations

import gzip
import math
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import soundfile

from stemlive.errors import StemliveError
from stemlive.training.corpus.compose_parts import Note
from stemlive.training.corpus.files import write_ogg
from stemlive.training.corpus.render_effects import SAMPLE_RATE_HZ, Audio

PROGRAM = "lmms"
ATTEMPTS = 3  # LMMS has failed once on a busy machine
BANKS = Path("/usr/share/zynaddsubfx/banks")
SONGS = Path("/usr/share/lmms/projects")
PEAK = 0.7  # of a song: Vorbis does not keep peaks as they are
TICKS_PER_BEAT = 48  # of an LMMS project
_NO_BANKS = frozenset({"Choir and Voice", "Cormi_Noise", "Drums", "Noises", "Splitted"})
_NO_INSTRUMENT = re.compile(
    r"choir|voice|voc|vox|[ao]+h|ooo|sing|choral|monk|chant|talk|throat|whisper|breath|scream|human|sopran|"  # a voice
    r"drum|kick|snare|hat\b|cymbal|noise|wind\b|rain|sea\b|thunder|storm|fx\b|effect",  # no pitch
    re.IGNORECASE,
)
_PART = {
    "volume": 96,
    "panning": 64,
    "min_key": 0,
    "max_key": 127,
    "key_shift": 64,
    "rcv_chn": 0,
    "velocity_sensing": 64,
    "velocity_offset": 64,
    "key_limit": 15,
}


def lmms_installed() -> bool:
    """Whether LMMS is installed."""
    return shutil.which(PROGRAM) is not None


def find_patches(banks: Path = BANKS) -> tuple[Path, ...]:
    """The patches in a folder of banks that play notes and are no voices."""
    return tuple(
        path
        for path in sorted(banks.glob("*/*.xiz"))
        if path.parent.name not in _NO_BANKS and not _NO_INSTRUMENT.search(path.stem)
    )


def pick_patch(patches: Sequence[Path], stem: str, rng: np.random.Generator) -> Path:
    """Draw a patch for a part of a stem: one that calls itself a bass for the bass, any other for the rest."""
    fitting = [path for path in patches if ("bass" in f"{path.parent.name} {path.stem}".lower()) == (stem == "bass")]
    return fitting[int(rng.integers(len(fitting)))]


def render_patch(notes: Sequence[Note], patch: Path, tempo_bpm: float, samples: int) -> Audio:
    """Play notes through a patch; returns ``[samples, 2]``.

    Raises StemliveError for a patch that cannot be read, and where LMMS fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder, "project.mmp")
        ElementTree.ElementTree(_project(notes, patch, tempo_bpm)).write(project, "utf-8", xml_declaration=True)
        audio = _play(project, patch.name)[:samples]
    return np.asarray(np.pad(audio, ((0, samples - len(audio)), (0, 0))), dtype=np.float32)


def find_songs(folder: Path = SONGS) -> list[Path]:
    """The songs that come with LMMS, in any folder below this one."""
    return sorted(path for path in folder.rglob("*.mmp*") if path.parent.name not in ("tutorials", "templates"))


def render_lmms_song(root: Path, song: Path) -> bool:
    """Play a song into ``root/pool/accompaniment/lmms-common``; False if it is there."""
    target = root / "pool" / "accompaniment" / "lmms-common" / f"{song.stem}.ogg"
    if target.exists():
        return False
    audio = _play(song, song.name)
    target.parent.mkdir(parents=True, exist_ok=True)
    write_ogg(target, audio * min(1.0, PEAK / float(np.abs(audio).max(initial=PEAK))))
    return True


def _play(project: Path, name: str) -> Audio:
    """What LMMS makes of a project, ``[samples, 2]``. Raises StemliveError, with the name, where it fails."""
    with tempfile.TemporaryDirectory() as folder:
        sound = Path(folder, "sound.wav")
        options = ["-f", "wav", "--float", "-s", str(SAMPLE_RATE_HZ), "-x", "1", "-o", str(sound)]
        for _ in range(ATTEMPTS):
            done = subprocess.run(
                [PROGRAM, "--allowroot", "render", str(project), *options],
                env={**os.environ, "QT_QPA_PLATFORM": "offscreen", "HOME": folder},  # it would write its settings there
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
            )
            if not done.returncode and sound.exists():
                break
        else:
            said = f"exit code {done.returncode}, {done.stderr.strip()[-200:]}"
            raise StemliveError(f"lmms failed on {name} ({said}): reinstall lmms")
        audio, _ = soundfile.read(sound, dtype="float32", always_2d=True)
    return np.asarray(np.nan_to_num(audio, posinf=0, neginf=0), dtype=np.float32)


def _project(notes: Sequence[Note], patch: Path, tempo_bpm: float) -> ElementTree.Element:
    """An LMMS project of one track."""
    project = ElementTree.Element("lmms-project", creator="LMMS", version="1.0", creatorversion="1.2.2", type="song")
    meter = {"timesig_numerator": "4", "timesig_denominator": "4"}
    ElementTree.SubElement(
        project, "head", {"bpm": str(round(tempo_bpm)), "mastervol": "100", "masterpitch": "0"} | meter
    )
    tracks = ElementTree.SubElement(ElementTree.SubElement(project, "song"), "trackcontainer", type="song")
    track = ElementTree.SubElement(tracks, "track", type="0", name=patch.stem, muted="0", solo="0")
    player = ElementTree.SubElement(track, "instrumenttrack", vol="100", pan="0", pitch="0", fxch="0", basenote="57")
    plugin = ElementTree.SubElement(ElementTree.SubElement(player, "instrument", name="zynaddsubfx"), "zynaddsubfx")
    plugin.append(_synthesiser(patch))
    # LMMS's tempo is a whole number of beats: the ticks make up for it.
    ticks = TICKS_PER_BEAT * round(tempo_bpm) / tempo_bpm
    length = str(math.ceil(max((note.start + note.length for note in notes), default=1) * ticks))
    pattern = ElementTree.SubElement(track, "pattern", type="1", muted="0", pos="0", len=length, steps="16")
    for note in notes:
        timing = {"pos": str(round(note.start * ticks)), "len": str(max(1, round(note.length * ticks)))}
        volume = str(round(note.velocity * 100 / 127))
        ElementTree.SubElement(pattern, "note", timing, key=str(note.pitch), vol=volume, pan="0")
    return project


def _synthesiser(patch: Path) -> ElementTree.Element:
    """The state of a ZynAddSubFX whose only part is the patch."""
    try:
        raw = patch.read_bytes()
        text = gzip.decompress(raw) if raw.startswith(b"\x1f\x8b") else raw
        saved = ElementTree.fromstring(text.strip())
        instrument = saved.find("INSTRUMENT")
    except (OSError, EOFError, ElementTree.ParseError) as error:
        raise StemliveError(f"{patch} cannot be read ({error}): reinstall zynaddsubfx-data") from error
    if instrument is None:
        raise StemliveError(f"{patch} holds no instrument: reinstall zynaddsubfx-data")
    state = ElementTree.Element(saved.tag, saved.attrib)
    master = ElementTree.SubElement(state, "MASTER")
    ElementTree.SubElement(master, "par", name="volume", value="80")
    ElementTree.SubElement(master, "par", name="key_shift", value="64")
    part = ElementTree.SubElement(master, "PART", id="0")
    for name in ("enabled", "note_on", "poly_mode"):
        ElementTree.SubElement(part, "par_bool", name=name, value="yes")
    for name, value in _PART.items():
        ElementTree.SubElement(part, "par", name=name, value=str(value))
    part.append(instrument)
    return state
