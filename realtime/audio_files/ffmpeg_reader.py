"""Sound that libsndfile does not read, decoded by ffmpeg: m4a, aac, wma, the sound of a video, and more."""

import math
import os
import re
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from stemlive.errors import AudioFileError
from stemlive.realtime.audio_files.ffmpeg import TO_WAV, Ffmpeg, undecodable
from stemlive.realtime.audio_files.intake import Intake, intake
from stemlive.realtime.audio_files.pcm import PcmFormat, read_wav_header

_AHEAD_S = 600
"""How far beyond what was asked for is decoded: whole songs at once, and hours of sound as they are needed."""
_PATIENCE_S = 30.0
_PART_BYTES = 1 << 18
_LONG_TEMPORARY = Path("/var/tmp")
"""Where the system keeps large temporary files on a disk; others may be in memory."""
_DURATION = re.compile(r"^\[info\]   Duration: (\d+):(\d\d):(\d\d\.\d+)", re.MULTILINE)
_TRACKS = re.compile(r"^\[info\]   Stream #0:.*: Audio: ", re.MULTILINE)


class FfmpegReader:
    """The first sound track of a file, as `AudioReader`.

    A thread takes what ffmpeg decodes into a temporary file without a name, so that every sample keeps its place, and
    seeking and repeating cost nothing. `frames` is what the file announces until the end has been decoded.
    AudioFileError when ffmpeg cannot decode the file, or says nothing for half a minute.
    """

    def __init__(self, path: Path, name: str) -> None:
        self._name = name
        self._position = self._bytes = 0
        self._wanted_bytes: float = 0
        self._pcm: PcmFormat | None = None
        self._announced = self._tracks = 0
        self._mask = 0
        self._ended = self._closing = False
        self._error: AudioFileError | None = None
        self._heard = 0.0
        self._changed = threading.Condition()
        folder = _LONG_TEMPORARY if "TMPDIR" not in os.environ and os.access(_LONG_TEMPORARY, os.W_OK) else None
        self._spool = tempfile.TemporaryFile(dir=folder, prefix="stemlive-")  # noqa: SIM115
        # `file:` lets a name be nothing but a name, and no other protocol is allowed: nothing is fetched.
        self._ffmpeg = Ffmpeg("-protocol_whitelist", "file", "-i", f"file:{path}", *TO_WAV)
        self._thread = threading.Thread(target=self._take, name="stemlive decoder", daemon=True)
        self._thread.start()
        try:
            self._wait_for(lambda: self._pcm is not None)
            if self._pcm is None:
                raise self._error or undecodable(name, self._ffmpeg)
            self.sample_rate_hz: int = self._pcm.sample_rate_hz
            self._intake: Intake = intake(name, self.sample_rate_hz, self._pcm.channels, self._mask)
            self.channels: int = self._intake.channels
            log = self._ffmpeg.log()
            found = _DURATION.search(log)
            hours, minutes, seconds = map(float, found.groups()) if found else (0.0, 0.0, 0.0)
            self._announced = round((3600 * hours + 60 * minutes + seconds) * self.sample_rate_hz)
            self._tracks = len(_TRACKS.findall(log.partition("Stream mapping:")[0]))
            self._wait_for(lambda: self._bytes >= self._pcm.frame_bytes)
            if not self.frames:
                raise AudioFileError(f"{name} holds no samples")
        except BaseException:
            self.close()
            raise

    @property
    def frames(self) -> int:
        """Length in samples per channel: as announced, or what has been decoded where that is more, or the end."""
        assert self._pcm is not None
        decoded = self._bytes // self._pcm.frame_bytes
        return decoded if self._ended else max(decoded, self._announced)

    @property
    def missing(self) -> str:
        """What could not be decoded, as far as that is known so far; empty if nothing is missing."""
        lost = self._announced - self.frames
        why = self._ffmpeg.complaint()
        if lost <= self.sample_rate_hz // 10 or not why:  # a video may last longer than its sound
            return ""
        seconds, length = lost / self.sample_rate_hz, self._announced / self.sample_rate_hz
        return f"{seconds:.2f} s of the {length:.2f} s of {self._name} could not be read (ffmpeg: {why})"

    @property
    def note(self) -> str:
        """A remark for the user on the file, so far; empty if there is none."""
        several = (
            f"{self._name} has {self._tracks} sound tracks, of which the first is read" if self._tracks > 1 else ""
        )
        why = self._ffmpeg.complaint()
        damage = self.missing or (why and f"{self._name} is damaged in places (ffmpeg: {why})")
        return "; ".join(part for part in (self._intake.note, several, damage) if part)

    def settle(self, limit_s: float) -> bool:
        """Wait, with a limit, until all has been decoded; return whether it has."""
        with self._changed:
            self._wanted_bytes = math.inf
            self._changed.notify_all()
            return self._wait_for(lambda: False, limit_s)

    def seek(self, frame: int) -> None:
        """Move to a sample position from 0 to `frames`."""
        self._position = frame

    def read(self, frames: int) -> NDArray[np.float32]:
        """Return the next block, float32 [frames, C]; shorter only at the end, empty from then on.

        AudioFileError when ffmpeg or the disk fails.
        """
        assert self._pcm is not None
        size = self._pcm.frame_bytes
        end = self._want((self._position + frames) * size) // size
        count = max(0, min(frames, end - self._position))
        with self._changed:
            self._spool.seek(self._position * size)
            data = self._spool.read(count * size)
        self._position += count
        return self._intake.hand_on(self._pcm.decode(data))

    def close(self) -> None:
        """End ffmpeg, and forget what it has decoded."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._ffmpeg.kill()
        self._thread.join()  # it closes the pipes when it has read their end
        self._spool.close()

    def _want(self, count: float) -> int:
        """Wait until so many bytes have been decoded, or all; return how many there are."""
        with self._changed:
            self._wanted_bytes = max(self._wanted_bytes, count)
            self._changed.notify_all()
            self._wait_for(lambda: self._bytes >= count)
            if self._error is not None and self._bytes < count:
                raise self._error
            return self._bytes

    def _wait_for(self, reached: Callable[[], bool], limit_s: float = math.inf) -> bool:
        """Wait for something, or the end; return False after `limit_s`. AudioFileError when ffmpeg gives nothing."""
        begun = time.monotonic()
        with self._changed:
            while not reached() and not self._ended:
                waited = time.monotonic() - max(begun, self._heard)
                if waited >= _PATIENCE_S:
                    self._ffmpeg.kill()
                    raise AudioFileError(f"{self._name} cannot be decoded: ffmpeg gave nothing for {_PATIENCE_S:.0f} s")
                if time.monotonic() - begun >= limit_s:
                    return False
                self._changed.wait(min(limit_s, _PATIENCE_S - waited))
        return True

    def _take(self) -> None:
        """Take what ffmpeg gives. Runs on the reader's thread."""
        output = self._ffmpeg.output
        try:
            header = read_wav_header(lambda count: _exactly(output, count), self._name)
            pcm = header.pcm(self._name)
            with self._changed:
                self._mask, self._pcm = header.mask, pcm
                self._changed.notify_all()
            ahead = _AHEAD_S * pcm.sample_rate_hz * pcm.frame_bytes
            while part := output.read(_PART_BYTES):
                with self._changed:
                    self._spool.seek(self._bytes)
                    self._spool.write(part)
                    self._spool.flush()
                    self._bytes += len(part)
                    self._heard = time.monotonic()
                    self._changed.notify_all()
                    self._changed.wait_for(lambda: self._closing or self._bytes < self._wanted_bytes + ahead)
        except AudioFileError:
            pass  # no header: ffmpeg's own complaint says more
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or str(error)
            self._error = AudioFileError(f"{self._name} cannot be decoded into a temporary file: {why}")
        finally:
            self._ffmpeg.wait()
            self._ffmpeg.end()
            with self._changed:
                self._ended = True
                self._changed.notify_all()


def _exactly(pipe: IO[bytes], count: int) -> bytes:
    """Read `count` bytes, fewer only at the end."""
    parts = []
    while count > 0 and (part := pipe.read(count)):
        parts.append(part)
        count -= len(part)
    return b"".join(parts)
