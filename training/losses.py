"""Losses on groups of stems: waveforms `[B, G, C, n]`, spectra `[B, G, T, F, C, 2]`, `weight` `[B, G]`, 0 for none.

Source: arXiv 2209.15174, section III-C: L1 on the waveform (`t`), L1 on real and imaginary parts (`tf`), or the sum.
"""

from torch import Tensor

from stemlive.errors import UsageError

LOSSES = ("t", "tf", "t+tf")


def mean_absolute_error(estimate: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """L1 distance of each group times its weight, averaged over the groups whose weight is not zero."""
    per_group = (estimate - target).abs().flatten(2).mean(-1)
    return (per_group * weight).sum() / (weight > 0).sum().clamp(min=1)


def loudness_weight(mixture: Tensor, reference_rms: float = 0.1) -> Tensor:
    """Weight `[B]` that makes quiet and loud mixtures `[B, C, n]` count alike: `reference_rms` over their level."""
    return reference_rms / mixture.square().mean((1, 2)).sqrt().clamp(min=1e-4)


def separation_loss(
    name: str,
    waveforms: tuple[Tensor, Tensor],
    spectra: tuple[Tensor, Tensor],
    weight: Tensor,
    spectrum_weight: float = 1.0,
) -> Tensor:
    """The loss of that name between (estimate, target) waveforms and spectra, the latter times `spectrum_weight`."""
    if name not in LOSSES:
        raise UsageError(f"unknown loss '{name}': choose one of {', '.join(LOSSES)}")
    total = waveforms[0].new_zeros(())
    if "t" in name.split("+"):
        total = total + mean_absolute_error(*waveforms, weight)
    if "tf" in name.split("+"):
        total = total + spectrum_weight * mean_absolute_error(*spectra, weight)
    return total
