"""The front end's hand on a song: play, pause, seek, loop. What it wishes is in the engine's memory at once."""

import math

from stemlive.errors import UsageError
from stemlive.realtime.shared.memory import EngineMemory

SHORTEST_LOOP_S = 0.25


class Transport:
    """Wishes about the song of `EngineSettings.song`, in seconds from its start; for one thread.

    They may be told before the engine starts. `SongSource` fulfils them, each jump with a cross-fade.
    """

    def __init__(self, memory: EngineMemory) -> None:
        self._memory = memory

    @property
    def playing(self) -> bool:
        """Whether the song is to play."""
        return bool(self._memory.parameters["playing"])

    @property
    def loop(self) -> tuple[float, float] | None:
        """The part that is repeated, if there is one."""
        first, last = (float(self._memory.parameters[name]) for name in ("loop_from_s", "loop_to_s"))
        return (first, last) if last > first else None

    def play(self, on: bool = True) -> None:
        """Go on, or pause."""
        self._memory.parameters["playing"] = on

    def seek(self, position_s: float) -> None:
        """Jump to a position; beyond the end, to the end. UsageError before the start."""
        if not (math.isfinite(position_s) and position_s >= 0):
            raise UsageError(f"there is no position {position_s:g} s in a song")
        self._memory.parameters["seek_s"] = position_s
        # The engine looks at the number first: it never sees a new number with an old position.
        self._memory.parameters["seeks"] += 1

    def set_loop(self, part: tuple[float, float] | None) -> None:
        """Repeat a part from its end on, or nothing. UsageError for less than a quarter of a second."""
        if part is not None and not (part[0] >= 0 and part[1] - part[0] >= SHORTEST_LOOP_S):
            raise UsageError(f"a loop lasts {SHORTEST_LOOP_S:g} s at least")
        parameters = self._memory.parameters
        # Off in between, so that nobody sees the one's start with the other's end.
        parameters["loop_to_s"] = 0.0
        parameters["loop_from_s"], parameters["loop_to_s"] = part or (0.0, 0.0)
