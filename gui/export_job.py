"""Export all stems of a song in the background, by running `stemlive separate` in a child process."""

import json
from pathlib import Path

from PyQt6.QtCore import QObject, QProcess, pyqtSignal

from stemlive.child import QUOTED_PROGRAM, quoted
from stemlive.gui.command_process import CommandProcess
from stemlive.gui.file_names import shown

COMMAND = (*QUOTED_PROGRAM, "separate", "--json")
_WARNING = "stemlive: warning: "


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
        self._written: list[str] = []

    @property
    def running(self) -> bool:
        """Whether an export is running."""
        return self._process.running

    def start(self, song: Path, folder: Path, *, extension: str, model: str | None, replace: bool) -> None:
        """Write `folder`/<song>/<stem>.<extension>. Existing files are replaced only with `replace`."""
        assert not self.running, "an export is running"
        arguments = [*self._command[1:], "-o", quoted(folder), "--format", extension]
        arguments += ["--model", quoted(model)] if model else []
        arguments += ["--force"] if replace else []
        self._cancelled = False
        self._written.clear()
        self._process.start(self._command[0], [*arguments, "--", quoted(song)])

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
            if "written" in event:
                self._written.append(event["written"])
            else:
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
            folder = Path(self._written[0]).parent if self._written else Path()
            warnings = [line.removeprefix(_WARNING) for line in said.splitlines() if line.startswith(_WARNING)]
            written = f"{len(self._written)} stems written in {shown(folder)}"
            self.ended.emit("; ".join([written, *warnings]), True)
