"""Measurements of the engine's thread (levels, load, counts), written to the shared memory."""

import math

import numpy as np
from numpy.typing import NDArray

from stemlive.realtime.devices.device import DeviceFaults
from stemlive.realtime.dsp.meters import LevelMeter
from stemlive.realtime.engine.guide import Guide
from stemlive.realtime.engine.path import LivePath
from stemlive.realtime.shared.memory import EngineMemory

FloatArray = NDArray[np.float32]

_LOAD_S = 1.0


class Report:
    """Levels, load and counts of one engine, kept across resets of the path. For the thread that runs the model."""

    def __init__(
        self, memory: EngineMemory, path: LivePath, *, sample_rate_hz: int, longest_block: int, outputs: int
    ) -> None:
        self._memory, self._path = memory, path
        self._rate_hz = sample_rate_hz
        self._hop_s = path.hop_samples / sample_rate_hz
        self.input_level = LevelMeter(sample_rate_hz, longest_block, path.channels)
        # On outputs of their own, the mix is nowhere whole: it is measured before it goes there.
        self.mix_channels = outputs if path.patch is None else path.channels
        self.mix_level = LevelMeter(sample_rate_hz, longest_block, self.mix_channels)
        self.faults = DeviceFaults()
        """Fault counts of the devices."""
        self.key_samples = 0
        """Delay of the key change."""
        self.losses = 0
        self.gaps = 0
        telemetry = memory.telemetry
        telemetry["hop_s"] = self._hop_s
        # After a reconnect, the counts go on.
        self._before = {name: int(telemetry[name]) for name in _COUNTS}
        self._hops = self._late_hops = self._bad_frames = 0
        self.bad_samples = 0
        """Input samples that were NaN, infinite or far too loud."""
        self._load = float(telemetry["load"])
        self._worst_hop_s = float(telemetry["worst_hop_ms"]) / 1000
        self._lowest_lead: int | None = None
        self._gains = np.ones(len(path.stems), np.float32)
        self._guide = Guide(memory, path.stems, self._hop_s)
        self._sides = np.ones((len(path.stems), path.channels, 2), np.float32)
        self._stem_levels = [LevelMeter(sample_rate_hz, longest_block, path.channels) for _ in path.stems]

    @property
    def sync_samples(self) -> int:
        """What the output's device adds to the latency that it reports."""
        return round(float(self._memory.parameters["sync_ms"]) / 1000 * self._rate_hz)

    @property
    def semitones(self) -> float:
        """The requested key change; 0 during bypass."""
        parameters = self._memory.parameters
        return 0.0 if parameters["bypass"] else float(parameters["key"])

    def gains(self) -> FloatArray:
        """Return the requested linear gains: [S], or [S, 2C] when a stem is panned (see `mix`); outputs get theirs."""
        gains = self._main_gains()
        if self._path.patch is not None:
            self._path.patch.weigh(gains, self._memory.parameters["cue_gains"][: len(gains)])
        return gains

    def _main_gains(self) -> FloatArray:
        parameters = self._memory.parameters
        gains, pans = self._gains, parameters["pans"]
        if parameters["bypass"]:
            gains[:] = parameters["master"]
            return gains
        gains[:] = parameters["gains"][: len(gains)]
        self._guide.raise_in(gains)
        np.multiply(gains, parameters["master"], out=gains)
        if self._path.channels != 2 or not pans.any():
            return gains
        for stem in range(len(gains)):  # a balance control: it only attenuates the other side
            self._sides[stem, 0] = gains[stem] * min(1.0, 1.0 - pans[stem])
            self._sides[stem, 1] = gains[stem] * min(1.0, 1.0 + pans[stem])
        return self._sides.reshape(len(gains), 4)

    def measure_stems(self, stems: FloatArray) -> None:
        """Measure the stems [S, n, C], before their gains."""
        for level, stem in zip(self._stem_levels, stems, strict=True):
            level.write(stem)

    def count_hop(self, took_s: float, *, late: bool, separated: bool) -> None:
        """Count a hop and its computing time, and beat the heartbeat."""
        self._memory.beat()
        self._guide.follow()
        self._hops += 1
        self._late_hops += late
        self._worst_hop_s = max(self._worst_hop_s, took_s)
        self._load += min(1.0, self._hop_s / _LOAD_S) * (took_s / self._hop_s - self._load)
        if separated:
            self._memory.add_column(self._path.meter.column)

    def count_restart(self) -> None:
        """Save the path's count of bad frames before a reset clears it."""
        self._bad_frames += self._path.bad_frames

    def rest(self, played: int, lead: int) -> None:
        """Publish that nothing is computed, as `tell`."""
        self._load = 0.0
        self.tell(played, lead)

    def tell(self, played: int, lead: int, drift_ppm: float = 0.0) -> None:
        """Publish everything: `played` samples so far, the dry signal `lead` samples ahead of the device."""
        memory, telemetry, before = self._memory, self._memory.telemetry, self._before
        self._lowest_lead = lead if self._lowest_lead is None else min(self._lowest_lead, lead)
        telemetry["stream_s"] = played / self._rate_hz
        telemetry["input_peak"], telemetry["input_rms"] = self.input_level.peak, self.input_level.rms
        telemetry["mix_peak"], telemetry["mix_rms"] = self.mix_level.peak, self.mix_level.rms
        self.gains()
        gains, powers = self._gains, self._path.meter.powers
        for stem, level in enumerate(self._stem_levels):
            telemetry["stem_rms"][stem] = gains[stem] * math.sqrt(powers[stem])
            telemetry["stem_peak"][stem] = gains[stem] * level.peak
        telemetry["latency"][-2:] = self.key_samples, self.sync_samples
        telemetry["load"] = self._load
        telemetry["worst_hop_ms"] = 1000 * self._worst_hop_s
        telemetry["hops"] = before["hops"] + self._hops
        telemetry["late_hops"] = before["late_hops"] + self._late_hops
        telemetry["bad_samples"] = before["bad_samples"] + self.bad_samples
        telemetry["bad_frames"] = before["bad_frames"] + self._bad_frames + self._path.bad_frames
        telemetry["input_overflows"] = before["input_overflows"] + self.faults.input_overflows + self.losses
        telemetry["output_underflows"] = before["output_underflows"] + self.faults.output_underflows + self.gaps
        telemetry["worst_callback_ms"] = 1000 * self.faults.worst_callback_s
        telemetry["lead_samples"], telemetry["lowest_lead_samples"] = lead, self._lowest_lead
        telemetry["drift_ppm"] = drift_ppm
        memory.publish()


_COUNTS = ("hops", "late_hops", "bad_samples", "bad_frames", "input_overflows", "output_underflows")
