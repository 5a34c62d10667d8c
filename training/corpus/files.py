"""Write the corpus's files atomically."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile

from stemlive.training.corpus.render_effects import SAMPLE_RATE_HZ, Audio
from stemlive.whole_file import whole_file

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
