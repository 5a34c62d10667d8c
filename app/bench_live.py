"""`stemlive bench --live`: run the engine on real devices for a while, and count what goes wrong."""

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stemlive.machine import resident_bytes
from stemlive.options import progress, tell_terms

if TYPE_CHECKING:
    from stemlive.realtime.shared.settings import EngineSettings

_STEP_S = 0.1


@dataclass(frozen=True)
class LiveResult:
    """The result of `stemlive bench --live`, as `--json` prints it."""

    mode: str
    sample_rate_hz: int
    seconds: float
    ended: str
    """Why the run ended early; empty if it did not."""
    hops: int
    late_hops: int
    input_overflows: int
    output_underflows: int
    load: float
    worst_hop_ms: float
    worst_callback_ms: float | None
    """Longest delay of a Python callback; None where there is none."""
    lead_ms: float
    """The shortest time that the dry signal was ahead of the device."""
    drift_ppm: float
    latency_ms: dict[str, float]
    loopback_samples: int | None
    """Delay measured from output to input, through a cable; None if nothing came back."""
    reported_loopback_samples: int
    resident_mb: float
    resident_grown_mb: float

    def lines(self) -> list[str]:
        """Return the result as lines of text."""
        parts = " + ".join(f"{name.replace('_', ' ')} {ms:.1f}" for name, ms in self.latency_ms.items())
        heard = "not measured (nothing came back: connect output and input with a cable)"
        if self.loopback_samples is not None:
            heard = f"{self.loopback_samples} samples measured, {self.reported_loopback_samples} reported"
        callback = "-" if self.worst_callback_ms is None else f"{self.worst_callback_ms:.2f} ms"
        return [
            f"mode             {self.mode}, {self.sample_rate_hz} Hz, {self.seconds:.1f} s"
            + (f", ended early: {self.ended}" if self.ended else ""),
            f"late hops        {self.late_hops} of {self.hops}",
            f"dropouts         input {self.input_overflows}, output {self.output_underflows}",
            f"load             {100 * self.load:.0f} %, slowest hop {self.worst_hop_ms:.2f} ms",
            f"worst callback   {callback} late",
            f"smallest lead    {self.lead_ms:.1f} ms of sound ahead of the device",
            f"clock drift      {self.drift_ppm:.0f} ppm",
            f"latency          {sum(self.latency_ms.values()):.1f} ms = {parts}",
            f"device, by click {heard}",
            f"resident memory  {self.resident_mb:.0f} MB, {self.resident_grown_mb:+.1f} MB since the start",
        ]


def measure_live(settings: "EngineSettings", seconds: float, *, in_process: bool) -> LiveResult:
    """Run an engine on devices for some seconds. DeviceError, ModelError and UsageError as from the engine."""
    from stemlive.errors import UsageError
    from stemlive.realtime.engine.child_process import EngineProcess
    from stemlive.realtime.engine.engine import Engine
    from stemlive.realtime.engine.loopback import loopback_samples
    from stemlive.realtime.model_file.session import Session
    from stemlive.realtime.shared.settings import device_of

    if device_of(settings.source) is None or device_of(settings.target) is None:
        raise UsageError("--live measures devices: write device:NAME for --input and --output")
    engine = Engine(settings) if in_process else EngineProcess(settings)
    tell_terms(engine.snapshot().terms)
    where = engine.pid if isinstance(engine, EngineProcess) else "self"
    heard = None
    if settings.source == settings.target:
        info = Session(settings.used_model).info
        heard = loopback_samples(settings, info.sample_rate_hz, info.hop_samples)
    for stem in engine.controls.stems:
        # Muted: with a cable from output to input there would be feedback.
        engine.controls.mute(stem)
    engine.start()
    first = resident_bytes(where)
    began = time.monotonic()
    with progress("bench", round(seconds / _STEP_S)) as advance:
        while time.monotonic() - began < seconds and not engine.snapshot().state.ended:
            time.sleep(_STEP_S)
            advance(1)
    now, took = engine.snapshot(), time.monotonic() - began
    grown = resident_bytes(where) - first
    engine.stop()
    latency = now.latency
    parts = {name: getattr(latency, name) for name in ("device_in", "framing", "queue", "device_out")}
    return LiveResult(
        mode=now.mode,
        sample_rate_hz=latency.sample_rate_hz,
        seconds=took,
        ended=f"{now.state.label}: {now.message}" if now.state.ended else "",
        hops=now.hops,
        late_hops=now.late_hops,
        input_overflows=now.input_overflows,
        output_underflows=now.output_underflows,
        load=now.load,
        worst_hop_ms=now.worst_hop_ms,
        worst_callback_ms=None if math.isnan(now.worst_callback_ms) else now.worst_callback_ms,
        lead_ms=latency.ms(now.lowest_lead_samples),
        drift_ppm=now.drift_ppm,
        latency_ms={name: latency.ms(samples) for name, samples in parts.items()},
        loopback_samples=heard,
        reported_loopback_samples=latency.device_in + latency.device_out,
        resident_mb=(first + grown) / 1e6,
        resident_grown_mb=grown / 1e6,
    )
