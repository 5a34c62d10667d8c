"""Read stems that any program has written, to score them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import soxr
import torch
from torch import Tensor

from stemlive.errors import AudioFileError, TrainingError
from stemlive.realtime.audio_files.reader import AudioReader
from stemlive.training.layout import SUFFIXES
from stemlive.training.references import REST

Estimator = Callable[[str, Tensor], dict[str, Tensor]]
"""Name and mixture `[C, n]` of a song to its stems `[C, n]` by name; empty when there are none for this song."""

KNOWN = ("vocals", *REST, "bass+other", "accompaniment")
TOLERANCE_S = 0.05  # what encoders and resamplers add or take


def estimates_in(folder: Path, sample_rate_hz: int, whole_songs: bool = True) -> Estimator:
    """Reads FOLDER/<song>/<stem>.<wav|flac|ogg>, stem being one of KNOWN; another sample rate is converted.

    Stems that are not there are left out. Raises TrainingError for a folder without such files, and when it
    reads a file that is no audio, or is longer or shorter than the song by more than 50 ms (longer is right when only
    the beginning of the songs is scored: not `whole_songs`).
    """
    if not any(path.suffix.lower() in SUFFIXES and path.stem in KNOWN for path in folder.glob("*/*")):
        raise TrainingError(f"{folder} holds no <song>/<stem>.wav (or flac, ogg): check `estimates`")

    def estimate(song: str, mixture: Tensor) -> dict[str, Tensor]:
        files = {p.stem: p for p in sorted(folder.glob(f"{_literal(song)}/*")) if p.suffix.lower() in SUFFIXES}
        return {
            stem: _read(path, mixture.shape[-1], sample_rate_hz, whole_songs)
            for stem, path in files.items()
            if stem in KNOWN
        }

    return estimate


def _literal(name: str) -> str:
    """A name for `glob` in which no character is special."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)


def _read(path: Path, count: int, sample_rate_hz: int, whole_song: bool) -> Tensor:
    """Stereo `[2, count]` of one file."""
    try:
        with AudioReader(path) as reader:
            reader.settle()
            audio, rate = reader.read(reader.frames), reader.sample_rate_hz
    except AudioFileError as error:
        raise TrainingError(str(error)) from error
    if rate != sample_rate_hz:
        audio = soxr.resample(audio, rate, sample_rate_hz)
    excess = len(audio) - count
    tolerance = round(TOLERANCE_S * sample_rate_hz)
    if excess < -tolerance or (whole_song and excess > tolerance):
        raise TrainingError(
            f"{path} lasts {len(audio) / sample_rate_hz:.2f} s and the song {count / sample_rate_hz:.2f} s: "
            "estimates must line up with the songs, write them whole"
        )
    stereo = np.zeros((count, 2), np.float32)
    stereo[: len(audio)] = audio[:count, :2]
    return torch.from_numpy(stereo.T.copy())
