"""How songs are practised with `stream` and `play`: --tempo, --loop and --count-in."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, wraps
from typing import TYPE_CHECKING, Any

import click

from stemlive.errors import UsageError
from stemlive.grouped_help import GroupedOption, grouped
from stemlive.options import Time

if TYPE_CHECKING:
    from stemlive.realtime.audio_files.pipes import PipeReader
    from stemlive.realtime.audio_files.reader import AudioReader
    from stemlive.realtime.audio_files.tempo import TempoReader
    from stemlive.realtime.control.transport import Transport


@dataclass(frozen=True)
class Practice:
    """The tempo of a song in percent of its own, a loop in seconds of the song, and a count-in."""

    tempo_percent: float = 100.0
    loop: tuple[float, float] | None = None
    faster_percent: float = 0.0
    most_percent: float = 100.0
    count_in: int = 0
    bpm: float = 0.0

    def __post_init__(self) -> None:
        if self.faster_percent and self.most_percent <= self.tempo_percent:
            raise UsageError(
                f"--loop-faster begins at --tempo {self.tempo_percent:g} and ends at --loop-until "
                f"{self.most_percent:g}: give a lower --tempo, or a higher end"
            )
        if self.bpm and not self.count_in:
            raise UsageError("--bpm is for the beats of --count-in: give their number, too")

    def check_input(self, *, song: bool, heard: bool = True) -> None:
        """Raise UsageError for what only a song can do, or only one that is heard."""
        if not song and self.tempo_percent != 100:
            raise UsageError("--tempo is for songs: what comes from a device or a pipe comes at its own time")
        if not (song and heard) and (self.loop or self.faster_percent or self.count_in):
            raise UsageError("--loop, --loop-faster and --count-in are for songs that are heard: leave them out")

    def check_songs(self, count: int) -> None:
        """Raise UsageError for what only one song can do."""
        if self.loop and count > 1:
            raise UsageError("--loop is a part of one song: name that song alone")

    def set_up_all(self, song: "Transport") -> None:
        """Let all songs begin at the tempo, before the first one is requested. Errors as in `Transport`."""
        if self.tempo_percent != 100:
            song.set_first_tempo_percent(self.tempo_percent)

    def set_up(self, song: "Transport") -> None:
        """Apply it to the song that is requested. UsageError and StemliveError as in `Transport`."""
        if self.tempo_percent != 100:
            song.set_tempo_percent(self.tempo_percent)
        song.set_rounds(self.faster_percent, self.most_percent)
        song.set_count_in(self.count_in, self.bpm)
        if self.loop:
            song.set_loop(self.loop)
            song.seek(self.loop[0])

    def reader(self, reader: "AudioReader | PipeReader") -> "AudioReader | PipeReader | TempoReader":
        """Return a reader at this tempo."""
        from stemlive.realtime.audio_files.reader import AudioReader
        from stemlive.realtime.audio_files.tempo import TempoReader

        if self.tempo_percent == 100 or not isinstance(reader, AudioReader):
            return reader
        return TempoReader(reader, self.tempo_percent)


def practice_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options; the command gets them as the argument `practice`, a Practice."""

    @wraps(function)
    def command(
        *arguments: Any,
        tempo: float,
        loop: tuple[float, float] | None,
        loop_faster: float,
        loop_until: float,
        count_in: int,
        bpm: float | None,
        **others: Any,
    ) -> Any:
        practice = Practice(tempo, loop, loop_faster, loop_until, count_in, bpm or 0.0)
        return function(*arguments, practice=practice, **others)

    option = partial(click.option, cls=GroupedOption)
    percent = click.FloatRange(50, 150)
    added: Callable[..., Any] = grouped(
        "Practice",
        option(
            "--tempo",
            metavar="PERCENT",
            type=percent,
            default=100.0,
            show_default=True,
            help="Tempo of a song, 50 to 150, at the same pitch; also of what is recorded.",
        ),
        option(
            "--loop",
            metavar="FROM-TO",
            callback=_part,
            help="Begin there and repeat this part of a song, for example 1:05-1:20.",
        ),
        option(
            "--loop-faster",
            metavar="PERCENT",
            type=click.FloatRange(0, 25),
            default=0.0,
            help="Play each round of a loop so much faster.",
        ),
        option(
            "--loop-until",
            metavar="PERCENT",
            type=percent,
            default=100.0,
            show_default=True,
            help="Tempo at which it gets no faster.",
        ),
        option(
            "--count-in",
            metavar="BEATS",
            type=click.IntRange(0, 16),
            default=0,
            help="Clicks before a song goes on after it stood, and before each round of a loop.",
        ),
        option(
            "--bpm",
            metavar="N",
            type=click.FloatRange(30, 300),
            help="Beats per minute of the song, for the count-in.  [default: a click per second]",
        ),
    )(command)
    return added


def _part(ctx: click.Context, parameter: click.Parameter, value: str | None) -> tuple[float, float] | None:
    if value is None:
        return None
    first, dash, last = value.partition("-")
    if not dash:
        raise UsageError(f"'{value}' is no part of a song: write FROM-TO, for example 1:05-1:20")
    part = (Time().convert(first, parameter, ctx), Time().convert(last, parameter, ctx))
    if part[1] <= part[0]:
        raise UsageError(f"'{value}' ends before it begins")
    return part
