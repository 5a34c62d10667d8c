"""PulseAudio, or PipeWire in its place: its sources and sinks, and how PortAudio is led to one of them.

PortAudio knows neither. It reaches both through a device of ALSA's named `pulse`, a plugin on libpulse, which takes the
source and the sink to use from the environment, each time it is opened.
"""

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from threading import Event
from typing import Any

from stemlive.errors import DeviceError

PLUGIN = "pulse"
"""ALSA's name for the sound server."""
OURS = "stemlive.engine"
"""Property of every stream of an engine."""
_SOURCE, _SINK = "PULSE_SOURCE", "PULSE_SINK"
_CONNECT_S, _LISTEN_S, _AWAY_S = (0.05, 0.95), 0.5, 5.0
"""Patience with a server; pulsectl's `connect` takes all of it, however soon the server answers: so a little first."""


@dataclass(frozen=True)
class Endpoint:
    """A source or a sink of the sound server; a monitor is a source."""

    name: str
    description: str
    channels: int
    sample_rate_hz: int
    monitor_of: str = ""
    """Name of the sink whose sound it carries."""


@dataclass(frozen=True)
class SoundServer:
    """What a sound server has, and which of it the device `pulse` is connected to."""

    kind: str
    sources: tuple[Endpoint, ...]
    sinks: tuple[Endpoint, ...]
    source: str
    sink: str

    @property
    def source_monitors(self) -> str:
        """Name of the sink whose sound the device `pulse` records; empty if that is no monitor."""
        return next((source.monitor_of for source in self.sources if source.name == self.source), "")


def connect(client: str) -> Any:
    """Return a connection, a `pulsectl.Pulse` to be closed. One thread uses it. DeviceError when nobody answers."""
    if not sys.platform.startswith("linux"):
        raise DeviceError("PulseAudio and PipeWire are sound servers of Linux: `stemlive devices` says what to do here")
    try:
        import pulsectl
    except (ImportError, OSError) as error:
        how = "pip install pulsectl" if isinstance(error, ImportError) else "sudo apt-get install libpulse0"
        raise DeviceError(f"PulseAudio and PipeWire are reached through libpulse, which is not here: {how}") from error
    for kind in (pulsectl.PulseSinkInfo, pulsectl.PulseSourceInfo):
        kind._init_from_struct = _keep_rate
    _read_any_encoding(pulsectl)
    pulse, problem = pulsectl.Pulse(client, connect=False), None
    for patience_s in _CONNECT_S:
        try:
            pulse.connect(timeout=patience_s)
        except pulsectl.PulseError as error:
            problem = error
        else:
            return pulse
    pulse.close()
    raise DeviceError(_nobody()) from problem


def server_errors() -> tuple[type[Exception], ...]:
    """Return the exceptions of a connection whose server refuses something or is gone; none without pulsectl."""
    try:
        import pulsectl
        from pulsectl._pulsectl import LibPulse  # which names the second kind nowhere else
    except (ImportError, OSError):
        return ()

    return pulsectl.PulseError, LibPulse.CallError, pulsectl.PulseDisconnected


def _keep_rate(info: Any, struct: Any) -> None:
    """Keep the rate in `rate_hz`; pulsectl's `sample_spec` is in memory that libpulse has released by then."""
    info.rate_hz = struct.sample_spec.rate


def _read_any_encoding(pulsectl: Any) -> None:
    """Let names that are not UTF-8, as PipeWire passes them on, be read with marks in place of what is wrong."""
    pulsectl._pulsectl.force_str.__defaults__ = ("replace",)
    pulsectl.pulsectl.PulseObject._copy_struct_fields.__defaults__ = (None, "replace")


def one_line(name: str) -> str:
    """Return a name without line breaks, tabs and other characters that do not print."""
    return " ".join("".join(c if c.isprintable() else " " for c in name).split())


def _nobody() -> str:
    if os.environ.get("PULSE_SERVER"):
        return f"no sound server answers at PULSE_SERVER={os.environ['PULSE_SERVER']}: start it, or unset PULSE_SERVER"
    if not os.environ.get("XDG_RUNTIME_DIR"):
        return (
            "no PulseAudio or PipeWire answers, and XDG_RUNTIME_DIR is not set, where its socket is: "
            f"set it, mostly to /run/user/{os.getuid()}, or start stemlive in your desktop session"
        )
    return "no PulseAudio or PipeWire answers: start `pipewire-pulse` or `pulseaudio`"


