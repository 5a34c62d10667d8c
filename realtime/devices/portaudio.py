"""PortAudio devices: the request for a stream, and what devices with a C and a Python callback share."""

import atexit
from collections.abc import Callable, Sequence
from contextlib import suppress
from time import monotonic, perf_counter
from typing import Any

from stemlive.errors import DeviceError
from stemlive.realtime.devices.catalogue import CALLS, AudioDevice, portaudio
from stemlive.realtime.devices.device import DeviceFaults
from stemlive.realtime.devices.ring import InputRing, OutputRing, ring_frames
from stemlive.realtime.devices.sound_server import led_to
from stemlive.realtime.shared.heartbeat import LIMIT_S

RING_S = 1.0
"""Shortest length of the rings between the callback and the engine."""
_SHORTEST_RING = 1 << 15
"""Room for the longest blocks at the lowest rates: between two clocks the engine holds back three."""
_CLOSING_S = 0.5
_SILENT_S = LIMIT_S
"""A device without a callback for this long is gone. PulseAudio devices pause for 1.4 s after their first blocks."""
_ASK_S = 0.2
"""Time between two measurements of when a sample is heard."""
_LONGEST_LATENCY_S = 10.0
"""Reported latencies beyond this are not believed."""


class StreamRequest:
    """Parameters of a stream; a `source` or `target` of None leaves that direction out."""

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
        held_back_s: float = 0.0,
    ) -> None:
        """`held_back_s` is the delay that the engine adds, which the rings must hold."""
        self.source, self.target = source, target
        self.sample_rate_hz = sample_rate_hz
        self.input_channels = tuple(input_channels)
        self.microphone_channels = tuple(microphone_channels)
        """Channels that bypass the model, through their own ring."""
        self.microphone_output = microphone_output
        """Whether there is a second output ring, which is added to the first."""
        self.output_channels = output_channels
        self.block_samples = block_samples
        self.latency = latency
        self.input_ring_samples = ring_frames(max(4 * round(RING_S * sample_rate_hz), _SHORTEST_RING))
        self.output_ring_samples = ring_frames(max(round((RING_S + held_back_s) * sample_rate_hz), _SHORTEST_RING))

    @property
    def label(self) -> str:
        """The devices' names, for messages."""
        names = dict.fromkeys(device.label for device in (self.source, self.target) if device is not None)
        return " and ".join(names)

    def stream_arguments(self) -> tuple[str, dict[str, Any]]:
        """Return the prefix of sounddevice's stream class ("", "Input" or "Output"), and its arguments."""
        devices = [d.portaudio_index for d in (self.source, self.target) if d is not None]
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
    """Whether a device accepts a sample rate."""
    sounddevice = portaudio()
    check = sounddevice.check_input_settings if direction == "input" else sounddevice.check_output_settings
    number = device.portaudio_index
    try:
        with led_to(device.server_name, device.server_name):
            CALLS.call(lambda: check(device=number, channels=channels, dtype="float32", samplerate=sample_rate_hz))
    except (sounddevice.PortAudioError, ValueError):
        return False
    return True


class PortAudioDevice:
    """What both kinds of PortAudio device share: a stream, and the detection of its loss."""

    input: InputRing | None = None
    output: OutputRing | None = None
    microphone: InputRing | None = None
    """The ring that the microphone fills."""
    microphone_output: OutputRing | None = None
    """A second output ring, which is added to the first."""

    def __init__(self, request: StreamRequest, make: Callable[[], Any]) -> None:
        self._label = request.label
        self.sample_rate_hz = request.sample_rate_hz
        self.faults = DeviceFaults()
        self._problem = ""
        self._measures = request.target is not None and bool(request.target.plays_to)
        self._asked_s = 0.0
        sounddevice = portaudio()
        names = [device.server_name if device else "" for device in (request.source, request.target)]
        try:
            with led_to(*names):
                self._stream = CALLS.call(make)
        except (sounddevice.PortAudioError, ValueError) as error:
            raise DeviceError(f"cannot open {self._label}: {_reason(error)}") from error
        self._seen_samples = -1
        self._seen_s = 0.0
        self._closed = False

    @property
    def latency_samples(self) -> tuple[int, int]:
        """Latencies of input and output that the host interface reports; 0 where they are impossible."""
        latency = self._stream.latency
        both = latency if isinstance(latency, tuple) else (latency,) * 2
        # For a JACK client that reports no latency, PortAudio gives 27 hours.
        both = tuple(seconds if 0 <= seconds < _LONGEST_LATENCY_S else 0.0 for seconds in both)
        used = (self.input is not None or self.microphone is not None, self.output is not None)
        into, out = (round(s * self.sample_rate_hz) if use else 0 for s, use in zip(both, used, strict=True))
        return into, out

    def heard_at(self) -> tuple[int, float] | None:
        """Return a sample of the output and when it is heard (monotonic), a few times a second; None between.

        Only where the output goes to a sound server: what that adds is in no latency that PortAudio reports.
        """
        now_s = monotonic()
        if not self._measures or self._closed or self._problem or now_s - self._asked_s < _ASK_S:
            return None
        moment = self._played_at()
        if moment is None:
            return None
        self._asked_s = now_s
        sample, stream_s = moment
        return sample, stream_s + monotonic() - self._stream.time

    def _played_at(self) -> tuple[int, float] | None:
        """Return a sample of the output and when PortAudio says that it is heard, by the stream's clock."""
        return None

    @property
    def error(self) -> Exception | None:
        """None: a device fails without an exception."""
        return None

    @property
    def samples(self) -> int:
        """Samples that the device has consumed or, without an output, delivered."""
        if self.output is not None:
            return self.output.read
        ring = self.input or self.microphone
        assert ring is not None
        return ring.written

    @property
    def problem(self) -> str:
        """Why the device stopped by itself; empty while it runs."""
        return self._problem

    def start(self) -> None:
        """Start the stream. DeviceError when that fails."""
        sounddevice = portaudio()
        try:
            CALLS.call(self._stream.start)
        except sounddevice.PortAudioError as error:
            self.close()
            raise DeviceError(f"cannot start {self._label}: {_reason(error)}") from error
        self._seen_s = perf_counter()

    def refresh(self) -> None:
        """Detect a lost device: its stream has ended, or its callbacks have stopped."""
        if self._problem or self._closed:
            return
        samples = self.samples
        now = perf_counter()
        if samples != self._seen_samples:
            self._seen_samples, self._seen_s = samples, now
        elif samples > 0 and now - self._seen_s > _SILENT_S:  # `LiveRun` limits the wait for the first block
            self._problem = f"{self._label} went silent"
        if not self._stream.active:
            self._problem = f"{self._label} has stopped"

    def close(self) -> None:
        """Stop and close the stream. A second call does nothing."""
        if self._closed:
            return
        self._closed = True
        gone = bool(self._problem)
        with suppress(DeviceError):
            CALLS.call(self._stream.close, _CLOSING_S if gone else LIMIT_S)
        if gone or CALLS.hang:
            # PortAudio may wait for ever on a device that is gone and, when that is a JACK server, abort the process
            # in its exit handler.
            atexit.unregister(portaudio()._exit_handler)


def _reason(error: Exception) -> str:
    """Return PortAudio's message, with a hint at the usual remedy."""
    text = str(error.args[0] if error.args else error).strip()
    lowered = text.lower()
    if "unavailable" in lowered or "busy" in lowered:
        return f"{text} (does another program use it?)"
    if "channel" in lowered:
        return f"{text} (`stemlive devices` shows how many it has)"
    return text
