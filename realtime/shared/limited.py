"""Jobs on a thread of their own, and calls into libraries that may never return, waited for only so long."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeVar

from stemlive.errors import DeviceError
from stemlive.realtime.shared.heartbeat import LIMIT_S

Result = TypeVar("Result")


class JobThread:
    """Does jobs one after another on a daemon thread, which never keeps the program from ending. For any thread."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._jobs: SimpleQueue[tuple[Callable[[], Any], Future[Any]] | None] = SimpleQueue()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def submit(self, work: Callable[[], Result]) -> "Future[Result]":
        """Do this after all that was submitted before."""
        with self._starting:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
        answer: Future[Result] = Future()
        self._jobs.put((work, answer))
        return answer

    def close(self) -> None:
        """Let the thread end when all jobs are done."""
        self._jobs.put(None)

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            work, answer = job
            try:
                answer.set_result(work())
            except BaseException as error:
                answer.set_exception(error)


class LimitedCalls:
    """Calls into a library that may hang, all on one thread. While a call hangs, others fail at once."""

    def __init__(self, name: str, what: str) -> None:
        """`what` is said not to answer when a call hangs."""
        self._thread, self._what = JobThread(name), what
        self._last: Future[Any] | None = None

    @property
    def hang(self) -> bool:
        """Whether a call has not returned in time, nor since."""
        return self._last is not None and not self._last.done()

    def call(self, work: Callable[[], Result], limit_s: float = LIMIT_S) -> Result:
        """Return what `work` returns, or raise what it raises. DeviceError when that takes longer than `limit_s`."""
        if self.hang:
            raise self._error()
        answer = self._thread.submit(work)
        try:
            return answer.result(limit_s)
        except TimeoutError:
            if answer.done():
                raise
            self._last = answer
            raise self._error() from None

    def close(self) -> None:
        """End the thread, unless a call hangs in it."""
        self._thread.close()

    def _error(self) -> DeviceError:
        return DeviceError(f"{self._what} has not answered for {LIMIT_S:g} s: restart it, or plug the device in again")
