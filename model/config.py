"""The configuration of a model, as one frozen value that is saved with the weights."""

import dataclasses
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from stemlive.errors import UsageError
from stemlive.model.bands import band_widths
from stemlive.model.choices import check_types
from stemlive.model.framing import PRESETS, FramingPreset

STEMS = ("vocals", "drums", "bass", "other")
CHANNELS = 2
STEREO = ("joint", "mono", "tac")
LAYERS = ("lstm", "gru", "mingru", "conv")
BAND_LAYERS = (*LAYERS, "global")
INPUTS = ("complex", "magnitudes", "both")
MASKS = ("complex", "real")
ACTIVATIONS = ("tanh", "prelu")
NAMED_CHOICES = {
    "stereo": STEREO,
    "inputs": INPUTS,
    "mask": MASKS,
    "time_layer": LAYERS,
    "band_layer": BAND_LAYERS,
    "tac_activation": ACTIVATIONS,
}
LEAST = {
    "feature_dim": 1,
    "num_repeat": 1,
    "hidden_dim": 1,
    "mask_dim": 1,
    "sample_rate_hz": 1,
    "global_dim": 1,
    "narrow_dim": 1,
    "tac_factor": 1,
    "attention_heads": 0,
    "attention_dim": 1,
    "attention_window": 2,
    "filter_taps": 1,
    "filter_ahead": 0,
    "detail_channels": 0,
    "pairs_from_hz": 0,
    "lookahead_frames": 0,
    "apart_bands": 0,
    "phase_turns": 1,
}


