"""The mix that is heard, as `separate`, `stream` and `play` take it: --preset, --gain, --mute and --solo; --key."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, wraps
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from stemlive.errors import UsageError
from stemlive.grouped_help import GroupedOption, grouped

if TYPE_CHECKING:
    from stemlive.realtime.control.controls import Controls
    from stemlive.realtime.control.cue import CueControls
    from stemlive.realtime.separation.mixer import Mixer


@dataclass(frozen=True)
class Mix:
    """A preset, and gains in dB, mutes and solos on top of it."""

    preset: str | None = None
    gains_db: tuple[tuple[str, float], ...] = ()
    mutes: tuple[str, ...] = ()
    solos: tuple[str, ...] = ()

    @property
    def given(self) -> bool:
        """Whether anything was chosen."""
        return self != Mix()

    @property
    def name(self) -> str:
        """A name for a file: the preset's, or `mix` for anything else."""
        return self.preset if self.preset is not None and self == Mix(self.preset) else "mix"

    def set_up(self, mixer: "Mixer | Controls | CueControls") -> None:
        """Apply the preset, then gains (which unmute their stem), mutes and solos. UsageError as in Mixer."""
        if self.preset is not None:
            mixer.apply_preset(self.preset)
        for stem, gain_db in self.gains_db:
            mixer.set_gain_db(stem, gain_db)
            mixer.mute(stem, False)
        for stem in self.mutes:
            mixer.mute(stem)
        for stem in self.solos:
            mixer.solo(stem)


def read_mix(text: str) -> Mix:
    """Parse `karaoke`, or `vocals=-inf,drums=-6`, or a preset followed by gains. UsageError for anything else."""
    first, *rest = (part.strip() for part in text.split(","))
    if "=" in first:
        return Mix(gains_db=tuple(split_gain(part) for part in [first, *rest]))
    return Mix(first, tuple(split_gain(part) for part in rest))


def split_gain(text: str) -> tuple[str, float]:
    """Parse `vocals=-6` to ("vocals", -6.0); -inf is off. UsageError for anything else."""
    stem, _, number = text.partition("=")
    try:
        gain_db = float(number)
    except ValueError:
        gain_db = math.nan
    if not stem.strip() or math.isnan(gain_db):
        raise UsageError(f"'{text}' is not a gain: write STEM=DB, for example vocals=-6 or drums=-inf")
    return stem.strip(), gain_db


def read_gains(texts: tuple[str, ...]) -> tuple[tuple[str, float], ...]:
    """Parse `vocals=-6,drums=-inf`, given once or several times. UsageError as in `split_gain`."""
    return tuple(split_gain(part) for part in _parts(texts))


def mix_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add --preset, --gain, --mute and --solo; the command gets them as one argument `mix`, a Mix."""

    @wraps(function)
    def command(
        *arguments: Any,
        preset: str | None,
        gains: tuple[str, ...],
        mutes: tuple[str, ...],
        solos: tuple[str, ...],
        **others: Any,
    ) -> Any:
        return function(*arguments, mix=Mix(preset, read_gains(gains), _parts(mutes), _parts(solos)), **others)

    option = partial(click.option, cls=GroupedOption)
    added: Callable[..., Any] = grouped(
        "Mix",
        option(
            "--preset",
            metavar="NAME",
            shell_complete=complete_presets,
            help="karaoke, acapella, no-drums, no-bass, drums-and-bass or original; --gain, --mute and --solo go on "
            "top.",
        ),
        option(
            "--gain",
            "gains",
            metavar="STEM=DB",
            multiple=True,
            shell_complete=partial(complete_stems, suffix="="),
            help="Gain of a stem, -inf to +12 dB. May be repeated, or written vocals=-6,drums=-inf.",
        ),
        option(
            "--mute",
            "mutes",
            metavar="STEM",
            multiple=True,
            shell_complete=complete_stems,
            help="Silence a stem. May be repeated, or written vocals,drums.",
        ),
        option(
            "--solo",
            "solos",
            metavar="STEM",
            multiple=True,
            shell_complete=complete_stems,
            help="Hear only this stem. May be repeated, or written vocals,drums.",
        ),
    )(command)
    return added


def _parts(texts: tuple[str, ...]) -> tuple[str, ...]:
    """Split values at commas."""
    return tuple(part.strip() for text in texts for part in text.split(","))


def complete_presets(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the name of a preset."""
    from stemlive.realtime.separation.mixer import PRESETS

    return [CompletionItem(name) for name in PRESETS if name.startswith(incomplete)]


def complete_stems(_: click.Context, __: click.Parameter, incomplete: str, suffix: str = "") -> list[CompletionItem]:
    """Complete the last stem of a list with commas."""
    from stemlive.realtime.separation.mixer import STANDARD_STEMS

    before, comma, last = incomplete.rpartition(",")
    return [CompletionItem(f"{before}{comma}{stem}{suffix}") for stem in STANDARD_STEMS if stem.startswith(last)]


def key_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add --key."""
    option = click.option(
        "--key",
        "semitones",
        cls=GroupedOption,
        metavar="SEMITONES",
        type=click.IntRange(-6, 6),
        default=0,
        show_default=True,
        help="Key of what is heard, -6 to 6; not of the microphone, nor of a recording.",
    )
    added: Callable[..., Any] = grouped("Mix", option)(function)
    return added
