"""Losses by name, which can be joined by `+`: each gives one number per group; the result is their weighted sum.

| name | what | source |
|---|---|---|
| `t` | L1 on the waveform | arXiv 2209.15174, section III-C |
| `tf` | L1 on real and imaginary parts of the spectrum | the same |
| `mrstft` | absolute error of complex spectra at five resolutions | arXiv 2309.02612 (BS-RoFormer) |
| `mse` | mean squared error over the mixture's mean square | - |
| `sdr` | negative SDR in dB that saturates, finite for silent targets | arXiv 2011.00803 (FUSS) |

Waveforms are `[B, G, C, n]`, spectra `[B, G, C, T, F, 2]`, weights `[B, G]`: 0 for a group that does not count.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from stemlive.errors import UsageError

STFT_WINDOWS_SAMPLES = (4096, 2048, 1024, 512, 256)
STFT_HOP_SAMPLES = 147
SDR_LIMIT_DB = 30.0
SILENCE = 1e-8  # mean square of a mixture that counts as silent


@dataclass(frozen=True)
class Comparison:
    """Input of the losses: estimates and targets `[B, G, C, n]`, their spectra, and the mixtures `[B, C, n]`."""

    estimates: Tensor
    targets: Tensor
    estimated_spectra: Tensor
    target_spectra: Tensor
    mixtures: Tensor


def l1(estimate: Tensor, target: Tensor) -> Tensor:
    """Mean absolute difference `[B, G]` of anything that begins with `[B, G]`."""
    return (estimate - target).abs().mean(tuple(range(2, estimate.dim())))


def multi_resolution(estimate: Tensor, target: Tensor) -> Tensor:
    """Mean absolute value `[B, G]` of the error's complex spectra, averaged over the windows (Hann).

    Spectra are divided by the root of the window's length, so that every resolution counts alike. A spectrum of the
    error is the difference of the spectra, so one transform serves both.
    """
    error = (estimate - target).flatten(0, 2)  # [B * G * C, n]
    total = estimate.new_zeros(estimate.shape[:2])
    for length in STFT_WINDOWS_SAMPLES:
        window = torch.hann_window(length, device=error.device)
        spectra = torch.stft(
            error, length, STFT_HOP_SAMPLES, window=window, pad_mode="constant", normalized=True, return_complex=True
        )
        total = total + spectra.abs().unflatten(0, estimate.shape[:3]).flatten(2).mean(-1)
    return total / len(STFT_WINDOWS_SAMPLES)


def negative_sdr(estimate: Tensor, target: Tensor, mixture: Tensor) -> Tensor:
    """10 log10((|error|^2 + floor) / (|target|^2 + floor)) in dB, `[B, G]`, with a floor 30 dB below the mixture.

    0 for a silent estimate, at best about -30; of a silent target it is what leaks, over the floor. The floor keeps
    groups that are nearly right from taking over, and every gradient finite.
    """
    floor = _power(mixture) * 10 ** (-SDR_LIMIT_DB / 10)
    error, signal = (x.square().flatten(2).mean(-1) + floor for x in (estimate - target, target))
    return 10 * torch.log10(error / signal)


def relative_error(estimate: Tensor, target: Tensor, mixture: Tensor) -> Tensor:
    """|error|^2 over |mixture|^2, `[B, G]`.

    The smallest that can be expected where it is not sure what is heard: `t` and `sdr` reward a guess.
    """
    return (estimate - target).square().flatten(2).mean(-1) / _power(mixture)


def _power(mixture: Tensor) -> Tensor:
    """Mean square of the mixtures, above 0, `[B, 1]`."""
    return (mixture.square().mean((1, 2)) + SILENCE).unsqueeze(1)


LOSSES = ("t", "tf", "mrstft", "mse", "sdr")


def check_loss(name: str) -> None:
    """Raise UsageError unless `name` is one of LOSSES, or several different ones joined by `+`."""
    terms = name.split("+")
    for term in terms:
        if term not in LOSSES:
            raise UsageError(f"unknown loss '{term}': choose from {', '.join(LOSSES)}, several joined by +")
    if len(set(terms)) < len(terms):
        raise UsageError(f"loss '{name}' names one twice: name each once")


def separation_loss(
    name: str,
    pair: Comparison,
    weight: Tensor,
    level_weight: Tensor | None = None,
    spectrum_weight: float = 1.0,
    sdr_weight: float = 1.0,
) -> Tensor:
    """Sum over groups of weight times loss; `weight` is 1 / groups where a group counts (`group_weights`).

    `level_weight` `[B]` is a further factor of the losses that grow with the level (all but `mse` and `sdr`),
    `spectrum_weight` one of `tf`, `sdr_weight` one of `sdr`.
    """
    check_loss(name)
    scaled = weight if level_weight is None else weight * level_weight.unsqueeze(1)
    total = weight.new_zeros(())
    for term in name.split("+"):
        match term:
            case "t":
                total = total + (scaled * l1(pair.estimates, pair.targets)).sum()
            case "tf":
                distance = l1(pair.estimated_spectra, pair.target_spectra)
                total = total + spectrum_weight * (scaled * distance).sum()
            case "mrstft":
                total = total + (scaled * multi_resolution(pair.estimates, pair.targets)).sum()
            case "mse":
                total = total + (weight * relative_error(pair.estimates, pair.targets, pair.mixtures)).sum()
            case "sdr":
                total = total + sdr_weight * (weight * negative_sdr(pair.estimates, pair.targets, pair.mixtures)).sum()
    return total


def group_weights(groups: Tensor) -> Tensor:
    """Weights `[B, G]` of groups `[B, G, S]` that sum to one: a group that names no stem counts for nothing."""
    counts = groups.any(-1).float()
    return counts / counts.sum().clamp(min=1)


def loudness_weight(mixture: Tensor, reference_rms: float = 0.1) -> Tensor:
    """Weight `[B]` that makes quiet and loud mixtures `[B, C, n]` count alike: `reference_rms` over their level."""
    return reference_rms / mixture.square().mean((1, 2)).sqrt().clamp(min=1e-4)
