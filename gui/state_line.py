"""The state line at the bottom: a message, export progress, delay, load, dropouts and the model; details on hover."""

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QFontMetrics
from PyQt6.QtWidgets import QFrame, QHBoxLayout, QLabel, QProgressBar, QPushButton, QSizePolicy

from stemlive.gui.player import Phase
from stemlive.gui.theme import Theme, number_font
from stemlive.realtime.shared.snapshot import Latency, Snapshot

_HIGH_LOAD = 0.7
_MODEL_WIDTH = 170
_PLACES = {
    "rtmixer": "in a worker behind a C callback (rtmixer)",
    "callback": "in a worker behind a Python callback",
    "inline": "inside the audio callback",
}


def delay_details(latency: Latency, *, song: bool) -> str:
    """Return the parts of the latency in milliseconds, in a sentence."""
    ms = latency.ms
    parts = [
        f"{ms(latency.framing):.0f} ms for the separation",
        f"{ms(latency.queue):.0f} ms in buffers",
        f"{ms(latency.device_in + latency.device_out):.0f} ms in the sound card",
    ]
    if latency.key:
        parts.append(f"{ms(latency.key):.0f} ms for the other key")
    if latency.sync:
        parts.append(f"{ms(latency.sync):.0f} ms by `Sync` in Settings (Ctrl+,)")
    total = f"{ms(latency.total):.0f} ms"
    what = f"A fader is heard {total} after it moves" if song else f"You hear the input {total} later"
    return f"{what}: {', '.join(parts[:-1])} and {parts[-1]}"


def dropout_details(now: Snapshot) -> str:
    """Return what kinds of dropouts there were, in a sentence."""
    return (
        f"Since the start: {now.late_hops} times the separation came too late and the original was heard, "
        f"{now.input_overflows} times a piece of the input was lost, {now.output_underflows} times there was a gap"
    )


def advice(now: Snapshot) -> str:
    """Return advice against too high a load; empty if none is needed."""
    if now.load < _HIGH_LOAD:
        return ""
    return (
        f"The processor is busy ({now.load:.0%}): close other programs, or choose latency `high` in Settings (Ctrl+,)"
    )


class StateLine(QFrame):
    """A message at the left, and numbers at fixed positions."""

    def __init__(self) -> None:
        super().__init__()
        self.message = QLabel()
        self.message.setAccessibleName("State")
        self.message.setTextFormat(Qt.TextFormat.PlainText)
        self.message.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.progress = QProgressBar()
        self.progress.setAccessibleName("Export")
        self.progress.setFixedWidth(120)
        self.cancel = QPushButton("Cancel")
        self.cancel.setToolTip("Cancel the export")
        self.latency = self._number("Delay", "delay 000 ms")
        self.load = self._number("Processor load", "processor 100 %")
        self.dropouts = self._number("Dropouts since the start", "00000 dropouts")
        self.model = self._number("Model", "model live-free")
        self.model.setMaximumWidth(_MODEL_WIDTH)
        row = QHBoxLayout(self)
        row.setContentsMargins(8, 0, 8, 2)
        row.setSpacing(16)
        row.addWidget(self.message, 1)
        row.addWidget(self.progress)
        row.addWidget(self.cancel)
        for label in (self.latency, self.load, self.dropouts, self.model):
            row.addWidget(label)
        self._text = ""
        self.show_export(None)

    def show_message(self, text: str, theme: Theme, *, bad: bool = False) -> None:
        """Show a message, elided if too long; the tool tip has all of it."""
        self._text = text
        style = f"color: {theme.bad if bad else theme.faint};"
        if style != self.message.styleSheet():
            self.message.setStyleSheet(style)
        fitting = self.message.fontMetrics().elidedText(
            text, Qt.TextElideMode.ElideRight, max(200, self.message.width())
        )
        if fitting != self.message.text():
            self.message.setText(fitting)
        if text != self.message.toolTip():  # of two long ones the same part may be shown
            self.message.setToolTip(text)

    def show_export(self, share: float | None) -> None:
        """Show the progress of an export, 0 to 1, or hide it with None."""
        self.progress.setVisible(share is not None)
        self.cancel.setVisible(share is not None)
        self.progress.setValue(round(100 * (share or 0.0)))

    def show_engine(self, phase: Phase, now: Snapshot | None, model: str, *, song: bool) -> None:
        """Update the numbers; called a few times a second."""
        if now is None or phase not in (Phase.LIVE, Phase.WAITING) or now.latency.sample_rate_hz <= 0:
            for label in (self.latency, self.load, self.dropouts):
                self._say(label, "", "Known while it plays")
            self._say(self.model, f"model {model}", f"Model {model}")
            return
        latency, count = now.latency, now.dropouts
        self._say(self.latency, f"delay {latency.ms(latency.total):3.0f} ms", delay_details(latency, song=song))
        self._say(
            self.load,
            f"processor {100 * min(now.load, 9.99):3.0f} %",
            f"The separation takes {now.load:.0%} of the time there is for it, at worst {now.worst_hop_ms:.0f} ms at "
            f"once; dropouts threaten from {_HIGH_LOAD:.0%} on",
        )
        text = "no dropouts" if not count else "1 dropout" if count == 1 else f"{count} dropouts"
        self._say(self.dropouts, text, dropout_details(now))
        self._say(self.model, f"model {model}", f"Model {model}, {_PLACES.get(now.mode, now.mode)}")

    @staticmethod
    def _say(label: QLabel, text: str, details: str) -> None:
        text = label.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, max(_MODEL_WIDTH, label.width()))
        if label.text() != text:
            label.setText(text)
        if label.toolTip() != details:
            label.setToolTip(details)

    def _number(self, name: str, widest: str) -> QLabel:
        label = QLabel()
        label.setAccessibleName(name)
        label.setObjectName("faint")
        label.setFont(number_font(11))
        label.setStyleSheet("font-size: 11px;")
        label.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        label.setMinimumWidth(QFontMetrics(label.font()).horizontalAdvance(widest))
        return label
