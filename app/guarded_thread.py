"""Threads whose exceptions are kept and reported, never lost."""

import threading
from collections.abc import Callable

from stemlive.errors import StemliveError


def in_words(error: BaseException) -> str:
    """Return an exception as one line for the user."""
    return str(error) if isinstance(error, StemliveError) else f"{type(error).__name__}: {error}"


class GuardedThread(threading.Thread):
    """A daemon thread that runs `work` once.

    An exception ends it and stays in `error`; `failed` is then called with it in words, on this thread.
    """

    def __init__(self, name: str, work: Callable[[], object], failed: Callable[[str], object] | None = None) -> None:
        super().__init__(name=name, daemon=True)
        self._work, self._failed = work, failed
        self.error: Exception | None = None
        """The exception that ended the thread; None while there is none."""

    def run(self) -> None:
        """Do the work, and keep its exception."""
        try:
            self._work()
        except Exception as error:
            self.error = error
            if self._failed is not None:
                self._failed(in_words(error))

    @property
    def problem(self) -> str:
        """The exception in words; empty while there is none."""
        return "" if self.error is None else in_words(self.error)

    def end(self, limit_s: float) -> bool:
        """Wait at most `limit_s` for the end of the work; return whether it has ended, or never started."""
        if self.ident is not None and self is not threading.current_thread():
            self.join(limit_s)
        return not self.is_alive()
