"""Separate a whole recording block by block, with the delay removed."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemlive.realtime.separation.separator import Separator


def separate_blocks(
    separator: Separator, blocks: Iterable[NDArray[Any]], *, gains: ArrayLike | None = None
) -> Iterator[NDArray[np.float32]]:
    """Yield the stems [S, n, C], or with `gains` [S] the mix [n, C], of a recording in blocks [n, C].

    Resets the separator first. The output lines up with the input to the sample and has its length; the blocks are as
    long as those of the input, except the first and the last. Holds one block at a time.
    """
    separator.reset()
    early = separator.latency_samples
    for output in _delayed(separator, blocks, gains):
        dropped = min(early, output.shape[-2])
        early -= dropped
        if dropped < output.shape[-2]:
            yield output[..., dropped:, :]


def _delayed(
    separator: Separator, blocks: Iterable[NDArray[Any]], gains: ArrayLike | None
) -> Iterator[NDArray[np.float32]]:
    for block in blocks:
        yield separator.process(block) if gains is None else separator.process_mix(block, gains)
    yield separator.flush(gains)
