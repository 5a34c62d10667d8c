"""Losses on groups of stems: waveforms `[B, G, C, n]`, spectra `[B, G, T, F, C, 2]`, `active` `[B, G]` in {0, 1}.

Source: arXiv 2209.15174, section III-C: L1 on the waveform (`t`), L1 on real and imaginary parts (`tf`), or the sum.
"""

from torch import Tensor

from stemlive.errors import UsageError

LOSSES = ("t", "tf", "t+tf")


def mean_absolute_error(estimate: Tensor, target: Tensor, active: Tensor) -> Tensor:
    """L1 distance averaged over everything but the groups that are not active."""
    per_group = (estimate - target).abs().flatten(2).mean(-1)
    return (per_group * active).sum() / active.sum().clamp(min=1)


def separation_loss(
    name: str, waveforms: tuple[Tensor, Tensor], spectra: tuple[Tensor, Tensor], active: Tensor
) -> Tensor:
    """The loss of that name between (estimate, target) waveforms and (estimate, target) spectra."""
    if name not in LOSSES:
        raise UsageError(f"unknown loss '{name}': choose one of {', '.join(LOSSES)}")
    total = waveforms[0].new_zeros(())
    if "t" in name.split("+"):
        total = total + mean_absolute_error(*waveforms, active)
    if "tf" in name.split("+"):
        total = total + mean_absolute_error(*spectra, active)
    return total
