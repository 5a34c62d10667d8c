"""One decoded file: what is read from the cache in training, and how it gets there."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from stemlive.errors import AudioFileError, TrainingError
from stemlive.model.config import CHANNELS
from stemlive.whole_file import whole_file

FULL_SCALE = 32768.0


@dataclass(frozen=True)
class Recording:
    """One decoded file: int16 `[n, C]` on disk, mapped into memory when read, and its level (0: silent)."""

    name: str
    cache_file: Path
    num_samples: int
    rms: float

    @property
    def silent(self) -> bool:
        """Whether every sample is 0."""
        return self.rms == 0

    def read(self, start: int, count: int) -> npt.NDArray[np.float32]:
        """`count` samples from `start` as float32 `[count, 2]`; a mono file on both channels, silence past the end."""
        part = np.asarray(self.samples()[start : start + count], dtype=np.float32) / FULL_SCALE
        out = np.zeros((count, CHANNELS), np.float32)
        out[: len(part)] = part
        return out

    def samples(self) -> npt.NDArray[np.int16]:
        """All samples, int16 `[n, C]`, in memory only where they are touched."""
        samples: npt.NDArray[np.int16] = np.load(self.cache_file, mmap_mode="r")
        return samples


def decode(path: Path, cache: Path, sample_rate_hz: int) -> Recording:
    """The recording of one file, decoded if the cache lacks it; a changed file is decoded again.

    Raises AudioFileError, saying why, for what cannot be trained on: no audio, no samples, more than two channels,
    samples that are not numbers.
    """
    try:
        status = path.stat()
        key = f"{path.resolve()}:{status.st_size}:{status.st_mtime_ns}:{sample_rate_hz}"
        target = cache / f"{hashlib.sha1(key.encode()).hexdigest()}.npy"
        audio = None if target.exists() else _read_audio(path, sample_rate_hz)
    except (soundfile.LibsndfileError, OSError, ValueError, RuntimeError) as error:
        raise AudioFileError(f"cannot be read: {error}") from error
    if audio is not None:
        write_whole(target, audio)
    data = np.load(target, mmap_mode="r")
    rms_file = target.with_suffix(".rms")
    if not rms_file.exists():
        write_whole(rms_file, repr(active_rms(data)))
    return Recording("/".join(path.parts[-3:]), target, len(data), float(rms_file.read_text()))


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
        raise TrainingError(f"cannot write to {target.parent}: {error}: make room there or choose --cache") from error


def _read_audio(path: Path, sample_rate_hz: int) -> npt.NDArray[np.int16]:
    with soundfile.SoundFile(path) as file:
        if file.channels > CHANNELS:
            raise AudioFileError(f"{file.channels} channels, stems have 1 or 2")
        audio = file.read(dtype="float32", always_2d=True)
        rate = file.samplerate
    if not len(audio):
        raise AudioFileError("no samples")
    if not np.isfinite(audio).all():
        raise AudioFileError("holds samples that are not numbers (NaN or infinite)")
    if rate != sample_rate_hz:
        audio = soxr.resample(audio, rate, sample_rate_hz)
    samples: npt.NDArray[np.int16] = np.clip(audio * FULL_SCALE, -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)
    return samples


def active_rms(data: npt.NDArray[np.int16], block_samples: int = 22050) -> float:
    """Root mean square of the blocks within 30 dB of the loudest one; 0 for silence."""
    count = max(1, len(data) // block_samples)
    blocks = np.array(
        [np.mean(np.square(block.astype(np.float64))) for block in np.array_split(data, count) if len(block)]
    )
    if not len(blocks) or blocks.max() == 0:
        return 0.0
    return float(np.sqrt(blocks[blocks > blocks.max() * 1e-3].mean()) / FULL_SCALE)
