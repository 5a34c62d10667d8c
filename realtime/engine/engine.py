"""The live engine: audio in, separation, mix out, controlled and watched by a front end.

    engine = Engine(EngineSettings("device:default", "device:default"))
    engine.controls.apply_preset("karaoke")
    engine.start()
    while not (now := engine.snapshot()).state.ended:
        print(now.latency.ms(now.latency.total), now.dropouts)
        time.sleep(0.1)
    engine.stop()

`EngineProcess` is the same in a child process, which a busy window cannot disturb.
"""

import gc
import threading
from collections.abc import Callable
from time import perf_counter, sleep
from types import TracebackType
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from stemlive.errors import DeviceError, UsageError
from stemlive.guarded_thread import GuardedThread
from stemlive.realtime.control.controls import Controls
from stemlive.realtime.engine.run import LiveRun
from stemlive.realtime.model_file.session import Session
from stemlive.realtime.recording.tap import Tap
from stemlive.realtime.separation.stem_spectra import stem_names
from stemlive.realtime.shared.heartbeat import LIMIT_S, LOOK_S
from stemlive.realtime.shared.memory import EngineMemory
from stemlive.realtime.shared.priority import raise_priority
from stemlive.realtime.shared.settings import EngineSettings
from stemlive.realtime.shared.snapshot import Snapshot, State

_WATCH_S = 0.02
_PATIENCE_S = 1.0
"""Longest time between heartbeats while sound runs; no hop takes that long."""
_PRIORITY = 10


class LiveEngine(Protocol):
    """What a front end needs of an engine, in this process or another.

    One thread calls it; any thread may call `snapshot` and `columns`.
    """

    settings: EngineSettings
    controls: Controls

    def start(self) -> None:
        """Open the devices and return once sound runs. StemliveError when that fails."""
        ...

    def stop(self) -> None:
        """Stop the sound and release everything. StemliveError when a file could not be completed."""
        ...

    def snapshot(self) -> Snapshot:
        """Return the engine's current state."""
        ...

    def columns(self, since: int) -> tuple[int, NDArray[np.uint8]]:
        """Return spectrogram columns, as `EngineMemory.columns_since` does."""
        ...


class Engine:
    """The engine in this process, on its own thread; `taps` get input and output there."""

    def __init__(
        self, settings: EngineSettings, *, taps: tuple[Tap, ...] = (), memory: EngineMemory | None = None
    ) -> None:
        """Load the model. A `memory` that is given is shared with the process that controls this engine.

        ModelError when the model cannot be used. UsageError for `settings.reconnect` without such a memory: only a
        parent process can reconnect.
        """
        if settings.reconnect and memory is None:
            raise UsageError("only an engine in a process of its own (EngineProcess) can wait for its device")
        self.settings = settings
        self._taps = taps
        self._memory = EngineMemory.local() if memory is None else memory
        self._has_process = memory is not None  # and what the garbage collector does there is nobody else's affair
        # ONNX Runtime flushes denormals in this thread and in threads started later, the device's included.
        self._session = Session(settings.used_model, threads=settings.threads, provider=settings.provider)
        self._memory.set_terms(self._session.info.terms_line)
        self._thread: threading.Thread | None = None
        self._ready = threading.Event()
        self._stopping = threading.Event()
        self._error: BaseException | None = None
        self.controls = Controls(stem_names(self._session.info.stems), self._memory, write=memory is None)

    def start(self) -> None:
        """Open the devices and start playing. StemliveError when that fails. A stopped engine may start again."""
        assert self._thread is None, "this engine has been started already"
        self._ready.clear()
        self._stopping.clear()
        self._error = None
        self._memory.expect(LIMIT_S)
        self._memory.set_state(State.STARTING)
        self._thread = threading.Thread(target=self._live, name="stemlive engine", daemon=True)
        self._thread.start()
        while not self._ready.wait(LOOK_S):
            self._memory.beat()
        if self._error is not None:
            self._thread.join()
            self._thread = None
            raise self._error

    def stop(self) -> None:
        """Stop the sound. StemliveError when a file could not be completed. Does nothing when not running."""
        if self._thread is None:
            return
        self._stopping.set()
        self._thread.join()
        self._thread = None
        if self._error is not None:
            raise self._error

    def snapshot(self) -> Snapshot:
        """Return the engine's current state. Any thread may call this."""
        return self._memory.snapshot()

    def columns(self, since: int) -> tuple[int, NDArray[np.uint8]]:
        """Return the spectrogram columns from number `since` on. Any thread may call this."""
        return self._memory.columns_since(since)

    def _live(self) -> None:
        try:
            run = self._opened()
            if self._has_process:
                gc.collect()
                gc.freeze()
            raise_priority(_PRIORITY)
            self._memory.expect(_PATIENCE_S)
            self._memory.set_state(State.RUNNING)
            self._ready.set()
            self._keep_playing(run)
        except BaseException as error:
            self._error = error
            # A start that fails raises in `start`. A parent process may try again, and writes the state itself.
            if self._ready.is_set() or not self._has_process:
                self._memory.set_state(State.FAILED, str(error))
        finally:
            self._ready.set()

    def _opened(self) -> LiveRun:
        self._session.reset()
        return LiveRun(self.settings, self._session, self._memory, self._taps)

    def _keep_playing(self, run: LiveRun) -> None:
        try:
            try:
                state, message = self._play(run), ""
            except DeviceError as error:
                # PortAudio cannot recover a lost device within a process; the parent starts another one.
                state = State.RECONNECTING if self.settings.reconnect else State.DEVICE_LOST
                message = str(error)
            self._wait_for(run.finish)
        finally:
            self._wait_for(run.close)
        self._memory.set_state(state, message)

    def _wait_for(self, ending: Callable[[], None]) -> None:
        """Run `ending` on another thread, however long a slow disk takes, and keep the heartbeat going meanwhile."""
        self._memory.expect(LIMIT_S)
        thread = GuardedThread("stemlive ending", ending)
        thread.start()
        while not thread.end(LOOK_S):
            self._memory.beat()
        if thread.error is not None:
            raise thread.error

    def _play(self, run: LiveRun) -> State:
        """Run until the source ends or `stop` is called. DeviceError when the device is lost."""
        watched = 0.0
        while not self._stopping.is_set():
            if not run.step():
                sleep(run.poll_s)
            now = perf_counter()
            if now - watched > _WATCH_S:
                watched = now
                state = run.watch()
                self._memory.beat()
                if state != State.RUNNING:
                    return state
        return State.STOPPED

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self.stop()