def look() -> SoundServer | None:
    """Return what the sound server has; None without one."""
    try:
        pulse = connect("stemlive devices")
    except DeviceError:
        return None
    with pulse:
        try:
            server = pulse.server_info()
            sources, sinks = pulse.source_list(), pulse.sink_list()
        except server_errors():
            return None
    return SoundServer(
        "PipeWire" if "PipeWire" in server.server_name else "PulseAudio",
        _told_apart([_endpoint(source, source.monitor_of_sink_name or "") for source in sources]),
        _told_apart([_endpoint(sink) for sink in sinks]),
        os.environ.get(_SOURCE) or server.default_source_name,
        os.environ.get(_SINK) or server.default_sink_name,
    )


def _endpoint(info: Any, monitor_of: str = "") -> Endpoint:
    described = one_line(info.description or "") or info.name
    return Endpoint(info.name, described, info.channel_count, info.rate_hz, monitor_of)


def _told_apart(endpoints: list[Endpoint]) -> tuple[Endpoint, ...]:
    """Add the names to descriptions that occur twice: two devices of the same make."""
    counts = Counter(endpoint.description for endpoint in endpoints)
    return tuple(
        endpoint
        if counts[endpoint.description] == 1
        else replace(endpoint, description=f"{endpoint.description} ({endpoint.name})")
        for endpoint in endpoints
    )


def players(pulse: Any) -> list[Any]:
    """Return the streams of programs: no engine's, nor what a module or a filter of the server plays on."""
    nobody = 0xFFFFFFFF
    return [
        stream
        for stream in pulse.sink_input_list()
        if stream.client != nobody and not {OURS, "node.link-group"} & stream.proplist.keys()
    ]


def player_name(player: Any) -> str:
    """Return the name of the program that plays."""
    return one_line(player.proplist.get("application.name") or player.name or "")


def watch(
    changed: Callable[[], object], stopping: Event, playing: Callable[[list[str]], object] = lambda names: None
) -> None:
    """Call `changed` once the sound server is watched, and whenever a source or sink of it comes or goes.

    `playing` is called with the names of the programs that play, whenever that changes.
    Does not return before `stopping`; where there is no sound server, it looks for one now and then.
    """
    there = False
    nobody: tuple[type[Exception], ...] = (DeviceError, *server_errors())
    while not stopping.is_set():
        try:
            with connect("stemlive devices") as pulse:
                there = True
                _listen(pulse, changed, stopping, playing)
        except nobody:
            if there:
                changed()
                playing([])
            there = False
            stopping.wait(_AWAY_S)


def _listen(pulse: Any, changed: Callable[[], object], stopping: Event, playing: Callable[[list[str]], object]) -> None:
    import pulsectl

    told: list[str] | None = None
    fresh = False

    def note(event: Any) -> None:
        nonlocal fresh
        if event.facility == "sink_input":
            fresh = False
            raise pulsectl.PulseLoopStop
        if event.t in ("new", "remove"):
            changed()

    pulse.event_callback_set(note)
    pulse.event_mask_set("sink", "source", "sink_input")
    changed()  # since whoever watches has looked
    while not stopping.is_set():
        if not fresh:
            fresh = True
            named = sorted({name for name in map(player_name, players(pulse)) if name}, key=str.lower)
            if named != told:
                told = named
                playing(named)
        pulse.event_listen(_LISTEN_S)


@contextmanager
def led_to(source: str, sink: str) -> Iterator[None]:
    """Within the `with` block, streams that are opened on `pulse` use this source and sink; empty is the default."""
    wanted = {_SOURCE: source, _SINK: sink}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update({name: value for name, value in wanted.items() if value})
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def name_our_streams() -> None:
    """Let all streams of this process and its children be known as stemlive's, to users of a mixer and to us."""
    os.environ.update({"PULSE_PROP_application.name": "stemlive", f"PULSE_PROP_{OURS}": "1"})
