"""Which devices there are, asked of another process: PortAudio looks only once in its life."""

import json
from dataclasses import dataclass

from PyQt6.QtCore import QObject, QProcess, pyqtSignal

from stemlive.child import PROGRAM

DEFAULT = "default"


@dataclass(frozen=True)
class DeviceName:
    """A device as the window offers it; `name` is what the engine understands."""

    name: str
    label: str


class DeviceList(QObject):
    """`refresh` asks, `changed` says that there is an answer: `inputs`, `outputs`, and `problem` in one line."""

    changed = pyqtSignal()

    def __init__(self, command: tuple[str, ...] = (*PROGRAM, "devices", "--json")) -> None:
        super().__init__()
        self._command = command
        self._process = QProcess(self)
        self._process.finished.connect(self._read)
        self._process.errorOccurred.connect(self._failed)
        self.inputs: tuple[DeviceName, ...] = ()
        self.outputs: tuple[DeviceName, ...] = ()
        self.problem = ""

    def refresh(self) -> None:
        """Ask, unless an answer is on its way already."""
        if self._process.state() == QProcess.ProcessState.NotRunning:
            self._process.start(self._command[0], list(self._command[1:]))

    def close(self) -> None:
        """Wait for no answer any more."""
        self._process.blockSignals(True)
        if self._process.state() != QProcess.ProcessState.NotRunning:
            self._process.kill()
            self._process.waitForFinished()

    def _failed(self, _: QProcess.ProcessError) -> None:
        self.problem = f"the list of devices could not be asked for: {self._process.errorString()}"
        self.changed.emit()

    def _read(self, code: int) -> None:
        if code:
            said = self._process.readAllStandardError().data().decode(errors="replace").strip()
            self.problem = said.rpartition("\n")[2].removeprefix("stemlive: error: ") or "no list of devices"
            self.inputs = self.outputs = ()
        else:
            devices = json.loads(self._process.readAllStandardOutput().data())
            self.problem = ""
            self.inputs = tuple(_name(device) for device in devices if device["inputs"])
            self.outputs = tuple(_name(device) for device in devices if device["outputs"])
        self.changed.emit()


def _name(device: dict[str, object]) -> DeviceName:
    label = f"{device['name']}, {device['host_interface']}"
    return DeviceName(label, label)
