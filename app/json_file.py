"""JSON reports: never over a file unasked, and whole or not there."""

import json
from pathlib import Path
from typing import Any

from stemlive.errors import StemliveError, UsageError
from stemlive.whole_file import whole_file


def refuse_existing(path: Path | None, force: bool) -> None:
    """UsageError for a file that is there, before any work is done for it; None is no file."""
    if path is not None and path.exists() and not force:
        raise UsageError(f"{path} exists: name another file or add --force")


def write_json(path: Path, value: Any) -> None:
    """Write the report so that the file is whole or not there. StemliveError when it cannot be written."""
    try:
        with whole_file(path) as part:
            part.write_text(json.dumps(value, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise StemliveError(f"cannot write {path}: {error.strerror}") from error
