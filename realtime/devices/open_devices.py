"""Open the source and the target that the settings name, and choose the sample rate."""

from contextlib import ExitStack
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from stemlive.errors import DeviceError, UsageError
from stemlive.realtime.devices.callback_device import CallbackDevice, Process
from stemlive.realtime.devices.catalogue import AudioDevice, find_device
from stemlive.realtime.devices.device import Device
from stemlive.realtime.devices.file_device import FileSource, FileTarget
from stemlive.realtime.devices.jack_ports import name_ports
from stemlive.realtime.devices.open_files import file_source, file_target
from stemlive.realtime.devices.portaudio import StreamRequest, accepts_rate
from stemlive.realtime.devices.ring import InputRing, OutputRing
from stemlive.realtime.devices.rtmixer_device import RtmixerDevice
from stemlive.realtime.shared.memory import EngineMemory
from stemlive.realtime.shared.settings import EngineSettings, device_of

FloatArray = NDArray[np.float32]

_SERVER_LATENCY_S = {"low": 0.04, "high": 0.12}


@dataclass(frozen=True)
class Microphone:
    """The microphone: the device whose stream carries it, and the ring where it arrives."""

    device: Device
    ring: InputRing
    direct: bool
    """Whether the device's callback mixes it into the output."""


@dataclass(frozen=True)
class Ends:
    """Source and target of the engine; the same object for a duplex device."""

    source: Device
    target: Device
    mode: str
    sample_rate_hz: int
    """The rate of the target and of all processing."""
    microphone: Microphone | None = None

    @property
    def devices(self) -> tuple[Device, ...]:
        """All devices, each once."""
        every = [self.source, self.target] + ([self.microphone.device] if self.microphone is not None else [])
        return tuple({id(device): device for device in every}.values())

    @property
    def drifts(self) -> bool:
        """Whether the two ends are devices with separate clocks."""
        return self.source is not self.target and not isinstance(self.source, FileSource) and self.file is None

    @property
    def microphone_output(self) -> OutputRing:
        """The target's second output ring, for a microphone that its callback does not mix."""
        assert isinstance(self.target, (RtmixerDevice, CallbackDevice))
        assert self.target.microphone_output is not None
        return self.target.microphone_output

    @property
    def file(self) -> FileTarget | None:
        """The target if it is a file or pipe, else None."""
        return self.target if isinstance(self.target, FileTarget) else None

    def close(self) -> None:
        """Close all devices."""
        for device in self.devices:
            device.close()


def open_ends(
    settings: EngineSettings,
    model_rate_hz: int,
    hop_samples: int,
    process: Process,
    mix_microphone: Process | None = None,
    memory: EngineMemory | None = None,
) -> Ends:
    """Open both ends without starting them, at the model's rate if the devices accept it.

    `process` is called in mode `inline`, `mix_microphone` by Python callbacks; `memory` controls a song. DeviceError,
    AudioFileError or UsageError when something cannot be opened.
    """
    source = _device(settings.source, "input")
    target = _device(settings.target, "output")
    if source is None and target is None:
        raise UsageError("a live engine needs a device at one end at least: device:NAME")
    place = _microphone_place(settings, source, target)
    for device in (source, place.device):
        _refuse_echo(device, target)
    inputs = _input_channels(settings, source)
    outputs = _output_channels(settings, target)
    input_rate_hz = _rate_hz(source, "input", max(inputs, default=0), model_rate_hz)
    output_rate_hz = _rate_hz(target, "output", outputs, model_rate_hz)
    opener = _Opener(settings, _mode(settings, place), hop_samples, outputs, place, process, mix_microphone)

    with ExitStack() as stack:
        first: Device
        second: Device
        if source is not None and target is not None and _share_a_clock(source, target):
            if input_rate_hz != output_rate_hz:
                input_rate_hz = output_rate_hz = target.sample_rate_hz
            first = second = opener.open(source, target, output_rate_hz, inputs, place.part_of("target"))
        elif opener.mode == "inline":
            raise UsageError("mode inline needs one device for input and output: choose another mode")
        elif target is None:
            first = opener.open(source, None, input_rate_hz, inputs)
            stack.callback(first.close)
            output_rate_hz = input_rate_hz
            outputs = settings.outputs.highest if settings.outputs.given else len(inputs)
            second = file_target(settings, input_rate_hz, outputs)
        else:
            channels = place.part_of("target")
            second = opener.open(place.device if channels else None, target, output_rate_hz, (), channels)
            stack.callback(second.close)
            if source is None:
                first = file_source(settings, output_rate_hz, memory)
            else:
                first = opener.open(source, None, input_rate_hz, inputs, place.part_of("source"))
        stack.callback(first.close)
        microphone = opener.microphone(first, second, output_rate_hz)
        stack.pop_all()
    return Ends(first, second, opener.mode, output_rate_hz, microphone)


@dataclass(frozen=True)
class _MicrophonePlace:
    """Which stream carries the microphone: that of the `target`, of the `source`, or its `own`; empty for none."""

    device: AudioDevice | None = None
    channels: tuple[int, ...] = ()
    stream: str = ""

    def part_of(self, stream: str) -> tuple[int, ...]:
        """Return the microphone's channels if that stream carries it, else none."""
        return self.channels if self.stream == stream else ()


