"""The engine in a process of its own: it ends when it should, whatever happens, and says what went wrong."""

import errno
import gc
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path

import pytest
from fake_device import FakeDevices
from waiting import wait_until

from stemlive.errors import AudioFileError, DeviceError, StemliveError
from stemlive.realtime.engine.child_process import EngineProcess
from stemlive.realtime.shared.settings import EngineSettings
from stemlive.realtime.shared.snapshot import State

LIMIT_S = 3
MARGIN_S = 27
"""What a busy machine may add to a limit; without the limit, all of this takes a minute or for ever."""

SCRIPT = """
import sys
from stemlive.realtime.engine.child_process import EngineProcess
from stemlive.realtime.shared.settings import EngineSettings

if __name__ == "__main__":
    from fake_device import FakeDevices
    from pathlib import Path

    model, what, trouble = sys.argv[1:]
    engine = EngineProcess(EngineSettings("device:a", "device:a", model=model), taps=(FakeDevices(Path(trouble)),))
    print(engine.pid, flush=True)
    if what != "made":
        engine.start()
    if what == "raises":
        raise SystemExit("the owner failed")
"""


@pytest.fixture
def devices(tmp_path: Path) -> FakeDevices:
    return FakeDevices(tmp_path)


def settings(model: Path, **more: object) -> EngineSettings:
    return EngineSettings("device:a", "device:a", model=model, **more)


def runs(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").exists() and ") Z " not in Path(f"/proc/{pid}/stat").read_text()


@pytest.mark.parametrize("what", ["made", "started", "raises"])
def test_a_program_that_forgets_to_stop_it_ends_all_the_same(tmp_path, model, what):
    script = tmp_path / "owner.py"
    script.write_text(SCRIPT)
    trouble = tmp_path / "trouble"
    trouble.mkdir()
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
    done = subprocess.run(
        [sys.executable, str(script), str(model), what, str(trouble)],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment,
        check=False,
    )
    # Nothing about memory that was left, either.
    assert done.stderr == ("the owner failed\n" if what == "raises" else "")
    assert done.returncode == (1 if what == "raises" else 0)
    assert not runs(int(done.stdout))
    assert (trouble / "ended").exists() == (what != "made"), "the tap was not ended in order"


def test_one_that_is_dropped_ends(model):
    engine = EngineProcess(settings(model))
    pid, name = engine.pid, engine._keeper._shared.name
    del engine
    gc.collect()
    assert not runs(pid)
    with pytest.raises(FileNotFoundError):
        SharedMemory(name)


def test_it_stops_twice_and_does_not_start_again(model, devices):
    with EngineProcess(settings(model), taps=(devices,)) as engine:
        wait_until(lambda: engine.snapshot().hops > 4, "hops")
        columns, pid = engine.columns(0)[0], engine.pid
        engine.stop()
        engine.stop()
    assert not runs(pid)
    assert engine.snapshot().state == State.STOPPED
    assert engine.columns(0)[0] >= columns > 0
    engine.controls.apply_preset("karaoke")  # by a front end that has not noticed yet
    with pytest.raises(StemliveError, match="has been stopped"):
        engine.start()


@pytest.mark.parametrize("trouble", ["open", "abort"])
def test_a_device_that_is_gone_is_waited_for_whatever_becomes_of_those_who_look_for_it(model, devices, trouble):
    """A child whose start fails once wrote `failed` where the front end reads, which ended the program."""
    seen = set()

    def states(until) -> None:
        wait_until(lambda: seen.add(engine.snapshot().state) or until(), f"the states, {seen}", pause_s=0.02)

    engine = EngineProcess(settings(model, reconnect=True), taps=(devices,))
    engine.start()
    devices.make(trouble)
    devices.make("gone")
    pids = {engine.pid}
    states(lambda: pids.add(engine.pid) or len(pids) > 3)
    devices.clear()
    states(lambda: engine.snapshot().reconnects == 1)
    engine.stop()
    assert seen <= {State.STARTING, State.RUNNING, State.RECONNECTING}
    assert engine.snapshot().state == State.STOPPED


def test_a_process_that_ends_at_each_attempt_is_not_begun_for_ever(model, devices):
    engine = EngineProcess(settings(model, reconnect=True), taps=(devices,))
    engine.start()
    devices.make("abort")
    devices.make("gone")
    wait_until(lambda: engine.snapshot().state.ended, "the end", patience_s=60)
    assert engine.snapshot().state == State.FAILED
    with pytest.raises(StemliveError, match=r"ended by itself \(exit code -6\)"):
        engine.stop()


