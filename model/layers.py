"""Residual sequence layers: over time (with memory, one direction) and over bands (both directions)."""

from typing import cast

from torch import Tensor, nn


class ResidualLSTM(nn.Module):
    """Normalisation of each vector, LSTM, projection, residual. Works along the first axis of `[steps, rows, N]`.

    Normalising one vector at a time, never over time, keeps the future out. Forward LSTM with memory if not
    bidirectional. Source: arXiv 2209.15174, section III-B.
    """

    def __init__(self, feature_dim: int, hidden_dim: int, bidirectional: bool) -> None:
        super().__init__()
        self.bidirectional = bidirectional
        self.norm = nn.LayerNorm(feature_dim)
        self.rnn = nn.LSTM(feature_dim, hidden_dim, bidirectional=bidirectional)
        self.proj = nn.Linear(hidden_dim * (2 if bidirectional else 1), feature_dim)

    def forward(self, x: Tensor, memory: tuple[Tensor, Tensor] | None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """`[steps, rows, N]` and (h, c) `[1, rows, H]` each, or None, to the same."""
        normed = cast(Tensor, self.norm(x))
        y, new = self.rnn(normed, memory)
        return x + self.proj(y), new
