"""What a model costs: its parameters and its multiply-accumulate operations (MACs) per second of audio."""

import dataclasses
import math
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from stemlive.model.bsrnn import BSRNN, count_parameters
from stemlive.model.config import CHANNELS, ModelConfig

SEGMENT_S = 3.0  # what a model that is not causal is counted on; its attention costs more the longer the signal
PARTS = {
    "split": "band split",
    "pitches": "pitches",
    "time_layers": "time layers",
    "band_layers": "band layers",
    "stereo_layers": "stereo exchange",
    "attention_layers": "attention",
    "mask": "mask heads",
    "combs": "harmonics",
    "panning": "panning",
    "details": "detail",
    "ahead": "look-ahead",
    "detail_masks": "masks of detail",
}
"""Children of BSRNN that compute, with their display names."""


@dataclass(frozen=True)
class Cost:
    """Trainable numbers, and 1e9 multiply-accumulate operations per second of stereo audio."""

    parameters: int
    gmac_per_s: float


def model_costs(config: ModelConfig) -> dict[str, Cost]:
    """Return the cost of each part of a model, by its name in PARTS, in the order of the signal path.

    Counts the operations of matrix products and convolutions, which are nearly all: frame by frame for a causal model,
    otherwise on a segment. The weights need neither memory nor time: they are on torch's device `meta`, where an LSTM
    is also split into products that can be counted. As that is slow for many frames and layers, one block is counted
    for all, and a segment is extrapolated from two short ones (only the cost of attention grows with their length).
    """
    if config.causal:
        return _costs(config, _macs_per_frame(config, 1))
    (few, at_few), (more, at_more) = ((steps, _macs_per_frame(config, steps)) for steps in (2, 4))
    frames = round(SEGMENT_S * config.sample_rate_hz / config.framing.hop_samples)
    beyond = (frames - few) / (more - few)
    return _costs(config, {name: macs + (at_more[name] - macs) * beyond for name, macs in at_few.items()})


def total_cost(costs: dict[str, Cost]) -> Cost:
    """The parts together: the whole model."""
    return Cost(sum(cost.parameters for cost in costs.values()), sum(cost.gmac_per_s for cost in costs.values()))


def _macs_per_frame(config: ModelConfig, steps: int) -> dict[str, float]:
    """Operations per frame of each child of BSRNN in PARTS that the model has, run on so many frames at once."""
    with torch.device("meta"), torch.no_grad():
        model = BSRNN(dataclasses.replace(config, num_repeat=2 if config.lookahead_frames else 1))
        frames = torch.zeros(1, steps, config.num_bins, CHANNELS, 2)
        with FlopCounterMode(display=False) as counter:
            model(frames, model.initial_state(1))
    flops = {name: sum(by_kind.values()) for name, by_kind in counter.get_flop_counts().items()}
    macs = {}
    for child in PARTS:
        module = model.get_submodule(child)
        if not isinstance(module, nn.ModuleList):
            macs[child] = flops[f"BSRNN.{child}"] / 2 / steps
        elif len(module):
            times = config.num_repeat if child.endswith("_layers") else 1
            macs[child] = flops[f"BSRNN.{child}.0"] / 2 / steps * times
    return macs


def _costs(config: ModelConfig, macs_per_frame: dict[str, float]) -> dict[str, Cost]:
    with torch.device("meta"):
        model = BSRNN(config)
    frames_per_s = config.sample_rate_hz / config.framing.hop_samples
    return {
        PARTS[child]: Cost(count_parameters(model.get_submodule(child)), macs * frames_per_s / 1e9)
        for child, macs in macs_per_frame.items()
    }


def state_numbers(config: ModelConfig) -> int:
    """How many numbers a causal model carries from frame to frame; 0 for one that is not causal."""
    with torch.device("meta"):
        return sum(math.prod(spec.shape) for spec in BSRNN(config).state_specs)
