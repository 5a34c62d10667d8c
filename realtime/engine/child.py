"""The parent's handle on one engine process, and the function that runs inside that process."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.shared_memory import SharedMemory
from typing import Any

from stemlive.child import safe_path
from stemlive.errors import StemliveError
from stemlive.realtime.engine.engine import Engine
from stemlive.realtime.recording.tap import Tap
from stemlive.realtime.shared.heartbeat import LIMIT_S, LOOK_S
from stemlive.realtime.shared.memory import EngineMemory
from stemlive.realtime.shared.settings import EngineSettings

_SPAWN = multiprocessing.get_context("spawn")
_DYING_S = 0.5
_SWITCH_S = 0.0005
"""How long the engine's thread may have to wait for Python while another thread computes; usually 5 ms."""


class ProcessLostError(StemliveError):
    """The engine's process has ended by itself, or does not answer."""


class Child:
    """A child process that runs an engine on the shared memory of this name. Use it from one thread at a time."""

    def __init__(self, settings: EngineSettings, taps: tuple[Tap, ...], memory_name: str) -> None:
        """Start the process. Its first answer is the tuple of the model's stems."""
        self._connection, theirs = _SPAWN.Pipe()
        self._process = _SPAWN.Process(
            target=_serve, args=(settings, taps, memory_name, theirs), name="stemlive", daemon=True
        )
        with _signals_held(), safe_path():
            self._process.start()
        theirs.close()
        self._ended = False

    @property
    def pid(self) -> int:
        """The process id."""
        return int(self._process.pid or 0)

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return bool(self._process.is_alive())

    def ends_within(self, seconds: float) -> bool:
        """Wait until the process ends, `seconds` at most; return whether it did."""
        return bool(wait([self._process.sentinel], seconds))

    def answer(self, given_up: Callable[[], bool]) -> Any:
        """Return the child's next answer; an exception that it sent is raised here.

        `given_up` is polled every `LOOK_S`: once it is true, the process is killed. ProcessLostError then, and when the
        process has ended.
        """
        while not wait([self._connection, self._process.sentinel], LOOK_S) and not given_up():
            pass
        try:
            answer = self._connection.recv() if self._connection.poll() else None
        except (EOFError, OSError):
            answer = None
        if answer is None:
            self._process.join(_DYING_S)  # the pipe closes a little before the process ends
            died = not self.alive
            self.kill()
            if died:
                raise ProcessLostError(f"the engine's process ended by itself (exit code {self._process.exitcode})")
            raise ProcessLostError("the engine's process does not answer, and was ended")
        if isinstance(answer, BaseException):  # it is the child's last answer
            self._process.join(LIMIT_S)
            self.kill()
            raise answer
        return answer

    def start_engine(self, given_up: Callable[[], bool]) -> None:
        """Start the engine and return once sound runs; raises what the engine raised."""
        self._send("start")
        self.answer(given_up)

    def end(self, given_up: Callable[[], bool]) -> None:
        """Stop the engine and end the process, by force once `given_up()` is true. A second call does nothing.

        StemliveError when a file could not be completed, or the process had already ended.
        """
        if self._ended:
            return
        try:
            self._send("exit")
            self.answer(given_up)
            self._process.join(LIMIT_S)
        finally:
            self.kill()

    def kill(self) -> None:
        """Kill the process without asking for its last answer. A second call does nothing."""
        if not self._ended:
            self._ended = True
            self._process.kill()
            self._process.join(LIMIT_S)
            self._connection.close()

    def _send(self, command: str) -> None:
        with suppress(OSError):  # the process has ended; `answer` reports it
            self._connection.send(command)


@contextmanager
def _signals_held() -> Iterator[None]:
    """Block terminal signals while the child starts: they are meant for the parent."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(settings: EngineSettings, taps: tuple[Tap, ...], memory_name: str, connection: Connection) -> None:
    """Run an engine for the parent process until it sends `exit` or ends. This is the child's main function."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        with suppress(AttributeError, ValueError):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    sys.setswitchinterval(_SWITCH_S)
    engine: Engine | None = None
    try:
        shared = SharedMemory(memory_name)  # keep a reference: the mapping is closed with the object
        memory = EngineMemory(shared.buf)
        engine = Engine(settings, taps=taps, memory=memory)
        memory.expect(LIMIT_S)
        connection.send(engine.controls.stems)
        while connection.recv() == "start":
            engine.start()
            connection.send(True)
        engine.stop()
        connection.send(True)
    except BaseException as error:
        with suppress(OSError):  # the parent is gone
            connection.send(error if isinstance(error, StemliveError) else StemliveError(_unexpected(error)))
    finally:
        with suppress(Exception):
            if engine is not None:
                engine.stop()
    # Skip PortAudio's exit handler, which aborts the process when its JACK server is gone.
    os._exit(0)


def _unexpected(error: BaseException) -> str:
    return f"the engine failed with {type(error).__name__}: {error}"
