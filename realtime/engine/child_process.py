"""The engine in a child process, so that nothing the front end does can stall the sound.

Reconnecting needs the child, too: PortAudio lists devices only once per process, and aborts the process when it closes
a stream whose JACK server is gone.
"""

import os
import threading
import time
from contextlib import suppress
from multiprocessing.shared_memory import SharedMemory
from multiprocessing.util import Finalize
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from stemlive.child import safe_path
from stemlive.errors import DeviceError, StemliveError
from stemlive.guarded_thread import GuardedThread
from stemlive.realtime.control.controls import Controls
from stemlive.realtime.engine.child import Child, ProcessLostError
from stemlive.realtime.recording.tap import Tap
from stemlive.realtime.shared.heartbeat import LIMIT_S, LOOK_S, Pulse
from stemlive.realtime.shared.memory import EngineMemory
from stemlive.realtime.shared.settings import EngineSettings
from stemlive.realtime.shared.snapshot import Snapshot, State

_SHARED = Path("/dev/shm")
"""Where Linux keeps shared memory as files."""
_BIRTH_S = 60.0
"""Limit for starting a process and loading its model on a busy machine. `stop` ends the wait at once."""
_RETRY_S = 1.0
_QUICK_S = 10.0
_MOST_DEATHS = 5
"""An engine that dies more often than this within `_QUICK_S` is not started again."""
_BEFORE_MULTIPROCESSING = 100
"""Exit priority: earlier than multiprocessing's own exit handler, which would wait for the child for ever."""


