"""The engine in a process of its own: nothing that the front end does can stall the sound.

The process is also what makes devices come back: PortAudio looks for devices once in its life, and aborts the process
that wants to leave a JACK server which is gone.
"""

import threading
import time
from contextlib import suppress
from multiprocessing.shared_memory import SharedMemory
from multiprocessing.util import Finalize
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from stemlive.child import safe_path
from stemlive.errors import DeviceError, StemliveError
from stemlive.realtime.control.controls import Controls
from stemlive.realtime.engine.child import Child
from stemlive.realtime.recording.tap import Tap
from stemlive.realtime.shared.guarded_thread import GuardedThread
from stemlive.realtime.shared.heartbeat import LIMIT_S, LOOK_S, Pulse
from stemlive.realtime.shared.memory import EngineMemory
from stemlive.realtime.shared.settings import EngineSettings
from stemlive.realtime.shared.snapshot import Snapshot, State

_BIRTH_S = 60.0
"""For a process to start and load its model, on a machine that is busy: work, not a wait. `stop` ends it at once."""
_RETRY_S = 1.0
_QUICK_S = 10.0
_MOST_DEATHS = 5
"""An engine that dies this often within a short time is not started again."""
_BEFORE_MULTIPROCESSING = 100
"""Priority at the program's end. Later, multiprocessing waits for the child, which no signal of its would end."""


class EngineProcess:
    """Like `Engine`, in a child process that is watched: when it dies or hangs, another goes on with its settings.

    With `settings.reconnect`, a device that went away is waited for, with one process after another. The process
    ends with `stop`, and at the latest with the program.
    """

    def __init__(self, settings: EngineSettings, *, taps: tuple[Tap, ...] = ()) -> None:
        """Start the process and load the model there. StemliveError when it cannot be used."""
        self.settings = settings
        self._keeper = _Keeper(settings, taps)
        # The keeper does not know this object, which may go out of use without `stop`.
        self._at_exit = Finalize(self, self._keeper.stop, exitpriority=_BEFORE_MULTIPROCESSING)
        try:
            self.controls = Controls(self._keeper.begin(), self._keeper.memory)
        except BaseException:
            with suppress(StemliveError):
                self.stop()
            raise

    @property
    def pid(self) -> int:
        """The number of the present process."""
        return self._keeper.pid

    def start(self) -> None:
        """Open everything and play; StemliveError when that fails. Without a context, `stop` is still to be called."""
        self._keeper.start()

    def stop(self) -> None:
        """End the sound and the process; StemliveError when a file could not be completed. It cannot start again.

        A process that shows no life for `LIMIT_S` is killed. A second call does nothing.
        """
        try:
            self._keeper.stop()
        finally:
            self._at_exit.cancel()

    def snapshot(self) -> Snapshot:
        """What it does at this moment; for any thread."""
        return self._keeper.memory.snapshot(restarts=self._keeper.restarts)

    def columns(self, since: int) -> tuple[int, NDArray[np.uint8]]:
        """Spectrogram columns from number `since` on; for any thread."""
        return self._keeper.memory.columns_since(since)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            with suppress(StemliveError):
                self.stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self.stop()


