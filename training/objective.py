"""From a batch of segments to what the optimiser makes small."""

from dataclasses import dataclass

import torch
from torch import Tensor

from stemlive.model.framing import Framing
from stemlive.training.losses import Comparison, group_weights, loudness_weight, separation_loss
from stemlive.training.mixing import restrict_groups
from stemlive.training.recipe import TrainConfig


@dataclass(frozen=True)
class Batch:
    """Mixtures `[B, C, n]`, targets `[B, G, C, n]`, groups `[B, G, S]` (which stems add up to which target).

    `weight` `[B, G]` sums to one over all batches of a step, so that each group counts alike, whatever batch it is in.
    """

    mixtures: Tensor
    targets: Tensor
    groups: Tensor
    weight: Tensor


def prepare(segments: list[dict[str, Tensor]], stems: tuple[str, ...], device: torch.device) -> list[Batch]:
    """The batches of one step, as the mixer makes them, on the device and for a model with these stems."""
    batches = []
    pairs = [(item["targets"].to(device), item["groups"].to(device)) for item in segments]
    restricted = [restrict_groups(*pair, stems) for pair in pairs]
    weights = group_weights(torch.cat([groups for _, groups in restricted])).split([len(pair[0]) for pair in pairs])
    for (whole, _), (targets, groups), weight in zip(pairs, restricted, weights, strict=True):
        batches.append(Batch(whole.sum(1), targets, groups, weight))
    return batches


def batch_loss(stems: Tensor, batch: Batch, framing: Framing, config: TrainConfig) -> Tensor:
    """The recipe's loss of separated spectra `[B, S, T, F, C, 2]`."""
    spectra = torch.bmm(batch.groups, stems.flatten(2)).unflatten(2, stems.shape[2:])  # [B, G, T, F, C, 2]
    complete = framing.complete_samples(batch.mixtures.shape[-1])
    with torch.no_grad():
        target_spectra = framing(batch.targets.flatten(0, 1)).unflatten(0, batch.targets.shape[:2])
    pair = Comparison(
        framing.inverse(spectra)[..., :complete],
        batch.targets[..., :complete],
        spectra,
        target_spectra,
        batch.mixtures[..., :complete],
    )
    level_weight = loudness_weight(batch.mixtures) if config.loudness_weight else None
    return separation_loss(config.loss, pair, batch.weight, level_weight, config.spectrum_weight)
