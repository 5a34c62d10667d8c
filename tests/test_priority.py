"""Priorities of threads, and what other systems than this one do, as far as that can be seen from here."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from stemlive.child import ask_to_end, start_apart
from stemlive.realtime.shared import priority


def in_thread(work) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


@pytest.mark.skipif(sys.platform != "linux", reason="threads have priorities of their own on Linux")
def test_only_the_calling_thread_goes_behind():
    before, within = os.getpriority(os.PRIO_PROCESS, 0), []

    def work() -> None:
        priority.lower_priority()
        within.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

    in_thread(work)
    assert within == [max(before, 5)]
    assert os.getpriority(os.PRIO_PROCESS, 0) == before


@pytest.mark.parametrize("system", ["darwin", "freebsd14"])
def test_a_thread_is_never_taken_for_a_process(monkeypatch, system):
    """Elsewhere the number of a thread may be that of somebody's process."""
    changed = []
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(os, "setpriority", lambda *values: changed.append(values))
    in_thread(priority.lower_priority)
    in_thread(lambda: priority.raise_priority(10))
    assert not changed


def test_macos_is_asked_for_its_own_classes(monkeypatch):
    asked = []

    class Library:
        def __init__(self, name: object) -> None:
            self.pthread_set_qos_class_self_np = lambda *values: asked.append(values)

    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(priority.ctypes, "CDLL", Library)
    priority.raise_priority(10)
    priority.lower_priority()
    assert asked == [(0x21, 0), (0x11, 0)]


def test_a_program_made_of_one_file_asks_whether_it_is_a_child():
    code = """
import multiprocessing, sys
sys.frozen, sys.argv = True, ["stemlive", "--version"]
multiprocessing.freeze_support = lambda: print("asked")
from stemlive.__main__ import run
run()
"""
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("asked\nstemlive ")


def test_windows_sends_ctrl_break_to_a_group_of_its_own(monkeypatch):
    """`terminate` would end a training run there before it has saved anything."""
    begun, sent = [], []

    class Process:
        def __init__(self, command: object, **more: object) -> None:
            begun.append(more)

        def send_signal(self, number: int) -> None:
            sent.append(number)

    monkeypatch.setattr(subprocess, "Popen", Process)
    monkeypatch.setattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 512, raising=False)
    ask_to_end(start_apart(["train"], text=True))
    monkeypatch.setattr(signal, "CTRL_BREAK_EVENT", 1, raising=False)
    ask_to_end(start_apart(["train"]))
    assert begun == [{"start_new_session": True, "creationflags": 512, "text": True}, begun[1]]
    assert sent == [signal.SIGTERM, 1]
