"""The karaoke corner: a microphone that is heard with the song, with its fader, meter and reverberation."""

from PyQt6.QtCore import pyqtSignal
from PyQt6.QtGui import QFontMetrics
from PyQt6.QtWidgets import QFrame, QHBoxLayout, QLabel

from stemlive.gui.device_list import DeviceName
from stemlive.gui.fader import Fader
from stemlive.gui.meter import Meter
from stemlive.gui.side_sliders import Reverb
from stemlive.gui.source_bar import DeviceChoice
from stemlive.gui.strip import GainField
from stemlive.gui.theme import Theme, number_font
from stemlive.gui.voice import Voice
from stemlive.realtime.snapshot import Snapshot

_COLOUR = "#4f9fe8"


class MicrophoneBar(QFrame):
    """Shows a voice, and tells what the user wants of it; `device_chosen` opens the engine anew."""

    device_chosen = pyqtSignal(str)
    gain_moved = pyqtSignal(float)
    reverb_moved = pyqtSignal(float)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("bar")
        title = QLabel("Microphone")
        title.setStyleSheet("font-size: 15px; font-weight: bold;")
        self.device = DeviceChoice("Microphone", "A microphone to sing with: it is heard at once, not separated")
        self.fader, self.field = Fader("Microphone: fader"), GainField("Microphone: gain")
        self.fader.setToolTip("Fader of the microphone: arrows 0.5 dB, Home or a double click 0 dB, End off")
        self.meter = Meter("Microphone: level")
        self.reverb = Reverb("Microphone: reverberation")
        self.reverb.setToolTip("Reverberation of the microphone: arrows, Home for none")
        self.fader.colour = self.reverb.colour = _COLOUR
        self.delay = QLabel()
        self.delay.setObjectName("faint")
        self.delay.setFont(number_font(11))
        self.delay.setStyleSheet("font-size: 11px;")
        self.delay.setAccessibleName("Delay of the microphone")
        self.delay.setToolTip("From the microphone to the output, as far as the devices tell")
        self.delay.setMinimumWidth(QFontMetrics(self.delay.font()).horizontalAdvance("delay 000 ms"))
        room = QLabel("Reverb")
        room.setObjectName("faint")
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 4, 10, 4)
        row.setSpacing(8)
        parts = (title, self.device, self.fader, self.field, self.meter, room, self.reverb, self.delay)
        for part, stretch in zip(parts, (0, 2, 3, 0, 2, 0, 1, 0), strict=True):
            row.addWidget(part, stretch)
        self.device.chosen.connect(self.device_chosen)
        self.fader.moved.connect(self.gain_moved)
        self.field.typed.connect(self.gain_moved)
        self.reverb.moved.connect(self.reverb_moved)

    def show_voice(self, voice: Voice, inputs: tuple[DeviceName, ...]) -> None:
        """Show where everything stands."""
        self.device.show_devices(inputs, voice.device, off=True)
        self.fader.show_db(voice.gain_db)
        self.field.show_db(voice.gain_db)
        self.reverb.show_amount(voice.reverb)

    def show_level(self, now: Snapshot, now_s: float) -> None:
        """Move the meter; the peak is all that the engine tells."""
        self.meter.show_levels(now.monitor_peak, now.monitor_peak, now_s)

    def show_delay(self, now: Snapshot | None) -> None:
        """Write the delay."""
        known = now is not None and now.monitor_samples > 0
        text = f"delay {now.latency.ms(now.monitor_samples):3.0f} ms" if now is not None and known else "delay   - ms"
        if text != self.delay.text():
            self.delay.setText(text)

    def show_theme(self, theme: Theme) -> None:
        """Take other colours."""
        for part in (self.fader, self.reverb, self.meter):
            part.theme = theme
            part.update()
