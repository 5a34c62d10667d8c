"""The Band-Split RNN: one implementation for whole files, chunks and single frames.

Source: Luo and Yu, "Music source separation with band-split RNN", arXiv 2209.15174. Differences, all of them for the
causal case: normalisation per frame, unidirectional time layers, the level of a band (which that normalisation removes)
as one feature more, and stems that sum to the mixture. The choices beyond the paper are those of arXiv 2603.09187.
"""

import dataclasses
import math
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from stemlive.model.ahead import Delay, LookAhead
from stemlive.model.attention import FrameAttention
from stemlive.model.bands import equal_width_groups
from stemlive.model.config import CHANNELS, ModelConfig
from stemlive.model.deep_filter import DeepFilter, complex_product
from stemlive.model.detail import DetailEncoder, DetailMasks
from stemlive.model.global_layer import GlobalLayer
from stemlive.model.harmonics import Combs, Pitches
from stemlive.model.layers import LAYERS, ApartMinGRU
from stemlive.model.mask_head import MaskHead, batched_linear
from stemlive.model.panning import Panning, side_of
from stemlive.model.state import State, StateSpec
from stemlive.model.stereo import TransformAverageConcatenate, mid_side

LEVEL_FLOOR = 1e-8  # mean square of a band's bins that counts as silence
MAGNITUDE_FLOOR = 1e-4  # square of a magnitude, over the mean square of its band, that counts as silence


class BandSplit(nn.Module):
    """Per band: normalisation of its bins, linear layer to N features. One matrix product per run of equal widths.

    The layer gets the level and, as `inputs` says, real and imaginary parts, then magnitudes.
    """

    def __init__(self, config: ModelConfig, channels: int) -> None:
        super().__init__()
        self.groups = equal_width_groups(config.band_widths)
        self.complex, self.magnitudes = (config.inputs in (name, "both") for name in ("complex", "magnitudes"))
        per_bin = 2 * channels * self.complex + (4 if channels == CHANNELS else 1) * self.magnitudes
        self.weights = nn.ParameterList()
        self.biases = nn.ParameterList()
        for bands, width in self.groups:
            inputs = width * per_bin + 1
            bound = inputs**-0.5
            self.weights.append(nn.init.uniform_(torch.empty(bands, inputs, config.feature_dim), -bound, bound))
            self.biases.append(torch.zeros(bands, 1, config.feature_dim))

    def forward(self, bins: Tensor) -> Tensor:
        """`[B, T, F, C, 2]` to `[K, B * T, N]`."""
        of_bin = int(bins.shape[3]) * 2
        features = []
        start = 0
        squares = _squares(bins) if self.magnitudes else bins
        for (bands, width), weight, bias in zip(self.groups, self.weights, self.biases, strict=True):
            stop = start + bands * width
            x = bins[:, :, start:stop].reshape(-1, bands, width * of_bin).transpose(0, 1)  # [K', B*T, width*C*2]
            power = x.square().mean(-1, keepdim=True) + LEVEL_FLOOR
            parts = [x * power.rsqrt()] if self.complex else []
            parts.append(0.1 * power.log())
            if self.magnitudes:
                of_band = squares[:, :, start:stop].reshape(-1, bands, width * int(squares.shape[3])).transpose(0, 1)
                parts.append((of_band / power + MAGNITUDE_FLOOR).sqrt().sqrt() - 1)
            features.append(batched_linear(torch.cat(parts, dim=-1), weight, bias))
            start = stop
        return torch.cat(features)


def _squares(bins: Tensor) -> Tensor:
    """Bins `[B, T, F, C, 2]` to squared magnitudes of left, right, middle and side `[B, T, F, 4]`, of one channel 1."""
    if bins.shape[3] == CHANNELS:
        bins = torch.cat([bins, mid_side(bins)], dim=-2)
    return bins.square().sum(-1)


