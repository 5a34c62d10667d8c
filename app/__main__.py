"""Run the command line, as `python -m stemlive` and as the script `stemlive`."""

import os
import signal
import sys
from types import FrameType
from typing import NoReturn

_INTERRUPTED = 130


def run() -> None:
    """Run the command line and exit. Ctrl-C during the imports exits silently."""
    before = signal.getsignal(signal.SIGINT)
    if before == signal.default_int_handler:
        signal.signal(signal.SIGINT, _leave)
    if getattr(sys, "frozen", False):  # in a program made of one file, a child process begins here, too
        import multiprocessing

        multiprocessing.freeze_support()
    from stemlive.child import SAFE_PATH
    from stemlive.cli import main

    os.environ[SAFE_PATH] = "1"  # for every process that a command or a library starts
    signal.signal(signal.SIGINT, before)
    main(prog_name="stemlive")


def _leave(_: int, __: FrameType | None) -> NoReturn:
    os._exit(_INTERRUPTED)


if __name__ == "__main__":
    run()
