"""Which process trains on which segments, and the loader that mixes them."""

import math
import signal
from collections.abc import Iterator
from itertools import islice

from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from stemlive.errors import TrainingError
from stemlive.training.mixing import SegmentMixer
from stemlive.training.recipe import Recipe
from stemlive.training.sources import Sources

STOP_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGBREAK") if hasattr(signal, name))
"""Signals that end a run in order; SIGBREAK is what Windows has for that."""


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


class Segments:
    """The segments that one process trains on, step by step of the optimiser."""

    def __init__(
        self, sources: Sources, recipe: Recipe, rank: int, processes: int, workers: int, *, heard_s: float = 0.0
    ) -> None:
        """`workers` helper processes mix them (0: the process that trains).

        `heard_s`: seconds of audio that the weights heard in other runs. With equal seeds those were of the same
        segments, so that this run goes on behind them.
        """
        rate_hz, hop = recipe.model.sample_rate_hz, recipe.model.framing.hop_samples
        self._mixer = SegmentMixer(sources, recipe.mix, rate_hz, hop, recipe.train.seed)
        self._batch, self._accumulate = recipe.train.batch, recipe.train.accumulate
        self._rank, self._processes, self._workers = rank, processes, workers
        self.step_s = recipe.mix.segment_s * self._batch * self._accumulate * processes
        """Seconds of audio in one step of all processes."""
        self._first = math.ceil(heard_s / self.step_s)

    def batches(self, step: int) -> Iterator[dict[str, Tensor]]:
        """The batches from that step on, `accumulate` for each step."""
        return segment_batches(self._mixer, self._indices(step), self._workers)

    def files(self, step: int) -> set[str]:
        """Names of the recordings that the step's segments are made of."""
        mine = islice(self._indices(step), self._batch * self._accumulate)
        return {name for index in mine for name in self._mixer.files(index)}

    def _indices(self, step: int) -> FromIndex:
        return FromIndex((self._first + step) * self._accumulate, self._batch, self._rank, self._processes)


def segment_batches(mixer: Dataset[dict[str, Tensor]], sampler: FromIndex, workers: int) -> Iterator[dict[str, Tensor]]:
    """Batches of the mixer's segments in the sampler's order, mixed by so many helper processes (0: by this one).

    A TrainingError of a helper is raised here as it was there.
    """
    loader = DataLoader(
        mixer, sampler.batch, sampler=sampler, num_workers=workers, drop_last=True, worker_init_fn=_leave_signals
    )
    try:
        yield from loader
    except TrainingError as error:  # PyTorch puts what led to it there in front
        said = str(error).rstrip().rpartition("\n")[2]
        raise TrainingError(said.partition("TrainingError: ")[2] or said) from None


def _leave_signals(worker: int) -> None:
    """Signals to stop are for the process that trains: it needs its data until it has saved."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
