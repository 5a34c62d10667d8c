"""Programs beside the one under test, on its JACK server: one plays and records, the other listens all the time.

Each runs in a process of its own, which `beside` starts and ends, for two reasons: libjack stops a thread that is in
Python when such a client ends, which may hang; and a busy test must not make it miss its periods.
"""

import os
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from multiprocessing.managers import BaseManager
from typing import Any

import numpy as np
import waiting

PATIENCE_S = 60.0


class _Client:
    """A client of JACK with inputs, which can be connected to what a program plays."""

    def __init__(self, name: str, server: str, inputs: int) -> None:
        import jack

        self._client = jack.Client(name, servername=server, no_start_server=True)
        self._in = [self._client.inports.register(f"in_{number}") for number in range(inputs)]

    def outputs(self, program: str = "stemlive") -> list[str]:
        """Names of the ports that a program plays to."""
        return [port.name for port in self._client.get_ports(f"{program}.*:", is_output=True)]

    def connect(self, program: str = "stemlive") -> None:
        """Connect with a program, once its ports are there."""
        waiting.wait_until(lambda: self.outputs(program), "the program's ports", patience_s=PATIENCE_S)
        for source, port in zip(self.outputs(program), self._in, strict=False):
            self._client.connect(source, port)

    def _taken(self) -> np.ndarray:
        """What came in this period [n, inputs]."""
        return np.stack([port.get_array().copy() for port in self._in], axis=1)


class Neighbour(_Client):
    """Plays into the inputs of the program under test and records its outputs.

    Number k of the recording was taken in the same period as number k of what was played was given, so the
    program's own delay is all that lies between the two.
    """

    def __init__(self, server: str, outputs: int = 2) -> None:
        """`outputs` is how many of the program's there are to record."""
        import jack

        super().__init__("recorder", server, outputs)
        self._player = jack.Client("player", servername=server, no_start_server=True)
        self._out = [self._player.outports.register(f"out_{side}") for side in range(2)]
        self._sound = np.zeros((0, 2), np.float32)
        self._began: int | None = None
        self._blocks: dict[int, np.ndarray] = {}
        self._xruns = 0
        self._done = threading.Event()
        self._player.set_process_callback(self._play)
        self._client.set_process_callback(self._record)
        self._player.set_xrun_callback(self._count_xrun)
        self._player.activate()
        self._client.activate()

    def connect(self, program: str = "stemlive") -> None:
        """Connect the ports of the program under test, once they are there."""
        inputs: list = []

        def found() -> bool:
            inputs[:] = self._player.get_ports(f"{program}.*:in_", is_input=True)
            return len(inputs) > 0

        waiting.wait_until(found, "the program's ports", patience_s=PATIENCE_S)
        for port, target in zip(self._out, inputs, strict=False):
            self._player.connect(port, target)
        super().connect(program)

    def play(self, sound: np.ndarray, tail: int = 8192) -> tuple[np.ndarray, int]:
        """Play sound [n, 2]; return what came back [n + tail, outputs], and how many periods the server missed."""
        period = self._player.blocksize
        periods = -(-(len(sound) + tail) // period)
        self._sound = np.zeros((periods * period, 2), np.float32)
        self._sound[: len(sound)] = sound
        self._blocks.clear()
        self._xruns = 0
        self._done.clear()
        # A little later than now, so that both clients begin in the same period.
        self._began = self._player.last_frame_time + 8 * period
        assert self._done.wait(len(sound) / self._player.samplerate + PATIENCE_S), "the server does not go on"
        self._began = None
        recorded = np.zeros((len(self._sound), len(self._in)), np.float32)
        for first, block in self._blocks.items():
            recorded[first : first + len(block)] = block
        return recorded, self._xruns + periods - len(self._blocks)

    def _count_xrun(self, _: float) -> None:
        self._xruns += 1

    def _play(self, frames: int) -> None:
        first = self._position(self._player, frames)
        for side, port in enumerate(self._out):
            port.get_array()[:] = 0 if first is None else self._sound[first : first + frames, side]

    def _record(self, frames: int) -> None:
        first = self._position(self._client, frames)
        if first is not None:
            self._blocks[first] = self._taken()
        if self._began is not None and self._client.last_frame_time - self._began >= len(self._sound):
            self._done.set()

    def _position(self, client: Any, frames: int) -> int | None:
        """Number of this period's first sample of the sound, by the server's own count of samples."""
        if self._began is None:
            return None
        first = (client.last_frame_time - self._began) // frames * frames
        return first if 0 <= first <= len(self._sound) - frames else None


class Listener(_Client):
    """Keeps what the program plays, with the server's number of each block's first sample, and when it came."""

    def __init__(self, server: str, outputs: int = 2) -> None:
        super().__init__("listener", server, outputs)
        self._blocks: deque[tuple[int, float, np.ndarray]] = deque()
        self._client.set_process_callback(self._take)
        self._client.activate()

    def take(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return what came since the last time: numbers [b], times in s [b], sound [b, n, outputs]."""
        blocks = [self._blocks.popleft() for _ in range(len(self._blocks))]
        numbers, times_s, sound = zip(*blocks, strict=True) if blocks else ((), (), ())
        return np.array(numbers, int), np.array(times_s), np.array(sound, np.float32)

    def level(self, blocks: int = 60) -> float:
        """Root of the mean square of the next blocks."""
        self.take()
        waiting.wait_until(lambda: len(self._blocks) >= blocks, "sound from the server", patience_s=PATIENCE_S)
        return float(np.sqrt(np.square(self.take()[2]).mean()))

    def _take(self, _: int) -> None:
        self._blocks.append((self._client.last_frame_time, time.monotonic(), self._taken()))


class _Beside(BaseManager):
    """A process that holds one of these."""


_Beside.register("Neighbour", Neighbour)
_Beside.register("Listener", Listener)


@contextmanager
def beside(kind: type, server: str, outputs: int = 2) -> Iterator[Any]:
    """Start a `Neighbour` or a `Listener` in a process of its own, which ends with the block."""
    process = _Beside(ctx=get_context("spawn"))
    process.start(_go_first)
    with process:
        yield getattr(process, kind.__name__)(server, outputs)


def _go_first() -> None:
    """Let this process go before ordinary ones, where that is allowed, for its thread of JACK waits for the others."""
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(5))
