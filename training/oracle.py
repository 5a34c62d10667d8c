"""The oracle: the best that a mask on the mixture's spectrum could reach if the stems were known."""

import torch
from torch import Tensor
from torch.nn import functional

from stemlive.model.framing import Framing
from stemlive.training.references import Reference

CHUNK_SAMPLES = 2**20
EPSILON = 1e-12


def ideal_ratio_mask(reference: Reference, framing: Framing) -> dict[str, Tensor]:
    """Estimates `[C, n]` of all targets of a song by the ratio mask |S|^2 / sum |S|^2 of its tracks, in this framing.

    The accompaniment is the sum of the tracks that are not the voice. Long songs go through it in overlapping pieces.
    Source: Liutkus and Badeau 2015, "Generalized Wiener filtering with fractional power spectrograms", alpha 2, which
    is the oracle `IRM2` of SiSEC 2018 (arXiv 1804.06267).
    """
    stacked = torch.stack(list(reference.tracks.values()))
    hop = framing.preset.hop_samples
    margin = framing.preset.analysis_samples + framing.preset.synthesis_samples  # a multiple of the hop
    step = CHUNK_SAMPLES // hop * hop
    count = stacked.shape[-1]
    parts = []
    for start in range(0, count, step):
        before = min(start, margin)
        piece = functional.pad(stacked[..., start - before : start + step + margin], (0, 2 * margin))
        parts.append(_masked(piece, framing)[..., before : before + min(step, count - start)])
    return reference.outputs(dict(zip(reference.tracks, torch.cat(parts, dim=-1), strict=True)))


def _masked(tracks: Tensor, framing: Framing) -> Tensor:
    """Tracks `[S, C, n]` through the mask and back, `[S, C, n']`."""
    spectra = framing(tracks)  # [S, T, F, C, 2]
    power = spectra.square().sum(-1, keepdim=True)
    mask = power / (power.sum(0) + EPSILON)
    return framing.inverse(mask * spectra.sum(0))
