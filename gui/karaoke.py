"""The settings of the karaoke corner, as a value."""

import math
from dataclasses import dataclass
from typing import Any, Self

from stemlive.realtime.control.controls import Controls
from stemlive.realtime.dsp.key_change import MOST_SEMITONES
from stemlive.realtime.separation.mixer import MAX_GAIN_DB

OFF = ""


@dataclass(frozen=True)
class Karaoke:
    """The microphone's device (`OFF` for none), gain and reverberation (0 to 1), and the music's key change."""

    device: str = OFF
    gain_db: float = 0.0
    reverb: float = 0.2
    semitones: int = 0

    @property
    def used(self) -> bool:
        """Whether a microphone or a key change is on."""
        return self.device != OFF or self.semitones != 0

    def write_to(self, controls: Controls) -> None:
        """Apply the settings to the engine. StemliveError for a key change that this machine cannot make."""
        controls.set_microphone_gain_db(self.gain_db)
        controls.set_microphone_reverb(self.reverb)
        controls.set_semitones(self.semitones)

    def to_json(self) -> list[Any]:
        """Return the settings as JSON values; -inf becomes null."""
        return [self.device, None if self.gain_db == -math.inf else self.gain_db, self.reverb, self.semitones]

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Return the settings that `to_json` has written. ValueError or TypeError for anything else."""
        device, gain_db, reverb, semitones = value
        karaoke = cls(str(device), -math.inf if gain_db is None else float(gain_db), float(reverb), int(semitones))
        in_range = karaoke.gain_db <= MAX_GAIN_DB and 0 <= karaoke.reverb <= 1
        if not (in_range and abs(karaoke.semitones) <= MOST_SEMITONES):
            raise ValueError(value)
        return karaoke
