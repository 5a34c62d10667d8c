"""A small room around a voice: eight delay lines that feed back into each other, a block at a time.

A feedback delay network (Jot and Chaigne, 1991) with a Householder matrix, which loses no energy of its own: what is
lost is lost in each line's gain, chosen for the reverberation time, and in a two-tap low-pass, so that high
frequencies die sooner. All lines are longer than the piece that is computed at once, so no sample has to wait for
another of the same piece.
"""

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]

_DELAYS_MS = (29.7, 37.1, 41.1, 43.7, 53.3, 59.9, 67.7, 73.1)
_DECAY_S = 1.6
"""Time in which low frequencies fall by 60 dB."""
_BRIGHTNESS = 0.7
_LEVEL = 0.35
_PIECE = 256
_DENORMAL = np.float32(1e-20)
"""-400 dB that keep the lines off the numbers that processors are slow with."""


class Reverb:
    """Mono in, stereo reverberation out, without the dry sound. For one thread; allocates only when it is made."""

    def __init__(self, sample_rate_hz: int) -> None:
        delays = np.array([round(ms * sample_rate_hz / 1000) for ms in _DELAYS_MS])
        self._piece = min(_PIECE, int(delays.min()) - 2)
        size = 1 << int(delays.max() + self._piece + 1).bit_length()
        lines = len(delays)
        self._mask = size - 1
        self._memory = np.zeros((lines, size), np.float32)
        self._position = 0
        self._starts = (np.arange(lines) * size)[:, None]
        # One sample more on the left, for the low-pass.
        self._reach = np.arange(-1, self._piece)[None, :] - delays[:, None]
        self._places = np.zeros((lines, self._piece + 1), np.intp)
        self._late = np.zeros((lines, self._piece + 1), np.float32)
        self._damped = np.zeros((lines, self._piece), np.float32)
        self._other = np.zeros((lines, self._piece), np.float32)
        self._sum = np.zeros(self._piece, np.float32)
        gains = 10 ** (-3 * delays / (_DECAY_S * sample_rate_hz))
        self._now = (gains * _BRIGHTNESS).astype(np.float32)[:, None]
        self._before = (gains * (1 - _BRIGHTNESS)).astype(np.float32)[:, None]
        signs = np.array([1, 1, -1, 1, 1, -1, -1, -1], np.float32) * np.float32(_LEVEL)
        self._left = np.where(np.arange(lines) % 2 == 0, signs, 0).astype(np.float32)
        self._right = np.where(np.arange(lines) % 2 == 1, signs, 0).astype(np.float32)

    def add_to(self, sound: FloatArray, out: FloatArray) -> None:
        """Add the reverberation of `sound` [n] to `out` [n, 2]."""
        for first in range(0, len(sound), self._piece):
            self._add(sound[first : first + self._piece], out[first : first + self._piece])

    def _add(self, sound: FloatArray, out: FloatArray) -> None:
        count, size = len(sound), self._mask + 1
        places, late = self._places[:, : count + 1], self._late[:, : count + 1]
        np.add(self._reach[:, : count + 1], self._position, out=places)
        np.bitwise_and(places, self._mask, out=places)
        np.add(places, self._starts, out=places)
        np.take(self._memory.reshape(-1), places, out=late, mode="clip")
        damped, other, total = self._damped[:, :count], self._other[:, :count], self._sum[:count]
        np.multiply(late[:, 1:], self._now, out=damped)
        np.multiply(late[:, :-1], self._before, out=other)
        np.add(damped, other, out=damped)
        for side, weights in enumerate((self._left, self._right)):
            np.dot(weights, damped, out=total)
            np.add(out[:, side], total, out=out[:, side])
        np.add.reduce(damped, axis=0, out=total)
        np.multiply(total, np.float32(2 / len(damped)), out=total)
        np.subtract(damped, total, out=damped)
        np.add(damped, sound, out=damped)
        np.add(damped, _DENORMAL, out=damped)
        first = self._position & self._mask
        fitting = min(count, size - first)
        self._memory[:, first : first + fitting] = damped[:, :fitting]
        self._memory[:, : count - fitting] = damped[:, fitting:]
        self._position += count
