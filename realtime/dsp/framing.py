"""Overlapping frames with a long analysis window and a short synthesis window.

The synthesis window is the delay that a listener hears, the analysis window sets the frequency resolution
(asymmetric windows: Mauler and Martin 2007; Wang et al. 2021, arXiv 2106.11794). `stemlive.model.framing`
does the same in torch.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class Framing:
    """Lengths in samples: analysis window A, synthesis window W <= A, hop R that divides W/2.

    Frame t holds the A samples that end at sample (t+1)R; A - R zeros precede the first sample. ValueError when the
    lengths do not fit together.
    """

    analysis_samples: int
    synthesis_samples: int
    hop_samples: int

    def __post_init__(self) -> None:
        a, w, r = self.analysis_samples, self.synthesis_samples, self.hop_samples
        if a < 2 or a % 2 or w < 2 or w % 2 or r < 1:
            raise ValueError(f"analysis {a} and synthesis {w} must be even and positive, hop {r} positive")
        if w > a:
            raise ValueError(f"synthesis window {w} is longer than analysis window {a}")
        if (w // 2) % r:
            raise ValueError(f"hop {r} does not divide half the synthesis window {w}")

    @property
    def bins(self) -> int:
        """Number of frequency bins F of one frame."""
        return self.analysis_samples // 2 + 1

    @property
    def overlap(self) -> int:
        """Number of frames that contribute to each sample."""
        return self.synthesis_samples // self.hop_samples

    @cached_property
    def analysis_window(self) -> FloatArray:
        """Float32 [A]: a rising quarter sine, then the square root of the second half of a Hann window of W samples."""
        return _read_only(self._analysis_window())

    @cached_property
    def synthesis_window(self) -> FloatArray:
        """Float32 [A]: its product with the analysis window is a Hann window of W samples that overlap-adds to one."""
        a, w = self.analysis_samples, self.synthesis_samples
        hann = _periodic_hann(w)
        # The first value is 0, whatever the analysis window is there: avoid 0 / 0.
        tail = np.zeros(w)
        np.divide(2 * self.hop_samples / w * hann, self._analysis_window()[a - w :], out=tail, where=hann > 0)
        return _read_only(np.concatenate([np.zeros(a - w), tail]))

    def _analysis_window(self) -> NDArray[np.float64]:
        a, w = self.analysis_samples, self.synthesis_samples
        rise = a - w // 2
        rising = np.sin(np.pi / 2 * (np.arange(rise) + 0.5) / rise)
        return np.concatenate([rising, np.sqrt(_periodic_hann(w)[w // 2 :])])


def _periodic_hann(length: int) -> NDArray[np.float64]:
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)


def _read_only(window: NDArray[np.float64]) -> FloatArray:
    single = window.astype(np.float32)
    single.flags.writeable = False
    return single