@dataclass(frozen=True)
class _Opener:
    """Opens streams with the settings that all streams of an engine share."""

    settings: EngineSettings
    mode: str
    hop_samples: int
    outputs: int
    place: _MicrophonePlace
    process: Process
    mix_microphone: Process | None

    @property
    def direct(self) -> bool:
        """Whether the target's callback mixes in the microphone."""
        return self.place.stream == "target" and self.mode != "rtmixer"

    def open(
        self,
        source: AudioDevice | None,
        target: AudioDevice | None,
        rate_hz: int,
        channels: tuple[int, ...],
        microphone_channels: tuple[int, ...] = (),
    ) -> RtmixerDevice | CallbackDevice:
        """Open a stream. DeviceError when that fails."""
        settings = self.settings
        jack = any(device is not None and device.is_jack for device in (source, target))
        request = StreamRequest(
            source,
            target,
            sample_rate_hz=rate_hz,
            input_channels=channels,
            microphone_channels=microphone_channels,
            output_channels=self.outputs if target is not None else 0,
            microphone_output=bool(self.place.stream) and target is not None and not self.direct,
            # JACK's own period is best for JACK; elsewhere the host derives its period from the requested block.
            block_samples=settings.block_samples or (0 if jack else self.hop_samples),
            latency=self._latency(source or target),
            held_back_s=0.0 if isinstance(settings.latency, str) else settings.latency / 1000,
        )
        device: RtmixerDevice | CallbackDevice
        if self.mode == "rtmixer":
            device = RtmixerDevice(request)
        else:
            process = self.process if self.mode == "inline" else None
            device = CallbackDevice(request, process, self.mix_microphone if self.direct else None)
        if target is not None and target.is_jack and settings.outputs.given:
            name_ports(settings.outputs)
        return device

    def _latency(self, device: AudioDevice | None) -> str | float:
        """Return the latency to ask PortAudio for; a sound server needs more than ALSA's plugin suggests."""
        kind = self.settings.latency if isinstance(self.settings.latency, str) else "low"
        return _SERVER_LATENCY_S[kind] if device is not None and device.server_name else kind

    def microphone(self, first: Device, second: Device, rate_hz: int) -> Microphone | None:
        """Return the microphone, opening its own stream if it needs one; None if there is none."""
        wanted = self.place
        if not wanted.stream:
            return None
        if wanted.stream == "own":
            own_rate_hz = _rate_hz(wanted.device, "input", max(wanted.channels), rate_hz)
            host: Device = self.open(wanted.device, None, own_rate_hz, (), wanted.channels)
        else:
            host = second if wanted.stream == "target" else first
        assert isinstance(host, (RtmixerDevice, CallbackDevice))
        assert host.microphone is not None
        return Microphone(host, host.microphone, self.direct)


def _mode(settings: EngineSettings, place: _MicrophonePlace) -> str:
    """Return the mode to use. DeviceError when rtmixer is requested but not installed."""
    if settings.mode == "rtmixer" and not find_spec("rtmixer"):
        raise DeviceError('mode rtmixer needs the package of this name, which is not here: choose `mode="callback"`')
    if settings.mode != "auto":
        return settings.mode
    # A Python callback can add a microphone without extra delay; rtmixer's cannot.
    return "rtmixer" if find_spec("rtmixer") and place.stream != "target" else "callback"


def _device(end: str, direction: str) -> AudioDevice | None:
    name = device_of(end)
    return None if name is None else find_device(name, direction)


def _microphone_place(
    settings: EngineSettings, source: AudioDevice | None, target: AudioDevice | None
) -> _MicrophonePlace:
    """Find the microphone: the named device, else the source, else the target's own or the default input."""
    if not settings.has_microphone or target is None:
        return _MicrophonePlace()
    channels = settings.microphone_channels or (1,)
    if settings.microphone is not None:
        device = _device(settings.microphone, "input")
    else:
        device = source or (target if target.inputs else find_device("default", "input"))
    assert device is not None
    if max(channels) > device.inputs:
        raise DeviceError(f"{device.label} has {device.inputs} input channels, there is no number {max(channels)}")
    duplex = source is not None and _share_a_clock(source, target)
    if device == source if duplex else _share_a_clock(device, target):
        return _MicrophonePlace(device, channels, "target")
    return _MicrophonePlace(device, channels, "source" if device == source else "own")


def _refuse_echo(source: AudioDevice | None, target: AudioDevice | None) -> None:
    """Raise DeviceError for a source that hears what is played to the target, and would never end hearing itself."""
    if source is not None and target is not None and source.monitor_of and source.monitor_of == target.plays_to:
        raise DeviceError(
            f"{source.label} hears what is played to {target.label}, so it would hear itself and ring for ever: take "
            "another output, or with `system` the sound of other programs alone"
        )


def _share_a_clock(source: AudioDevice, target: AudioDevice) -> bool:
    return source.index == target.index or (source.is_jack and target.is_jack)


def _input_channels(settings: EngineSettings, source: AudioDevice | None) -> tuple[int, ...]:
    if source is None:
        if settings.input_channels is not None:
            raise UsageError("`input_channels` chooses among the channels of a device, and the input is none")
        return ()
    chosen = settings.input_channels or tuple(range(1, min(2, source.inputs) + 1))
    if max(chosen) > source.inputs:
        raise DeviceError(f"{source.label} has {source.inputs} input channels, there is no number {max(chosen)}")
    return chosen


def _output_channels(settings: EngineSettings, target: AudioDevice | None) -> int:
    """Return how many channels to open. DeviceError if the device has fewer."""
    if target is None:
        return 0
    if not settings.outputs.given:
        return min(2, target.outputs)
    highest = settings.outputs.highest
    if highest > target.outputs:
        raise DeviceError(f"{target.label} has {target.outputs} output channels, there is no number {highest}")
    return highest


def _rate_hz(device: AudioDevice | None, direction: str, channels: int, model_rate_hz: int) -> int:
    """Return the model's rate if the device accepts it, else the device's own."""
    if device is None:
        return 0
    if device.sample_rate_hz == model_rate_hz or accepts_rate(device, direction, channels, model_rate_hz):
        return model_rate_hz
    return device.sample_rate_hz
