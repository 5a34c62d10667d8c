"""Which audio is accepted: any sample rate that can be resampled; more than two channels are mixed down to stereo."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemlive.errors import AudioFileError
from stemlive.realtime.dsp.downmix import stereo_gains
from stemlive.realtime.dsp.resample import HIGHEST_RATE_HZ, LOWEST_RATE_HZ

_USUAL_RATES_HZ = range(8000, 192001)


@dataclass(frozen=True)
class Intake:
    """The conversion of a file's or pipe's blocks to 1 or 2 `channels`. `note` tells the user what is converted."""

    channels: int
    note: str
    _gains: NDArray[np.float32] | None

    def hand_on(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        """Convert a block [n, C], as it was read, to [n, channels]."""
        return block if self._gains is None else block @ self._gains


def intake(name: str, sample_rate_hz: int, channels: int, mask: int = 0, *, ogg: bool = False) -> Intake:
    """Return the conversion for some audio; `mask` and `ogg` as in `stereo_gains`. AudioFileError for other rates."""
    if not LOWEST_RATE_HZ <= sample_rate_hz <= HIGHEST_RATE_HZ:
        raise AudioFileError(
            f"{name} has a sample rate of {sample_rate_hz} Hz, stemlive takes {LOWEST_RATE_HZ} to "
            f"{HIGHEST_RATE_HZ}: convert it first (ffmpeg -i SONG -ar 44100 song.wav)"
        )
    changes = []
    if channels > 2:
        changes.append(f"{channels} channels, which are mixed down to stereo")
    if sample_rate_hz not in _USUAL_RATES_HZ:
        changes.append(f"a sample rate of {sample_rate_hz} Hz, which is converted for the separation")
    note = f"{name} has {' and '.join(changes)}" if changes else ""
    return Intake(min(2, channels), note, stereo_gains(channels, mask, ogg=ogg) if channels > 2 else None)
