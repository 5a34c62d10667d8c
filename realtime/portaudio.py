"""Devices through PortAudio: a C callback (rtmixer) where there is one, a Python callback elsewhere."""

import atexit
import math
import threading
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemlive.errors import DeviceError
from stemlive.realtime.device import DeviceFaults
from stemlive.realtime.devices import AudioDevice, portaudio
from stemlive.realtime.ring import (
    InputRing,
    OutputRing,
    PlainInputRing,
    PlainOutputRing,
    PortAudioInputRing,
    PortAudioOutputRing,
    ring_frames,
)

FloatArray = NDArray[np.float32]
Process = Callable[[FloatArray, FloatArray], None]
"""Input [n, C] and output [n, C] to fill, in the callback."""

RING_S = 1.0
_CLOSING_S = 0.5
_LONG_AGO_S = -1e6
"""When ring buffers are to begin, for rtmixer. JACK's clock starts anew with a stream, and the first block of input may
lie before its zero: a start at 0 would then come in the middle of that block, and input and output would not match."""
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
        monitor_channels: Sequence[int] = (),
        output_channels: int = 0,
        voice: bool = False,
        block_samples: int = 0,
        latency: str | float = "low",
    ) -> None:
        self.source, self.target = source, target
        self.sample_rate_hz = sample_rate_hz
        self.input_channels = tuple(input_channels)
        self.monitor_channels = tuple(monitor_channels)
        """Channels that go past the engine, to a ring of their own."""
        self.voice = voice
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
        counts = [max(self.input_channels + self.monitor_channels)] if self.source else []
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


class _PortAudioDevice:
    """What both kinds of device have in common: a stream, and a watch over it."""

    input: InputRing | None = None
    output: OutputRing | None = None
    monitor: InputRing | None = None
    """Where the second input arrives."""
    voice: OutputRing | None = None
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
        used = (self.input is not None or self.monitor is not None, self.output is not None)
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
        ring = self.input or self.monitor
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


class RtmixerDevice(_PortAudioDevice):
    """A device behind rtmixer's callback, which is written in C and never waits for Python."""

    def __init__(self, request: StreamRequest) -> None:
        import rtmixer

        kind, arguments = request.stream_arguments()
        make = {"": rtmixer.MixerAndRecorder, "Input": rtmixer.Recorder, "Output": rtmixer.Mixer}[kind]
        super().__init__(request, lambda: make(**arguments))
        frames = ring_frames(round(RING_S * request.sample_rate_hz))
        self._actions: list[Any] = []
        # Both are queued before the start, so that the first callback begins both.
        if request.input_channels:
            ring = PortAudioInputRing(rtmixer.RingBuffer, 4 * frames, len(request.input_channels))
            self._actions.append(self._stream.record_ringbuffer(ring.handle, request.input_channels, start=_LONG_AGO_S))
            self.input = ring
        if request.target is not None:
            played = PortAudioOutputRing(rtmixer.RingBuffer, frames, request.output_channels)
            self._actions.append(
                self._stream.play_ringbuffer(played.handle, request.output_channels, start=_LONG_AGO_S)
            )
            self.output = played
        if request.monitor_channels:
            monitored = PortAudioInputRing(rtmixer.RingBuffer, frames, len(request.monitor_channels))
            self._actions.append(self._stream.record_ringbuffer(monitored.handle, request.monitor_channels))
            self.monitor = monitored
        if request.voice:
            voice = PortAudioOutputRing(rtmixer.RingBuffer, frames, request.output_channels)
            self._actions.append(self._stream.play_ringbuffer(voice.handle, request.output_channels))
            self.voice = voice

    @property
    def block_samples(self) -> int:
        """The largest block so far."""
        return int(max(action.stats.max_blocksize for action in self._actions))

    def refresh(self) -> None:
        """Read the callback's own counts, and notice a device that has gone."""
        self.faults.input_overflows = int(self._actions[0].stats.input_overflows)
        self.faults.output_underflows = int(self._actions[0].stats.output_underflows)
        super().refresh()
        if len(self._stream.actions) < len(self._actions) and not self._closed and not self._problem:
            # An action ends when its ring is full or empty, after a second or more without the engine.
            self._problem = f"{self._label} was not served for {RING_S:g} s"


