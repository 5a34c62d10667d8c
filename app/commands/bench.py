"""`stemlive bench`: measure how fast a model runs on this machine, fed hop by hop as in live use."""

import gc
import json
import os
from dataclasses import asdict, dataclass
from time import perf_counter, process_time
from typing import TYPE_CHECKING

import click

from stemlive.live_options import device_options, in_process_option
from stemlive.machine import processor_name, resident_bytes
from stemlive.options import Time, model_option, progress, tell_terms, threads_option

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from stemlive.realtime.separation.separator import Separator

_WARM_UP_CALLS = 20
_PERCENTILES = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p99_9": 99.9, "max": 100.0}


@dataclass(frozen=True)
class BenchResult:
    """The result of `stemlive bench`, as `--json` prints it; times of calls are divided by the hops per call."""

    model: str
    sample_rate_hz: int
    latency_ms: float
    hop_budget_ms: float
    hops_per_call: int
    calls: int
    real_time_factor: float
    processor_time_factor: float
    """The same in processor time of all threads, which other programs on the machine hardly affect."""
    ms_per_hop: dict[str, float]
    over_budget: float
    start_up_ms: dict[str, float]
    resident_mb: float
    processor: str
    processor_count: int
    threads: int
    provider: str
    onnxruntime: str

    def lines(self) -> list[str]:
        """Return the result as lines of text."""
        times = "  ".join(f"{name.replace('_', '.')} {ms:.2f}" for name, ms in self.ms_per_hop.items())
        start_up = self.start_up_ms
        return [
            f"model             {self.model}, {self.sample_rate_hz} Hz",
            f"latency           {self.latency_ms:.1f} ms (framing; a device adds its own)",
            f"real-time factor  {self.real_time_factor:.3f} ({self.processor_time_factor:.3f} in processor time; "
            f"{self.calls} calls, hops a call: {self.hops_per_call})",
            f"ms per hop        {times}",
            f"over budget       {100 * self.over_budget:.2f} % of the calls took longer than their sound lasts, "
            f"{self.hop_budget_ms:.2f} ms a hop",
            f"start-up          {sum(start_up.values()):.0f} ms (imports {start_up['imports']:.0f}, "
            f"model {start_up['model']:.0f}, first hop {start_up['first_hop']:.0f})",
            f"resident memory   {self.resident_mb:.0f} MB",
            f"processor         {self.processor}, {self.processor_count} cores, {self.threads} used",
            f"provider          {self.provider}, onnxruntime {self.onnxruntime}",
        ]


@click.command("bench")
@model_option
@click.option(
    "--seconds",
    metavar="TIME",
    type=Time(0.1, 3600),
    default=20.0,
    show_default=True,
    help="Sound to process.",
)
@threads_option
@click.option(
    "--hops",
    metavar="N",
    type=click.IntRange(1, 1024),
    default=1,
    show_default=True,
    help="Hops per call; 1 is live.",
)
@click.option("--live", is_flag=True, help="Run the live engine on devices, for as long as --seconds says.")
@click.option("--input", "source", metavar="device:NAME", default="device:default", help="With --live: the input.")
@click.option("--output", "target", metavar="device:NAME", default="device:default", help="With --live: the output.")
@device_options
@in_process_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    *,
    model: str | None,
    seconds: float,
    threads: int,
    hops: int,
    live: bool,
    source: str,
    target: str,
    input_channels: tuple[int, ...] | None,
    block_samples: int | None,
    latency: str | float,
    mode: str,
    in_process: bool,
    as_json: bool,
) -> None:
    """Measure how fast a model runs on this machine.

    Noise and tones go through the live path block by block, without a pause; the first calls do not count. A
    real-time factor of 0.5 means that a second of sound takes half a second.

    With --live, the engine runs on devices, silent, and dropouts, delays and levels of its rings are counted. Where a
    cable leads from the output back to the input, the delay of the device itself is measured, too.
    """
    if live:
        from stemlive.bench_live import measure_live
        from stemlive.realtime.shared.settings import EngineSettings

        settings = EngineSettings(
            source,
            target,
            model=model,
            threads=threads,
            input_channels=input_channels,
            block_samples=block_samples,
            latency=latency,
            mode=mode,
        )
        outcome = measure_live(settings, seconds, in_process=in_process)
        click.echo(json.dumps(asdict(outcome), indent=2) if as_json else "\n".join(outcome.lines()))
        return
    result = measure(model, seconds, threads, hops)
    if as_json:
        click.echo(json.dumps(asdict(result), indent=2))
    else:
        click.echo("\n".join(result.lines()))


