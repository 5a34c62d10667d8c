"""The engine's work between the rings: input to the dry layer, through the model, to the wet layer.

Positions count samples. Input sample k is played as sample `base` + k + `inside` of the output ring. The rings of one
device start together, and `base` is then 0.
"""

from collections.abc import Callable
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
_REST_SAMPLES = 6 * LONGEST_BLOCK


class Source(Protocol):
    """The worker's input, at the sample rate of the output."""

    channels: int
    drift_ppm: float

    def available(self) -> int:
        """Samples that can be read now."""
        ...

    def read(self, out: FloatArray) -> None:
        """Read the next samples into `out` [n, C], of which at least n are available."""
        ...

    def lost(self) -> int:
        """Return how many samples were lost since the last call, just before the next one to be read."""
        ...

    def drop(self) -> int:
        """Discard what is buffered; return how many samples that was, counted by the input's clock."""
        ...

    def steer(self, surplus: int) -> None:
        """Take the surplus: how many samples more than planned are queued for the device. Called at every step."""
        ...


class LiveWorker:
    """Moves audio from the input through the model to the output ring. For one thread; never blocks.

    `inside_samples` is the delay from the input ring to the output ring. `ahead_samples` is for an input without a
    clock (a file, a pipe): how far ahead of the output it is read.
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
        self.idle: Callable[[int], bool] = lambda taken: False
        """Whether from input sample `taken` on there is only silence, as from a paused song. The worker then rests."""
        self.add_clicks: Callable[[FloatArray, int], None] = lambda block, number: None
        """Adds to a block [n, D] for the device, which begins with this input sample, what is heard beside the mix."""
        self.resting = False
        """Whether nothing is read or computed, and the device plays silence."""
        self._block = np.zeros((LONGEST_BLOCK, source.channels), np.float32)
        self._device_block = np.zeros((longest_write(path), playout.channels), np.float32)
        self._silence = np.zeros((len(path.stems), LONGEST_BLOCK, source.channels), np.float32)
        self._silent_output = np.zeros((LONGEST_BLOCK, report.mix_channels), np.float32)
        self._rested = 0
        self._base = self._taken = self._given = self._key_samples = 0
        self._in_vain = self._pause_hops = 0

    def begin(self, base: int) -> None:
        """Start with input sample 0, which belongs at `base` + `inside_samples` in the output."""
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
        """Position in the output of the input sample that is read next."""
        return self._base + self._taken + self._inside

    @property
    def complete_to(self) -> int:
        """Position in the output up to which the separated signal is final."""
        end = self._playout.wet.end
        return self._playout.read if end is None else end - FADE_SAMPLES

    @property
    def played_input(self) -> int:
        """Number of the input sample that is played next."""
        return round(self.input_at(self._playout.read))

    def input_at(self, position: float) -> float:
        """Return the number of the input sample that is played at a position in the output."""
        return position - self._inside - self._key_samples - self._base

    def step(self) -> bool:
        """Process the input that is available; return whether there was any."""
        before = self._playout.end
        self._playout.refresh()
        if self.idle(self._taken):
            self.resting = True
            self._rest(self._playout.end - before)
            return False
        if self.resting:
            self.resting = False
            self._restart(self._playout.read - self._inside + self._path.hop_samples)
        lost = self._source.lost()
        if lost:
            self._report.losses += 1
            self._restart(self._base + self._taken + lost)
        lead = self.taken_to - self._playout.read
        self._source.steer(lead - self._inside)
        if self._ahead is not None and lead + self._source.available() < 0:
            # A file or pipe that fell behind resumes at the device's position. If only the model was slow, it keeps
            # its place in time, as a device's input does.
            self._restart(self._playout.read - self._inside + self._path.hop_samples)
        count = self._available()
        if count <= 0:
            return False
        if lead < 0:
            self._report.gaps += 1
        while count:
            block = self._block[: min(count, LONGEST_BLOCK)]
            self._source.read(block)
            self._work(block)
            count -= len(block)
        self._report.tell(self._playout.read, lead, self._source.drift_ppm)
        return True

    def flush(self) -> None:
        """Feed silence until all of the input has come out."""
        count = self._path.behind_samples + self._path.hop_samples + self._key.tail_samples + FADE_SAMPLES
        while count > 0:
            block = self._block[: min(count, LONGEST_BLOCK)]
            block[:] = 0
            self._work(block)
            count -= len(block)

    def _rest(self, passed: int) -> None:
        """Let silence pass, a few times a second: levels fall, and recordings go on."""
        self._rested += passed
        if self._rested < _REST_SAMPLES:
            return
        while self._rested:
            count = min(self._rested, LONGEST_BLOCK)
            stems = self._silence[:, :count]
            self._report.input_level.write(stems[0])
            self._report.mix_level.write(self._silent_output[:count])
            self._report.measure_stems(stems)
            for tap in self._taps:
                tap.heard(stems[0])
                tap.played(stems[0], stems)
            self._rested -= count
        self._report.rest(self._playout.read, self._inside)

    def _available(self) -> int:
        """Return how many samples to read now: what is available, within the read-ahead and the room in the output."""
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
        dry = self._dry(block)
        self.add_clicks(dry, self._taken)
        self._playout.dry.write(self.taken_to + self._key_samples, dry)
        self._taken += len(block)
        for tap in self._taps:
            tap.heard(block)
        for _ in range(self._path.write(block)):
            self._hop()

    def _hop(self) -> None:
        """Run one hop; if it is too late already, pass it through without the model."""
        wet, position = self._playout.wet, self._base + self._given + self._inside
        separated = not (self._pause_hops or wet.is_late(position))
        in_time = separated
        began = perf_counter()
        self._path.run(self._report.gains(), separated=separated)
        mixed, stems = self._path.read()
        heard = self._key.process(self._path.heard, self._report.semitones)
        if len(heard):
            out = for_device(heard, self._device_block)
            self.add_clicks(out, self._given - self._key.delay_samples)
            self._given += len(heard)
            if separated:
                in_time = wet.write(position, out)
            else:
                wet.leave()
            self._report.mix_level.write(out if self._path.patch is None else mixed)
        if len(mixed):
            if stems is not None:
                self._report.measure_stems(stems)
            for tap in self._taps:
                tap.played(mixed, stems)
        self._pace(separated, in_time)
        self._report.count_hop(perf_counter() - began, late=not in_time, separated=separated)

    def _pace(self, separated: bool, in_time: bool) -> None:
        """Pause the model after repeated late hops, so that the dry signal runs without cross-fades meanwhile.

        Each pause is twice as long as the last, so it is never much longer than the overload has lasted.
        """
        if in_time:
            self._in_vain = 0
        elif separated:
            self._in_vain += 1
            self._pause_hops = min(2 ** (self._in_vain - 1) - 1, _LONGEST_PAUSE_HOPS)
        elif self._pause_hops:
            self._pause_hops -= 1

    def _dry(self, block: FloatArray) -> FloatArray:
        """Return the input as the device plays it while there is nothing else."""
        if self._path.patch is None:
            return for_device(block, self._device_block)
        out = self._device_block[: len(block)]
        self._path.patch.share(block, out)
        return out

    def _restart(self, base: int) -> None:
        """Resume so that the next input sample is played at `base` + `inside`; its number stays."""
        self._report.count_restart()
        self._path.reset()
        self._key.reset()
        self._playout.dry.leave()
        self._playout.wet.leave()
        self._base, self._given = base - self._taken, self._taken
        for tap in self._taps:
            tap.lost()


def longest_write(path: LivePath) -> int:
    """Return the most samples that the path can return at once."""
    return LONGEST_BLOCK + 4 * path.hop_samples


def for_device(block: FloatArray, room: FloatArray) -> FloatArray:
    """Return a block [n, C] with the channels of `room` [m, D], written there: mono to both, stereo as its mean."""
    out = room[: len(block)]
    if block.shape[1] == 2 and out.shape[1] == 1:
        np.mean(block, axis=1, keepdims=True, out=out)
    else:
        out[:] = block
    return out
