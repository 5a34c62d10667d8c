"""Start Python child processes that never run modules from the current folder."""

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    import subprocess

PROGRAM = (sys.executable, "-P", "-m", "stemlive")
"""The command that runs stemlive's command line in a child process."""
SAFE_PATH = "PYTHONSAFEPATH"
"""The environment variable with the effect of `-P` for every Python that inherits it."""


def start_apart(command: Sequence[str], **more: Any) -> "subprocess.Popen[Any]":
    """Start a process that a Ctrl-C in this terminal does not reach, and that can be asked to end."""
    import subprocess

    group = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
    return subprocess.Popen(command, start_new_session=True, creationflags=group, **more)


def ask_to_end(process: "subprocess.Popen[Any]", number: int = signal.SIGTERM) -> None:
    """Send a signal to a process that was started apart, so that it saves what it has and ends.

    Windows can send such a process Ctrl-Break, and nothing else that it may answer.
    """
    process.send_signal(getattr(signal, "CTRL_BREAK_EVENT", number))


def quoted(argument: str | Path) -> str:
    """Return an argument in ASCII, for callers that cannot pass on names of files that are not UTF-8."""
    return quote(os.fsencode(argument))


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
