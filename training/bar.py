"""How far a run is, told by its first process to the one that launched it, which draws a bar."""

import os
import sys

ENVIRONMENT = "STEMLIVE_BAR"
"""Environment variable: 1 for the process whose launcher has a terminal for a bar."""
_MARK = "\x1e"


def has_bar() -> bool:
    """Whether the launcher of this process draws a bar."""
    return os.environ.get(ENVIRONMENT) == "1"


def tell(share: float, text: str) -> None:
    """Tell how much of the run is done and what to write beside the bar; nothing where there is none."""
    if has_bar():
        sys.stderr.write(f"{_MARK}{share:.4f} {text}\n")
        sys.stderr.flush()


def told(line: str) -> tuple[float, str] | None:
    """Return what `tell` has put in a line of standard error; None for any other line."""
    if not line.startswith(_MARK):
        return None
    share, _, text = line[len(_MARK) :].rstrip("\n").partition(" ")
    return float(share), text