def test_threads_take_turns_quickly_and_garbage_is_not_looked_for_in_the_engines_process_alone(model, devices):
    interval, frozen = sys.getswitchinterval(), gc.get_freeze_count()
    with EngineProcess(settings(model), taps=(devices,)):
        wait_until(lambda: devices.has("python") and "\n" in (devices.trouble / "python").read_text(), "the facts")
        childs_interval, childs_frozen = (devices.trouble / "python").read_text().split()
    assert float(childs_interval) < 0.001
    assert int(childs_frozen) > 1000
    assert (sys.getswitchinterval(), gc.get_freeze_count()) == (interval, frozen)


def test_a_start_that_fails_leaves_nothing(model, devices):
    devices.make("open")
    engine = EngineProcess(settings(model), taps=(devices,))
    pid, name = engine.pid, engine._keeper._shared.name
    with pytest.raises(DeviceError, match="no such device"), engine:
        pass
    assert not runs(pid)
    with pytest.raises(FileNotFoundError):
        SharedMemory(name)


def test_after_a_start_that_failed_there_is_nothing_more_to_say(model, devices):
    devices.make("open")
    engine = EngineProcess(settings(model), taps=(devices,))
    with pytest.raises(DeviceError, match="no such device"):
        engine.start()
    engine.stop()
    assert not runs(engine.pid)


@pytest.mark.parametrize("trouble", ["end", "killed"])
def test_what_fails_at_the_very_end_is_said(model, devices, trouble):
    engine = EngineProcess(settings(model), taps=(devices,))
    engine.start()
    if trouble == "end":
        devices.make("end")
        with pytest.raises(AudioFileError, match="the disk is full"):
            engine.stop()
    else:
        os.kill(engine.pid, signal.SIGKILL)
        with pytest.raises(StemliveError, match=r"ended by itself \(exit code -9\)"):
            engine.stop()
    engine.stop()


def test_an_end_that_lasts_is_waited_for_while_the_process_lives(model, devices):
    engine = EngineProcess(settings(model), taps=(devices,))
    engine.start()
    devices.make("hang")
    began = time.monotonic()
    release = subprocess.Popen(["sh", "-c", f"sleep {LIMIT_S + 2}; rm '{devices.trouble / 'hang'}'"])
    engine.stop()
    release.wait()
    assert time.monotonic() - began > LIMIT_S + 1
    assert devices.has("ended")


def test_a_process_that_is_frozen_is_killed_at_the_limit(model, devices):
    engine = EngineProcess(settings(model), taps=(devices,))
    engine.start()
    pid = engine.pid
    os.kill(pid, signal.SIGSTOP)
    began = time.monotonic()
    with pytest.raises(StemliveError, match="does not answer"):
        engine.stop()
    assert time.monotonic() - began < LIMIT_S + MARGIN_S
    assert not runs(pid)


def test_a_process_that_is_being_born_does_not_keep_stop_waiting(model, devices):
    engine = EngineProcess(settings(model), taps=(devices,))
    engine.start()
    first = engine.pid
    devices.make("birth")
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: engine.pid != first, "the next process")
    pid = engine.pid
    began = time.monotonic()
    engine.stop()
    assert time.monotonic() - began < LIMIT_S + MARGIN_S
    assert not runs(pid)
    assert engine.snapshot().state == State.STOPPED


def test_no_room_for_shared_memory_is_said_and_no_name_is_left(monkeypatch, model):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    before = set(Path("/dev/shm").iterdir())
    with pytest.raises(StemliveError, match=r"/dev/shm has no room for \d+ KB \(No space left on device\); remove"):
        EngineProcess(settings(model))
    assert set(Path("/dev/shm").iterdir()) <= before


@pytest.fixture
def own_mounts() -> list[str]:
    """The beginning of a command that may mount what others do not see."""
    command = ["unshare", "--mount", "--map-root-user"]
    if shutil.which("unshare") is None or subprocess.run([*command, "true"], check=False).returncode:
        pytest.skip("no file system may be mounted here")
    return command


def test_a_shared_memory_that_is_full_ends_in_one_line_not_in_a_signal(own_mounts, model):
    script = (
        "mount -t tmpfs -o size=64k tmpfs /dev/shm && "
        f"exec '{sys.executable}' -P -m stemlive stream -i device:a -o device:a --model '{model}'"
    )
    done = subprocess.run([*own_mounts, "sh", "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert re.fullmatch(
        "stemlive: error: cannot create shared memory for the engine: /dev/shm has no room .*\n", done.stderr
    )
