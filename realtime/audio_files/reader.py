"""Audio files of any kind, read block by block to their real end."""

import math
import re
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from stemlive.errors import AudioFileError, MissingFileError
from stemlive.realtime.audio_files import ffmpeg
from stemlive.realtime.audio_files.ffmpeg_reader import FfmpegReader
from stemlive.realtime.audio_files.sndfile_reader import SndfileReader, UnknownKindError

_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/+(.*)", re.DOTALL)
"""What `Path` leaves of an address has one slash."""
_LIST = b"#EXTM3U"


class AudioReader:
    """An audio file: what libsndfile reads (WAV, FLAC, Ogg, MP3, AIFF and more), and through ffmpeg all else and video.

    `name` is for messages. Joined files are read as one. AudioFileError when the file is not audio, or empty;
    MissingFileError when it is missing, or an address. Without `decode` ffmpeg, which may take long, is not asked:
    UnknownKindError.
    """

    def __init__(self, path: str | Path, *, decode: bool = True) -> None:
        self.path = Path(path)
        self.name = str(path)
        if not self.path.exists():
            refuse_address(self.name)
            raise MissingFileError(f"{path}: there is no such file")
        if not self.path.is_file():
            raise AudioFileError(f"{path} is not a file")
        self._source = _open(self.path, self.name, decode)
        self.sample_rate_hz = self._source.sample_rate_hz
        self.channels = self._source.channels

    @property
    def frames(self) -> int:
        """Length in samples per channel; of what ffmpeg decodes it is only exact after `settle`, or near the end."""
        return self._source.frames

    @property
    def missing(self) -> str:
        """What cannot be read, as far as that is known so far; empty if nothing is missing."""
        return self._source.missing

    @property
    def note(self) -> str:
        """A remark for the user on the file, so far; empty if there is none."""
        return self._source.note

    def settle(self, limit_s: float = math.inf) -> bool:
        """Wait, with a limit, until `frames` is exact, and say whether it is; only what ffmpeg decodes takes time."""
        return self._source.settle(limit_s)

    def seek(self, frame: int) -> None:
        """Move to a sample position from 0 to `frames`. AudioFileError when the file is damaged."""
        self._source.seek(frame)

    def read(self, frames: int) -> NDArray[np.float32]:
        """Return the next block, float32 [frames, C]; shorter only at the end, empty from then on.

        AudioFileError, with the length that could be read, when the file is damaged.
        """
        return self._source.read(frames)

    def close(self) -> None:
        """Close the file."""
        self._source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self.close()


def _open(path: Path, name: str, decode: bool) -> SndfileReader | FfmpegReader:
    try:
        return SndfileReader(path, name)
    except UnknownKindError as error:
        with path.open("rb") as file:
            if file.read(len(_LIST)) == _LIST:  # ffmpeg would wait for more of a list without an end
                raise AudioFileError(f"{name} is a list of sounds, not a sound") from error
        if ffmpeg.program() is None:
            raise AudioFileError(f"{error}: if it is audio or video, {ffmpeg.INSTALL}, and try again") from error
        if not decode:
            raise
        return FfmpegReader(path, name)


def refuse_address(name: str, command: str = "separate -") -> None:
    """Raise MissingFileError for the address of something in a network, with a pipe into the command."""
    found = _ADDRESS.fullmatch(name)
    if found is not None:
        address = f"{found[1]}://{found[2]}"
        pipe = f"yt-dlp -f ba -o - '{address}' | stemlive {command}"
        raise MissingFileError(f"{address} is an address, and stemlive downloads nothing: {pipe}")
