"""The devices that a run computes on."""

import os
import shutil

import torch

from stemlive.errors import TrainingError


def use_gpu(precision: str, processes_here: int) -> bool:
    """Whether a run with so many processes on this machine uses GPUs, one per process, rather than processor cores.

    GPUs are used if there are any. Raises TrainingError if there are too few, or none for `fp16`.
    """
    if not torch.cuda.is_available():
        if precision == "fp16":
            raise TrainingError("precision fp16 needs a GPU: take bf16 or no")
        return False
    if processes_here > torch.cuda.device_count():
        raise TrainingError(
            f"{processes_here} processes, but {torch.cuda.device_count()} GPUs: start one process per GPU "
            "(or hide the GPUs with CUDA_VISIBLE_DEVICES= to train on the cores)"
        )
    return True


def fast_bfloat16(on_gpu: bool) -> bool:
    """Whether bfloat16 saves time: on a GPU, and on cores that have the instructions (AVX-512).

    On other cores PyTorch multiplies its matrices number by number, several times slower than in float32.
    """
    return on_gpu or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def check_compiler(on_gpu: bool) -> None:
    """Raise TrainingError if torch.compile has no compiler to use."""
    compiler = os.environ.get("CXX", "g++")
    if not on_gpu and shutil.which(compiler) is None:
        raise TrainingError(
            f"compile = true needs a C++ compiler, and there is no {compiler}: "
            "install it (Debian: g++ and python3-dev), or leave compile out of the recipe"
        )
