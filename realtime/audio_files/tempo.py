"""A song slower or faster at its own pitch, before it is separated."""

import math

import numpy as np
from numpy.typing import NDArray

from stemlive.errors import UsageError
from stemlive.realtime.audio_files.reader import AudioReader
from stemlive.realtime.dsp.rubber_band import TimeStretcher, rubber_band

FloatArray = NDArray[np.float32]

LEAST_TEMPO_PERCENT, MOST_TEMPO_PERCENT = 50.0, 150.0
_PIECE = 512


def check_tempo(percent: float) -> None:
    """Raise UsageError for a tempo out of range, and StemliveError, which says what to install, if it cannot change."""
    if not LEAST_TEMPO_PERCENT <= percent <= MOST_TEMPO_PERCENT:
        raise UsageError(f"a tempo is from {LEAST_TEMPO_PERCENT:g} to {MOST_TEMPO_PERCENT:g} percent, not {percent:g}")
    if percent != 100:
        rubber_band()


class TempoReader:
    """Reads an audio file at a tempo. At 100 percent the samples are those of the file.

    At another one, each `seek` begins anew: what comes out starts exactly at its place, from the sound before it and
    after it. For one thread, which is not the audio path. StemliveError without Rubber Band.
    """

    def __init__(self, reader: AudioReader, tempo_percent: float = 100.0) -> None:
        self._reader = reader
        self.name, self.sample_rate_hz, self.channels = reader.name, reader.sample_rate_hz, reader.channels
        self.tempo_percent = tempo_percent
        self.position = 0.0
        """Sample of the song that comes next."""
        self._read_to = 0
        self._stretcher: TimeStretcher | None = None
        if tempo_percent != 100:
            self.seek(0.0)

    @property
    def note(self) -> str:
        """A remark for the user on the file, so far; empty if there is none."""
        return self._reader.note

    @property
    def length(self) -> int:
        """Samples of the song at its own tempo; they get fewer when a damaged file turns out to be shorter."""
        return self._reader.frames

    @property
    def frames(self) -> int:
        """Samples of the song at this tempo."""
        return math.ceil(self.length / self.speed)

    @property
    def speed(self) -> float:
        """Samples of the song in a sample that comes out."""
        return self.tempo_percent / 100

    def seek(self, position: float, tempo_percent: float | None = None) -> None:
        """Go to a sample of the song, in another tempo if one is given; beyond the end, to the end."""
        if tempo_percent is not None:
            self.tempo_percent = tempo_percent
        place = min(round(position), self.length)
        self.position = float(place)
        if self.tempo_percent == 100:
            self._reader.seek(place)
            return
        stretcher = TimeStretcher(self.sample_rate_hz, self.channels, _PIECE, 1 / self.speed)
        before = min(place, stretcher.pad_samples)
        self._read_to = place - before
        self._reader.seek(self._read_to)
        pad = np.zeros((stretcher.pad_samples, self.channels), np.float32)
        pad[len(pad) - before :] = self._next(before)
        stretcher.write(pad)
        self._stretcher = stretcher

    def read(self, count: int) -> FloatArray:
        """Return the next block [count, C]; shorter at the end only, empty from then on."""
        count = max(0, min(count, math.ceil((self.length - self.position) / self.speed)))
        if self.tempo_percent == 100:
            block = self._reader.read(count)
        else:
            block = np.zeros((count, self.channels), np.float32)
            self._stretch(block)
        self.position = min(self.position + count * self.speed, float(self.length))
        return block

    def close(self) -> None:
        """Close the file."""
        self._reader.close()

    def _stretch(self, out: FloatArray) -> None:
        assert self._stretcher is not None
        done = 0
        while done < len(out):
            ready = min(self._stretcher.ready_samples, len(out) - done)
            if ready:
                self._stretcher.read(out[done : done + ready])
                done += ready
            else:
                self._stretcher.write(self._next(_PIECE))

    def _next(self, count: int) -> FloatArray:
        """Return the next samples of the file, and silence after its end."""
        block = np.zeros((count, self.channels), np.float32)
        part = self._reader.read(max(0, min(count, self.length - self._read_to)))
        block[: len(part)] = part
        self._read_to += len(part)
        return block
