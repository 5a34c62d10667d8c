"""What the engine's thread measures of the sound and of itself, and writes into the shared memory."""

import math

import numpy as np
from numpy.typing import NDArray

from stemlive.realtime.device import DeviceFaults
from stemlive.realtime.engine_memory import EngineMemory
from stemlive.realtime.live_path import LivePath
from stemlive.realtime.meters import LevelMeter

FloatArray = NDArray[np.float32]

_LOAD_S = 1.0


class Report:
    """Levels, load and counts of one engine, kept over restarts of the path. For the thread that makes the sound."""

    def __init__(
        self, memory: EngineMemory, path: LivePath, *, sample_rate_hz: int, longest_block: int, outputs: int
    ) -> None:
        self._memory, self._path = memory, path
        self._rate_hz = sample_rate_hz
        self._hop_s = path.hop_samples / sample_rate_hz
        self.input_level = LevelMeter(sample_rate_hz, longest_block, path.channels)
        self.mix_level = LevelMeter(sample_rate_hz, longest_block, outputs)
        self.faults = DeviceFaults()
        """What the devices have counted."""
        self.losses = 0
        self.gaps = 0
        telemetry = memory.telemetry
        # An engine whose device came back goes on counting.
        self._before = {name: int(telemetry[name]) for name in _COUNTS}
        self._hops = self._late_hops = self._bad_samples = self._bad_frames = 0
        self._load = float(telemetry["load"])
        self._worst_hop_s = float(telemetry["worst_hop_ms"]) / 1000
        self._lowest_lead: int | None = None
        self._gains = np.ones(len(path.stems), np.float32)
        self._unity = np.ones(len(path.stems), np.float32)

    def gains(self) -> FloatArray:
        """Return the linear gains [S] that are wanted now."""
        parameters = self._memory.parameters
        if parameters["bypass"]:
            return self._unity
        self._gains[:] = parameters["gains"][: len(self._gains)]
        return self._gains

    def count_hop(self, took_s: float, *, late: bool, separated: bool) -> None:
        """Count a hop and the time that it took."""
        self._hops += 1
        self._late_hops += late
        self._worst_hop_s = max(self._worst_hop_s, took_s)
        self._load += min(1.0, self._hop_s / _LOAD_S) * (took_s / self._hop_s - self._load)
        if separated:
            self._memory.add_column(self._path.meter.column)

    def count_restart(self) -> None:
        """Keep the path's counts, which a reset is about to clear."""
        self._bad_samples += self._path.bad_samples
        self._bad_frames += self._path.bad_frames

    def tell(self, played: int, lead: int, drift_ppm: float = 0.0) -> None:
        """Write all of it down: `played` samples, the dry signal `lead` samples ahead."""
        memory, telemetry, before = self._memory, self._memory.telemetry, self._before
        self._lowest_lead = lead if self._lowest_lead is None else min(self._lowest_lead, lead)
        memory.begin()
        telemetry["stream_s"] = played / self._rate_hz
        telemetry["input_peak"], telemetry["input_rms"] = self.input_level.peak, self.input_level.rms
        telemetry["mix_peak"], telemetry["mix_rms"] = self.mix_level.peak, self.mix_level.rms
        gains, powers = self.gains(), self._path.meter.powers
        for stem in range(len(gains)):
            telemetry["stem_rms"][stem] = gains[stem] * math.sqrt(powers[stem])
        telemetry["load"] = self._load
        telemetry["worst_hop_ms"] = 1000 * self._worst_hop_s
        telemetry["hops"] = before["hops"] + self._hops
        telemetry["late_hops"] = before["late_hops"] + self._late_hops
        telemetry["bad_samples"] = before["bad_samples"] + self._bad_samples + self._path.bad_samples
        telemetry["bad_frames"] = before["bad_frames"] + self._bad_frames + self._path.bad_frames
        telemetry["input_overflows"] = before["input_overflows"] + self.faults.input_overflows + self.losses
        telemetry["output_underflows"] = before["output_underflows"] + self.faults.output_underflows + self.gaps
        telemetry["worst_callback_ms"] = 1000 * self.faults.worst_callback_s
        telemetry["lead_samples"], telemetry["lowest_lead_samples"] = lead, self._lowest_lead
        telemetry["drift_ppm"] = drift_ppm
        memory.end()


_COUNTS = ("hops", "late_hops", "bad_samples", "bad_frames", "input_overflows", "output_underflows")
