"""Files and pipes as devices, paced by whoever reads or feeds them."""

import threading
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from stemlive.errors import AudioFileError
from stemlive.guarded_thread import GuardedThread
from stemlive.realtime.devices.device import DeviceFaults
from stemlive.realtime.devices.ring import PlainInputRing, PlainOutputRing, ring_frames
from stemlive.realtime.dsp.resample import Resampling, StreamResampler

FloatArray = NDArray[np.float32]

_BLOCK = 1024
_SOURCE_S, _TARGET_S = 1.0, 10.0
NAP_S = 0.005
_PATIENCE_S = 1.0
_FINISH_S = 30.0


class Reader(Protocol):
    """An audio file or pipe to read."""

    name: str
    sample_rate_hz: int
    channels: int

    @property
    def note(self) -> str:
        """A remark on the source for the user, so far; empty if there is none."""
        ...

    def read(self, frames: int) -> FloatArray:
        """Next block [frames, C]; shorter at the end only, empty from then on."""
        ...

    def close(self) -> None:
        """Close it."""
        ...


class Writer(Protocol):
    """An audio file or pipe to write."""

    name: str

    def write(self, block: FloatArray) -> None:
        """Append a block [n, C]."""
        ...

    def close(self) -> None:
        """Complete it."""
        ...


class _ThreadedDevice:
    """A thread that moves samples between a ring and something that may make it wait."""

    def __init__(self, name: str) -> None:
        self.faults = DeviceFaults()
        self._closing = threading.Event()
        self._thread = GuardedThread(name, self._run)

    @property
    def problem(self) -> str:
        """Why it stopped by itself; empty while it works."""
        return self._thread.problem

    @property
    def error(self) -> Exception | None:
        """The exception behind `problem`."""
        return self._thread.error

    @property
    def block_samples(self) -> int:
        """Length of the blocks that are read or written."""
        return _BLOCK

    @property
    def latency_samples(self) -> tuple[int, int]:
        """Zero: a file adds no latency."""
        return 0, 0

    @property
    def samples(self) -> int:
        """A huge number: a file is never waited for."""
        return 1 << 62

    def start(self) -> None:
        """Start reading ahead, or writing."""
        self._thread.start()

    def refresh(self) -> None:
        """Do nothing: there is no device to watch."""

    def close(self) -> None:
        """End the thread; one that blocks on a pipe is left behind."""
        self._closing.set()
        self._thread.end(_PATIENCE_S)

    def _run(self) -> None:
        raise NotImplementedError


class FileSource(_ThreadedDevice):
    """Reads a file or pipe ahead into a ring, at the output's rate; after its end it delivers silence."""

    output = None

    def __init__(
        self, reader: Reader, sample_rate_hz: int, *, ahead_s: float = _SOURCE_S, channels: int | None = None
    ) -> None:
        super().__init__("stemlive source")
        self._reader = reader
        self.sample_rate_hz = sample_rate_hz
        self._ring = PlainInputRing(ring_frames(round(ahead_s * sample_rate_hz)), channels or reader.channels)
        self.input = self._ring
        self._nap_s = NAP_S
        self.end: int | None = None
        """Number of the sample after the last one; None until the end is reached."""
        self._resampler: StreamResampler | None = None
        self._resample(reader.sample_rate_hz)

    @property
    def note(self) -> str:
        """A remark on the source for the user, so far; empty if there is none."""
        return self._reader.note

    def close(self) -> None:
        """Stop reading, and close the file unless its thread is blocked in it."""
        super().close()
        if not self._thread.is_alive():
            self._reader.close()

    def _run(self) -> None:
        while not self._closing.is_set():
            block = self._reader.read(_BLOCK)
            self._append(block)
            if len(block) < _BLOCK:
                break
        self._drain()
        self.end = self._ring.written
        silence = np.zeros((_BLOCK, self._ring.memory.channels), np.float32)
        while not self._closing.is_set():
            self._put(silence)

    def _resample(self, from_hz: int) -> None:
        """From now on, what is appended has this rate."""
        resampling = Resampling(from_hz, self.sample_rate_hz)
        self._resampler = None
        if from_hz != self.sample_rate_hz:
            self._resampler = StreamResampler(resampling, self._ring.memory.channels)
            self._ahead = resampling.ahead_samples

    def _drain(self) -> None:
        """Put what the resampler still holds into the ring, up to the last instant of what was appended."""
        if self._resampler is not None:
            self._append(np.zeros((self._ahead, self._ring.memory.channels), np.float32))

    def _append(self, block: FloatArray) -> None:
        if self._resampler is None:
            self._put(block)
            return
        self._resampler.append(len(block))[:] = block.T
        self._put(self._resampler.read(self._resampler.pending()).T)

    def _put(self, block: FloatArray) -> None:
        for first in range(0, len(block), _BLOCK):
            part = block[first : first + _BLOCK]
            # Wait well before the reader would count an overrun.
            while self._ring.room < self._ring.memory.capacity // 4:
                if self._closing.wait(self._nap_s):
                    return
            self._ring.write(part)


class FileTarget(_ThreadedDevice):
    """Writes finished samples, up to `complete_to`, to a file or pipe."""

    input = None

    def __init__(self, writer: Writer, sample_rate_hz: int, channels: int) -> None:
        super().__init__("stemlive target")
        self._writer = writer
        self._finished = False
        self.sample_rate_hz = sample_rate_hz
        self._ring = PlainOutputRing(ring_frames(round(_TARGET_S * sample_rate_hz)), channels)
        self.output = self._ring
        self.complete_to = 0
        """Position before which samples are final; the engine advances it."""

    def finish(self) -> None:
        """Wait until everything before `complete_to` is written, and publish the file. AudioFileError on failure."""
        self._closing.set()
        self._thread.join(_FINISH_S)
        if self.error is not None:
            raise self.error
        if self._thread.is_alive():
            raise AudioFileError(f"cannot write {self._writer.name}: nobody takes what it is given")
        self._finished = True
        self._writer.close()

    def close(self) -> None:
        """End the thread; a file that `finish` did not complete is discarded."""
        super().close()
        if not self._finished and not self._thread.is_alive():
            self._finished = True
            discard = getattr(self._writer, "discard", self._writer.close)
            discard()

    def _run(self) -> None:
        block = np.zeros((_BLOCK, self._ring.memory.channels), np.float32)
        while True:
            count = min(self.complete_to - self._ring.read, _BLOCK)
            if count > 0:
                # Advance `read` only afterwards: it lets the engine overwrite the samples.
                self._ring.memory.get(self._ring.read, block[:count])
                self._writer.write(block[:count])
                self._ring.read += count
            elif self._closing.wait(NAP_S):
                return