class CallbackDevice(_PortAudioDevice):
    """A device behind a Python callback, which copies and counts; or, with `process`, computes."""

    def __init__(
        self, request: StreamRequest, process: Process | None = None, mix_voice: Process | None = None
    ) -> None:
        """`mix_voice` adds the monitor's channels to the output of the same block; without, they go to a ring."""
        sounddevice = portaudio()
        kind, arguments = request.stream_arguments()
        callback = {"": self._duplex, "Input": self._record, "Output": self._play}[kind]
        self._columns = [channel - 1 for channel in request.input_channels]
        self._monitor_columns = [channel - 1 for channel in request.monitor_channels]
        self._process, self._mix_voice = process, mix_voice
        stream = getattr(sounddevice, f"{kind}Stream")
        super().__init__(request, lambda: stream(dtype="float32", callback=callback, **arguments))
        self.faults.worst_callback_s = 0.0
        self._largest_block = 0
        self._called_s = 0.0
        self._period_s = math.inf
        frames = ring_frames(round(RING_S * request.sample_rate_hz))
        self._into = PlainInputRing(4 * frames, max(1, len(self._columns)))
        self._out = PlainOutputRing(frames, max(1, request.output_channels))
        self.input = self._into if self._columns else None
        self.output = self._out if request.target is not None else None
        self._selected = np.zeros((frames, max(1, len(self._columns))), np.float32)
        self._monitored = np.zeros((frames, max(1, len(self._monitor_columns))), np.float32)
        self._voiced = np.zeros((frames, max(1, request.output_channels)), np.float32)
        self._microphone = PlainInputRing(frames, len(self._monitor_columns)) if self._monitor_columns else None
        self._voice = PlainOutputRing(frames, request.output_channels) if request.voice else None
        self.monitor, self.voice = self._microphone, self._voice

    @property
    def block_samples(self) -> int:
        """The largest block so far."""
        return self._largest_block

    # The device's thread. Nothing here allocates more than a view, waits, or does more than copy and count.

    def _duplex(self, indata: FloatArray, outdata: FloatArray, frames: int, _: Any, status: Any) -> None:
        self._count(frames, status)
        block = self._select(indata, self._columns, self._selected)
        if self._process is not None:
            self._process(block, outdata)
            self._out.read += frames
        else:
            if self._columns:
                self._into.write(block)
            self._out.take(outdata)
        self._add_voice(outdata)
        self._take_monitor(indata, outdata)

    def _record(self, indata: FloatArray, frames: int, _: Any, status: Any) -> None:
        self._count(frames, status)
        if self._columns:
            self._into.write(self._select(indata, self._columns, self._selected))
        self._take_monitor(indata, None)

    def _play(self, outdata: FloatArray, frames: int, _: Any, status: Any) -> None:
        self._count(frames, status)
        self._out.take(outdata)
        self._add_voice(outdata)

    def _add_voice(self, outdata: FloatArray) -> None:
        if self._voice is not None:
            voice = self._voiced[: len(outdata)]
            self._voice.take(voice)
            outdata += voice

    def _take_monitor(self, indata: FloatArray, outdata: FloatArray | None) -> None:
        if self._microphone is None:
            return
        block = self._select(indata, self._monitor_columns, self._monitored)
        if self._mix_voice is not None and outdata is not None:
            self._mix_voice(block, outdata)
        else:
            self._microphone.write(block)

    def _select(self, indata: FloatArray, columns: list[int], room: FloatArray) -> FloatArray:
        selected = room[: len(indata)]
        for column, wanted in enumerate(columns):
            selected[:, column] = indata[:, wanted]
        return selected

    def _count(self, frames: int, status: Any) -> None:
        now = perf_counter()
        late_s = now - self._called_s - self._period_s
        self.faults.worst_callback_s = max(self.faults.worst_callback_s, late_s)
        self._called_s, self._period_s = now, frames / self.sample_rate_hz
        self._largest_block = max(self._largest_block, frames)
        if status:
            self.faults.input_overflows += bool(status.input_overflow)
            self.faults.output_underflows += bool(status.output_underflow)


def _reason(error: Exception) -> str:
    """PortAudio's own words, and what usually helps."""
    text = str(error.args[0] if error.args else error).strip()
    lowered = text.lower()
    if "unavailable" in lowered or "busy" in lowered:
        return f"{text} (does another program use it?)"
    if "channel" in lowered:
        return f"{text} (`stemlive devices` shows how many it has)"
    return text
