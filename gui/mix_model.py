"""The mix and the cue that the window shows, with undo and A/B comparison, kept in sync with the engine."""

from dataclasses import replace

from PyQt6.QtCore import QObject, pyqtSignal
from PyQt6.QtGui import QUndoCommand, QUndoStack

from stemlive.gui.mix import Desk, Mix
from stemlive.realtime.control.controls import Controls


class MixModel(QObject):
    """Owns the mix and the cue. `changed` is emitted, on the window's thread, when they, bypass or letter change."""

    changed = pyqtSignal()

    def __init__(self, mix: Mix, cue: Mix | None = None) -> None:
        super().__init__()
        flat = Mix.of(mix.stems)
        self._desk = Desk(mix, flat, flat if cue is None else cue.for_stems(mix.stems))
        self._controls: Controls | None = None
        self._gesture = 0
        self.bypass = False
        self.undo_stack = QUndoStack(self)

    @property
    def desk(self) -> Desk:
        """Both mixes and the cue."""
        return self._desk

    @property
    def mix(self) -> Mix:
        """The mix that is heard."""
        return self._desk.mix

    @property
    def cue(self) -> Mix:
        """The second mix, for headphones or the stage; its pans and master mean nothing."""
        return self._desk.cue

    @property
    def letter(self) -> str:
        """Which of the two mixes is heard, A or B."""
        return self._desk.letter

    def attach(self, controls: Controls | None) -> None:
        """Control this engine from now on, or none. The mix is adapted to the engine's stems."""
        self._controls = controls
        if controls is None:
            return
        if controls.stems != self.mix.stems:
            self.undo_stack.clear()
            self._desk = self._desk.for_stems(controls.stems)
        self._desk.write_to(controls)
        controls.set_bypass(self.bypass)
        self.changed.emit()

    def follow(self) -> None:
        """Adopt changes made elsewhere (OSC, MIDI), without an undo step."""
        if self._controls is None:
            return
        theirs = replace(self._desk, mix=Mix.read_from(self._controls), cue=Mix.read_from(self._controls.cue))
        if theirs != self._desk or self._controls.bypass != self.bypass:
            self._desk = theirs
            self.bypass = self._controls.bypass
            self.changed.emit()

    def set_mix(self, mix: Mix, text: str, *, merge: str = "") -> None:
        """Change the mix, with an undo step named `text`. Steps of equal `merge` become one until `end_gesture`."""
        if mix != self.mix:
            self._push(replace(self._desk, mix=mix), text, f"{merge} {self._gesture}" if merge else "")

    def set_cue(self, cue: Mix, text: str, *, merge: str = "") -> None:
        """Change the cue, as `set_mix` does the mix."""
        if cue != self.cue:
            self._push(replace(self._desk, cue=cue), text, f"{merge} {self._gesture}" if merge else "")

    def end_gesture(self) -> None:
        """Start a new undo step with the next change."""
        self._gesture += 1

    def set_gain_db(self, stem: str | None, gain_db: float) -> None:
        """Set the gain of a stem, or of the master for None."""
        mix = replace(self.mix, master_db=gain_db) if stem is None else self.mix.change(stem, gain_db=gain_db)
        self.set_mix(mix, f"fader of {stem or 'the mix'}", merge=f"gain {stem}")

    def set_pan(self, stem: str, pan: float) -> None:
        """Set the pan of a stem."""
        self.set_mix(self.mix.change(stem, pan=pan), f"pan of {stem}", merge=f"pan {stem}")

    def mute(self, stem: str, on: bool) -> None:
        """Mute or unmute a stem."""
        self.set_mix(self.mix.change(stem, mute=on), f"mute of {stem}")

    def solo(self, stem: str, on: bool, *, alone: bool = False) -> None:
        """Solo a stem or not; with `alone`, clear all other solos."""
        self.set_mix(self.mix.solo(stem, on, alone=alone), f"solo of {stem}")

    def preset(self, name: str) -> None:
        """Apply a preset. UsageError as in Mixer."""
        self.set_mix(self.mix.preset(name), f"preset {name}")

    def compare(self) -> None:
        """Switch to the other mix of the A/B comparison."""
        desk = self._desk
        self._push(Desk(desk.other, desk.mix, desk.cue, "B" if desk.letter == "A" else "A"), "comparison", "")

    def set_bypass(self, on: bool) -> None:
        """Switch bypass: the input passes through unseparated, with the same delay."""
        self.bypass = on
        if self._controls is not None:
            self._controls.set_bypass(on)
        self.changed.emit()

    def show(self, desk: Desk) -> None:
        """Set the desk without an undo step; for the undo stack."""
        self._desk = desk
        if self._controls is not None:
            desk.write_to(self._controls)
        self.changed.emit()

    def _push(self, desk: Desk, text: str, merge: str) -> None:
        self.undo_stack.push(_Change(self, self._desk, desk, text, merge))


class _Change(QUndoCommand):
    """An undo step from one desk to another; moves of one fader within a gesture merge into one step."""

    def __init__(self, model: MixModel, before: Desk, after: Desk, text: str, merge: str) -> None:
        super().__init__(text)
        self._model, self._before, self.after, self.merge = model, before, after, merge

    def id(self) -> int:
        """Return an id for Qt: steps of equal id may merge, those of id -1 never do."""
        return 1 if self.merge else -1

    def mergeWith(self, other: QUndoCommand | None) -> bool:  # noqa: N802
        """Merge a later step of the same gesture into this one."""
        if not isinstance(other, _Change) or other.merge != self.merge:
            return False
        self.after = other.after
        return True

    def redo(self) -> None:
        """Apply the change."""
        self._model.show(self.after)

    def undo(self) -> None:
        """Revert the change."""
        self._model.show(self._before)
