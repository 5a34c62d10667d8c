"""Faders, mutes and solos of the stems, and the linear gains that result."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from stemlive.errors import UsageError, did_you_mean

REST = "rest"
MAX_GAIN_DB = 12.0
STANDARD_STEMS = ("vocals", "drums", "bass", "other")
PRESETS: dict[str, frozenset[str]] = {
    "original": frozenset(STANDARD_STEMS),
    "karaoke": frozenset({"drums", "bass", "other"}),
    "acapella": frozenset({"vocals"}),
    "no-drums": frozenset({"vocals", "bass", "other"}),
    "no-bass": frozenset({"vocals", "drums", "other"}),
    "drums-and-bass": frozenset({"drums", "bass"}),
}
"""Preset name to the stems that are heard."""


class Mixer:
    """One fader in dB, one mute and one solo per stem.

    Not thread-safe: one thread owns it and passes on `gains()`. UsageError names the known stems and presets.
    """

    def __init__(self, stems: Iterable[str]) -> None:
        self.stems = tuple(stems)
        if not self.stems or len(set(self.stems)) != len(self.stems):
            raise UsageError(f"a mixer needs stems with different names, not {list(self.stems)}")
        self._gains_db = dict.fromkeys(self.stems, 0.0)
        self._muted: set[str] = set()
        self._soloed: set[str] = set()

    @property
    def gains_db(self) -> dict[str, float]:
        """Fader positions in dB by stem (a copy); mutes and solos do not move them."""
        return dict(self._gains_db)

    @property
    def muted(self) -> frozenset[str]:
        """Stems whose mute is on."""
        return frozenset(self._muted)

    @property
    def soloed(self) -> frozenset[str]:
        """Stems whose solo is on; when there are any, only these are heard."""
        return frozenset(self._soloed)

    def set_gain_db(self, stem: str, gain_db: float) -> None:
        """Move a fader: -inf (off) to +12 dB. UsageError outside."""
        self._check(stem)
        if not gain_db <= MAX_GAIN_DB:
            raise UsageError(f"gain of {stem} must be from -inf to +{MAX_GAIN_DB:g} dB, not {gain_db:g}")
        self._gains_db[stem] = float(gain_db)

    def mute(self, stem: str, on: bool = True) -> None:
        """Mute or unmute a stem; a mute takes precedence over a solo."""
        self._check(stem)
        (self._muted.add if on else self._muted.discard)(stem)

    def solo(self, stem: str, on: bool = True) -> None:
        """Solo a stem or not: while any is soloed, only soloed stems are heard."""
        self._check(stem)
        (self._soloed.add if on else self._soloed.discard)(stem)

    def apply_preset(self, name: str) -> None:
        """Set all faders to 0 dB and all solos off, and mute the stems that the preset leaves out.

        `rest` (the remainder of a model with fewer than four stems) is heard if the preset keeps all stems that it
        contains. UsageError for an unknown preset, and if the preset keeps only some of those stems.
        """
        if name not in PRESETS:
            raise UsageError(f"unknown preset '{name}': {did_you_mean(name, PRESETS)}known are {', '.join(PRESETS)}")
        kept = PRESETS[name]
        in_rest = set(STANDARD_STEMS) - set(self.stems)
        if REST in self.stems and in_rest & kept:
            if in_rest - kept:
                stems = ", ".join(self.stems)
                raise UsageError(f"preset '{name}' cannot be made of {stems}: choose another model or preset")
            kept = kept | {REST}
        self._gains_db = dict.fromkeys(self.stems, 0.0)
        self._soloed = set()
        self._muted = set() if name == "original" else set(self.stems) - kept

    def gains(self) -> NDArray[np.float32]:
        """Return the linear gains float32 [S] in the order of `stems`; 0 for stems that are not heard."""
        heard = [s not in self._muted and (not self._soloed or s in self._soloed) for s in self.stems]
        return np.array(
            [10 ** (self._gains_db[stem] / 20) if on else 0.0 for stem, on in zip(self.stems, heard, strict=True)],
            np.float32,
        )

    def _check(self, stem: str) -> None:
        if stem not in self._gains_db:
            raise UsageError(
                f"unknown stem '{stem}': {did_you_mean(stem, self.stems)}known are {', '.join(self.stems)}"
            )
