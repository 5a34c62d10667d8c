"""The mix as values: one channel per stem, and the master. Independent of widgets and of the engine's process."""

import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from stemlive.errors import UsageError
from stemlive.realtime.control.controls import Controls
from stemlive.realtime.control.cue import StemControls
from stemlive.realtime.separation.mixer import MAX_GAIN_DB, Mixer


@dataclass(frozen=True)
class Channel:
    """A stem's gain in dB, pan from -1 (left) to 1 (right), mute and solo."""

    gain_db: float = 0.0
    pan: float = 0.0
    mute: bool = False
    solo: bool = False


@dataclass(frozen=True)
class Mix:
    """Channels by stem, in the model's order, and the master's gain."""

    channels: tuple[tuple[str, Channel], ...]
    master_db: float = 0.0

    @classmethod
    def of(cls, stems: Iterable[str]) -> Self:
        """Return a mix with all faders at 0 dB."""
        return cls(tuple((stem, Channel()) for stem in stems))

    @property
    def stems(self) -> tuple[str, ...]:
        """Names of the stems."""
        return tuple(stem for stem, _ in self.channels)

    def channel(self, stem: str) -> Channel:
        """Return one channel; KeyError for an unknown stem."""
        return dict(self.channels)[stem]

    def change(self, stem: str, **changes: Any) -> "Mix":
        """Return the mix with some values of one channel changed."""
        return replace(
            self, channels=tuple((name, replace(c, **changes) if name == stem else c) for name, c in self.channels)
        )

    def heard(self, stem: str) -> bool:
        """Whether a stem is heard, by all mutes and solos."""
        channel, solos = self.channel(stem), any(c.solo for _, c in self.channels)
        return not channel.mute and (channel.solo or not solos)

    def solo(self, stem: str, on: bool, *, alone: bool) -> "Mix":
        """Return the mix with a stem's solo on or off; with `alone`, all other solos off."""
        return replace(
            self,
            channels=tuple(
                (name, replace(c, solo=on if name == stem else c.solo and not alone)) for name, c in self.channels
            ),
        )

    def preset(self, name: str) -> "Mix":
        """Return the mix with a preset of `mixer.PRESETS` applied; pans and master stay. UsageError as in Mixer."""
        mixer = Mixer(self.stems)
        mixer.apply_preset(name)
        return replace(
            self,
            channels=tuple((stem, Channel(pan=c.pan, mute=stem in mixer.muted)) for stem, c in self.channels),
        )

    def for_stems(self, stems: Iterable[str]) -> "Mix":
        """Return the mix for another model: channels of common stems stay, new ones are at 0 dB."""
        known = dict(self.channels)
        return replace(self, channels=tuple((stem, known.get(stem, Channel())) for stem in stems))

    def to_json(self) -> dict[str, Any]:
        """Return the mix as JSON values; -inf becomes null."""

        def plain(gain_db: float) -> float | None:
            return None if gain_db == -math.inf else gain_db

        channels = {stem: asdict(c) | {"gain_db": plain(c.gain_db)} for stem, c in self.channels}
        return {"channels": channels, "master_db": plain(self.master_db)}

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Return the mix that `to_json` has written. UsageError for anything else."""
        try:
            channels = tuple((str(stem), _channel(fields)) for stem, fields in value["channels"].items())
            return cls(channels, _gain_db(value["master_db"]))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UsageError(f"this is not a mix: {json.dumps(value)[:80]}") from error

    def write_to(self, controls: StemControls) -> None:
        """Apply the mix to the engine, or to its cue, which has no pans and no master; change only what differs."""
        gains_db = controls.gains_db
        for stem, channel in self.channels:
            if gains_db[stem] != channel.gain_db:
                controls.set_gain_db(stem, channel.gain_db)
            if (stem in controls.muted) != channel.mute:
                controls.mute(stem, channel.mute)
            if (stem in controls.soloed) != channel.solo:
                controls.solo(stem, channel.solo)
        if isinstance(controls, Controls):
            for stem, channel in self.channels:
                if controls.pans[stem] != channel.pan:
                    controls.set_pan(stem, channel.pan)
            if controls.master_db != self.master_db:
                controls.set_master_db(self.master_db)

    @classmethod
    def read_from(cls, controls: StemControls) -> Self:
        """Return the engine's current mix, or cue, whoever has set it."""
        pans, master_db = (controls.pans, controls.master_db) if isinstance(controls, Controls) else ({}, 0.0)
        gains_db, muted, soloed = controls.gains_db, controls.muted, controls.soloed
        channels = (
            (stem, Channel(gain_db, pans.get(stem, 0.0), stem in muted, stem in soloed))
            for stem, gain_db in gains_db.items()
        )
        return cls(tuple(channels), master_db)


@dataclass(frozen=True)
class Desk:
    """The mix that is heard, the other one of an A/B comparison, and the cue; `letter` is A or B, of the one heard."""

    mix: Mix
    other: Mix
    cue: Mix
    letter: str = "A"

    def for_stems(self, stems: Iterable[str]) -> "Desk":
        """Return the desk for another model, as `Mix.for_stems`."""
        names = tuple(stems)
        return Desk(self.mix.for_stems(names), self.other.for_stems(names), self.cue.for_stems(names), self.letter)

    def write_to(self, controls: Controls) -> None:
        """Apply the mix that is heard, and the cue."""
        self.mix.write_to(controls)
        self.cue.write_to(controls.cue)


def _channel(fields: Any) -> Channel:
    pan = float(fields["pan"])
    if not -1 <= pan <= 1:
        raise ValueError(pan)
    return Channel(_gain_db(fields["gain_db"]), pan, bool(fields["mute"]), bool(fields["solo"]))


def _gain_db(value: Any) -> float:
    gain_db = -math.inf if value is None else float(value)
    if not gain_db <= MAX_GAIN_DB:
        raise ValueError(gain_db)
    return gain_db
