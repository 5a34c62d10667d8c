"""A thread that never fails silently: its exception is kept for the code that started it."""

import threading
from collections.abc import Callable


class GuardedThread(threading.Thread):
    """Runs `work` on a daemon thread, which does not keep the program from exiting."""

    def __init__(self, name: str, work: Callable[[], object]) -> None:
        super().__init__(name=name, daemon=True)
        self._work = work
        self.error: Exception | None = None
        """The exception that ended the thread; None if there was none."""

    def run(self) -> None:
        """Run `work` and keep its exception. The new thread calls this."""
        try:
            self._work()
        except Exception as error:
            self.error = error

    @property
    def problem(self) -> str:
        """The exception's message; empty while there is none."""
        return "" if self.error is None else str(self.error) or type(self.error).__name__

    def end(self, limit_s: float) -> bool:
        """Wait for the thread to end, `limit_s` at most; return whether it has. One not started counts as ended."""
        if self.ident is not None and self is not threading.current_thread():
            self.join(limit_s)
        return not self.is_alive()
