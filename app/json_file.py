"""JSON reports: never over a file unasked, and whole or not there."""

import json
import os
from pathlib import Path
from typing import Any

from stemlive.errors import StemliveError, UsageError


def refuse_existing(path: Path | None, force: bool) -> None:
    """UsageError for a file that is there, before any work is done for it; None is no file."""
    if path is not None and path.exists() and not force:
        raise UsageError(f"{path} exists: name another file or add --force")


def write_json(path: Path, value: Any) -> None:
    """Write the report so that the file is whole or not there. StemliveError when it cannot be written."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        partial.write_text(json.dumps(value, indent=2, allow_nan=False) + "\n", encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise StemliveError(f"cannot write {path}: {error.strerror}") from error
    finally:
        partial.unlink(missing_ok=True)
