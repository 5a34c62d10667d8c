"""How a song is practised with `stream`: --tempo."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, wraps
from typing import TYPE_CHECKING, Any

import click

from stemlive.errors import UsageError
from stemlive.grouped_help import GroupedOption, grouped

if TYPE_CHECKING:
    from stemlive.realtime.audio_files.pipes import PipeReader
    from stemlive.realtime.audio_files.reader import AudioReader
    from stemlive.realtime.audio_files.tempo import TempoReader
    from stemlive.realtime.control.transport import Transport


@dataclass(frozen=True)
class Practice:
    """The tempo of a song, in percent of its own."""

    tempo_percent: float = 100.0

    def check_input(self, *, song: bool) -> None:
        """Raise UsageError for what only a song can do."""
        if not song and self.tempo_percent != 100:
            raise UsageError("--tempo is for songs: what comes from a device or a pipe comes at its own time")

    def set_up(self, song: "Transport") -> None:
        """Apply it. StemliveError as in `Transport.set_tempo_percent`."""
        if self.tempo_percent != 100:
            song.set_tempo_percent(self.tempo_percent)

    def reader(self, reader: "AudioReader | PipeReader") -> "AudioReader | PipeReader | TempoReader":
        """Return a reader at this tempo."""
        from stemlive.realtime.audio_files.reader import AudioReader
        from stemlive.realtime.audio_files.tempo import TempoReader

        if self.tempo_percent == 100 or not isinstance(reader, AudioReader):
            return reader
        return TempoReader(reader, self.tempo_percent)


def practice_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add --tempo; the command gets it as the argument `practice`, a Practice."""

    @wraps(function)
    def command(*arguments: Any, tempo: float, **others: Any) -> Any:
        return function(*arguments, practice=Practice(tempo), **others)

    option = partial(click.option, cls=GroupedOption)
    added: Callable[..., Any] = grouped(
        "Practice",
        option(
            "--tempo",
            metavar="PERCENT",
            type=click.FloatRange(50, 150),
            default=100.0,
            show_default=True,
            help="Tempo of a song, 50 to 150, at the same pitch; also of what is recorded.",
        ),
    )(command)
    return added
