"""What a model costs: its parameters and its multiply-accumulate operations (MACs) per second of audio."""

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
    "time_layers": "time layers",
    "band_layers": "band layers",
    "stereo_layers": "stereo exchange",
    "attention_layers": "attention",
    "mask": "mask heads",
}
"""Children of BSRNN that compute, by what to call them."""


@dataclass(frozen=True)
class Cost:
    """Trainable numbers, and 1e9 multiply-accumulate operations per second of stereo audio."""

    parameters: int
    gmac_per_s: float


def model_costs(config: ModelConfig) -> dict[str, Cost]:
    """Cost of each part that a model of this configuration has, by its name in PARTS, in the order of the sound.

    Counts matrix products and convolutions as they run, which is nearly all: frame by frame if causal, as it streams,
    otherwise on a segment. Needs neither memory nor time for the weights: they are on torch's device `meta`, where an
    LSTM is also taken apart into products that can be counted.
    """
    with torch.device("meta"), torch.no_grad():
        model = BSRNN(config)
        hop = config.framing.hop_samples
        steps = 1 if config.causal else round(SEGMENT_S * config.sample_rate_hz / hop)
        frames = torch.zeros(1, steps, config.num_bins, CHANNELS, 2)
        with FlopCounterMode(display=False) as counter:
            model(frames, model.initial_state(1))
    flops = {name: sum(by_kind.values()) for name, by_kind in counter.get_flop_counts().items()}
    frames_per_s = config.sample_rate_hz / hop
    costs = {}
    for child, part in PARTS.items():
        module = model.get_submodule(child)
        layers = [f"{child}.{i}" for i in range(len(module))] if isinstance(module, nn.ModuleList) else [child]
        if layers:
            macs = sum(flops[f"BSRNN.{layer}"] for layer in layers) / 2 / steps
            costs[part] = Cost(count_parameters(module), macs * frames_per_s / 1e9)
    return costs


def state_numbers(config: ModelConfig) -> int:
    """How many numbers a causal model carries from frame to frame; 0 for one that is not causal."""
    with torch.device("meta"):
        return sum(math.prod(spec.shape) for spec in BSRNN(config).state_specs)
