"""The window's messages: a temporary note or the state, for the state line; a problem, for the banner."""

import time

from stemlive.gui.player import Phase
from stemlive.gui.rig import Rig
from stemlive.gui.state_line import advice

_NOTE_S = 8.0


class Notices:
    """Messages about one rig, computed on request."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._note, self._note_until = "", 0.0
        self._told: set[str] = set()

    def keep(self, note: str) -> None:
        """Show a note for a few seconds."""
        self._note, self._note_until = note, time.monotonic() + _NOTE_S

    def state(self) -> tuple[str, bool]:
        """Return the text for the state line, and whether it is a warning."""
        player = self._rig.player
        if player.now is not None and player.now.terms and player.now.terms not in self._told:
            self._told.add(player.now.terms)
            self.keep(player.now.terms)
        if time.monotonic() < self._note_until:
            return self._note, False
        if player.now is not None and player.now.trouble:
            return player.now.trouble, True
        if player.now is not None and (tip := advice(player.now)):
            return tip, True
        texts = {
            Phase.OPENING: "Opening…",
            Phase.LIVE: "Live" if self._rig.live else "Playing" if player.plays else "Paused",
        }
        return texts.get(player.phase, ""), False

    def problem(self) -> str:
        """Return the problem that stops the sound; empty if there is none."""
        player = self._rig.player
        texts = {
            Phase.MISSING: player.message,
            Phase.FAILED: player.message,
            Phase.WAITING: f"Waiting for the device, and going on when it is back ({player.message})",
        }
        return texts.get(player.phase, "")
