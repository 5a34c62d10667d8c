"""Follow another device's clock: resample by a ratio that keeps the queue between the two at its planned length."""

import math
from collections import deque
from collections.abc import Callable
from time import perf_counter

import numpy as np
import samplerate
from numpy.typing import NDArray

from stemlive.realtime.devices.device import RingSource
from stemlive.realtime.devices.ring import InputRing
from stemlive.realtime.dsp.resample import Resampling

FloatArray = NDArray[np.float32]

_CONVERTER = "sinc_medium"
_PIECE_S = 64 / 48000
_LARGEST_SHIFT = 2e-3
"""3.5 cents: far more than any crystal's error, and hardly audible."""
_SPEED_HZ = 0.05
"""Bandwidth of the control loop: slow enough that the pitch does not wobble."""
_SMOOTHING_S = 0.7
_LISTENING_S = 1.0


class DriftSource:
    """The input of a device with its own clock, resampled to the output's clock.

    A critically damped PI controller acts on the surplus of queued samples, averaged over time because both devices
    count in blocks. Samples buffered here add no delay: each has its place in the output, accurate to within a block
    of either device, depending on how their blocks align at the start. `clock` returns seconds. Allocates, for
    libsamplerate's binding offers no other way.
    """

    def __init__(
        self, ring: InputRing, ratio: float, output_rate_hz: int, clock: Callable[[], float] = perf_counter
    ) -> None:
        """`ratio` is output samples per input sample, by the devices' nominal rates."""
        self._source = RingSource(ring)
        self.channels = self._source.channels
        self._nominal = self._ratio = ratio
        resampling = Resampling(round(output_rate_hz / ratio), output_rate_hz)
        self._piece = max(8, round(_PIECE_S * resampling.from_hz))
        # The library must never ask in vain: an empty block would end its stream. At first it asks for as much as its
        # filter looks ahead, later for one piece more than it needs for the next half piece.
        self._needed = resampling.ahead_samples + 2 * self._piece
        self.held_samples = math.ceil((resampling.ahead_samples + 3.5 * self._piece) * ratio)
        """Most samples that have come in and cannot be read yet, at the output's rate."""
        self._output_rate_hz = output_rate_hz
        self._clock = clock
        self._pieces = pieces = deque[FloatArray]()
        nothing = np.zeros((0, self.channels), np.float32)
        self._library = samplerate.CallbackResampler(
            lambda: pieces.popleft() if pieces else nothing, ratio, _CONVERTER, self.channels
        )
        self._ready = deque[FloatArray]()
        self._ready_samples = 0
        self._offset = 0
        self._seen_s: float | None = None
        self._surplus = 0.0
        self._integral = 0.0
        self._normal = self._seen_total_s = 0.0
        self.drift_ppm = 0.0
        """How much faster the input's clock runs than the output's, relative to nominal, as measured so far."""

    def available(self) -> int:
        """Resample what has come in; return how many samples can be read."""
        while self._source.available() >= self._piece:
            piece = np.empty((self._piece, self.channels), np.float32)
            self._source.read(piece)
            self._pieces.append(piece)
            while len(self._pieces) * self._piece >= self._needed:
                made = self._library.read(max(1, int(self._piece / 2 * self._ratio)))
                self._needed = 2 * self._piece
                self._ready.append(made)
                self._ready_samples += len(made)
        return self._ready_samples

    def read(self, out: FloatArray) -> None:
        """Read the next samples into `out` [n, C]."""
        filled = 0
        while filled < len(out):
            part = self._ready[0][self._offset : self._offset + len(out) - filled]
            out[filled : filled + len(part)] = part
            filled += len(part)
            self._offset += len(part)
            if self._offset == len(self._ready[0]):
                self._ready.popleft()
                self._offset = 0
        self._ready_samples -= len(out)

    def lost(self) -> int:
        """Return how many samples were lost since the last call, in the output's clock."""
        return round(self._source.lost() * self._ratio)

    def drop(self) -> int:
        """Discard what is buffered; return how many samples that was, in the input's clock."""
        return self._source.drop()

    def steer(self, surplus: int) -> None:
        """Adjust the ratio to bring the surplus towards zero."""
        now = self._clock()
        if self._seen_s is None:
            self._seen_s = now
            return
        seconds, self._seen_s = min(now - self._seen_s, 0.1), now
        waiting = (self._source.available() + len(self._pieces) * self._piece) * self._ratio + self._ready_samples
        excess = surplus + waiting
        if self._seen_total_s < _LISTENING_S:
            # How the two devices' blocks interleave differs from run to run: take the first second's mean as normal.
            self._seen_total_s += seconds
            self._normal += seconds / self._seen_total_s * (excess - self._normal)
            return
        excess -= self._normal
        self._surplus += min(1.0, seconds / _SMOOTHING_S) * (excess - self._surplus)
        speed = 2 * np.pi * _SPEED_HZ
        rate = self._output_rate_hz
        self._integral -= speed**2 * self._surplus / rate * seconds
        shift = self._integral - 2 * speed * self._surplus / rate
        self._ratio = self._nominal * (1 + min(_LARGEST_SHIFT, max(-_LARGEST_SHIFT, shift)))
        self._library.ratio = self._ratio
        self.drift_ppm = 1e6 * (self._nominal / self._ratio - 1)
