"""Which place of which song is heard at which sample of the source's ring."""

from typing import Any, NamedTuple

from stemlive.realtime.devices.song_loader import LoadedSong

_MARKS = 64


class Mark(NamedTuple):
    """From sample `number` of the ring on, `song` plays from `position_s`, or is paused there."""

    number: float
    song: LoadedSong
    position_s: float
    plays: bool
    ended: bool
    tempo_percent: float
    tempos: int

    @property
    def speed(self) -> float:
        """Seconds of the song in a second; 0 while it stands."""
        return self.tempo_percent / 100 if self.plays else 0.0

    def tell(self, telemetry: Any, later_s: float) -> None:
        """Write what is heard so many seconds after the mark."""
        length_s = self.song.length_s
        telemetry["song_length_s"] = length_s
        telemetry["song_s"] = min(self.position_s + self.speed * later_s, length_s)
        telemetry["song_speed"] = self.speed
        telemetry["song_ended"] = self.ended
        telemetry["song_number"] = self.song.number
        telemetry["song_tempo_percent"], telemetry["song_tempos"] = self.tempo_percent, self.tempos


class Marks:
    """The last marks. The source's thread adds them, the engine's looks them up."""

    def __init__(self) -> None:
        self._marks: tuple[Mark, ...] = ()

    def add(self, mark: Mark) -> None:
        """Add one, later than all others."""
        self._marks = (*self._marks[-_MARKS:], mark)

    @property
    def last(self) -> Mark | None:
        """The newest one."""
        marks = self._marks
        return marks[-1] if marks else None

    def tell(self, telemetry: Any, played: float, later: float, sample_rate_hz: int, now_s: float) -> None:
        """Write what is heard now: sample `played` of the ring, `later` samples after the device says so.

        The song has ended when its sound has, too, also where what is heard runs ahead of the sound.
        """
        mark = self.at(played - later)
        if mark is not None:
            mark.tell(telemetry, (played - later - mark.number) / sample_rate_hz)
            sounds = self.at(played)
            telemetry["song_ended"] = mark.ended and sounds is not None and sounds.ended
            telemetry["song_at_s"] = now_s

    def at(self, number: float) -> Mark | None:
        """Return the one that holds at a sample of the ring."""
        return next((mark for mark in reversed(self._marks) if mark.number <= number), None)
