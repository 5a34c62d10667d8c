"""A JACK server with its dummy driver; what plays and records beside the program under test is in jack_neighbour.py.

The server has a name of its own, so that one of the user's is never touched. A process sees it if it is started with
`Server.environment`: PortAudio looks for host interfaces once, when it is imported.
"""

import os
import secrets
import shutil
import signal
import subprocess
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


def forget_killed_servers(shared_memory: Path = Path("/dev/shm")) -> None:
    """Remove JACK's list of servers where none runs: it holds eight, and one that was killed stays on it for good."""
    registry = shared_memory / "jack-shm-registry"
    running = {_program(process) for process in Path("/proc").glob("[0-9]*")}
    if not registry.exists() or running & {"jackd", "jackdbus"}:
        return
    for left in (registry, *shared_memory.glob("jack_sem.*_stemlive-*")):
        left.unlink(missing_ok=True)


def _program(process: Path) -> str:
    """What a process runs, without its folder; nothing where it has ended."""
    try:
        return (process / "comm").read_text().strip()
    except OSError:
        return ""


def _may_be_realtime() -> bool:
    """Whether threads may go before all ordinary ones, as they may for users of JACK."""
    return subprocess.run(["chrt", "--fifo", "70", "true"], capture_output=True, check=False).returncode == 0


class Server:
    """`jackd` on its exact clock, to be stopped and started as a device is unplugged and plugged in.

    Where that is allowed, it and the threads of its clients that make sound go before everything else.
    """

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
        priority = ["--realtime", "--realtime-priority", "70"] if _may_be_realtime() else ["--no-realtime"]
        self._command = ["jackd", *priority, "--name", self.name, "-d", "dummy"]
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
