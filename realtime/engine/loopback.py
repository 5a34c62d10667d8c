"""Measure a device's own latency: play clicks, and record them through a loop-back cable."""

from dataclasses import replace
from time import perf_counter, sleep

import numpy as np

from stemlive.errors import DeviceError, UsageError
from stemlive.realtime.devices.open_devices import open_ends
from stemlive.realtime.engine.playout import Playout
from stemlive.realtime.shared.heartbeat import LIMIT_S
from stemlive.realtime.shared.settings import EngineSettings

_CLICKS = 3
_LEVEL = 0.5
_HEARD = 0.05
_APART_S = 0.5
_LEAD_S = 0.2


def loopback_samples(settings: EngineSettings, model_rate_hz: int, hop_samples: int) -> int | None:
    """Return the delay from output to input in samples, the median of three clicks; None unless all were heard.

    UsageError when input and output are two devices with separate clocks. DeviceError when a device cannot be opened.
    """
    if settings.mode == "inline":  # the measurement uses the rings, which this mode leaves empty
        settings = replace(settings, mode="callback")
    ends = open_ends(settings, model_rate_hz, hop_samples, lambda indata, outdata: outdata.fill(0))
    if ends.source is not ends.target:
        ends.close()
        raise UsageError("a loop-back can be measured on one device for input and output only")
    device = ends.source
    assert device.input is not None
    assert device.output is not None
    playout, heard = Playout(device.output, 1), device.input.memory
    rate_hz = ends.sample_rate_hz
    click = np.full((1, playout.channels), _LEVEL, np.float32)
    apart = round(_APART_S * rate_hz)
    found = []
    try:
        device.start()
        for _ in range(_CLICKS):
            position = device.output.read + round(_LEAD_S * rate_hz)
            device.output.memory.put(position, click)
            deadline = perf_counter() + LIMIT_S
            while device.input.written < position + apart:
                playout.refresh()
                device.refresh()
                if device.problem or perf_counter() > deadline:
                    raise DeviceError(device.problem or "the device gives no sound")
                sleep(0.005)
            recorded = np.zeros((apart, heard.channels), np.float32)
            heard.get(position, recorded)
            level = np.abs(recorded).max(axis=1)
            if level.max() > _HEARD:
                found.append(int(np.argmax(level)))
    finally:
        ends.close()
    return int(np.median(found)) if len(found) == _CLICKS else None
