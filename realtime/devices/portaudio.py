"""Devices through PortAudio: what is asked of one, and what those with a C and with a Python callback share."""

import atexit
import threading
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

from stemlive.errors import DeviceError
from stemlive.realtime.devices.catalogue import AudioDevice, portaudio
from stemlive.realtime.devices.device import DeviceFaults
from stemlive.realtime.devices.ring import InputRing, OutputRing

RING_S = 1.0
"""Length of the rings between the callback and the engine, at least."""
_CLOSING_S = 0.5
_SILENT_S = 3.0
"""A device that calls back no more for this long is gone. PulseAudio's pause for 1.4 s after their first blocks."""
_LONGEST_LATENCY_S = 10.0
"""What is reported beyond this is nonsense."""


class StreamRequest:
    """What is asked of a device: direction by direction, None where it is not used."""

    def __init__(
        self,
        source: AudioDevice | None,
        target: AudioDevice | None,
        *,
        sample_rate_hz: int,
        input_channels: Sequence[int] = (),
        microphone_channels: Sequence[int] = (),
        output_channels: int = 0,
        microphone_output: bool = False,
        block_samples: int = 0,
        latency: str | float = "low",
    ) -> None:
        self.source, self.target = source, target
        self.sample_rate_hz = sample_rate_hz
        self.input_channels = tuple(input_channels)
        self.microphone_channels = tuple(microphone_channels)
        """Channels that go past the engine, to a ring of their own."""
        self.microphone_output = microphone_output
        """Whether there is a second output ring, whose sound is added to that of the first."""
        self.output_channels = output_channels
        self.block_samples = block_samples
        self.latency = latency

    @property
    def label(self) -> str:
        """The devices' names."""
        names = dict.fromkeys(device.label for device in (self.source, self.target) if device is not None)
        return " and ".join(names)

    def stream_arguments(self) -> tuple[str, dict[str, Any]]:
        """Return sounddevice's kind of stream, and the arguments that all of them take."""
        devices = [d.index for d in (self.source, self.target) if d is not None]
        counts = [max(self.input_channels + self.microphone_channels)] if self.source else []
        counts += [self.output_channels] if self.target else []
        both = len(devices) == 2
        arguments = {
            "device": tuple(devices) if both else devices[0],
            "channels": tuple(counts) if both else counts[0],
            "samplerate": self.sample_rate_hz,
            "blocksize": self.block_samples,
            "latency": self.latency,
            "clip_off": True,
            "dither_off": True,
        }
        return ("" if both else "Input" if self.source else "Output"), arguments


def accepts_rate(device: AudioDevice, direction: str, channels: int, sample_rate_hz: int) -> bool:
    """Whether a device can be opened at a sample rate."""
    sounddevice = portaudio()
    check = sounddevice.check_input_settings if direction == "input" else sounddevice.check_output_settings
    try:
        check(device=device.index, channels=channels, dtype="float32", samplerate=sample_rate_hz)
    except (sounddevice.PortAudioError, ValueError):
        return False
    return True


class PortAudioDevice:
    """What both kinds of device have in common: a stream, and a watch over it."""

    input: InputRing | None = None
    output: OutputRing | None = None
    microphone: InputRing | None = None
    """Where the microphone arrives."""
    microphone_output: OutputRing | None = None
    """A second ring for the output, which is added to the first."""

    def __init__(self, request: StreamRequest, make: Callable[[], Any]) -> None:
        self._label = request.label
        self.sample_rate_hz = request.sample_rate_hz
        self.faults = DeviceFaults()
        self._problem = ""
        sounddevice = portaudio()
        try:
            self._stream = make()
        except (sounddevice.PortAudioError, ValueError) as error:
            raise DeviceError(f"cannot open {self._label}: {_reason(error)}") from error
        self._seen_samples = -1
        self._seen_s = 0.0
        self._closed = False

    @property
    def latency_samples(self) -> tuple[int, int]:
        """What the host interface reports."""
        latency = self._stream.latency
        both = latency if isinstance(latency, tuple) else (latency,) * 2
        # Of a JACK program without a latency of its own, PortAudio makes 27 hours.
        both = tuple(seconds if 0 <= seconds < _LONGEST_LATENCY_S else 0.0 for seconds in both)
        used = (self.input is not None or self.microphone is not None, self.output is not None)
        into, out = (round(s * self.sample_rate_hz) if use else 0 for s, use in zip(both, used, strict=True))
        return into, out

    @property
    def error(self) -> Exception | None:
        """Faults of a device come without an exception."""
        return None

    @property
    def samples(self) -> int:
        """Samples that the device has taken, or where it takes none, given."""
        if self.output is not None:
            return self.output.read
        ring = self.input or self.microphone
        assert ring is not None
        return ring.written

    @property
    def problem(self) -> str:
        """Why it has stopped by itself."""
        return self._problem

    def start(self) -> None:
        """Let it run."""
        sounddevice = portaudio()
        try:
            self._stream.start()
        except sounddevice.PortAudioError as error:
            self.close()
            raise DeviceError(f"cannot start {self._label}: {_reason(error)}") from error
        self._seen_s = perf_counter()

    def refresh(self) -> None:
        """Notice a device that has gone: its stream ends, or nobody calls back any more."""
        if self._problem or self._closed:
            return
        samples = self.samples
        now = perf_counter()
        if samples != self._seen_samples:
            self._seen_samples, self._seen_s = samples, now
        elif samples > 0 and now - self._seen_s > _SILENT_S:  # how long the first block may take, others know
            self._problem = f"{self._label} went silent"
        if not self._stream.active:
            self._problem = f"{self._label} has stopped"

    def close(self) -> None:
        """Stop it and give it back."""
        if self._closed:
            return
        self._closed = True
        if self._problem:
            # PortAudio may wait for ever for a device that is gone, and where that was a JACK server, it aborts the
            # process that takes leave of it.
            atexit.unregister(portaudio()._exit_handler)
            closing = threading.Thread(target=self._stream.close, name="stemlive closing", daemon=True)
            closing.start()
            closing.join(_CLOSING_S)
        else:
            self._stream.close()


def _reason(error: Exception) -> str:
    """PortAudio's own words, and what usually helps."""
    text = str(error.args[0] if error.args else error).strip()
    lowered = text.lower()
    if "unavailable" in lowered or "busy" in lowered:
        return f"{text} (does another program use it?)"
    if "channel" in lowered:
        return f"{text} (`stemlive devices` shows how many it has)"
    return text
