"""Transport control of a song: play, pause, seek, loop, by requests in the engine's memory."""

import math

from stemlive.errors import UsageError
from stemlive.realtime.shared.memory import EngineMemory

SHORTEST_LOOP_S = 0.25


class Transport:
    """Requests for the song of `EngineSettings.song`; positions in seconds from its start. For one thread.

    Requests may be made before the engine starts. `SongSource` carries them out, each jump with a cross-fade.
    """

    def __init__(self, memory: EngineMemory) -> None:
        self._memory = memory

    @property
    def playing(self) -> bool:
        """Whether the song is requested to play."""
        return bool(self._memory.parameters["playing"])

    @property
    def loop(self) -> tuple[float, float] | None:
        """Start and end of the loop, or None."""
        first, last = (float(self._memory.parameters[name]) for name in ("loop_from_s", "loop_to_s"))
        return (first, last) if last > first else None

    def play(self, on: bool = True) -> None:
        """Play or pause."""
        self._memory.parameters["playing"] = on

    def seek(self, position_s: float) -> None:
        """Jump to a position; beyond the end, to the end. UsageError before the start."""
        if not (math.isfinite(position_s) and position_s >= 0):
            raise UsageError(f"there is no position {position_s:g} s in a song")
        self._memory.parameters["seek_s"] = position_s
        # Written last and read first: the engine never sees a new number with an old position.
        self._memory.parameters["seeks"] += 1

    def set_loop(self, part: tuple[float, float] | None) -> None:
        """Loop a part (start, end), or stop looping with None. UsageError for less than a quarter of a second."""
        if part is not None and not (part[0] >= 0 and part[1] - part[0] >= SHORTEST_LOOP_S):
            raise UsageError(f"a loop lasts {SHORTEST_LOOP_S:g} s at least")
        parameters = self._memory.parameters
        # Off in between, so that the engine never combines the new start with the old end.
        parameters["loop_to_s"] = 0.0
        parameters["loop_from_s"], parameters["loop_to_s"] = part or (0.0, 0.0)
