"""Starting Python from here: no module that lies in the current folder is run by it."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

PROGRAM = (sys.executable, "-P", "-m", "stemlive")
"""The command line, for a process of its own."""
SAFE_PATH = "PYTHONSAFEPATH"
"""The variable of the environment that is `-P` for every Python started with it."""


@contextmanager
def safe_path() -> Iterator[None]:
    """Processes that `multiprocessing` starts meanwhile begin with `-P`; it takes no options of ours."""
    before = os.environ.get(SAFE_PATH)
    os.environ[SAFE_PATH] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[SAFE_PATH]
        else:
            os.environ[SAFE_PATH] = before
