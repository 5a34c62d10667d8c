"""The interface for listening in on the engine without making it wait."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]


class Tap(Protocol):
    """Receives the engine's input and output on the engine's thread; it must copy them and return at once.

    An engine in another process gets a pickled copy of the tap, before `begin`.
    """

    wants_stems: bool
    """Whether `played` gets the stems. Each costs an inverse transform."""

    def begin(self, sample_rate_hz: int, channels: int, stems: tuple[str, ...]) -> None:
        """Prepare, before the sound starts; may be slow. Called again when the engine restarts with a device."""
        ...

    def heard(self, block: FloatArray) -> None:
        """Take the next block of input [n, C]."""
        ...

    def played(self, mixed: FloatArray, stems: FloatArray | None) -> None:
        """Take the next block of the mix [n, C] and, if wanted, of the stems [S, n, C] before their gains.

        Output sample k belongs to input sample k and comes later; `lost` reports a break in that count.
        """
        ...

    def lost(self) -> None:
        """Called after input was lost: what was heard and not yet played never will be."""
        ...

    def end(self) -> None:
        """Finish: the device is lost or the engine stops. May be slow."""
        ...
