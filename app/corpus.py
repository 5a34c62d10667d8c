"""`stemlive corpus`: make audio to train on."""

from pathlib import Path

import click

from stemlive.options import progress

FOLDER = click.Path(file_okay=False, path_type=Path)


@click.group()
def command() -> None:
    """Make audio to train on."""


@command.command()
@click.argument("root", type=FOLDER)
@click.option("--songs", type=click.IntRange(0), default=300, show_default=True, help="Songs to compose and render.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Same seed, same songs.")
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Rendering processes.")
@click.option("--groove", type=FOLDER, help="The Groove MIDI Dataset, rendered as loose drums.")
@click.option("--bands", type=FOLDER, help="MIDI files of whole bands, rendered as songs.")
@click.option(
    "--accompaniment/--no-accompaniment",
    default=True,
    show_default=True,
    help="Fetch game music from Debian packages (about 2 GB stay).",
)
@click.option("--quiet", is_flag=True, help="Print nothing but warnings and errors.")
def build(
    root: Path,
    songs: int,
    seed: int,
    workers: int,
    groove: Path | None,
    bands: Path | None,
    accompaniment: bool,
    quiet: bool,
) -> None:
    """Build a training corpus in ROOT from what Debian ships, or complete one that was interrupted.

    Songs composed by the program and rendered through free sound fonts and drum kits, drummers' performances, and game
    music without voices. LICENCES.md in ROOT names every source.
    """
    from stemlive.training.corpus.build import build_corpus

    with progress("building", None, quiet=quiet) as move:
        report = build_corpus(
            root,
            songs=songs,
            seed=seed,
            workers=workers,
            groove=groove,
            bands=bands,
            accompaniment=accompaniment,
            progress=lambda done, total, name: move(1),
        )
    for name in report.skipped:
        click.echo(f"stemlive: warning: skipped {name}", err=True)
    if not quiet:
        hours = ", ".join(f"{kind} {value:.1f} h" for kind, value in sorted(report.hours.items()))
        click.echo(f"{root}: {report.made} files made now; in all {hours or 'nothing'}")
