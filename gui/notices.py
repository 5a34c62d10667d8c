"""What the window says in words: a note for a while, else what goes on; and a problem above the strips."""

import time

from stemlive.gui.player import Phase
from stemlive.gui.rig import Rig
from stemlive.gui.state_line import advice

_NOTE_S = 8.0


class Notices:
    """Texts about one rig, made anew whenever they are asked for."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._note, self._note_until = "", 0.0

    def keep(self, note: str) -> None:
        """Say something for a while."""
        self._note, self._note_until = note, time.monotonic() + _NOTE_S

    def state(self) -> tuple[str, bool]:
        """Return what the state line says, and whether it is bad news."""
        player = self._rig.player
        if time.monotonic() < self._note_until:
            return self._note, False
        if player.now is not None and (tip := advice(player.now)):
            return tip, True
        texts = {
            Phase.OPENING: "Opening…",
            Phase.LIVE: "Live" if self._rig.live else "Playing" if player.plays else "Paused",
        }
        return texts.get(player.phase, ""), False

    def problem(self) -> str:
        """Return what keeps the sound away; empty when nothing does."""
        player = self._rig.player
        texts = {
            Phase.MISSING: player.message,
            Phase.FAILED: player.message,
            Phase.WAITING: f"Waiting for the device, and going on when it is back ({player.message})",
        }
        return texts.get(player.phase, "")
