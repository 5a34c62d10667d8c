"""One recurrence that hears all bands of a frame at once, in the place of a recurrence over the bands.

A scan over 41 bands is 41 steps one after the other, in both directions, in every frame; this is one product. It also
remembers: what it knows of the whole spectrum it carries from frame to frame.
Source of the idea: StemgenRT (2026), a global recurrent layer fed by all bands and fed back to each.
"""

from torch import Tensor, nn
from torch.nn import functional

from stemlive.model.recurrence import GatedRecurrence
from stemlive.model.state import Memory


class GlobalLayer(nn.Module):
    """Per band to a few numbers, all of them through one recurrence, per band back to its features, residual.

    Remembers `global`, `hidden_dim` numbers per signal.
    """

    def __init__(self, bands: int, feature_dim: int, narrow_dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.bands, self.narrow_dim = bands, narrow_dim
        self.memory_sizes = {"global": (hidden_dim,)}
        self.norm = nn.LayerNorm(feature_dim)
        self.narrow = nn.Linear(feature_dim, narrow_dim)
        self.recurrence = GatedRecurrence(bands * narrow_dim, hidden_dim, bands * narrow_dim)
        self.widen = nn.Linear(narrow_dim, feature_dim)

    def forward(self, x: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        """`[K, signals, T, N]` and the memory so far to the same."""
        signals = int(x.shape[1])
        narrow = self.narrow(self.norm(x)).permute(2, 1, 0, 3)  # [T, signals, K, narrow]
        narrow = narrow.reshape(-1, signals, self.bands * self.narrow_dim)
        y, after = self.recurrence(narrow, memory[0])
        y = functional.silu(y).reshape(-1, signals, self.bands, self.narrow_dim)
        y = y.permute(2, 1, 0, 3)  # [K, signals, T, narrow]
        return x + self.widen(y), (after,)
