"""Every choice that defines a model, in one frozen value that travels with the weights."""

import dataclasses
from dataclasses import dataclass
from typing import Any

from stemlive.errors import UsageError
from stemlive.model.bands import band_widths
from stemlive.model.framing import PRESETS, FramingPreset

STEMS = ("vocals", "drums", "bass", "other")
STEREO = ("joint", "mono")
LAYERS = ("lstm",)


@dataclass(frozen=True)
class ModelConfig:
    """Choices of one BSRNN; wrong ones raise UsageError when the value is made.

    stems: any subset and order of STEMS; one shared encoder, one mask head per stem.
    preset: name of the framing; `offline` needs causal=False, the others work either way.
    band_scheme: name of a table in bands.py, or widths in bins.
    feature_dim (N), num_repeat: width and depth (paper: 128, 12).
    hidden_factor, mask_factor: hidden sizes of the LSTMs and mask heads over N (paper: 2, 4).
    stereo: `joint` (both channels are features of one band) or `mono` (channels folded into the batch).
    causal: unidirectional in time; otherwise bidirectional in time.
    """

    stems: tuple[str, ...] = STEMS
    preset: str = "live"
    sample_rate_hz: int = 44100
    band_scheme: str | tuple[int, ...] = "v7"
    feature_dim: int = 48
    num_repeat: int = 4
    hidden_factor: float = 4 / 3
    mask_factor: float = 4 / 3
    time_layer: str = "lstm"
    band_layer: str = "lstm"
    stereo: str = "joint"
    causal: bool = True

    def __post_init__(self) -> None:
        unknown = [stem for stem in self.stems if stem not in STEMS]
        if unknown or not self.stems or len(set(self.stems)) != len(self.stems):
            raise UsageError(f"stems must be different ones of {', '.join(STEMS)}, not {list(self.stems)}")
        if self.preset not in PRESETS:
            raise UsageError(f"unknown framing preset '{self.preset}': choose one of {', '.join(PRESETS)}")
        if self.causal and not self.framing.streaming:
            raise UsageError(f"preset '{self.preset}' does not stream: take another one or causal=False")
        for name, known in (("stereo", STEREO), ("time_layer", LAYERS), ("band_layer", LAYERS)):
            if getattr(self, name) not in known:
                raise UsageError(f"{name} '{getattr(self, name)}' is unknown: choose one of {', '.join(known)}")
        for name in ("feature_dim", "num_repeat", "hidden_dim", "mask_dim", "sample_rate_hz"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} must be at least 1, not {getattr(self, name)}")
        _ = self.band_widths

    @property
    def framing(self) -> FramingPreset:
        """Lengths and windows of the preset."""
        return PRESETS[self.preset]

    @property
    def num_bins(self) -> int:
        """F, bins of one frame."""
        return self.framing.analysis_samples // 2 + 1

    @property
    def band_widths(self) -> tuple[int, ...]:
        """Width in bins of each band, lowest first."""
        return band_widths(self.band_scheme, self.num_bins, self.sample_rate_hz)

    @property
    def hidden_dim(self) -> int:
        """Hidden size of one direction of a recurrent layer."""
        return round(self.hidden_factor * self.feature_dim)

    @property
    def mask_dim(self) -> int:
        """Hidden size of the mask heads."""
        return round(self.mask_factor * self.feature_dim)

    @property
    def consistent(self) -> bool:
        """Whether the stems are made to sum to the mixture: exactly when all four are there."""
        return set(self.stems) == set(STEMS)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON and checkpoints."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "ModelConfig":
        """The configuration that `to_dict` wrote; unknown names raise UsageError."""
        known = {field.name for field in dataclasses.fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise UsageError(f"unknown model choice {', '.join(unknown)}: choose from {', '.join(sorted(known))}")
        tuples = {key: tuple(value) for key, value in values.items() if isinstance(value, list)}
        return cls(**{**values, **tuples})
