"""Files that stand under their name only when they are whole, and over none unasked; for every package."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stemlive.errors import UsageError


def refuse_existing(path: Path | None, force: bool) -> None:
    """UsageError for a file that is there, before any work is done for it; None is no file."""
    if path is not None and path.exists() and not force:
        raise UsageError(f"{path} exists: name another file or add --force")


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A hidden name beside `path`, with its suffix, to write to: it takes the place of `path` when the block ends.

    When the block raises, nothing is left of it and `path` is as it was. Threads and processes may write the same file.
    """
    part = path.with_name(f".{path.stem}.{os.getpid()}.{threading.get_ident()}{path.suffix}")
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
