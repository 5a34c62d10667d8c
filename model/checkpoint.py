"""Checkpoints: weights, configuration and provenance in one file that is read without executing code."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from stemlive.errors import MissingFileError, ModelError, NoMemoryError, StemliveError, is_out_of_memory
from stemlive.model.bsrnn import BSRNN
from stemlive.model.config import ModelConfig
from stemlive.model.onnx_weights import read_onnx
from stemlive.whole_file import whole_file

FORMAT = 1


def save_atomically(values: dict[str, Any], path: Path) -> None:
    """Write a dictionary of tensors and plain values; `path` holds the old file or the whole new one, never a part.

    Raises StemliveError where there is no room, or it cannot be written for another reason.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as part:
            torch.save(values, part)
    except (OSError, RuntimeError) as error:  # torch's own writer tells a full disk by the latter
        raise StemliveError(f"cannot write {path}: {str(error).splitlines()[0]}: is there room on the disk?") from error


def load_values(path: Path) -> dict[str, Any]:
    """Read what `save_atomically` wrote. Raises ModelError for anything else."""
    try:
        with warnings.catch_warnings():  # about pickles of other makers: they end in an error of ours
            warnings.simplefilter("ignore")
            values = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise MissingFileError(f"no checkpoint at {path}: check the path") from None
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror or error}") from error
    except Exception as error:  # of a WAV or a picture, torch's reader raises what their bytes happen to lead to
        if is_out_of_memory(error):
            raise NoMemoryError(f"not enough memory to read {path}") from error
        raise ModelError(
            f"{path} is not a checkpoint of stemlive ({type(error).__name__}): name another file"
        ) from error
    if not isinstance(values, dict):
        raise ModelError(f"{path} is not a checkpoint of stemlive: name another file")
    return values


def check_finite(weights: Mapping[str, Any], path: Path) -> None:
    """Raise ModelError for weights that are not all finite, which a training that failed leaves behind."""
    for name, value in weights.items():
        if isinstance(value, torch.Tensor) and not bool(torch.isfinite(value).all()):
            raise ModelError(f"{path}: the weights of {name} are not finite numbers: use a checkpoint from before")


def save_checkpoint(model: BSRNN, path: Path, provenance: dict[str, Any], half: bool = False) -> None:
    """Write weights and configuration; `provenance` says in plain values what the weights were trained on.

    With `half` the weights are stored in 16 bits, in half the space; they are read as float32 again.
    """
    values = {
        "format": FORMAT,
        "config": model.config.to_dict(),
        "weights": {name: value.half() if half else value for name, value in model.state_dict().items()},
        "provenance": provenance,
    }
    save_atomically(values, path)


def load_checkpoint(path: Path) -> tuple[BSRNN, dict[str, Any]]:
    """The model, in evaluation mode, and its provenance. Raises ModelError when the file does not hold one.

    The file is what `save_checkpoint` wrote, or a model that `stemlive export` wrote (.onnx), which may have rounded
    the weights to 16 bits.
    """
    if path.suffix == ".onnx":
        config, weights, provenance = read_onnx(path)
    else:
        config, weights, provenance = _read_checkpoint(path)
    check_finite(weights, path)
    try:
        model = BSRNN(ModelConfig.from_dict(config))
        model.load_state_dict(weights)
    except (RuntimeError, TypeError, StemliveError) as error:
        raise ModelError(f"{path} does not fit this version's model: {str(error).splitlines()[0]}") from error
    return model.eval(), provenance


def _read_checkpoint(path: Path) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Configuration, weights and provenance. Raises ModelError as `load_checkpoint`."""
    values = load_values(path)
    missing = {"format", "config", "weights", "provenance"} - set(values)
    if missing:
        raise ModelError(f"{path} is not a checkpoint of stemlive: it lacks {', '.join(sorted(missing))}")
    if values["format"] != FORMAT:
        raise ModelError(
            f"{path} has checkpoint format {values['format']}, this program reads {FORMAT}: train or convert it again"
        )
    return values["config"], values["weights"], values["provenance"]
