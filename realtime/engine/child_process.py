"""The engine in a process of its own: nothing that the front end does can stall the sound.

The process is also what makes devices come back: PortAudio looks for devices once in its life, and aborts the process
that wants to leave a JACK server which is gone.
"""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.shared_memory import SharedMemory
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from stemlive.child import safe_path
from stemlive.errors import DeviceError, StemliveError
from stemlive.realtime.control.controls import Controls
from stemlive.realtime.engine.engine import Engine
from stemlive.realtime.recording.tap import Tap
from stemlive.realtime.shared.heartbeat import LOOK_S, Pulse
from stemlive.realtime.shared.memory import EngineMemory
from stemlive.realtime.shared.settings import EngineSettings
from stemlive.realtime.shared.snapshot import Snapshot, State

_SPAWN = multiprocessing.get_context("spawn")
_PATIENCE_S = 60.0
"""For a process to start and load its model, on a machine that is busy."""
_DYING_S = 0.5
_RETRY_S = 1.0
_QUICK_S = 10.0
_MOST_DEATHS = 5
"""An engine that dies this often within a short time is not started again."""


class EngineProcess:
    """Like `Engine`, in a child process that is watched: when it dies or hangs, another goes on with its settings.

    With `settings.reconnect`, a device that went away is waited for, with one process after another.
    """

    def __init__(self, settings: EngineSettings, *, taps: tuple[Tap, ...] = ()) -> None:
        """Start the process and load the model there. StemliveError when it cannot be used."""
        self.settings = settings
        self._taps = taps
        with safe_path():  # the first shared memory starts a process that looks after it
            self._shared = SharedMemory(create=True, size=EngineMemory.SIZE)
        self._memory = EngineMemory(self._shared.buf)
        self._restarts = 0
        self._deaths: list[float] = []
        self._stopping = threading.Event()
        self._watcher: threading.Thread | None = None
        self._error: BaseException | None = None
        try:
            self._process, self._connection, stems = self._spawn()
        except BaseException:
            self._release()
            raise
        self.controls = Controls(stems, self._memory)

    @property
    def pid(self) -> int:
        """The number of the present process."""
        return int(self._process.pid or 0)

    def start(self) -> None:
        """Open everything and play; StemliveError when that fails."""
        self._ask("start")
        self._pulse = Pulse(self._memory)
        self._watcher = threading.Thread(target=self._watch, name="stemlive watcher", daemon=True)
        self._watcher.start()

    def stop(self) -> None:
        """End the sound and the process; StemliveError when a file could not be completed. It cannot start again."""
        self._stopping.set()
        started, error = self._watcher is not None, self._error
        if self._watcher is not None:
            self._watcher.join()
            self._watcher = None
        if started and self._process.is_alive():
            try:
                self._ask("stop", self._pulse)
            except StemliveError as failure:
                error = failure
        self._end_process()
        self._release()
        if error is not None:
            raise error

    def snapshot(self) -> Snapshot:
        """What it does at this moment; for any thread."""
        return self._memory.snapshot(restarts=self._restarts)

    def columns(self, since: int) -> tuple[int, NDArray[np.uint8]]:
        """Spectrogram columns from number `since` on; for any thread."""
        return self._memory.columns_since(since)

    def _spawn(self) -> tuple[Any, Connection, tuple[str, ...]]:
        ours, theirs = _SPAWN.Pipe()
        process = _SPAWN.Process(
            target=_serve, args=(self.settings, self._taps, self._shared.name, theirs), name="stemlive", daemon=True
        )
        with _signals_held(), safe_path():
            process.start()
        theirs.close()
        try:
            return process, ours, _answer(process, ours)
        except BaseException:
            process.kill()  # before the memory goes that it is about to open
            process.join()
            raise

    def _ask(self, command: str, pulse: Pulse | None = None) -> Any:
        with suppress(BrokenPipeError):
            self._connection.send(command)
        return _answer(self._process, self._connection, pulse)

    def _watch(self) -> None:
        """Until the end: notice a process that died, hangs, or has lost its device, and start another."""
        while not self._stopping.is_set():
            wait([self._process.sentinel], LOOK_S)
            state = self._memory.state
            if self._stopping.is_set():
                return
            dead = not self._process.is_alive()
            hung = self._pulse.is_missing()
            if state == State.RECONNECTING:
                self._reconnect(str(self.snapshot().message))
            elif state.ended:
                return
            elif dead or hung:
                self._replace("died" if dead else "does not answer")

    def _replace(self, what: str) -> None:
        now = time.monotonic()
        self._deaths = [death for death in self._deaths if now - death < _QUICK_S] + [now]
        self._process.kill()
        if not self.settings.between_devices:
            self._memory.set_state(State.FAILED, f"the engine's process {what}, and a file cannot be begun again")
            return
        if len(self._deaths) > _MOST_DEATHS:
            self._memory.set_state(State.FAILED, f"the engine's process {what} {len(self._deaths)} times in a row")
            return
        self._restarts += 1
        self._reconnect(f"the engine's process {what}: started again", at_once=True)

    def _reconnect(self, message: str, *, at_once: bool = False) -> None:
        """Start one process after another until the device is there; without `reconnect`, one only."""
        counts = not at_once
        while not self._stopping.is_set():
            self._memory.set_state(State.RECONNECTING, message)
            self._end_process()
            if not at_once and self._stopping.wait(_RETRY_S):
                break
            at_once = False
            try:
                self._process, self._connection, _ = self._spawn()
                self._ask("start")
                self._pulse = Pulse(self._memory)
            except DeviceError as error:
                message = str(error)
                if not self.settings.reconnect:
                    self._memory.set_state(State.DEVICE_LOST, message)
                    return
            except StemliveError as error:
                self._error = error
                self._memory.set_state(State.FAILED, str(error))
                return
            else:
                self._memory.telemetry["reconnects"] += counts
                return
        self._memory.set_state(State.STOPPED)

    def _end_process(self) -> None:
        with suppress(OSError):
            self._connection.send("exit")
        self._process.join(1.0)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._connection.close()

    def _release(self) -> None:
        """Give the shared memory back; what it said last stays."""
        last = EngineMemory.local()
        last.copy_from(self._memory)
        shared, self._memory = self._memory, last
        if hasattr(self, "controls"):
            self.controls.move(last)
        shared.release()
        with suppress(BufferError):  # somebody is reading just now; the name goes in any case
            self._shared.close()
        self._shared.unlink()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self.stop()


