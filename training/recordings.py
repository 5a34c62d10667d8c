"""Decoded recordings in the cache: how they are written, and read in training."""

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soxr

from stemlive.errors import AudioFileError, TrainingError
from stemlive.model.config import CHANNELS
from stemlive.realtime.audio_files.reader import AudioReader
from stemlive.whole_file import whole_file

Numbers = npt.NDArray[np.int16] | npt.NDArray[np.float32]
_INT16_STEP = 1 / 32768
_MAX_INT16 = 32767


@dataclass(frozen=True)
class Recording:
    """One decoded file `[n, C]` on disk, mapped into memory when read, and its level (0: silent).

    To train on, it is int16 there: a sample is `step` times the number, 1 / 32768, or more for audio beyond full
    scale. To be scored by, it is the file's own float32, with a `step` of 1.
    """

    name: str
    cache_file: Path
    num_samples: int
    rms: float
    step: float

    @property
    def silent(self) -> bool:
        """Whether every sample is 0."""
        return self.rms == 0

    def read(self, start: int, count: int) -> npt.NDArray[np.float32]:
        """`count` samples from `start` as float32 `[count, 2]`; a mono file on both channels, silence past the end."""
        part = np.asarray(self.numbers()[start : start + count], dtype=np.float32) * np.float32(self.step)
        out = np.zeros((count, CHANNELS), np.float32)
        out[: len(part)] = part
        return out

    def numbers(self) -> Numbers:
        """All of it `[n, C]` as it lies on disk, to be multiplied by `step`; in memory only where it is touched.

        Raises TrainingError where it is gone.
        """
        try:
            numbers: Numbers = np.load(self.cache_file, mmap_mode="r")
        except OSError as error:
            raise TrainingError(
                f"what was decoded of {self.name} is gone from {self.cache_file.parent} ({error.strerror}): the same "
                "command decodes it again"
            ) from error
        return numbers


def decode(path: Path, cache: Path, sample_rate_hz: int, *, exact: bool = False) -> Recording:
    """The recording of one file, decoded if the cache lacks it; a changed file is decoded again.

    `exact` keeps float32, for scores: twice the size, and no rounding. Raises AudioFileError, saying why, for what
    cannot be trained on: no audio, no samples, not all of it, samples that are not numbers.
    """
    try:
        status = path.stat()
        kind = "float32" if exact else "int16 rounded"
        key = f"{path.resolve()}:{status.st_size}:{status.st_mtime_ns}:{sample_rate_hz}:{kind}"
        target = cache / f"{hashlib.sha1(os.fsencode(key)).hexdigest()}.npy"
        kept = _kept(target)
        audio = None if kept else _read_audio(path, sample_rate_hz)
    except (OSError, ValueError, RuntimeError) as error:
        raise AudioFileError(f"cannot be read: {error}") from error
    if audio is not None:
        numbers, step = (audio, 1.0) if exact else in_int16(audio)
        kept = len(numbers), active_rms(numbers) * step, step
        write_whole(target.with_suffix(".json"), json.dumps({"rms": kept[1], "step": step}))
        write_whole(target, numbers)
    assert kept is not None
    return Recording("/".join(path.parts[-3:]), target, *kept)


def _kept(target: Path) -> tuple[int, float, float] | None:
    """Samples, level and step of what the cache holds; None where it is not there, or damaged."""
    try:
        about = json.loads(target.with_suffix(".json").read_text(encoding="utf-8"))
        return len(np.load(target, mmap_mode="r")), float(about["rms"]), float(about["step"])
    except (OSError, ValueError, EOFError, KeyError, TypeError):
        return None


def in_int16(audio: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.int16], float]:
    """Audio rounded to whole numbers of a step, and the step: 1 / 32768, or what makes room for the loudest sample."""
    highest = max(float(audio.max()), -float(audio.min()) * _MAX_INT16 * _INT16_STEP)
    step = max(_INT16_STEP, highest / _MAX_INT16)
    return np.rint(audio / step).astype(np.int16), step


def write_whole(target: Path, content: npt.NDArray[np.generic] | str) -> None:
    """Write an array (.npy) or text so that other threads and processes see the file whole or not at all.

    Raises TrainingError where it cannot be written.
    """
    try:
        with whole_file(target) as part:
            if isinstance(content, str):
                part.write_text(content)
            else:
                with part.open("wb") as file:  # of a path, numpy would make another name
                    np.save(file, content)
    except OSError as error:
        raise TrainingError(f"cannot write to {target.parent}: {error}: make room or choose another `cache`") from error


def _read_audio(path: Path, sample_rate_hz: int) -> npt.NDArray[np.float32]:
    try:
        with AudioReader(path) as reader:
            reader.settle()
            audio, rate = reader.read(reader.frames), reader.sample_rate_hz
    except AudioFileError as error:
        raise AudioFileError(f"cannot be read: {error}") from error
    if reader.missing:
        raise AudioFileError(f"not whole: {reader.missing}")
    if not np.isfinite(audio).all():
        raise AudioFileError("holds samples that are not numbers (NaN or infinite)")
    if rate != sample_rate_hz:
        audio = soxr.resample(audio, rate, sample_rate_hz)
    return np.asarray(audio, np.float32)


def active_rms(data: Numbers, block_samples: int = 22050) -> float:
    """Root mean square of the blocks within 30 dB of the loudest one; 0 for silence."""
    count = max(1, len(data) // block_samples)
    blocks = np.array(
        [np.mean(np.square(block.astype(np.float64))) for block in np.array_split(data, count) if len(block)]
    )
    if not len(blocks) or blocks.max() == 0:
        return 0.0
    return float(np.sqrt(blocks[blocks > blocks.max() * 1e-3].mean()))
