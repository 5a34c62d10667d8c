"""Stems to the outputs of a device or the channels of a file: the mix, stems on their own, and the cue mix."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemlive.realtime.shared.outputs import Outputs

FloatArray = NDArray[np.float32]


class Patch:
    """How loud each channel of each stem is at each output. Allocates nothing after the constructor. For one thread.

    S stems of C channels, D outputs. UsageError for a route of a stem that there is not.
    """

    def __init__(self, outputs: Outputs, stems: tuple[str, ...], channels: int, longest: int) -> None:
        """`longest` is the length of the longest block, or the number of bins."""
        outputs.check(stems)
        self.outputs = outputs.highest
        shape = (self.outputs, len(stems), channels)
        self._main, self._cue = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        for number, stem in enumerate(stems):
            for chosen in [to for name, to in outputs.routes if name == stem] or [outputs.of_mix]:
                _connect(self._main[:, number], chosen)
            if outputs.cue:
                _connect(self._cue[:, number], outputs.cue)
        self._weights = self._main + self._cue
        self._cue_weights = np.zeros(shape, np.float32)
        self._lines = [tuple(map(int, line)) for line in np.argwhere(self._weights)]
        """Output, stem and channel of each connection."""
        # The stems of an unseparated mixture are equal shares of it.
        shares = self._weights.mean(axis=1)
        self._share_lines = [tuple(map(int, line)) for line in np.argwhere(shares)]
        kinds: tuple[Any, ...] = (np.dtype(np.float32), np.dtype(np.complex64))
        self._scratch: dict[Any, NDArray[Any]] = {kind: np.zeros(longest, kind) for kind in kinds}
        # Spectra times float32 would go through a buffer that numpy allocates.
        self._weights_as: dict[Any, NDArray[Any]] = {kind: self._weights.astype(kind) for kind in kinds}
        self._shares_as: dict[Any, NDArray[Any]] = {kind: shares.astype(kind) for kind in kinds}

    def weigh(self, gains: FloatArray, cue_gains: FloatArray) -> None:
        """Set the linear gains: [S], or of the mix and routed stems [S, 2C] as `stem_spectra.mix` takes them."""
        per_channel = gains[:, ::2] if gains.ndim == 2 else gains[:, None]
        np.multiply(self._main, per_channel, out=self._weights)
        np.multiply(self._cue, cue_gains[:, None], out=self._cue_weights)
        self._weights += self._cue_weights
        for weights in self._weights_as.values():
            weights[:] = self._weights

    def mix(self, stems: NDArray[Any], out: NDArray[Any]) -> None:
        """Write the weighted sum of the stems [S, n, C], samples or spectra, to the outputs [n, D]."""
        out.fill(0)
        scratch, weights = self._scratch[out.dtype][: len(out)], self._weights_as[out.dtype]
        for to, stem, channel in self._lines:
            np.multiply(stems[stem, :, channel], weights[to, stem, channel], out=scratch)
            out[:, to] += scratch

    def share(self, mixture: NDArray[Any], out: NDArray[Any]) -> None:
        """Write an unseparated mixture [n, C], without gains, to the outputs [n, D]: each stem is a share of it."""
        out.fill(0)
        scratch, shares = self._scratch[out.dtype][: len(out)], self._shares_as[out.dtype]
        for to, channel in self._share_lines:
            np.multiply(mixture[:, channel], shares[to, channel], out=scratch)
            out[:, to] += scratch


def routed_blocks(
    outputs: Outputs,
    names: tuple[str, ...],
    stems: Iterable[FloatArray],
    gains: FloatArray,
    cue_gains: FloatArray,
) -> Iterator[FloatArray]:
    """Yield what goes to each output [n, D] for blocks of stems [S, n, C] with these names."""
    patch: Patch | None = None
    longest = 0
    for block in stems:
        if patch is None or block.shape[1] > longest:
            longest = block.shape[1]
            patch = Patch(outputs, names, block.shape[2], longest)
            patch.weigh(gains, cue_gains)
        mixed = np.empty((block.shape[1], patch.outputs), np.float32)
        patch.mix(block, mixed)
        yield mixed


def _connect(weights: FloatArray, chosen: tuple[int, ...]) -> None:
    """Add a connection to the weights [D, C]: left to left, mono to both, stereo to one as its mean."""
    channels = weights.shape[1]
    for number, to in enumerate(chosen):
        if len(chosen) == channels:
            weights[to - 1, number] += 1
        else:
            weights[to - 1] += 1 / channels
