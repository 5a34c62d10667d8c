"""Audio from and to pipes: WAV or headerless PCM of unknown length, each block sent at once."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from stemlive.errors import AudioFileError
from stemlive.realtime.audio_files import ffmpeg
from stemlive.realtime.audio_files.intake import intake
from stemlive.realtime.audio_files.pcm import WAV_MARKS, PcmFormat, WavHeader, read_wav_header, wav_header

STANDARD = "-"
"""The name of standard input or output."""

_MAX_READ_BYTES = 1 << 20


def is_pipe(path: str | Path) -> bool:
    """Whether a path is `-`, or exists and is neither a file nor a folder: a named pipe, /dev/null."""
    if str(path) == STANDARD:
        return True
    there = Path(path)
    return there.exists() and not there.is_file() and not there.is_dir()


class PipeReader:
    """Audio from standard input (`-`), a named pipe or a character device: WAV, or headerless PCM of format `raw`.

    Anything else is decoded by ffmpeg, where that is installed. `frames` is None when the length is unknown.
    AudioFileError when it cannot be opened or is not audio.
    """

    def __init__(self, path: str | Path, raw: PcmFormat | None = None) -> None:
        self.name = "standard input" if str(path) == STANDARD else str(path)
        self._fd = _open(path, os.O_RDONLY, self.name)
        self._ended = self._came = False
        self._decoder: ffmpeg.Ffmpeg | None = None
        self._pushed = b""
        self.frames: int | None = None
        mask = 0
        try:
            if raw is not None:
                self._pcm = raw
            else:
                header = self._header()
                self._pcm, mask = header.pcm(self.name), header.mask
                if header.data_bytes is not None:
                    self.frames = header.data_bytes // self._pcm.frame_bytes
            self._left = self.frames
            self.sample_rate_hz = self._pcm.sample_rate_hz
            self._intake = intake(self.name, self.sample_rate_hz, self._pcm.channels, mask)
            self.channels = self._intake.channels
        except BaseException:
            self.close()
            raise

    @property
    def note(self) -> str:
        """A remark for the user: what is converted and, at the end, what is damaged or did not come."""
        why = self._decoder.complaint() if self._decoder is not None else ""
        if why:
            damage = f"{self.name} is damaged in places (ffmpeg: {why})"
            return f"{self._intake.note}; {damage}" if self._intake.note else damage
        if not self._ended or not self._left or self.frames is None:
            return self._intake.note
        seconds = (self.frames - self._left) / self.sample_rate_hz
        announced = self.frames / self.sample_rate_hz
        missing = f"{self.name} ended after {seconds:.2f} s of the {announced:.2f} s that its header announces"
        return f"{self._intake.note}; {missing}" if self._intake.note else missing

    def read(self, frames: int) -> NDArray[np.float32]:
        """Wait for the next block and return it, float32 [frames, C]; shorter only at the end, empty from then on.

        AudioFileError if ffmpeg finds nothing in it that it can decode.
        """
        wanted = frames if self._left is None else min(frames, self._left)
        size = self._pcm.frame_bytes
        data = self._read_bytes(wanted * size)
        if not data and not self._came and self._decoder is not None:
            self._decoder.wait()
            if why := self._decoder.complaint():
                raise AudioFileError(
                    f"nothing of {self.name} can be decoded (ffmpeg: {why}): a pipe cannot carry an MP4 whose index "
                    "comes last, so name the file instead"
                )
        self._came = True
        block = self._pcm.decode(data[: len(data) // size * size])
        if self._left is not None:
            self._left -= len(block)
        return self._intake.hand_on(block)

    def close(self) -> None:
        """Close it, unless it is standard input."""
        if self._decoder is not None:
            self._decoder.end()
        _close(self._fd)

    def _header(self) -> WavHeader:
        """Read a WAV header, or let ffmpeg decode what does not begin with one."""
        self._pushed = start = self._read_bytes(len(WAV_MARKS[0]))
        if not start or start in WAV_MARKS or ffmpeg.program() is None:
            return read_wav_header(self._read_bytes, self.name)
        self._decoder = decoder = ffmpeg.Ffmpeg(
            *("-protocol_whitelist", "pipe,fd", "-i", "pipe:0"), *ffmpeg.TO_WAV, fed=True
        )
        ffmpeg.Feeder(start, self._fd, decoder).start()
        self._pushed, self._ended = b"", False
        try:
            return read_wav_header(self._read_bytes, self.name)
        except AudioFileError as error:
            decoder.wait()
            raise AudioFileError(
                f"{ffmpeg.undecodable(self.name, decoder)}; headerless audio can be streamed when `raw` says which"
            ) from error

    def _read_bytes(self, count: int) -> bytes:
        parts = [self._pushed[:count]]
        self._pushed = self._pushed[count:]
        count -= len(parts[0])
        source = self._fd if self._decoder is None else self._decoder.output.fileno()
        while count > 0 and not self._ended:
            with _reported(f"cannot read {self.name}"):
                part = os.read(source, min(count, _MAX_READ_BYTES))
            self._ended = not part
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self.close()


class PipeWriter:
    """Audio to standard output (`-`), a named pipe or a character device: 32-bit float WAV, or headerless PCM.

    `raw` is the encoding of headerless PCM, s16le or f32le. `write` sends every block before it returns.
    AudioFileError when it cannot be written, BrokenPipeError when the reader has closed the pipe.
    """

    def __init__(self, path: str | Path, sample_rate_hz: int, channels: int, *, raw: str | None = None) -> None:
        self.name = "standard output" if str(path) == STANDARD else str(path)
        self._pcm = PcmFormat(raw or "f32le", sample_rate_hz, channels)
        self._fd = _open(path, os.O_WRONLY, self.name)
        self.clipped_samples = 0
        """Samples beyond full scale so far, if the encoding clips them."""
        if raw is None:
            self._write_bytes(wav_header(self._pcm))

    def write(self, block: NDArray[np.float32]) -> None:
        """Send a block [n, C]; blocks while the pipe is full."""
        if self._pcm.encoding == "s16le":
            self.clipped_samples += int(np.count_nonzero(np.abs(block) > 1))
        self._write_bytes(self._pcm.encode(block))

    def close(self) -> None:
        """Close it, unless it is standard output."""
        _close(self._fd)

    def _write_bytes(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            with _reported(f"cannot write to {self.name}"):
                rest = rest[os.write(self._fd, rest) :]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self.close()


def _open(path: str | Path, mode: int, name: str) -> int:
    """Open a file descriptor; for `-` it is 0 or 1."""
    if str(path) != STANDARD:
        with _reported(f"cannot open {name}"):
            return os.open(path, mode | getattr(os, "O_BINARY", 0))
    standard = 0 if mode == os.O_RDONLY else 1
    if sys.platform == "win32":
        import msvcrt

        msvcrt.setmode(standard, os.O_BINARY)
    return standard


def _close(descriptor: int) -> None:
    if descriptor > 2:
        os.close(descriptor)


@contextmanager
def _reported(action: str) -> Iterator[None]:
    """Turn OSError into AudioFileError, except BrokenPipeError."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise AudioFileError(f"{action}: {error.strerror}") from error
