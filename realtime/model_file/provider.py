"""Where ONNX Runtime runs a model: on the CPU, or on an NVIDIA GPU if there is one."""

import contextlib
import ctypes
import io
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import onnxruntime as ort

from stemlive.errors import ModelError, UsageError
from stemlive.extras import how_to_add

PROVIDERS = ("cpu", "cuda")


def existing_providers() -> tuple[str, ...]:
    """Return the providers of this machine. CUDA's libraries may still be missing; creating a session shows that."""
    has_cuda = "CUDAExecutionProvider" in ort.get_available_providers() and _cuda_devices() > 0
    return PROVIDERS if has_cuda else PROVIDERS[:1]


def onnx_providers(provider: str) -> list[Any]:
    """Return the `providers` argument of `InferenceSession` for "cpu" or "cuda".

    UsageError for another name; ModelError, with the reason, when there is no GPU. CUDA's libraries are also searched
    in pip packages. Without them ONNX Runtime silently falls back to the CPU (its log is off for the rest of the
    process), so check the session's providers.
    """
    if provider not in PROVIDERS:
        raise UsageError(f"unknown provider '{provider}': known are {', '.join(PROVIDERS)}")
    if provider == "cpu":
        return ["CPUExecutionProvider"]
    if "CUDAExecutionProvider" not in ort.get_available_providers():
        raise ModelError(f"this onnxruntime cannot use CUDA: {_remedy()}, or use the CPU")
    if _cuda_devices() == 0:
        raise ModelError("no NVIDIA GPU with a working driver was found: install the driver, or use the CPU")
    ort.set_default_logger_severity(4)
    with contextlib.redirect_stdout(io.StringIO()):
        ort.preload_dlls()
    # TF32 would break parity with the CPU.
    return [("CUDAExecutionProvider", {"use_tf32": "0"}), "CPUExecutionProvider"]


def _remedy() -> str:
    """Say how to get CUDA: onnxruntime and onnxruntime-gpu write the same files, and the last one installed is used."""
    try:
        version("onnxruntime-gpu")
    except PackageNotFoundError:
        return how_to_add("gpu")
    return "onnxruntime lies over onnxruntime-gpu: pip install --force-reinstall --no-deps onnxruntime-gpu"


def _cuda_devices() -> int:
    """Ask the driver itself: it may be missing, whatever onnxruntime was built for."""
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return 0
    return count.value
