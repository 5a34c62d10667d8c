"""The engine's work between the rings: input to dry signal, to model, to separated signal.

Positions count samples. Input sample k is played as number `base` + k + `inside` of the output ring. Both rings
start together where they belong to one device, and `base` is then 0.
"""

from time import perf_counter
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from stemlive.realtime.dsp.key_change import KeyChange
from stemlive.realtime.engine.path import LivePath
from stemlive.realtime.engine.playout import FADE_SAMPLES, Playout
from stemlive.realtime.engine.telemetry import Report
from stemlive.realtime.recording.tap import Tap
from stemlive.realtime.separation.analysis_path import clean

FloatArray = NDArray[np.float32]

LONGEST_BLOCK = 2048
_LONGEST_PAUSE_HOPS = 1024
SHORTEST_BLOCK = 2 * FADE_SAMPLES
"""Less input is left until there is more, so that a layer that begins anew has room for its fades."""


class Source(Protocol):
    """Where the worker's input comes from, at the rate of the output."""

    channels: int
    drift_ppm: float

    def available(self) -> int:
        """Samples that can be read now."""
        ...

    def read(self, out: FloatArray) -> None:
        """Read the next samples into `out` [n, C], of which at least n are available."""
        ...

    def lost(self) -> int:
        """Samples that were lost since the last call, before the next one that is read."""
        ...

    def drop(self) -> int:
        """Throw away what is there; return how many samples that were, by the input's clock."""
        ...

    def steer(self, surplus: int) -> None:
        """Told now and then how many samples more of it are on their way to the device than should be."""
        ...


