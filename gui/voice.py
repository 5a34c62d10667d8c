"""How the microphone of the karaoke corner is set, as a value."""

import math
from dataclasses import dataclass
from typing import Any, Self

from stemlive.realtime.controls import Controls
from stemlive.realtime.mixer import MAX_GAIN_DB

OFF = ""


@dataclass(frozen=True)
class Voice:
    """The microphone's device (`OFF` for none), its gain, and its reverberation from 0 to 1."""

    device: str = OFF
    gain_db: float = 0.0
    reverb: float = 0.2

    def write_to(self, controls: Controls) -> None:
        """Make the engine sound like it."""
        controls.set_monitor_gain_db(self.gain_db)
        controls.set_monitor_reverb(self.reverb)

    def to_json(self) -> list[Any]:
        """Return what JSON can hold."""
        return [self.device, None if self.gain_db == -math.inf else self.gain_db, self.reverb]

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Return what `to_json` gave; ValueError or TypeError for anything else."""
        device, gain_db, reverb = value
        voice = cls(str(device), -math.inf if gain_db is None else float(gain_db), float(reverb))
        if not (voice.gain_db <= MAX_GAIN_DB and 0 <= voice.reverb <= 1):
            raise ValueError(value)
        return voice