def measure(model: str | None, seconds: float, threads: int, hops: int) -> BenchResult:
    """Time the separation of `seconds` of sound in calls of `hops` hops. ModelError as in Session."""
    began = perf_counter()
    import numpy as np
    import onnxruntime

    from stemlive.realtime.model_file.session import Session
    from stemlive.realtime.separation.separator import Separator

    imported = perf_counter()
    session = Session(model, threads=threads, frame_by_frame=False)
    tell_terms(session.info.terms_line)
    separator = Separator(session, max_frames=hops)
    loaded = perf_counter()
    info = session.info
    block_samples = hops * info.hop_samples
    sound = _sound(info.sample_rate_hz, block_samples)
    gains = np.ones(len(separator.stems), np.float32)
    ready = perf_counter()
    separator.process_mix(sound[0][: info.hop_samples], gains)
    first_hop = perf_counter() - ready

    calls = max(1, round(seconds * info.sample_rate_hz / block_samples))
    times, processor_s = _time_calls(separator, sound, gains, calls)
    budget = info.hop_samples / info.sample_rate_hz
    per_hop = times / hops
    return BenchResult(
        model=str(info.card["name"]),
        sample_rate_hz=info.sample_rate_hz,
        latency_ms=1000 * separator.latency_samples / info.sample_rate_hz,
        hop_budget_ms=1000 * budget,
        hops_per_call=hops,
        calls=calls,
        real_time_factor=float(per_hop.mean() / budget),
        processor_time_factor=processor_s / (calls * hops * budget),
        ms_per_hop={name: float(1000 * np.percentile(per_hop, q)) for name, q in _PERCENTILES.items()},
        over_budget=float(np.mean(per_hop > budget)),
        start_up_ms={
            "imports": 1000 * (imported - began),
            "model": 1000 * (loaded - imported),
            "first_hop": 1000 * first_hop,
        },
        resident_mb=resident_bytes() / 1e6,
        processor=processor_name(),
        processor_count=os.cpu_count() or 1,
        threads=threads,
        provider=session.provider,
        onnxruntime=onnxruntime.__version__,
    )


def _time_calls(
    separator: "Separator",
    sound: "NDArray[np.float32]",
    gains: "NDArray[np.float32]",
    calls: int,
) -> "tuple[NDArray[np.float64], float]":
    """Return the seconds of each call, after a warm-up, and the processor seconds of all. Blocks [N, n, C] repeat."""
    import numpy as np

    for call in range(min(_WARM_UP_CALLS, calls)):
        separator.process_mix(sound[call % len(sound)], gains)
    times = np.empty(calls)
    gc.collect()
    gc.freeze()
    with progress("bench", calls) as advance:
        processor_began = process_time()
        for call in range(calls):
            block = sound[call % len(sound)]
            began = perf_counter()
            separator.process_mix(block, gains)
            times[call] = perf_counter() - began
            advance(1)
        processor_s = process_time() - processor_began
    return times, processor_s


def _sound(sample_rate_hz: int, block_samples: int) -> "NDArray[np.float32]":
    """Return about four seconds of noise and three tones, always the same, in blocks float32 [N, n, C]."""
    import numpy as np

    blocks = max(1, 4 * sample_rate_hz // block_samples)
    seconds = np.arange(blocks * block_samples) / sample_rate_hz
    tones = sum(np.sin(2 * np.pi * hz * seconds) for hz in (55.0, 440.0, 3520.0))
    noise = np.random.default_rng(0).standard_normal((len(seconds), 2))
    sound = 0.1 * np.asarray(tones)[:, None] + 0.05 * noise
    return sound.reshape(blocks, block_samples, 2).astype(np.float32)
