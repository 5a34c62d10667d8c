"""The engine's side of the shared memory, in a process of its own that is killed at any moment."""

import os
import signal
from multiprocessing.shared_memory import SharedMemory

from stemlive.realtime.shared.memory import EngineMemory
from stemlive.realtime.shared.snapshot import State

LENGTH = 400
COUNTS = ("hops", "late_hops", "input_overflows", "output_underflows", "bad_samples", "bad_frames", "lead_samples")


def write_for_ever(name: str) -> None:
    """Publish records whose every part says the same number."""
    shared = SharedMemory(name)
    memory = EngineMemory(shared.buf)
    number = 0
    while True:
        number += 1
        for count in COUNTS:
            memory.telemetry[count] = number
        memory.set_state(State(number % 7), str(number % 7) * LENGTH)


def die_while_writing(name: str) -> None:
    """Publish one record, and be killed in the middle of the next one."""
    shared = SharedMemory(name)
    memory = EngineMemory(shared.buf)
    memory.set_state(State.RUNNING, "whole")

    record = memory._record
    half = len(record._own) // 2

    class Slots:
        def __setitem__(self, slot, contents):
            slots[slot, :half] = contents[:half]
            os.kill(os.getpid(), signal.SIGKILL)

    slots, record._slots = record._slots, Slots()
    memory.set_state(State.FAILED, "never seen")
