"""An engine for what the computer plays: other programs' streams are taken while it runs, and given back at its end."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from stemlive.realtime.control.controls import Controls
from stemlive.realtime.devices.system_audio import SystemAudio
from stemlive.realtime.engine.child_process import EngineProcess
from stemlive.realtime.engine.engine import LiveEngine
from stemlive.realtime.recording.tap import Tap
from stemlive.realtime.shared.settings import EngineSettings, device_of
from stemlive.realtime.shared.snapshot import Snapshot, State

PLAYERS = "players:"
"""In place of a device's name, as an input: all programs that play, or one by a part of its name behind it."""


def engine_for(settings: EngineSettings, /, *, taps: tuple[Tap, ...] = ()) -> LiveEngine:
    """Return an engine in a child process for these settings, whose input may be `device:players:NAME`."""
    if (device_of(settings.source) or "").startswith(PLAYERS):
        return SystemEngine(settings, taps=taps)
    return EngineProcess(settings, taps=taps)


class SystemEngine:
    """`EngineProcess` with the sink of `SystemAudio` as its input.

    The default output is where the programs were heard before. `Snapshot.note` names the program that was taken last,
    `trouble` the one that could not be. One thread at a time calls it.
    """

    def __init__(self, settings: EngineSettings, *, taps: tuple[Tap, ...] = ()) -> None:
        """Make the sink and load the model. StemliveError when either fails."""
        self.settings = settings
        app = (device_of(settings.source) or "").removeprefix(PLAYERS)
        self._system = SystemAudio(app, waits=settings.reconnect)
        target = self._system.target if device_of(settings.target) == "default" else settings.target
        self._note = self._trouble = ""
        try:
            self._engine = EngineProcess(replace(settings, source=self._system.source, target=target), taps=taps)
        except BaseException:
            self._system.close()
            raise
        self.controls: Controls = self._engine.controls

    def start(self) -> None:
        """Start the engine, and take the programs once it runs. StemliveError when it fails."""
        self._engine.start()
        self._system.begin()

    def stop(self) -> None:
        """Give the programs back first, so that nothing is missed, then stop the engine. StemliveError as there."""
        self._system.close()
        self._engine.stop()

    def snapshot(self) -> Snapshot:
        """Return the engine's state with what happened to the programs."""
        now = self._engine.snapshot()
        for trouble, text in self._system.news():
            if trouble:
                self._trouble = text
            else:
                self._note, self._trouble = text, ""
        if self._system.problem:
            return replace(now, state=State.FAILED, message=self._system.problem)
        return replace(now, note=now.note or self._note, trouble=now.trouble or self._trouble)

    def columns(self, since: int) -> tuple[int, NDArray[np.uint8]]:
        """Return spectrogram columns."""
        return self._engine.columns(since)
