"""Frames to come: what a frame's features may learn from later frames, where a longer delay does no harm.

A model with look-ahead is causal all the same, but its stems are those of `lookahead_frames` frames ago.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from stemlive.model.state import Memory

HIDDEN_FACTOR = 2


class LookAhead(nn.Module):
    """Per band, the features of a frame and of the `frames` after it to features of that frame, residual.

    What comes out is `frames` frames late. Remembers `ahead`, the features of the last frames.
    """

    def __init__(self, feature_dim: int, frames: int) -> None:
        super().__init__()
        self.feature_dim, self.frames = feature_dim, frames
        self.memory_sizes = {"ahead": (frames * feature_dim,)}
        self.norm = nn.LayerNorm(feature_dim)
        self.listen = nn.Linear((frames + 1) * feature_dim, HIDDEN_FACTOR * feature_dim)
        self.proj = nn.Linear(HIDDEN_FACTOR * feature_dim, feature_dim)

    def forward(self, x: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        """`[rows, T, N]` and the memory so far, `[1, rows, frames * N]`, to the same, the frames late."""
        rows, n = int(x.shape[0]), self.feature_dim
        held = torch.cat([memory[0][0].reshape(rows, self.frames, n).to(x.dtype), x], dim=1)  # [rows, frames + T, N]
        normed = self.norm(held)
        near = torch.cat([normed[:, first : first - self.frames or None] for first in range(self.frames + 1)], dim=-1)
        late = held[:, : -self.frames] + self.proj(functional.silu(self.listen(near)))
        return late, (held[:, -self.frames :].reshape(1, rows, -1),)


class Delay(nn.Module):
    """The mixture's spectrum, `frames` frames late, for masks that are, and what comes after it.

    Remembers `delayed`, its last frames.
    """

    def __init__(self, values: int, frames: int) -> None:
        super().__init__()
        self.frames = frames
        self.memory_sizes = {"delayed": (frames * values,)}

    def forward(self, x: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        """`[B', T, F, C', 2]` to `[B', T + frames, F, C', 2]`: the T frames that are due, and those to come."""
        batch, *of_frame = int(x.shape[0]), *map(int, x.shape[2:])
        held = torch.cat([memory[0][0].reshape(batch, self.frames, *of_frame), x], dim=1)
        return held, (held[:, -self.frames :].reshape(1, batch, -1),)
