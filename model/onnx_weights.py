"""Read the weights back from a model file of `stemlive export`. Needs the package onnx once it reads a file."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from stemlive.errors import MissingFileError, ModelError

PREFIX = "model."
"""Stands before the name of each weight in the file."""
SCALE = "scale."
"""Stands before the whole name of a weight of 8 bits to name what its numbers are multiplied by."""
MIDDLE = 128
"""Stands for 0 in unsigned numbers of 8 bits, which those of models that compute in integers are."""


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
    tensors = {each.name: _float(numpy_helper.to_array(each)) for each in model.graph.initializer}
    weights = {
        name.removeprefix(PREFIX): values * tensors.get(SCALE + name, 1.0)
        for name, values in tensors.items()
        if name.startswith(PREFIX)
    }
    if not any(name.endswith("weight_in") for name in weights):
        raise ModelError(f"{path} does not hold its weights by name, as an older export does not: name another file")
    return config, weights, provenance


def _float(values: np.ndarray[Any, Any]) -> torch.Tensor:
    tensor = torch.from_numpy(values.copy()).float()
    return tensor - MIDDLE if values.dtype == np.uint8 else tensor
