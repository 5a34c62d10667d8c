"""Run the cells of a sweep: each model is trained and scored by the commands `train` and `evaluate`.

These are child processes: a cell that fails does not affect the others, and an interrupted one is resumed like any run.
Each model has a folder below the sweep's, an ordinary run with recipe.toml, train.log and scores.json; a finished cell
has a result.json.
"""

import json
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Any

import tomli_w

from stemlive.child import PROGRAM, ask_to_end, start_apart
from stemlive.errors import StemliveError, TrainingError, UsageError
from stemlive.model.checkpoint import load_checkpoint
from stemlive.training.evaluate import averaged
from stemlive.training.launch import CPU_ENVIRONMENT
from stemlive.training.recipe import Recipe
from stemlive.training.run_state import WEIGHTS_FILE
from stemlive.training.sweep import Cell, Model, Tables, merged
from stemlive.training.yardstick import PAIR, ScoredSong, measured, scored_songs, yardstick
from stemlive.whole_file import whole_file

RESULT_FILE = "result.json"
ASKED_FILE = "asked.json"
LITTLE_S = 0.5  # so much of a model's time may be left unused: less than it takes to start again
Result = dict[str, Any]


class StopAskedError(Exception):
    """Raised when a stop is requested while a command runs."""


@dataclass(frozen=True)
class Place:
    """Where and on what a sweep runs. `stopping` is asked several times a second and must be quick."""

    folder: Path
    roots: tuple[Path, ...]
    validation_roots: tuple[Path, ...]
    cache: Path
    processes: int
    machine: str
    stopping: Callable[[], bool]


def run_cells(cells: list[Cell], place: Place, jobs: int) -> Iterator[tuple[Cell, Result | Exception]]:
    """Run the cells without a result, so many at once; yield each one's result or the exception that ended it.

    A stop request ends it early, with the state of all runs saved. Raises UsageError, before anything starts, if the
    folder contains one of the cells with another recipe or budget.
    """
    for cell in cells:
        _claim(cell, place.folder / cell.name)
    waiting = [cell for cell in cells if read_result(place.folder, cell) is None]
    with ThreadPoolExecutor(jobs) as pool:
        futures = {pool.submit(_run, cell, place): cell for cell in waiting}
        for future in as_completed(futures):
            try:
                yield futures[future], future.result()
            except (StemliveError, OSError) as error:
                yield futures[future], error
            except StopAskedError:
                continue


def read_result(folder: Path, cell: Cell) -> Result | None:
    """Return the result of a finished cell from the sweep's folder; None if it is not finished."""
    path = folder / cell.name / RESULT_FILE
    result: Result | None = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
    return result


def _asked(cell: Cell) -> Tables:
    """Return the definition of a cell as JSON values."""
    recipes = {model.folder: model.tables for model in cell.models}
    return {"recipes": recipes, "minutes": cell.minutes, "seconds": cell.seconds}


def _claim(cell: Cell, folder: Path) -> None:
    """Record the definition of a cell in its folder, so that this is never used for another cell."""
    path = folder / ASKED_FILE
    if not path.exists():
        _write_json(path, _asked(cell))
    elif json.loads(path.read_text(encoding="utf-8")) != _asked(cell):
        raise UsageError(f"{folder} holds this cell with another recipe or time: choose another `folder`, or remove it")


def _run(cell: Cell, place: Place) -> Result:
    """Train and score each model of a cell and write its result, which is also returned."""
    parts = []
    for model in cell.models:
        folder = place.folder / model.folder
        folder.mkdir(parents=True, exist_ok=True)
        _train(model, folder, place, cell.minutes * 60 / len(cell.models) if cell.minutes else None)
        scores = _score(folder, place, cell.seconds)
        progress = load_checkpoint(folder / WEIGHTS_FILE)[1]["progress"]
        parts.append((progress, scores))
    result: Result = {
        "parameters": cell.cost.parameters,
        "gmac_per_s": cell.cost.gmac_per_s,
        **{key: sum(progress[key] for progress, _ in parts) for key in ("step", "wall_s", "processor_s", "audio_s")},
        **_scores([report for _, report in parts]),
        "minutes": cell.minutes,
        "seconds": cell.seconds,
        "clock": cell.models[0].recipe.train.clock,
        "processes": place.processes,
        "machine": place.machine,
        "data": [str(root) for root in place.roots],
        "validation": [str(root) for root in place.validation_roots],
    }
    _write_json(place.folder / cell.name / RESULT_FILE, result)
    return result


