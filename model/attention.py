"""Full-band self-attention: each frame, all its bands as one vector, looks at other frames.

Source: TF-GridNet, arXiv 2209.03952, section II-C. In the causal form a frame sees itself and the frames just before
it; their keys and values are the memory.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from stemlive.model.state import Memory


class HeadProjection(nn.Module):
    """Per head: linear layer over the features of one band, PReLU, normalisation over all bands of one frame."""

    def __init__(self, feature_dim: int, bands: int, heads: int, head_dim: int, shift: bool = True) -> None:
        super().__init__()
        self.heads, self.bands, self.head_dim = heads, bands, head_dim
        self.linear = nn.Linear(feature_dim, heads * head_dim)
        self.activation = nn.PReLU(heads)
        self.gain = nn.Parameter(torch.ones(heads, 1, bands, head_dim))
        self.shift = nn.Parameter(torch.zeros(heads, 1, bands, head_dim)) if shift else None

    def forward(self, x: Tensor) -> Tensor:
        """`[B, T, K, N]` to `[B, heads, T, K, head_dim]`."""
        y = self.linear(x).unflatten(-1, (self.heads, self.head_dim)).permute(0, 3, 1, 2, 4)
        y = functional.layer_norm(self.activation(y), (self.bands, self.head_dim)) * self.gain
        return y if self.shift is None else y + self.shift


class FrameAttention(nn.Module):
    """Keys and queries of E numbers a band, values of N / heads; the heads are joined, projected and added.

    window: frames that one sees, itself included; None for all of a signal, those to come too.
    The memory, per row: keys and values of the last window - 1 frames, and which of these there have been (1) or not
    (0), so that the first frames of a signal attend to nothing before it. A shift of the keys would add the same to
    all scores of a query, so they have none.
    """

    def __init__(self, feature_dim: int, bands: int, heads: int, key_dim: int, window: int | None) -> None:
        super().__init__()
        self.window = window
        self.memory_sizes: dict[str, tuple[int, ...]] = {}
        if window is not None:
            self.memory_sizes = {
                "attn_k": (heads, window - 1, bands * key_dim),
                "attn_v": (heads, window - 1, bands * feature_dim // heads),
                "attn_valid": (window - 1,),
            }
        self.scale = (bands * key_dim) ** -0.5
        self.query = HeadProjection(feature_dim, bands, heads, key_dim)
        self.key = HeadProjection(feature_dim, bands, heads, key_dim, shift=False)
        self.value = HeadProjection(feature_dim, bands, heads, feature_dim // heads)
        self.merge = HeadProjection(feature_dim, bands, 1, feature_dim)

    def forward(self, x: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        """`[B, T, K, N]` and the memory so far (empty if it has none) to the same."""
        value = self.value(x)  # [B, heads, T, K, N/heads]
        queries, keys, values = self.query(x).flatten(3), self.key(x).flatten(3), value.flatten(3)
        new: Memory = ()
        if self.window is None:
            scores = torch.matmul(queries * self.scale, keys.transpose(2, 3))  # [B, heads, T, T]
        else:
            past_keys, past_values, past_valid = (tensor.squeeze(0) for tensor in memory)
            keys, values = torch.cat([past_keys, keys], dim=2), torch.cat([past_values, values], dim=2)
            valid = torch.cat([past_valid, torch.ones_like(x[:, :, 0, 0])], dim=1)  # [B, window - 1 + T]
            first = 1 - self.window
            new = tuple(kept.unsqueeze(0) for kept in (keys[:, :, first:], values[:, :, first:], valid[:, first:]))
            scores = torch.matmul(queries * self.scale, keys.transpose(2, 3))  # [B, heads, T, window - 1 + T]
            seen = self._in_window(x) & (valid > 0).unsqueeze(1)  # [B, T, window - 1 + T]
            scores = scores.masked_fill(~seen.unsqueeze(1), -torch.inf)
        y = torch.matmul(scores.softmax(-1), values)  # [B, heads, T, K * N/heads]
        y = y.unflatten(-1, value.shape[3:]).permute(0, 2, 3, 1, 4).flatten(3)  # [B, T, K, N]
        return x + self.merge(y)[:, 0], new

    def _in_window(self, x: Tensor) -> Tensor:
        """Whether frame t sees key k, `[T, window - 1 + T]`: the keys begin window - 1 frames before frame 0."""
        assert self.window is not None
        steps = x.shape[1]
        keys = torch.arange(self.window - 1 + steps, device=x.device)
        age = torch.arange(steps, device=x.device).unsqueeze(1) + self.window - 1 - keys
        return (age >= 0) & (age < self.window)
