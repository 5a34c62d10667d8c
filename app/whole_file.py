"""Files that stand under their name only when they are whole and on the disk; for every package."""

import errno
import glob
import os
import platform
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from stemlive.errors import UsageError

_NAME_LETTERS = 40
"""How much of a file's name its part has in its own: with all else, in any alphabet, what 255 bytes hold."""


def refuse_existing(path: Path | None, force: bool) -> None:
    """UsageError for a file that is there, before any work is done for it; None is no file."""
    if path is not None and path.exists() and not force:
        raise UsageError(f"{path} exists: name another file or add --force")


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A hidden name beside `path` to write to: it takes the place of `path` when the block ends.

    When the block raises, nothing is left of it and `path` is as it was. Threads and processes may write the same file.
    """
    target = target_of(path)
    part = new_part(target)
    try:
        yield part
        publish(part, target)
    finally:
        part.unlink(missing_ok=True)


def target_of(path: Path) -> Path:
    """Where a file of this name goes: a link stays a link. OSError for links that lead in a circle."""
    try:
        return path.resolve()
    except RuntimeError as error:
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path)) from error


def new_part(target: Path) -> Path:
    """Return a hidden name beside a target that nobody else uses, after removing what killed programs left there.

    The name says which process of which machine it belongs to, so nothing is taken from one that still writes.
    """
    prefix = f".{target.name[:_NAME_LETTERS]}.{platform.node()}-"
    for path in target.parent.glob(f"{glob.escape(prefix)}*.part"):
        owner = re.fullmatch(rf"{re.escape(prefix)}(\d+)-[0-9a-f]{{8}}\.part", path.name)
        if owner and not _runs(int(owner[1])):
            with suppress(OSError):
                path.unlink()
    return target.with_name(f"{prefix}{os.getpid()}-{secrets.token_hex(4)}.part")


def publish(part: Path, target: Path) -> None:
    """Give a file that is written, or a folder of such files, its name. OSError where something cannot be stored.

    It is on the disk before it has the name, and the name before this returns: a power cut leaves the old or the new.
    """
    if part.is_dir():
        for path in sorted(part.rglob("*"), reverse=True):  # what is in a folder before the folder
            (_sync_folder if path.is_dir() else _sync_file)(path)
        _sync_folder(part)
    else:
        _sync_file(part)
    part.replace(target)
    _sync_folder(target.parent)


def _sync_file(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    """Store which names are in a folder, where the system and its file system can do so for themselves."""
    if os.name == "posix":
        descriptor = os.open(path, os.O_RDONLY)
        try:
            with suppress(OSError):  # file systems that cannot say so; the files themselves are stored
                os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _runs(pid: int) -> bool:
    if os.name != "posix":  # to ask is to end it there
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
