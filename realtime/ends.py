"""Open what the settings name at both ends: devices, files, pipes, and the sample rate in between."""

from contextlib import ExitStack
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from stemlive.errors import AudioFileError, DeviceError, UsageError
from stemlive.realtime.device import Device
from stemlive.realtime.devices import AudioDevice, find_device
from stemlive.realtime.engine_memory import EngineMemory
from stemlive.realtime.file_device import FileSource, FileTarget
from stemlive.realtime.files import AudioReader, AudioWriter
from stemlive.realtime.pipes import PipeReader, PipeWriter, is_pipe
from stemlive.realtime.portaudio import CallbackDevice, Process, RtmixerDevice, StreamRequest, accepts_rate
from stemlive.realtime.settings import EngineSettings, device_of
from stemlive.realtime.song_source import SongSource

FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class Ends:
    """The two ends of the path of the sound; one and the same for a device in both directions."""

    source: Device
    target: Device
    mode: str
    sample_rate_hz: int
    """The target's, and that of everything in between."""

    @property
    def devices(self) -> tuple[Device, ...]:
        """Each of them once."""
        return (self.source,) if self.source is self.target else (self.source, self.target)

    @property
    def drifts(self) -> bool:
        """Whether each end has a clock of its own."""
        return self.source is not self.target and not isinstance(self.source, FileSource) and self.file is None

    @property
    def file(self) -> FileTarget | None:
        """The target, if it is a file or a pipe."""
        return self.target if isinstance(self.target, FileTarget) else None

    def close(self) -> None:
        """Give everything back."""
        for device in self.devices:
            device.close()


def open_ends(
    settings: EngineSettings, model_rate_hz: int, hop_samples: int, process: Process, memory: EngineMemory
) -> Ends:
    """Open both ends; nothing runs yet. `process` is for mode `inline`, `memory` steers a song.

    The model's own rate is preferred, where a device takes it. DeviceError, AudioFileError or UsageError when
    something cannot be opened.
    """
    mode = settings.mode
    if mode == "auto":
        mode = "rtmixer" if find_spec("rtmixer") else "callback"
    if mode == "rtmixer" and not find_spec("rtmixer"):
        raise DeviceError("mode rtmixer needs the package of this name: pip install rtmixer, or choose --mode callback")
    source = _device(settings.source, "input")
    target = _device(settings.target, "output")
    if source is None and target is None:
        raise UsageError("a live engine needs a device at one end at least: device:NAME")
    inputs = _input_channels(settings, source)
    outputs = min(2, target.outputs) if target is not None else 0
    input_rate_hz = _rate_hz(source, "input", max(inputs, default=0), model_rate_hz)
    output_rate_hz = _rate_hz(target, "output", outputs, model_rate_hz)

    def opened(source: AudioDevice | None, target: AudioDevice | None, rate_hz: int) -> Device:
        jack = any(device is not None and device.is_jack for device in (source, target))
        request = StreamRequest(
            source,
            target,
            sample_rate_hz=rate_hz,
            input_channels=inputs if source is not None else (),
            output_channels=outputs if target is not None else 0,
            # JACK's own period is best for JACK; elsewhere the host makes its period of what is asked for.
            block_samples=settings.block_samples or (0 if jack else hop_samples),
            latency=settings.latency if isinstance(settings.latency, str) else "low",
        )
        if mode == "rtmixer":
            return RtmixerDevice(request)
        return CallbackDevice(request, process if mode == "inline" else None)

    with ExitStack() as stack:
        first: Device
        second: Device
        if source is not None and target is not None and _share_a_clock(source, target):
            if input_rate_hz != output_rate_hz:
                input_rate_hz = output_rate_hz = target.sample_rate_hz
            first = second = opened(source, target, output_rate_hz)
        elif mode == "inline":
            raise UsageError("mode inline needs one device for input and output: choose another mode")
        elif target is None:
            first = opened(source, None, input_rate_hz)
            stack.callback(first.close)
            output_rate_hz = input_rate_hz
            second = _file_target(settings, input_rate_hz, len(inputs))
        else:
            second = opened(None, target, output_rate_hz)
            stack.callback(second.close)
            first = (
                _file_source(settings, output_rate_hz, memory)
                if source is None
                else opened(source, None, input_rate_hz)
            )
        stack.pop_all()
    return Ends(first, second, mode, output_rate_hz)


def _device(end: str, direction: str) -> AudioDevice | None:
    name = device_of(end)
    return None if name is None else find_device(name, direction)


def _share_a_clock(source: AudioDevice, target: AudioDevice) -> bool:
    return source.index == target.index or (source.is_jack and target.is_jack)


def _input_channels(settings: EngineSettings, source: AudioDevice | None) -> tuple[int, ...]:
    if source is None:
        if settings.input_channels is not None:
            raise UsageError("--input-channels chooses among the channels of a device: --input is none")
        return ()
    chosen = settings.input_channels or tuple(range(1, min(2, source.inputs) + 1))
    if max(chosen) > source.inputs:
        raise DeviceError(f"{source.label} has {source.inputs} input channels, there is no number {max(chosen)}")
    return chosen


def _rate_hz(device: AudioDevice | None, direction: str, channels: int, model_rate_hz: int) -> int:
    """Return the model's rate if the device takes it, else its own."""
    if device is None:
        return 0
    if device.sample_rate_hz == model_rate_hz or accepts_rate(device, direction, channels, model_rate_hz):
        return model_rate_hz
    return device.sample_rate_hz


def _file_source(settings: EngineSettings, sample_rate_hz: int, memory: EngineMemory) -> FileSource:
    pipe = is_pipe(settings.source)
    reader = PipeReader(settings.source, settings.raw) if pipe else AudioReader(settings.source)
    if reader.channels > 2:
        reader.close()
        raise AudioFileError(f"{reader.name} has {reader.channels} channels, stemlive takes 1 or 2: mix it down first")
    if settings.song and isinstance(reader, AudioReader):
        return SongSource(reader, sample_rate_hz, memory)
    return FileSource(reader, sample_rate_hz)


def _file_target(settings: EngineSettings, sample_rate_hz: int, channels: int) -> FileTarget:
    if is_pipe(settings.target):
        encoding = settings.raw_output
        return FileTarget(PipeWriter(settings.target, sample_rate_hz, channels, raw=encoding), sample_rate_hz, channels)
    writer = AudioWriter(settings.target, sample_rate_hz, channels, force=settings.force)
    return FileTarget(writer, sample_rate_hz, channels)
