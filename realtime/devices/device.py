"""What the engine needs of an audio device: rings that fill and empty at the device's own pace.

Implementations: audio devices (`rtmixer_device`, `callback_device`), files and pipes (`file_device`), fakes in tests.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from stemlive.realtime.devices.ring import InputRing, OutputRing

FloatArray = NDArray[np.float32]


@dataclass
class DeviceFaults:
    """Counts of faults since the device was opened. Only one thread changes each number."""

    input_overflows: int = 0
    output_underflows: int = 0
    exception: str = ""
    """The last exception of a Python callback, in words."""
    worst_callback_s: float = float("nan")
    """How late a Python callback came at worst."""


class Device(Protocol):
    """Something with a clock that delivers samples, consumes samples, or both at the same pace.

    In a duplex device, input sample k comes in while output sample k goes out.
    """

    sample_rate_hz: int
    faults: DeviceFaults

    @property
    def input(self) -> InputRing | None:
        """The ring that its input fills; None without input."""
        ...

    @property
    def output(self) -> OutputRing | None:
        """The ring that its output empties; None without output."""
        ...

    @property
    def block_samples(self) -> int:
        """The largest block so far."""
        ...

    @property
    def latency_samples(self) -> tuple[int, int]:
        """Latency of input and output, as the device reports it."""
        ...

    @property
    def problem(self) -> str:
        """Why the device stopped by itself; empty while it runs."""
        ...

    @property
    def samples(self) -> int:
        """Samples that it has delivered or consumed since its start."""
        ...

    @property
    def error(self) -> Exception | None:
        """The exception behind the problem, if there is one."""
        ...

    def start(self) -> None:
        """Start the device. DeviceError when that fails."""
        ...

    def refresh(self) -> None:
        """Update `faults` and `problem`; called about 50 times a second."""
        ...

    def close(self) -> None:
        """Stop and release the device. A second call does nothing."""
        ...


class RingSource:
    """The input of a device that shares its clock with the output."""

    def __init__(self, ring: InputRing) -> None:
        self._ring = ring
        self._taken = 0
        self.channels = ring.memory.channels
        self.drift_ppm = 0.0

    def available(self) -> int:
        """Samples that can be read now."""
        return self._ring.written - self._taken

    def read(self, out: FloatArray) -> None:
        """Read the next samples into `out` [n, C]."""
        self._ring.memory.get(self._taken, out)
        self._taken += len(out)
        self._ring.advance_read(len(out))

    def lost(self) -> int:
        """Return how many samples were overwritten since the last call, with a margin for what is written now."""
        capacity = self._ring.memory.capacity
        waiting = self._ring.written - self._taken
        if waiting <= capacity - capacity // 8:
            return 0
        lost = waiting - capacity // 2
        self._taken += lost
        self._ring.advance_read(lost)
        return lost

    def drop(self) -> int:
        """Discard what is buffered; return how many samples that was."""
        count = self.available()
        self._taken += count
        self._ring.advance_read(count)
        return count

    def steer(self, surplus: int) -> None:
        """Do nothing: with one clock, nothing drifts."""
