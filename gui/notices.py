"""The window's messages: a temporary note or the state, for the state line; what must be seen, for the banner."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from stemlive.gui.file_names import shown
from stemlive.gui.player import Phase
from stemlive.gui.rig import Rig
from stemlive.gui.state_line import advice

_NOTE_S = 8.0


@dataclass(frozen=True)
class Notice:
    """A message for the banner. `button` is the text of its button, `press` what that does.

    A bad one goes when something else is opened, unless it `lasts`.
    """

    text: str
    bad: bool = True
    button: str = ""
    press: Callable[[], object] | None = None
    lasts: bool = False


class Notices:
    """Messages about one rig, computed on request. `retry` looks for devices and opens the engine again."""

    def __init__(self, rig: Rig, retry: Callable[[], object]) -> None:
        self._rig, self._retry = rig, retry
        self._note, self._note_until = "", 0.0
        self._told: set[str] = set()
        self._notice: Notice | None = None
        self._closed = ""

    def keep(self, note: str) -> None:
        """Show a note in the state line for a few seconds."""
        self._note, self._note_until = note, time.monotonic() + _NOTE_S

    def tell(self, notice: Notice) -> None:
        """Show a notice in the banner, until it is closed or another one comes."""
        self._notice = notice

    def forgive(self) -> None:
        """Forget an error: something else was opened since."""
        if self._notice is not None and self._notice.bad and not self._notice.lasts:
            self._notice = None

    def close(self) -> None:
        """Close what the banner shows. A problem that lasts stays away until it is another one."""
        if self._problem() and self._problem() != self._closed:
            self._closed = self._problem()
        else:
            self._notice = None

    def banner(self) -> Notice | None:
        """Return what the banner shows: what stops the sound comes first."""
        problem = self._problem()
        if not problem:
            self._closed = ""
        if problem and problem != self._closed:
            return Notice(problem, button="Try again" if self._stopped else "", press=self._retry)
        return self._notice

    def state(self) -> tuple[str, bool]:
        """Return the text for the state line, and whether it is a warning."""
        player = self._rig.player
        if player.now is not None:
            for text in (player.now.note if self._rig.live else "", player.now.terms):
                if text and text not in self._told:
                    self._told.add(text)
                    self.keep(text)
        if time.monotonic() < self._note_until:
            return self._note, False
        if (opening := self._rig.opener.path) is not None:
            return f"Opening {shown(Path(opening.name))}…", False
        if player.now is not None and player.phase == Phase.LIVE and (tip := advice(player.now)):
            return tip, True
        texts = {
            Phase.OPENING: "Opening…",
            Phase.LIVE: "Live" if self._rig.live else "Playing" if player.plays else "Paused",
            Phase.WAITING: "No sound: waiting for the device",
            Phase.MISSING: "No sound: there is no device",
            Phase.FAILED: "No sound",
        }
        return texts.get(player.phase, "Nothing is open"), player.phase not in (Phase.IDLE, Phase.OPENING, Phase.LIVE)

    @property
    def _stopped(self) -> bool:
        return self._rig.player.phase in (Phase.MISSING, Phase.FAILED, Phase.WAITING)

    def _problem(self) -> str:
        """Return what is wrong at the moment: no sound, or a part of it; empty if nothing is."""
        player = self._rig.player
        if player.phase in (Phase.MISSING, Phase.FAILED):
            return player.message
        if player.phase == Phase.WAITING:
            return f"Waiting for the device, and going on when it is back ({player.message})"
        return player.now.trouble if player.now is not None and player.phase == Phase.LIVE else ""
