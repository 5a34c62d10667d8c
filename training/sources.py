"""What there is to train on: songs of aligned stems and pools of loose recordings, decoded once into a cache.

Layout of a root: `train/<song>/<stem>.<wav|flac|ogg>`, `pool/<stem>/<source>/**`, stem being one of the model's four or
`accompaniment` (everything but the voice, its stems unknown). A song without a bass file has its bass inside `other`;
any other stem that is missing is silent.
"""

import hashlib
import logging
import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from stemlive.errors import TrainingError
from stemlive.model.config import STEMS

log = logging.getLogger(__name__)

SUFFIXES = (".wav", ".flac", ".ogg")
KINDS = (*STEMS, "accompaniment")
FULL_SCALE = 32768.0


@dataclass(frozen=True)
class Recording:
    """One decoded file: int16 `[n, C]` on disk, mapped into memory when read, and its level."""

    name: str
    cache_file: Path
    num_samples: int
    rms: float

    def read(self, start: int, count: int) -> npt.NDArray[np.float32]:
        """`count` samples from `start` as float32 `[count, 2]`; a mono file on both channels, silence past the end."""
        data = np.load(self.cache_file, mmap_mode="r")
        part = np.asarray(data[start : start + count], dtype=np.float32) / FULL_SCALE
        out = np.zeros((count, 2), np.float32)
        out[: len(part)] = part
        return out


@dataclass
class Sources:
    """All recordings of some roots, by song and by pool (kind, then source folder)."""

    songs: dict[str, dict[str, Recording]] = field(default_factory=dict)
    pools: dict[str, dict[str, list[Recording]]] = field(default_factory=lambda: {kind: {} for kind in KINDS})

    def seconds(self, sample_rate_hz: int) -> dict[str, float]:
        """Length of what there is, per kind."""
        total = {kind: 0.0 for kind in KINDS}
        for stems in self.songs.values():
            for kind, recording in stems.items():
                total[kind] += recording.num_samples / sample_rate_hz
        for kind, sources in self.pools.items():
            total[kind] += sum(r.num_samples for rs in sources.values() for r in rs) / sample_rate_hz
        return total


def scan(roots: list[Path], cache: Path, sample_rate_hz: int, part: str = "train") -> Sources:
    """Decode what is not in the cache yet, name and skip what cannot be read, and list the rest.

    Raises TrainingError when a root has neither songs nor pools.
    """
    sources = Sources()
    cache.mkdir(parents=True, exist_ok=True)
    for root in roots:
        files = sorted(p for p in root.glob(f"{part}/*/*") if p.suffix in SUFFIXES and p.stem in KINDS)
        pool_files = sorted(p for p in root.glob("pool/*/**/*") if p.suffix in SUFFIXES) if part == "train" else []
        if not files and not pool_files:
            raise TrainingError(f"{root} has no {part}/<song>/<stem> and no pool/<stem> audio files: check --data")
        for path in files:
            if recording := decode(path, cache, sample_rate_hz):
                sources.songs.setdefault(path.parent.name, {})[path.stem] = recording
        for path in pool_files:
            kind, *middle = path.relative_to(root / "pool").parts[:-1]
            if kind in KINDS and (recording := decode(path, cache, sample_rate_hz)):
                sources.pools[kind].setdefault("/".join(middle) or root.name, []).append(recording)
    return sources


def decode(path: Path, cache: Path, sample_rate_hz: int) -> Recording | None:
    """The recording of one file, decoded if the cache lacks it; None if it cannot be read or is silent."""
    status = path.stat()
    key = f"{path.resolve()}:{status.st_size}:{status.st_mtime_ns}:{sample_rate_hz}"
    target = cache / f"{hashlib.sha1(key.encode()).hexdigest()}.npy"
    try:
        if not target.exists():
            _decode_into(path, target, sample_rate_hz)
        data = np.load(target, mmap_mode="r")
    except (soundfile.LibsndfileError, ValueError, OSError) as error:
        log.warning("skipped %s: %s", path, error)
        return None
    rms_file = target.with_suffix(".rms")
    if not rms_file.exists():
        partial = rms_file.with_name(f".{rms_file.name}.{os.getpid()}")
        partial.write_text(repr(active_rms(data)))
        partial.replace(rms_file)  # other processes of the run may read it at any moment
    rms = float(rms_file.read_text())
    if rms == 0:
        log.warning("skipped %s: silent", path)
        return None
    return Recording("/".join(path.parts[-3:]), target, len(data), rms)


def _decode_into(path: Path, target: Path, sample_rate_hz: int) -> None:
    audio, rate = soundfile.read(path, dtype="float32", always_2d=True)
    audio = audio[:, :2]
    if rate != sample_rate_hz:
        audio = soxr.resample(audio, rate, sample_rate_hz)
    samples = np.clip(np.nan_to_num(audio) * FULL_SCALE, -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)
    partial = target.with_name(f".{target.stem}.{os.getpid()}.npy")
    np.save(partial, samples)
    partial.replace(target)


def active_rms(data: npt.NDArray[np.int16], block_samples: int = 22050) -> float:
    """Root mean square of the blocks within 30 dB of the loudest one; 0 for silence."""
    count = max(1, len(data) // block_samples)
    blocks = np.array(
        [np.mean(np.square(block.astype(np.float64))) for block in np.array_split(data, count) if len(block)]
    )
    if not len(blocks) or blocks.max() == 0:
        return 0.0
    return float(np.sqrt(blocks[blocks > blocks.max() * 1e-3].mean()) / FULL_SCALE)