class EngineProcess:
    """The same interface as `Engine`, in a child process that is replaced when it dies or hangs.

    With `settings.reconnect`, a lost device is waited for: one process after another tries to open it. The child ends
    with `stop`, at the latest with the program.
    """

    def __init__(self, settings: EngineSettings, *, taps: tuple[Tap, ...] = ()) -> None:
        """Start the process and load the model in it. StemliveError when the model cannot be used."""
        self.settings = settings
        self._keeper = _Keeper(settings, taps)
        # The keeper holds no reference to this object: garbage collection of it stops the engine.
        self._at_exit = Finalize(self, self._keeper.stop, exitpriority=_BEFORE_MULTIPROCESSING)
        try:
            self.controls = Controls(self._keeper.begin(), self._keeper.memory)
        except BaseException:
            with suppress(StemliveError):
                self.stop()
            raise

    @property
    def pid(self) -> int:
        """Process id of the current child; 0 if there is none."""
        return self._keeper.pid

    def start(self) -> None:
        """Open the devices and start playing. StemliveError when that fails: outside a `with` block, still `stop`."""
        self._keeper.start()

    def stop(self) -> None:
        """Stop the sound and end the process, for good. StemliveError when a file could not be completed.

        A process without a heartbeat for `LIMIT_S` is killed. A second call does nothing.
        """
        try:
            self._keeper.stop()
        finally:
            self._at_exit.cancel()

    def snapshot(self) -> Snapshot:
        """Return the engine's current state. Any thread may call this."""
        keeper = self._keeper
        return keeper.memory.snapshot(restarts=keeper.restarts, reconnects=keeper.reconnects)

    def columns(self, since: int) -> tuple[int, NDArray[np.uint8]]:
        """Return the spectrogram columns from number `since` on. Any thread may call this."""
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
    """Owns the shared memory and the current child. Any thread may call `stop`, at any time."""

    def __init__(self, settings: EngineSettings, taps: tuple[Tap, ...]) -> None:
        self._settings, self._taps = settings, taps
        self._shared = _new_memory(EngineMemory.SIZE)
        self.memory = EngineMemory(self._shared.buf)
        self.restarts = self.reconnects = 0
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
        """Process id of the current child; 0 if there is none."""
        return 0 if self._child is None else self._child.pid

    def begin(self) -> tuple[str, ...]:
        """Start the first process; return the stems of its model."""
        with self._busy:
            return self._spawn()

    def start(self) -> None:
        """Start the engine, and watch its process from then on."""
        with self._busy:
            try:
                self._start_engine()
            except StemliveError as error:
                if not self._released:
                    self._tell(State.FAILED, str(error))
                raise
            self._watcher = GuardedThread("stemlive watcher", self._watch, self._failed)
            self._watcher.start()

    def stop(self) -> None:
        """End the process and release the shared memory. StemliveError reports the first failure since the start."""
        self._stopping_s = time.monotonic()
        self._stopping.set()
        with self._busy:
            if self._released:
                return
            self._released = True
            try:
                if self._watcher is not None:
                    self._watcher.end(2 * LIMIT_S)  # every wait in it checks `_stopping`
                if self._child is not None:
                    self._child.end(Pulse(self.memory).is_missing)
            except StemliveError as error:
                self._error = self._error or error
                self._tell(State.FAILED, str(error))
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
            child.kill()  # before the memory is released that it is about to open
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
        """Replace the child when it has died, hangs or has lost its device. The watcher's thread, until the end."""
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

    def _failed(self, problem: str) -> None:
        """Publish that the watcher has failed, and end the process."""
        self._error = StemliveError(f"the engine's process is not watched any more: {problem}")
        self._tell(State.FAILED, str(self._error))

    def _replace(self, what: str) -> None:
        now = time.monotonic()
        self._deaths = [death for death in self._deaths if now - death < _QUICK_S] + [now]
        if not self._settings.between_devices:
            self._tell(State.FAILED, f"the engine's process {what}, and a file cannot be begun again")
        elif len(self._deaths) > _MOST_DEATHS:
            self._tell(State.FAILED, f"the engine's process {what} {len(self._deaths)} times in a row")
        else:
            self._reconnect(f"the engine's process {what}: started again", at_once=True)

    def _reconnect(self, message: str, *, at_once: bool = False) -> None:
        """Start one process after another until the device opens; without `reconnect`, try once."""
        counts = not at_once
        lost = 0
        while True:
            self._tell(State.RECONNECTING, message)
            self.restarts += at_once
            if self._stopping.wait(0.0 if at_once else _RETRY_S):
                self._tell(State.STOPPED)
                return
            at_once = False
            try:
                self._spawn()
                self._start_engine()
            except DeviceError as error:
                message = str(error)
                if not self._settings.reconnect:
                    self._tell(State.DEVICE_LOST, message)
                    return
            except StemliveError as error:
                # A host interface that is on its way out may end the process, or keep it.
                lost += 1
                message = str(error)
                again = isinstance(error, ProcessLostError) and self._settings.reconnect and lost <= _MOST_DEATHS
                if not again and not self._stopping.is_set():
                    self._error = error
                    self._tell(State.FAILED, str(error))
                    return
            else:
                self.reconnects += counts
                return

    def _tell(self, state: State, message: str = "") -> None:
        """End the process, then write a state in its place: telemetry has one writer at a time."""
        assert self._child is not None
        self._child.kill()
        self.memory.take_over()
        self.memory.set_state(state, message)

    def _release(self) -> None:
        """Release the shared memory, and go on with a copy of its last contents."""
        self.memory.detach()
        for _ in range(100):
            with suppress(BufferError):  # another thread holds a view for a moment
                self._shared.close()
                break
            time.sleep(0.01)
        self._shared.unlink()


def _new_memory(size: int) -> SharedMemory:
    """Create shared memory, all of it now: pages that were found missing later would end the program by SIGBUS."""
    try:
        with safe_path():  # the first shared memory starts multiprocessing's resource tracker, a process
            shared = SharedMemory(create=True, size=size)
    except OSError as error:
        raise StemliveError(f"cannot create shared memory for the engine: {error.strerror}") from error
    place = _SHARED / shared.name
    try:
        if hasattr(os, "posix_fallocate") and place.is_file():
            with place.open("r+b") as file:
                os.posix_fallocate(file.fileno(), 0, size)
    except OSError as error:
        shared.close()
        shared.unlink()
        raise StemliveError(
            f"cannot create shared memory for the engine: {_SHARED} has no room for {size // 1024 + 1} KB "
            f"({error.strerror}); remove files there, or make it larger"
        ) from error
    return shared
