"""The guide: the voice of the song at a low level, which steps back while the singer sings."""

import math

import numpy as np
from numpy.typing import NDArray

from stemlive.realtime.shared.memory import EngineMemory

VOICE = "vocals"
_SILENT_DB, _SUNG_DB = -48.0, -34.0
"""Level of the microphone at which the guide begins to step back, and at which it is all the way back."""
_BACK_DB = -24.0
_BACK_S, _FORTH_S = 0.06, 0.7
"""Time constants: a singer is at once alone, and a breath does not bring the guide back."""


class Guide:
    """Raises the gain of the voice to that of the guide, where it is lower. For the engine's thread.

    It follows the microphone's level after its fader. Without a microphone it stays.
    """

    def __init__(self, memory: EngineMemory, stems: tuple[str, ...], hop_s: float) -> None:
        self._memory = memory
        self._voice = stems.index(VOICE) if VOICE in stems else None
        self._back, self._forth = (1 - math.exp(-hop_s / time_s) for time_s in (_BACK_S, _FORTH_S))
        self._share = 0.0

    def follow(self) -> None:
        """Move towards where the microphone's level sends it: once per hop."""
        rms = float(self._memory.telemetry["microphone_rms"])
        level_db = 20 * math.log10(rms) if rms > 0 else -math.inf
        wanted = min(1.0, max(0.0, (level_db - _SILENT_DB) / (_SUNG_DB - _SILENT_DB)))
        self._share += (self._back if wanted > self._share else self._forth) * (wanted - self._share)

    def raise_in(self, gains: NDArray[np.float32]) -> None:
        """Raise the voice in linear gains [S], before the master's."""
        guide = float(self._memory.parameters["guide"])
        if guide and self._voice is not None:
            gains[self._voice] = max(float(gains[self._voice]), guide * 10 ** (_BACK_DB * self._share / 20))
