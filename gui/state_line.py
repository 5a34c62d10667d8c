"""The state line at the bottom: a message, export progress, latency, load, dropouts and the model."""

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QFontMetrics
from PyQt6.QtWidgets import QFrame, QHBoxLayout, QLabel, QProgressBar, QPushButton, QSizePolicy

from stemlive.gui.player import Phase
from stemlive.gui.theme import Theme, number_font
from stemlive.realtime.shared.snapshot import Latency, Snapshot

_HIGH_LOAD = 0.7


def latency_text(latency: Latency) -> str:
    """Return the latency and its parts in milliseconds, in a fixed width."""
    if latency.sample_rate_hz <= 0:
        return "latency   - ms"
    ms = latency.ms
    key = f" + key {ms(latency.key):2.0f}" if latency.key else ""
    device = latency.device_in + latency.device_out
    return (
        f"latency {ms(latency.total):3.0f} ms = separation {ms(latency.framing):2.0f} "
        f"+ buffers {ms(latency.queue):2.0f} + device {ms(device):2.0f}" + key
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
        self.latency = self._number("Latency", latency_text(Latency(1000, 0, 100, 100, 100, 50)))
        self.load = self._number("Processor load", "load 100 %")
        self.dropouts = self._number("Dropouts since the start", "dropouts 00000")
        self.model = self._number("Model", "model live, rtmixer")
        self.latency.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.latency.setToolTip("From input to output; of a song, from reading it to hearing it")
        row = QHBoxLayout(self)
        row.setContentsMargins(8, 2, 8, 4)
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
        self.message.setStyleSheet(f"color: {theme.bad if bad else theme.faint};")
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

    def show_engine(self, phase: Phase, now: Snapshot | None, model: str) -> None:
        """Update the numbers; called a few times a second."""
        if now is None or phase not in (Phase.LIVE, Phase.WAITING):
            texts = ("latency   - ms", "load   - %", "dropouts     -", f"model {model}")
        else:
            texts = (
                latency_text(now.latency),
                f"load {100 * min(now.load, 9.99):3.0f} %",
                f"dropouts {now.dropouts:5d}",
                f"model {model}, {now.mode}",
            )
        for label, text in zip((self.latency, self.load, self.dropouts, self.model), texts, strict=True):
            if label.text() != text:
                label.setText(text)

    def _number(self, name: str, widest: str) -> QLabel:
        label = QLabel()
        label.setAccessibleName(name)
        label.setObjectName("faint")
        label.setFont(number_font(11))
        label.setStyleSheet("font-size: 11px;")
        label.setMinimumWidth(QFontMetrics(label.font()).horizontalAdvance(widest))
        return label
