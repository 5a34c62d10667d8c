"""Opens the next song on a thread of its own, while another one plays."""

import math
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from stemlive.errors import AudioFileError
from stemlive.guarded_thread import in_words
from stemlive.realtime.audio_files.reader import AudioReader
from stemlive.realtime.audio_files.tempo import TempoReader
from stemlive.realtime.shared import song_requests
from stemlive.realtime.shared.limited import JobThread
from stemlive.realtime.shared.memory import EngineMemory
from stemlive.realtime.shared.song_requests import SongRequest


class LoadedSong:
    """A song that is open, with its number; the length is what can be read of it."""

    def __init__(self, reader: AudioReader, number: int = 0) -> None:
        self.reader, self.number = TempoReader(reader), number
        self.rate_hz = reader.sample_rate_hz
        self._end: int | None = None

    @property
    def length(self) -> int:
        """Length in samples; it shrinks when a damaged file turns out to be shorter than it says."""
        return self.reader.length if self._end is None else self._end

    @property
    def length_s(self) -> float:
        """Length in seconds."""
        return self.length / self.rate_hz

    @property
    def left(self) -> int:
        """How many samples are still to come, at its tempo."""
        return max(0, math.ceil((self.length - self.reader.position) / self.reader.speed))

    def cut(self, end: int) -> None:
        """Let it end at this sample: nothing more can be read."""
        self._end = end

    def close(self) -> None:
        """Close it; its length is kept."""
        self._end = self.length
        self.reader.close()


class SongLoader:
    """Has the song with a certain number ready. For one thread, which it never keeps waiting."""

    def __init__(self, parameters: Any) -> None:
        self._parameters = parameters
        self._thread = JobThread("stemlive next song")
        self._job: Future[LoadedSong] | None = None
        self._wanted = 0
        self.failed = (0, "")
        """The number of the last song that could not be opened, and why."""

    def want(self, number: int) -> None:
        """Open the song of this number, or none with 0, in place of what was wanted before."""
        if number == self._wanted:
            return
        self._drop()
        self._wanted = number
        request = song_requests.read(self._parameters, number)
        if request is not None:
            self._job = self._thread.submit(partial(_load, request))

    def take(self) -> LoadedSong | None:
        """Return the wanted song once it is open, for the caller to close; None before, and if it cannot be opened."""
        if self._job is None or not self._job.done():
            return None
        job, self._job = self._job, None
        error = job.exception()
        if error is not None:
            self.failed = (self._wanted, in_words(error))
            return None
        return job.result()

    def close(self) -> None:
        """Close what is open, and let the thread end."""
        self._drop()
        self._thread.close()

    def _drop(self) -> None:
        job, self._job = self._job, None
        if job is not None:
            job.add_done_callback(_discard)


def first_song(memory: EngineMemory, source: str) -> LoadedSong:
    """Return the song to begin with: what was requested, or what an earlier process has played, or else the source.

    AudioFileError when it cannot be opened.
    """
    number = max(int(memory.parameters["song_now"]), int(memory.telemetry["song_number"]))
    return _load(song_requests.read(memory.parameters, number) or SongRequest(0, Path(source)))


def _load(request: SongRequest) -> LoadedSong:
    return LoadedSong(AudioReader(request.path), request.number)


def _discard(job: "Future[LoadedSong]") -> None:
    with suppress(AudioFileError):
        if job.exception() is None:
            job.result().close()
