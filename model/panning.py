"""Panning: where each bin lies between left and right, and masks that depend on it bin by bin.

A band's features are too few to hold the place of each of its bins, and what they learn of one bin they do not know of
another. Here the cues of a bin are given, and the law that makes a mask of them is the same for all bins of a band: the
network chooses it anew for every frame, band and stem. What is equal on both sides is told from what is not by the
ratio of middle and side, as centre extraction does it: Avendano and Jot, "A frequency-domain approach to multichannel
upmix" (J. Audio Eng. Soc. 52, 2004); the difference of levels as in ADRess (Barry, Lawlor and Coyle, DAFx 2004).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from stemlive.model.bands import equal_width_groups
from stemlive.model.config import ModelConfig
from stemlive.model.stereo import mid_side

CUES = 5
FLOOR = 1e-6  # power of a bin that counts as silence
SMOOTHED_BINS = 5  # over which middle and side are compared once more
PEAK_BINS = 9  # a bin is measured against its mean over so many
QUICKER = 10.0  # than the other weights these must move: they begin at 0 and add up to several


class Panning(nn.Module):
    """Per stem and bin a gain of the mask, and how much of the mixture's side is taken from it.

    Both are a sum of the bin's cues with weights that follow from its band's features; the gain is 2 sigmoid of it, so
    that new weights, all 0, change nothing.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.num_stems = len(config.stems) - config.residual_stem
        self.groups = equal_width_groups(config.band_widths)
        bands, outputs = len(config.band_widths), 2 * self.num_stems * CUES
        self.steer = nn.Parameter(torch.zeros(bands, config.feature_dim, outputs))
        self.lean = nn.Parameter(torch.zeros(bands, 1, outputs))

    def forward(self, features: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """Features `[K, B * T, N]` and spectra `[B, T, F, 2, 2]` to gains and shares of the side, `[S, B, T, F]`."""
        normed = functional.layer_norm(features, (self.steer.shape[1],))
        weights = QUICKER * (torch.matmul(normed, self.steer) + self.lean)
        weights = weights.unflatten(-1, (2 * self.num_stems, CUES))  # [K, B * T, 2 S, cues]
        heard = cues(x).flatten(0, 1)  # [B * T, F, cues]
        sums = []
        parts = weights.split([bands for bands, _ in self.groups])
        pieces = heard.split([bands * width for bands, width in self.groups], dim=1)
        for part, piece, (bands, width) in zip(parts, pieces, self.groups, strict=True):
            of_band = piece.unflatten(1, (bands, width)).permute(1, 0, 3, 2)  # [K', B * T, cues, width]
            sums.append(torch.matmul(part, of_band).permute(2, 1, 0, 3).flatten(2))
        both = torch.cat(sums, dim=-1).float().unflatten(1, x.shape[:2])  # [2 S, B, T, F]
        gains, shares = both.chunk(2)
        return 2 * torch.sigmoid(gains), shares


def cues(x: Tensor) -> Tensor:
    """What tells where a bin of `[B, T, F, 2, 2]` lies: `[B, T, F, cues]`, all of the order of 1.

    One; the logarithm of middle over side, of the bin and around it; left against right; its level against its
    neighbours'. None depends on the level of the whole.
    """
    powers = mid_side(x).square().sum(-1).transpose(2, 3) + FLOOR  # [B, T, 2, F]
    around = _mean(powers, SMOOTHED_BINS)
    ratios = [(power[:, :, 0] / power[:, :, 1]).log().div(4).clamp(-1.5, 2.5) for power in (powers, around)]
    left_power, right_power = x.square().sum(-1).unbind(-1)
    total = left_power + right_power + FLOOR
    roots = total.sqrt().sqrt()
    peak = (roots / _mean(roots.unsqueeze(2), PEAK_BINS).squeeze(2) - 1).clamp(max=2)
    return torch.stack([torch.ones_like(peak), *ratios, (left_power - right_power) / total, peak], dim=-1)


def side_of(x: Tensor) -> Tensor:
    """Return the side of `[..., 2, 2]`: the difference of each channel from the mean of both."""
    return (x - x.flip(-2)) / 2


def _mean(x: Tensor, bins: int) -> Tensor:
    """Mean over so many bins around each, of `[B, T, C, F]`."""
    return functional.avg_pool2d(x, (1, bins), 1, (0, bins // 2), count_include_pad=False)
