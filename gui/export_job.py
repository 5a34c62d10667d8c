"""Export of a song in the background, by another process."""

import json
import sys
from pathlib import Path

from PyQt6.QtCore import QObject, QProcess, pyqtSignal

from stemlive.gui.command_process import CommandProcess
from stemlive.gui.export_order import Order
from stemlive.gui.file_names import shown

COMMAND = (sys.executable, "-P", "-m", "stemlive.window_export")


class ExportJob(QObject):
    """One export at a time. Signals: `progressed` with a fraction 0 to 1, `ended` with a message and success."""

    progressed = pyqtSignal(float)
    ended = pyqtSignal(str, bool)

    def __init__(self, command: tuple[str, ...] = COMMAND) -> None:
        super().__init__()
        self._command = command
        self._process = CommandProcess(self)
        self._process.readyReadStandardOutput.connect(self._read)
        self._process.finished.connect(self._finished)
        self._process.errorOccurred.connect(self._failed)
        self._cancelled = False
        self._notes: list[str] = []
        self.order: Order | None = None
        """What is, or was last, exported."""

    @property
    def running(self) -> bool:
        """Whether an export is running."""
        return self._process.running

    def start(self, order: Order) -> None:
        """Write the files of an order, none of which may exist."""
        assert not self.running, "an export is running"
        self.order = order
        self._cancelled = False
        self._notes.clear()
        self._process.start(self._command[0], [*self._command[1:], order.to_text()])

    def cancel(self) -> None:
        """Cancel the export; it leaves no files behind."""
        if self.running:
            self._cancelled = True
            self._process.ask_to_end()

    def close(self) -> None:
        """Cancel the export without a word, and return at once."""
        self._process.blockSignals(True)
        self.cancel()

    def finish(self) -> None:
        """Wait until a cancelled export has ended."""
        self._process.end(asked=True)

    def _read(self) -> None:
        while self._process.canReadLine():
            event = json.loads(self._process.readLine().data())
            if "note" in event:
                self._notes.append(event["note"])
            elif "done" in event:
                self.progressed.emit(event["done"] / event["total"])

    def _failed(self, error: QProcess.ProcessError) -> None:
        if error == QProcess.ProcessError.FailedToStart:
            self.ended.emit(f"the export could not be started: {self._process.errorString()}", False)

    def _finished(self, code: int) -> None:
        self._read()
        said = self._process.readAllStandardError().data().decode(errors="replace").strip()
        if self._cancelled:
            self.ended.emit("export cancelled, nothing was written", False)
        elif code:
            reason = said.rpartition("\n")[2].removeprefix("stemlive: error: ")
            self.ended.emit(reason or f"the export ended with code {code}", False)
        else:
            assert self.order is not None
            names = ", ".join(shown(Path(path.name)) for path in self.order.paths)
            notes = "".join(f"; {note}" for note in self._notes)
            self.ended.emit(f"Written in {shown(self.order.folder)}: {names}{notes}", True)
