"""What the keys of a live run act on."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stemlive.clock import clock
from stemlive.errors import UsageError

if TYPE_CHECKING:
    from stemlive.realtime.control.conductor import Conductor
    from stemlive.realtime.control.controls import Controls
    from stemlive.realtime.control.midi import MidiControl
    from stemlive.realtime.recording.recorder import Recorder
    from stemlive.terminal.words_line import SungWords

_SEEKING_S = 1.0
"""For so long after a seek the next one counts from where it went, because the sound is not there yet."""


@dataclass
class Desk:
    """The state that keys act on: the engine's controls, the recorder, MIDI learn and the selected stem.

    `song_at` returns where the song is, in seconds; None without a song.
    """

    controls: "Controls"
    recorder: "Recorder | None" = None
    microphone: bool = False
    song_at: Callable[[], float] | None = None
    words: "SungWords | None" = None
    conductor: "Conductor | None" = None
    midi: "MidiControl | None" = None
    learning: bool = False
    selected: int = 0
    quitting: bool = False
    helping: bool = False
    loop_from_s: float | None = None
    """Where a loop begins whose end is not known yet."""
    notes: list[str] = field(default_factory=list)
    """Messages about the last keys."""
    _preset: int = -1
    _sought: tuple[float, float] = (float("-inf"), 0.0)
    """When the last seek was, by time.monotonic, and where it went."""

    @property
    def stem(self) -> str:
        """Name of the selected stem."""
        return self.controls.stems[self.selected]

    def select(self, number: int) -> None:
        """Select a stem by number from 0 on; numbers wrap around."""
        self.selected = number % len(self.controls.stems)

    def next_preset(self) -> None:
        """Apply the next preset that this model can make."""
        from stemlive.realtime.separation.mixer import PRESETS

        names = list(PRESETS)
        for _ in names:
            self._preset = (self._preset + 1) % len(names)
            try:
                self.apply_preset(names[self._preset])
            except UsageError:
                continue
            return

    def apply_preset(self, name: str) -> None:
        """Apply a preset and note it."""
        self.controls.apply_preset(name)
        self.notes.append(f"preset {name}")

    def seek(self, step_s: float) -> None:
        """Jump forth or back in the song, and note where to."""
        assert self.song_at is not None
        now = time.monotonic()
        at = self._sought[1] if now - self._sought[0] < _SEEKING_S else self.song_at()
        to = max(0.0, at + step_s)
        self._sought = (now, to)
        self.controls.song.seek(to)
        self.notes.append(f"to {clock(to)}")

    def skip(self, by: int) -> None:
        """Go to the next song (1), or to the one before or the start of this one (-1)."""
        assert self.conductor is not None
        assert self.song_at is not None
        if by < 0:
            self.conductor.previous(self.song_at())
        elif not self.conductor.queue.next():
            self.notes.append("this is the last song")

    def learn(self, target: str) -> bool:
        """In learn mode, bind the MIDI control that moved last to the key's target; return whether that was done."""
        if not self.learning or self.midi is None or target == "":
            return False
        learnt = self.midi.learn(target)
        if learnt:
            self.notes.append(learnt)
        return bool(learnt)
