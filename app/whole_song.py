"""Separate whole songs with a checkpoint instead of an exported model, for models that cannot stream."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class WholeSong:
    """Separates songs [n, C], C 1 or 2, at any sample rate, with a torch model.

    `method` and `hop_s` as in `training.inference.separator`; ModelError and UsageError as there. Mono is fed to both
    channels of the model, and the result is their mean. `stems` ends with `rest` if the model has fewer than four.
    """

    def __init__(
        self, checkpoint: Path, method: str | None, hop_s: float, *, sample_rate_hz: int, channels: int
    ) -> None:
        from stemlive.model.config import STEMS
        from stemlive.training.evaluate import torch_estimator

        self._estimate, model, _ = torch_estimator(checkpoint, method, hop_s)
        self._model_rate_hz = model.config.sample_rate_hz
        self._complete = set(model.config.stems) == set(STEMS)
        self.stems: tuple[str, ...] = (*model.config.stems, *(() if self._complete else ("rest",)))
        self.sample_rate_hz, self.channels = sample_rate_hz, channels
        self.bad_samples = self.bad_frames = 0

    def separate(self, blocks: "Sequence[NDArray[Any]]") -> "NDArray[np.float32]":
        """Return the stems, float32 [S, n, C], of one song given as blocks [n, C]; NaN and infinity become silence."""
        import numpy as np
        import torch

        audio = np.concatenate(blocks).astype(np.float32)
        finite = np.isfinite(audio)
        self.bad_samples = int((~finite).sum())
        audio = np.where(finite, audio, np.float32(0))
        stereo = np.repeat(audio, 3 - self.channels, axis=1)
        mixture = self._resampled(stereo, self.sample_rate_hz, self._model_rate_hz)
        estimates = self._estimate("", torch.from_numpy(mixture.T.copy()))
        stems = np.zeros((len(self.stems), *stereo.shape), np.float32)
        for stem, estimate in zip(stems, estimates.values(), strict=False):
            back = self._resampled(estimate.T.numpy(), self._model_rate_hz, self.sample_rate_hz)[: len(stereo)]
            stem[: len(back)] = back
        if not self._complete:
            stems[-1] = stereo - stems.sum(0)
        return stems.mean(axis=2, keepdims=True) if self.channels == 1 else stems

    @staticmethod
    def _resampled(audio: "NDArray[np.float32]", rate_hz: int, wanted_hz: int) -> "NDArray[np.float32]":
        import numpy as np
        import soxr

        return audio if rate_hz == wanted_hz else np.asarray(soxr.resample(audio, rate_hz, wanted_hz), np.float32)
