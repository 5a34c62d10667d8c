"""Sound servers of a test's own: PulseAudio, and PipeWire with pipewire-pulse and WirePlumber, without hardware."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from waiting import wait_until

RATE_HZ = 44100
PATIENCE_S = 60.0
_PROGRAMS = {
    "PulseAudio": ("pulseaudio", "pactl", "pacat"),
    "PipeWire": ("pipewire", "pipewire-pulse", "wireplumber", "dbus-daemon", "pactl", "pacat"),
}


class SoundServer:
    """A server that only programs with its `environment` see."""

    def __init__(self, folder: Path, kind: str) -> None:
        missing = [program for program in _PROGRAMS[kind] if shutil.which(program) is None]
        if missing:
            pytest.skip(f"not installed: {', '.join(missing)} (./install.sh dev)")
        self.kind, self._folder = kind, folder
        self._processes: list[subprocess.Popen[bytes]] = []
        self._runtime = runtime = folder / "run"
        runtime.mkdir(mode=0o700, parents=True)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PULSE_", "PIPEWIRE_"))}
        self.environment = kept | {
            "HOME": str(folder),
            "XDG_RUNTIME_DIR": str(runtime),
            "XDG_CONFIG_HOME": str(folder / "config"),
            "XDG_STATE_HOME": str(folder / "state"),
            "DBUS_SESSION_BUS_ADDRESS": f"unix:path={runtime}/bus",
            "JACK_NO_START_SERVER": "1",
            "OMP_NUM_THREADS": "1",
        }

    def start(self, *sinks: str) -> None:
        """Start it with null sinks of these names, the first the default. If it does not come up, it is begun anew."""
        for attempt in range(1, 4):
            self._launch()
            try:
                wait_until(self._answers, self.kind, patience_s=PATIENCE_S / 3)
                break
            except AssertionError as error:
                self.kill()
                if attempt == 3:
                    said = {log.stem: log.read_text(errors="replace")[-500:] for log in self._folder.glob("*.log")}
                    raise AssertionError(f"{self.kind} does not start: {said}") from error
                shutil.rmtree(self._runtime)
                self._runtime.mkdir(mode=0o700)
        for sink in sinks:
            self.add_sink(sink)
        self.set_default_sink(sinks[0])

    def _launch(self) -> None:
        if self.kind == "PulseAudio":
            modules = ("native-protocol-unix", "stream-restore", "suspend-on-idle")
            command = ["pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no"]
            self._spawn(*command, *(f"--load=module-{module}" for module in modules))
            return
        self._spawn("dbus-daemon", "--session", "--nofork", "--address", self.environment["DBUS_SESSION_BUS_ADDRESS"])
        wait_until((self._runtime / "bus").exists, "D-Bus", patience_s=PATIENCE_S)
        self._spawn("pipewire")
        wait_until((self._runtime / "pipewire-0").exists, "PipeWire", patience_s=PATIENCE_S)
        self._spawn("wireplumber")
        self._spawn("pipewire-pulse")

    def stop(self) -> None:
        for process in reversed(self._processes):
            process.send_signal(signal.SIGTERM)
        for process in self._processes:
            process.wait(PATIENCE_S)
        self._processes.clear()

    def kill(self) -> None:
        """End it as a crash does."""
        for process in self._processes:
            process.kill()
        self.stop()

    def add_sink(self, name: str, *, rate_hz: int = RATE_HZ, channels: int = 2, description: str = "") -> int:
        """Add a null sink; return the number of its module."""
        described = f"device.description={description or name}"
        arguments = (f"sink_name={name}", f"rate={rate_hz}", f"channels={channels}", f"sink_properties={described}")
        module = int(self.pactl("load-module", "module-null-sink", *arguments))
        wait_until(lambda: name in self.names("sinks"), f"the sink {name}", patience_s=PATIENCE_S)
        return module

    def pactl(self, *arguments: str) -> str:
        command = ["pactl", *map(str, arguments)]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, check=True).stdout

    def set_default_sink(self, name: str) -> None:
        self._until(lambda: self.default_sink() == name, "set-default-sink", name)

    def set_default_source(self, name: str) -> None:
        self._until(lambda: self.pactl("get-default-source").strip() == name, "set-default-source", name)

    def move(self, stream: str, sink: str) -> None:
        """Move a stream as a user does."""
        self._until(lambda: self.places().get(stream) == sink, "move-sink-input", stream, sink)

    def names(self, what: str) -> list[str]:
        """Names of all `sinks` or `sources`; of `modules` name and arguments."""
        return [line.split("\t", 1)[1].split("\t\t")[0].split("\t")[0] for line in self._short(what)]

    def default_sink(self) -> str:
        return self.pactl("get-default-sink").strip()

    def places(self) -> dict[str, str]:
        """The sink that each stream plays to, by the stream's number."""
        sinks = {line.split("\t")[0]: line.split("\t")[1] for line in self._short("sinks")}
        return {line.split("\t")[0]: sinks.get(line.split("\t")[1], "?") for line in self._short("sink-inputs")}

    def play(self, sound: np.ndarray, *options: str, name: str = "pacat") -> subprocess.Popen[bytes]:
        """Begin to play sound [n, 2] as another program does."""
        raw = self._folder / f"{name}.raw"
        raw.write_bytes(sound.astype("<f4").tobytes())
        described = ["--format=float32le", f"--rate={RATE_HZ}", "--channels=2", "--raw", f"--client-name={name}"]
        return subprocess.Popen(["pacat", *described, *options, str(raw)], env=self.environment)

    def record(self, source: str, raw: Path) -> subprocess.Popen[bytes]:
        """Begin to record a source into a file of float32 [n, 2]."""
        described = ["--format=float32le", f"--rate={RATE_HZ}", "--channels=2", "--raw", "--latency-msec=50"]
        with raw.open("wb") as file:
            return subprocess.Popen(["parec", f"--device={source}", *described], env=self.environment, stdout=file)

    def _until(self, true: Callable[[], bool], *command: str) -> None:
        """Give a command until it has its effect: PipeWire may forget it where `pactl` has ended before it is done."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            self.pactl(*command)
            with suppress(AssertionError):
                wait_until(true, " ".join(command), patience_s=PATIENCE_S / 20)
                return
        raise AssertionError(f"{self.kind} does not do: {' '.join(command)}")

    def _short(self, what: str) -> list[str]:
        return [line for line in self.pactl("list", "short", what).splitlines() if line]

    def _spawn(self, *command: str) -> None:
        with (self._folder / f"{command[0]}.log").open("ab") as log:
            self._processes.append(
                subprocess.Popen(command, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            )

    def _answers(self) -> bool:
        command = ["timeout", "5", "pactl", "info"]  # one that came too early may wait for ever
        return subprocess.run(command, env=self.environment, capture_output=True, check=False).returncode == 0
