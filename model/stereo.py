"""Middle and side; exchange between the channels of a signal that otherwise go through the network apart."""

import torch
from torch import Tensor, nn

ACTIVATIONS: dict[str, type[nn.Tanh] | type[nn.PReLU]] = {"tanh": nn.Tanh, "prelu": nn.PReLU}


def mid_side(x: Tensor) -> Tensor:
    """Left and right `[..., 2, 2]`, the last axis real and imaginary, to middle and side of the same power; or back."""
    left, right = x.unbind(-2)
    turned: Tensor = torch.stack([left + right, left - right], dim=-2) * 0.5**0.5
    return turned


class TransformAverageConcatenate(nn.Module):
    """Each channel is transformed, their average too, and each channel with that average gives a residual.

    Three linear layers, each with its activation: N to the hidden size, hidden to hidden for the average, both
    together to N. Treats the channels alike: swapping them swaps the output. Source: arXiv 1910.14104, section 2.2.
    """

    def __init__(self, feature_dim: int, factor: int, activation: str) -> None:
        super().__init__()
        hidden, layer = factor * feature_dim, ACTIVATIONS[activation]
        self.transform = nn.Sequential(nn.Linear(feature_dim, hidden), layer())
        self.average = nn.Sequential(nn.Linear(hidden, hidden), layer())
        self.concatenate = nn.Sequential(nn.Linear(2 * hidden, feature_dim), layer())

    def forward(self, x: Tensor) -> Tensor:
        """`[..., C, T, N]` to the same."""
        each = self.transform(x)  # [..., C, T, 3N]
        average = self.average(each.mean(-3, keepdim=True))
        residual: Tensor = self.concatenate(torch.cat([each, average.expand_as(each)], dim=-1))
        return x + residual
