"""The column of strips, connected to the mix and to the engine's telemetry."""

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import pyqtSignal
from PyQt6.QtWidgets import QVBoxLayout, QWidget

from stemlive.gui.mix_model import MixModel
from stemlive.gui.routing import Routing
from stemlive.gui.spectrogram import TimeAxis
from stemlive.gui.strip import PANEL_WIDTH, Strip
from stemlive.gui.theme import Theme, stem_colour
from stemlive.realtime.shared.snapshot import Snapshot

_MIX_COLOUR = "#8a93a3"


class MixerView(QWidget):
    """A strip per stem, the strip of the mix, and below them their common time axis."""

    dragged = pyqtSignal(object)
    """The name of a strip is dragged: its stem, None for the mix."""

    routed = pyqtSignal(str, object)
    """A stem, and the outputs that were chosen for it."""

    def __init__(self, model: MixModel, theme: Theme) -> None:
        super().__init__()
        self._routing: Routing | None = None
        self._model, self._theme = model, theme
        self.strips: dict[str | None, Strip] = {}
        self.axis = TimeAxis()
        self.axis.indent = PANEL_WIDTH + 12
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(4)
        model.changed.connect(self._show)
        self._show()

    def strip(self, number: int) -> Strip | None:
        """Return the strip of a stem by its number from 1 on; None if there are fewer stems."""
        stems = self._model.mix.stems
        return self.strips[stems[number - 1]] if number <= len(stems) else None

    def show_levels(self, now: Snapshot, now_s: float) -> None:
        """Update the meters."""
        for stem, peak, rms in zip(now.stems, now.stem_peak, now.stem_rms, strict=True):
            if stem in self.strips:
                self.strips[stem].show_levels(max(peak, rms), rms, now_s)
        self.strips[None].show_levels(now.mix_peak, now.mix_rms, now_s)
        self.axis.show_hop(now.hop_s)

    def show_silence(self, now_s: float) -> None:
        """Let the meters fall while no engine runs."""
        for strip in self.strips.values():
            strip.show_levels(0.0, 0.0, now_s)

    @property
    def settled(self) -> bool:
        """Whether no meter moves any more."""
        return all(strip.meter.settled for strip in self.strips.values())

    def show_routing(self, routing: Routing) -> None:
        """Show which outputs the stems go to."""
        self._routing = routing
        for stem, strip in self.strips.items():
            if stem is not None:
                strip.route.show_routing(routing, routing.end_of(stem))

    def show_columns(self, columns: NDArray[np.uint8]) -> None:
        """Append columns [n, lanes, bins] to the spectrograms; lanes as in `EngineMemory.columns_since`."""
        lanes = columns.shape[1]
        for lane, stem in enumerate(self._model.mix.stems):
            if lane < lanes - 2:
                self.strips[stem].spectrogram.add(columns[:, lane])
        self.strips[None].spectrogram.add(columns[:, lanes - 1])

    def show_peak_texts(self) -> None:
        """Update the texts of the held peaks; called a few times a second."""
        for strip in self.strips.values():
            strip.show_peak_text()

    def clear(self) -> None:
        """Clear the spectrograms and the clip lights."""
        for strip in self.strips.values():
            strip.spectrogram.clear()
            strip.meter.held.reset()

    def show_theme(self, theme: Theme) -> None:
        """Apply a theme."""
        self._theme = theme
        self.axis.theme = theme
        self.axis.update()
        for strip in self.strips.values():
            strip.show_theme(theme)

    def _show(self) -> None:
        mix = self._model.mix
        if tuple(self.strips) != (*mix.stems, None):
            self._rebuild()
        for stem, channel in mix.channels:
            self.strips[stem].show_channel(channel, heard=self._model.bypass or mix.heard(stem))
        master = self.strips[None]
        master.fader.show_db(mix.master_db)
        master.field.show_db(mix.master_db)

    def _rebuild(self) -> None:
        for old in self.strips.values():
            self._column.removeWidget(old)
            old.deleteLater()
        self._column.removeWidget(self.axis)
        self.strips = {}
        for number, stem in enumerate((*self._model.mix.stems, None), start=1):
            colour = _MIX_COLOUR if stem is None else stem_colour(stem, number)
            strip = self.strips[stem] = Strip(stem, number, colour)
            strip.show_theme(self._theme)
            self._connect(strip, stem)
            self._column.addWidget(strip, 1)
        if self._routing is not None:
            self.show_routing(self._routing)
        self._column.addWidget(self.axis)

    def _connect(self, strip: Strip, stem: str | None) -> None:
        model = self._model
        strip.gain_moved.connect(lambda gain_db: model.set_gain_db(stem, gain_db))
        strip.gesture_ended.connect(model.end_gesture)
        strip.name.dragged.connect(lambda: self.dragged.emit(stem))
        if stem is not None:
            strip.route.chosen.connect(lambda end: self.routed.emit(stem, end))
            strip.pan_moved.connect(lambda pan: model.set_pan(stem, pan))
            strip.mute_switched.connect(lambda on: model.mute(stem, on))
            strip.solo_switched.connect(lambda on, alone: model.solo(stem, on, alone=alone))
