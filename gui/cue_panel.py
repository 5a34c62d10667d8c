"""The cue: a second mix of all stems, with faders of its own, for headphones or the stage."""

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QLabel, QScrollArea, QToolButton, QVBoxLayout, QWidget

from stemlive.gui.choice import Choice
from stemlive.gui.fader import Fader
from stemlive.gui.mix import Channel, Mix
from stemlive.gui.mix_model import MixModel
from stemlive.gui.output_choice import OutputChoice
from stemlive.gui.presets import BUILT_IN, is_possible
from stemlive.gui.routing import Routing
from stemlive.gui.strip import GainField
from stemlive.gui.switches import mute_and_solo, wants_alone
from stemlive.gui.theme import Theme, stem_colour

_WHAT = "A second mix of all stems, with the microphone: for headphones, with the voice that the room does not hear"


class CueStrip(QWidget):
    """A stem in the cue: fader, gain, mute and solo, which move the model's cue."""

    def __init__(self, model: MixModel, stem: str, number: int) -> None:
        super().__init__()
        self._model, self._stem = model, stem
        title = f"{stem.capitalize()} in the cue"
        self.fader, self.field = Fader(f"{title}: fader"), GainField(f"{title}: gain")
        self.fader.colour = stem_colour(stem, number)
        self.fader.setToolTip(f"{title}: arrows 0.5 dB, Home or a double click 0 dB, End off")
        self.mute, self.solo = mute_and_solo(title)
        row = QGridLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setHorizontalSpacing(6)
        row.setVerticalSpacing(1)
        row.addWidget(QLabel(stem.capitalize()), 0, 0)
        row.setColumnStretch(0, 1)
        switches = QHBoxLayout()
        switches.setSpacing(6)
        for part in (self.mute, self.solo):
            switches.addWidget(part)
        row.addLayout(switches, 0, 1)
        row.addWidget(self.fader, 1, 0)
        row.addWidget(self.field, 1, 1)
        self.fader.moved.connect(self._move)
        self.fader.released.connect(model.end_gesture)
        self.field.typed.connect(self._type)
        self.mute.clicked.connect(lambda on: self._change(model.cue.change(stem, mute=on), "mute"))
        self.solo.clicked.connect(self._switch_solo)

    def show_channel(self, channel: Channel) -> None:
        """Show the channel's values."""
        self.fader.show_db(channel.gain_db)
        self.field.show_db(channel.gain_db)
        self.mute.setChecked(channel.mute)
        self.solo.setChecked(channel.solo)

    def _move(self, gain_db: float) -> None:
        self._change(self._model.cue.change(self._stem, gain_db=gain_db), "fader", merge=f"cue {self._stem}")

    def _type(self, gain_db: float) -> None:
        self._move(gain_db)
        self._model.end_gesture()

    def _switch_solo(self, on: bool) -> None:
        alone = wants_alone()
        self._change(self._model.cue.solo(self._stem, on or alone, alone=alone), "solo")

    def _change(self, cue: Mix, what: str, *, merge: str = "") -> None:
        self._model.set_cue(cue, f"{what} of {self._stem} in the cue", merge=merge)


class CuePanel(QFrame):
    """Where the cue goes, a preset, and a row for each stem, which can be moved while the cue goes somewhere."""

    sent = pyqtSignal(object)
    """The outputs that are chosen for it; empty for none."""

    def __init__(self, model: MixModel, theme: Theme) -> None:
        super().__init__()
        self._model, self._theme = model, theme
        self.setObjectName("bar")
        heading = QLabel("Cue")
        heading.setObjectName("heading")
        heading.setToolTip(_WHAT)
        self.shut = QToolButton()
        self.shut.setObjectName("flat")
        self.shut.setText("✕")
        self.shut.setAccessibleName("Hide the cue")
        self.shut.setToolTip("Hide the cue; it is heard all the same (C)")
        to = QLabel("to")
        to.setObjectName("faint")
        self.output = OutputChoice("Outputs of the cue", _WHAT, none="Off")
        self.preset = Choice("Preset of the cue", "Preset of the cue", least_characters=8)
        self.why_not = QLabel()
        self.why_not.setObjectName("faint")
        self.why_not.setWordWrap(True)
        top = QHBoxLayout()
        for part in (heading, to, self.output):
            top.addWidget(part)
        top.addStretch(1)
        top.addWidget(self.shut)
        self._rows = QWidget()
        self._row_column = QVBoxLayout(self._rows)
        self._row_column.setContentsMargins(0, 0, 0, 0)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(self._rows)
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 4, 8, 6)
        column.setSpacing(4)
        column.addLayout(top)
        column.addWidget(self.preset)
        column.addWidget(self.why_not)
        column.addWidget(scroll, 1)
        self.strips: dict[str, CueStrip] = {}
        self.output.chosen.connect(self.sent)
        self.preset.activated.connect(self._apply)
        model.changed.connect(self._show)
        self._show()

    def show_routing(self, routing: Routing) -> None:
        """Show where the cue goes, or why it cannot go anywhere."""
        end = routing.outputs.cue
        self.output.show_routing(routing, end)
        self.why_not.setText(routing.why_not or ("" if end else "Choose outputs for it: headphones, or the stage."))
        self.why_not.setVisible(bool(self.why_not.text()))
        self._rows.setEnabled(bool(end))
        self.preset.setEnabled(bool(end))

    def show_theme(self, theme: Theme) -> None:
        """Apply a theme."""
        self._theme = theme
        for strip in self.strips.values():
            strip.fader.theme = theme
            strip.fader.update()

    def _show(self) -> None:
        cue = self._model.cue
        if tuple(self.strips) != cue.stems:
            self._rebuild()
        for stem, channel in cue.channels:
            self.strips[stem].show_channel(channel)
        like = next((name for name in BUILT_IN if is_possible(cue, name) and cue.preset(name) == cue), "")
        self.preset.setCurrentIndex(self.preset.findData(like))

    def _rebuild(self) -> None:
        while (item := self._row_column.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.deleteLater()
        cue = self._model.cue
        self.strips = {stem: CueStrip(self._model, stem, number) for number, stem in enumerate(cue.stems, start=1)}
        for strip in self.strips.values():
            self._row_column.addWidget(strip)
        self._row_column.addStretch(1)
        self.show_theme(self._theme)
        self.preset.clear()
        self.preset.addItem("Own mix", "")
        for name, title in BUILT_IN.items():
            if is_possible(cue, name):
                self.preset.addItem(title, name)

    def _apply(self, index: int) -> None:
        if name := self.preset.itemData(index):
            self._model.set_cue(self._model.cue.preset(name), f"preset {name} of the cue")
        else:
            self._show()
