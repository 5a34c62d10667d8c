"""Initialise a model with the weights of a smaller one: wider, with more units or blocks, a filter instead of a mask.

New parts are connected by weights of zero, and additional features are copies of existing ones, so that the larger
model at first computes what the smaller one did. Real masks start as the real part of complex ones.
Source of the idea: Chen, Goodfellow and Shlens, "Net2Net" (arXiv 1511.05641). Or it begins nearly anew: `shrink`.
"""

import dataclasses
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from stemlive.errors import TrainingError
from stemlive.model.bsrnn import BSRNN, reconfigured
from stemlive.model.checkpoint import load_checkpoint
from stemlive.model.config import CHANNELS, ModelConfig
from stemlive.model.mask_head import MaskHead

_GATES = {"lstm": 4, "gru": 3, "mingru": 3, "global": 3}
_GROWS = ("feature_dim", "num_repeat", "hidden_factor", "mask_factor", "global_dim", "narrow_dim")
_UNITS = ("num_repeat", "hidden_dim", "mask_dim", "global_dim", "narrow_dim")
_FILTER = ("filter_taps", "filter_ahead", "filter_top_hz")
_SPEAKS = re.compile(r"\.proj\.|\.ways\.\d\.out\.|\.widen\.|\.tap_|\.(low|high)\.out\.|\.tell")
"""Names of what a new block, tap or detail says; zero, it adds nothing yet."""
_UNLIKE = 0.5
"""Relative difference between the weights on the copies of a feature, so that the copies diverge in training."""


