"""Transport control of songs: play, pause, seek, loop, tempo, another song, by requests in the engine's memory."""

import math
import threading
from pathlib import Path

from stemlive.errors import UsageError
from stemlive.realtime.audio_files.tempo import check_tempo
from stemlive.realtime.dsp.key_change import check_key_change
from stemlive.realtime.shared import song_requests
from stemlive.realtime.shared.memory import EngineMemory
from stemlive.realtime.shared.song_requests import SongRequest

SHORTEST_LOOP_S = 0.25
MOST_ROUND_PERCENT = 25.0
MOST_BEATS = 16
LEAST_BPM, MOST_BPM = 30.0, 300.0


class Transport:
    """Requests for the song of `EngineSettings.song`; positions in seconds from its start.

    Requests may be made before the engine starts. `SongSource` carries them out, each jump with a cross-fade. A seek,
    a loop and a tempo are meant for the song that is heard, or was requested at once. Any thread may seek, play, pause
    and set the tempo; one thread sets loops and chooses songs.
    """

    def __init__(self, memory: EngineMemory) -> None:
        self._memory = memory
        self._requests = 0
        self._lock = threading.Lock()
        self._first_percent = 100.0

    def play_now(self, path: Path, gain: float = 1.0) -> int:
        """Switch to another song, from its start, with a linear gain; return the number of this request.

        It is heard once `Snapshot.song_number` is that number. After a problem `Snapshot.song_failed` is.
        """
        number = self._request(path, gain)
        parameters = self._memory.parameters
        parameters["song_next"] = 0
        parameters["song_now"] = number
        return number

    def play_next(self, path: Path | None, gain: float = 1.0) -> int:
        """Let a song follow on the last sample of the one that plays, or none; return the number of this request.

        It replaces the one that was requested before, unless that has begun. What has ended already stands:
        `play_now` goes on.
        """
        number = 0 if path is None else self._request(path, gain)
        self._memory.parameters["song_next"] = number
        return number

    def set_song_gain(self, number: int, gain: float) -> None:
        """Change the linear gain of a song that was requested; what is heard follows within a second."""
        if number and song_requests.read(self._memory.parameters, number) is not None:
            self._memory.parameters["song_gains"][number % song_requests.PLACES] = gain

    @property
    def _song(self) -> int:
        """Number of the song that is meant by seeks and loops."""
        return max(self._memory.song_number, int(self._memory.parameters["song_now"]))

    def _request(self, path: Path, gain: float) -> int:
        self._requests += 1
        on = self._song
        if on and (self._requests - on) % song_requests.PLACES == 0:  # what is on keeps its place
            self._requests += 1
        request = SongRequest(self._requests, path)
        song_requests.write(self._memory.parameters, request, gain, self._first_percent)
        return self._requests

    @property
    def playing(self) -> bool:
        """Whether the song is requested to play."""
        return bool(self._memory.parameters["playing"])

    @property
    def loop(self) -> tuple[float, float] | None:
        """Start and end of the loop, or None."""
        parameters = self._memory.parameters
        first, last = float(parameters["loop_from_s"]), float(parameters["loop_to_s"])
        return (first, last) if last > first and int(parameters["loop_song"]) == self._song else None

    def play(self, on: bool = True) -> None:
        """Play or pause."""
        self._memory.parameters["playing"] = on

    def seek(self, position_s: float) -> None:
        """Jump to a position; beyond the end, to the end. UsageError before the start."""
        if not (math.isfinite(position_s) and position_s >= 0):
            raise UsageError(f"there is no position {position_s:g} s in a song")
        with self._lock:
            self._memory.parameters["seek_s"] = position_s
            self._memory.parameters["seek_song"] = self._song
            # Written last and read first: the engine never sees a new number with an old position.
            self._memory.parameters["seeks"] += 1

    @property
    def tempo_percent(self) -> float:
        """The tempo that is heard, or was requested and is not heard yet, of the song's own."""
        return self._memory.tempo_percent_of(self._song)

    def set_tempo_percent(self, percent: float) -> None:
        """Play slower or faster, 50 to 150, at the same pitch. UsageError outside, StemliveError without Rubber Band.

        Seconds stay those of the song.
        """
        check_tempo(percent)
        with self._lock:
            self._memory.parameters["tempo_percent"] = percent
            self._memory.parameters["tempo_song"] = self._song
            self._memory.parameters["tempos"] += 1  # last, as in `seek`

    def set_first_tempo_percent(self, percent: float) -> None:
        """Let each song that is requested from now on begin at this tempo. Errors as in `set_tempo_percent`."""
        check_tempo(percent)
        self._first_percent = percent

    @property
    def rounds(self) -> tuple[float, float]:
        """How many percent each round of a loop is faster than the one before, and up to which tempo."""
        parameters = self._memory.parameters
        return float(parameters["round_percent"]), float(parameters["round_most_percent"])

    def set_rounds(self, faster_percent: float, most_percent: float) -> None:
        """Play each round of a loop faster, in percent of the song's own tempo, up to a tempo; 0 for all alike.

        UsageError and StemliveError as in `set_tempo_percent`.
        """
        if not 0 <= faster_percent <= MOST_ROUND_PERCENT:
            raise UsageError(f"a round is 0 to {MOST_ROUND_PERCENT:g} percent faster, not {faster_percent:g}")
        check_tempo(most_percent)
        if faster_percent:
            check_key_change()
        parameters = self._memory.parameters
        parameters["round_percent"] = 0.0
        parameters["round_most_percent"], parameters["round_percent"] = most_percent, faster_percent

    @property
    def count_in(self) -> tuple[int, float]:
        """Beats of the count-in, and beats per minute of the song; 0 for a beat per second at any tempo."""
        return int(self._memory.parameters["count_beats"]), float(self._memory.parameters["count_bpm"])

    def set_count_in(self, beats: int, bpm: float = 0.0) -> None:
        """Click so many times before the song goes on after it stood, and before each further round of a loop.

        With `bpm` of the song they are at its tempo, else one per second. UsageError out of range.
        """
        if not 0 <= beats <= MOST_BEATS:
            raise UsageError(f"a count-in has 0 to {MOST_BEATS} beats, not {beats}")
        if bpm and not LEAST_BPM <= bpm <= MOST_BPM:
            raise UsageError(f"beats per minute are from {LEAST_BPM:g} to {MOST_BPM:g}, not {bpm:g}")
        self._memory.parameters["count_bpm"], self._memory.parameters["count_beats"] = bpm, beats

    def set_loop(self, part: tuple[float, float] | None) -> None:
        """Loop a part (start, end), or stop looping with None. UsageError for less than a quarter of a second."""
        if part is not None and not (part[0] >= 0 and part[1] - part[0] >= SHORTEST_LOOP_S):
            raise UsageError(f"a loop lasts {SHORTEST_LOOP_S:g} s at least")
        parameters = self._memory.parameters
        # Off in between, so that the engine never combines the new start with the old end.
        parameters["loop_to_s"] = 0.0
        parameters["loop_song"] = self._song
        parameters["loop_from_s"], parameters["loop_to_s"] = part or (0.0, 0.0)
