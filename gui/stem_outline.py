"""The outline of a song's stems, which another process makes behind everything else; known stems ahead of the music."""

import json
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import QObject, pyqtSignal

from stemlive.child import quoted
from stemlive.gui.command_process import CommandProcess
from stemlive.gui.waveform import BARS

COMMAND = (sys.executable, "-P", "-m", "stemlive.window_outline")
_MOST_KEPT = 8


class Stems:
    """Peaks of the stems in `BARS` parts of a song, uint8 [S, BARS], of which the first `done` are known."""

    def __init__(self) -> None:
        self.names: tuple[str, ...] = ()
        self.peaks: NDArray[np.uint8] = np.zeros((0, BARS), np.uint8)
        self.done = 0

    @property
    def complete(self) -> bool:
        """Whether all of the song is known."""
        return self.done >= BARS


class StemOutline(QObject):
    """Makes the outlines of one song after another. `stems` are those of the wanted song; `changed` when they grow.

    What was made is kept for the songs of a session. A song that cannot be separated has no outline of its stems, and
    nothing is said about it: whoever plays it is told why.
    """

    changed = pyqtSignal()

    def __init__(self, command: tuple[str, ...] = COMMAND) -> None:
        super().__init__()
        self._command = command
        self._process = self._new_process()
        self._ending: list[CommandProcess] = []
        self._kept: dict[tuple[Path, str | None], Stems] = {}
        self._wanted: tuple[Path, str | None] | None = None
        self.stems: Stems | None = None

    def want(self, song: Path | None, model: str | None) -> None:
        """Make the outline of this song with this model from now on, or none."""
        wanted = None if song is None else (song, model)
        if wanted == self._wanted:
            return
        self.close()
        self._wanted = wanted
        self.stems = None
        if wanted is not None:
            self.stems = self._kept.setdefault(wanted, Stems())
            while len(self._kept) > _MOST_KEPT:
                del self._kept[next(iter(self._kept))]
            if not self.stems.complete:
                self._begin(*wanted)
        self.changed.emit()

    def close(self) -> None:
        """Stop what is being made, and return at once: a process that goes after everything else may end late."""
        self._ending = [process for process in self._ending if process.running]
        if self._process.running:
            self._process.blockSignals(True)
            self._process.kill()
            self._ending.append(self._process)
            self._process = self._new_process()

    def finish(self) -> None:
        """Wait, after `close`, for the end of what was stopped."""
        for process in self._ending:
            process.end()

    def _new_process(self) -> CommandProcess:
        process = CommandProcess(self)
        process.readyReadStandardOutput.connect(self._read)
        return process

    def _begin(self, song: Path, model: str | None) -> None:
        assert self.stems is not None
        self.stems.done = 0
        more = [] if model is None else [quoted(model)]
        self._process.start(self._command[0], [*self._command[1:], quoted(song), str(BARS), *more])

    def _read(self) -> None:
        stems = self.stems
        while stems is not None and self._process.canReadLine():
            values = json.loads(self._process.readLine().data())
            if values and isinstance(values[0], str):
                stems.names = tuple(values)
                stems.peaks = np.zeros((len(values), BARS), np.uint8)
            elif values:
                end = min(BARS, stems.done + len(values))
                stems.peaks[:, stems.done : end] = np.array(values, np.uint8)[: end - stems.done].T
                stems.done = end
        self.changed.emit()
