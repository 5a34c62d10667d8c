"""A song as the engine's source, with pause, seek and loop, each without a click."""

from collections import deque
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stemlive.realtime.audio_files.reader import AudioReader
from stemlive.realtime.devices.file_device import NAP_S, FileSource
from stemlive.realtime.shared.memory import EngineMemory

FloatArray = NDArray[np.float32]

_AHEAD_S = 0.1
"""Read-ahead, and so a part of the time from a request until it is heard."""
_BLOCK_S = 0.01
_FADE_S = 0.01
_MARKS = 64
_IDLE_AFTER_S = 1.0
"""By then all that was read before has been played."""
_IDLE_NAP_S = 0.05


class _Mark(NamedTuple):
    """From sample `number` of the ring on, the song plays from `position_s`, or is paused there."""

    number: float
    position_s: float
    plays: bool
    ended: bool


class SongSource(FileSource):
    """An audio file that `Transport` controls through the shared memory; silence while paused.

    It starts at the last requested position or, if that was already carried out by an earlier process, at the position
    in the telemetry. Its own thread reads the file; the engine's thread calls `tell` and `jumped`.
    """

    def __init__(self, reader: AudioReader, sample_rate_hz: int, memory: EngineMemory) -> None:
        super().__init__(reader, sample_rate_hz, ahead_s=_AHEAD_S)
        self._song, self._memory = reader, memory
        self._rate_hz = reader.sample_rate_hz
        self._block = round(_BLOCK_S * self._rate_hz)
        fade = round(_FADE_S * self._rate_hz)
        self._rise = ((np.arange(fade, dtype=np.float32) + 0.5) / fade)[:, None]
        self._fed = self._position = 0
        self._plays = self._ended = False
        self._marks: tuple[_Mark, ...] = ()
        parameters, telemetry = memory.parameters, memory.telemetry
        self._seeks = int(parameters["seeks"])
        fulfilled = self._seeks == int(telemetry["song_seeks"])
        self._go_to(float(telemetry["song_s"] if fulfilled else parameters["seek_s"]))
        telemetry["song_length_s"] = self._length / self._rate_hz
        self._jumps: deque[float] = deque()

    @property
    def _length(self) -> int:
        """Length of the song in samples; it shrinks when a damaged file turns out to be shorter than it says."""
        return self._song.frames

    def tell(self, played: float, now_s: float) -> None:
        """Engine: publish the position in the song of the ring's sample `played`, which is heard now (monotonic)."""
        telemetry = self._memory.telemetry
        mark = next((mark for mark in reversed(self._marks) if mark.number <= played), None)
        if mark is None:
            return
        position_s = mark.position_s + (mark.plays and (played - mark.number) / self.sample_rate_hz)
        length_s = self._length / self._rate_hz
        telemetry["song_length_s"] = length_s
        telemetry["song_s"] = min(position_s, length_s)
        telemetry["song_at_s"], telemetry["song_speed"] = now_s, float(mark.plays)
        telemetry["song_ended"] = mark.ended

    def idle(self, taken: int) -> bool:
        """Engine: whether the song has stood still for a second before the ring's sample `taken`, and stays so."""
        parameters = self._memory.parameters
        if not self._marks:
            return False
        mark = self._marks[-1]
        stood = not mark.plays and taken >= mark.number + _IDLE_AFTER_S * self.sample_rate_hz
        return stood and int(parameters["seeks"]) == self._seeks and bool(parameters["playing"]) == mark.ended

    def jumped(self, taken: int) -> bool:
        """Engine: whether the song has jumped before the ring's sample `taken`, since the last call."""
        if not self._jumps or self._jumps[0] > taken:
            return False
        self._jumps.popleft()
        return True

    def _run(self) -> None:
        self._mark()
        while not self._closing.is_set():
            self._append(self._next())

    def _next(self) -> FloatArray:
        """Return the next samples [n, C], carrying out new requests with a cross-fade."""
        parameters = self._memory.parameters
        seeks, playing = int(parameters["seeks"]), bool(parameters["playing"])
        loop_from, loop_to = (round(float(parameters[name]) * self._rate_hz) for name in ("loop_from_s", "loop_to_s"))
        block = self._block
        wraps = False
        if self._plays and loop_from < min(loop_to, self._length):
            to_wrap = min(loop_to, self._length) - self._position
            # A position beyond the loop's end plays on.
            wraps = 0 <= to_wrap < len(self._rise)
            block = min(block, to_wrap) if to_wrap >= len(self._rise) else block
        if seeks == self._seeks and playing == (self._plays or self._ended) and not wraps:
            if self._plays and self._position >= self._length:
                self._plays, self._ended = False, True
                self._mark()
            return self._go_on(block)
        old = self._go_on(len(self._rise))
        self._fed -= len(old)  # the fade-in overlaps it
        if seeks != self._seeks:
            self._seeks = seeks
            self._go_to(float(parameters["seek_s"]))
        elif wraps:
            self._position = loop_from
            self._song.seek(loop_from)
        elif playing and self._position >= self._length:
            self._go_to(0.0)
        self._plays = playing and self._position < self._length
        self._ended = playing and not self._plays
        if self._plays:
            self._jumps.append(self._number())
        self._mark()
        self._memory.telemetry["song_seeks"] = seeks
        new = self._go_on(len(self._rise))
        return np.asarray(new * self._rise + old * self._rise[::-1], np.float32)

    def _go_on(self, count: int) -> FloatArray:
        """Return the next samples of the song, or silence when it is paused or has ended."""
        block = np.zeros((count, self._song.channels), np.float32)
        if self._plays:
            part = self._song.read(min(count, self._length - self._position))
            block[: len(part)] = part
            self._position = min(self._position + count, self._length)
        self._fed += count
        return block

    def _go_to(self, position_s: float) -> None:
        self._position = min(round(position_s * self._rate_hz), self._length)
        self._song.seek(self._position)

    def _number(self) -> float:
        """Return the number in the ring of the next sample."""
        return self._fed * self.sample_rate_hz / self._rate_hz

    def _mark(self) -> None:
        self._nap_s = NAP_S if self._plays else _IDLE_NAP_S
        mark = _Mark(self._number(), self._position / self._rate_hz, self._plays, self._ended)
        self._marks = (*self._marks[-_MARKS:], mark)
