"""`stemlive sweep`: train models that differ in one or two choices, and compare them in a table."""

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stemlive.errors import TrainingError, UsageError, check_exists, did_you_mean
from stemlive.machine import processor_name
from stemlive.options import cache_option, progress
from stemlive.terminal.stopping import StopRequest

if TYPE_CHECKING:
    from stemlive.training.sweep import Cell, Sweep

FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command()
@click.argument("name", required=False)
@click.option("--list", "list_names", is_flag=True, help="Print the sweeps that come with the program.")
@click.option(
    "--data", "roots", multiple=True, type=FOLDER, help="Folder to train on, as of `train`; may be given several times."
)
@click.option(
    "--validate",
    "validation_roots",
    multiple=True,
    type=FOLDER,
    help="Folder with valid/<song>/<stem> audio files to score on; may be given several times.",
)
@click.option("--out", "folder", type=FOLDER, help="Folder of the table and of each cell's run.")
@click.option(
    "--size",
    type=click.Choice(["small", "original"]),
    default="small",
    show_default=True,
    help="Small causal models and minutes, or the original's own models and training.",
)
@click.option(
    "--minutes",
    type=click.FloatRange(min=0, min_open=True),
    help="Training time of each cell.  [default: what the file says]",
)
@click.option("--only", metavar="CELL", multiple=True, help="Run this cell; may be given several times.")
@click.option(
    "--processes", type=click.IntRange(1), default=1, show_default=True, help="Of each training: one per core or GPU."
)
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="Cells at once.")
@cache_option
@click.option("--dry-run", is_flag=True, help="Print the cells and what they cost; train nothing.")
def command(
    name: str | None,
    list_names: bool,
    roots: tuple[Path, ...],
    validation_roots: tuple[Path, ...],
    folder: Path | None,
    size: str,
    minutes: float | None,
    only: tuple[str, ...],
    processes: int,
    jobs: int,
    cache: Path,
    dry_run: bool,
) -> None:
    """Train and score every cell of the sweep NAME (one of --list, or a TOML file) and write its table.

    The table is NAME.md and NAME.csv in the folder given by --out, written anew after each cell. Stop with Ctrl-C: the
    same command goes on where it was. A cell that fails is named, the others go on.
    """
    from stemlive.training.sweep import bundled_sweeps, read_sweep

    if list_names:
        for known, title in bundled_sweeps().items():
            click.echo(f"{known:<16}{title}")
        return
    if name is None:
        raise UsageError("name a sweep: `stemlive sweep --list` prints those that come with the program")
    sweep = read_sweep(name, size)
    sweep = replace(sweep, cells=tuple(replace(c, minutes=minutes or c.minutes) for c in sweep.cells))
    known_cells = [cell.name for cell in sweep.cells]
    for cell_name in only:
        if cell_name not in known_cells:
            meant = did_you_mean(cell_name, known_cells)
            raise UsageError(f"{sweep.name} has no cell {cell_name}: {meant}choose from {', '.join(known_cells)}")
    if dry_run:
        _print_cells(sweep, folder)
        return
    if not (roots and validation_roots and folder):
        raise UsageError("a sweep needs --data, --validate and --out (or --dry-run to see what it would do)")
    check_exists(*roots, *validation_roots)
    cells = [cell for cell in sweep.cells if not only or cell.name in only]
    _run(sweep, cells, folder, roots, validation_roots, cache, processes, jobs)


def _print_cells(sweep: "Sweep", folder: Path | None) -> None:
    """Print parameters, cost, time and published scores of each cell, and which are done."""
    from stemlive.training.sweep_run import read_result

    click.echo(f"{sweep.title}; size {sweep.size}")
    click.echo(f"{'cell':<28}{'parameters':>12}{'GMAC/s':>10}{'minutes':>9}  published")
    for cell in sweep.cells:
        published = ", ".join(f"{target} {db:g}" for target, db in cell.published.items())
        done = "  (done)" if folder is not None and read_result(folder, cell) is not None else ""
        minutes = f"{cell.minutes:g}" if cell.minutes else "-"
        cost = f"{cell.cost.parameters:>12,}{cell.cost.gmac_per_s:>10.3f}{minutes:>9}"
        click.echo(f"{cell.name:<28}{cost}  {published or '-'}{done}")


def _run(
    sweep: "Sweep",
    cells: "list[Cell]",
    folder: Path,
    roots: tuple[Path, ...],
    validation_roots: tuple[Path, ...],
    cache: Path,
    processes: int,
    jobs: int,
) -> None:
    """Run cells and update the table. Exits with 128 plus the number of a signal; TrainingError if cells failed."""
    from stemlive.training.sweep_run import Place, read_result, run_cells
    from stemlive.training.sweep_table import write_tables
    from stemlive.training.yardstick import in_words

    failed: list[str] = []
    results = {cell.name: result for cell in sweep.cells if (result := read_result(folder, cell)) is not None}
    machine = f"{processor_name()} ({os.cpu_count()} cores)"
    with StopRequest() as stop, progress(sweep.name, len(cells)) as advance:
        place = Place(folder, roots, validation_roots, cache, processes, machine, lambda: stop.requested)
        advance(sum(cell.name in results for cell in cells))
        for cell, outcome in run_cells(cells, place, jobs):
            if isinstance(outcome, Exception):
                failed.append(cell.name)
                click.echo(f"stemlive: cell {cell.name}: {outcome}", err=True)
            else:
                results[cell.name] = outcome
                scores = ", ".join(
                    f"{t} {row['usdr_db']:.2f}" for t, row in outcome["scores"].items() if "usdr_db" in row
                )
                click.echo(f"{cell.name}: {in_words(outcome['yardstick'])}; uSDR {scores}")
            write_tables(sweep, results, folder)
            advance(1)
    write_tables(sweep, results, folder)
    if stop.requested:
        click.echo("stemlive: interrupted; the same command goes on from here", err=True)
        raise click.exceptions.Exit(stop.exit_code)
    if failed:
        raise TrainingError(
            f"{len(failed)} of {len(cells)} cells failed: {', '.join(failed)}; the same command tries again"
        )
    click.echo(str(folder / f"{sweep.name}.md"))
