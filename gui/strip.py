"""One row of the mixer, for a stem or the mix: fader, switches, meter and spectrogram."""

from contextlib import suppress

from PyQt6.QtCore import QEvent, Qt, pyqtSignal
from PyQt6.QtGui import QFontMetrics, QKeyEvent
from PyQt6.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QLabel, QLineEdit, QSizePolicy, QWidget

from stemlive.errors import UsageError
from stemlive.gui.drag_out import DragName
from stemlive.gui.fader import Fader
from stemlive.gui.meter import Meter, to_db
from stemlive.gui.mix import Channel
from stemlive.gui.output_choice import OutputChoice
from stemlive.gui.scale import read_db, write_db
from stemlive.gui.side_sliders import Pan
from stemlive.gui.spectrogram import Spectrogram
from stemlive.gui.switches import mute_and_solo, wants_alone
from stemlive.gui.theme import Theme, number_font

PANEL_WIDTH = 356
_LEAST_HEIGHT = 54
"""Five of them, all bars and the karaoke corner fit into a window of 600 lines."""


class GainField(QLineEdit):
    """An editable gain in dB. `typed` carries the gain; invalid text is reverted."""

    typed = pyqtSignal(float)

    def __init__(self, name: str) -> None:
        super().__init__("0.0")
        self.setObjectName("gain")
        self.setAccessibleName(name)
        self.setAccessibleDescription("Gain in dB; type a number, or -inf")
        self.setToolTip("Gain in dB: type a number from -inf to +12")
        self.setFont(number_font(12))
        self.setAlignment(Qt.AlignmentFlag.AlignRight)
        self.setFixedWidth(QFontMetrics(self.font()).horizontalAdvance("+12.0") + 22)
        self._gain_db = 0.0
        self.editingFinished.connect(self._take)

    def show_db(self, gain_db: float) -> None:
        """Show a gain, unless something is being typed."""
        self._gain_db = gain_db
        if not (self.hasFocus() and self.isModified()):
            self.setText(write_db(gain_db))

    def event(self, event: QEvent | None) -> bool:
        """Keep Escape for `keyPressEvent` while something is being typed; else it is the window's."""
        typing = isinstance(event, QKeyEvent) and event.type() == QEvent.Type.ShortcutOverride and self.isModified()
        if typing and isinstance(event, QKeyEvent) and event.key() == Qt.Key.Key_Escape:
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802
        """Revert the text on Escape."""
        if event is not None and event.key() == Qt.Key.Key_Escape:
            self.setText(write_db(self._gain_db))
            self.setModified(False)
            return
        super().keyPressEvent(event)

    def _take(self) -> None:
        if self.isModified():
            self.setModified(False)
            with suppress(UsageError):
                self.typed.emit(read_db(self.text()))
            self.setText(write_db(self._gain_db))


