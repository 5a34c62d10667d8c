"""One take: a new folder with a file per signal, all starting at the same sample and equally long."""

import errno
import os
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile
from numpy.typing import NDArray

from stemlive.errors import AudioFileError
from stemlive.realtime.audio_files.encoders import FORMATS
from stemlive.whole_file import publish

FloatArray = NDArray[np.float32]

TAKE_FORMATS = ("flac", "wav")
PIECE = 4096
"""Most frames in one write."""
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_BALLAST = ".ballast"
_WAV_LIMIT_BYTES = 2**32 - 2**20


class Take:
    """Files `NAME.flac` or `NAME.wav` in a new folder `take-001`, `take-002` ...; for one thread.

    While they are written, the files are called `NAME.flac.part`. A ballast file reserves the space needed to close
    them properly: when the disk is full, it is deleted, `full` becomes True, and no more should be written.
    AudioFileError when the folder cannot be created or a file cannot be written.
    """

    def __init__(
        self, root: Path, signals: dict[str, int], sample_rate_hz: int, extension: str, *, number: int = 1
    ) -> None:
        """`signals` maps each name to its channel count; `number` is the first take number to try."""
        self.frames = 0
        self.clipped_samples = 0
        self.full = False
        """Whether the disk is."""
        kind, encoding = FORMATS[extension]
        self._clips = encoding != "FLOAT"
        frame_bytes = 4 * sum(signals.values())
        widest = 4 * max(signals.values())
        self._limit_frames = _WAV_LIMIT_BYTES // widest if kind == "WAV" else 1 << 60
        self.folder = _new_folder(root, number)
        self._ballast = self.folder / _BALLAST
        self._files: list[_PartFile] = []
        self._sounds: list[soundfile.SoundFile] = []
        try:
            # Random bytes, which no file system compresses: room for the last pieces, encoder buffers and headers.
            self._ballast.write_bytes(os.urandom(2 * PIECE * frame_bytes + 8192 * len(signals)))
            for name, channels in signals.items():
                file = _PartFile(self.folder / f"{name}.{extension}", self._make_room)
                self._files.append(file)
                self._sounds.append(
                    soundfile.SoundFile(file, "w", sample_rate_hz, channels, format=kind, subtype=encoding)
                )
        except (OSError, soundfile.SoundFileError) as error:
            self.discard()
            raise AudioFileError(f"cannot record in {self.folder}: {_reason(error)}") from error

    @property
    def at_limit(self) -> bool:
        """Whether another piece could exceed what WAV holds."""
        return self.frames + PIECE > self._limit_frames

    def write(self, blocks: list[FloatArray]) -> None:
        """Append a block [n, C] to every file, n at most `PIECE`."""
        for sound, file, block in zip(self._sounds, self._files, blocks, strict=True):
            if self._clips:
                self.clipped_samples += int(np.count_nonzero(np.abs(block) > 1))
            try:
                sound.write(block)
            except (soundfile.SoundFileError, AssertionError) as error:
                raise AudioFileError(f"cannot write {file.path}: {_reason(file.error or error)}") from error
        self.frames += len(blocks[0])

    def close(self) -> None:
        """Complete and rename the files. AudioFileError when one cannot be completed; it keeps its `.part` name."""
        self._ballast.unlink(missing_ok=True)
        failed: Exception | None = None
        for sound, file in zip(self._sounds, self._files, strict=True):
            try:
                sound.close()
                file.publish()
            except (OSError, soundfile.SoundFileError) as error:
                failed = failed or AudioFileError(f"cannot complete {file.path}: {_reason(file.error or error)}")
        if failed is not None:
            raise failed

    def discard(self) -> None:
        """Remove the files and the folder, as for a take without samples."""
        for sound in self._sounds:
            with suppress(soundfile.SoundFileError):
                sound.close()
        for file in self._files:
            file.discard()
        self._ballast.unlink(missing_ok=True)
        with suppress(OSError):
            self.folder.rmdir()

    def _make_room(self) -> bool:
        """Delete the ballast; return whether it still existed."""
        was_full, self.full = self.full, True
        self._ballast.unlink(missing_ok=True)
        return not was_full


class _PartFile:
    """The file that libsndfile writes to. Unbuffered, so that a full disk shows at once and frees the ballast."""

    def __init__(self, path: Path, make_room: Callable[[], bool]) -> None:
        self.path = path
        self._part = path.with_name(f"{path.name}.part")
        self._make_room = make_room
        self._file: BinaryIO = self._part.open("xb+", buffering=0)
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        """Write all of `data`. libsndfile would swallow an exception, so a failure is reported as a short write."""
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[self._file.write(rest) :]
            except OSError as error:
                if error.errno in _FULL and self._make_room():
                    continue
                self.error = error
                break
        return len(data) - len(rest)

    def read(self, count: int) -> bytes:
        """Read; libsndfile does so when it updates a header."""
        return self._file.read(count)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a position."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return the position."""
        return self._file.tell()

    def publish(self) -> None:
        """Close the file and rename it to its final name. OSError when a write had failed."""
        self._file.close()
        if self.error is not None:
            raise self.error
        publish(self._part, self.path)

    def discard(self) -> None:
        """Close and delete it."""
        self._file.close()
        self._part.unlink(missing_ok=True)


def _new_folder(root: Path, number: int) -> Path:
    """Create the folder of the next take, numbered after the highest that exists."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        used = [int(found[1]) for path in root.iterdir() if (found := re.fullmatch(r"take-(\d+)", path.name))]
        number = max([number - 1, *used]) + 1
        while True:
            folder = root / f"take-{number:03}"
            try:
                folder.mkdir()
                return folder
            except FileExistsError:  # another program has just created it
                number += 1
    except OSError as error:
        raise AudioFileError(f"cannot record in {root}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return "the disk is full" if error.errno in _FULL else str(error.strerror)
    return str(getattr(error, "error_string", "") or error).strip().rstrip(".")
