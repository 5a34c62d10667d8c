"""The devices that a run computes on."""

import os
import shutil
import sysconfig
import time
from pathlib import Path

import torch
from torch import Tensor, nn

from stemlive.errors import TrainingError
from stemlive.model.bsrnn import BSRNN
from stemlive.model.config import CHANNELS

TIMED_STEPS = 5
TIE = 1.1  # compiled, conversions cost less than here
TIMED_S = 2.0  # of sound in such a step


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
    """Whether there is hope that bfloat16 saves time: on a GPU, and on cores that have the instructions (AVX-512).

    On other cores PyTorch multiplies its matrices number by number, several times slower than in float32.
    """
    return on_gpu or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def quicker_in_bfloat16(model: BSRNN) -> bool:
    """Whether the network, forward and back, takes less time on this core in bfloat16: measured on noise.

    That a processor has the instructions, or that its library says so, does not tell: it may emulate them, and what is
    gained in products can be lost in conversions. Where there are none at all, nothing is timed.
    """
    if not fast_bfloat16(on_gpu=False):
        return False
    config = model.config
    frames = round(TIMED_S * config.sample_rate_hz) // config.framing.hop_samples
    noise = torch.randn(1, frames, config.num_bins, CHANNELS, 2, generator=torch.Generator().manual_seed(0))
    times_s = [
        (_step_s(model, noise, bfloat16=True), _step_s(model, noise, bfloat16=False)) for _ in range(TIMED_STEPS)
    ]
    warm = times_s[1:]  # the first steps make buffers, and kernels
    return min(of_bfloat16 for of_bfloat16, _ in warm) < TIE * min(of_float32 for _, of_float32 in warm)


def _step_s(model: BSRNN, frames: Tensor, bfloat16: bool) -> float:
    """Processor time of a step."""
    began = time.process_time()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bfloat16):
        stems, _ = model(frames, model.initial_state(1))
        loss = stems.square().mean()
    loss.backward()
    model.zero_grad(set_to_none=True)
    return time.process_time() - began


def compile_network(model: nn.Module, on_gpu: bool) -> str:
    """Have PyTorch compile the network; return why that is left out, where this machine has no compiler for it."""
    compiler = os.environ.get("CXX", "g++")
    if on_gpu or (shutil.which(compiler) and Path(sysconfig.get_path("include"), "Python.h").exists()):
        model.compile(dynamic=False)
        return ""
    missing = "Python.h" if shutil.which(compiler) else compiler
    return f"not compiled, so slower: there is no {missing} (Debian: g++ and python3-dev)"
