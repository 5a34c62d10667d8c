"""What the engine's process tells is read whole by another, whatever becomes of the writer."""

import multiprocessing
import time
from collections.abc import Iterator
from multiprocessing.shared_memory import SharedMemory

import pytest
from telemetry_writer import COUNTS, LENGTH, die_while_writing, write_for_ever
from waiting import wait_until

from stemlive.realtime.shared.memory import EngineMemory
from stemlive.realtime.shared.snapshot import Snapshot, State

SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture
def shared() -> Iterator[SharedMemory]:
    shared = SharedMemory(create=True, size=EngineMemory.SIZE)
    yield shared
    shared.close()
    shared.unlink()


def check_whole(now: Snapshot) -> None:
    assert {getattr(now, count) % 7 for count in COUNTS} == {int(now.state)}
    assert len({getattr(now, count) for count in COUNTS}) == 1
    assert now.message == str(int(now.state)) * LENGTH


def test_no_snapshot_is_torn_by_a_writer_that_never_rests_nor_by_its_death(shared):
    memory = EngineMemory(shared.buf)
    seen = set()
    for _ in range(5):
        writer = SPAWN.Process(target=write_for_ever, args=(shared.name,))
        before = memory.snapshot().hops
        writer.start()
        wait_until(lambda before=before: 0 < memory.snapshot().hops != before, "the writer")
        for _ in range(2000):
            now = memory.snapshot()
            check_whole(now)
            seen.add(now.hops)
        writer.kill()
        writer.join()
        for _ in range(20):
            check_whole(memory.snapshot())
    assert len(seen) > 100, "the writer rested"
    memory.detach()


def test_a_writer_that_dies_half_way_leaves_what_it_said_before_and_nobody_waits(shared):
    writer = SPAWN.Process(target=die_while_writing, args=(shared.name,))
    writer.start()
    writer.join(60)
    memory = EngineMemory(shared.buf)
    began = time.process_time()
    for _ in range(100):
        assert (memory.snapshot().state, memory.snapshot().message) == (State.RUNNING, "whole")
    assert time.process_time() - began < 1
    # The next engine, or the parent, goes on.
    memory.set_state(State.RECONNECTING, "it died")
    memory.set_state(State.RUNNING)
    assert EngineMemory(shared.buf).snapshot().state == State.RUNNING
    memory.detach()


def test_what_two_writers_spoilt_is_not_taken_for_whole():
    memory = EngineMemory(bytearray(EngineMemory.SIZE))
    memory.set_state(State.RUNNING, "one")
    assert memory.snapshot().message == "one"
    for slot in range(2):
        memory._record._slots[slot, 100] ^= 1
    assert memory.snapshot().message == "one"
    memory.set_state(State.RUNNING, "two")
    assert memory.snapshot().message == "two"


def test_whoever_takes_over_goes_on_counting():
    buffer = bytearray(EngineMemory.SIZE)
    engine, parent = EngineMemory(buffer), EngineMemory(buffer)
    engine.telemetry["hops"] = 7
    engine.telemetry["song_s"] = 1.5
    assert parent.snapshot().hops == 0, "seen before it was published"
    engine.set_state(State.RUNNING)
    parent.take_over()
    parent.set_state(State.RECONNECTING, "it died")
    assert (parent.snapshot().hops, parent.snapshot().song_s) == (7, 1.5)
    assert EngineMemory(buffer).telemetry["hops"] == 7
