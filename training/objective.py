"""From a batch of segments to the loss that the optimiser minimises."""

from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional

from stemlive.model.framing import Framing, FramingPreset
from stemlive.training.losses import Comparison, group_weights, loudness_weight, separation_loss
from stemlive.training.mixing import restrict_groups
from stemlive.training.recipe import TrainConfig


@dataclass(frozen=True)
class Batch:
    """Mixtures `[B, C, n]`, targets `[B, G, C, n]`, groups `[B, G, S]` (which stems add up to which target).

    level_weight `[B]`: what makes quiet and loud segments count alike.
    weight `[B, G]`: sums to one over all batches of a step, so that each group counts alike, whatever batch it is in.
    late_mixtures `[B, C, n]`: the mixtures, as late as the targets are for a model with look-ahead.
    context: hops at the beginning that belong to the piece before: the frames begin behind, but reach back over them.
    """

    mixtures: Tensor
    targets: Tensor
    groups: Tensor
    level_weight: Tensor
    weight: Tensor
    late_mixtures: Tensor
    context: int = 0

    def item(self, index: int) -> "Batch":
        """One segment, without the first axis."""
        fields = (self.mixtures, self.targets, self.groups, self.level_weight, self.weight, self.late_mixtures)
        mixture, targets, groups, level_weight, weight, late = (field[index] for field in fields)
        return Batch(mixture, targets, groups, level_weight, weight, late, self.context)


def prepare(
    segments: list[dict[str, Tensor]], stems: tuple[str, ...], device: torch.device, late_samples: int = 0
) -> list[Batch]:
    """The batches of one step, as the mixer makes them, on the device and for a model with these stems, so late."""
    batches = []
    pairs = [(item["targets"].to(device), item["groups"].to(device)) for item in segments]
    restricted = [restrict_groups(*pair, stems) for pair in pairs]
    weights = group_weights(torch.cat([groups for _, groups in restricted])).split([len(pair[0]) for pair in pairs])
    for (whole, _), (targets, groups), weight in zip(pairs, restricted, weights, strict=True):
        mixtures = whole.sum(1)
        level = loudness_weight(mixtures)
        batches.append(
            Batch(mixtures, delayed(targets, late_samples), groups, level, weight, delayed(mixtures, late_samples))
        )
    return batches


def delayed(audio: Tensor, samples: int) -> Tensor:
    """Silence of so many samples, then the audio, to the length that it had."""
    return functional.pad(audio, (samples, -samples)) if samples else audio


def pieces(batch: Batch, framing: FramingPreset, count: int) -> list[Batch]:
    """Cut a batch in time into so many pieces of equal length (to within a hop), in order of time.

    The weight is shared out by the samples that a piece completes: what only adds up over samples has the same loss in
    pieces as in the whole.
    """
    hop, unfinished = framing.hop_samples, framing.unfinished_hops
    hops = batch.mixtures.shape[-1] // hop
    bounds = [hops * piece // count for piece in range(count + 1)]
    result = []
    for first, stop in pairwise(bounds):
        context = min(first, framing.analysis_samples // hop - 1)
        part = slice((first - context) * hop, stop * hop)
        mixtures, targets, late = (x[..., part] for x in (batch.mixtures, batch.targets, batch.late_mixtures))
        weight = batch.weight * ((stop - max(first, unfinished)) / (hops - unfinished))
        result.append(
            replace(batch, mixtures=mixtures, targets=targets, weight=weight, late_mixtures=late, context=context)
        )
    return result


def batch_loss(stems: Tensor, batch: Batch, framing: Framing, config: TrainConfig) -> Tensor:
    """The recipe's loss of separated spectra `[B, S, T, F, C, 2]`.

    In a piece that follows another they begin with the last W / R - 1 frames of that one, whose samples they complete.
    It goes item by item, over the groups that count only, and with the channels before the frames, as the transforms
    have them: on a processor core that takes about a fifth less time than the whole batch at once.
    """
    items = map(batch.item, range(len(batch.weight)))
    losses = [
        _item_loss(of_item, item, framing, config)
        for of_item, item in zip(stems.unbind(), items, strict=True)
        if item.weight.any()
    ]
    return torch.stack(losses).sum() if losses else 0.0 * stems.sum()  # that has a gradient for the other processes


def _item_loss(stems: Tensor, item: Batch, framing: Framing, config: TrainConfig) -> Tensor:
    """The part of one item, spectra `[S, T, F, C, 2]` and a batch without its first axis."""
    active = item.weight > 0
    targets = item.targets[active].unsqueeze(0)  # [1, G', C, n]
    x = stems.movedim(-2, 1)  # [S, C, T, F, 2]
    spectra = torch.matmul(item.groups[active], x.flatten(1)).unflatten(1, x.shape[1:]).unsqueeze(0)
    with torch.no_grad():
        target_spectra = framing(targets[0])[:, item.context :].movedim(-2, 1).unsqueeze(0)  # [1, G', C, T, F, 2]
    before = min(item.context, framing.preset.unfinished_hops)  # frames of the piece before
    start = (item.context - before) * framing.preset.hop_samples
    complete = slice(start, start + framing.complete_samples(targets.shape[-1] - start))
    pair = Comparison(
        framing.inverse(spectra.movedim(2, -2))[..., : complete.stop - start],
        targets[..., complete],
        spectra[:, :, :, before:],
        target_spectra,
        item.late_mixtures.unsqueeze(0)[..., complete],
    )
    level_weight = item.level_weight.unsqueeze(0) if config.loudness_weight else None
    weight = item.weight[active].unsqueeze(0)
    return separation_loss(config.loss, pair, weight, level_weight, config.spectrum_weight, config.sdr_weight)
