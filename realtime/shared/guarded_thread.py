"""A thread that never ends without a word: what it raised is kept for whoever started it."""

import threading
from collections.abc import Callable


class GuardedThread(threading.Thread):
    """Runs `work` in the background. It never keeps a program from ending."""

    def __init__(self, name: str, work: Callable[[], object]) -> None:
        super().__init__(name=name, daemon=True)
        self._work = work
        self.error: Exception | None = None
        """What ended the thread before its time; None otherwise."""

    def run(self) -> None:
        """Do the work; keep its exception."""
        try:
            self._work()
        except Exception as error:
            self.error = error

    @property
    def problem(self) -> str:
        """The exception in words; empty while there is none."""
        return "" if self.error is None else str(self.error) or type(self.error).__name__

    def end(self, limit_s: float) -> bool:
        """Wait until the work is done, `limit_s` at most; return whether it is. A thread not started is done."""
        if self.ident is not None and self is not threading.current_thread():
            self.join(limit_s)
        return not self.is_alive()
