"""The audio devices of this machine: list them, and find one by name."""

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ctypes.util import find_library
from dataclasses import dataclass, replace
from typing import Any

from stemlive.errors import DeviceError, did_you_mean
from stemlive.realtime.devices.sound_server import PLUGIN, SoundServer, look, name_our_streams, one_line
from stemlive.realtime.shared.limited import LimitedCalls

CALLS = LimitedCalls("stemlive portaudio", "the sound system")
"""For every call into PortAudio that may wait for a device or a sound server."""
_module: Any = None
_MONITOR_WORDS = ("monitor", "loopback", "stereo mix", "what u hear", "blackhole", "cable output")
_SERVER_NAMES = (PLUGIN, "default")
"""ALSA's names for the sound server."""
_ALSA, _JACK = "ALSA", "JACK"
_JACK_CLIENT = ctypes.c_char_p(b"stemlive")
"""Our name on a JACK server; it has to live as long as PortAudio."""
_HIDDEN = "; one that another program has to itself is not seen" if sys.platform.startswith("linux") else ""
"""PortAudio probes ALSA devices by opening them, and leaves out those that are busy."""


@dataclass(frozen=True)
class AudioDevice:
    """A device as one host interface lists it; latencies are its suggested ones, low and high."""

    index: int
    name: str
    host_interface: str
    inputs: int
    outputs: int
    sample_rate_hz: int
    input_latency_ms: tuple[float, float]
    output_latency_ms: tuple[float, float]
    default_input: bool
    default_output: bool
    captures_system_sound: bool
    """Whether its input can carry what other programs play."""
    server_name: str = ""
    """The sound server's own name of this source or sink; empty for a device of PortAudio's."""
    monitor_of: str = ""
    """The sound server's name of the sink whose sound its input carries."""
    plays_to: str = ""
    """The sound server's name of the sink that its output goes to."""
    opened_as: int | None = None
    """PortAudio's number of the device through which it is reached, when that is not `index`."""

    @property
    def label(self) -> str:
        """Name and host interface; together they are nearly always unique."""
        return f"{self.name}, {self.host_interface}"

    @property
    def portaudio_index(self) -> int:
        """PortAudio's number of the device to open, with the environment of `sound_server.led_to`."""
        return self.index if self.opened_as is None else self.opened_as

    @property
    def is_jack(self) -> bool:
        """Whether a JACK server decides about blocks and connections."""
        return self.host_interface.startswith(_JACK)


def portaudio() -> Any:
    """Return the module `sounddevice`. DeviceError, with the remedy, when PortAudio is missing or does not answer."""
    global _module  # noqa: PLW0603
    if _module is None:
        with _standard_error_kept():
            _module = CALLS.call(_imported)
    return _module


def _imported() -> Any:
    with suppress(OSError, AttributeError):  # a PortAudio without JACK
        _portaudio_library().PaJack_SetClientName(_JACK_CLIENT)
    try:
        import sounddevice
    except OSError as error:
        how = "sudo apt-get install libportaudio2" if sys.platform.startswith("linux") else "pip install sounddevice"
        raise DeviceError(f"audio devices need the system library PortAudio, which is not here: {how}") from error
    if sys.platform.startswith("linux"):
        name_our_streams()
        _quiet_alsa()
    return sounddevice


def _portaudio_library() -> ctypes.CDLL:
    """Return the library that `sounddevice` loads where it does not bring its own. OSError if it is not there."""
    return ctypes.CDLL(find_library("portaudio") or "libportaudio.so.2")


def jack_client() -> str:
    """Return the name that a JACK server has given us, once PortAudio runs there; empty if it does not."""
    name = ctypes.c_char_p()
    with suppress(OSError, AttributeError):
        _portaudio_library().PaJack_GetClientName(ctypes.byref(name))
    return (name.value or b"").decode(errors="replace")


def _quiet_alsa() -> None:
    """Let ALSA's library print nothing of its own: underruns are counted, and what cannot be opened is an error."""
    with suppress(OSError):  # a PortAudio without ALSA
        nothing = ctypes.CDLL(None).getpid  # in C, for it is called on the device's thread
        ctypes.CDLL("libasound.so.2").snd_lib_error_set_handler(nothing)


@contextmanager
def _standard_error_kept() -> Iterator[None]:
    """Put standard error back if an import that hangs has switched it off: sounddevice does, while PortAudio starts."""
    try:
        kept = os.dup(2)
    except OSError:
        yield
        return
    try:
        yield
    except DeviceError:
        os.dup2(kept, 2)
        raise
    finally:
        os.close(kept)


def list_devices() -> list[AudioDevice]:
    """Return all devices. DeviceError without PortAudio."""
    sounddevice = portaudio()
    return CALLS.call(lambda: _listed(sounddevice))


