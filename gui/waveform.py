"""The waveform of a whole song, read on a background thread."""

import threading
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stemlive.errors import AudioFileError
from stemlive.guarded_thread import GuardedThread
from stemlive.realtime.audio_files.reader import AudioReader
from stemlive.realtime.shared.heartbeat import LIMIT_S

BARS = 6400
_NAP_S = 0.1


class Waveform:
    """Peaks of a song in `BARS` parts of equal length, float32 from 0 to 1, as far as they have been read.

    The thread writes `peaks` and then `done`; the reader reads `done` first.
    """

    def __init__(self, path: Path, *, decode: bool = True) -> None:
        """Start reading. AudioFileError when the file is not audio, or damaged at once; `decode` as in AudioReader."""
        self._reader = AudioReader(path, decode=decode)
        try:
            self._reader.read(1)
            self._reader.seek(0)
        except AudioFileError:
            self._reader.close()
            raise
        self.path = path
        self._told = ""
        self.peaks: NDArray[np.float32] = np.zeros(BARS, np.float32)
        self.done = 0
        self._closing = threading.Event()
        self._thread = GuardedThread("stemlive outline", self._read)
        self._thread.start()

    @property
    def length_s(self) -> float:
        """Length of the song; it shrinks when a damaged file turns out to be shorter than its header says."""
        return self._reader.frames / self._reader.sample_rate_hz

    def news(self) -> str:
        """Return a new remark on the file for the user, once; empty if there is none."""
        note = self._thread.problem or self._reader.note
        news, self._told = "" if note == self._told else note, note
        return news

    @property
    def complete(self) -> bool:
        """Whether reading has ended, at the song's end or at an error."""
        return not self._thread.is_alive()

    def close(self) -> None:
        """Stop the thread."""
        self._closing.set()
        self._thread.end(LIMIT_S)

    def _read(self) -> None:
        with self._reader:
            while not self._reader.settle(_NAP_S):
                if self._closing.is_set():
                    return
            edges = np.linspace(0, self._reader.frames, BARS + 1).astype(int)
            for bar in range(BARS):
                if self._closing.is_set():
                    return
                block = self._reader.read(int(edges[bar + 1] - edges[bar]))
                if len(block):
                    self.peaks[bar] = min(1.0, float(np.nan_to_num(np.abs(block)).max()))
                self.done = bar + 1
