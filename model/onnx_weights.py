"""Read the weights back from a model file of `stemlive export`. Needs the package onnx once it reads a file."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from stemlive.errors import MissingFileError, ModelError

Array = np.ndarray[Any, Any]

PREFIX = "model."
"""Stands before the name of each weight in the file."""
SCALE = "scale."
"""Stands before the whole name of a weight of 8 bits to name what its numbers are multiplied by."""
SHAPE = "shape."
"""Stands before the whole name of a weight of 5 bits to name its shape: three of its numbers are one of 16 bits."""
MOST = {8: 127, 5: 19}
"""Greatest of a weight's whole numbers, and least, but for the sign, by its bits."""
MIDDLES = {8: 128, 5: 19}
"""What stands for 0 in unsigned numbers, which those of models that compute in integers are."""
LEVELS = 40
"""Three digits of this base are below 2^16: a number of 5 bits, of 39, takes 5 1/3."""
PLACES = np.array([LEVELS**place for place in range(3)], np.int32)


def read_onnx(path: Path) -> tuple[dict[str, Any], dict[str, torch.Tensor], dict[str, Any]]:
    """Return configuration, weights (float32, by their names in the state dict) and provenance.

    ModelError when the file does not exist, is not a model of stemlive, or does not hold its weights by name.
    """
    import onnx
    from onnx import numpy_helper

    try:
        model = onnx.load(str(path))
        about = json.loads({each.key: each.value for each in model.metadata_props}["stemlive"])
        config, provenance = about["config"], about["provenance"]
    except FileNotFoundError:
        raise MissingFileError(f"no checkpoint at {path}: check the path") from None
    except Exception as error:  # protobuf's errors and those of the metadata have no common base
        raise ModelError(
            f"{path} is not a model of `stemlive export` ({type(error).__name__}): name another"
        ) from error
    arrays = {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}
    tensors = {name: _float(values, arrays.get(SHAPE + name)) for name, values in arrays.items()}
    weights = {
        name.removeprefix(PREFIX): values * tensors.get(SCALE + name, 1.0)
        for name, values in tensors.items()
        if name.startswith(PREFIX)
    }
    if not any(name.endswith("weight_in") for name in weights):
        raise ModelError(f"{path} does not hold its weights by name, as an older export does not: name another file")
    return config, weights, provenance


def _float(values: Array, packed: Array | None) -> torch.Tensor:
    """Return the weights, or whole numbers of weights, as float32; `packed` is the shape of packed ones."""
    if packed is not None:
        digits = (values[:, None] // PLACES % LEVELS).ravel()[: packed.prod()]
        return torch.from_numpy(digits.reshape(packed)).float() - MIDDLES[5]
    tensor = torch.from_numpy(values.copy()).float()
    return tensor - MIDDLES[8] if values.dtype == np.uint8 else tensor
