"""The errors that stemlive raises on purpose. Each message says in one line what to do."""

import re

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


class TrainingError(StemliveError):
    """Training or evaluation cannot continue with this data or these settings."""


class NoMemoryError(StemliveError):
    """There is not enough memory."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception of any library means that memory is short; few of them raise MemoryError."""
    return isinstance(error, MemoryError) or bool(_OUT_OF_MEMORY.search(str(error)))
