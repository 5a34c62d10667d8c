"""`stemlive stream` with a device at one end or both: settings, the engine, and what is said of it."""

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from stemlive.errors import UsageError
from stemlive.options import warn
from stemlive.stopping import StopRequest

if TYPE_CHECKING:
    from stemlive.realtime.controls import Controls
    from stemlive.realtime.engine import LiveEngine
    from stemlive.realtime.settings import EngineSettings
    from stemlive.realtime.snapshot import Snapshot

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

_REFRESH_S = 0.1
_SLOW_SHARE = 0.02


def device_options(function: Decorated) -> Decorated:
    """Add how devices are opened."""
    for option in reversed(
        [
            click.option(
                "--input-channels",
                metavar="N[,N]",
                callback=_channels,
                help="Channels of the input device, for example 3,4; one is mono.",
            ),
            click.option(
                "--block",
                "block_samples",
                metavar="N",
                type=click.IntRange(16, 8192),
                help="Samples a device hands over at once.  [default: a hop of the model; JACK's own period]",
            ),
            click.option(
                "--latency",
                metavar="low|high|MS",
                callback=_latency,
                default="low",
                show_default=True,
                help="How long devices and model may take; more is safer.",
            ),
            click.option(
                "--mode",
                type=click.Choice(["auto", "rtmixer", "callback", "inline"]),
                default="auto",
                show_default=True,
                help="Model in a worker behind a C callback (rtmixer) or a Python callback, or inside the callback.",
            ),
        ]
    ):
        function = option(function)
    return function


def live_options(function: Decorated) -> Decorated:
    """Add what only devices need."""
    reconnect = click.option("--reconnect", is_flag=True, help="Wait for a device that goes away, and go on.")
    return device_options(reconnect(in_process_option(function)))


def in_process_option(function: Decorated) -> Decorated:
    """Add --in-process."""
    return click.option(
        "--in-process", is_flag=True, help="Run the engine in this process: quicker to start, easier to disturb."
    )(function)


def is_live(source: str, target: str) -> bool:
    """Whether one of the ends is a device."""
    return any(end.startswith("device:") for end in (source, target))


def play(settings: "EngineSettings", set_up: "Callable[[Controls], None]", *, in_process: bool, quiet: bool) -> None:
    """Run an engine until its source ends, its device is lost (an error) or a signal comes (exit codes 130, 143)."""
    from stemlive.realtime.engine import Engine
    from stemlive.realtime.engine_process import EngineProcess

    engine: LiveEngine
    # A child process has no standard input.
    here = in_process or "-" in (settings.source, settings.target)
    engine = Engine(settings) if here else EngineProcess(settings)
    with StopRequest() as stop:
        try:
            set_up(engine.controls)
            engine.start()
            _follow(engine, stop, quiet=quiet)
        finally:
            engine.stop()
    last = engine.snapshot()
    _report(last, quiet=quiet)
    if last.state.label == "device lost":
        from stemlive.errors import DeviceError

        raise DeviceError(f"{last.message}: plug it in again, or let --reconnect wait for it")
    if stop.requested:
        click.echo(f"stemlive: stopped after {last.stream_s:.2f} s", err=True)
        raise click.exceptions.Exit(stop.exit_code)


def _follow(engine: "LiveEngine", stop: StopRequest, *, quiet: bool) -> None:
    """Show what the engine does until it ends, or is to end."""
    shown = sys.stderr is not None and sys.stderr.isatty() and not quiet
    state = engine.snapshot().state
    while not state.ended and not stop.requested:
        time.sleep(_REFRESH_S)
        now = engine.snapshot()
        if now.state != state and now.message:
            click.echo(f"stemlive: {now.state.label}: {now.message}", err=True)
        state = now.state
        if shown:
            click.echo(f"\r\x1b[K{status_line(now)}", nl=False, err=True)
    if shown:
        click.echo(err=True)


def status_line(now: "Snapshot") -> str:
    """Return levels, load, latency and dropouts in one line."""
    from stemlive.realtime.engine_memory import decibels

    levels = " ".join(f"{stem} {decibels(rms):.0f}" for stem, rms in zip(now.stems, now.stem_rms, strict=True))
    latency = now.latency
    parts = "+".join(
        f"{latency.ms(part):.1f}" for part in (latency.device_in, latency.framing, latency.queue, latency.device_out)
    )
    return (
        f"{now.stream_s:7.1f} s  in {decibels(now.input_rms):.0f} out {decibels(now.mix_rms):.0f} dB  {levels}  "
        f"load {100 * now.load:.0f} %  {latency.ms(latency.total):.1f} ms ({parts})  dropouts {now.dropouts}"
    )


def _report(last: "Snapshot", *, quiet: bool) -> None:
    """Say what went wrong, and what helps."""
    if last.bad_samples:
        warn(f"{last.bad_samples} input samples were NaN, infinite or far too loud: replaced")
    if last.bad_frames:
        warn(f"the model failed on {last.bad_frames} frames, which were passed on unseparated")
    if last.restarts:
        warn(f"the engine's process was started again {last.restarts} times")
    if not last.dropouts or quiet:
        return
    advice = ""
    if last.late_hops > _SLOW_SHARE * max(1, last.hops):
        advice = ": this machine is too slow or too busy; take a smaller model, a larger --block or --latency high"
    warn(
        f"{last.late_hops} of {last.hops} hops came late and were heard unseparated, "
        f"{last.input_overflows} times input was lost, {last.output_underflows} times output was missing{advice}"
    )


def _channels(_: click.Context, __: click.Parameter, value: str | None) -> tuple[int, ...] | None:
    if value is None:
        return None
    parts = value.split(",")
    if not all(part.strip().isdecimal() for part in parts):
        raise UsageError(f"'{value}' is not a list of channels: write numbers from 1 on, for example 3,4")
    return tuple(int(part) for part in parts)


def _latency(_: click.Context, __: click.Parameter, value: str) -> str | float:
    if value in ("low", "high"):
        return value
    try:
        return float(value)
    except ValueError as error:
        raise UsageError(f"'{value}' is not a latency: write low, high or milliseconds") from error
