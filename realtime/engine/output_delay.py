"""How long after a device has taken a sample it is heard: as it reports or, behind a sound server, as is measured."""

from collections import deque
from statistics import median

from stemlive.realtime.devices.device import Device
from stemlive.realtime.devices.portaudio import PortAudioDevice
from stemlive.realtime.engine.heard_clock import HeardClock

_MOMENTS, _LEAST_MOMENTS = 25, 9
_NEAR_S = 0.015
"""Single measurements are that far off on a busy machine; what is shown does not move for less."""
_MOST_S = 10.0


class OutputDelay:
    """`samples` is the delay. For the engine's thread."""

    def __init__(self, device: Device) -> None:
        self.samples = device.latency_samples[1]
        self._device = device if isinstance(device, PortAudioDevice) else None
        self._rate_hz = device.sample_rate_hz
        self._measured: deque[float] = deque(maxlen=_MOMENTS)

    def look(self, clock: HeardClock) -> None:
        """Measure, if the device has something to tell; `clock` is that of its output."""
        moment = None if self._device is None else self._device.heard_at()
        if moment is None:
            return
        sample, at_s = moment
        delay = clock.played(at_s) - sample
        if 0 <= delay < _MOST_S * self._rate_hz:
            self._measured.append(delay)
        if len(self._measured) >= _LEAST_MOMENTS:
            now = round(median(self._measured))
            if abs(now - self.samples) > _NEAR_S * self._rate_hz:
                self.samples = now
