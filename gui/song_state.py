"""What is wanted of the open song, as a value that outlives engines."""

from dataclasses import dataclass
from pathlib import Path

from stemlive.realtime.control.transport import Transport


@dataclass
class SongState:
    """The requested state of the open song; kept across engines and passed to each."""

    playing: bool = False
    position_s: float = 0.0
    loop: tuple[float, float] | None = None
    tempo_percent: float = 100.0
    number: int = 1
    """Of the request for it; an engine may still tell of the song before."""

    def begin(self, song: Transport, path: Path) -> None:
        """Request all of it from an engine that has not started. StemliveError for a tempo that cannot be had."""
        song.play_now(path)
        song.seek(self.position_s)
        song.set_loop(self.loop)
        self.go_on(song)

    def go_on(self, song: Transport) -> None:
        """Request what may have changed while the engine was opened."""
        if self.tempo_percent != song.tempo_percent:
            song.set_tempo_percent(self.tempo_percent)
        song.play(self.playing)
