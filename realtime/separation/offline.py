"""Separate a whole recording block by block, with the delay removed."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemlive.realtime.separation.separator import StreamingSeparator

_FLUSH_SAMPLES = 16384


def separate_blocks(
    separator: StreamingSeparator, blocks: Iterable[NDArray[Any]], *, gains: ArrayLike | None = None
) -> Iterator[NDArray[np.float32]]:
    """Yield the stems [S, n, C], or with `gains` [S] the mix [n, C], of a recording in blocks [n, C].

    Resets the separator first. The output lines up with the input to the sample and has its length; the blocks are as
    long as those of the input, except the first and the last. Holds one block at a time.
    """
    separator.reset()
    early = separator.latency_samples
    for block in _followed_by_silence(blocks, early, separator.channels):
        output = separator.process(block) if gains is None else separator.process_mix(block, gains)
        dropped = min(early, len(block))
        early -= dropped
        if dropped < len(block):
            yield output[..., dropped:, :]


def _followed_by_silence(blocks: Iterable[NDArray[Any]], samples: int, channels: int) -> Iterator[NDArray[Any]]:
    yield from blocks
    for first in range(0, samples, _FLUSH_SAMPLES):
        yield np.zeros((min(_FLUSH_SAMPLES, samples - first), channels), np.float32)
