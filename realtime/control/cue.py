"""Gains, mutes, solos and presets of stems, for any mix; and the cue mix, for headphones or a stage monitor."""

import threading
from abc import ABC, abstractmethod

from stemlive.realtime.separation.mixer import Mixer
from stemlive.realtime.shared.memory import EngineMemory


class StemControls(ABC):
    """A mixer whose every change is written to the engine's memory at once. For any thread except the engine's.

    All stems are heard at 0 dB until something else is asked for. UsageError as in `Mixer`.
    """

    def __init__(self, stems: tuple[str, ...], memory: EngineMemory) -> None:
        self._mixer = Mixer(stems)
        self._memory = memory
        self._lock = threading.Lock()

    @property
    def gains_db(self) -> dict[str, float]:
        """Fader positions in dB by stem."""
        return self._mixer.gains_db

    @property
    def muted(self) -> frozenset[str]:
        """Stems whose mute is on."""
        return self._mixer.muted

    @property
    def soloed(self) -> frozenset[str]:
        """Stems whose solo is on."""
        return self._mixer.soloed

    def set_gain_db(self, stem: str, gain_db: float) -> None:
        """Move a fader: -inf (off) to +12 dB."""
        with self._lock:
            self._mixer.set_gain_db(stem, gain_db)
            self.write()

    def mute(self, stem: str, on: bool = True) -> None:
        """Mute or unmute a stem."""
        with self._lock:
            self._mixer.mute(stem, on)
            self.write()

    def solo(self, stem: str, on: bool = True) -> None:
        """Solo a stem or not: while any is soloed, only soloed stems are heard."""
        with self._lock:
            self._mixer.solo(stem, on)
            self.write()

    def apply_preset(self, name: str) -> None:
        """Set faders, mutes and solos as `Mixer.apply_preset` does."""
        with self._lock:
            self._mixer.apply_preset(name)
            self.write()

    @abstractmethod
    def write(self) -> None:
        """Write all that is set to the memory."""


class CueControls(StemControls):
    """The cue mix."""

    def write(self) -> None:
        """Write all gains to the memory."""
        gains = self._mixer.gains()
        self._memory.parameters["cue_gains"][: len(gains)] = gains
