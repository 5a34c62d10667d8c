"""The data to train on or to score: songs of aligned stems and pools of loose recordings, decoded into a cache.

`layout` finds the files. A song without a bass file has its bass inside `other`; any other missing stem, and any stem
whose file is silent, is silent. Files that cannot be read are reported and left out.
"""

import logging
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from stemlive.errors import AudioFileError, TrainingError
from stemlive.training.layout import KINDS, MIXTURE, Layout, find_audio
from stemlive.training.recordings import Recording, decode

log = logging.getLogger(__name__)


@dataclass
class Sources:
    """All recordings of some roots, by song and by pool (kind, then source folder), and what was skipped, and why."""

    songs: dict[str, dict[str, Recording]] = field(default_factory=dict)
    pools: dict[str, dict[str, list[Recording]]] = field(default_factory=lambda: {kind: {} for kind in KINDS})
    skipped: dict[Path, str] = field(default_factory=dict)

    def recordings(self, kind: str) -> list[Recording]:
        """Everything of one kind, from songs and pools."""
        songs = [stems[kind] for stems in self.songs.values() if kind in stems]
        return songs + [recording for source in self.pools[kind].values() for recording in source]

    def seconds(self, sample_rate_hz: int) -> dict[str, float]:
        """Length of what there is, per kind, silent stems left out."""
        return {
            kind: sum(r.num_samples for r in self.recordings(kind) if not r.silent) / sample_rate_hz for kind in KINDS
        }


def scan(
    roots: list[Path],
    cache: Path,
    sample_rate_hz: int,
    split: str = "train",
    *,
    scoring: bool = False,
    quiet: bool = False,
    left_out: Collection[str] = (),
) -> Sources:
    """Decode what is not in the cache yet, name and skip what cannot be used (unless `quiet`), and list the rest.

    `scoring`: songs with their mixtures and without pools. `left_out`: kinds whose loose recordings are not read.
    Raises TrainingError when a root has no audio of the split, and when none of it can be used.
    """
    layout = find_audio(roots, split, scoring=scoring).without_pools(left_out)
    sources = load(layout, cache, sample_rate_hz, scoring=scoring)
    if not quiet:
        for path, reason in sources.skipped.items():
            log.warning("skipped %s: %s", path, reason)
    if not sources.songs and not any(sources.pools.values()):
        raise TrainingError(f"nothing in {', '.join(map(str, roots))} can be used: {skips(sources.skipped)}")
    return sources


def load(
    layout: Layout,
    cache: Path,
    sample_rate_hz: int,
    *,
    scoring: bool = False,
    workers: int = 1,
    advance: Callable[[int], None] = lambda steps: None,
) -> Sources:
    """The recordings of a layout, decoded by so many threads; `advance(1)` is called after each file.

    With `scoring` a song of which a file cannot be read is left out whole: its truth is incomplete. Every file is in
    the cache whole or not at all, so an interrupted call is taken up by the next.
    """
    cache.mkdir(parents=True, exist_ok=True)
    sources = Sources(skipped=dict(layout.skipped))
    found: dict[Path, Recording] = {}

    def read(path: Path) -> Recording | AudioFileError:
        try:
            return decode(path, cache, sample_rate_hz, exact=scoring)
        except AudioFileError as error:
            return error

    files = layout.files()
    pool = ThreadPoolExecutor(workers)
    try:
        for path, recording in zip(files, pool.map(read, files), strict=True):
            if isinstance(recording, Recording):
                found[path] = recording
            if isinstance(recording, AudioFileError) or recording.silent:
                sources.skipped[path] = "silent" if isinstance(recording, Recording) else str(recording)
            advance(1)
    finally:
        pool.shutdown(cancel_futures=True)
    for name, paths in layout.songs.items():
        song = {kind: found[path] for kind, path in paths.items() if path in found}
        folder = next(iter(paths.values())).parent
        if scoring and len(song) < len(paths):
            sources.skipped[folder] = "not scored, as a file of this song cannot be used"
        elif all(recording.silent for kind, recording in song.items() if kind != MIXTURE):
            sources.skipped[folder] = "no stem in which there is sound"
        else:
            sources.songs[name] = {kind: r for kind, r in song.items() if kind != MIXTURE or not r.silent}
    for kind, folders in layout.pools.items():
        for source, members in folders.items():
            if audible := [found[path] for path in members if path in found and not found[path].silent]:
                sources.pools[kind][source] = audible
    return sources


def skips(skipped: dict[Path, str], most: int = 3) -> str:
    """The first few skipped files and their reasons, in one line."""
    named: Iterable[str] = [f"{path}: {reason}" for path, reason in skipped.items()]
    more = len(skipped) - most
    return "; ".join([*list(named)[:most], *([f"and {more} more"] if more > 0 else [])]) or "no stems"