def start_model(config: ModelConfig, checkpoint: Path) -> tuple[BSRNN, dict[str, Any]]:
    """Return a model of this configuration that computes what the checkpoint's smaller or equal model does.

    How often it hears a frame (phase_turns) is as configured. The second result is the checkpoint's provenance.

    Raises TrainingError unless the model's features are the checkpoint's or (with GRUs and LSTMs) a multiple of them,
    its blocks as many or more (behind the old ones; with look-ahead behind those of each half), its hidden units, those
    of the global layer and of the mask heads too, and all else the same but for panning, detail, weights apart for the
    lowest bands, a deep filter or one of more taps or bands, both inputs where it has the complex ones, and real masks
    for complex ones; or middle and side for left and right with magnitudes and real masks, which computes the same only
    where the masks of left and right are alike; or another framing whose analysis window is as long: what becomes of a
    frame is the same, how often frames come is not; or one whose window is twice as long, with bands of twice as many
    bins (see `_of_longer_window`). A model without look-ahead may be given one: then its stems are the same, but later.
    """
    small, provenance = load_checkpoint(checkpoint)
    if small.config.phase_turns != config.phase_turns:
        small = reconfigured(small, phase_turns=config.phase_turns)
    if _twice_the_bins(small.config, config):
        small = _of_longer_window(small, config)
    if config.lookahead_frames and not small.config.lookahead_frames:
        small = _with_lookahead(small, config.lookahead_frames)
    if config.mid_side and not small.config.mid_side and (config.inputs, small.config.mask) == ("magnitudes", "real"):
        small = _of_mid_side(small)
    if small.config == config:
        return small.train(), provenance
    new_filter = _FILTER if _filter_grows(small.config, config) else ()
    new_mask = ("mask",) if (small.config.mask, config.mask) == ("complex", "real") else ()
    new_input = ("inputs",) if (small.config.inputs, config.inputs) == ("complex", "both") else ()
    new_panning = ("panning",) if config.panning else ()
    new_detail = ("detail_channels",) if small.config.detail_channels == 0 else ()
    new_preset = ("preset",) if small.config.framing.analysis_samples == config.framing.analysis_samples else ()
    new_apart = ("apart_bands",) if small.config.apart_bands == 0 else ()
    new = (*new_filter, *new_apart, *new_input, *new_mask, *new_panning, *new_detail, *new_preset)
    same = {name: getattr(small.config, name) for name in (*_GROWS, *new)}
    layers = {config.time_layer, config.band_layer}
    if (
        dataclasses.replace(config, **same) != small.config
        or config.feature_dim % small.config.feature_dim
        or any(getattr(config, name) < getattr(small.config, name) for name in _UNITS)
        or (config.feature_dim > small.config.feature_dim and not layers <= {"lstm", "gru"})
        or (config.hidden_dim > small.config.hidden_dim and not layers <= set(_GATES))
        or config.attention_heads
        or config.stereo == "tac"
    ):
        raise TrainingError(
            f"{checkpoint} holds another model than the recipe, and no smaller one that could grow into it "
            "(num_repeat and hidden sizes may be larger, feature_dim a multiple where layers are lstm or gru, "
            "filter_taps, filter_ahead and filter_top_hz too, apart_bands and detail_channels where there are none, "
            "panning true, inputs both where that is complex, the mask real, mid_side true where inputs are magnitudes "
            "and the mask was real, the preset one of an equal analysis window, or of twice that with bands of twice "
            "as many bins): use its [model] table"
        )
    model = BSRNN(config)
    times = config.feature_dim // small.config.feature_dim
    old = {name: _widened(name, value, times) for name, value in small.state_dict().items()}
    if config.lookahead_frames:
        old = _halves_apart(old, small.config.num_repeat // 2, config.num_repeat // 2)
    if config.apart_bands and not small.config.apart_bands:
        old = _apart(old)
    if small.config.filter_taps > 1:
        old |= _more_taps(small, model)
    grown = {name: _grown(name, value, old.get(name), config) for name, value in model.state_dict().items()}
    model.load_state_dict(grown)
    return model.train(), provenance


def shrink(model: BSRNN, share: float) -> None:
    """Keep so much of each matrix, and fill it up with a new model's, whose powers add up: nearly anew, not quite.

    Source: Ash and Adams, "On warm-starting neural network training" (arXiv 1910.08475): shrink and perturb.
    """
    with torch.no_grad():
        for own, new in zip(model.parameters(), BSRNN(model.config).parameters(), strict=True):
            if own.ndim > 1:
                own.mul_(share).add_(new, alpha=(1 - share**2) ** 0.5)


def _halves_apart(old: dict[str, Tensor], first: int, later: int) -> dict[str, Tensor]:
    """Weights of a model with look-ahead whose second half of the blocks, from `first` on, begins at `later`."""

    def moved(part: re.Match[str]) -> str:
        index = int(part[2])
        return f"{part[1]}{index + (later - first if index >= first else 0)}."

    return {re.sub(r"^(\w+_layers\.)(\d+)\.", moved, name): value for name, value in old.items()}


def _apart(old: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights of minGRUs over time, with those of the lowest bands and of the others apart, and the same.

    Gain and shift of the normalisation are in the linear layers behind it.
    """
    result = {name: value for name, value in old.items() if not name.startswith("time_layers.")}
    for name in old.keys() - result.keys():
        layer, over_time, rest = name.partition(".ways.0.")
        if over_time:
            value = old[name]
            if rest == "into.weight":
                value = value * old[f"{layer}.norm.weight"]
            elif rest == "into.bias":
                value = value + old[f"{layer}.ways.0.into.weight"] @ old[f"{layer}.norm.bias"]
            result |= {f"{layer}.{part}.{rest}": value for part in ("low", "high")}
    return result


def _filter_grows(small: ModelConfig, config: ModelConfig) -> bool:
    """Whether a deep filter works on what it did, and more."""
    if small.filter_taps == 1:
        return True
    return all(getattr(config, name) >= getattr(small, name) for name in _FILTER)


def _more_taps(small: BSRNN, model: BSRNN) -> dict[str, Tensor]:
    """What the larger model has behind its taps: as before, and nothing yet where no tap or no band was."""
    result = {}
    past = small.config.filter_taps - 1
    coming = range(model.config.filter_taps - 1, model.config.filter_taps - 1 + small.config.filter_ahead)
    for kind in ("tap_weights", "tap_biases"):
        olds = _bands(getattr(small.mask, kind), 1)
        for index, (count, _) in enumerate(model.mask.tap_groups):
            heard = getattr(small.mask, kind)[0].shape[2]
            value = torch.zeros_like(getattr(model.mask, kind)[index])[:, :, :heard]
            value = value.unflatten(-1, (2, model.mask.taps, -1))  # GLU: value, gate
            for band, old in zip(range(count), olds, strict=False):
                value[:, band][..., [*range(past), *coming], :] = old.unflatten(-1, (2, small.mask.taps, -1))
            result[f"mask.{kind}.{index}"] = value.flatten(-3)
    return result


def _twice_the_bins(small: ModelConfig, config: ModelConfig) -> bool:
    """Whether the analysis window is twice as long, and each band has twice as many bins; the last has one less."""
    doubled = [2 * width for width in small.band_widths]
    doubled[-1] -= 1
    plain = small.inputs == "complex" and small.filter_taps == 1 and not small.harmonics
    return plain and list(config.band_widths) == doubled


def _of_longer_window(model: BSRNN, config: ModelConfig) -> BSRNN:
    """Return the model in the framing, bands and pairs of bins of `config`, whose analysis window is twice as long.

    Of every two new bins it takes the first, at the frequency of an old one, as input, and masks both like that one.
    """
    names = ("preset", "band_scheme", "pairs_from_hz")
    result = BSRNN(dataclasses.replace(model.config, **{name: getattr(config, name) for name in names}))
    split, mask, same = model.split, model.mask, dict(model.named_parameters())
    weights, biases = _bands(split.weights, 0), _bands(split.biases, 0)
    mask_weights, mask_biases = _bands(mask.weights_out, 1), _bands(mask.biases_out, 1)
    with torch.no_grad():
        for name, value in result.named_parameters():
            if name in same and value.shape == same[name].shape:
                value.copy_(same[name])
        for index, (count, width) in enumerate(result.split.groups):
            for band in range(count):
                result.split.weights[index][band] = _hears_the_first(next(weights), width)
                result.split.biases[index][band] = next(biases)
        olds = (group for group in mask.groups for _ in range(group[0]))
        for index, (count, masks, width) in enumerate(result.mask.groups):
            for band in range(count):
                _, old_masks, old_width = next(olds)
                of = [first // 2 * old_masks // old_width for first in range(0, width, 1 + (masks < width))]
                result.mask.weights_out[index][:, band] = _masks_of(next(mask_weights), of, mask)
                result.mask.biases_out[index][:, band] = _masks_of(next(mask_biases), of, mask)
    return result


def _bands(parameters: Iterable[Tensor], axis: int) -> Iterator[Tensor]:
    """What each band has of parameters that hold several, lowest first."""
    return (band for parameter in parameters for band in parameter.unbind(axis))


def _hears_the_first(old: Tensor, width: int) -> Tensor:
    """Weights `[bins * C * 2 + 1, N]` of a band, the level last, for `width` bins, of which every second counts."""
    bins, level = old[:-1], old[-1:]
    value = old.new_zeros(width, CHANNELS * 2 * bins.shape[1])
    value[::2] = bins.reshape(-1, value.shape[1])
    return torch.cat([value.reshape(-1, bins.shape[1]), level])


def _masks_of(old: Tensor, of: list[int], head: MaskHead) -> Tensor:
    """Weights or biases `[..., (value and gate) * masks * C * 2]` of a band whose mask i is the old one `of[i]`."""
    value: Tensor = old.unflatten(-1, (1 + head.gated, -1, head.per_bin))[..., of, :]
    return value.flatten(-3)


def _with_lookahead(model: BSRNN, frames: int) -> BSRNN:
    """Return the model so many frames late, which what comes in these frames does not change yet."""
    result = BSRNN(dataclasses.replace(model.config, lookahead_frames=frames))
    fresh = {name: _grown(name, value, None, result.config) for name, value in result.state_dict().items()}
    result.load_state_dict({**fresh, **model.state_dict()})
    return result


def _of_mid_side(model: BSRNN) -> BSRNN:
    """Return the model with masks of middle and side that are the mean of those of left and right."""
    state = model.state_dict()
    for index in range(len(model.split.groups)):
        weight = state[f"split.weights.{index}"]  # [bands, 1 + width * 4, N], the level first
        left, right, middle, side = weight[:, 1:].unflatten(1, (-1, 4)).unbind(2)
        changed = torch.stack([middle, side, left, right], dim=2).flatten(1, 2)
        state[f"split.weights.{index}"] = torch.cat([weight[:, :1], changed], dim=1)
        for name in (f"mask.weights_out.{index}", f"mask.biases_out.{index}"):
            sides = state[name].unflatten(-1, (-1, 2))
            state[name] = sides.mean(-1, keepdim=True).expand_as(sides).flatten(-2)
    result = BSRNN(dataclasses.replace(model.config, mid_side=True))
    result.load_state_dict(state)
    return result


def _widened(name: str, old: Tensor, times: int) -> Tensor:
    """One parameter for `times` as many features, copies of the old ones: what makes them, or what listens to them."""
    if times == 1:
        return old
    if name.startswith("split."):
        return torch.cat([old] * times, dim=-1)
    if ".norm." in name or ".proj." in name or ".embed.2." in name:
        return torch.cat([old] * times)
    listening = {"weight_ih": 1, "mask.weight_in": 2, "choose.weight": 1, ".gain": 2, ".steer": 1}
    for part, axis in listening.items():
        if part in name:
            unlike = torch.randn(times, *old.shape) * old.std() * _UNLIKE
            return torch.cat([*((old + unlike - unlike.mean(0)) / times)], dim=axis)
    return old


def _grown(name: str, fresh: Tensor, old: Tensor | None, config: ModelConfig) -> Tensor:
    """Return the value of a parameter: `old` as far as it goes, `fresh` into new units, 0 out of new units."""
    if old is None:  # a new block, tap or detail adds nothing yet
        return torch.zeros_like(fresh) if _SPEAKS.search(name) else fresh
    if old.shape == fresh.shape:
        return old
    if name.startswith(("mask.weights_out", "mask.biases_out")) and fresh.shape[-1] < old.shape[-1]:
        halves: Tensor = old.unflatten(-1, (2, -1, 2))  # the real part of a complex mask
        old = halves[..., 0].flatten(-2)
    if name.startswith("split.weights"):  # new inputs, behind the old
        return torch.cat([old, old.new_zeros(len(old), fresh.shape[1] - old.shape[1], old.shape[2])], dim=1)
    return _among_more(fresh, old, *_parts(name, fresh, config))


def _parts(name: str, fresh: Tensor, config: ModelConfig) -> tuple[list[int], int | None]:
    """How many parts each axis of a parameter has, old units first in each; and which axis is what it listens to."""
    parts, of_masks = [1] * fresh.ndim, name.startswith("mask.")
    if not of_masks and re.search(r"\.into\.|weight_|bias_", name):
        parts[0] = _GATES[config.time_layer if name.startswith("time") else config.band_layer]
    bands = len(config.band_widths)
    if ".recurrence.into.weight" in name:
        parts[1] = bands
    elif ".recurrence.out." in name:
        parts[0] = bands
    elif ".proj.weight" in name:
        parts[1] = fresh.shape[1] // config.hidden_dim  # directions
    return parts, None if "bias" in name else fresh.ndim - 2 if of_masks else 1


def _among_more(fresh: Tensor, old: Tensor, parts: list[int], heard: int | None) -> Tensor:
    """`fresh` with `old` first in each part of each axis; along the axis that is heard, old units hear no new ones."""

    def apart(tensor: Tensor) -> Tensor:
        sizes = (size for count, length in zip(parts, tensor.shape, strict=True) for size in (count, length // count))
        return tensor.reshape(*sizes)

    value, before = apart(fresh.clone()), apart(old)
    there = [slice(length) for length in before.shape]
    if heard is not None:
        new = there.copy()
        new[2 * heard + 1] = slice(before.shape[2 * heard + 1], None)
        value[tuple(new)] = 0
    value[tuple(there)] = before
    return value.reshape(fresh.shape)
