"""The errors that stemlive raises on purpose. Each message says in one line what to do."""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

_OUT_OF_MEMORY = re.compile(
    r"bad_alloc|failed to map segment|(cannot|can't|could not|failed to) allocate|out of memory|can't start new thread",
    re.IGNORECASE,
)


class StemliveError(Exception):
    """A failure that the user can fix; the command line prints the message and exits with 1."""

    exit_code = 1


class UsageError(StemliveError):
    """A requested value is invalid (unknown stem, negative length); exit code 2."""

    exit_code = 2


class AudioFileError(StemliveError):
    """An audio file or stream cannot be read or written."""


class DeviceError(StemliveError):
    """An audio device is missing, ambiguous, busy or lost, or its system library is missing."""


class ModelError(StemliveError):
    """A model file or checkpoint is invalid, damaged, or made for another version."""


class MissingFileError(AudioFileError, ModelError, UsageError):
    """A file or folder that was named does not exist; exit code 2, whatever the file was to be."""


class TrainingError(StemliveError):
    """Training or evaluation cannot continue with this data or these settings."""


class NoMemoryError(StemliveError):
    """There is not enough memory."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception of any library means that memory is short; few of them raise MemoryError."""
    return isinstance(error, MemoryError) or bool(_OUT_OF_MEMORY.search(str(error)))


def check_exists(*paths: Path | None) -> None:
    """Raise MissingFileError for the first of these files and folders that does not exist. None is no file."""
    for path in paths:
        if path is not None and not path.exists():
            raise MissingFileError(f"{path} does not exist: check the path")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `did you mean KNOWN? ` for a word that is close to a known one, otherwise an empty text."""
    by_lower = {name.lower(): name for name in known}
    close = get_close_matches(word.lower(), by_lower, 1)
    return f"did you mean {by_lower[close[0]]}? " if close else ""
