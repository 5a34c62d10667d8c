"""Start Python child processes that never run modules from the current folder."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

PROGRAM = (sys.executable, "-P", "-m", "stemlive")
"""The command that runs stemlive's command line in a child process."""
SAFE_PATH = "PYTHONSAFEPATH"
"""The environment variable with the effect of `-P` for every Python that inherits it."""


@contextmanager
def safe_path() -> Iterator[None]:
    """Within the `with` block, `multiprocessing` starts its processes as with `-P`, for which it has no option."""
    before = os.environ.get(SAFE_PATH)
    os.environ[SAFE_PATH] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[SAFE_PATH]
        else:
            os.environ[SAFE_PATH] = before
