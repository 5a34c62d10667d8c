"""A phone as remote of the window: off until it is asked for, and again with the next start of the program."""

from dataclasses import replace

from PyQt6.QtCore import QObject, pyqtSignal

from stemlive.errors import StemliveError
from stemlive.gui.rig import Rig
from stemlive.realtime.control.conductor import Conductor
from stemlive.realtime.control.controls import Controls
from stemlive.realtime.control.remote import Remote
from stemlive.realtime.control.remote_desk import EmptyDesk, RemoteDesk

_EVERYWHERE, _PORT = "0.0.0.0", 8000
"""In all networks of this machine; at another port where this one is taken."""


class RemoteCorner(QObject):
    """Starts and stops the page, which stays the same while engines come and go. Call `follow` often.

    Signals: `changed` when it is started or stopped, `complained` with a line, from the page's thread.
    """

    changed = pyqtSignal(bool)
    complained = pyqtSignal(str)

    def __init__(self, rig: Rig, conductor: Conductor) -> None:
        super().__init__()
        self._rig, self._conductor = rig, conductor
        self._shown: tuple[Controls | None, bool] = (None, False)
        self.remote: Remote | None = None
        """What serves the page; None while it is off."""

    def start(self) -> None:
        """Serve the page in all networks of this machine. StemliveError when that cannot be."""
        if self.remote is None:
            self._shown = self._source()
            try:
                self.remote = Remote(self._desk(), _EVERYWHERE, _PORT, complain=self.complained.emit)
            except StemliveError:
                self.remote = Remote(self._desk(), _EVERYWHERE, 0, complain=self.complained.emit)
            self.changed.emit(True)

    def stop(self) -> None:
        """Let the phones go, and serve no more."""
        if self.remote is not None:
            self.remote.close()
            self.remote = None
            self.changed.emit(False)

    def follow(self) -> None:
        """Show phones the engine that runs now, and the window what they have moved beside the mix."""
        if self.remote is None:
            return
        if self._source() != self._shown:
            self._shown = self._source()
            self.remote.show(self._desk())
        controls, karaoke = self._rig.player.controls, self._rig.player.karaoke
        if controls is not None:
            theirs = {
                "gain_db": controls.microphone_gain_db,
                "reverb": controls.microphone_reverb,
                "semitones": controls.semitones,
            }
            if replace(karaoke, **theirs) != karaoke:  # type: ignore[arg-type]
                self._rig.set_microphone(**theirs)

    def _source(self) -> tuple[Controls | None, bool]:
        """Return what a desk is made for: an engine's controls, and whether it plays songs."""
        player = self._rig.player
        return player.controls, player.is_song

    def _desk(self) -> RemoteDesk:
        player = self._rig.player
        if player.engine is None:
            return EmptyDesk()
        engine, song = player.engine, player.is_song
        return RemoteDesk(
            engine.controls,
            engine.snapshot,
            title="" if song else None,
            conductor=self._conductor if song else None,
            microphone=engine.settings.has_microphone,
        )
