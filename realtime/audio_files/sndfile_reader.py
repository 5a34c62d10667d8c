"""Audio files that libsndfile reads, block by block to their real end."""

import os
from bisect import bisect_right
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile
from numpy.typing import NDArray

from stemlive.errors import AudioFileError
from stemlive.realtime.audio_files.byte_view import ByteView
from stemlive.realtime.audio_files.contents import Contents
from stemlive.realtime.audio_files.intake import intake
from stemlive.realtime.audio_files.survey import survey

_MAX_FRAMES = 1 << 40
_FLAC_TAG_BYTES = 1 << 14
_MP3_AHEAD = 12 * 1152
_CONVERT = "convert it first (ffmpeg -i SONG song.wav)"


class _Sequential(soundfile.SoundFile):  # type: ignore[misc]
    """Reads without seeking: soundfile seeks after every read, which damages MP3 of a variable bit rate."""

    def seekable(self) -> bool:
        """Return False, so that soundfile does not seek."""
        return False


class UnknownKindError(AudioFileError):
    """A file is nothing that libsndfile reads."""


class SndfileReader:
    """WAV, FLAC, Ogg Vorbis and Opus, MP3, AIFF and more, as `AudioReader`.

    UnknownKindError when it is nothing of the kind; AudioFileError when it is, and cannot be read or holds nothing.
    """

    def __init__(self, path: Path, name: str) -> None:
        self.path, self.name = path, name
        self._file: _Sequential
        self._part = -1
        try:
            self._stream: BinaryIO = self.path.open("rb")
            contents = self._survey()
        except OSError as error:
            raise AudioFileError(f"cannot read {path}: {error.strerror}") from error
        try:
            self._parts = contents.parts
            self._open(0)
            self.sample_rate_hz: int = int(self._file.samplerate)
            ogg = self._file.format == "OGG"
            self._intake = intake(self.name, self.sample_rate_hz, self._file.channels, contents.mask, ogg=ogg)
            self.channels: int = self._intake.channels
            self._lanes = int(self._file.channels)
            self.frames = self._position = 0
            self._starts = [0]
            """The first frame of each part, and the end."""
            self._measure()
            if not self.frames:
                raise AudioFileError(f"{path} holds no samples")
            self.missing = self._missing(contents)
            self.seek(0)
        except BaseException:
            self.close()
            raise

    @property
    def note(self) -> str:
        """A remark for the user on the file, so far; empty if there is none."""
        return "; ".join(part for part in (self._intake.note, self.missing) if part)

    def settle(self, limit_s: float) -> bool:
        """Return True: the length is exact, unless the file is damaged."""
        return limit_s >= 0

    def seek(self, frame: int) -> None:
        """Move to a sample position from 0 to `frames`. AudioFileError when the file is damaged."""
        self._position = frame
        part = min(bisect_right(self._starts, frame), len(self._starts) - 1) - 1
        self._open(part)
        place = frame - self._starts[part]
        # An MP3 frame depends on some frames before it, which libsndfile does not always read.
        ahead = min(place, _MP3_AHEAD) if self._file.format == "MP3" else 0
        try:
            self._file.seek(place - ahead)
            self._file.read(ahead)
        except soundfile.SoundFileError as error:
            raise self._damaged() from error

    def read(self, frames: int) -> NDArray[np.float32]:
        """Return the next block, float32 [frames, C]; shorter only at the end, empty from then on.

        AudioFileError, with the length that could be read, when the file is damaged.
        """
        blocks: list[NDArray[np.float32]] = []
        left = frames
        while left > 0 and self._position < self.frames:
            if self._position == self._starts[self._part + 1]:
                self._open(self._part + 1)
            block = self._read(left)
            blocks.append(block)
            left -= len(block)
            self._position += len(block)
            if left and self._position < self._starts[self._part + 1]:
                self._end_early()
        if self._position == self.frames and not self.missing:
            self._look_beyond()
        if len(blocks) == 1:
            return blocks[0]
        return np.concatenate(blocks) if blocks else np.zeros((0, self.channels), np.float32)

    def close(self) -> None:
        """Close the file."""
        if self._part >= 0:
            self._file.close()
        self._stream.close()

    def _survey(self) -> Contents:
        try:
            self._size_bytes = os.fstat(self._stream.fileno()).st_size
            if not self._size_bytes:
                raise AudioFileError(f"{self.name} is empty")
            return survey(self._stream, self._size_bytes)
        except BaseException:
            self._stream.close()
            raise

    def _open(self, part: int) -> None:
        """Open a part with libsndfile, at its beginning."""
        if part == self._part:
            return
        if self._part >= 0:
            self._file.close()
        self._part = -1
        self._view = ByteView(self._stream, self._parts[part])
        try:
            self._file = _Sequential(self._view)
        except soundfile.SoundFileError as error:
            raise UnknownKindError(f"{self.name} is not audio of a known kind ({reason(error)})") from error
        self._part = part
        if self._file.frames > _MAX_FRAMES:
            raise UnknownKindError(f"{self.name} does not say how long it is")

    def _measure(self) -> None:
        """Add up the lengths of the parts, up to the first of another rate or number of channels."""
        for part in range(len(self._parts)):
            with suppress(AudioFileError):
                self._open(part)
            if self._part != part:
                return
            if (self._file.samplerate, self._file.channels) != (self.sample_rate_hz, self._lanes):
                return
            self.frames += int(self._file.frames)
            self._starts.append(self.frames)

    def _read(self, frames: int) -> NDArray[np.float32]:
        try:
            left = self._starts[self._part + 1] - self._position
            block = self._file.read(min(frames, left), dtype="float32", always_2d=True)
        except soundfile.SoundFileError as error:
            raise self._damaged() from error
        if self._view.error is not None:
            raise AudioFileError(f"cannot read {self.name}: {self._view.error.strerror}")
        return self._intake.hand_on(np.asarray(block, np.float32))

    def _end_early(self) -> None:
        """Shorten the part to the current position, because libsndfile returns no more of it."""
        missing = self._starts[self._part + 1] - self._position
        if missing > self.sample_rate_hz // 10:
            lost, length = self._seconds(missing), self._seconds(self.frames)
            text = f"{lost} of the {length} of {self.name} could not be read"
            self.missing = f"{self.missing}; {text}" if self.missing else text
        following = self._part + 1
        self._starts[following:] = [start - missing for start in self._starts[following:]]
        self.frames -= missing

    def _look_beyond(self) -> None:
        """Note in `missing` if libsndfile stopped well before the end of a FLAC file: something is appended to it."""
        if self._file.format == "FLAC" and self._view.unread > _FLAC_TAG_BYTES:
            share = self._view.unread / self._size_bytes
            self.missing = (
                f"the last {share:.0%} of {self.name}, after {self._seconds(self.frames)}, are not read: {_CONVERT}"
            )

    def _missing(self, contents: Contents) -> str:
        parts = len(self._starts) - 1
        if parts < len(self._parts):
            return (
                f"only the first {parts} of the {len(self._parts)} pieces that {self.name} is joined of "
                f"({self._seconds(self.frames)}) are read, for the next one is of another kind: {_CONVERT}"
            )
        if contents.left_out:
            return (
                f"the last {contents.left_out:.0%} of {self.name} are left out, "
                f"for they are not like the {self._seconds(self.frames)} before: {_CONVERT}"
            )
        announced = round(contents.announced * self.frames)
        if announced - self.frames > self.sample_rate_hz // 10:
            length = self._seconds(self.frames)
            return f"{self.name} ends after {length} of the {self._seconds(announced)} that its header announces"
        if contents.unended:
            return f"{self.name} has no end and may be cut off: {self._seconds(self.frames)} are there"
        return ""

    def _damaged(self) -> AudioFileError:
        return AudioFileError(
            f"{self.name} is damaged: only {self._seconds(self._position)} of "
            f"{self._seconds(self.frames)} could be read"
        )

    def _seconds(self, frames: int) -> str:
        return f"{frames / self.sample_rate_hz:.2f} s"


def native(path: Path) -> str | bytes:
    """Return a path as libsndfile takes it: on POSIX in bytes, which need not be text."""
    return os.fsencode(path) if os.name == "posix" else str(path)


def reason(error: Exception) -> str:
    """Return libsndfile's message without its prefix."""
    text = getattr(error, "error_string", "") or str(error)
    return text.strip().rstrip(".") or type(error).__name__