@dataclass(frozen=True)
class ModelConfig:
    """Configuration of a BSRNN. Invalid values raise UsageError on construction.

    stems: any subset and order of STEMS; one shared encoder, one mask head per stem.
    preset: name of the framing; `offline` needs causal=False, the others work either way.
    band_scheme: name of a table in bands.py, or widths in bins.
    feature_dim (N), num_repeat: width and depth (paper: 128, 12).
    hidden_factor, mask_factor: hidden sizes of the LSTMs and mask heads over N (paper: 2, 4).
    time_layer, band_layer: what goes over time, of LAYERS, and over bands, of BAND_LAYERS. `mingru` is a recurrence
        whose gates hear its input only (recurrence.py); `global` hears all bands at once (global_layer.py), needs a
        causal model, and remembers.
    global_dim, narrow_dim: for `global`: hidden size of its recurrence, and size of each band's projection to it and
        from it.
    stereo: `joint` (both channels are features of one band), `mono` (channels folded into the batch) or `tac` (folded,
        and exchanging features after each band layer; arXiv 1910.14104).
    tac_activation, tac_factor: of `tac`: one of ACTIVATIONS, and the hidden size over N.
    attention_heads: of full-band self-attention after each band layer (TF-GridNet, arXiv 2209.03952); 0 for none.
    attention_dim: numbers per band and head of its queries and keys.
    attention_window: frames that a frame sees in a causal model, itself included; otherwise it sees all.
    inputs: features of a bin for the band split: `complex`, its real and imaginary parts; `magnitudes`, square roots of
        the magnitudes of left, right, middle and side (or of the one channel, if folded), which hold no phase but that
        between the sides; or `both`.
    mid_side: input and masks are middle and side instead of left and right: a source in the middle alone, as most
        voices are, is freed of everything at the sides by masks of zero. Only with `stereo` `joint`.
    mask: `complex`, which can turn the phase of a bin, or `real`, which cannot and costs half: enough for a model with
        magnitudes only.
    pairs_from_hz: in the bands that begin at or above it, every two bins share a mask: the resolution of a long
        analysis window helps at low frequencies and only costs at high ones. 0 for none.
    harmonics: the network gets the strengths of pitches, and adds to the masks the harmonics of one pitch per stem
        (harmonics.py).
    panning: the masks of each bin depend on where it lies between left and right (panning.py). Only where `stereo` is
        `joint` and not with mid_side.
    detail_channels: of convolutions over single bins, before and behind the bands, at half resolution; half as many at
        full resolution, twice as many at a quarter (detail.py); 0 for none. Only where `stereo` is `joint` and not with
        mid_side. Multiples of 32 are quickest.
    apart_bands: so many of the lowest bands have weights of their own in the layers over time; 0 for none. Only in a
        causal model whose time_layer is `mingru`, and not with harmonics.
    mask_gate: the mask heads end in a GLU, as in the paper; without it they cost half.
    residual_stem: the last stem has no mask head but is the mixture minus the others. Only with all four stems.
    filter_taps: coefficients per bin and stem: 1 is a mask, more are a deep filter over so many frames, the present one
        and those before it (arXiv 1904.08369, arXiv 2110.05588).
    filter_ahead: so many coefficients more, for the frames to come: at most lookahead_frames, with two taps or more.
    filter_top_hz: a deep filter works in the bands that end at or below it; above them is a mask.
    lookahead_frames: the stems come so many frames late, and the second half of the blocks hears the frames between
        (ahead.py); 0 for none. Only in a causal model of two blocks or more where `stereo` is `joint`, and not with
        mid_side, harmonics, panning or detail_channels.
    phase_turns: the network hears each frame so many times, its phases turned by equal parts of a circle (2: as it is,
        and inverted), and the masks are the mean of its answers: what depends on a phase that nobody hears is noise.
        `export` gives it to finished weights. Not with harmonics, panning or detail_channels.
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
    global_dim: int = 256
    narrow_dim: int = 16
    stereo: str = "joint"
    causal: bool = True
    tac_activation: str = "tanh"
    tac_factor: int = 3
    attention_heads: int = 0
    attention_dim: int = 8
    attention_window: int = 128
    inputs: str = "complex"
    mid_side: bool = False
    mask: str = "complex"
    pairs_from_hz: float = 0.0
    harmonics: bool = False
    panning: bool = False
    detail_channels: int = 0
    mask_gate: bool = True
    residual_stem: bool = False
    filter_taps: int = 1
    filter_ahead: int = 0
    filter_top_hz: float = 5000.0
    lookahead_frames: int = 0
    apart_bands: int = 0
    phase_turns: int = 1

    def __post_init__(self) -> None:
        self._check_types()
        unknown = [stem for stem in self.stems if stem not in STEMS]
        if unknown or not self.stems or len(set(self.stems)) != len(self.stems):
            raise UsageError(f"stems must be different ones of {', '.join(STEMS)}, not {list(self.stems)}")
        if self.preset not in PRESETS:
            raise UsageError(f"unknown framing preset '{self.preset}': choose one of {', '.join(PRESETS)}")
        if self.causal and not self.framing.streaming:
            raise UsageError(f"preset '{self.preset}' does not stream: take another one or causal=False")
        if self.band_layer == "global" and not self.causal:
            raise UsageError("band_layer 'global' carries its state in time: it needs causal = true")
        for name, known in NAMED_CHOICES.items():
            if getattr(self, name) not in known:
                raise UsageError(f"{name} '{getattr(self, name)}' is unknown: choose one of {', '.join(known)}")
        for name, least in LEAST.items():
            if getattr(self, name) < least:
                raise UsageError(f"{name} must be at least {least}, not {getattr(self, name)}")
        self._check_stereo()
        if self.attention_heads and self.feature_dim % self.attention_heads:
            raise UsageError(
                f"attention_heads {self.attention_heads} do not divide feature_dim {self.feature_dim}: make them fit"
            )
        if self.residual_stem and set(self.stems) != set(STEMS):
            raise UsageError(
                f"residual_stem needs all of {', '.join(STEMS)}: what {', '.join(self.stems)} leave over is no stem"
            )
        self._check_memories()
        top_hz = self._top_hz(self.band_widths[0])
        if self.filter_taps > 1 and not self.filtered_widths:
            raise UsageError(
                f"filter_top_hz {self.filter_top_hz:g} leaves no band to filter: "
                f"the lowest reaches up to {top_hz:.0f} Hz"
            )

    def _check_memories(self) -> None:
        """Raise UsageError for options that remember, or come late, beside others that cannot be with them."""
        most = len(self.band_widths) - 1
        apart = self.causal and self.time_layer == "mingru" and not self.harmonics and self.apart_bands <= most
        if self.apart_bands and not apart:
            raise UsageError(
                f"apart_bands needs causal = true and time_layer 'mingru', no harmonics, and is at most {most} here"
            )
        if self.phase_turns > 1 and (self.harmonics or self.panning or self.detail_channels):
            raise UsageError("phase_turns of 2 or more goes with neither harmonics, panning nor detail_channels")
        others = (self.harmonics, self.panning, self.mid_side, self.folded, self.detail_channels)
        if self.lookahead_frames and (any(others) or not self.causal or self.num_repeat < 2):
            raise UsageError(
                "lookahead_frames needs causal = true, num_repeat of 2 or more and stereo 'joint', and neither "
                "mid_side, harmonics, panning nor detail_channels"
            )
        if self.filter_ahead and (self.filter_taps == 1 or self.filter_ahead > self.lookahead_frames):
            raise UsageError(
                f"filter_ahead {self.filter_ahead} needs filter_taps of 2 or more, and lookahead_frames of "
                f"{self.filter_ahead} or more"
            )

    def _check_stereo(self) -> None:
        """Raise UsageError for options that need both channels when these are folded into the batch."""
        if self.mid_side and self.stereo != "joint":
            raise UsageError(f"mid_side needs stereo 'joint': '{self.stereo}' takes each side for itself")
        if self.panning and (self.stereo != "joint" or self.mid_side):
            raise UsageError("panning needs stereo 'joint' without mid_side: it compares left and right")
        if self.detail_channels and (self.stereo != "joint" or self.mid_side):
            raise UsageError("detail_channels needs stereo 'joint' without mid_side: it hears and masks both at once")
        if self.detail_channels % 2:
            raise UsageError(f"detail_channels must be even, not {self.detail_channels}: half of them are the finest")

    def _check_types(self) -> None:
        check_types(self, but=("band_scheme",))
        widths = self.band_scheme
        if not isinstance(widths, str) and not (
            isinstance(widths, tuple) and all(type(width) is int for width in widths)
        ):
            raise UsageError(
                f"band_scheme must be a name or a list of whole numbers (in Python a tuple), not {widths!r}"
            )

    @property
    def framing(self) -> FramingPreset:
        """Lengths and windows of the preset."""
        return PRESETS[self.preset]

    @property
    def lookahead_samples(self) -> int:
        """Samples that the stems are late for look-ahead."""
        return self.lookahead_frames * self.framing.hop_samples

    @property
    def num_bins(self) -> int:
        """F, bins of one frame."""
        return self.framing.analysis_samples // 2 + 1

    @property
    def band_widths(self) -> tuple[int, ...]:
        """Width in bins of each band, lowest first."""
        return band_widths(self.band_scheme, self.num_bins, self.sample_rate_hz)

    @property
    def mask_widths(self) -> tuple[int, ...]:
        """How many masks each band has per channel: one for every bin, or for every two."""
        if not self.pairs_from_hz:
            return self.band_widths
        single = len(self.widths_from_below(self.pairs_from_hz))
        return tuple(width if band < single else (width + 1) // 2 for band, width in enumerate(self.band_widths))

    @property
    def filtered_widths(self) -> tuple[int, ...]:
        """Of these, the widths of the bands where a deep filter works; none where there is a mask only."""
        if self.filter_taps == 1:
            return ()
        widths = self.band_widths
        tops_hz = map(self._top_hz, accumulate(widths))
        return tuple(width for width, top_hz in zip(widths, tops_hz, strict=True) if top_hz <= self.filter_top_hz)

    def widths_from_below(self, limit_hz: float) -> tuple[int, ...]:
        """Widths in bins of the bands that begin below a frequency, lowest first."""
        starts = accumulate(self.band_widths, initial=0)
        limit = limit_hz / (self.sample_rate_hz / self.framing.analysis_samples)
        return tuple(width for width, start in zip(self.band_widths, starts, strict=False) if start < limit)

    def _top_hz(self, bins: int) -> float:
        """Frequency of the highest of so many bins."""
        return (bins - 1) * self.sample_rate_hz / self.framing.analysis_samples

    @property
    def hidden_dim(self) -> int:
        """Hidden size of one direction of a recurrent layer."""
        return round(self.hidden_factor * self.feature_dim)

    @property
    def mask_dim(self) -> int:
        """Hidden size of the mask heads."""
        return round(self.mask_factor * self.feature_dim)

    @property
    def mask_parts(self) -> int:
        """Numbers that make the mask of one bin: real and imaginary part, or the real one."""
        return 2 if self.mask == "complex" else 1

    @property
    def consistent(self) -> bool:
        """Whether the masks are made to sum to one: when all four stems are there, each with a mask of its own."""
        return set(self.stems) == set(STEMS) and not self.residual_stem

    @property
    def folded(self) -> bool:
        """Whether the channels are folded into the batch."""
        return self.stereo != "joint"

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
