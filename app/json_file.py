"""Write JSON reports atomically."""

import json
from pathlib import Path
from typing import Any

from stemlive.errors import StemliveError
from stemlive.whole_file import whole_file


def write_json(path: Path, value: Any) -> None:
    """Write `value` as JSON: the file is complete or absent. StemliveError when it cannot be written."""
    try:
        with whole_file(path) as part:
            part.write_text(json.dumps(value, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise StemliveError(f"cannot write {path}: {error.strerror}") from error
