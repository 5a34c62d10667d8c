"""The lowest bands, where most of the energy of records is: drums, bass and fundamentals of voices share few bins.

Two things that the other layers lack: how the phase of each bin moves, from which frequencies are known more finely
than by the distance of bins; and recurrences in which a few bands hear all that each other knows, not a few numbers.
"""

from typing import cast

import torch
from torch import Tensor, nn

from stemlive.model.bands import equal_width_groups
from stemlive.model.mask_head import batched_linear
from stemlive.model.recurrence import GatedRecurrence
from stemlive.model.state import Memory

POWER_FLOOR = 1e-4  # square of a bin's magnitude that counts as silence
RISE_SCALE = 0.25  # of the logarithm of how much louder a bin has become


class Motion(nn.Module):
    """Per band, how the bins moved since the frame before, to features that are added to the band's.

    Of each bin and channel: cosine and sine of the angle by which its phase moved, and the logarithm of how much louder
    it has become. Remembers `moved`, the bins of the last frame.
    """

    def __init__(self, widths: tuple[int, ...], channels: int, feature_dim: int) -> None:
        super().__init__()
        self.groups, self.bins = equal_width_groups(widths), sum(widths)
        self.memory_sizes = {"moved": (self.bins * channels * 2,)}
        self.tell_weights, self.tell_biases = nn.ParameterList(), nn.ParameterList()
        for bands, width in self.groups:
            inputs = width * channels * 3
            self.tell_weights.append(torch.empty(bands, inputs, feature_dim).uniform_(-(inputs**-0.5), inputs**-0.5))
            self.tell_biases.append(torch.zeros(bands, 1, feature_dim))

    def forward(self, x: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        """Spectra `[B', T, F, C', 2]` and the memory so far to features `[bands, B' * T, N]` and the memory after."""
        low = x[:, :, : self.bins].float()
        held = torch.cat([memory[0][0].reshape(low.shape[0], 1, *low.shape[2:]), low], dim=1)
        told, start = [], 0
        for (bands, width), weight, bias in zip(self.groups, self.tell_weights, self.tell_biases, strict=True):
            bins = held[:, :, start : start + bands * width].unflatten(2, (bands, width)).movedim(2, 0)
            moved = _moved(bins[:, :, :-1], bins[:, :, 1:])  # [bands, B', T, width, C', 3]
            told.append(batched_linear(moved.flatten(3).flatten(1, 2), weight, bias))
            start += bands * width
        return torch.cat(told), (held[:, -1:].reshape(1, low.shape[0], -1),)


def _moved(before: Tensor, now: Tensor) -> Tensor:
    """Cosine and sine of the angles from complex numbers to others, and logarithms of the growth: `[..., 2]` to 3."""
    real, imag = now.unbind(-1)
    real_before, imag_before = before.unbind(-1)
    power, power_before = (numbers.square().sum(-1) + POWER_FLOOR for numbers in (now, before))
    scale = (power * power_before).rsqrt()
    cosine = (real * real_before + imag * imag_before) * scale
    sine = (imag * real_before - real * imag_before) * scale
    return torch.stack([cosine, sine, RISE_SCALE * (power / power_before).log()], dim=-1)


class LowLayer(nn.Module):
    """The features of the lowest bands, all of them, through one recurrence and back to each, residual.

    Remembers `low`, `hidden_dim` numbers per signal.
    """

    def __init__(self, bands: int, feature_dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.bands = bands
        self.memory_sizes = {"low": (hidden_dim,)}
        self.norm = nn.LayerNorm(feature_dim)
        self.recurrence = GatedRecurrence(bands * feature_dim, hidden_dim, bands * feature_dim)

    def forward(self, x: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        """`[K, signals, T, N]` and the memory so far to the same."""
        low, high = x.split([self.bands, x.shape[0] - self.bands])
        normed = self.norm(low).permute(2, 1, 0, 3).flatten(2)  # [T, signals, bands * N]
        y, after = self.recurrence(normed, memory[0])
        low = low + y.unflatten(-1, (self.bands, -1)).permute(2, 1, 0, 3)
        return torch.cat([low, high]), (after,)


class Apart(nn.Module):
    """A layer over time with weights of their own for the lowest bands.

    Remembers what the two layers do, that of the higher bands as `high_...`.
    """

    def __init__(self, low: nn.Module, high: nn.Module, low_bands: int, bands: int) -> None:
        super().__init__()
        self.low, self.high = low, high
        self.low_bands, self.bands = low_bands, bands
        sizes = [cast("dict[str, tuple[int, ...]]", layer.memory_sizes) for layer in (low, high)]
        self.memory_sizes = sizes[0] | {f"high_{name}": size for name, size in sizes[1].items()}

    def rows(self, name: str, of_all: int) -> int:
        """How many rows of so many, in all bands, this kind of memory is about."""
        bands = self.bands - self.low_bands if name.startswith("high_") else self.low_bands
        return of_all * bands // self.bands

    def forward(self, x: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        """`[T, K * B, N]` and the memory so far to the same."""
        rows = x.shape[1] * self.low_bands // self.bands
        low, high = x.split([rows, x.shape[1] - rows], dim=1)
        kinds = len(memory) // 2
        low, low_memory = self.low(low, memory[:kinds])
        high, high_memory = self.high(high, memory[kinds:])
        return torch.cat([low, high], dim=1), (*low_memory, *high_memory)
