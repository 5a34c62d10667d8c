"""A JACK server with its dummy driver, and a program beside the one under test that plays and records through it.

The server has a name of its own, so that one of the user's is never touched. A process sees it if it is started with
`Server.environment`: PortAudio looks for host interfaces once, when it is imported.
"""

import os
import secrets
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import waiting

RATE_HZ = 44100
PERIOD = 512
PATIENCE_S = 60.0
CLICK_EVERY = 6000
"""More than any delay here, so that a dropout reaches two clicks at most."""

wait_until = partial(waiting.wait_until, patience_s=PATIENCE_S)


def check_right(right: np.ndarray, dropouts: int, reach: int, record_property: Callable[[str, object], None]) -> None:
    """Of pieces of sound in their order, all are right but those that a dropout that was counted can have reached.

    A dropout reaches `reach` pieces. With it, most have to be right whatever was counted. The counts are reported.
    """
    record_property("dropouts", dropouts)
    wrong = len(right) - np.count_nonzero(right)
    assert wrong <= reach * dropouts, f"{wrong} of {len(right)} pieces wrong, {dropouts} dropouts counted"
    assert wrong < len(right) / 2, f"this machine is too busy for live sound: {dropouts} dropouts"


def clicks(count: int = 12) -> np.ndarray:
    """Clicks in each channel, in turn, half of `CLICK_EVERY` after each beginning of as many samples."""
    sound = np.zeros((count * CLICK_EVERY, 2), np.float32)
    sound[CLICK_EVERY // 2 :: 2 * CLICK_EVERY, 0] = 0.5
    sound[CLICK_EVERY // 2 + CLICK_EVERY :: 2 * CLICK_EVERY, 1] = -0.25
    return sound


class Server:
    """`jackd` on its exact clock, to be stopped and started as a device is unplugged and plugged in."""

    def __init__(self, folder: Path, *, rate_hz: int = RATE_HZ, period: int = PERIOD, outputs: int = 2) -> None:
        if shutil.which("jackd") is None:
            pytest.skip("jackd is not installed (Debian: apt-get install jackd2)")
        self.name = f"stemlive-{secrets.token_hex(4)}"
        self.environment = os.environ | {
            "JACK_DEFAULT_SERVER": self.name,
            "JACK_NO_AUDIO_RESERVATION": "1",
            "JACK_NO_START_SERVER": "1",
            "OMP_NUM_THREADS": "1",
        }
        self._command = ["jackd", "--no-realtime", "--name", self.name, "-d", "dummy"]
        self._command += ["-r", str(rate_hz), "-p", str(period), "-P", str(outputs)]
        self._log = folder / "jackd.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        wait_until(self._answers, "the JACK server")

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(PATIENCE_S)
            self._process = None

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """Let it answer nobody."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self._log.read_text()
        probe = ["jack_lsp", "--server", self.name]
        return b"playback_1" in subprocess.run(probe, env=self.environment, capture_output=True, check=False).stdout


class Neighbour:
    """Plays into the inputs of the program under test and records its outputs, from this process.

    Number k of the recording was taken in the same period as number k of what was played was given, so the
    program's own delay is all that lies between the two.
    """

    def __init__(self, server: Server, *, outputs: int = 2) -> None:
        """`outputs` is how many of the program's there are to record."""
        import jack

        os.environ["JACK_NO_START_SERVER"] = "1"
        self._player = jack.Client("player", servername=server.name, no_start_server=True)
        self._recorder = jack.Client("recorder", servername=server.name, no_start_server=True)
        self._out = [self._player.outports.register(f"out_{side}") for side in range(2)]
        self._in = [self._recorder.inports.register(f"in_{number}") for number in range(outputs)]
        self._sound = np.zeros((0, 2), np.float32)
        self._began: int | None = None
        self._blocks: dict[int, np.ndarray] = {}
        self._xruns = 0
        self._done = threading.Event()
        self._player.set_process_callback(self._play)
        self._recorder.set_process_callback(self._record)
        self._player.set_xrun_callback(self._count_xrun)
        self._player.activate()
        self._recorder.activate()

    def connect(self, program: str = "stemlive") -> None:
        """Connect the ports of the program under test, once they are there."""
        inputs: list = []

        def found() -> bool:
            inputs[:] = self._player.get_ports(f"{program}.*:in_", is_input=True)
            return len(inputs) > 0

        wait_until(found, "the program's ports")
        outputs = self._player.get_ports(f"{program}.*:", is_output=True)
        for port, target in zip(self._out, inputs, strict=False):
            self._player.connect(port, target)
        for source, port in zip(outputs, self._in, strict=False):
            self._recorder.connect(source, port)

    def play(self, sound: np.ndarray, tail: int = 8192) -> tuple[np.ndarray, int]:
        """Play sound [n, 2]; return what came back [n + tail, outputs], and how many periods the server missed."""
        periods = -(-(len(sound) + tail) // PERIOD)
        self._sound = np.zeros((periods * PERIOD, 2), np.float32)
        self._sound[: len(sound)] = sound
        self._blocks.clear()
        self._xruns = 0
        self._done.clear()
        # A little later than now, so that both clients begin in the same period.
        self._began = self._player.last_frame_time + 8 * PERIOD
        assert self._done.wait(len(sound) / RATE_HZ + PATIENCE_S), "the server does not go on"
        self._began = None
        recorded = np.zeros((len(self._sound), len(self._in)), np.float32)
        for first, block in self._blocks.items():
            recorded[first : first + len(block)] = block
        return recorded, self._xruns + periods - len(self._blocks)

    def close(self) -> None:
        for client in (self._player, self._recorder):
            client.deactivate(ignore_errors=True)
            client.close(ignore_errors=True)

    def _count_xrun(self, _: float) -> None:
        self._xruns += 1

    def _play(self, frames: int) -> None:
        first = self._position(self._player, frames)
        for side, port in enumerate(self._out):
            port.get_array()[:] = 0 if first is None else self._sound[first : first + frames, side]

    def _record(self, frames: int) -> None:
        first = self._position(self._recorder, frames)
        if first is not None:
            self._blocks[first] = np.stack([port.get_array().copy() for port in self._in], axis=1)
        if self._began is not None and self._recorder.last_frame_time - self._began >= len(self._sound):
            self._done.set()

    def _position(self, client, frames: int) -> int | None:
        """Number of this period's first sample of the sound, by the server's own count of samples."""
        if self._began is None:
            return None
        first = (client.last_frame_time - self._began) // frames * frames
        return first if 0 <= first <= len(self._sound) - frames else None
