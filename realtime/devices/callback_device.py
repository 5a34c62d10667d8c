"""A device with a Python callback: for where rtmixer is missing, and for work inside the callback."""

import math
from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemlive.errors import StemliveError
from stemlive.guarded_thread import in_words
from stemlive.realtime.devices.catalogue import portaudio
from stemlive.realtime.devices.portaudio import PortAudioDevice, StreamRequest
from stemlive.realtime.devices.ring import PlainInputRing, PlainOutputRing

FloatArray = NDArray[np.float32]
_MOST_EXCEPTIONS, _WITHIN_S = 3, 60.0
Process = Callable[[FloatArray, FloatArray], None]
"""Called on the device's thread with the input [n, C] and the output [n, C] to fill or add to."""


class CallbackDevice(PortAudioDevice):
    """A device whose Python callback copies and counts or, with `process`, computes the output itself."""

    def __init__(
        self, request: StreamRequest, process: Process | None = None, mix_microphone: Process | None = None
    ) -> None:
        """`mix_microphone` adds the microphone to the output in the same block; if None, the microphone has a ring."""
        sounddevice = portaudio()
        kind, arguments = request.stream_arguments()
        callbacks: dict[str, tuple[Callable[..., None], int | None]]
        callbacks = {"": (self._duplex, 1), "Input": (self._record, None), "Output": (self._play, 0)}
        callback = self._guarded(*callbacks[kind])
        self._columns = [channel - 1 for channel in request.input_channels]
        self._microphone_columns = [channel - 1 for channel in request.microphone_channels]
        self._process, self._mix_microphone = process, mix_microphone
        stream = getattr(sounddevice, f"{kind}Stream")
        super().__init__(request, lambda: stream(dtype="float32", callback=callback, **arguments))
        self.faults.worst_callback_s = 0.0
        self._exceptions_s: list[float] = []
        self._error: Exception | None = None
        self._handed = self._largest_block = 0
        self._told: NDArray[np.float64] = np.zeros(2)
        """The first sample of a block of the output, and when it is heard by the stream's clock."""
        self._called_s = 0.0
        self._period_s = math.inf
        frames = request.output_ring_samples
        self._into = PlainInputRing(request.input_ring_samples, max(1, len(self._columns)))
        self._out = PlainOutputRing(frames, max(1, request.output_channels))
        self.input = self._into if self._columns else None
        self.output = self._out if request.target is not None else None
        self._selected = np.zeros((frames, max(1, len(self._columns))), np.float32)
        self._microphone_block = np.zeros((frames, max(1, len(self._microphone_columns))), np.float32)
        self._addend = np.zeros((frames, max(1, request.output_channels)), np.float32)
        columns = len(self._microphone_columns)
        self._microphone_input = PlainInputRing(frames, columns) if columns else None
        self._microphone_output = (
            PlainOutputRing(frames, request.output_channels) if request.microphone_output else None
        )
        self.microphone, self.microphone_output = self._microphone_input, self._microphone_output

    @property
    def block_samples(self) -> int:
        """The largest block so far."""
        return self._largest_block

    @property
    def error(self) -> Exception | None:
        """The exception behind `problem`: None, unless the callback failed again and again."""
        return self._error

    def _played_at(self) -> tuple[int, float] | None:
        sample, at_s = self._told
        return (int(sample), float(at_s)) if at_s else None

    # On the device's thread. Nothing here blocks, or allocates more than a view.

    def _guarded(self, callback: Callable[..., None], outdata_at: int | None) -> Callable[..., None]:
        """Wrap the callback: an exception gives a block of silence, and several in a minute end the device."""

        def call(*arguments: Any) -> None:
            try:
                callback(*arguments)
            except Exception as error:
                if outdata_at is not None:
                    arguments[outdata_at].fill(0)
                self._into.written = self._out.read = self._handed  # both rings stay in step
                self._keep(error)

        return call

    def _keep(self, error: Exception) -> None:
        now = perf_counter()
        self.faults.exception = in_words(error)
        self._exceptions_s = [then for then in self._exceptions_s if now - then < _WITHIN_S] + [now]
        if len(self._exceptions_s) >= _MOST_EXCEPTIONS and self._error is None:
            text = f"the audio callback failed {_MOST_EXCEPTIONS} times within a minute: {self.faults.exception}"
            self._error = StemliveError(text)
            self._problem = text

    def _duplex(self, indata: FloatArray, outdata: FloatArray, frames: int, time: Any, status: Any) -> None:
        self._count(frames, status)
        self._note(time)
        block = self._select(indata, self._columns, self._selected)
        if self._process is not None:
            self._process(block, outdata)
            self._out.read += frames
        else:
            if self._columns:
                self._into.write(block)
            self._out.take(outdata)
        self._add_microphone(outdata)
        self._take_microphone(indata, outdata)

    def _record(self, indata: FloatArray, frames: int, _: Any, status: Any) -> None:
        self._count(frames, status)
        if self._columns:
            self._into.write(self._select(indata, self._columns, self._selected))
        self._take_microphone(indata, None)

    def _play(self, outdata: FloatArray, frames: int, time: Any, status: Any) -> None:
        self._count(frames, status)
        self._note(time)
        self._out.take(outdata)
        self._add_microphone(outdata)

    def _add_microphone(self, outdata: FloatArray) -> None:
        if self._microphone_output is not None:
            addend = self._addend[: len(outdata)]
            self._microphone_output.take(addend)
            outdata += addend

    def _take_microphone(self, indata: FloatArray, outdata: FloatArray | None) -> None:
        if self._microphone_input is None:
            return
        block = self._select(indata, self._microphone_columns, self._microphone_block)
        if self._mix_microphone is not None and outdata is not None:
            self._mix_microphone(block, outdata)
        else:
            self._microphone_input.write(block)

    def _select(self, indata: FloatArray, columns: list[int], room: FloatArray) -> FloatArray:
        selected = room[: len(indata)]
        for column, wanted in enumerate(columns):
            selected[:, column] = indata[:, wanted]
        return selected

    def _note(self, time: Any) -> None:
        if self._measures:
            self._told[0], self._told[1] = self._out.read, time.outputBufferDacTime

    def _count(self, frames: int, status: Any) -> None:
        now = perf_counter()
        late_s = now - self._called_s - self._period_s
        self.faults.worst_callback_s = max(self.faults.worst_callback_s, late_s)
        self._called_s, self._period_s = now, frames / self.sample_rate_hz
        self._largest_block = max(self._largest_block, frames)
        self._handed += frames
        if status:
            self.faults.input_overflows += bool(status.input_overflow)
            self.faults.output_underflows += bool(status.output_underflow)
