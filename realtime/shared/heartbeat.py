"""Detect an engine in another process that no longer responds, without being fooled by a suspended machine."""

import time

from stemlive.realtime.shared.memory import EngineMemory

LOOK_S = 0.1
"""How often to check."""
LIMIT_S = 3.0
"""The longest wait for a device, or for a process that shows no heartbeat."""


class Pulse:
    """Measures the time since the engine's last `EngineMemory.beat`. For one thread.

    Time between two checks counts for at most 1.5 `LOOK_S`: after a longer gap this process was itself suspended
    (Ctrl-Z, sleep) or starved, and so perhaps was the engine.
    """

    def __init__(self, memory: EngineMemory) -> None:
        self._memory = memory
        self._beat = 0.0
        self._looked_s = time.monotonic()
        self._silent_s = 0.0

    def is_missing(self) -> bool:
        """Whether the engine has been silent for longer than it announced with `expect`. Call it every `LOOK_S`."""
        single = self._memory.single
        now, beat = time.monotonic(), float(single["alive_s"])
        self._silent_s = 0.0 if beat != self._beat else self._silent_s + min(now - self._looked_s, 1.5 * LOOK_S)
        self._beat, self._looked_s = beat, now
        return self._silent_s > float(single["patience_s"])
