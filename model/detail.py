"""Detail: convolutions over single bins, before and behind the bands.

A band's few features cannot hold which of its bins belong to a harmonic, and what they learn of one bin or band they do
not know of another. A convolution is the same at all frequencies: it hears partials, their steadiness and their place
between left and right, tells the bands what there is in them, and lets them choose among their bins afterwards, as the
skip connections of a U-Net do. Sources: Jansson et al., "Singing voice separation with deep U-Net convolutional
networks" (ISMIR 2017); convolutions around a band-split network as in Tong et al., SCNet (arXiv 2401.13276).
"""

import math
from itertools import accumulate

import torch
from torch import Tensor, nn
from torch.nn import functional

from stemlive.model.config import ModelConfig
from stemlive.model.state import Memory
from stemlive.model.stereo import mid_side

TOP_HZ = 10000.0  # no band that begins above it has detail
PAST_FRAMES = 3  # that a frame's detail is made of, beside itself
HEARD_BINS = 7  # and so many bins
NEAR_BINS = 5  # of the convolutions behind the first
AROUND_BINS = 65  # a bin is measured against its mean over so many
CHANNELS_HEARD = 5  # left, right, middle, side, and the level around
FLOOR = 1e-7  # power of a bin that counts as silence
FAINT = 1e-4  # power of a bin, over the mean around it, that counts as nothing


