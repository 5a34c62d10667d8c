"""Prepare training data beforehand: decode audio into the cache, and find active passages."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from stemlive.errors import TrainingError
from stemlive.training.activity import active_passages
from stemlive.training.fingerprint import Scored, overlaps
from stemlive.training.layout import KINDS, SPLITS, Layout, find_audio
from stemlive.training.recordings import Recording
from stemlive.training.sources import Sources, load

TRAIN = "train"


def find_splits(roots: list[Path]) -> dict[str, Layout]:
    """The layout of every split that one of the roots has; TrainingError for a root that has none."""
    layouts: dict[str, Layout] = {}
    having: dict[str, list[Path]] = {split: [] for split in SPLITS}
    for root in roots:
        for split in SPLITS:
            try:
                find_audio([root], split, scoring=split != TRAIN)
            except TrainingError:
                continue
            having[split].append(root)
        if not any(root in found for found in having.values()):
            raise TrainingError(
                f"{root} has no audio in {' or '.join(SPLITS)} (<song>/<stem>.wav, flac, ogg) or pool/<stem>: check it"
            )
    for split, found in having.items():
        if found:
            layouts[split] = find_audio(found, split, scoring=split != TRAIN)
    return layouts


def prepare(
    layouts: dict[str, Layout],
    cache: Path,
    sample_rate_hz: int,
    *,
    sad: bool,
    workers: int,
    advance: Callable[[int], None] = lambda steps: None,
) -> dict[str, Any]:
    """Decode all files of the splits, and with `sad` find the active passages of those to train on.

    Calls `advance(1)` for each file, so many times in all as `steps` says. What is done stays done when this is
    interrupted. Returns, by split, `songs` and `hours` (by kind: in `songs`, in `pool`), `active` (with `sad`: the
    share of the samples that is kept, by kind), `skipped`: file to reason, and `scored`: recordings to train on that
    hold what is scored (`fingerprint`), and in which song.
    """
    report: dict[str, Any] = {"splits": {}, "skipped": {}, "scored": {}}
    found: dict[str, Sources] = {}
    for split, layout in layouts.items():
        sources = load(layout, cache, sample_rate_hz, scoring=split != TRAIN, workers=workers, advance=advance)
        report["splits"][split] = {"songs": len(sources.songs), "hours": _hours(sources, sample_rate_hz)}
        report["skipped"] |= {str(path): reason for path, reason in sources.skipped.items()}
        if sad and split == TRAIN:
            report["active"] = _find_active(sources, sample_rate_hz, workers, advance)
        found[split] = sources
    scored = {f"{split}/{name}": song for split in found if split != TRAIN for name, song in found[split].songs.items()}
    if scored and TRAIN in found:
        recordings = [recording for kind in KINDS for recording in found[TRAIN].recordings(kind)]
        for _, overlap in overlaps(Scored(scored, sample_rate_hz), recordings, workers=workers, advance=advance):
            report["scored"][overlap.name] = overlap.song
    return report


def steps(layouts: dict[str, Layout], *, sad: bool) -> int:
    """Return the most steps that `prepare` can take."""
    to_train_on = len(layouts[TRAIN].files()) if TRAIN in layouts else 0
    decoding = sum(len(layout.files()) for layout in layouts.values())
    return decoding + to_train_on * (sad + (len(layouts) > 1))


def _hours(sources: Sources, sample_rate_hz: int) -> dict[str, dict[str, float]]:
    total = sources.seconds(sample_rate_hz)
    pooled = {
        kind: sum(r.num_samples for source in pools.values() for r in source) / sample_rate_hz
        for kind, pools in sources.pools.items()
    }
    return {
        kind: {"songs": (total[kind] - pooled[kind]) / 3600, "pool": pooled[kind] / 3600}
        for kind in KINDS
        if total[kind]
    }


def _find_active(
    sources: Sources, sample_rate_hz: int, workers: int, advance: Callable[[int], None]
) -> dict[str, float]:
    def kept(recording: Recording) -> int:
        passages = active_passages(recording, sample_rate_hz)
        return int((passages[:, 1] - passages[:, 0]).sum())

    shares = {}
    pool = ThreadPoolExecutor(workers)
    try:
        for kind in KINDS:
            audible = [recording for recording in sources.recordings(kind) if not recording.silent]
            active_samples = 0
            for count in pool.map(kept, audible):
                active_samples += count
                advance(1)
            if audible:
                shares[kind] = active_samples / sum(recording.num_samples for recording in audible)
    finally:
        pool.shutdown(cancel_futures=True)
    return shares
