"""Where the sound goes, as `stream` takes it: --output-channels, --route, --cue, --cue-preset and --cue-gain."""

from collections.abc import Callable
from functools import partial, wraps
from typing import Any

import click

from stemlive.errors import UsageError
from stemlive.grouped_help import GroupedOption, grouped
from stemlive.mix_options import Mix, complete_presets, complete_stems, read_gains


def output_channel_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options; the command gets them as `outputs`, an Outputs, and `cue`, a Mix."""

    @wraps(function)
    def command(
        *arguments: Any,
        output_channels: str | None,
        routes: tuple[str, ...],
        cue: str | None,
        cue_preset: str | None,
        cue_gains: tuple[str, ...],
        **others: Any,
    ) -> Any:
        from stemlive.realtime.shared.outputs import Outputs

        if cue is None and (cue_preset or cue_gains):
            raise UsageError(
                "--cue-preset and --cue-gain are for a second mix: add --cue with its outputs, as --cue 3,4"
            )
        outputs = Outputs(
            None if output_channels is None else read_channels(output_channels),
            tuple(_read_route(route) for route in routes),
            () if cue is None else read_channels(cue),
        )
        return function(*arguments, outputs=outputs, cue=Mix(cue_preset, read_gains(cue_gains)), **others)

    option = partial(click.option, cls=GroupedOption)
    added: Callable[..., Any] = grouped(
        "Outputs",
        option(
            "--output-channels",
            metavar="N[,N]",
            help="Outputs of the mix, counted from 1; one is mono.  [default: 1,2]",
        ),
        option(
            "--route",
            "routes",
            metavar="STEM=N[,N]",
            multiple=True,
            shell_complete=partial(complete_stems, suffix="="),
            help="Outputs of a stem, in place of the mix: vocals=3,4. May be repeated, also for the same stem.",
        ),
        option(
            "--cue",
            metavar="N[,N]",
            help="Outputs of a second mix of all stems, for headphones or the stage, with the microphone.",
        ),
        option("--cue-preset", metavar="NAME", shell_complete=complete_presets, help="Preset of the second mix."),
        option(
            "--cue-gain",
            "cue_gains",
            metavar="STEM=DB",
            multiple=True,
            shell_complete=partial(complete_stems, suffix="="),
            help="Gain of a stem in it, -inf to +12 dB. May be repeated, or written vocals=-6,drums=-inf.",
        ),
    )(command)
    return added


def read_channels(value: str) -> tuple[int, ...]:
    """Parse `3,4` to (3, 4). UsageError for anything else."""
    parts = value.split(",")
    if not all(part.strip().isdecimal() for part in parts):
        raise UsageError(f"'{value}' is not a list of channels: write numbers from 1 on, for example 3,4")
    return tuple(int(part) for part in parts)


def _read_route(text: str) -> tuple[str, tuple[int, ...]]:
    stem, equals, channels = text.partition("=")
    if not stem.strip() or not equals:
        raise UsageError(f"'{text}' is not a route: write STEM=N or STEM=N,N, for example vocals=3,4")
    return stem.strip(), read_channels(channels)
