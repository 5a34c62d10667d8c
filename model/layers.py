"""Residual sequence layers: over time (with memory, one direction) and over bands (both directions).

Each normalises one vector at a time, never over time, which keeps the future out, and works along the first axis of
`[steps, rows, N]`. A causal layer's `memory_sizes` names what it remembers and says its size per row.
Sources: arXiv 2209.15174, section III-B (LSTM); arXiv 2603.09187 (GRU, convolution).
"""

from typing import Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from stemlive.model.recurrence import GatedRecurrence, gated_states
from stemlive.model.state import Memory

KERNEL_STEPS = 3  # of the convolutions, as in arXiv 2603.09187


class SequenceLayer(Protocol):
    """What the layers here have in common."""

    memory_sizes: dict[str, tuple[int, ...]]

    def __call__(self, x: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        """`[steps, rows, N]` and the memory so far (empty if the layer has none) to the same."""


class ResidualLSTM(nn.Module):
    """Normalisation of each vector, LSTM, projection, residual. Remembers h and c, H numbers a row each."""

    def __init__(self, feature_dim: int, hidden_dim: int, bidirectional: bool) -> None:
        super().__init__()
        self.memory_sizes = {} if bidirectional else {"h": (hidden_dim,), "c": (hidden_dim,)}
        self.norm = nn.LayerNorm(feature_dim)
        self.rnn = nn.LSTM(feature_dim, hidden_dim, bidirectional=bidirectional)
        self.proj = nn.Linear(hidden_dim * (2 if bidirectional else 1), feature_dim)

    def forward(self, x: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        """See SequenceLayer; without memory both begin at zero."""
        normed = cast(Tensor, self.norm(x))
        y, new = self.rnn(normed, memory or None)
        return x + self.proj(y), new


class ResidualGRU(nn.Module):
    """Normalisation of each vector, GRU, projection, residual. Remembers h, H numbers a row."""

    def __init__(self, feature_dim: int, hidden_dim: int, bidirectional: bool) -> None:
        super().__init__()
        self.memory_sizes = {} if bidirectional else {"h": (hidden_dim,)}
        self.norm = nn.LayerNorm(feature_dim)
        self.rnn = nn.GRU(feature_dim, hidden_dim, bidirectional=bidirectional)
        self.proj = nn.Linear(hidden_dim * (2 if bidirectional else 1), feature_dim)

    def forward(self, x: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        """See SequenceLayer; without memory h begins at zero."""
        y, new = self.rnn(self.norm(x), memory[0] if memory else None)
        return x + self.proj(y), (new,)


class ResidualMinGRU(nn.Module):
    """Normalisation of each vector, gated recurrence (recurrence.py), residual. Remembers h, H numbers a row.

    `bidirectional` has one recurrence each way and adds what they say.
    """

    def __init__(self, feature_dim: int, hidden_dim: int, bidirectional: bool) -> None:
        super().__init__()
        self.hidden_dim = hidden_dim
        self.memory_sizes = {} if bidirectional else {"h": (hidden_dim,)}
        self.norm = nn.LayerNorm(feature_dim)
        self.ways = nn.ModuleList(
            GatedRecurrence(feature_dim, hidden_dim, feature_dim) for _ in range(1 + bidirectional)
        )

    def forward(self, x: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        """See SequenceLayer; without memory h begins at zero."""
        normed = self.norm(x)
        before = memory[0] if memory else x.new_zeros(1, x.shape[1], self.hidden_dim)
        y, after = self.ways[0](normed, before)
        for back in self.ways[1:]:
            y = y + back(normed.flip(0), before)[0].flip(0)
        return x + y, (after,)


class ApartMinGRU(nn.Module):
    """ResidualMinGRU in which so many of the lowest bands have weights of their own. Remembers h, H numbers a row.

    The normalisation has no gain and shift of its own: the linear layers behind it hold them.
    """

    def __init__(self, feature_dim: int, hidden_dim: int, low_bands: int, bands: int) -> None:
        super().__init__()
        self.feature_dim, self.low_bands, self.bands = feature_dim, low_bands, bands
        self.memory_sizes = {"h": (hidden_dim,)}
        self.low = GatedRecurrence(feature_dim, hidden_dim, feature_dim)
        self.high = GatedRecurrence(feature_dim, hidden_dim, feature_dim)

    def forward(self, x: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        """`[T, K * B, N]` and the memory so far to the same."""
        rows = int(x.shape[1])
        low_rows = rows * self.low_bands // self.bands
        counts = [low_rows, rows - low_rows]
        low, high = functional.layer_norm(x, (self.feature_dim,)).split(counts, dim=1)
        states, after = gated_states(torch.cat([self.low.into(low), self.high.into(high)], dim=1), memory[0])
        low, high = states.split(counts, dim=1)
        return x + torch.cat([self.low.out(low), self.high.out(high)], dim=1), (after,)


class ResidualConv(nn.Module):
    """Normalisation of each vector, convolution over 3 steps, ReLU, projection, residual.

    `bidirectional` sees one step to either side and is twice as wide, as the others are; otherwise a step sees itself
    and the two before it, and the layer remembers the last two normalised vectors of a row, `[N, 2]`.
    """

    def __init__(self, feature_dim: int, hidden_dim: int, bidirectional: bool) -> None:
        super().__init__()
        self.context = KERNEL_STEPS - 1
        self.memory_sizes = {} if bidirectional else {"conv": (feature_dim, self.context)}
        width = hidden_dim * (2 if bidirectional else 1)
        self.norm = nn.LayerNorm(feature_dim)
        self.conv = nn.Conv1d(feature_dim, width, KERNEL_STEPS, padding=self.context // 2 if bidirectional else 0)
        self.proj = nn.Linear(width, feature_dim)

    def forward(self, x: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        """See SequenceLayer."""
        normed = self.norm(x).permute(1, 2, 0)  # [rows, N, steps]
        new: Memory = ()
        if self.memory_sizes:
            normed = torch.cat([memory[0].squeeze(0), normed], dim=-1)
            new = (normed[..., -self.context :].unsqueeze(0),)
        y = functional.relu(self.conv(normed)).permute(2, 0, 1)  # [steps, rows, width]
        return x + self.proj(y), new


LAYERS: dict[str, type[ResidualLSTM] | type[ResidualGRU] | type[ResidualMinGRU] | type[ResidualConv]] = {
    "lstm": ResidualLSTM,
    "gru": ResidualGRU,
    "mingru": ResidualMinGRU,
    "conv": ResidualConv,
}
