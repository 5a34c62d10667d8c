"""Mix more than two channels down to stereo by ITU-R BS.775: L + 0.7071 C + 0.7071 Ls, without the LFE."""

import math

import numpy as np
from numpy.typing import NDArray

_HALF = math.sqrt(0.5)
_LEFT, _RIGHT, _CENTRE, _NOWHERE = (1.0, 0.0), (0.0, 1.0), (_HALF, _HALF), (0.0, 0.0)
_BEHIND_LEFT, _BEHIND_RIGHT, _BEHIND = (_HALF, 0.0), (0.0, _HALF), (0.5, 0.5)
_MASK = (
    *(_LEFT, _RIGHT, _CENTRE, _NOWHERE, _BEHIND_LEFT, _BEHIND_RIGHT),
    *(_LEFT, _RIGHT, _BEHIND, _BEHIND_LEFT, _BEHIND_RIGHT),  # left and right of the centre; back centre; sides
    *(_BEHIND, _BEHIND_LEFT, _BEHIND, _BEHIND_RIGHT, _BEHIND_LEFT, _BEHIND, _BEHIND_RIGHT),  # above
)
"""Gains to left and right of the speakers in the order of the bits in a WAV file's channel mask."""

_USUAL_MASKS = {3: 0x7, 4: 0x33, 5: 0x37, 6: 0x3F, 7: 0x70F, 8: 0x63F}
_VORBIS = {
    3: (_LEFT, _CENTRE, _RIGHT),
    4: (_LEFT, _RIGHT, _BEHIND_LEFT, _BEHIND_RIGHT),
    5: (_LEFT, _CENTRE, _RIGHT, _BEHIND_LEFT, _BEHIND_RIGHT),
    6: (_LEFT, _CENTRE, _RIGHT, _BEHIND_LEFT, _BEHIND_RIGHT, _NOWHERE),
    7: (_LEFT, _CENTRE, _RIGHT, _BEHIND_LEFT, _BEHIND_RIGHT, _BEHIND, _NOWHERE),
    8: (_LEFT, _CENTRE, _RIGHT, *(_BEHIND_LEFT, _BEHIND_RIGHT) * 2, _NOWHERE),
}
"""The order of channels in Ogg, by their number."""


def stereo_gains(channels: int, mask: int = 0, *, ogg: bool = False) -> NDArray[np.float32]:
    """Return gains [channels, 2]: audio [n, channels] times these is stereo.

    `mask` says which speakers the channels are for; 0 is what is usual for so many. Channels without a speaker go to
    both sides alike, with equal power.
    """
    if ogg and channels in _VORBIS:
        return np.asarray(_VORBIS[channels], np.float32)
    mask = mask or _USUAL_MASKS.get(channels, 0)
    gains = [gains for bit, gains in enumerate(_MASK) if mask >> bit & 1][:channels]
    share = math.sqrt(1 / channels)
    return np.asarray(gains + [(share, share)] * (channels - len(gains)), np.float32)