class DetailEncoder(nn.Module):
    """Convolutional features of the F' lowest bins at full, half and quarter resolution, with PAST_FRAMES of context.

    It also pools features for each of their K' bands. Its memory is the past frames' inputs minus that of silence, so
    that zeros stand for the silence before the first frame.
    """

    pool: Tensor
    silence: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        widths = config.widths_from_below(TOP_HZ)
        self.bins, bands = sum(widths), len(widths)
        self.memory_sizes = {"heard": (CHANNELS_HEARD, PAST_FRAMES, self.bins)} if config.causal else {}
        fine, middle, coarse = detail_sizes(config)
        self.hear = nn.Conv2d(CHANNELS_HEARD, fine, (PAST_FRAMES + 1, HEARD_BINS), padding=(0, HEARD_BINS // 2))
        self.at_half = nn.Conv2d(fine, middle, (1, NEAR_BINS), (1, 2), (0, NEAR_BINS // 2))
        self.at_quarter = nn.Conv2d(middle, coarse, (1, NEAR_BINS), (1, 2), (0, NEAR_BINS // 2))
        silence = torch.tensor([*[math.log(FAINT) / 4] * 4, math.log(FLOOR) / 10 + 1]).reshape(-1, 1, 1)
        self.register_buffer("silence", silence, persistent=False)  # what is heard of it
        self.register_buffer("pool", _pool(widths, _quarter(self.bins), 4), persistent=False)
        self.tell = nn.Parameter(torch.empty(bands, coarse, config.feature_dim).uniform_(-1, 1) * coarse**-0.5)

    def forward(self, x: Tensor, memory: Memory) -> tuple[tuple[tuple[Tensor, ...], Tensor], Memory]:
        """Spectra `[B, T, F, 2, 2]` to detail, three of `[B, D, T, F']`, and features `[K', B * T, N]`."""
        heard = heard_in(x[:, :, : self.bins])
        past = memory[0].squeeze(0) if memory else heard.new_zeros(len(x), CHANNELS_HEARD, PAST_FRAMES, self.bins)
        known = torch.cat([past + self.silence, heard], dim=2)
        full = functional.silu(self.hear(known))
        half = functional.silu(self.at_half(full))
        quarter = functional.silu(self.at_quarter(half))
        pooled = torch.matmul(self.pool.to(quarter.dtype), quarter.permute(0, 2, 3, 1))  # [B, T, K', D]
        told = torch.matmul(pooled.permute(2, 0, 1, 3).flatten(1, 2), self.tell)
        new = ((known[:, :, -PAST_FRAMES:] - self.silence).unsqueeze(0),) if memory else ()
        return ((full, half, quarter), told), new


class DetailMasks(nn.Module):
    """Real masks of middle and side per stem and bin, from the detail and the features of the bin's band.

    They are the difference between a softmax over the stems and equal shares: zero in new weights, and summing to zero
    if the stems are complete; otherwise the softmax has one more choice, for none of the stems.
    """

    spread_1: Tensor
    spread_2: Tensor
    spread_4: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        widths = config.widths_from_below(TOP_HZ)
        self.num_stems = len(config.stems) - config.residual_stem
        self.choices = self.num_stems + (not config.consistent)  # the last: none of them
        fine, middle, coarse = detail_sizes(config)
        near, edge = (1, NEAR_BINS), (0, NEAR_BINS // 2)
        self.at_quarter = nn.Conv2d(coarse, middle, near, padding=edge)
        self.at_half = nn.Conv2d(2 * middle, fine, near, padding=edge)
        self.at_full = nn.Conv2d(2 * fine, fine, near, padding=edge)
        self.steer = nn.Parameter(torch.empty(len(widths), config.feature_dim, middle + 2 * fine).uniform_(-1, 1))
        self.steer.data *= config.feature_dim**-0.5
        self.sizes = (middle, fine, fine)
        bins = sum(widths)
        for scale, at in ((1, bins), (2, _half(bins)), (4, _quarter(bins))):
            self.register_buffer(f"spread_{scale}", _reach(widths, at, scale), persistent=False)
        self.choose = nn.Linear(fine, 2 * self.choices)
        nn.init.zeros_(self.choose.weight)
        nn.init.zeros_(self.choose.bias)

    def forward(self, detail: tuple[Tensor, ...], features: Tensor) -> Tensor:
        """Detail, three of `[B, D, T, F']`, and features `[K, B * T, N]` to masks `[S, B, T, F', 2]`.

        Middle and side are last.
        """
        full, half, quarter = detail
        normed = functional.layer_norm(features[: len(self.steer)], (self.steer.shape[1],))
        steer = torch.matmul(normed, self.steer).unflatten(1, (len(full), -1)).permute(1, 2, 0, 3)  # [B, T, K', D]
        coarse, middle, fine = (
            torch.matmul(spread.to(part.dtype), part).permute(0, 3, 1, 2)
            for spread, part in zip(
                (self.spread_4, self.spread_2, self.spread_1), steer.split(self.sizes, dim=-1), strict=True
            )
        )
        x = functional.silu(self.at_quarter(quarter) + coarse)
        x = functional.silu(self.at_half(torch.cat([_twice(x, half), half], dim=1)) + middle)
        x = functional.silu(self.at_full(torch.cat([_twice(x, full), full], dim=1)) + fine)
        logits = self.choose(x.permute(0, 2, 3, 1)).float().unflatten(-1, (self.choices, 2))
        shares = logits.softmax(-2)[..., : self.num_stems, :]  # [B, T, F', S, 2]
        masks: Tensor = (shares - 1 / self.choices).permute(3, 0, 1, 2, 4)
        return masks


def detail_sizes(config: ModelConfig) -> tuple[int, int, int]:
    """Channels at full, half and quarter resolution: processors like multiples of 16."""
    return config.detail_channels // 2, config.detail_channels, 2 * config.detail_channels


def _half(bins: int) -> int:
    """Bins behind a convolution with a stride of 2."""
    return (bins + 1) // 2


def _quarter(bins: int) -> int:
    return _half(_half(bins))


def _reach(widths: tuple[int, ...], bins: int, scale: int, margin: float = 0.0) -> Tensor:
    """Which of every `scale`-th bin lie in which band or within so many bins of it, `[bins, K']`."""
    starts = torch.tensor(list(accumulate(widths, initial=0))[:-1])
    ends = torch.tensor(list(accumulate(widths)))
    at = torch.arange(bins).unsqueeze(1) * scale
    return ((starts - margin <= at) & (at < ends + margin)).float()


def _pool(widths: tuple[int, ...], bins: int, scale: int) -> Tensor:
    """The mean over each band of the `scale`-th bins that lie within half of one of it, `[K', bins]`."""
    near = _reach(widths, bins, scale, scale / 2).T
    return near / near.sum(1, keepdim=True)


def _twice(x: Tensor, like: Tensor) -> Tensor:
    """Repeat each bin once, and cut to as many bins as the other has."""
    return functional.interpolate(x, scale_factor=(1, 2), mode="nearest")[..., : like.shape[3]]


def heard_in(x: Tensor) -> Tensor:
    """Spectra `[B, T, F', 2, 2]` to `[B, 5, T, F']`: roots, as logarithms, of the power of left, right, middle, side.

    All over the mean power around, whose own logarithm is the last.
    """
    powers = torch.cat([x, mid_side(x)], dim=-2).square().sum(-1)  # [B, T, F', 4]
    mean = powers[..., 2:].mean(-1)
    around = functional.avg_pool1d(mean, AROUND_BINS, 1, AROUND_BINS // 2, count_include_pad=False) + FLOOR
    around = around.unsqueeze(-1)
    heard = torch.cat([(powers / around + FAINT).log() / 4, around.log() / 10 + 1], dim=-1)
    return heard.permute(0, 3, 1, 2)  # laid out with the channels last, which convolutions are quicker with