def _listed(sounddevice: Any) -> list[AudioDevice]:
    hosts = sounddevice.query_hostapis()
    default_input, default_output = sounddevice.default.device
    if default_input < 0 and default_output < 0:
        # With JACK alone there is no overall default, but each host interface has its own.
        default_input = next((h["default_input_device"] for h in hosts if h["default_input_device"] >= 0), -1)
        default_output = next((h["default_output_device"] for h in hosts if h["default_output_device"] >= 0), -1)
    devices = []
    server = look() if sys.platform.startswith("linux") else None
    for device in _in_any_encoding(sounddevice):
        name, host = one_line(str(device["name"])), str(hosts[device["hostapi"]]["name"])
        inputs, outputs = int(device["max_input_channels"]), int(device["max_output_channels"])
        through = server if name in _SERVER_NAMES and host == _ALSA else None
        monitor_of = through.source_monitors if through and inputs else ""
        heard = any(word in name.lower() for word in _MONITOR_WORDS) or host.startswith(_JACK) or bool(monitor_of)
        devices.append(
            AudioDevice(
                index=int(device["index"]),
                name=name,
                host_interface=host,
                inputs=inputs,
                outputs=outputs,
                sample_rate_hz=round(device["default_samplerate"]),
                input_latency_ms=_range_ms(device, "input"),
                output_latency_ms=_range_ms(device, "output"),
                default_input=device["index"] == default_input,
                default_output=device["index"] == default_output,
                captures_system_sound=inputs > 0 and heard,
                monitor_of=monitor_of,
                plays_to=through.sink if through and outputs else "",
            )
        )
    plugin = next((device for device in devices if device.name == PLUGIN and device.host_interface == _ALSA), None)
    return devices + (list(_on_server(server, plugin, len(devices))) if server and plugin else [])


def _in_any_encoding(sounddevice: Any) -> list[dict[str, Any]]:
    """Return what sounddevice knows of each device; it gives up at a name that is not UTF-8, as JACK allows."""
    library, found = sounddevice._lib, []
    for index in range(library.Pa_GetDeviceCount()):
        try:
            found.append(sounddevice.query_devices(index))
        except UnicodeDecodeError:
            info = library.Pa_GetDeviceInfo(index)
            found.append(
                {
                    "name": sounddevice._ffi.string(info.name).decode(errors="replace"),
                    "index": index,
                    "hostapi": info.hostApi,
                    "max_input_channels": info.maxInputChannels,
                    "max_output_channels": info.maxOutputChannels,
                    "default_samplerate": info.defaultSampleRate,
                    "default_low_input_latency": info.defaultLowInputLatency,
                    "default_low_output_latency": info.defaultLowOutputLatency,
                    "default_high_input_latency": info.defaultHighInputLatency,
                    "default_high_output_latency": info.defaultHighOutputLatency,
                }
            )
    return found


def _on_server(server: SoundServer, plugin: AudioDevice, first: int) -> Iterator[AudioDevice]:
    """Yield the sound server's sources and sinks as devices, numbered from `first` on, all reached by its plugin."""
    ends = [(end, True) for end in server.sources] + [(end, False) for end in server.sinks]
    for index, (end, is_input) in enumerate(ends, first):
        yield replace(
            plugin,
            index=index,
            name=end.description,
            host_interface=server.kind,
            inputs=end.channels if is_input else 0,
            outputs=0 if is_input else end.channels,
            sample_rate_hz=end.sample_rate_hz,
            default_input=False,
            default_output=False,
            captures_system_sound=bool(end.monitor_of),
            server_name=end.name,
            monitor_of=end.monitor_of,
            plays_to="" if is_input else end.name,
            opened_as=plugin.index,
        )


def find_device(name: str, direction: str, devices: list[AudioDevice] | None = None) -> AudioDevice:
    """Return the device for `default`, an index, a name, or a unique part of a name.

    `direction` is "input" or "output". An exact name takes precedence; otherwise every word must occur in the name or
    the host interface. DeviceError, listing the candidates, when none or several match.
    """
    every = list_devices() if devices is None else devices
    usable = [device for device in every if (device.inputs if direction == "input" else device.outputs) > 0]
    if not usable:
        found = f"PortAudio finds {len(every)} devices, none" if every else "PortAudio finds no audio device, so none"
        raise DeviceError(f"{found} for {direction}: connect one, or start the sound server")
    if name == "default":
        chosen = [d for d in usable if (d.default_input if direction == "input" else d.default_output)]
    elif name.isdecimal():
        chosen = [device for device in usable if device.index == int(name)]
    else:
        wanted = name.strip().lower()
        chosen = [d for d in usable if wanted in (d.name.lower(), d.label.lower(), d.server_name.lower())]
        # A part of a name means the same device with and without a sound server that lists its own.
        for among in ([d for d in usable if not d.server_name], [d for d in usable if d.server_name]):
            chosen = chosen or [d for d in among if all(word in d.label.lower() for word in wanted.split())]
    if len(chosen) == 1:
        return chosen[0]
    candidates = "; ".join(f"{device.index} {device.label}" for device in chosen or usable)
    if not chosen:
        meant = did_you_mean(name, [device.name for device in usable])
        raise DeviceError(f"no {direction} device '{name}': {meant}there are {candidates}{_HIDDEN}")
    raise DeviceError(f"{direction} device '{name}' is ambiguous: choose one of {candidates}")


def _range_ms(device: dict[str, Any], direction: str) -> tuple[float, float]:
    low, high = (round(1000 * float(device[f"default_{kind}_{direction}_latency"]), 2) for kind in ("low", "high"))
    return low, high