def _answer(process: Any, connection: Connection, pulse: Pulse | None = None) -> Any:
    """Wait for the child's answer, as long as its pulse beats; raise what it raised."""
    if pulse is None:
        wait([connection, process.sentinel], _PATIENCE_S)
    else:
        while not wait([connection, process.sentinel], LOOK_S) and not pulse.is_missing():
            pass
    try:
        answer = connection.recv() if connection.poll() else None
    except (EOFError, OSError):
        answer = None
    if answer is None:
        process.join(_DYING_S)  # its end of the pipe goes a little before it
        if process.is_alive():
            process.kill()
            raise StemliveError("the engine's process does not answer, and was ended")
        raise StemliveError(f"the engine's process ended by itself (exit code {process.exitcode})")
    if isinstance(answer, BaseException):
        raise answer
    return answer


@contextmanager
def _signals_held() -> Iterator[None]:
    """Let a process that is started meanwhile be born deaf to what the terminal sends: that is for its parent."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(settings: EngineSettings, taps: tuple[Tap, ...], memory_name: str, connection: Connection) -> None:
    """Run an engine for the parent process, until it says `exit` or is gone."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        with suppress(AttributeError, ValueError):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    shared = SharedMemory(memory_name)
    try:
        engine = Engine(settings, taps=taps, memory=EngineMemory(shared.buf))
        connection.send(engine.controls.stems)
        while (command := connection.recv()) != "exit":
            (engine.start if command == "start" else engine.stop)()
            connection.send(True)
        engine.stop()
    except EOFError:
        engine.stop()
    except BaseException as error:
        with suppress(OSError):
            connection.send(error if isinstance(error, StemliveError) else StemliveError(str(error)))
    # Without PortAudio's farewell, which aborts where a JACK server has gone.
    os._exit(0)
