"""Read the weights back from a model file of `stemlive export`. Needs the package onnx once it reads a file."""

import json
from pathlib import Path
from typing import Any

import torch

from stemlive.errors import MissingFileError, ModelError

PREFIX = "model."
"""Stands before the name of each weight in the file."""
SCALE = "scale."
"""Stands before the whole name of a weight of 8 bits to name what its numbers are multiplied by."""


def read_onnx(path: Path) -> tuple[dict[str, Any], dict[str, torch.Tensor], dict[str, Any]]:
    """Return configuration, weights (float32, by their names in the state dict) and provenance.

    ModelError when the file does not exist, is not a model of stemlive, or does not hold its weights by name: those
    of `--int8` do not.
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
    tensors = {
        each.name: torch.from_numpy(numpy_helper.to_array(each).copy()).float() for each in model.graph.initializer
    }
    weights = {
        name.removeprefix(PREFIX): values * tensors.get(SCALE + name, 1.0)
        for name, values in tensors.items()
        if name.startswith(PREFIX)
    }
    if not any(name.endswith("weight_in") for name in weights):
        raise ModelError(
            f"{path} does not hold its weights by name (computing in 8 bits, or an older export): name another file"
        )
    return config, weights, provenance
