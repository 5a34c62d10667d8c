"""Scores of separated stems. Signals are `[C, n]`; everything is in dB."""

import torch
from torch import Tensor

EPSILON = 1e-8


def usdr(reference: Tensor, estimate: Tensor) -> float:
    """Global signal-to-distortion ratio of one track: energy of the reference over energy of the error.

    Source: Music Demixing Challenge 2021 (arXiv 2108.13559), equation 1. The mean of it over tracks is the uSDR.
    """
    signal = reference.double().square().sum() + EPSILON
    error = (reference - estimate).double().square().sum() + EPSILON
    return float(10 * torch.log10(signal / error))