class BSRNN(nn.Module):
    """The network: spectra of a mixture and the state to spectra of the stems and the new state.

    Each of the `num_repeat` blocks goes over time, then over bands; if configured, the channels then exchange features
    (`tac`) and the frames attend to each other. With `harmonics`, the pitches are an additional band, the first one.
    With `panning`, the masks depend on each bin's position between left and right. With `detail_channels`, convolutions
    over bins give the bands features of single bins, and correct the masks. With `lookahead_frames`, the stems come so
    many frames late, and the second half of the blocks knows what came meanwhile.
    """

    share: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        channels = 1 if config.folded else CHANNELS
        bands, n, repeat = len(config.band_widths) + config.harmonics, config.feature_dim, config.num_repeat
        self.split = BandSplit(config, channels)
        self.pitches = nn.ModuleList(Pitches(config) for _ in range(config.harmonics))
        time = LAYERS[config.time_layer]
        sizes = (n, config.hidden_dim)
        self.time_layers = nn.ModuleList(
            ApartMinGRU(*sizes, config.apart_bands, bands)
            if config.apart_bands
            else time(*sizes, bidirectional=not config.causal)
            for _ in range(repeat)
        )
        self.band_layers = nn.ModuleList(
            GlobalLayer(bands, n, config.narrow_dim, config.global_dim)
            if config.band_layer == "global"
            else LAYERS[config.band_layer](*sizes, bidirectional=True)
            for _ in range(repeat)
        )
        self.stereo_layers = nn.ModuleList(
            TransformAverageConcatenate(n, config.tac_factor, config.tac_activation)
            for _ in range(repeat if config.stereo == "tac" else 0)
        )
        window = config.attention_window if config.causal else None
        self.attention_layers = nn.ModuleList(
            FrameAttention(n, bands, config.attention_heads, config.attention_dim, window)
            for _ in range(repeat if config.attention_heads else 0)
        )
        self.mask = MaskHead(config, channels)
        self.combs = nn.ModuleList(Combs(config, channels) for _ in range(config.harmonics))
        self.panning = nn.ModuleList(Panning(config) for _ in range(config.panning))
        detailed = config.detail_channels > 0
        self.details = nn.ModuleList(DetailEncoder(config) for _ in range(detailed))
        self.detail_masks = nn.ModuleList(DetailMasks(config) for _ in range(detailed))
        self.filters = nn.ModuleList(DeepFilter(config, channels) for _ in range(config.filter_taps > 1))
        ahead = config.lookahead_frames
        self.ahead = nn.ModuleList(LookAhead(n, ahead) for _ in range(ahead > 0))
        self.delays = nn.ModuleList(Delay(config.num_bins * channels * 2, ahead) for _ in range(ahead > 0))
        share = torch.tensor([1 / len(config.stems), 0.0])
        self.register_buffer("share", share[: config.mask_parts], persistent=False)
        signals = CHANNELS // channels  # that one batch item makes
        heard = signals * config.phase_turns
        self.state_specs = (
            *_state_specs(self.time_layers, heard * bands),
            *_state_specs(self.band_layers, heard),
            *_state_specs(self.attention_layers, heard),
            *_state_specs(self.filters, signals),
            *_state_specs(self.details, signals),
            *_state_specs(self.ahead, heard * bands),
            *_state_specs(self.delays, signals),
        )

    def initial_state(self, batch: int, device: torch.device | None = None) -> State:
        """The memory before the first frame, for `batch` stereo signals; empty in a model that is not causal."""
        return State.zeros(self.state_specs, batch, device)

    def forward(self, frames: Tensor, state: State) -> tuple[Tensor, State]:
        """`[B, T, F, C, 2]` to `[B, S, T, F, C, 2]`, T from 1. A causal model fed in pieces gives the same."""
        batch, _, _, channels, _ = frames.shape
        folded = self.config.folded
        if self.config.mid_side:
            frames = mid_side(frames)
        x = frames.permute(0, 3, 1, 2, 4).flatten(0, 1).unsqueeze(3) if folded else frames  # [B', T, F, C', 2]
        new: dict[str, list[Tensor]] = {spec.name: [] for spec in self.state_specs}
        turns = self.config.phase_turns
        z, details = self.split(turned(x, turns)), []
        for encoder in self.details:
            detail, told = _remembering(encoder, 0, x, state, new)
            z = add_to_lowest(z, told, 0)
            details.append(detail)
        heard = [pitches(x) for pitches in self.pitches]
        z = torch.cat([*(features for _, features in heard), z]) if heard else z
        signals = int(x.shape[0])  # so that it is a constant to the tracer of the export: no graph computes sizes
        z = self._repeat(z, signals * turns, state, new)
        held = x
        for delay in self.delays:
            held = _remembering(delay, 0, x, state, new)
            x = held[:, : -self.config.lookahead_frames]
        masks, taps = self._masks(z[len(heard) :])
        # [S, B', T, F, C', 2 or 1]
        masks = masks.float().reshape(self.mask.num_stems, signals, -1, *map(int, x.shape[2:4]), self.config.mask_parts)
        for combs, (strengths, _) in zip(self.combs, heard, strict=True):
            comb = combs(z, strengths).reshape(*masks.shape[:3], -1, masks.shape[4], 1)  # real: it turns no phase
            above = masks.shape[3] - comb.shape[3]
            masks = masks + functional.pad(comb, (0, self.config.mask_parts - 1, 0, 0, 0, above))
        shares = []
        for panning in self.panning:
            gains, share = panning(z[len(heard) :], x)
            masks = masks * gains.unsqueeze(-1).unsqueeze(-1)
            shares.append(share - share.mean(0) if self.config.consistent else share)  # the stems keep their sum
        if self.config.consistent:  # the masks of all stems sum to one: what they leave over is given back
            masks = masks - (masks.sum(0) / self.mask.num_stems - self.share)
        stems = complex_product(masks, x) if self.config.mask == "complex" else masks * x
        for share in shares:
            stems = stems - share.unsqueeze(-1).unsqueeze(-1) * side_of(x)
        for detail_masks, detail in zip(self.detail_masks, details, strict=True):
            further_masks = detail_masks(detail, z[len(heard) :]).unsqueeze(-1)
            low = mid_side(x[:, :, : further_masks.shape[3]])
            stems = add_to_lowest(stems, mid_side(further_masks * low), 3)
        for further in self.filters:
            stems = _remembering(further, 0, stems, state, new, taps, held)
        if self.config.residual_stem:
            stems = torch.cat([stems, (x - stems.sum(0)).unsqueeze(0)])
        if self.config.mid_side:
            stems = mid_side(stems)
        if folded:
            stems = stems.squeeze(4).unflatten(1, (batch, channels)).permute(0, 1, 3, 4, 2, 5)
        return stems.transpose(0, 1), State({name: torch.cat(tensors) for name, tensors in new.items()})

    def _masks(self, z: Tensor) -> tuple[Tensor, Tensor | None]:
        """What the mask heads say, the mean over turned phases: turned back, only the masks differ."""
        masks, taps = self.mask(z)
        if (turns := self.config.phase_turns) > 1:
            masks = masks.reshape(self.mask.num_stems, turns, -1, int(masks.shape[-1])).mean(1)
            if taps is not None:
                taps = taps.reshape(*map(int, taps.shape[:2]), turns, -1, int(taps.shape[-1])).mean(2)
        return masks, taps

    def _repeat(self, z: Tensor, signals: int, state: State, new: dict[str, list[Tensor]]) -> Tensor:
        """The blocks: features `[K, B' * T, N]` to the same; `signals` is B'. Adds what they remember to `new`."""
        bands, n = int(z.shape[0]), self.config.feature_dim
        for index, (time, band) in enumerate(zip(self.time_layers, self.band_layers, strict=True)):
            z = z.reshape(bands * signals, -1, n).transpose(0, 1)  # [T, K * B', N]
            z = _remembering(time, index, z, state, new)
            z = z.transpose(0, 1).reshape(bands, -1, n)
            if isinstance(band, GlobalLayer):
                z = _remembering(band, index, z.reshape(bands, signals, -1, n), state, new).reshape(bands, -1, n)
            else:
                z, _ = band(z, ())
            if self.stereo_layers:
                z = z.reshape(bands * signals // CHANNELS, CHANNELS, -1, n)  # [K * B, C, T, N]
                z = self.stereo_layers[index](z).reshape(bands, -1, n)
            if self.attention_layers:
                z = z.reshape(bands, signals, -1, n).permute(1, 2, 0, 3)  # [B', T, K, N]
                z = _remembering(self.attention_layers[index], index, z, state, new)
                z = z.permute(2, 0, 1, 3).reshape(bands, -1, n)
            if self.ahead and index + 1 == len(self.time_layers) // 2:
                z = _remembering(self.ahead[0], 0, z.reshape(bands * signals, -1, n), state, new).reshape(bands, -1, n)
        return z


def _state_specs(layers: nn.ModuleList, rows: int) -> tuple[StateSpec, ...]:
    """Return the state of equal layers, each of which works on `rows` rows per batch item."""
    sizes = cast("dict[str, tuple[int, ...]]", layers[0].memory_sizes if layers else {})
    return tuple(StateSpec(name, (len(layers), rows, *size)) for name, size in sizes.items())


def _remembering(
    layer: nn.Module, index: int, x: Tensor, state: State, new: dict[str, list[Tensor]], *more: Tensor | None
) -> Any:
    """Run layer `index` of its kind with its memory from `state`, and append its new memory to `new`."""
    names = cast("dict[str, tuple[int, ...]]", layer.memory_sizes)
    x, memory = layer(x, state.layer(index, names), *more)
    for name, tensor in zip(names, memory, strict=False):  # an LSTM in both directions returns what nobody keeps
        new[name].append(tensor)
    return x


def turned(x: Tensor, turns: int) -> Tensor:
    """Bins `[B', T, F, C, 2]` to `[turns * B', T, F, C, 2]`: as they are, then turned by equal parts of a circle."""
    if turns <= 2:  # no graph computes with a sine of zero
        return torch.cat([x, -x]) if turns == 2 else x
    real, imag = x.unbind(-1)
    quarter = torch.stack([-imag, real], dim=-1)
    angles = [2 * math.pi * k / turns for k in range(1, turns)]
    return torch.cat([x, *(math.cos(angle) * x + math.sin(angle) * quarter for angle in angles)])


def add_to_lowest(x: Tensor, more: Tensor, dim: int) -> Tensor:
    """Add `more` to the beginning of a tensor along this axis; the rest is unchanged."""
    low, high = x.split([more.shape[dim], x.shape[dim] - more.shape[dim]], dim=dim)
    return torch.cat([low + more, high], dim=dim)


def reconfigured(model: BSRNN, **choices: Any) -> BSRNN:
    """The same weights under other choices that have none: preset (of an equal analysis window), phase_turns."""
    result = BSRNN(dataclasses.replace(model.config, **choices)).train(model.training)
    result.load_state_dict(model.state_dict())
    return result


def count_parameters(model: nn.Module) -> int:
    """Return the number of trainable parameters."""
    return sum(parameter.numel() for parameter in model.parameters())
