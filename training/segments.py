"""Which process trains on which segments, and the loader that mixes them."""

import signal
from collections.abc import Iterator

from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler


class FromIndex(Sampler[int]):
    """Indices of this process, without end: process r of p takes every p-th batch, starting at batch `first`."""

    def __init__(self, first: int, batch: int, rank: int, processes: int) -> None:
        self.first, self.batch, self.rank, self.processes = first, batch, rank, processes

    def __iter__(self) -> Iterator[int]:
        step = self.first
        while True:
            start = (step * self.processes + self.rank) * self.batch
            yield from range(start, start + self.batch)
            step += 1


def segment_batches(mixer: Dataset[dict[str, Tensor]], sampler: FromIndex, workers: int) -> Iterator[dict[str, Tensor]]:
    """Batches of the mixer's segments in the sampler's order, mixed by so many helper processes (0: by this one)."""
    return iter(
        DataLoader(
            mixer, sampler.batch, sampler=sampler, num_workers=workers, drop_last=True, worker_init_fn=_leave_signals
        )
    )


def _leave_signals(worker: int) -> None:
    """Signals to stop are for the process that trains: it needs its data until it has saved."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
