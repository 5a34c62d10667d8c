"""A gated recurrence whose gates do not look at its own past, so that all frames are prepared at once.

h[t] = keep[t] * h[t - 1] + new[t], with keep and new from the input alone: what must be done frame after frame is one
multiplication and one addition per unit, and the matrix products are over all frames.
Sources: Feng et al., "Were RNNs all we needed?" (minGRU, arXiv 2410.01201); the gate at the output as in De et al.,
"Griffin" (arXiv 2402.19427).
"""

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

SCAN = "stemlive::scan"
SLOWEST, QUICKEST = -5.0, 1.0  # range of the biases of new update gates: they forget in 150 frames, or in one


@torch.library.custom_op(SCAN, mutates_args=())
def scan(keep: Tensor, new: Tensor, before: Tensor) -> Tensor:
    """`keep` and `new` `[T, rows, H]` and the state before them `[rows, H]` to the states `[T, rows, H]`."""
    states = torch.empty_like(new)
    state = before
    for kept, added, out in zip(keep.unbind(), new.unbind(), states.unbind(), strict=True):
        torch.addcmul(added, kept, state, out=out)
        state = out
    return states


@torch.library.custom_op(SCAN + "_backward", mutates_args=())
def scan_backward(gradient: Tensor, keep: Tensor, states: Tensor, before: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of `keep`, `new` and `before` from that of the states."""
    of_new = torch.empty_like(gradient)
    steps = list(zip(gradient.unbind(), keep.unbind(), of_new.unbind(), strict=True))
    later = torch.zeros_like(before)
    for from_output, kept, out in reversed(steps):
        torch.add(from_output, later, out=out)
        later = kept * out
    of_keep = torch.empty_like(gradient)
    torch.mul(of_new[0], before, out=of_keep[0])
    torch.mul(of_new[1:], states[:-1], out=of_keep[1:])
    return of_keep, of_new, later


@scan.register_fake
def _(keep: Tensor, new: Tensor, before: Tensor) -> Tensor:
    return torch.empty_like(new)


@scan_backward.register_fake
def _(gradient: Tensor, keep: Tensor, states: Tensor, before: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return torch.empty_like(gradient), torch.empty_like(gradient), torch.empty_like(before)


def _keep_for_backward(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor], output: Tensor) -> None:
    keep, _, before = inputs
    ctx.save_for_backward(keep, output, before)


def _differentiate(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return cast("tuple[Tensor, Tensor, Tensor]", scan_backward(gradient.contiguous(), *ctx.saved_tensors))


scan.register_autograd(_differentiate, setup_context=_keep_for_backward)


class GatedRecurrence(nn.Module):
    """Linear layer to update gate, candidate and output gate; the recurrence; linear layer from its gated states."""

    def __init__(self, inputs: int, hidden_dim: int, outputs: int) -> None:
        super().__init__()
        self.into = nn.Linear(inputs, 3 * hidden_dim)
        self.out = nn.Linear(hidden_dim, outputs)
        nn.init.uniform_(self.into.bias.detach()[:hidden_dim], SLOWEST, QUICKEST)

    def forward(self, x: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
        """`[T, rows, inputs]` and the state before `[1, rows, H]` to `[T, rows, outputs]` and the state after."""
        states, after = gated_states(self.into(x), before)
        return self.out(states), after


def gated_states(prepared: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
    """Update gates, candidates and output gates `[T, rows, 3 * H]` to the gated states `[T, rows, H]`, and the last."""
    update, candidate, gate = prepared.split(int(before.shape[-1]), dim=-1)
    update = update.float()
    states = scan(torch.sigmoid(-update), torch.sigmoid(update) * candidate.float(), before[0])
    return states * functional.silu(gate), states[-1:]
