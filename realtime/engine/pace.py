"""How many samples the devices hand over at a time, and how long the engine's queues must be for that."""

import math
from itertools import accumulate
from time import perf_counter, sleep

from stemlive.errors import DeviceError
from stemlive.realtime.devices.device import Device, RingSource
from stemlive.realtime.devices.drift import DriftSource
from stemlive.realtime.devices.open_devices import Ends
from stemlive.realtime.engine.playout import FADE_SAMPLES
from stemlive.realtime.model_file.metadata import ModelInfo
from stemlive.realtime.shared.heartbeat import LIMIT_S

_LOOK_S = 0.00025
_CARRYING_S = 0.003
"""Time for the microphone's thread where its device has a clock of its own."""
_HIGH_HOPS = 4
"""Hops that latency `high` adds to the queue: 46 ms of `live`."""
_PORTIONS, _SETTLING_S = 4, 0.3
"""How much is looked at before a portion is believed. The first calls of a device come apart on a busy machine."""


class Portions:
    """Measures how many samples a device hands over at a time. Make it before the device starts.

    A portion is longer than a block if the host's period is: PortAudio cuts a JACK period of 4096 into four blocks of
    1024 and calls back four times in a row.
    """

    def __init__(self, device: Device) -> None:
        self._device = device
        self._seen, self._began_s = device.samples, 0.0
        self._portions: list[int] = []
        self._first_s = self._looked_s = 0.0

    def look(self, now_s: float) -> None:
        """Look for new samples. Call it several times per block."""
        count = self._device.samples - self._seen
        self._looked_s = now_s
        if not count:
            return
        if not self._portions:
            self._first_s = now_s
        self._seen += count
        # New samples after less than half of their own duration belong to the portion before them: on a busy machine
        # the blocks of one period lie milliseconds apart.
        if self._portions and now_s - self._began_s < 0.5 * count / self._device.sample_rate_hz:
            self._portions[-1] += count
        else:
            self._portions.append(count)
            self._began_s = now_s

    @property
    def samples(self) -> int:
        """Samples per portion as measured so far: at least a block, 0 before the first."""
        # The first is often odd, the last may be in the making, a late look takes two for one, and blocks of a period
        # may lie apart: hence the length in which half of the sound comes, of the others.
        portions = sorted(self._portions[1:-1] or self._portions or [0])
        half = sum(portions) / 2
        middle = next(length for length, so_far in zip(portions, accumulate(portions), strict=True) if so_far >= half)
        return max(self._device.block_samples, middle)

    @property
    def known(self) -> bool:
        """Whether enough was seen: in looks, for the device may have gone on since the last one."""
        # A file hands over nothing: it is ahead of all.
        settled = not self._portions or self._looked_s - self._first_s >= _SETTLING_S
        return settled and self._seen >= _PORTIONS * self.samples > 0


class Pace:
    """The portions of all devices and the shortest queues that work with them, in samples at the target's rate."""

    def __init__(self, ends: Ends, info: ModelInfo) -> None:
        """Make it before the devices start."""
        self._ends, self._info = ends, info
        self._portions = {id(device): Portions(device) for device in ends.devices}

    def wait(self) -> None:
        """Wait until all portions are known, and keep outputs silent meanwhile.

        Call it after the start; DeviceError if a device gives no sound.
        """
        devices = self._ends.devices
        deadline = perf_counter() + LIMIT_S
        silent_to = {id(device): 0 for device in devices}
        while True:
            for device in devices:
                if device.output is not None:
                    played = device.output.read
                    device.output.advance_write(played - silent_to[id(device)])
                    silent_to[id(device)] = played
                device.refresh()
                self._portions[id(device)].look(perf_counter())
            if all(portions.known for portions in self._portions.values()):
                return
            problem = next((device.problem for device in devices if device.problem), "")
            silent = any(device.samples <= 0 for device in devices)
            if problem or (silent and perf_counter() > deadline):
                raise DeviceError(problem or f"the device gave no sound within {LIMIT_S:g} s")
            sleep(_LOOK_S)

    @property
    def early_samples(self) -> int:
        """Every hop ends at least this many samples after the start of the portion that completes it."""
        target = self._ends.target
        if target.sample_rate_hz != self._info.sample_rate_hz:
            return 1
        return math.gcd(self._portion(target), target.block_samples, self._info.hop_samples)

    def queue_samples(self, hop_samples: int, source: RingSource | DriftSource) -> int:
        """Return the shortest queue after the model with which no hop is late.

        It holds the fade at the end of what is written. If both ends share a clock, a portion also waits for the hop
        that it completes, and the model has the time of a hop or a portion, whichever is longer. Between two clocks
        the model has half a hop when the two devices' callbacks fall as badly as they can.
        """
        ends = self._ends
        if isinstance(source, DriftSource):
            return FADE_SAMPLES + self._between_clocks(ends.source, source) + hop_samples // 2
        portion = max(self._portion(ends.source), self._portion(ends.target))
        return FADE_SAMPLES + max(portion, hop_samples) - self.early_samples

    def spare_samples(self, wanted: str | float, hop_samples: int, least: int) -> int:
        """Return what the latency setting adds to the shortest queue; `least` is the whole latency without it."""
        if wanted == "high":
            return _HIGH_HOPS * hop_samples
        if isinstance(wanted, str):
            return 0
        return max(0, round(wanted / 1000 * self._ends.sample_rate_hz) - least)

    def microphone_samples(self, host: Device, source: RingSource | DriftSource) -> int:
        """Return the shortest queue for the microphone on `host`, which has no model to wait for."""
        if isinstance(source, DriftSource):
            thread = round(_CARRYING_S * self._ends.sample_rate_hz)
            return FADE_SAMPLES + self._between_clocks(host, source) + thread
        return FADE_SAMPLES + self._portion(self._ends.target)

    def _between_clocks(self, host: Device, source: DriftSource) -> int:
        """Return how far input and output can lie apart: a portion each, and what the source holds."""
        return self._portion(host) + self._portion(self._ends.target) + source.held_samples

    def _portion(self, device: Device) -> int:
        return -(-self._portions[id(device)].samples * self._ends.sample_rate_hz // device.sample_rate_hz)