class LiveWorker:
    """Takes what the input holds, and writes it over the silence in the output. For one thread; never waits.

    `inside_samples` is the delay from the input ring to the output ring. With `ahead_samples`, the input has no
    clock of its own, and is read that far ahead of the output.
    """

    def __init__(
        self,
        path: LivePath,
        source: Source,
        playout: Playout,
        report: Report,
        key: KeyChange,
        *,
        inside_samples: int,
        ahead_samples: int | None = None,
        taps: tuple[Tap, ...] = (),
    ) -> None:
        self._path, self._source, self._playout, self._report, self._key = path, source, playout, report, key
        self._inside = inside_samples
        self._ahead = ahead_samples
        self._taps = taps
        self._block = np.zeros((LONGEST_BLOCK, source.channels), np.float32)
        self._device_block = np.zeros((longest_write(path), playout.channels), np.float32)
        self._base = self._taken = self._given = self._key_samples = 0
        self._in_vain = self._pause_hops = 0

    def begin(self, base: int) -> None:
        """Stand before the first sample of the input."""
        self._base, self._taken, self._given = base, 0, 0
        self._path.reset()
        self._key.reset()
        self._playout.dry.begin(base + self._inside)
        self._playout.wet.leave()

    @property
    def taken(self) -> int:
        """Number of the input sample that is read next."""
        return self._taken

    @property
    def taken_to(self) -> int:
        """Position in the output of the end of what was read of the input."""
        return self._base + self._taken + self._inside

    @property
    def complete_to(self) -> int:
        """Position in the output up to which the separated signal is final."""
        end = self._playout.wet.end
        return self._playout.read if end is None else end - FADE_SAMPLES

    @property
    def played_input(self) -> int:
        """Number of the input sample that is played next."""
        return self._playout.read - self._inside - self._key_samples - self._base

    def step(self) -> bool:
        """Work through what the input holds now; return whether there was any."""
        self._playout.refresh()
        lost = self._source.lost()
        if lost:
            self._report.losses += 1
            self._restart(self._base + self._taken + lost)
        lead = self.taken_to - self._playout.read
        self._source.steer(lead - self._inside)
        if self._ahead is not None and lead + self._source.available() < 0:
            # A file or pipe that could not keep up goes on where the device is; one that the model kept waiting stays
            # in time, as an input does.
            self._restart(self._playout.read - self._inside + self._path.hop_samples)
        count = self._available()
        if count < SHORTEST_BLOCK:
            return False
        if lead < 0:
            self._report.gaps += 1
        while count:
            piece = min(count, LONGEST_BLOCK)
            if 0 < count - piece < SHORTEST_BLOCK:
                piece -= SHORTEST_BLOCK
            block = self._block[:piece]
            self._source.read(block)
            self._work(block)
            count -= piece
        self._report.tell(self._playout.read, lead, self._source.drift_ppm)
        return True

    def flush(self) -> None:
        """Pass silence after the input, as much as brings all of it out."""
        count = self._path.behind_samples + self._path.hop_samples + self._key.tail_samples + FADE_SAMPLES
        while count > 0:
            block = self._block[: min(count, LONGEST_BLOCK)]
            block[:] = 0
            self._work(block)
            count -= len(block)

    def _available(self) -> int:
        """Samples to read now: as many as there are, but no further ahead than asked, and no more than fit."""
        count = min(self._source.available(), self._playout.end - self.taken_to - self._key_samples - LONGEST_BLOCK)
        if self._ahead is not None:
            count = min(count, self._playout.read + self._inside + self._ahead - self.taken_to)
        return count

    def _work(self, block: FloatArray) -> None:
        self._report.bad_samples += clean(block)
        self._report.input_level.write(block)
        if self._key_samples != self._key.delay_samples:
            self._key_samples = self._report.key_samples = self._key.delay_samples
            self._playout.dry.leave()
        self._playout.dry.write(self.taken_to + self._key_samples, self._for_device(block))
        self._taken += len(block)
        for tap in self._taps:
            tap.heard(block)
        for _ in range(self._path.write(block)):
            self._hop()

    def _hop(self) -> None:
        """Run one hop; where it is too late already, pass it by."""
        wet, position = self._playout.wet, self._base + self._given + self._inside
        separated = not (self._pause_hops or wet.is_late(position))
        in_time = separated
        began = perf_counter()
        self._path.run(self._report.gains(), separated=separated)
        mixed, stems = self._path.read()
        heard = self._key.process(mixed, self._report.semitones)
        if len(heard):
            self._given += len(heard)
            out = self._for_device(heard)
            if separated:
                in_time = wet.write(position, out)
            else:
                wet.leave()
            self._report.mix_level.write(out)
        if len(mixed):
            if stems is not None:
                self._report.measure_stems(stems)
            for tap in self._taps:
                tap.played(mixed, stems)
        self._pace(separated, in_time)
        self._report.count_hop(perf_counter() - began, late=not in_time, separated=separated)

    def _pace(self, separated: bool, in_time: bool) -> None:
        """Let the model pause when it worked in vain again and again: meanwhile the dry signal has no gaps.

        Each pause is twice as long as the one before, so it is never much longer than the trouble has lasted.
        """
        if in_time:
            self._in_vain = 0
        elif separated:
            self._in_vain += 1
            self._pause_hops = min(2 ** (self._in_vain - 1) - 1, _LONGEST_PAUSE_HOPS)
        elif self._pause_hops:
            self._pause_hops -= 1

    def _for_device(self, block: FloatArray) -> FloatArray:
        return for_device(block, self._device_block)

    def _restart(self, base: int) -> None:
        """Go on after a loss; what comes keeps its place in time."""
        self._report.count_restart()
        self._path.reset()
        self._key.reset()
        self._playout.dry.leave()
        self._playout.wet.leave()
        self._base, self._taken, self._given = base, 0, 0
        for tap in self._taps:
            tap.lost()


def longest_write(path: LivePath) -> int:
    """Return how many samples the path gives at once at most."""
    return LONGEST_BLOCK + 4 * path.hop_samples


def for_device(block: FloatArray, room: FloatArray) -> FloatArray:
    """Block [n, C] with as many channels as `room` [m, D], in it: mono to both sides, stereo to their mean."""
    out = room[: len(block)]
    if block.shape[1] == 2 and out.shape[1] == 1:
        np.mean(block, axis=1, keepdims=True, out=out)
    else:
        out[:] = block
    return out
