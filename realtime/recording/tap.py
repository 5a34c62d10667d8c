"""Where others may listen in on the engine, without the engine waiting for them."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]


class Tap(Protocol):
    """Hears what the engine hears and plays, in the engine's thread: to copy it and to return at once.

    An engine in another process gets a copy of the tap by pickle, before `begin`.
    """

    wants_stems: bool
    """Whether it is given the stems, each of which costs an inverse transform."""

    def begin(self, sample_rate_hz: int, channels: int, stems: tuple[str, ...]) -> None:
        """Get ready, before the sound starts; may take its time. Called again when a device comes back."""
        ...

    def heard(self, block: FloatArray) -> None:
        """Take the next block of input [n, C]."""
        ...

    def played(self, mixed: FloatArray, stems: FloatArray | None) -> None:
        """Take the next block of the mix [n, C] and the stems [S, n, C], before their gains, if they are wanted.

        Number k of it is made of number k of what was heard, and comes later; `lost` says when that changes.
        """
        ...

    def lost(self) -> None:
        """Be told that what was heard and not yet played never will be, for input was lost in between."""
        ...

    def end(self) -> None:
        """Take nothing more: the device has gone, or the engine stops. May take its time."""
        ...
