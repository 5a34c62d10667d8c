"""`stemlive train`: train a model from a recipe, in one or more processes."""

import math
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stemlive.errors import UsageError, check_exists
from stemlive.options import Weights, cache_option, data_option, progress
from stemlive.terminal.keyboard import Screen

if TYPE_CHECKING:
    from stemlive.training.recipe import Recipe

_CELLS = 16


@click.command()
@click.argument("recipe", type=click.Path(dir_okay=False, path_type=Path))
@data_option(
    "Folder with train/<song>/<stem> (as MUSDB18-HQ has it) and pool/<stem>/<source> audio files; may be given "
    "several times."
)
@click.option(
    "--validate",
    "validation_roots",
    multiple=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder with valid/<song>/<stem> audio files (or MUSDB18-HQ, whose official validation songs are taken), "
    "scored now and then; may be given several times.",
)
@click.option(
    "--run",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of this run: state, weights, log. A run that is there goes on.  [default: runs/RECIPE]",
)
@cache_option
@click.option("--processes", type=click.IntRange(1), default=1, show_default=True, help="One per core, or per GPU.")
@click.option(
    "--time-limit",
    metavar="MINUTES",
    type=click.FloatRange(min=0, min_open=True),
    help="Stop after so long, by the recipe's clock: `wall`, or `processor` time of a process.",
)
@click.option(
    "--start-from",
    type=Weights(),
    help="Weights that a new run begins with: a checkpoint, an exported or bundled model, or the folder of a run; "
    "those of a smaller model grow.",
)
@click.option(
    "--shrink",
    metavar="SHARE",
    type=click.FloatRange(0, 1, min_open=True),
    help="With --start-from: keep so much of each matrix and fill it up with new weights, to begin nearly anew.",
)
@click.option(
    "--teacher",
    "teachers",
    multiple=True,
    type=Weights(),
    help="A finished model (as for --start-from) whose answers are learned beside the truth, by the recipe's "
    "teacher_share; may be given several times.",
)
@click.option(
    "--workers",
    type=click.IntRange(0),
    default=1,
    show_default=True,
    help="Helpers of each process that mix segments.",
)
@click.option(
    "--tensorboard",
    is_flag=True,
    help="Log for TensorBoard too, into the run's folder: losses, rates, scores, and stems to listen to.",
)
def command(
    recipe: Path,
    roots: tuple[Path, ...],
    validation_roots: tuple[Path, ...],
    folder: Path | None,
    cache: Path,
    processes: int,
    time_limit: float | None,
    start_from: Path | None,
    shrink: float | None,
    teachers: tuple[Path, ...],
    workers: int,
    tensorboard: bool,
) -> None:
    """Train a model by RECIPE and leave its weights in the folder given by --run.

    RECIPE is the name of one that comes with the program (live-free, musdb18-live, ...) or a TOML file.

    weights.pt has the averaged weights of the last save, best.pt those with the best yardstick (see `evaluate`). Stop
    it with Ctrl-C or --time-limit; the same command goes on from the last save. Schedules that end with the run end
    with its steps, or with its time when --time-limit is given. GPUs are used where there are any, one by each process.

    On several machines, start the same command on each by torchrun instead of --processes, with a folder for --run
    that all of them share (here 2 machines of 4 GPUs or cores; --node-rank is 0 on the first and 1 on the second):

    \b
    torchrun --nnodes 2 --node-rank 0 --nproc-per-node 4 \\
        --master-addr FIRST_MACHINE --master-port 29500 \\
        -m -- stemlive train RECIPE --data ... --run SHARED_FOLDER
    """  # noqa: D301 - the \b is click's mark of lines to be left as they are
    from stemlive.training import launch
    from stemlive.training.recipe import find_recipe, run_of

    recipe = find_recipe(recipe)
    folder = folder or run_of(recipe)
    if shrink is not None and start_from is None:
        raise UsageError("--shrink goes with --start-from: without it, all weights are new")
    check_exists(*roots, *validation_roots, start_from, *teachers)
    if not launch.is_worker():
        from stemlive.training.recipe import read_recipe

        read = read_recipe(recipe)
        _prepare(list(roots), list(validation_roots), cache, read, processes)
        options: list[tuple[str, object]] = [("--run", folder), ("--cache", cache), ("--workers", workers)]
        options += [("--data", root) for root in roots]
        options += [("--validate", root) for root in validation_roots]
        options += [("--time-limit", time_limit)] if time_limit is not None else []
        options += [("--start-from", start_from)] if start_from is not None else []
        options += [("--shrink", shrink)] if shrink is not None else []
        options += [("--teacher", teacher) for teacher in teachers]
        words = [str(word) for option in options for word in option] + ["--tensorboard"] * tensorboard
        screen = Screen()

        def show(share: float, text: str) -> None:
            filled = round(share * _CELLS)
            screen.draw(f"{share:4.0%} [{'#' * filled}{'.' * (_CELLS - filled)}] {text}")

        show(0, "starting")
        try:
            launch.launch([str(recipe), *words], processes, say=screen.say, show=show if screen.shown else None)
        finally:
            screen.leave()
        return
    launch.train(
        recipe,
        list(roots),
        list(validation_roots),
        folder,
        cache,
        time_limit_s=math.inf if time_limit is None else time_limit * 60,
        start_weights=start_from,
        kept=1.0 if shrink is None else shrink,
        teachers=list(teachers),
        workers=workers,
        tensorboard=tensorboard,
    )


def _prepare(roots: list[Path], validation_roots: list[Path], cache: Path, recipe: "Recipe", workers: int) -> None:
    """Fill the cache once, before the training processes would each do it."""
    from stemlive.training.layout import find_audio
    from stemlive.training.prepare import prepare, steps

    layouts = {"train": find_audio(roots).without_pools(recipe.mix.undrawn)}
    if validation_roots:
        layouts["valid"] = find_audio(validation_roots, "valid", scoring=True)
    sad = recipe.mix.sad
    with progress("preparing", steps(layouts, sad=sad)) as advance:
        prepare(layouts, cache, recipe.model.sample_rate_hz, sad=sad, workers=workers, advance=advance)
