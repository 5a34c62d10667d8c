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
    guide_db: float = -math.inf
    """The voice of the song is heard at this gain at least, until somebody sings; -inf is off."""
    howling_guard: bool = True
    """Whether a microphone that howls is turned down."""

    @property
    def used(self) -> bool:
        """Whether a microphone, a key change or the guide is on."""
        return self.device != OFF or self.semitones != 0 or self.guide_db > -math.inf

    def write_to(self, controls: Controls) -> None:
        """Apply the settings to the engine. StemliveError for a key change that this machine cannot make."""
        controls.set_microphone_gain_db(self.gain_db)
        controls.set_microphone_reverb(self.reverb)
        controls.set_semitones(self.semitones)
        controls.set_guide_db(self.guide_db)
        controls.set_howling_guard(self.howling_guard)

    def to_json(self) -> list[Any]:
        """Return the settings as JSON values; -inf becomes null."""
        gain_db, guide_db = (None if value == -math.inf else value for value in (self.gain_db, self.guide_db))
        return [
            *(self.device, gain_db, self.reverb, self.semitones),
            *(list(self.channels), guide_db, self.howling_guard),
        ]

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Return the settings that `to_json` has written. ValueError or TypeError for anything else."""
        device, gain_db, reverb, semitones, *more = value  # older settings have no channels, guide, or guard
        channels = tuple(int(channel) for channel in (more[0] if more else (1,)))
        guide_db = more[1] if len(more) > 1 else None
        gains_db = (-math.inf if gain is None else float(gain) for gain in (gain_db, guide_db))
        guarded = bool(more[2]) if len(more) > 2 else True
        karaoke = cls(str(device), next(gains_db), float(reverb), int(semitones), channels, next(gains_db), guarded)
        in_range = karaoke.gain_db <= MAX_GAIN_DB and 0 <= karaoke.reverb <= 1 and karaoke.guide_db <= 0
        has_channels = len(channels) in (1, 2) and min(channels) > 0
        if not (in_range and has_channels and abs(karaoke.semitones) <= MOST_SEMITONES):
            raise ValueError(value)
        return karaoke
