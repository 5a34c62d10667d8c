"""The settings of the karaoke corner, as a value."""

import math
from dataclasses import dataclass
from typing import Any, Self

from stemlive.errors import StemliveError
from stemlive.realtime.control.controls import Controls
from stemlive.realtime.dsp.key_change import MOST_SEMITONES, check_key_change
from stemlive.realtime.separation.mixer import MAX_GAIN_DB

OFF = ""


def keys_change() -> bool:
    """Whether this machine can change keys and tempos."""
    try:
        check_key_change()
    except StemliveError:
        return False
    return True


@dataclass(frozen=True)
class Karaoke:
    """The microphone's device (`OFF` for none), gain and reverberation (0 to 1), and the music's key change."""

    device: str = OFF
    gain_db: float = 0.0
    reverb: float = 0.2
    semitones: int = 0
    channels: tuple[int, ...] = (1,)
    """Of the microphone's device, from 1 on: one, or two for the left and the right."""

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
        gain_db = None if self.gain_db == -math.inf else self.gain_db
        return [self.device, gain_db, self.reverb, self.semitones, list(self.channels)]

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Return the settings that `to_json` has written. ValueError or TypeError for anything else."""
        device, gain_db, reverb, semitones, *more = value  # older settings have no channels
        channels = tuple(int(channel) for channel in (more[0] if more else (1,)))
        gain_db = -math.inf if gain_db is None else float(gain_db)
        karaoke = cls(str(device), gain_db, float(reverb), int(semitones), channels)
        in_range = karaoke.gain_db <= MAX_GAIN_DB and 0 <= karaoke.reverb <= 1
        has_channels = len(channels) in (1, 2) and min(channels) > 0
        if not (in_range and has_channels and abs(karaoke.semitones) <= MOST_SEMITONES):
            raise ValueError(value)
        return karaoke
