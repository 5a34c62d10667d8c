"""Audio files, written so that a file under its final name is always complete."""

import shutil
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import soundfile
from numpy.typing import NDArray

from stemlive.errors import AudioFileError, UsageError
from stemlive.realtime.audio_files.encoders import FORMATS, encoding_of, open_encoder
from stemlive.realtime.audio_files.sndfile_reader import reason
from stemlive.whole_file import new_part, publish, target_of

_WAV_LIMIT_BYTES = 2**32 - 2**16
_LOW_DISK_BYTES = 1 << 20


class AudioWriter:
    """An audio file that gets its name only when it is complete; until then it has a hidden name in the same folder.

    The extension sets the format: wav (32-bit float, or 16 or 24 `bits`), flac (24 bits, or 16), ogg (Vorbis), opus,
    mp3 (320 kbit/s) or m4a (AAC, through ffmpeg). Leaving a `with` block publishes the file; an exception in the block
    discards it. UsageError for another extension, AudioFileError when the file exists (unless `force`) or cannot be
    written. With `total_frames`, WAV beyond 4 GiB is written as RF64.
    """

    def __init__(
        self,
        path: str | Path,
        sample_rate_hz: int,
        channels: int,
        *,
        force: bool = False,
        total_frames: int | None = None,
        bits: int | None = None,
    ) -> None:
        self.path = Path(path)
        self.name = str(path)
        self.clipped_samples = 0
        """Samples beyond full scale so far, if the encoding clips them."""
        self._force = force
        self._written = 0
        self._finished = False
        check_output(path, force=force)
        extension = self.path.suffix[1:].lower()
        kind, self._encoding = FORMATS[extension][0], encoding_of(extension, bits)
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
            self._encoder = open_encoder(self._part, kind, self._encoding, sample_rate_hz, channels)
        except (soundfile.SoundFileError, AudioFileError, ValueError, TypeError) as error:
            self._part.unlink(missing_ok=True)
            raise AudioFileError(f"cannot write {path}: {self._cause(error)}") from error

    @property
    def part(self) -> Path:
        """Where the file is until it gets its name: complete after `finish`."""
        return self._part

    def write(self, block: NDArray[np.float32]) -> None:
        """Append a block [n, C]. AudioFileError when the disk is full or WAV cannot hold more."""
        if not len(block):
            return
        if self._encoding.startswith("PCM"):
            self.clipped_samples += int(np.count_nonzero(np.abs(block) > 1))
        if self._limit_frames is not None and self._written + len(block) > self._limit_frames:
            raise AudioFileError(f"{self.name} reached the 4 GiB that WAV holds: write .flac or .ogg instead")
        try:
            self._encoder.write(block)
        except (soundfile.SoundFileError, AudioFileError, AssertionError) as error:
            raise AudioFileError(f"cannot write {self.name}: {self._cause(error)}") from error
        self._written += len(block)

    def finish(self) -> None:
        """Complete the file under its temporary name; `close` publishes it. AudioFileError as in `write`."""
        if self._finished:
            return
        try:
            arrived = self._encoder.finish()
        except (soundfile.SoundFileError, AudioFileError, OSError) as error:
            raise AudioFileError(f"cannot write {self.name}: {self._cause(error)}") from error
        if not arrived:
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
            self._encoder.discard()
        self._part.unlink(missing_ok=True)

    def _cause(self, error: Exception | None) -> str:
        if shutil.disk_usage(self._part.parent).free < _LOW_DISK_BYTES:
            return "the disk is full"
        return reason(error) if error else "not everything arrived on the disk; is it full?"

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
        raise AudioFileError(f"{path} exists: choose another name, or replace it with `force=True`")
    if not path.parent.is_dir():
        raise AudioFileError(f"cannot write {path}: there is no folder {path.parent}")
