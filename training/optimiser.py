"""Muon: momentum whose every matrix is made orthogonal before it is a step; AdamW for all that is no matrix.

Source: Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks"; the scale with which both take
one learning rate is that of Liu et al. 2025 (arXiv 2502.16982), section 2.2. `torch.optim.Muon` takes matrices only;
here a weight may be a stack of them (one per stem and band, or the gates of a recurrent layer), each orthogonal on its
own.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from stemlive.errors import TrainingError
from stemlive.model.recurrence import GatedRecurrence
from stemlive.training.devices import fast_bfloat16

COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of a Newton-Schulz step, as published
NEWTON_SCHULZ_STEPS = 5
ADAM_RMS = 0.2  # root mean square of Adam's usual step at a learning rate of 1
MOMENTUM = 0.95


def freeze(model: nn.Module, parts: Sequence[str]) -> None:
    """Freeze these parts of the network. Raises TrainingError for a part that the model does not have."""
    having = {name for name, part in model.named_children() if any(True for _ in part.parameters())}
    for part in parts:
        if part not in having:
            raise TrainingError(f"frozen: the model has no part '{part}': choose from {', '.join(sorted(having))}")
        model.get_submodule(part).requires_grad_(False)


@torch.no_grad()
def follow(average: nn.Module, model: nn.Module, decay: float, steps: float) -> None:
    """Move the exponential moving average of a model's weights on by one step, of which there were so many before.

    In the first steps from random weights, which are soon worth nothing, it follows faster.
    """
    decay = min(decay, 1 - 9 / (10 + steps))
    for mean, current in zip(average.parameters(), model.parameters(), strict=True):
        mean.lerp_(current, 1 - decay)


@torch.no_grad()
def meet(slow: nn.Module, average: nn.Module, model: nn.Module, share: float) -> None:
    """Move the slow weights so much of the way to the average; the average and the model go on from there.

    Source: Zhang et al. 2019, "Lookahead Optimizer: k steps forward, 1 step back" (arXiv 1907.08610), where they move
    towards the weights of the last step.
    """
    for far, mean, current in zip(slow.parameters(), average.parameters(), model.parameters(), strict=True):
        far.lerp_(mean, share)
        mean.copy_(far)
        current.copy_(far)


class Muon(torch.optim.AdamW):
    """For the weights of a model: what has two axes or more is a stack of matrices in its last two."""

    def __init__(self, model: nn.Module, lr: float, weight_decay: float = 0.0) -> None:
        super().__init__(model.parameters(), lr=lr, weight_decay=weight_decay)
        gates: dict[Tensor, int] = {
            parameter: 4 if isinstance(layer, nn.LSTM) else 3
            for layer in model.modules()
            if isinstance(layer, nn.LSTM | nn.GRU)
            for parameter in layer.parameters(recurse=False)
        }
        gates |= {layer.into.weight: 3 for layer in model.modules() if isinstance(layer, GatedRecurrence)}
        self._matrices = {p: gates.get(p, 1) for p in model.parameters() if p.ndim >= 2 and min(p.shape[-2:]) > 1}

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step for all parameters that have a gradient; the gradients of the matrices are used up."""
        with torch.no_grad():
            for group in self.param_groups:
                for parameter in group["params"]:
                    if parameter in self._matrices and parameter.grad is not None:
                        self._matrix_step(parameter, group["lr"], group["weight_decay"])
                        parameter.grad = None  # AdamW passes it by
        return super().step(closure)

    def _matrix_step(self, parameter: nn.Parameter, rate: float, weight_decay: float) -> None:
        gradient, state = parameter.grad, self.state[parameter]
        assert gradient is not None
        if not state:
            state.update(
                step=torch.zeros(()), momentum=torch.zeros_like(parameter)
            )  # AdamW loads no state without a step
        state["step"] += 1
        momentum = state["momentum"]
        momentum.mul_(MOMENTUM).add_(gradient)
        ahead = gradient.add(momentum, alpha=MOMENTUM)  # Nesterov's
        rows, columns = parameter.shape[-2] // self._matrices[parameter], parameter.shape[-1]
        direction = orthogonal(ahead.reshape(-1, rows, columns)).reshape(parameter.shape)
        parameter.mul_(1 - rate * weight_decay)
        parameter.add_(direction, alpha=-rate * ADAM_RMS * math.sqrt(max(rows, columns)))


def orthogonal(matrices: Tensor) -> Tensor:
    """The orthogonal matrices nearest to `[..., rows, columns]`, roughly: singular values of 0.7 to 1.2."""
    a, b, c = COEFFICIENTS
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.transpose(-2, -1) if tall else matrices
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    x = x.bfloat16() if fast_bfloat16(x.is_cuda) else x
    for _ in range(NEWTON_SCHULZ_STEPS):
        square = x @ x.transpose(-2, -1)
        x = a * x + (b * square + c * square @ square) @ x
    result: Tensor = x.transpose(-2, -1) if tall else x
    return result.to(matrices.dtype)


def adam(model: nn.Module, lr: float, weight_decay: float) -> torch.optim.Optimizer:
    """AdamW, which without weight decay is Adam."""
    return torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=weight_decay)


OPTIMISERS: dict[str, Callable[[nn.Module, float, float], torch.optim.Optimizer]] = {"adam": adam, "muon": Muon}
"""Constructors by the name in a recipe: model, learning rate, weight decay."""