class _Keeper:
    """Holds the child, one after another, and the memory that it shares. `stop` is for any thread, at any time."""

    def __init__(self, settings: EngineSettings, taps: tuple[Tap, ...]) -> None:
        self._settings, self._taps = settings, taps
        with safe_path():  # the first shared memory starts a process that looks after it
            self._shared = SharedMemory(create=True, size=EngineMemory.SIZE)
        self.memory = EngineMemory(self._shared.buf)
        self.restarts = 0
        self._deaths: list[float] = []
        self._busy = threading.Lock()
        self._stopping = threading.Event()
        self._stopping_s = 0.0
        self._watcher: GuardedThread | None = None
        self._child: Child | None = None
        self._error: StemliveError | None = None
        self._released = False

    @property
    def pid(self) -> int:
        """The number of the present process."""
        return 0 if self._child is None else self._child.pid

    def begin(self) -> tuple[str, ...]:
        """Start the first process; return the stems of its model."""
        with self._busy:
            return self._spawn()

    def start(self) -> None:
        """Let it play, and watch it from then on."""
        with self._busy:
            self._start_engine()
            self._watcher = GuardedThread("stemlive watcher", self._watch)
            self._watcher.start()

    def stop(self) -> None:
        """End the process, and give the memory back; StemliveError for what went wrong since the start."""
        self._stopping_s = time.monotonic()
        self._stopping.set()
        with self._busy:
            if self._released:
                return
            self._released = True
            try:
                if self._watcher is not None:
                    self._watcher.end(2 * LIMIT_S)  # each of its waits looks at `_stopping`
                if self._child is not None:
                    self._child.end(Pulse(self.memory).is_missing)
            except StemliveError as error:
                self._error = self._error or error
            finally:
                self._release()
            if self._error is not None:
                raise self._error

    def _spawn(self) -> tuple[str, ...]:
        if self._stopping.is_set():
            raise StemliveError("this engine has been stopped: make another")
        deadline = time.monotonic() + _BIRTH_S
        child = self._child = Child(self._settings, self._taps, self._shared.name)
        try:
            stems: tuple[str, ...] = child.answer(lambda: self._stopping.is_set() or time.monotonic() > deadline)
        except BaseException:
            child.kill()  # before the memory goes that it is about to open
            raise
        return stems

    def _start_engine(self) -> None:
        if self._child is None or self._stopping.is_set():
            raise StemliveError("this engine has been stopped: make another")
        pulse = self._pulse = Pulse(self.memory)
        self._child.start_engine(lambda: pulse.is_missing() or self._stopped_long_ago())

    def _stopped_long_ago(self) -> bool:
        return self._stopping.is_set() and time.monotonic() - self._stopping_s > LIMIT_S

    def _watch(self) -> None:
        """Until the end: notice a process that died, hangs, or has lost its device, and start another."""
        assert self._child is not None
        while not self._stopping.is_set():
            self._child.ends_within(LOOK_S)
            state = self.memory.state
            if self._stopping.is_set():
                return
            dead = not self._child.alive
            hung = self._pulse.is_missing()
            if state == State.RECONNECTING:
                self._reconnect(str(self.memory.snapshot().message))
            elif state.ended:
                return
            elif dead or hung:
                self._replace("died" if dead else "does not answer")

    def _replace(self, what: str) -> None:
        now = time.monotonic()
        self._deaths = [death for death in self._deaths if now - death < _QUICK_S] + [now]
        self._kill()
        if not self._settings.between_devices:
            self.memory.set_state(State.FAILED, f"the engine's process {what}, and a file cannot be begun again")
        elif len(self._deaths) > _MOST_DEATHS:
            self.memory.set_state(State.FAILED, f"the engine's process {what} {len(self._deaths)} times in a row")
        else:
            self.restarts += 1
            self._reconnect(f"the engine's process {what}: started again", at_once=True)

    def _reconnect(self, message: str, *, at_once: bool = False) -> None:
        """Start one process after another until the device is there; without `reconnect`, one only."""
        counts = not at_once
        while True:
            self._kill()
            self.memory.set_state(State.RECONNECTING, message)
            if self._stopping.wait(0.0 if at_once else _RETRY_S):
                self.memory.set_state(State.STOPPED)
                return
            at_once = False
            try:
                self._spawn()
                self._start_engine()
            except DeviceError as error:
                message = str(error)
                if not self._settings.reconnect:
                    self._kill()
                    self.memory.set_state(State.DEVICE_LOST, message)
                    return
            except StemliveError as error:
                if not self._stopping.is_set():
                    self._error = error
                    self.memory.set_state(State.FAILED, str(error))
                    return
            else:
                self.memory.telemetry["reconnects"] += counts
                return

    def _kill(self) -> None:
        assert self._child is not None
        self._child.kill()

    def _release(self) -> None:
        """Give the shared memory back; what it said last stays."""
        self.memory.detach()
        for _ in range(100):
            with suppress(BufferError):  # somebody is reading just now
                self._shared.close()
                break
            time.sleep(0.01)
        self._shared.unlink()
