"""What the network remembers from one frame to the next: a typed value with names and shapes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

Memory = tuple[Tensor, ...]
"""What one layer remembers: its slices `[1, rows * B, ...]` of the tensors of a State; empty for one without memory."""


@dataclass(frozen=True)
class StateSpec:
    """One kind of memory: its name in the ONNX file and its shape `[layers, rows per batch item, ...]`."""

    name: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class State:
    """Memory of all layers: per kind one float32 tensor `[layers, rows * B, ...]`, all zero before the first frame."""

    tensors: Mapping[str, Tensor]

    @classmethod
    def zeros(cls, specs: Sequence[StateSpec], batch: int, device: torch.device | None = None) -> "State":
        """The memory before the first frame."""
        return cls(
            {
                spec.name: torch.zeros(spec.shape[0], spec.shape[1] * batch, *spec.shape[2:], device=device)
                for spec in specs
            }
        )

    def layer(self, index: int, names: Iterable[str]) -> Memory:
        """What layer `index` remembers of the kinds that are named."""
        return tuple(self.tensors[name][index : index + 1] for name in names)

    def flatten(self) -> tuple[Tensor, ...]:
        """The tensors in the order of their kinds, as an ONNX graph takes them."""
        return tuple(self.tensors.values())

    @classmethod
    def unflatten(cls, specs: Sequence[StateSpec], tensors: Sequence[Tensor]) -> "State":
        """The inverse of `flatten`."""
        return cls({spec.name: tensor for spec, tensor in zip(specs, tensors, strict=True)})

    def detach(self) -> "State":
        """The same values without their history, as float32: pieces are trained one after another this way."""
        return State({name: tensor.detach().float() for name, tensor in self.tensors.items()})
