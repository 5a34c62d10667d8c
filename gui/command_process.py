"""The command line in a child process of the window's."""

import sys

from PyQt6.QtCore import QObject, QProcess

from stemlive.realtime.shared.heartbeat import LIMIT_S

_LIMIT_MS = round(1000 * LIMIT_S)


class CommandProcess(QProcess):
    """A process that can be asked to end, and ended."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)

    @property
    def running(self) -> bool:
        """Whether it has been started and has not ended."""
        return self.state() != QProcess.ProcessState.NotRunning

    def ask_to_end(self) -> None:
        """Let it tidy up and end. Windows has no way to ask a program without a window: there it ends at once."""
        if sys.platform == "win32":
            self.kill()
        else:
            self.terminate()

    def end(self, *, asked: bool = False) -> None:
        """End it by force, without a signal to anyone; one that was `asked` to end has the limit for that first."""
        self.blockSignals(True)
        if self.running and not (asked and self.waitForFinished(_LIMIT_MS)):
            self.kill()
            self.waitForFinished(_LIMIT_MS)