def _scores(reports: list[dict[str, Any]]) -> dict[str, Any]:
    """The scores of a cell, the stems of its models side by side.

    `yardstick`; `scores`: averages of the songs that it is the mean of; `pair_scores`: of the songs with voice and
    accompaniment, if those are others; `songs`: how many have a uSDR, by target.
    """
    songs: dict[str, ScoredSong] = {}
    for song in (song for report in reports for song in scored_songs(report)):
        cells = songs[song.name].cells if song.name in songs else {}
        songs[song.name] = replace(song, cells={**cells, **song.cells})
    counting = measured(list(songs.values()))
    pairs = [song for song in songs.values() if song.kind == PAIR and song not in counting]
    targets = [target for song in counting for target, row in song.cells.items() if "usdr_db" in row]
    whole = reports[0]["yardstick"] if len(reports) == 1 else asdict(yardstick(list(songs.values())))
    return {
        "yardstick": whole,
        "scores": averaged(counting),
        "pair_scores": averaged(pairs),
        "songs": {target: targets.count(target) for target in dict.fromkeys(targets)},
    }


def _train(model: Model, folder: Path, place: Place, budget_s: float | None) -> None:
    """Train one model for what is left of its time."""
    tables, limit = model.tables, []
    if budget_s is not None:
        left_s = budget_s - used_s(folder, model.recipe)
        if left_s < LITTLE_S:
            return
        tables = with_time_left(model, left_s / budget_s)
        limit = ["--time-limit", str(left_s / 60)]
    recipe = folder / "recipe.toml"
    recipe.write_text(tomli_w.dumps(tables), encoding="utf-8")
    data = _options("--data", place.roots) + _options("--validate", place.validation_roots)
    run = ["--run", str(folder), "--cache", str(place.cache), "--processes", str(place.processes)]
    _call(["train", str(recipe), *data, *run, *limit], folder / "train.log", place.stopping)


def used_s(folder: Path, recipe: Recipe) -> float:
    """Seconds that the run in this folder has trained so far, by the recipe's clock."""
    if not (folder / WEIGHTS_FILE).exists():
        return 0.0
    return float(load_checkpoint(folder / WEIGHTS_FILE)[1]["progress"][f"{recipe.train.clock}_s"])


def with_time_left(model: Model, share: float) -> Tables:
    """The recipe with which a run of which this share is left goes on at the learning rate it had.

    The rate falls over the last `decay_share` of what a process is given, here less than the whole time.
    """
    return merged(model.tables, {"train": {"decay_share": model.recipe.train.decay_share / share}})


def _score(folder: Path, place: Place, seconds: float | None) -> dict[str, Any]:
    """The report of `stemlive evaluate` on the songs to validate on."""
    path = folder / "scores.json"
    limit = ["--seconds", str(seconds)] if seconds is not None else []
    source = ["--checkpoint", str(folder / WEIGHTS_FILE), "--cache", str(place.cache)]
    command = ["evaluate", *_options("--data", place.validation_roots), *source, *limit, "--json"]
    with whole_file(path) as part, part.open("wb") as output:
        _call(command, folder / "evaluate.log", place.stopping, output)
    report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return report


def _options(name: str, values: tuple[Path, ...]) -> list[str]:
    return [word for value in values for word in (name, str(value))]


def _call(arguments: list[str], log: Path, stopping: Callable[[], bool], output: IO[bytes] | None = None) -> None:
    """Run a command of stemlive and wait; a stop request is passed on, so that it saves its state.

    What it prints goes to the log, and only its standard error where an `output` takes the rest.
    """
    if stopping():
        raise StopAskedError
    with log.open("a", encoding="utf-8") as file:
        begin = file.tell()
        process = start_apart(
            [*PROGRAM, *arguments],
            stdout=file if output is None else output,
            stderr=file,
            env={**CPU_ENVIRONMENT, **os.environ},
        )
        asked = False
        while process.poll() is None:
            if stopping() and not asked:
                ask_to_end(process)
                asked = True
            time.sleep(0.1)
    if asked or stopping():
        raise StopAskedError
    if process.returncode:
        raise TrainingError(f"{arguments[0]} {_reason(log, begin, process.returncode)} (log: {log})")


def _reason(log: Path, begin: int, code: int) -> str:
    """Return why a command failed: its first error in this part of the log, or its exit status."""
    with log.open("rb") as file:
        file.seek(begin)
        lines = file.read().decode(errors="replace").splitlines()
    prefix = "stemlive: error: "
    errors = [line.removeprefix(prefix) for line in lines if line.startswith(prefix)]
    return f"failed: {errors[0]}" if errors else f"was killed by signal {-code}" if code < 0 else f"ended with {code}"


def _write_json(path: Path, values: Any) -> None:
    """Write a JSON file atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as part:
        part.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
