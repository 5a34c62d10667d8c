"""Options, value formats and messages shared by several sub-commands."""

import json
import math
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from stemlive.errors import StemliveError, UsageError

if TYPE_CHECKING:
    from stemlive.realtime.separation.separator import Separator
    from stemlive.whole_song import WholeSong

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


class Time(click.ParamType):  # type: ignore[type-arg]  # not generic before click 8.4
    """A time in seconds, or with minutes, or with hours: 90, 1:30, 1:02:03.5."""

    name = "time"

    def __init__(self, least_s: float = 0.0, most_s: float = math.inf) -> None:
        self._least_s, self._most_s = least_s, most_s

    def convert(self, value: str | float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the time in seconds; an error for what is no time, or one out of range."""
        if not isinstance(value, str):
            return value
        *units, last = value.split(":")
        try:
            if len(units) > 2 or not all(unit.isdecimal() for unit in units) or (units and not 0 <= float(last) < 60):
                raise ValueError
            seconds = float(last)
        except ValueError:
            self.fail(f"{value} is not a time: write seconds, 1:30 or 1:02:03.", param, ctx)
        for power, unit in enumerate(reversed(units), 1):
            seconds += int(unit) * 60**power
        if not math.isfinite(seconds) or seconds < 0:
            self.fail(f"{value} is not a time of 0 seconds or more.", param, ctx)
        if not self._least_s <= seconds <= self._most_s:
            most = f" and {self._most_s:g} s at most" if self._most_s < math.inf else ""
            self.fail(f"{value} is out of range: {self._least_s:g} s at least{most}.", param, ctx)
        return seconds


class Weights(click.Path):
    """A file with weights: a checkpoint or exported model, the name of a bundled one, or a run's folder (its best)."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Return the path of the file; what does not exist stays as it is."""
        from stemlive.realtime.model_file.bundled import bundled_models, resolve_model

        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        if path.is_dir():
            return next((path / name for name in ("best.pt", "weights.pt") if (path / name).exists()), path)
        return resolve_model(str(path)).path if not path.exists() and str(path) in bundled_models() else path


def model_option(function: Decorated) -> Decorated:
    """Add --model."""
    return click.option(
        "--model",
        metavar="MODEL",
        shell_complete=_models,
        help="A bundled model's name (see `stemlive models`) or an .onnx file.",
    )(function)


def _models(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete a bundled model's name, or the path of a file."""
    from stemlive.realtime.model_file.bundled import bundled_models

    names = [CompletionItem(name) for name in bundled_models() if name.startswith(incomplete)]
    return names or [CompletionItem(incomplete, type="file")]


def complete_end(_: click.Context, __: click.Parameter, incomplete: str, direction: str) -> list[CompletionItem]:
    """Complete device:NAME from the devices of one direction, or the path of a file."""
    from stemlive.realtime.devices.catalogue import list_devices

    prefix = "device:"
    if not incomplete or (not prefix.startswith(incomplete) and not incomplete.startswith(prefix)):
        return [CompletionItem(incomplete, type="file")]
    try:
        found = [device.name for device in list_devices() if getattr(device, f"{direction}s")]
    except StemliveError:
        found = []
    ends = [prefix + name for name in ("default", *found)]
    return [CompletionItem(end) for end in ends if end.startswith(incomplete)]


def inference_options(function: Decorated) -> Decorated:
    """Add --inference and --hop: how a whole song goes through a model."""
    hop = click.option(
        "--hop",
        "hop_s",
        metavar="S",
        type=click.FloatRange(0.5, 1.5),
        default=1.0,
        show_default=True,
        help="Seconds from piece to piece of overlap-add.",
    )
    return click.option(
        "--inference",
        "method",
        type=click.Choice(["stream", "segments", "overlap-add"]),
        help="Whole songs at once with carried state, 10 s segments with a cross-fade, or overlapping 3 s pieces.  "
        "[default: stream if causal, else segments]",
    )(hop(function))


def threads_option(function: Decorated) -> Decorated:
    """Add --threads."""
    return click.option(
        "--threads",
        type=click.IntRange(1, 64),
        default=1,
        show_default=True,
        help="Processor threads for the model.",
    )(function)


def passes_option(function: Decorated) -> Decorated:
    """Add --passes."""
    return click.option(
        "--passes",
        metavar="N",
        type=click.IntRange(1, 4),
        default=1,
        show_default=True,
        help="Separate so many times, at speeds a little apart, and take the mean: fewer errors, N times as long.",
    )(function)


def check_passes(passes: int, checkpoint: Path | None) -> None:
    """Raise UsageError for several passes of a checkpoint."""
    if passes > 1 and checkpoint is not None:
        raise UsageError("--passes is for an exported model: leave it out with --checkpoint")


def data_option(help_text: str) -> Callable[[Decorated], Decorated]:
    """Add --data: one or more folders of recordings, passed on as `roots`."""
    return click.option(
        "--data",
        "roots",
        multiple=True,
        required=True,
        type=click.Path(file_okay=False, path_type=Path),
        help=help_text,
    )


def songs_options(function: Decorated) -> Decorated:
    """Add --data and --split: songs whose stems are known."""
    split = click.option(
        "--split", default="valid", show_default=True, help="Which part of the data: train, valid or test."
    )
    return data_option(
        "Folder with <split>/<song>/<stem> audio files, as MUSDB18-HQ has it; may be given several times."
    )(split(function))


def beginning_option(function: Decorated) -> Decorated:
    """Add --seconds, for commands that score songs."""
    return click.option("--seconds", metavar="TIME", type=Time(1), help="Only the beginning of each song.")(function)


def json_option(help_text: str = "Print JSON.") -> Callable[[Decorated], Decorated]:
    """Add --json, which prints on standard output in place of text; a file is made by `> FILE`."""
    return click.option("--json", "as_json", is_flag=True, help=help_text)


def echo_json(value: object) -> None:
    """Print JSON on standard output."""
    click.echo(json.dumps(value, indent=2, allow_nan=False))


def _cache_folder(ctx: click.Context, parameter: click.Parameter, value: Path) -> Path:
    """Option callback: the folder; if the default one cannot be made, a temporary one that goes with the command."""
    default = ctx.get_parameter_source(str(parameter.name)) == ParameterSource.DEFAULT
    try:
        folder = value.expanduser()
        if default:
            folder.mkdir(parents=True, exist_ok=True)
        return folder
    except (RuntimeError, OSError) as error:
        why = getattr(error, "strerror", None) or "there is no home folder"
        if not default:
            raise click.BadParameter(f"{value}: {why}.", param=parameter) from error
    temporary = TemporaryDirectory(prefix="stemlive-", ignore_cleanup_errors=True)
    ctx.call_on_close(temporary.cleanup)
    warn(f"decoded audio is not kept, because {value} cannot be made ({why}): choose another folder with --cache")
    return Path(temporary.name)


def cache_option(function: Decorated) -> Decorated:
    """Add --cache: the folder for decoded training data, the same for all commands."""
    return click.option(
        "--cache",
        default=Path("~/.cache/stemlive"),
        show_default=True,
        type=click.Path(file_okay=False, path_type=Path),
        callback=_cache_folder,
        help="Folder for decoded audio (10 MB a minute, 20 for songs to score), the same for all commands.",
    )(function)


def output_options(function: Decorated) -> Decorated:
    """Add --force and --quiet."""
    quiet = click.option("--quiet", is_flag=True, help="Print nothing but warnings and errors.")
    return click.option("--force", is_flag=True, help="Replace files that exist.")(quiet(function))


def warn(message: str) -> None:
    """Print a one-line warning on standard error."""
    click.echo(f"stemlive: warning: {' '.join(message.split())}", err=True)


def tell_terms(line: str) -> None:
    """Print the conditions on using a model (ModelInfo.terms_line) on standard error, even if all else is quiet."""
    if line:
        click.echo(f"stemlive: {line}", err=True)


def warn_of_input(note: str, separator: "Separator | WholeSong") -> None:
    """Warn of problems with the audio: the reader's `note`, bad samples, frames on which the model failed."""
    from stemlive.realtime.separation.song import faults

    if note:
        warn(note)
    for fault in faults(separator):
        warn(fault)


def warn_of_clipping(name: str, clipped_samples: int) -> None:
    """Warn of samples that were too loud for the encoding of an output."""
    if clipped_samples:
        warn(clipping(name, clipped_samples))


def clipping(name: str, clipped_samples: int) -> str:
    """Return a warning of samples that were too loud for the encoding of an output."""
    return f"{name}: {clipped_samples} samples were louder than full scale and are clipped; 32-bit WAV keeps them"


@contextmanager
def progress(label: str, total: int | None, *, rate: int = 1, quiet: bool = False) -> Iterator[Callable[[int], None]]:
    """Show a progress bar on standard error; yields the function that advances it by a number of steps.

    There is no bar if standard error is not a terminal. With `total` None the length is unknown, and the bar shows
    seconds of `rate` steps each.
    """
    if quiet or sys.stderr is None or not sys.stderr.isatty():
        yield lambda steps: None
        return
    done = 0

    def advance(steps: int) -> None:
        nonlocal done
        done += steps
        bar.update(steps, done)

    with click.progressbar(
        count() if total is None else None,
        total,
        label,
        item_show_func=(lambda steps: f"{(steps or 0) / rate:.0f} s") if total is None else None,
        file=sys.stderr,
        update_min_steps=max((total or rate) // 500, 1),
    ) as bar:
        yield advance
