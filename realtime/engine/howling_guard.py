"""Turns a microphone down while it howls, on a thread beside the sound, and up again to where it did not."""

import math
import threading

import numpy as np
from numpy.typing import NDArray

from stemlive.guarded_thread import GuardedThread
from stemlive.realtime.engine.howling import HowlFinder
from stemlive.realtime.shared.heartbeat import LIMIT_S
from stemlive.realtime.shared.memory import EngineMemory, decibels

FloatArray = NDArray[np.float32]

_RING = 1 << 16
_POLL_S = 0.02
_STEP_DB, _LOWEST_DB, _MARGIN_DB = 6.0, -48.0, 3.0
_AGAIN_S = 0.12
"""A frame and a half: by then it is seen whether the tone falls."""
_FALLING_DB, _GONE_DB, _SILENT_DB = 0.4, 30.0, -60.0
"""A tone falls if it is so much lower than two hops before, and is gone so far below its loudest, or at that level."""
_QUIET_S, _RISE_DB_PER_S = 3.0, 1.0
_TOLD_S = 8.0


class HowlingGuard:
    """`gain` is for the microphone. `hear` is for the thread of the sound, and allocates nothing; `step` for another.

    Each howl is turned down by steps of 6 dB until it falls. After 3 s without, the gain rises by 1 dB per second to
    3 dB below where it howled last; who moves the fader up moves that, too.
    """

    def __init__(self, memory: EngineMemory, sample_rate_hz: int) -> None:
        self._memory, self._finder = memory, HowlFinder(sample_rate_hz)
        self._ring = np.zeros(_RING, np.float32)
        self._written = self._looked = 0
        self._frame = np.zeros(self._finder.frame, np.float32)
        self.gain = 1.0
        self._guard_db = 0.0
        self._most_db = math.inf
        """Fader and guard together may be so loud."""
        self._fader_db = decibels(float(memory.parameters["microphone_gain"]))
        self._hz = self._told_hz = self._loudest_db = 0.0
        self._levels_db = [0.0] * 3
        self._turned_s = self._quiet_s = math.inf
        """Time since the last step, and since the last howl."""
        self._closing = threading.Event()
        self._thread = GuardedThread("stemlive howling", self._run)

    @property
    def trouble(self) -> str:
        """What to tell while it howls, and for some seconds after; empty otherwise."""
        if self._quiet_s > _TOLD_S:
            return ""
        hz = f"{self._told_hz / 1000:.1f} kHz" if self._told_hz >= 1000 else f"{self._told_hz:.0f} Hz"
        return f"the microphone howls at {hz} and is turned down: move it away from the loudspeakers, or turn it down"

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self) -> None:
        """Stop the thread, if it was started."""
        self._closing.set()
        self._thread.end(LIMIT_S)

    def hear(self, block: FloatArray) -> None:
        """Take a block [n] of the microphone, before its gain."""
        at, count = self._written % _RING, len(block)
        first = min(count, _RING - at)
        self._ring[at : at + first] = block[:first]
        self._ring[: count - first] = block[first:]
        self._written += count

    def step(self) -> None:
        """Look at what has come in since the last call."""
        finder = self._finder
        self._looked = max(self._looked, self._written - _RING // 2)
        while self._written - self._looked >= finder.frame:
            at = self._looked % _RING
            first = min(finder.frame, _RING - at)
            self._frame[:first] = self._ring[at : at + first]
            self._frame[first:] = self._ring[: finder.frame - first]
            finder.look(self._frame)
            self._looked += finder.hop
            self._judge()
        telemetry = self._memory.telemetry
        telemetry["microphone_guard_db"], telemetry["microphone_howl_hz"] = self._guard_db, self._told_hz

    def _judge(self) -> None:
        """Turn down, wait or turn up, after each frame."""
        parameters, hop_s = self._memory.parameters, self._finder.hop_s
        fader_db = decibels(float(parameters["microphone_gain"]))
        if fader_db > self._fader_db > -math.inf:
            self._most_db += fader_db - self._fader_db
        self._fader_db = fader_db
        self._turned_s += hop_s
        self._quiet_s += hop_s
        if not parameters["howling_guard"] or fader_db == -math.inf:
            self._hz, self._guard_db, self._most_db = 0.0, 0.0, math.inf
        elif self._hz:
            self._follow()
        elif hz := self._finder.howl_hz:
            self._hz = self._told_hz = hz
            self._loudest_db = _SILENT_DB
            self._memory.telemetry["microphone_howls"] += 1
            self._turn_down()
        elif self._quiet_s > _QUIET_S:
            most_db = min(0.0, self._most_db - fader_db)
            self._guard_db = max(self._guard_db, min(most_db, self._guard_db + _RISE_DB_PER_S * hop_s))
        self.gain = 10 ** (self._guard_db / 20)

    def _follow(self) -> None:
        """See whether the tone falls, and turn down further if it does not."""
        self._quiet_s = 0.0
        level_db = self._finder.level_db(self._hz)
        self._levels_db = [*self._levels_db[1:], level_db]
        self._loudest_db = max(self._loudest_db, level_db)
        if level_db < max(_SILENT_DB, self._loudest_db - _GONE_DB):
            self._hz = 0.0
            self._finder.forget()
        elif self._turned_s >= _AGAIN_S and level_db > self._levels_db[0] - _FALLING_DB:
            self._turn_down()

    def _turn_down(self) -> None:
        self._most_db = self._fader_db + self._guard_db - _MARGIN_DB
        self._guard_db = max(_LOWEST_DB, self._guard_db - _STEP_DB)
        self._turned_s = self._quiet_s = 0.0

    def _run(self) -> None:
        while not self._closing.wait(_POLL_S):
            self.step()
