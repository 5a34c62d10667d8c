"""Write the corpus's files atomically, and bring what others publish."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile

from stemlive.errors import StemliveError
from stemlive.training.corpus.render_effects import SAMPLE_RATE_HZ, Audio
from stemlive.whole_file import publish, whole_file

STAGING_PREFIX = ".part-"


@contextmanager
def staging(root: Path) -> Iterator[Path]:
    """A temporary folder on the corpus's own disk, to fill and `publish`; what is left of it is removed."""
    folder = Path(tempfile.mkdtemp(dir=root, prefix=STAGING_PREFIX))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_flac(path: Path, audio: Audio) -> None:
    """Write ``[samples, 2]`` as 16-bit FLAC at 44.1 kHz, atomically, dithered by half a step where it is not silent."""
    scaled = np.clip(audio, -1.0, 1.0)
    with whole_file(path) as part:
        soundfile.write(part, scaled, SAMPLE_RATE_HZ, format="FLAC", subtype="PCM_16")


def write_ogg(path: Path, audio: npt.NDArray[np.floating[Any]], sample_rate_hz: int = SAMPLE_RATE_HZ) -> None:
    """Write ``[samples]`` or ``[samples, channels]`` as OGG Vorbis, atomically."""
    channels = 1 if audio.ndim == 1 else audio.shape[1]
    with (
        whole_file(path) as part,
        soundfile.SoundFile(part, "w", sample_rate_hz, channels, format="OGG", subtype="VORBIS") as out,
    ):
        for start in range(0, len(audio), 1 << 16):  # libsndfile's Vorbis encoder overflows its stack on long writes
            out.write(audio[start : start + (1 << 16)])


def remove_leftovers(root: Path) -> None:
    """Remove the temporary folders that a killed build has left."""
    for folder in root.glob(f"{STAGING_PREFIX}*"):
        shutil.rmtree(folder, ignore_errors=True)


def place_song(root: Path, folder: Path, stems: Mapping[str, Audio], about: str, suffix: str) -> None:
    """The stems of a song, as files with that suffix, and `about.txt`: together or not at all."""
    if folder.exists():
        return
    write = {".flac": write_flac, ".ogg": write_ogg}[suffix]
    with staging(root) as part_folder:
        for stem, audio in stems.items():
            write(part_folder / f"{stem}{suffix}", audio)
        (part_folder / "about.txt").write_text(about, encoding="utf-8")
        folder.parent.mkdir(parents=True, exist_ok=True)
        publish(part_folder, folder)


def download(command: list[str], into: Path, what: str, instead: str) -> None:
    """Run pip or npm in `into`. StemliveError when it is missing or fails, naming what can be done `instead`."""
    if shutil.which(command[0]) is None:
        raise StemliveError(f"{command[0]} not found: install it, or {instead}")
    fetched = subprocess.run(command, cwd=into, capture_output=True, text=True, check=False)
    if fetched.returncode:
        reason = (fetched.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise StemliveError(f"cannot download {what} ({reason}): try again, or {instead}")
