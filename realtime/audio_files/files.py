"""Audio files, written so that a file under its final name is always complete."""

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
from stemlive.realtime.audio_files.sndfile_reader import reason
from stemlive.whole_file import new_part, publish, target_of

FORMATS = {
    "wav": ("WAV", "FLOAT"),
    "flac": ("FLAC", "PCM_24"),
    "ogg": ("OGG", "VORBIS"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
}
"""File name extension to libsndfile's format and encoding. 32-bit float never clips."""
BITS = {"wav": {16: "PCM_16", 24: "PCM_24", 32: "FLOAT"}, "flac": {16: "PCM_16", 24: "PCM_24"}}
"""File name extension to the bits of a sample that may be chosen, and libsndfile's encoding of each."""

_WAV_LIMIT_BYTES = 2**32 - 2**16
_VORBIS_BLOCK = 8192
_LOW_DISK_BYTES = 1 << 20


class AudioWriter:
    """An audio file that gets its name only when it is complete; until then it has a hidden name in the same folder.

    The extension sets the format: wav (32-bit float), flac (24 bits), ogg (Vorbis) or mp3; `bits` as in `BITS`. Leaving
    a `with` block publishes the file; an exception in the block discards it. UsageError for another extension or other
    bits, AudioFileError when the file exists (unless `force`) or cannot be written. With `total_frames`, WAV beyond
    4 GiB is written as RF64.
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
        kind, self._encoding = FORMATS[extension]
        if bits is not None:
            self._encoding = _encoding(extension, bits)
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
                native(self._part), "w", sample_rate_hz, channels, format=kind, subtype=self._encoding
            )
        except (soundfile.SoundFileError, ValueError, TypeError) as error:
            self._part.unlink(missing_ok=True)
            raise AudioFileError(f"cannot write {path}: {self._cause(error)}") from error

    def write(self, block: NDArray[np.float32]) -> None:
        """Append a block [n, C]. AudioFileError when the disk is full or WAV cannot hold more."""
        if self._encoding.startswith("PCM"):
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
            arrived = soundfile.info(native(self._part)).frames if self._written else 0
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
        return reason(error) if error else "not everything arrived on the disk; is it full?"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()


def native(path: Path) -> str | bytes:
    """Return a path as libsndfile takes it: on POSIX in bytes, which need not be text."""
    return os.fsencode(path) if os.name == "posix" else str(path)


def _encoding(extension: str, bits: int) -> str:
    known = BITS.get(extension, {})
    if bits not in known:
        which = " or ".join(map(str, known)) or "no bits to choose"
        raise UsageError(f"a .{extension} file has {which}, not {bits}")
    return known[bits]


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
