"""The karaoke corner: a microphone that is mixed with the song, and the key and the tempo of the music."""

import math

from PyQt6.QtCore import pyqtSignal
from PyQt6.QtGui import QFontMetrics, QResizeEvent
from PyQt6.QtWidgets import QBoxLayout, QFrame, QHBoxLayout, QLabel, QSizePolicy, QWidget

from stemlive.gui.choice import Choice
from stemlive.gui.device_list import DeviceName
from stemlive.gui.fader import Fader
from stemlive.gui.karaoke import OFF, Karaoke
from stemlive.gui.meter import Meter
from stemlive.gui.side_sliders import Reverb
from stemlive.gui.source_bar import DeviceChoice
from stemlive.gui.strip import GainField
from stemlive.gui.tempo import TempoControl
from stemlive.gui.theme import Theme, number_font
from stemlive.realtime.dsp.key_change import MOST_SEMITONES
from stemlive.realtime.shared.snapshot import Snapshot

_COLOUR = "#4f9fe8"
_SPACING = 6
_GUIDES_DB = (0.0, -6.0, -12.0, -18.0, -24.0, -math.inf)
_GUIDE_TIP = "The song's voice at this gain, even if it is muted, to follow; it steps back while you sing"
_KEY_TIP = "Key of the music, in semitones (Ctrl+Up, Ctrl+Down; Ctrl+0 for its own)"


def key_text(semitones: int) -> str:
    """Return a key change as text, with its sign."""
    return f"{'+' if semitones > 0 else '−'}{abs(semitones)}" if semitones else "Original"


