"""The report of a corpus build: what was made, found and skipped."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import soundfile

from stemlive.errors import StemliveError
from stemlive.training.corpus.debian_audio import PackageResult


@dataclass
class CorpusReport:
    """What a build made or found: files and hours by kind, and what was skipped with the reason."""

    files: dict[str, int] = field(default_factory=dict)
    hours: dict[str, float] = field(default_factory=dict)
    made: int = 0
    skipped: list[str] = field(default_factory=list)


def collect(future: Future[Any], name: str, report: CorpusReport) -> None:
    """Add a finished job's result, or the reason why there is none, to the report.

    Raises StemliveError for failures that would affect all other jobs: a killed worker, a full disk.
    """
    try:
        result = future.result()
    except BrokenProcessPool as error:
        raise StemliveError(
            f"a rendering process was killed at {name}: give fewer workers (memory) and go on"
        ) from error
    except Exception as error:  # one bad source must not cost the corpus
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise StemliveError(f"the disk is full at {name}: make room and run the same command again") from error
        report.skipped.append(f"{name}: {type(error).__name__}: {error}")
        return
    if isinstance(result, PackageResult):
        report.skipped += [f"{name}: {line}" for line in result.skipped]
        report.made += result.made
    else:
        report.made += int(result)


def measure(root: Path, report: CorpusReport) -> None:
    """Count the files and hours of each kind under `root`."""
    kinds: Mapping[str, Iterator[Path]] = {
        "composed songs": (root / "train").glob("composed-*/other.flac"),
        "songs of others": (root / "train").glob("taught-*/vocals.ogg"),
        "songs in four stems": (root / "train").glob("sung-*/other.flac"),
        "songs in own stems": (root / "train").glob("answered-*/vocals.flac"),
        "music in stems": (root / "train").glob("played-*/other.flac"),
        "tracker music": (root / "train").glob("module-*/other.ogg"),
        "bands": (root / "train").glob("band-*/other.flac"),
        "groove drums": (root / "pool" / "drums").rglob("*.flac"),
        "singers": (root / "pool" / "vocals").glob("singers-*/*.ogg"),
        "singing of a model": (root / "pool" / "vocals").glob("sung-*/*.ogg"),
        "speech": (root / "pool" / "vocals").glob("said-*/*.ogg"),
        "guitars": (root / "pool" / "other").rglob("*.ogg"),
        "accompaniment": (root / "pool" / "accompaniment").rglob("*.ogg"),
    }
    for kind, paths in kinds.items():
        lengths = [soundfile.info(path).duration for path in paths]
        report.files[kind], report.hours[kind] = len(lengths), sum(lengths) / 3600.0
