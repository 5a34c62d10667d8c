"""What the engine needs of an audio device: two rings that fill and empty at the device's own pace.

There are real ones (`rtmixer_device`, `callback_device`), files and pipes (`file_device`), and what tests make of it.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from stemlive.realtime.devices.ring import InputRing, OutputRing

FloatArray = NDArray[np.float32]


@dataclass
class DeviceFaults:
    """What went wrong since the device was opened. Each number is changed by one thread only."""

    input_overflows: int = 0
    output_underflows: int = 0
    worst_callback_s: float = float("nan")
    """The longest delay of a Python callback beyond its period."""


class Device(Protocol):
    """Something with a clock that takes samples, gives samples, or both at the same pace.

    Of a device for both directions, the input's number k comes in while the output's number k goes out.
    """

    sample_rate_hz: int
    faults: DeviceFaults

    @property
    def input(self) -> InputRing | None:
        """Where its input arrives; None if it has none."""
        ...

    @property
    def output(self) -> OutputRing | None:
        """Where its output comes from; None if it has none."""
        ...

    @property
    def block_samples(self) -> int:
        """The largest number of samples handed over at once so far."""
        ...

    @property
    def latency_samples(self) -> tuple[int, int]:
        """Delay of the input and of the output, as far as the device tells."""
        ...

    @property
    def problem(self) -> str:
        """Why it has stopped by itself; empty while it runs."""
        ...

    @property
    def samples(self) -> int:
        """Samples that it has handed over or taken since its start."""
        ...

    @property
    def error(self) -> Exception | None:
        """The exception behind the problem, if there is one."""
        ...

    def start(self) -> None:
        """Let it run. DeviceError where it does not."""
        ...

    def refresh(self) -> None:
        """Bring `faults` up to date; called about a hundred times a second."""
        ...

    def close(self) -> None:
        """Stop it and give it back; may be called again."""
        ...


class RingSource:
    """The input of a device whose clock is the output's."""

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
        """Samples that the device has written over since the last call, with room for what it writes meanwhile."""
        capacity = self._ring.memory.capacity
        waiting = self._ring.written - self._taken
        if waiting <= capacity - capacity // 8:
            return 0
        lost = waiting - capacity // 2
        self._taken += lost
        self._ring.advance_read(lost)
        return lost

    def drop(self) -> int:
        """Throw away what is there; return how many samples that were."""
        count = self.available()
        self._taken += count
        self._ring.advance_read(count)
        return count

    def steer(self, surplus: int) -> None:
        """Nothing can drift apart here."""
