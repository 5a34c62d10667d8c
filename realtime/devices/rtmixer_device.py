"""A device with a callback in C."""

from typing import Any

import numpy as np

from stemlive.realtime.devices.portaudio import RING_S, PortAudioDevice, StreamRequest
from stemlive.realtime.devices.ring import PortAudioInputRing, PortAudioOutputRing

_LONG_AGO_S = -1e6
"""Start time of the ring buffers, for rtmixer. JACK's clock restarts with a stream, and the first input block may lie
before its zero: a start at 0 would then fall within that block, and input and output would not line up."""


class RtmixerDevice(PortAudioDevice):
    """A device with rtmixer's callback, which is written in C and never waits for Python."""

    def __init__(self, request: StreamRequest) -> None:
        import rtmixer

        kind, arguments = request.stream_arguments()
        make = {"": rtmixer.MixerAndRecorder, "Input": rtmixer.Recorder, "Output": rtmixer.Mixer}[kind]
        super().__init__(request, lambda: make(**arguments))
        frames = request.output_ring_samples
        self._actions: list[Any] = []
        self._silence = np.zeros((1, max(1, request.output_channels)), np.float32)
        self._asked: tuple[Any, int] | None = None
        """A silent sample that was sent to be played, and the one of the output in whose place it is heard."""
        # Both are queued before the start, so that both begin in the first callback.
        if request.input_channels:
            ring = PortAudioInputRing(rtmixer.RingBuffer, request.input_ring_samples, len(request.input_channels))
            self._actions.append(self._stream.record_ringbuffer(ring.handle, request.input_channels, start=_LONG_AGO_S))
            self.input = ring
        if request.target is not None:
            played = PortAudioOutputRing(rtmixer.RingBuffer, frames, request.output_channels)
            self._actions.append(
                self._stream.play_ringbuffer(played.handle, request.output_channels, start=_LONG_AGO_S)
            )
            self.output = played
        if request.microphone_channels:
            microphone = PortAudioInputRing(rtmixer.RingBuffer, frames, len(request.microphone_channels))
            self._actions.append(self._stream.record_ringbuffer(microphone.handle, request.microphone_channels))
            self.microphone = microphone
        if request.microphone_output:
            added = PortAudioOutputRing(rtmixer.RingBuffer, frames, request.output_channels)
            self._actions.append(self._stream.play_ringbuffer(added.handle, request.output_channels))
            self.microphone_output = added

    @property
    def block_samples(self) -> int:
        """The largest block so far."""
        return int(max(action.stats.max_blocksize for action in self._actions))

    def _played_at(self) -> tuple[int, float] | None:
        assert self.output is not None
        asked, self._asked = self._asked, None
        if asked is None:
            before = self.output.read
            action = self._stream.play_buffer(self._silence, self._silence.shape[1])
            if self.output.read == before:  # else it is not known which block it is in
                self._asked = action, before
            return None
        if asked[0] in self._stream.actions:
            self._asked = asked
            return None
        return asked[1], float(asked[0].actual_time)

    def refresh(self) -> None:
        """Read the callback's fault counts, and detect a lost device."""
        self.faults.input_overflows = int(self._actions[0].stats.input_overflows)
        self.faults.output_underflows = int(self._actions[0].stats.output_underflows)
        super().refresh()
        if len(self._stream.actions) < len(self._actions) and not self._closed and not self._problem:
            # An action ends when its ring is full or empty: the engine has not run for a second or more.
            self._problem = f"{self._label} was not served for {RING_S:g} s"
