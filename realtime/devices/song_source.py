"""Songs as the engine's source, one after another, with pause, seek, loop and tempo, each without a click."""

from collections import deque

import numpy as np
from numpy.typing import NDArray

from stemlive.errors import AudioFileError
from stemlive.realtime.devices.count_in import Clicks
from stemlive.realtime.devices.file_device import NAP_S, FileSource
from stemlive.realtime.devices.song_loader import LoadedSong, SongLoader
from stemlive.realtime.devices.song_marks import Mark, Marks
from stemlive.realtime.shared import song_requests
from stemlive.realtime.shared.memory import EngineMemory
from stemlive.realtime.shared.priority import raise_priority

FloatArray = NDArray[np.float32]

_AHEAD_S = 0.1  # read-ahead, and so a part of the time from a request until it is heard
_BLOCK_S = 0.01
_FADE_S = 0.01
_TEMPO_S = 0.2
"""Least time between two changes of the tempo, each of which takes the stretcher some milliseconds at once."""
_IDLE_AFTER_S = 1.0
"""By then all that was read before has been played."""
_IDLE_NAP_S = 0.05
_GAIN_PER_S = 0.5
"""How fast the gain of a song that plays may change."""
_PRIORITY = 9  # below the engine's own: that can wait for nothing, and this one for `_AHEAD_S`
_CHANNELS = 2
"""Of every song, so that one in mono can be followed by one in stereo."""


