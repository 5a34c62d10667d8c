"""Key change: shift the mix by some semitones, with cross-fades."""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from stemlive.guarded_thread import GuardedThread
from stemlive.realtime.dsp.rubber_band import Stretcher, rubber_band

FloatArray = NDArray[np.float32]

MOST_SEMITONES = 6
_FADE_SAMPLES = 1024
_LONGEST_BLOCK = 4096


def check_key_change() -> None:
    """Raise StemliveError, which says what to install, if keys cannot be changed here."""
    rubber_band()


class KeyChange:
    """Shifts blocks to another key: equally long blocks, `delay_samples` late while the key is changed. For one thread.

    At 0 semitones a block is returned unchanged and without delay. When a key change begins, the music goes on until
    the shifted signal is available, and cross-fades into it: about 60 ms are heard twice. On the way back to 0, the
    same time is skipped. Between two keys at most a third of that is repeated or skipped.

    With `compensated`, for files, the delay of the first key is dropped from the output, which then lines up with the
    input. Allocates nothing after `prepare`, which takes a few milliseconds.
    """

    def __init__(self, sample_rate_hz: int, channels: int, longest_block: int, *, compensated: bool = False) -> None:
        self._format = sample_rate_hz, channels, longest_block
        self._compensated = compensated
        self._stretcher: Stretcher | None = None
        self._preparing: GuardedThread | None = None
        self._shifted = np.zeros((longest_block, channels), np.float32)
        ramp = np.arange(1, longest_block + 1, dtype=np.float32) / _FADE_SAMPLES
        self._steps = np.repeat(ramp[:, None], channels, axis=1)
        self._weights = np.zeros_like(self._steps)
        self._key = 0.0
        self._held = self._to_drop = 0
        self._share = 0.0
        self._fresh = True

    @property
    def delay_samples(self) -> int:
        """Current delay of the output behind the input."""
        return 0 if self._compensated or self._share == 0 else self.tail_samples

    @property
    def tail_samples(self) -> int:
        """How many samples must follow the last one until it comes out."""
        stretcher = self._stretcher
        return 0 if stretcher is None or not self._key else stretcher.delay_samples

    def delay_at(self, semitones: float) -> int:
        """Return the future `delay_samples` of a key. Call it before the sound starts."""
        if self._compensated or self._stretcher is None or not semitones:
            return 0
        self._stretcher.set_semitones(semitones)
        return self._stretcher.delay_samples

    def prepare(self) -> None:
        """Load the library and build the pitch shifter. StemliveError as in `check_key_change`."""
        if self._stretcher is None:
            self._stretcher = Stretcher(*self._format)

    def prepare_aside(self) -> None:
        """Call `prepare` on another thread, so that the sound does not wait. On failure, the key stays unchanged."""
        if self._preparing is None and self._stretcher is None:
            self._preparing = GuardedThread("stemlive key", self.prepare)
            self._preparing.start()

    @property
    def problem(self) -> str:
        """Why the key cannot be changed; empty while it can."""
        return "" if self._preparing is None else self._preparing.problem

    def reset(self) -> None:
        """Reset: the next block counts as the first, and is in its key from the start."""
        self._leave()
        self._fresh = True

    def process(self, block: FloatArray, semitones: float) -> FloatArray:
        """Return a block [n, C] in a key, valid until the next call; at 0 semitones, the block itself.

        With `compensated`, the first blocks are shorter. Without `prepare`, the key stays unchanged.
        """
        stretcher = self._stretcher
        if not len(block) or stretcher is None or (semitones == 0 and not self._key):
            self._fresh = self._fresh and not len(block)
            return block
        begins = not self._key
        if semitones not in (0, self._key):
            self._key = semitones
            stretcher.set_semitones(semitones)
        if begins and self._fresh:
            self._share = 1.0
            self._to_drop = self.tail_samples if self._compensated else 0
        self._fresh = False
        heard = self._mixed(stretcher, block, wanted=semitones != 0)
        if semitones == 0 and self._share == 0:
            self._leave()
        dropped = min(self._to_drop, len(heard))
        self._to_drop -= dropped
        return heard[dropped:]

    def _mixed(self, stretcher: Stretcher, block: FloatArray, *, wanted: bool) -> FloatArray:
        """Cross-fade between a block and the shifted signal, as far as that is available."""
        count = len(block)
        shifted = self._shifted[:count]
        stretcher.write(block)
        self._held += count
        due = min(count, max(0, self._held - stretcher.held_samples))
        self._held -= due
        shifted[: count - due] = 0
        stretcher.read(shifted[count - due :])
        before = self._share
        step = 1 if wanted and due == count else -1
        if before == 1 and (step == 1 or wanted):
            return shifted
        self._share = min(1.0, max(0.0, before + step * count / _FADE_SAMPLES))
        if before == self._share == 0:
            return block
        weights = self._weights[:count]
        np.multiply(self._steps[:count], step, out=weights)
        weights += np.float32(before)
        np.maximum(weights, 0, out=weights)
        np.minimum(weights, 1, out=weights)
        shifted -= block
        shifted *= weights
        shifted += block
        return shifted

    def _leave(self) -> None:
        if self._stretcher is not None and self._key:
            self._stretcher.reset()
        self._key, self._share = 0.0, 0.0
        self._held = self._to_drop = 0


class KeyOfFile:
    """Changes the key of a recording, block by block: what comes out, `flush` included, lines up with it.

    StemliveError as in `KeyChange.prepare`.
    """

    def __init__(self, semitones: float, sample_rate_hz: int, channels: int) -> None:
        self._semitones, self._channels = semitones, channels
        self._key = KeyChange(sample_rate_hz, channels, _LONGEST_BLOCK, compensated=True)
        self._key.prepare()

    def process(self, block: FloatArray) -> FloatArray:
        """Take the next block [n, C], of any length; return what is complete [m, C]."""
        pieces = (block[first : first + _LONGEST_BLOCK] for first in range(0, len(block), _LONGEST_BLOCK))
        nothing = np.zeros((0, self._channels), np.float32)
        return np.concatenate([nothing, *(self._key.process(piece, self._semitones).copy() for piece in pieces)])

    def flush(self) -> FloatArray:
        """Return the rest."""
        return self.process(np.zeros((self._key.tail_samples, self._channels), np.float32))


def in_key(blocks: Iterable[FloatArray], semitones: int, *, sample_rate_hz: int, channels: int) -> Iterator[FloatArray]:
    """Yield a recording [n, C] in another key, equally long and aligned with it. StemliveError as in `prepare`."""
    key = KeyOfFile(semitones, sample_rate_hz, channels)
    for block in blocks:
        yield key.process(block)
    yield key.flush()
