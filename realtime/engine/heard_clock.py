"""Which sample a device plays now, although it takes them by the block."""

import math

_WINDOW_S = 0.5


class HeardClock:
    """Finds how many samples of the output ring the device has played, from how many it has taken.

    A device takes a block when it begins to play it, so just before it takes the next one, all that it took has been
    played. That is where what was taken, less what could be played in the time, is least; the least of the last half
    to whole second counts, so that dropouts and the drift of clocks are followed. For the engine's thread.
    """

    def __init__(self, sample_rate_hz: int) -> None:
        self._rate_hz = sample_rate_hz
        self._least = self._least_before = math.inf
        self._turn_s = -math.inf

    def look(self, taken: int, now_s: float) -> None:
        """Tell how many samples the device has taken; call it several times per block."""
        if now_s - self._turn_s > _WINDOW_S:
            self._turn_s, self._least_before, self._least = now_s, self._least, math.inf
        self._least = min(self._least, taken - self._rate_hz * now_s)

    def played(self, now_s: float) -> float:
        """Return how many samples have been played, the device's own latency aside. Call `look` before."""
        return min(self._least, self._least_before) + self._rate_hz * now_s