class SongSource(FileSource):
    """Audio files that `Transport` controls through the shared memory; silence while paused.

    It starts at the last requested position or, if that was already carried out by an earlier process, at the position
    in the telemetry. When a song has ended, the one that was requested to follow goes on at the next sample, or at
    another sample rate at the next instant. Its own thread reads; the engine's thread calls `tell` and `jumped`.
    """

    def __init__(self, song: LoadedSong, sample_rate_hz: int, memory: EngineMemory) -> None:
        super().__init__(song.reader, sample_rate_hz, ahead_s=_AHEAD_S, channels=_CHANNELS)
        self._memory = memory
        self._loader = SongLoader(memory.parameters)
        self._song = song
        self._rise: FloatArray = np.zeros((0, 1), np.float32)
        self._gain = 1.0
        self._base = self._fed = self._tempos = 0
        self._retimed = 0.0
        self._failed = (0, "")
        self._plays = self._ended = False
        self._marks = Marks()
        self.clicks = Clicks(sample_rate_hz, memory.parameters)
        """Of the count-in, for the engine to add to what is heard."""
        self._counting = 0
        """Samples until the song begins after a count-in."""
        self._jumps: deque[float] = deque()
        self._begin(song)
        parameters, telemetry = memory.parameters, memory.telemetry
        self._seeks = int(parameters["seeks"])
        if song.number == int(telemetry["song_number"]) and self._tempos == int(telemetry["song_tempos"]):
            song.reader.seek(0, float(telemetry["song_tempo_percent"]))
        if self._seeks == int(telemetry["song_seeks"]) and song.number == int(telemetry["song_number"]):
            self._go_to(float(telemetry["song_s"]))
        elif song.number == int(parameters["seek_song"]):
            self._go_to(float(parameters["seek_s"]))
        telemetry["song_length_s"], telemetry["song_s"] = song.length_s, song.reader.position / song.rate_hz
        telemetry["song_number"] = song.number

    def tell(self, played: float, now_s: float, later: float = 0.0) -> None:
        """Engine: publish the position in the song that is heard now (monotonic).

        The ring's sample `played` is the one that the device says is heard; it is heard so many samples `later`.
        """
        number, problem = max(self._failed, self._loader.failed)
        if number != int(self._memory.telemetry["song_failed"]):
            self._memory.set_song_problem(number, problem)
        self._memory.telemetry["song_beat"] = self.clicks.beat_at(played - later)
        self._marks.tell(self._memory.telemetry, played, later, self.sample_rate_hz, now_s)

    def idle(self, taken: int) -> bool:
        """Engine: whether the song has stood still for a second before the ring's sample `taken`, and stays so."""
        parameters = self._memory.parameters
        mark = self._marks.last
        if mark is None or mark.plays or taken < mark.number + _IDLE_AFTER_S * self.sample_rate_hz:
            return False
        if int(parameters["song_now"]) > max(mark.song.number, self._loader.failed[0]):
            return False
        return int(parameters["seeks"]) == self._seeks and bool(parameters["playing"]) == mark.ended

    def jumped(self, taken: int) -> bool:
        """Engine: whether another place or song begins before the ring's sample `taken`, since the last call."""
        if not self._jumps or self._jumps[0] > taken:
            return False
        self._jumps.popleft()
        return True

    def close(self) -> None:
        """Stop reading, and close the songs."""
        super().close()
        self._loader.close()

    def _run(self) -> None:
        raise_priority(_PRIORITY)
        self._mark()
        while not self._closing.is_set():
            self._append(self._next())

    def _next(self) -> FloatArray:
        """Return the next samples [n, C], carrying out new requests with a cross-fade."""
        parameters, on = self._memory.parameters, self._song.number
        at_once, after = int(parameters["song_now"]), int(parameters["song_next"])
        coming = at_once if at_once > on else after if after > on else 0
        self._loader.want(coming)
        if at_once > on and (song := self._loader.take()) is not None:
            return self._switch(song)
        seeks, playing = self._sought(), bool(parameters["playing"])
        if self._counting:
            if playing and seeks == self._seeks and self._tempo() is None:
                return self._count()
            self._stop_counting()
        block = min(self._block, self._song.left) if self._plays else self._block
        wraps_to = None
        if (loop := self._loop()) is not None:
            to_wrap = round((loop[1] - self._song.reader.position) / self._song.reader.speed)
            # A position beyond the loop's end plays on, unless a fade has just led there.
            if -len(self._rise) < to_wrap <= 0:
                wraps_to = loop[0]
            elif to_wrap > 0:
                block = min(block, to_wrap)
        retimes = self._plays and self._tempo() is not None
        retimes = retimes and self._number() - self._retimed >= _TEMPO_S * self.sample_rate_hz
        if seeks != self._seeks or playing != (self._plays or self._ended) or wraps_to is not None or retimes:
            return self._cross_fade(seeks, playing, wraps_to)
        return self._go_on(block, padded=not self._plays) if block > 0 else self._at_the_end(coming)

    def _cross_fade(self, seeks: int, playing: bool, wraps_to: int | None) -> FloatArray:
        """Return the cross-fade to what is wanted now within the song."""
        reader, place = self._song.reader, self._song.reader.position
        old = self._go_on(len(self._rise))
        self._fed -= len(old)  # the fade-in overlaps it
        if (tempo_percent := self._tempo()) is not None:
            self._tempos, self._retimed = int(self._memory.parameters["tempos"]), self._number()
            reader.seek(place, tempo_percent)
        if seeks != self._seeks:
            self._seeks = seeks
            self._go_to(float(self._memory.parameters["seek_s"]))
        elif wraps_to is not None:
            reader.seek(wraps_to, song_requests.next_round(self._memory.parameters, reader.tempo_percent))
        elif playing and not self._song.left:
            self._go_to(0.0)
        elif tempo_percent is not None and self._plays and playing:
            self._mark()
            return self._faded(old)
        begins = wraps_to is not None or not self._plays
        counts_s = self.clicks.begin(self._number(), reader.speed) if playing and begins and self._song.left else 0.0
        self._go_on_from_here(playing and not counts_s)
        self._counting = max(0, round(counts_s * self._song.rate_hz) - len(self._rise))
        return self._faded(old)

    def _count(self) -> FloatArray:
        """Return silence, and at its end the song's beginning, faded in."""
        if self._counting > self._block:
            self._counting -= self._block
            return self._go_on(self._block)
        self._append(self._go_on(self._counting))
        self._counting = 0
        self._go_on_from_here(playing=True)
        return np.asarray(self._go_on(len(self._rise)) * self._rise, np.float32)

    def _stop_counting(self) -> None:
        self._counting = 0
        self.clicks.cancel(self._number())

    def _faded(self, old: FloatArray) -> FloatArray:
        new = self._go_on(len(self._rise))
        return np.asarray(new * self._rise + old * self._rise[::-1], np.float32)

    def _switch(self, song: LoadedSong) -> FloatArray:
        """Return the beginning of another song, faded in; the end of this one, faded out, is appended before."""
        self._stop_counting()
        self._append(np.asarray(self._go_on(len(self._rise)) * self._rise[::-1], np.float32))
        self._begin(song)
        if (seeks := self._sought()) != self._seeks:
            self._seeks = seeks
            self._go_to(float(self._memory.parameters["seek_s"]))
        self._go_on_from_here(bool(self._memory.parameters["playing"]))
        return np.asarray(self._go_on(len(self._rise)) * self._rise, np.float32)

    def _at_the_end(self, coming: int) -> FloatArray:
        """Go on with the song that is to come; return what fills the time until it is open, or has been requested."""
        if coming in (0, self._loader.failed[0]):
            self._plays, self._ended = False, True
            self._mark()
        elif (song := self._loader.take()) is not None:
            self._begin(song)
            self._go_on_from_here(playing=True)
            return np.zeros((0, _CHANNELS), np.float32)
        return self._go_on(self._block)

    def _begin(self, song: LoadedSong) -> None:
        """Put on a song at its start. Where the sample rate stays, the ring's next sample is its first."""
        if self._marks.last is not None:
            before = self._song
            if song.rate_hz != before.rate_hz:
                self._drain()
                self._resample(song.rate_hz)
                self._base, self._fed = self._ring.written, 0
            before.close()
        self._song, self._reader = song, song.reader
        if (tempo_percent := self._tempo()) is not None:
            self._tempos = int(self._memory.parameters["tempos"])
            song.reader.seek(0, tempo_percent)
        elif (begins_percent := song_requests.first_tempo_of(self._memory.parameters, song.number)) != 100:
            song.reader.seek(0, begins_percent)
        self._gain = song_requests.gain_of(self._memory.parameters, song.number)
        self._block, fade = round(_BLOCK_S * song.rate_hz), round(_FADE_S * song.rate_hz)
        self._rise = np.asarray((np.arange(fade)[:, None] + 0.5) / fade, np.float32)

    def _go_on_from_here(self, playing: bool) -> None:
        """Note that from the next sample on another place is heard, or silence."""
        self._plays = playing and self._song.left > 0
        self._ended = playing and not self._plays
        if self._plays:
            self._jumps.append(self._number())
        self._mark()
        self._memory.telemetry["song_seeks"] = self._seeks

    def _sought(self) -> int:
        """Return how many seeks there were up to the last one for this song."""
        parameters = self._memory.parameters
        seeks, song = int(parameters["seeks"]), int(parameters["seek_song"])
        if song < self._song.number:  # it has ended meanwhile
            self._seeks = seeks
        return seeks if song <= self._song.number else self._seeks

    def _tempo(self) -> float | None:
        """Return the tempo that was requested for this song; None if nothing was since it changed last."""
        return song_requests.tempo_of(self._memory.parameters, self._song.number, self._tempos)

    def _loop(self) -> tuple[int, int] | None:
        """Return the loop's first sample and the one after its last; None if this song plays without one."""
        parameters = self._memory.parameters
        if not self._plays or int(parameters["loop_song"]) != self._song.number:
            return None
        first, end = (round(float(parameters[name]) * self._song.rate_hz) for name in ("loop_from_s", "loop_to_s"))
        end = min(end, self._song.length)
        return (first, end) if first < end else None

    def _go_on(self, count: int, *, padded: bool = True) -> FloatArray:
        """Return the next samples of the song, or silence when it is paused or has ended.

        Silence fills up what is missing at the end, unless it shall not be `padded`.
        """
        block = np.zeros((count, _CHANNELS), np.float32)
        if self._plays:
            part = self._read(min(count, self._song.left))
            block[: len(part)] = part
            self._apply_gain(block)
            if not padded:
                block = block[: len(part)]
        self._fed += len(block)
        return block

    def _read(self, count: int) -> FloatArray:
        """Read on. AudioFileError when the file is damaged, unless another song follows, which is then next."""
        song = self._song
        try:
            return song.reader.read(count)
        except AudioFileError as error:
            if int(self._memory.parameters["song_next"]) <= song.number:
                raise
            song.cut(round(song.reader.position))
            self._failed = (song.number, str(error))
            return np.zeros((0, _CHANNELS), np.float32)

    def _apply_gain(self, block: FloatArray) -> None:
        wanted = song_requests.gain_of(self._memory.parameters, self._song.number)
        if wanted != self._gain:
            most = _GAIN_PER_S * len(block) / self._song.rate_hz
            reached = min(max(wanted, self._gain - most), self._gain + most)
            block *= np.linspace(self._gain, reached, len(block), dtype=np.float32)[:, None]
            self._gain = reached
        elif wanted != 1.0:
            block *= np.float32(wanted)

    def _go_to(self, position_s: float) -> None:
        self._song.reader.seek(min(round(position_s * self._song.rate_hz), self._song.length))

    def _number(self) -> float:
        """Return the number in the ring of the next sample."""
        return self._base + self._fed * self.sample_rate_hz / self._song.rate_hz

    def _mark(self) -> None:
        self._nap_s = NAP_S if self._plays else _IDLE_NAP_S
        song, reader = self._song, self._song.reader
        place_s = reader.position / song.rate_hz
        mark = Mark(self._number(), song, place_s, self._plays, self._ended, reader.tempo_percent, self._tempos)
        self._marks.add(mark)
