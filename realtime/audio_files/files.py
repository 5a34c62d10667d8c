"""Audio files: read block by block, and written so that a file under its final name is always complete."""

import os
import shutil
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import soundfile
from numpy.typing import NDArray

from stemlive.errors import AudioFileError, UsageError
from stemlive.realtime.audio_files.pcm import read_wav_header
from stemlive.whole_file import new_part, publish, target_of

FORMATS = {"wav": ("WAV", "FLOAT"), "flac": ("FLAC", "PCM_24"), "ogg": ("OGG", "VORBIS")}
"""File name extension to libsndfile's format and encoding. 32-bit float never clips."""

_WAV_LIMIT_BYTES = 2**32 - 2**16
_VORBIS_BLOCK = 8192
_LOW_DISK_BYTES = 1 << 20
_MP3_SLACK_BYTES = 1 << 16
_MAX_FRAMES = 1 << 40
_SHARES_DESCRIPTORS = os.name == "posix"


class AudioReader:
    """An audio file of any kind that libsndfile reads: WAV, FLAC, Ogg Vorbis and Opus, MP3, AIFF and more.

    `frames` is the length in samples per channel, `name` is for messages. AudioFileError when the file is missing, not
    audio, or empty.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.name = str(path)
        if not self.path.exists():
            raise AudioFileError(f"{path}: there is no such file")
        if not self.path.is_file():
            raise AudioFileError(f"{path} is not a file")
        try:
            # Unbuffered, because libsndfile shares the descriptor: `tell` shows how far it has read.
            self._stream = self.path.open("rb", buffering=0)
            self._size_bytes = self.path.stat().st_size
        except OSError as error:
            raise AudioFileError(f"cannot read {path}: {error.strerror}") from error
        try:
            if not self._size_bytes:
                raise AudioFileError(f"{path} is empty")
            announced = self._announced_frames()
            source = self._stream.fileno() if _SHARES_DESCRIPTORS else str(path)
            self._file = soundfile.SoundFile(source, closefd=False)
            if not self._file.frames:
                raise AudioFileError(f"{path} holds no samples")
            if self._file.frames > _MAX_FRAMES:
                raise AudioFileError(f"{path} does not say how long it is: convert it first (ffmpeg -i SONG song.wav)")
        except soundfile.SoundFileError as error:
            self._stream.close()
            raise AudioFileError(
                f"{path} is not audio of a known kind ({_reason(error)}): "
                "if it is audio, convert it first (ffmpeg -i SONG song.wav)"
            ) from error
        except AudioFileError:
            self._stream.close()
            raise
        self.sample_rate_hz = int(self._file.samplerate)
        self.channels = int(self._file.channels)
        self.frames = int(self._file.frames)
        self._position = 0
        self.note = ""
        """A remark for the user once everything is read; empty if there is none."""
        if announced and announced > self.frames:
            self.note = (
                f"{path} ends after {self._seconds(self.frames)} of the {self._seconds(announced)} "
                "that its header announces"
            )

    def seek(self, frame: int) -> None:
        """Move to a sample position from 0 to `frames`. AudioFileError when the file is damaged."""
        try:
            self._file.seek(frame)
        except soundfile.SoundFileError as error:
            raise self._damaged() from error
        self._position = frame

    def read(self, frames: int) -> NDArray[np.float32]:
        """Return the next block, float32 [frames, C]; shorter only at the end, empty from then on.

        AudioFileError, with the length that could be read, when the file is damaged or truncated.
        """
        try:
            block = np.asarray(self._file.read(frames, dtype="float32", always_2d=True), np.float32)
        except soundfile.SoundFileError as error:
            raise self._damaged() from error
        self._position += len(block)
        if len(block) < frames:
            self._check_end()
        return block

    def _announced_frames(self) -> int | None:
        """Return the length in a WAV header; libsndfile silently uses the real length when that is less."""
        try:
            return read_wav_header(self._stream.read, self.name)[1]
        except AudioFileError:
            return None
        finally:
            self._stream.seek(0)

    def _check_end(self) -> None:
        missing = self.frames - self._position
        # The length of an MP3 file without one in its header is an estimate: the file may end a little earlier, and
        # if the estimate is too short, libsndfile stops there.
        estimated = self._file.format == "MP3"
        if missing > (self.frames // 50 + self.sample_rate_hz if estimated else 0):
            raise self._damaged()
        unread = self._size_bytes - self._stream.tell() if _SHARES_DESCRIPTORS else 0
        if estimated and unread > self._size_bytes // 20 + _MP3_SLACK_BYTES:
            self.note = (
                f"only the first {self._seconds(self._position)} of {self.name} were found, for it does not say "
                "how long it is: convert it first (ffmpeg -i SONG song.wav)"
            )

    def _damaged(self) -> AudioFileError:
        return AudioFileError(
            f"{self.name} is damaged or cut off: only {self._seconds(self._position)} of "
            f"{self._seconds(self.frames)} could be read"
        )

    def _seconds(self, frames: int) -> str:
        return f"{frames / self.sample_rate_hz:.2f} s"

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        self._stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self.close()


class AudioWriter:
    """An audio file that gets its name only when it is complete; until then it has a hidden name in the same folder.

    The extension sets the format: wav (32-bit float), flac (24 bits) or ogg (Vorbis). Leaving a `with` block publishes
    the file; an exception in the block discards it. UsageError for another extension, AudioFileError when the file
    exists (unless `force`) or cannot be written. With `total_frames`, WAV beyond 4 GiB is written as RF64.
    """

    def __init__(
        self,
        path: str | Path,
        sample_rate_hz: int,
        channels: int,
        *,
        force: bool = False,
        total_frames: int | None = None,
    ) -> None:
        self.path = Path(path)
        self.name = str(path)
        self.clipped_samples = 0
        """Samples beyond full scale so far, if the encoding clips them."""
        self._force = force
        self._written = 0
        self._finished = False
        check_output(path, force=force)
        kind, self._encoding = FORMATS[self.path.suffix[1:].lower()]
        frame_bytes = 4 * channels
        self._limit_frames = _WAV_LIMIT_BYTES // frame_bytes if kind == "WAV" else None
        if self._limit_frames is not None and (total_frames or 0) > self._limit_frames:
            kind, self._limit_frames = "RF64", None
        try:
            self._target = target_of(self.path)
            self._part = new_part(self._target)
            self._part.touch(exist_ok=False)
        except OSError as error:
            raise AudioFileError(f"cannot write {path}: {error.strerror}") from error
        try:
            self._file = soundfile.SoundFile(
                self._part, "w", sample_rate_hz, channels, format=kind, subtype=self._encoding
            )
        except (soundfile.SoundFileError, ValueError, TypeError) as error:
            self._part.unlink(missing_ok=True)
            raise AudioFileError(f"cannot write {path}: {self._cause(error)}") from error

    def write(self, block: NDArray[np.float32]) -> None:
        """Append a block [n, C]. AudioFileError when the disk is full or WAV cannot hold more."""
        if self._encoding == "PCM_24":
            self.clipped_samples += int(np.count_nonzero(np.abs(block) > 1))
        if self._limit_frames is not None and self._written + len(block) > self._limit_frames:
            raise AudioFileError(f"{self.name} reached the 4 GiB that WAV holds: write .flac or .ogg instead")
        try:
            for start in range(0, len(block), _VORBIS_BLOCK):
                self._file.write(np.ascontiguousarray(block[start : start + _VORBIS_BLOCK]))
        except (soundfile.SoundFileError, AssertionError) as error:
            raise AudioFileError(f"cannot write {self.name}: {self._cause(error)}") from error
        self._written += len(block)

    def finish(self) -> None:
        """Complete the file under its temporary name; `close` publishes it. AudioFileError as in `write`.

        libsndfile reports neither a disk that fills up while Vorbis is written nor one that does while a FLAC file is
        closed, so the length is read back and checked.
        """
        if self._finished:
            return
        try:
            self._file.close()
            arrived = soundfile.info(str(self._part)).frames if self._written else 0
        except soundfile.SoundFileError as error:
            raise AudioFileError(f"cannot write {self.name}: {self._cause(error)}") from error
        if arrived != self._written:
            raise AudioFileError(f"cannot write {self.name}: {self._cause(None)}")
        self._finished = True

    def close(self) -> None:
        """Complete and publish the file. AudioFileError when it cannot be completed; nothing is published then."""
        try:
            self.finish()
            check_output(self.path, force=self._force)
            publish(self._part, self._target)
        except OSError as error:
            raise AudioFileError(f"cannot write {self.name}: {error.strerror}") from error
        finally:
            self.discard()

    def discard(self) -> None:
        """Delete what was written, unless it was published."""
        with suppress(soundfile.SoundFileError):
            self._file.close()
        self._part.unlink(missing_ok=True)

    def _cause(self, error: Exception | None) -> str:
        if shutil.disk_usage(self._part.parent).free < _LOW_DISK_BYTES:
            return "the disk is full"
        return _reason(error) if error else "not everything arrived on the disk; is it full?"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()


def check_output(path: str | Path, *, force: bool) -> None:
    """Check that a file of this name may be written.

    UsageError for an unknown extension; AudioFileError where the folder is missing or the file exists.
    """
    path = Path(path)
    if path.suffix[1:].lower() not in FORMATS:
        known = ", ".join(f".{extension}" for extension in FORMATS)
        raise UsageError(f"{path}: the name of an output file ends in one of {known}")
    if path.is_dir():
        raise AudioFileError(f"{path} is a folder: name a file")
    if path.exists() and not force:
        raise AudioFileError(f"{path} exists: choose another name, or --force to replace it")
    if not path.parent.is_dir():
        raise AudioFileError(f"cannot write {path}: there is no folder {path.parent}")


def _reason(error: Exception) -> str:
    """Return libsndfile's message without its prefix."""
    text = getattr(error, "error_string", "") or str(error)
    return text.strip().rstrip(".") or type(error).__name__
