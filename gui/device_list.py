"""List audio devices with a child process, because PortAudio lists devices only once per process."""

import json
import sys
from dataclasses import dataclass
from threading import Event

from PyQt6.QtCore import QObject, QProcess, QTimer, pyqtSignal

from stemlive.child import PROGRAM
from stemlive.guarded_thread import GuardedThread
from stemlive.gui.command_process import CommandProcess
from stemlive.realtime.devices.player_keeper import SINK
from stemlive.realtime.devices.sound_server import watch
from stemlive.realtime.engine.system_engine import PLAYERS

DEFAULT = "default"
_AS_MANY_AS_ONE_LIKES = 64
"""So many outputs, or more, has a plugin of ALSA's, which mixes down whatever it gets."""
_SETTLING_MS = 300
"""A device that is plugged in brings several sources and sinks, one after another."""
_PATIENCE_MS = 10_000
"""For Python to start on a busy machine; the query itself waits three seconds for the sound system."""


@dataclass(frozen=True)
class DeviceName:
    """A device as the window shows it (`label`) and as the engine takes it (`name`)."""

    name: str
    label: str
    inputs: int = 2
    """Channels that can be heard."""
    outputs: int = 2
    """Channels that can be played to."""


class DeviceList(QObject):
    """Input and output devices. `refresh` starts a query; `changed` is emitted with its result, or with `problem`.

    After `watch`, a query also starts when the sound server tells that a device has come or gone.
    """

    changed = pyqtSignal()
    players_changed = pyqtSignal()
    """Another program plays, or one has ended."""
    _playing = pyqtSignal(list)
    _plugged = pyqtSignal()

    def __init__(self, command: tuple[str, ...] = (*PROGRAM, "devices", "--json")) -> None:
        super().__init__()
        self._command = command
        self._process = CommandProcess(self)
        self._process.finished.connect(self._read)
        self._process.errorOccurred.connect(self._failed)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._give_up)
        self._settling = QTimer(self)
        self._settling.setSingleShot(True)
        self._settling.setInterval(_SETTLING_MS)
        self._settling.timeout.connect(self._look_again)
        self._plugged.connect(self._settling.start)
        self._playing.connect(self._note_players)
        self._stopping = Event()
        self.inputs: tuple[DeviceName, ...] = ()
        self.outputs: tuple[DeviceName, ...] = ()
        self.problem = ""
        self._on_server = False
        self._default_outputs: int | None = None
        self._programs: tuple[str, ...] = ()

    @property
    def players(self) -> tuple[DeviceName, ...]:
        """What the computer plays, all of it and program by program, as inputs; empty without a sound server."""
        if not self._on_server:
            return ()
        return tuple(DeviceName(PLAYERS + program, players_label(program)) for program in ("", *self._programs))

    def output_channels(self, name: str) -> int | None:
        """Return how many channels an output device has; None if it is not listed."""
        if name == DEFAULT:
            return self._default_outputs
        return next((device.outputs for device in self.outputs if device.name == name), None)

    def refresh(self) -> None:
        """Start a query, unless one is running."""
        if not self._process.running:
            self._process.start(self._command[0], list(self._command[1:]))
            self._timer.start(_PATIENCE_MS)

    def watch(self) -> None:
        """Watch the sound server, where there is one, on a thread of its own until `close`."""
        if sys.platform.startswith("linux"):
            GuardedThread(
                "stemlive devices", lambda: watch(self._plugged.emit, self._stopping, self._playing.emit)
            ).start()

    def close(self) -> None:
        """Abort a running query, and watch no more."""
        self._stopping.set()
        self._settling.stop()
        self._timer.stop()
        self._process.end()

    def _note_players(self, programs: list[str]) -> None:
        self._programs = tuple(programs)
        self.players_changed.emit()

    def _look_again(self) -> None:
        if self._process.running:  # which may have looked before
            self._settling.start()
        else:
            self.refresh()

    def _give_up(self) -> None:
        self._process.end()
        self._process.blockSignals(False)
        self.problem = f"the list of devices has not come within {_PATIENCE_MS // 1000} s: restart the sound server"
        self.changed.emit()

    def _failed(self, _: QProcess.ProcessError) -> None:
        self._timer.stop()
        self.problem = f"the list of devices could not be asked for: {self._process.errorString()}"
        self.changed.emit()

    def _read(self, code: int) -> None:
        self._timer.stop()
        if code:
            said = self._process.readAllStandardError().data().decode(errors="replace").strip()
            self.problem = said.rpartition("\n")[2].removeprefix("stemlive: error: ") or "no list of devices"
            self.inputs = self.outputs = ()
            self._on_server, self._default_outputs = False, None
        else:
            devices = json.loads(self._process.readAllStandardOutput().data())
            self._on_server = any(device.get("server_name") for device in devices)
            devices = [device for device in devices if device.get("server_name") not in (SINK, f"{SINK}.monitor")]
            self.problem = ""
            sinks = {device["server_name"]: device["outputs"] for device in devices if device.get("server_name")}
            self.inputs = tuple(_name(device, sinks) for device in devices if device["inputs"])
            self.outputs = tuple(_name(device, sinks) for device in devices if device["outputs"])
            defaults = (_outputs(device, sinks) for device in devices if device.get("default_output"))
            self._default_outputs = next(defaults, None)
        self.changed.emit()


def _name(device: dict[str, object], sinks: dict[str, int]) -> DeviceName:
    label = f"{device['name']}, {device['host_interface']}"
    return DeviceName(label, label, int(str(device["inputs"])), _outputs(device, sinks))


def _outputs(device: dict[str, object], sinks: dict[str, int]) -> int:
    """Return how many channels are heard: those of the sink behind it, where it leads to one."""
    count = sinks.get(str(device.get("plays_to")), 0) or int(str(device["outputs"]))
    return 2 if count >= _AS_MANY_AS_ONE_LIKES and device["host_interface"] == "ALSA" else count


def players_label(program: str) -> str:
    """Return the text for a program's sound as an input; for an empty name, of all of them."""
    return f"What {program} plays" if program else "What the computer plays"
