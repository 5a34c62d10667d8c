"""The microphone, mixed in after the separation so that it does not wait for the model.

In a Python callback it is added to the output of the same block: its latency is the device's own. Behind a C callback,
or when the microphone has a clock of its own, a thread copies it to an output ring, one block later.
"""

import threading

import numpy as np
from numpy.typing import NDArray

from stemlive.guarded_thread import GuardedThread
from stemlive.realtime.dsp.meters import LevelMeter
from stemlive.realtime.dsp.reverb import Reverb
from stemlive.realtime.engine.howling_guard import HowlingGuard
from stemlive.realtime.engine.playout import Playout
from stemlive.realtime.engine.worker import Source
from stemlive.realtime.separation.analysis_path import clean
from stemlive.realtime.shared.heartbeat import LIMIT_S
from stemlive.realtime.shared.memory import EngineMemory
from stemlive.realtime.shared.priority import raise_priority

FloatArray = NDArray[np.float32]

LONGEST_MICROPHONE_BLOCK = 8192
_TURNING_S = 0.05
"""Time that the guard takes from full to none."""
_PRIORITY = 11
"""Above the engine's thread: the deadline is shorter, and the work is less."""


class MicrophoneStrip:
    """Applies the gain and the reverberation that the shared memory holds. For one thread; allocates nothing."""

    def __init__(self, memory: EngineMemory, sample_rate_hz: int, *, places: tuple[tuple[int, ...], ...]) -> None:
        """`places` are where it is heard: one or two output channels, counted from 1."""
        self._memory = memory
        self._reverb = Reverb(sample_rate_hz)
        self._ramp = (np.arange(1, LONGEST_MICROPHONE_BLOCK + 1) / LONGEST_MICROPHONE_BLOCK).astype(np.float32)
        self._gain = np.zeros(LONGEST_MICROPHONE_BLOCK, np.float32)
        self._side = np.zeros(LONGEST_MICROPHONE_BLOCK, np.float32)
        self._mono = np.zeros(LONGEST_MICROPHONE_BLOCK, np.float32)
        self._wet = np.zeros((LONGEST_MICROPHONE_BLOCK, 2), np.float32)
        self._level = LevelMeter(sample_rate_hz, LONGEST_MICROPHONE_BLOCK, 1)
        self._places = places
        self.guard = HowlingGuard(memory, sample_rate_hz)
        """Turns it down when it howls, once it is started."""
        self._guarded, self._steepest = 1.0, 1 / (_TURNING_S * sample_rate_hz)
        self._last_gain = float(memory.parameters["microphone_gain"])
        self._last_amount = float(memory.parameters["microphone_reverb"])
        self._sounding = 0

    def add_to(self, block: FloatArray, out: FloatArray) -> None:
        """Add a microphone block [n, 1 or 2] to `out` [n, D]; n is at most `LONGEST_MICROPHONE_BLOCK`.

        Samples that are NaN, infinite or far too loud are replaced in `block` itself.
        """
        count = len(block)
        clean(block)  # a NaN would never leave the reverberation
        parameters, telemetry = self._memory.parameters, self._memory.telemetry
        most = self._steepest * count
        self._guarded += min(most, max(-most, self.guard.gain - self._guarded))
        wanted = float(parameters["microphone_gain"]) * self._guarded
        gain = self._towards(self._last_gain, wanted, count)
        self._last_gain = wanted
        self.guard.hear(block[:, 0])
        side, mono = self._side[:count], self._mono[:count]
        mono[:] = 0
        for channel in range(block.shape[1]):
            np.multiply(block[:, channel], gain, out=side)
            mono += side
            for place in self._places:
                if block.shape[1] == len(place):
                    out[:, place[channel] - 1] += side
        if block.shape[1] > 1:
            mono *= np.float32(1 / block.shape[1])
        for place in self._places:
            if block.shape[1] != len(place):
                for to in place:
                    out[:, to - 1] += mono
        self._level.write(mono[:, None])
        telemetry["microphone_peak"], telemetry["microphone_rms"] = self._level.peak, self._level.rms
        self._add_reverb(mono, out, float(parameters["microphone_reverb"]))

    def _add_reverb(self, mono: FloatArray, out: FloatArray, amount: float) -> None:
        before, self._last_amount = self._last_amount, amount
        if before == amount == 0:
            return
        count = len(mono)
        wet = self._wet[:count]
        wet[:] = 0
        self._reverb.add_to(mono, wet)
        weight = self._towards(before, amount, count)
        for channel in range(2):
            wet[:, channel] *= weight
            for place in self._places:
                out[:, place[min(channel, len(place) - 1)] - 1] += wet[:, channel]

    def _towards(self, before: float, after: float, count: int) -> FloatArray:
        """Return a ramp [n] from one value to another."""
        ramp = self._gain[:count]
        step = LONGEST_MICROPHONE_BLOCK // max(1, count)
        # Subsample one long ramp; it stops just short of `after`, where the next block starts.
        np.multiply(self._ramp[: count * step : step], np.float32(after - before), out=ramp)
        ramp += np.float32(before)
        return ramp


class MicrophoneWorker:
    """Copies the microphone to its own output ring, on its own thread.

    Microphone sample k becomes output sample `base` + k + `inside_samples`; on one device `base` is 0. The device adds
    the ring of `playout` to that of the music.
    """

    def __init__(
        self,
        strip: MicrophoneStrip,
        source: Source,
        playout: Playout,
        memory: EngineMemory,
        *,
        inside_samples: int,
        one_clock: bool,
    ) -> None:
        self._strip, self._source, self._playout, self._memory = strip, source, playout, memory
        self._inside, self._one_clock = inside_samples, one_clock
        self._position = 0
        self._block = np.zeros((LONGEST_MICROPHONE_BLOCK // 4, source.channels), np.float32)
        self._out = np.zeros((LONGEST_MICROPHONE_BLOCK // 4, playout.channels), np.float32)
        self._closing = threading.Event()
        self._thread = GuardedThread("stemlive microphone", self._run)

    @property
    def problem(self) -> str:
        """Why the microphone has stopped; empty while it works."""
        return self._thread.problem

    def start(self, poll_s: float) -> None:
        """Start the thread, which polls for input every `poll_s` seconds."""
        self._poll_s = poll_s
        self._thread.start()

    def begin(self) -> None:
        """Start with the next sample of the microphone, as the thread does before its first step."""
        dropped = self._source.drop()
        self._position = (dropped if self._one_clock else self._playout.read) + self._inside
        self._playout.dry.begin(self._position)

    def step(self) -> bool:
        """Copy what has come in; return whether there was anything. The thread calls it in a loop."""
        source, playout = self._source, self._playout
        playout.refresh()
        lost = source.lost()
        if lost:
            self._position += lost
            playout.dry.leave()
        source.steer(self._position - playout.read - self._inside)
        count = min(source.available(), len(self._block), playout.end - self._position)
        if count <= 0:
            return False
        block, out = self._block[:count], self._out[:count]
        source.read(block)
        out[:] = 0
        self._strip.add_to(block, out)
        if not playout.dry.write(self._position, out):
            self._memory.telemetry["microphone_late"] += 1
        self._position += count
        return True

    def close(self) -> None:
        """Stop the thread."""
        self._closing.set()
        self._thread.end(LIMIT_S)

    def _run(self) -> None:
        raise_priority(_PRIORITY)
        self.begin()
        while not self._closing.is_set():
            if not self.step():
                self._closing.wait(self._poll_s)
