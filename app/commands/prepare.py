"""`stemlive prepare`: decode training data into the cache beforehand, and report what there is."""

import json
import os
from pathlib import Path
from typing import Any

import click

from stemlive.errors import check_exists
from stemlive.options import cache_option, data_option, progress, warn


@click.command()
@data_option("Folder with training data, as for `train`; may be given several times.")
@cache_option
@click.option("--sad", is_flag=True, help="Find the active passages too, for recipes with [mix] sad = true.")
@click.option(
    "--sample-rate", "rate_hz", type=click.IntRange(8000, 192000), default=44100, show_default=True, metavar="HZ"
)
@click.option("--workers", type=click.IntRange(1), help="Files at a time.  [default: one per core]")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.option("--quiet", is_flag=True, help="Print nothing but warnings and errors.")
def command(
    roots: tuple[Path, ...],
    cache: Path,
    sad: bool,
    rate_hz: int,
    workers: int | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Decode everything under --data into the cache, so that `train` starts at once, and report what there is.

    Such a folder has MUSDB18-HQ's layout: train/<song>/<stem>.wav (or flac, ogg), valid/ and test/ likewise, and loose
    recordings of one stem in pool/<stem>/<source>/. Stems are vocals, drums, bass and other, and accompaniment: music
    without a voice whose stems are unknown. Files that cannot be used are named with the reason, and recordings to
    train on that hold what valid/ or test/ has. What an interrupted call has done is not done again.
    """
    from stemlive.training.prepare import find_splits, prepare, steps

    check_exists(*roots)
    layouts = find_splits(list(roots))
    with progress("preparing", steps(layouts, sad=sad), quiet=quiet) as advance:
        report = prepare(layouts, cache, rate_hz, sad=sad, workers=workers or os.cpu_count() or 1, advance=advance)
    if as_json:
        click.echo(json.dumps(report, indent=2, allow_nan=False))
        return
    for path, reason in report["skipped"].items():
        warn(f"skipped {path}: {reason}")
    for recording, song in report["scored"].items():
        warn(f"{recording} holds what is scored in {song}: `train --validate` leaves it out, by its sound")
    if not quiet:
        for line in lines(report):
            click.echo(line)


def lines(report: dict[str, Any]) -> list[str]:
    """Return the report as text: hours by kind for each split, in songs and pools, and the share that SAD keeps."""
    table: list[tuple[str, ...]] = []
    for split, found in report["splits"].items():
        active = report.get("active", {}) if split == "train" else {}
        table.append((f"{split}: {found['songs']} songs", "h in songs", "h in pool", "active" if active else ""))
        for kind, hours in found["hours"].items():
            share = f"{active[kind]:.0%}" if kind in active else ""
            table.append((f"  {kind}", f"{hours['songs']:.2f}", f"{hours['pool']:.2f}", share))
    skipped = len(report["skipped"])
    ending = [f"{skipped} skipped, named above"] if skipped else []
    return [f"{row[0]:<24}{''.join(f'{cell:>12}' for cell in row[1:])}".rstrip() for row in table] + ending
