"""Reverberation for a microphone: a feedback delay network of eight lines, computed a block at a time.

The network (Jot and Chaigne, 1991) has a lossless Householder matrix. The decay comes from each line's gain, chosen
for the reverberation time, and from a two-tap low-pass, so that high frequencies decay sooner. All lines are longer
than the piece that is computed at once, so no sample depends on another of the same piece.
"""

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]

_DELAYS_MS = (29.7, 37.1, 41.1, 43.7, 53.3, 59.9, 67.7, 73.1)
_DECAY_S = 1.6
"""Time in which low frequencies fall by 60 dB."""
_BRIGHTNESS = 0.7
_LEVEL = 0.35
_PIECE = 128
_DENORMAL = np.float32(1e-20)
"""An offset of -400 dB that keeps the lines from denormal numbers, which are slow."""


class Reverb:
    """Mono in, stereo reverberation out, without the dry sound. For one thread; allocates only in the constructor.

    One matrix combines gains, low-pass, feedback and output, so that a piece costs one gather and one matrix product.
    """

    def __init__(self, sample_rate_hz: int) -> None:
        delays = np.array([round(ms * sample_rate_hz / 1000) for ms in _DELAYS_MS])
        lines = len(delays)
        self._piece = min(_PIECE, int(delays.min()) - 1)
        size = 1 << int(delays.max() + self._piece + 1).bit_length()
        self._mask = size - 1
        self._memory = np.zeros((lines, size), np.float32)
        self._position = 0
        # The output of each line, then the same one sample earlier, for the low-pass.
        reach = np.concatenate([-delays, -delays - 1])[:, None] + np.arange(self._piece)
        self._reach = reach.reshape(-1)
        self._starts = np.repeat(np.tile(np.arange(lines) * size, 2), self._piece)
        self._places = np.zeros(len(self._reach), np.intp)
        self._state = np.zeros((2 * lines + 1, self._piece), np.float32)
        self._made = np.zeros((lines + 2, self._piece), np.float32)
        gains = 10 ** (-3 * delays / (_DECAY_S * sample_rate_hz))
        damped = np.hstack([np.diag(gains * _BRIGHTNESS), np.diag(gains * (1 - _BRIGHTNESS))])
        householder = np.eye(lines) - 2 / lines
        signs = _LEVEL * np.array([1, 1, -1, 1, 1, -1, -1, -1])
        sides = np.stack([np.where(np.arange(lines) % 2 == side, signs, 0) for side in range(2)])
        matrix = np.zeros((lines + 2, 2 * lines + 1), np.float32)
        matrix[:lines, :-1] = householder @ damped
        matrix[:lines, -1] = 1
        matrix[lines:, :-1] = sides @ damped
        self._matrix = matrix

    def add_to(self, sound: FloatArray, out: FloatArray) -> None:
        """Add the reverberation of `sound` [n] to `out` [n, 2]."""
        for first in range(0, len(sound), self._piece):
            self._add(sound[first : first + self._piece], out[first : first + self._piece])

    def _add(self, sound: FloatArray, out: FloatArray) -> None:
        """Compute a whole piece, and use as much of it as `sound` is long."""
        count, lines, state, made = len(sound), len(self._memory), self._state, self._made
        places = self._places
        np.add(self._reach, self._position, out=places)
        np.bitwise_and(places, self._mask, out=places)
        np.add(places, self._starts, out=places)
        self._memory.reshape(-1).take(places, out=state[:-1].reshape(-1), mode="clip")
        np.add(sound, _DENORMAL, out=state[-1, :count])
        np.matmul(self._matrix, state, out=made)
        for side in range(2):
            np.add(out[:, side], made[lines + side, :count], out=out[:, side])
        first = self._position & self._mask
        fitting = min(count, self._mask + 1 - first)
        self._memory[:, first : first + fitting] = made[:lines, :fitting]
        self._memory[:, : count - fitting] = made[:lines, fitting:count]
        self._position += count