class MicrophoneBar(QFrame):
    """Shows the karaoke settings and emits a signal for each change; `device_chosen` restarts the engine."""

    device_chosen = pyqtSignal(str)
    channels_chosen = pyqtSignal(object)
    gain_moved = pyqtSignal(float)
    reverb_moved = pyqtSignal(float)
    key_chosen = pyqtSignal(int)
    guide_chosen = pyqtSignal(float)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("bar")
        title = QLabel("Microphone")
        title.setStyleSheet("font-size: 15px; font-weight: bold;")
        self.device = DeviceChoice(
            "Microphone", "A microphone to sing with: it is heard at once, not separated", least_characters=5
        )
        self.channel = Choice("Channel of the microphone", "Where the microphone is plugged in", least_characters=3)
        self.channel.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.fader, self.field = Fader("Microphone: fader"), GainField("Microphone: gain")
        self.fader.setToolTip("Fader of the microphone: arrows 0.5 dB, Home or a double click 0 dB, End off")
        self.meter = Meter("Microphone: level")
        self.meter.setMinimumWidth(60)
        self.reverb = Reverb("Microphone: reverberation")
        self.reverb.setToolTip("Reverberation of the microphone: arrows, Home for none")
        self.fader.colour = self.reverb.colour = _COLOUR
        self.delay = _number(
            "Delay of the microphone",
            "From the microphone to the output, as far as the devices tell; while it howls, how far it is turned down",
            widest="delay 000 ms",
        )
        self.key = Choice("Key", _KEY_TIP, least_characters=5)
        self.key.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        for semitones in range(MOST_SEMITONES, -MOST_SEMITONES - 1, -1):
            self.key.addItem(key_text(semitones), semitones)
        self.key_delay = _number(
            "Delay of the key change",
            "How much later the music is heard in another key than in its own",
            widest="+00 ms",
        )
        self.guide = Choice("Guide", _GUIDE_TIP, least_characters=4)
        self.guide.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        for gain_db in _GUIDES_DB:
            self.guide.addItem("Off" if gain_db == -math.inf else f"{gain_db:.0f} dB".replace("-", "−"))
        self.guide.activated.connect(lambda index: self.guide_chosen.emit(_GUIDES_DB[index]))
        self.tempo = TempoControl()
        room, key, guide = QLabel("Reverb"), QLabel("Key"), QLabel("Guide")
        for label in (room, key, guide):
            label.setObjectName("faint")
        self._voice = _row(
            (title, 0),
            (self.device, 2),
            (self.channel, 0),
            (self.fader, 3),
            (self.field, 0),
            (self.meter, 2),
            (room, 0),
            (self.reverb, 1),
            (self.delay, 0),
        )
        self._music = _row(
            (guide, 0),
            (self.guide, 0),
            (key, 0),
            (self.key, 0),
            (self.key_delay, 0),
            (self.tempo, 0),
        )
        self._both = QBoxLayout(QBoxLayout.Direction.LeftToRight, self)
        self._both.setContentsMargins(10, 2, 8, 2)
        self._both.setSpacing(_SPACING)
        self._both.addWidget(self._voice, 1)
        self._both.addWidget(self._music)
        self.device.chosen.connect(self.device_chosen)
        self.channel.activated.connect(lambda index: self.channels_chosen.emit(self.channel.itemData(index)))
        self.fader.moved.connect(self.gain_moved)
        self.field.typed.connect(self.gain_moved)
        self.reverb.moved.connect(self.reverb_moved)
        self.key.activated.connect(lambda index: self.key_chosen.emit(self.key.itemData(index)))

    def show_karaoke(self, karaoke: Karaoke, inputs: tuple[DeviceName, ...]) -> None:
        """Show the settings and the input devices."""
        self.device.show_devices(inputs, karaoke.device, off=True)
        self._show_channels(karaoke, inputs)
        self.delay.setVisible(karaoke.device != OFF)
        self.key_delay.setVisible(karaoke.semitones != 0)
        self.fader.show_db(karaoke.gain_db)
        self.field.show_db(karaoke.gain_db)
        self.reverb.show_amount(karaoke.reverb)
        self.key.setCurrentIndex(self.key.findData(karaoke.semitones))
        at = next(place for place, gain_db in enumerate(_GUIDES_DB) if gain_db <= karaoke.guide_db)
        self.guide.setCurrentIndex(at)

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802
        """Take two rows where one is too narrow."""
        self._fold()
        super().resizeEvent(event)

    def _fold(self) -> None:
        needed = sum(part.minimumSizeHint().width() for part in (self._voice, self._music)) + 4 * _SPACING
        fits = needed <= self.width()
        self._both.setDirection(QBoxLayout.Direction.LeftToRight if fits else QBoxLayout.Direction.TopToBottom)

    def _show_channels(self, karaoke: Karaoke, inputs: tuple[DeviceName, ...]) -> None:
        """List the channels of the chosen device, and pairs of them; nothing to choose where there is but one."""
        count = next((device.inputs for device in inputs if device.name == karaoke.device), 2)
        choices: list[tuple[int, ...]] = [(number,) for number in range(1, count + 1)]
        choices += [(left, left + 1) for left in range(1, count, 2)]
        if karaoke.channels not in choices:
            choices.append(karaoke.channels)
        self.channel.clear()
        for channels in choices:
            self.channel.addItem(" + ".join(map(str, channels)), channels)
        self.channel.setCurrentIndex(choices.index(karaoke.channels))
        self.channel.setVisible(karaoke.device != OFF and len(choices) > 1)

    def show_level(self, now: Snapshot, now_s: float) -> None:
        """Update the meter."""
        self.meter.show_levels(now.microphone_peak, now.microphone_rms, now_s)

    def show_silence(self, now_s: float) -> None:
        """Let the meter fall while no engine runs."""
        self.meter.show_levels(0.0, 0.0, now_s)

    def show_delay(self, now: Snapshot | None, tempo_percent: float | None) -> None:
        """Update the delays, and the tempo of a song."""
        self.tempo.show_tempo(tempo_percent)
        self._fold()
        known = now is not None and now.microphone_samples > 0
        delay = f"{now.latency.ms(now.microphone_samples):3.0f}" if now is not None and known else "  -"
        turned_db = 0 if now is None else round(now.microphone_guard_db)
        text = f"howls {turned_db} dB" if turned_db else f"delay {delay} ms"
        if text != self.delay.text():
            self.delay.setText(text)
        later = now.latency.ms(now.latency.key) if now is not None else 0.0
        text = f"+{later:2.0f} ms" if later else ""
        if text != self.key_delay.text():
            self.key_delay.setText(text)

    def show_theme(self, theme: Theme) -> None:
        """Apply a theme."""
        for part in (self.fader, self.reverb, self.meter):
            part.theme = theme
            part.update()


def _row(*parts: tuple[QWidget, int]) -> QWidget:
    """Return parts side by side, each with its stretch."""
    whole = QWidget()
    row = QHBoxLayout(whole)
    row.setContentsMargins(0, 0, 0, 0)
    row.setSpacing(_SPACING)
    for part, stretch in parts:
        row.addWidget(part, stretch)
    row.addStretch(0)
    return whole


def _number(name: str, tip: str, *, widest: str) -> QLabel:
    """Return a label for a small number, as wide as its widest text, so that the layout does not jump."""
    label = QLabel()
    label.setObjectName("faint")
    label.setFont(number_font(11))
    label.setStyleSheet("font-size: 11px;")
    label.setAccessibleName(name)
    label.setToolTip(tip)
    label.setMinimumWidth(QFontMetrics(label.font()).horizontalAdvance(widest))
    return label
