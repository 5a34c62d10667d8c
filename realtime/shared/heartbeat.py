"""Whether an engine in another process still answers, judged by the time in which it could have shown it."""

import time

from stemlive.realtime.shared.memory import EngineMemory

LOOK_S = 0.1
"""How often to look."""
LIMIT_S = 3.0
"""The longest wait for a device, or for a process that shows no life."""


class Pulse:
    """Counts the time without a beat of the engine, as `EngineMemory.beat` leaves them. For one thread.

    A wait that lasted longer than it should have counts as one that did not: whoever watches was then stopped itself
    (Ctrl-Z, a computer that slept) or had no processor, and so perhaps had the engine.
    """

    def __init__(self, memory: EngineMemory) -> None:
        self._memory = memory
        self._beat = 0.0
        self._looked_s = time.monotonic()
        self._silent_s = 0.0

    def is_missing(self) -> bool:
        """Look, every `LOOK_S`: whether the engine was silent for longer than it said that it might be."""
        telemetry = self._memory.telemetry
        now, beat = time.monotonic(), float(telemetry["alive_s"])
        self._silent_s = 0.0 if beat != self._beat else self._silent_s + min(now - self._looked_s, 1.5 * LOOK_S)
        self._beat, self._looked_s = beat, now
        return self._silent_s > float(telemetry["patience_s"])
