"""The errors that stemlive raises on purpose: each says in one line what to do about it."""


class StemliveError(Exception):
    """Something that the user can mend went wrong; the command line prints the message and exits with 1."""

    exit_code = 1


class UsageError(StemliveError):
    """A value that was asked for makes no sense (unknown stem, negative length); exit code 2."""

    exit_code = 2


class AudioFileError(StemliveError):
    """An audio file or stream cannot be read or written."""


class DeviceError(StemliveError):
    """An audio device is missing, ambiguous, busy or gone, or its system library is not there."""


class ModelError(StemliveError):
    """A model file or checkpoint is not one, is damaged, or was made for another version."""


class TrainingError(StemliveError):
    """Training or evaluation cannot go on with this data or these settings."""
