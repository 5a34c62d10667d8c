"""What the computer plays, as an input: the streams of other programs on PulseAudio or PipeWire."""

import multiprocessing
from contextlib import suppress
from types import TracebackType
from typing import Self

from stemlive.child import safe_path
from stemlive.errors import DeviceError, StemliveError
from stemlive.realtime.devices.player_keeper import keep_players, undo_left_over
from stemlive.realtime.devices.sound_server import connect
from stemlive.realtime.shared.settings import DEVICE_PREFIX

_SPAWN = multiprocessing.get_context("spawn")
_BIRTH_S = 30.0
"""Limit for a process to start on a busy machine; the sound server itself has a second to answer."""
_UNDO_S = 3.0


class SystemAudio:
    """Players in a sink of our own, whose monitor is an engine's input. One thread uses it.

        with SystemAudio() as system:
            engine = Engine(EngineSettings(system.source, system.target))
            engine.start()
            system.begin()

    A process beside this one moves the players, and puts them back when this one ends, however it ends.
    """

    source: str
    """`device:NAME` of our sink's monitor."""
    target: str
    """`device:NAME` of the device where the players are heard."""

    def __init__(self, app: str = "", *, waits: bool = False) -> None:
        """Make the sink; `app` is a part of the name of the programs to take, all if empty. DeviceError when refused.

        With `waits`, a sound server that goes away is waited for.
        """
        connect("stemlive").close()  # says at once what is missing
        self.problem = ""
        """Why the players are not taken any more; empty while they are."""
        self._connection, theirs = _SPAWN.Pipe()
        self._process = _SPAWN.Process(target=keep_players, args=(app, waits, theirs), name="stemlive keeper")
        with safe_path():
            self._process.start()
        theirs.close()
        try:
            answer = self._answer()
        except BaseException:
            self.close()
            raise
        self.source, self.target = (f"{DEVICE_PREFIX}{name}" for name in answer)

    def begin(self) -> None:
        """Take the players that are there, and those that begin later."""
        with suppress(OSError):  # `news` tells it
            self._connection.send(True)

    def news(self) -> list[tuple[bool, str]]:
        """Return what has happened since the last call, each with whether it is trouble. Sets `problem` at the end."""
        news: list[tuple[bool, str]] = []
        while not self.problem and self._connection.poll():
            try:
                said = self._connection.recv()
            except (EOFError, OSError):
                said = self._taken_back()
            if isinstance(said, StemliveError):
                self.problem = str(said)
            else:
                news.append(said)
        return news

    def close(self) -> None:
        """Put the players back where they were, and remove the sink. A second call does nothing."""
        if self._connection.closed:
            return
        self._connection.close()
        self._process.join(_UNDO_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self.close()

    def _answer(self) -> tuple[str, str]:
        try:
            answer = self._connection.recv() if self._connection.poll(_BIRTH_S) else None
        except (EOFError, OSError):
            answer = None
        if answer is None:
            raise DeviceError("the process that moves players did not start: try again")
        if isinstance(answer, StemliveError):
            raise answer
        monitor, sink = answer
        return monitor, sink

    def _taken_back(self) -> DeviceError:
        """Undo what the keeper would have undone, had it not been killed."""
        with suppress(Exception), connect("stemlive") as pulse:
            undo_left_over(pulse)
        return DeviceError("the process that moves players has ended by itself: what it had moved was put back")
