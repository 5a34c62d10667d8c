"""Priorities of the calling thread: raised for sound, lowered for files. Where the system refuses, nothing happens.

Each system has its own way. On Linux the sound goes before every ordinary process if the user may ask for that (group
`audio`, `rtkit`); macOS and Windows allow it to everybody.
"""

import ctypes
import os
import sys
import threading
from contextlib import suppress

_NICE = 5
_WINDOWS_HIGHEST, _WINDOWS_BELOW_NORMAL = 2, -1
_MACOS_INTERACTIVE, _MACOS_UTILITY = 0x21, 0x11
"""Classes of `pthread/qos.h`."""


def raise_priority(linux: int) -> None:
    """Let this thread go before others; on Linux, with this priority of SCHED_FIFO."""
    if sys.platform == "win32":
        _windows(_WINDOWS_HIGHEST)
    elif sys.platform == "darwin":
        _macos(_MACOS_INTERACTIVE)
    else:
        with suppress(OSError, AttributeError):
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(linux))  # 0 is the calling thread


def lower_priority() -> None:
    """Let others go before this thread."""
    if sys.platform == "win32":
        _windows(_WINDOWS_BELOW_NORMAL)
    elif sys.platform == "darwin":
        _macos(_MACOS_UTILITY)
    elif sys.platform == "linux":  # elsewhere the number of a thread may be that of another process
        thread = threading.get_native_id()
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, thread, max(_NICE, os.getpriority(os.PRIO_PROCESS, thread)))


def _windows(priority: int) -> None:
    if sys.platform == "win32":
        this_thread = ctypes.c_void_p(-2)  # GetCurrentThread()
        ctypes.windll.kernel32.SetThreadPriority(this_thread, priority)


def _macos(quality: int) -> None:
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).pthread_set_qos_class_self_np(quality, 0)
