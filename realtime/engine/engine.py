"""The live engine: sound in, stems apart, mix out, and a front end that steers and watches it.

    engine = Engine(EngineSettings("device:default", "device:default"))
    engine.controls.apply_preset("karaoke")
    engine.start()
    while not (now := engine.snapshot()).state.ended:
        print(now.latency.ms(now.latency.total), now.dropouts)
        time.sleep(0.1)
    engine.stop()

`EngineProcess` is the same in a process of its own, which a busy window cannot disturb.
"""

import gc
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from time import perf_counter, sleep
from types import TracebackType
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from stemlive.errors import DeviceError, UsageError
from stemlive.realtime.control.controls import Controls
from stemlive.realtime.engine.run import LiveRun
from stemlive.realtime.model_file.session import Session
from stemlive.realtime.recording.tap import Tap
from stemlive.realtime.separation.stem_spectra import stem_names
from stemlive.realtime.shared.guarded_thread import GuardedThread
from stemlive.realtime.shared.heartbeat import LIMIT_S, LOOK_S
from stemlive.realtime.shared.memory import EngineMemory
from stemlive.realtime.shared.settings import EngineSettings
from stemlive.realtime.shared.snapshot import Snapshot, State

_WATCH_S = 0.02
_PATIENCE_S = 1.0
"""For a beat while sound runs: no hop takes that long."""
_PRIORITY = 10


class LiveEngine(Protocol):
    """What a front end needs of an engine, wherever it runs. For one thread, but `snapshot` and `columns`: for any."""

    settings: EngineSettings
    controls: Controls

    def start(self) -> None:
        """Open everything and play; returns when sound runs. StemliveError when it does not."""
        ...

    def stop(self) -> None:
        """End the sound and give everything back. StemliveError when a file could not be completed."""
        ...

    def snapshot(self) -> Snapshot:
        """What it does at this moment."""
        ...

    def columns(self, since: int) -> tuple[int, NDArray[np.uint8]]:
        """Spectrogram columns, as `EngineMemory.columns_since`."""
        ...


class Engine:
    """The engine in this process, in a thread of its own. `taps` are called there with what is heard and played."""

    def __init__(
        self, settings: EngineSettings, *, taps: tuple[Tap, ...] = (), memory: EngineMemory | None = None
    ) -> None:
        """ModelError when the model cannot be used. A `memory` that is given is steered by another process.

        UsageError for settings with `reconnect`, unless this is that process.
        """
        if settings.reconnect and memory is None:
            raise UsageError("only an engine in a process of its own (EngineProcess) can wait for its device")
        self.settings = settings
        self._taps = taps
        self._memory = EngineMemory.local() if memory is None else memory
        # ONNX Runtime flushes denormals in this thread and in those that come after it, the device's included.
        self._session = Session(settings.model, threads=settings.threads, provider=settings.provider)
        self._thread: threading.Thread | None = None
        self._ready = threading.Event()
        self._stopping = threading.Event()
        self._error: BaseException | None = None
        self.controls = Controls(stem_names(self._session.info.stems), self._memory, write=memory is None)

    def start(self) -> None:
        """Open everything and play; StemliveError when that fails. An engine that has stopped starts anew."""
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
        """End the sound; StemliveError when a file could not be completed. Does nothing when it does not run."""
        if self._thread is None:
            return
        self._stopping.set()
        self._thread.join()
        self._thread = None
        if self._error is not None:
            raise self._error

    def snapshot(self) -> Snapshot:
        """What it does at this moment; for any thread."""
        return self._memory.snapshot()

    def columns(self, since: int) -> tuple[int, NDArray[np.uint8]]:
        """Spectrogram columns from number `since` on; for any thread."""
        return self._memory.columns_since(since)

    def _live(self) -> None:
        frozen = False
        try:
            run = self._opened()
            gc.collect()
            gc.freeze()
            frozen = True
            with suppress(OSError, AttributeError):  # where the system allows it: nobody goes before the sound
                os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(_PRIORITY))
            self._memory.expect(_PATIENCE_S)
            self._memory.set_state(State.RUNNING)
            self._ready.set()
            self._keep_playing(run)
        except BaseException as error:
            self._error = error
            self._memory.set_state(State.FAILED, str(error))
        finally:
            if frozen:
                gc.unfreeze()
            self._ready.set()

    def _opened(self) -> LiveRun:
        self._session.reset()
        return LiveRun(self.settings, self._session, self._memory, self._taps)

    def _keep_playing(self, run: LiveRun) -> None:
        try:
            try:
                state, message = self._play(run), ""
            except DeviceError as error:
                # A process that PortAudio has lost a device in can do no more than say so.
                state = State.RECONNECTING if self.settings.reconnect else State.DEVICE_LOST
                message = str(error)
            self._wait_for(run.finish)
        finally:
            self._wait_for(run.close)
        self._memory.set_state(state, message)

    def _wait_for(self, ending: Callable[[], None]) -> None:
        """Let files and devices be completed, as long as a slow disk takes; whoever watches sees a beat meanwhile."""
        self._memory.expect(LIMIT_S)
        thread = GuardedThread("stemlive ending", ending)
        thread.start()
        while not thread.end(LOOK_S):
            self._memory.beat()
        if thread.error is not None:
            raise thread.error

    def _play(self, run: LiveRun) -> State:
        """Run until the end or `stop`; DeviceError when the device has gone."""
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
