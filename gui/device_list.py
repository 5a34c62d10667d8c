"""List audio devices with a child process, because PortAudio lists devices only once per process."""

import json
from dataclasses import dataclass

from PyQt6.QtCore import QObject, QProcess, pyqtSignal

from stemlive.child import PROGRAM

DEFAULT = "default"


@dataclass(frozen=True)
class DeviceName:
    """A device as the window shows it (`label`) and as the engine takes it (`name`)."""

    name: str
    label: str


class DeviceList(QObject):
    """Input and output devices. `refresh` starts a query; `changed` is emitted with its result, or with `problem`."""

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
        """Start a query, unless one is running."""
        if self._process.state() == QProcess.ProcessState.NotRunning:
            self._process.start(self._command[0], list(self._command[1:]))

    def close(self) -> None:
        """Abort a running query."""
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
