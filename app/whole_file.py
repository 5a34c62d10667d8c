"""Write files atomically: a file gets its name only when it is complete and on the disk. For every package."""

import ctypes
import errno
import glob
import os
import platform
import re
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from stemlive.errors import UsageError

_NAME_LETTERS = 40
"""How much of the target's name goes into the temporary name, so that this fits into 255 bytes in any alphabet."""

_SYNCHRONIZE, _STILL_RUNNING, _NO_SUCH_PROCESS = 0x100000, 258, 87
"""Numbers of Windows: a right to wait for a process, WAIT_TIMEOUT, ERROR_INVALID_PARAMETER."""


def refuse_existing(path: Path | None, force: bool) -> None:
    """Raise UsageError if a file exists (unless `force`), before any work is done. None is no file."""
    if path is not None and path.exists() and not force:
        raise UsageError(f"{path} exists: name another file or add `force=True`")


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a hidden temporary name beside `path` to write to, which replaces `path` when the block ends.

    If the block raises, the temporary file is deleted and `path` is unchanged. Several threads and processes may write
    the same file.
    """
    target = target_of(path)
    part = new_part(target)
    try:
        yield part
        publish(part, target)
    finally:
        part.unlink(missing_ok=True)


def target_of(path: Path) -> Path:
    """Return the file to replace for this name: symbolic links are followed. OSError for links in a circle."""
    try:
        return path.resolve()
    except RuntimeError as error:
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path)) from error


def new_part(target: Path) -> Path:
    """Return an unused hidden name beside a target, after deleting what killed programs left there.

    The name contains the machine and the process id, so the file of a running process is never deleted.
    """
    prefix = f".{target.name[:_NAME_LETTERS]}.{platform.node()}-"
    for path in target.parent.glob(f"{glob.escape(prefix)}*.part"):
        owner = re.fullmatch(rf"{re.escape(prefix)}(\d+)-[0-9a-f]{{8}}\.part", path.name)
        if owner and not _runs(int(owner[1])):
            with suppress(OSError):
                path.unlink()
    return target.with_name(f"{prefix}{os.getpid()}-{secrets.token_hex(4)}.part")


def publish(part: Path, target: Path) -> None:
    """Sync a complete file, or a folder of such files, to the disk and rename it to `target`. OSError on failure.

    The contents are on the disk before the rename, and the rename before this returns: after a power cut, `target` is
    either the old or the new one.
    """
    if part.is_dir():
        for path in sorted(part.rglob("*"), reverse=True):  # contents before their folder
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
    """Sync the entries of a folder, if the system and the file system support it."""
    if os.name == "posix":
        descriptor = os.open(path, os.O_RDONLY)
        try:
            with suppress(OSError):  # unsupported by some file systems; the files themselves are synced
                os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _runs(pid: int) -> bool:
    if sys.platform == "win32":  # where os.kill with signal 0 would end the process
        return _runs_on_windows(pid)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _runs_on_windows(pid: int) -> bool:
    if sys.platform != "win32":
        return True
    kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    kernel.OpenProcess.restype = ctypes.c_void_p
    handle = ctypes.c_void_p(kernel.OpenProcess(_SYNCHRONIZE, False, pid))
    if not handle:
        return ctypes.get_last_error() != _NO_SUCH_PROCESS
    try:
        return int(kernel.WaitForSingleObject(handle, 0)) == _STILL_RUNNING
    finally:
        kernel.CloseHandle(handle)