class Strip(QFrame):
    """Shows a channel and emits a signal for each change by the user; it changes nothing itself.

    `stem` is None for the mix, which has no switches and no pan.
    """

    gain_moved = pyqtSignal(float)
    pan_moved = pyqtSignal(float)
    gesture_ended = pyqtSignal()
    mute_switched = pyqtSignal(bool)
    solo_switched = pyqtSignal(bool, bool)
    """On or off, and whether all other solos are cleared."""

    def __init__(self, stem: str | None, number: int, colour: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("strip")
        self.stem = stem
        title = "Mix" if stem is None else stem.capitalize()
        self.name = DragName(title)
        self.name.setStyleSheet("font-size: 15px; font-weight: bold;")
        self.edge = QFrame()
        self.edge.setFixedWidth(5)
        self.edge.setStyleSheet(f"background: {colour}; border-radius: 2px;")
        self.fader = Fader(f"{title}: fader")
        self.fader.colour = colour
        key = "M" if stem is None else f"Ctrl+{number}"
        self.fader.setToolTip(f"Fader of {title.lower()} ({key}): arrows 0.5 dB, Home or a double click 0 dB, End off")
        self.field = GainField(f"{title}: gain")
        self.meter = Meter(f"{title}: level")
        self.peak = QLabel(_level_text(0.0))
        self.peak.setFont(number_font(11))
        self.peak.setObjectName("faint")
        self.peak.setFixedWidth(self.field.width())
        self.peak.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.peak.setToolTip("Highest peak in dB of full scale")
        self.spectrogram = Spectrogram(f"{title}: spectrogram")
        self.mute, self.solo = mute_and_solo(title, f"{number}", f"Alt+{number}")
        self.pan = Pan(f"{title}: pan")
        self.pan.colour = colour
        self.pan.setToolTip(f"Pan of {title.lower()}: arrows, Home or a double click for the middle")
        self.route = OutputChoice(f"{title}: output", f"Outputs of {title.lower()}", none="Main")
        self._lay_out()
        self.fader.moved.connect(self.gain_moved)
        self.fader.released.connect(self.gesture_ended)
        self.field.typed.connect(self._typed)
        self.pan.moved.connect(self.pan_moved)
        self.pan.released.connect(self.gesture_ended)
        self.mute.clicked.connect(self.mute_switched)
        self.solo.clicked.connect(self._solo_clicked)

    def show_channel(self, channel: Channel, *, heard: bool) -> None:
        """Show the channel's values."""
        self.fader.show_db(channel.gain_db)
        self.field.show_db(channel.gain_db)
        self.pan.show_pan(channel.pan)
        self.mute.setChecked(channel.mute)
        self.solo.setChecked(channel.solo)
        self.spectrogram.show_heard(heard)

    def show_levels(self, peak: float, rms: float, now_s: float) -> None:
        """Update the meter."""
        self.meter.show_levels(peak, rms, now_s)

    def show_peak_text(self) -> None:
        """Update the text of the held peak; called seldom, so that it stays readable."""
        self.peak.setText(_level_text(10 ** (self.meter.held.level_db / 20)))

    def show_theme(self, theme: Theme) -> None:
        """Apply a theme."""
        for part in (self.fader, self.pan, self.meter, self.spectrogram):
            part.theme = theme
            part.update()

    def _lay_out(self) -> None:
        panel = QWidget()
        panel.setFixedWidth(PANEL_WIDTH)
        top = QHBoxLayout()
        top.setSpacing(6)
        top.addWidget(self.name)
        top.addStretch(1)
        if self.stem is not None:
            top.addWidget(self.route)
            for side, part in (("L", None), ("", self.pan), ("R", None)):
                if part is None:
                    label = QLabel(side)
                    label.setObjectName("faint")
                    top.addWidget(label)
                else:
                    top.addWidget(part)
            top.addSpacing(8)
            top.addWidget(self.mute)
            top.addWidget(self.solo)
        grid = QGridLayout(panel)
        grid.setContentsMargins(10, 0, 8, 0)
        grid.setHorizontalSpacing(8)
        grid.setVerticalSpacing(1)
        grid.setRowStretch(0, 1)
        grid.addLayout(top, 1, 0, 1, 2)
        grid.addWidget(self.fader, 2, 0)
        grid.addWidget(self.field, 2, 1, Qt.AlignmentFlag.AlignTop)
        grid.addWidget(self.meter, 3, 0)
        grid.addWidget(self.peak, 3, 1)
        grid.setRowStretch(4, 1)
        row = QHBoxLayout(self)
        row.setContentsMargins(2, 2, 2, 2)
        row.setSpacing(2)
        row.addWidget(self.edge)
        row.addWidget(panel)
        row.addWidget(self.spectrogram, 1)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumHeight(_LEAST_HEIGHT)

    def _typed(self, gain_db: float) -> None:
        self.gain_moved.emit(gain_db)
        self.gesture_ended.emit()

    def _solo_clicked(self, on: bool) -> None:
        alone = wants_alone()
        self.solo_switched.emit(on or alone, alone)


def _level_text(level: float) -> str:
    level_db = to_db(level)
    return f"{level_db:6.1f}" if level_db > -99 else "    -∞"
