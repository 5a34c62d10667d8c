"""The dialog for the engine's settings."""

from PyQt6.QtWidgets import (
    QCheckBox,
    QDialog,
    QFormLayout,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from stemlive.gui.choice import Choice
from stemlive.gui.question import end_with
from stemlive.gui.remembered import Remembered
from stemlive.gui.rig import Rig
from stemlive.realtime.control.controls import MOST_SYNC_MS
from stemlive.realtime.model_file.provider import existing_providers
from stemlive.realtime.shared.settings import LATENCIES, MODES

_BLOCKS = (64, 128, 256, 512, 1024, 2048)
_DELAYS_MS = (150, 200, 250, 300, 400, 500, 750, 1000)
_THREADS = (1, 2, 4, 8)
_MODES = {
    "auto": "The best there is",
    "rtmixer": "Worker behind a C callback (rtmixer)",
    "callback": "Worker behind a Python callback",
    "inline": "Inside the callback: lowest delay, no time to spare",
}

_PROVIDERS = {"cpu": "Processor (CPU)", "cuda": "NVIDIA graphics card (CUDA)"}


class SettingsDialog(QDialog):
    """Block size, latency, worker mode, threads and provider, saved on OK. The window then restarts the engine.

    The sync of the output's device holds while it is turned, to be found by ear and eye.
    """

    def __init__(self, remembered: Remembered, rig: Rig, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Settings of the engine")
        self._remembered, self._rig = remembered, rig
        engine = remembered.engine()
        self.block = self._choice("Block size", {"": "As suits the device"} | {str(n): f"{n} samples" for n in _BLOCKS})
        latencies = {"low": "Low", "high": "High: for busy processors, 46 ms more"}
        self.latency = self._choice(
            "Latency", latencies | {f"{ms}": f"{ms} ms in all: for a picture that is late" for ms in _DELAYS_MS}
        )
        self.mode = self._choice("Where the model runs", {mode: _MODES[mode] for mode in MODES})
        assert set(LATENCIES) == {"low", "high"}, LATENCIES
        self.threads = self._choice("Threads of the model", {str(n): str(n) for n in _THREADS})
        existing = existing_providers()
        self.provider = self._choice("Processor of the model", {name: _PROVIDERS[name] for name in existing})
        if len(existing) == 1:
            self.provider.setToolTip("This machine has no graphics processor that ONNX Runtime can use")
        block = engine.get("block_samples")
        self.block.setCurrentIndex(max(0, self.block.findData("" if block is None else str(block))))
        self.latency.setCurrentIndex(max(0, self.latency.findData(_text(engine.get("latency")))))
        self.mode.setCurrentIndex(max(0, self.mode.findData(engine.get("mode"))))
        self.threads.setCurrentIndex(max(0, self.threads.findData(str(engine.get("threads", 1)))))
        self.provider.setCurrentIndex(max(0, self.provider.findData(engine.get("provider"))))
        self.sync = QSpinBox()
        self.sync.setAccessibleName("Sync")
        self.sync.setRange(-MOST_SYNC_MS, MOST_SYNC_MS)
        self.sync.setSingleStep(10)
        self.sync.setSuffix(" ms")
        self.sync.setValue(remembered.sync_ms(rig.output))
        self.sync.setToolTip(f"How much later {rig.output} sounds than it says; remembered for this output")
        self.sync.valueChanged.connect(self._hear)
        self.howling_guard = QCheckBox("Turn a microphone down that &howls")
        self.howling_guard.setChecked(rig.player.karaoke.howling_guard)
        form = QFormLayout()
        form.addRow("&Block size", self.block)
        form.addRow("&Latency", self.latency)
        form.addRow("&Model runs", self.mode)
        form.addRow("&Threads", self.threads)
        form.addRow("&Processor", self.provider)
        form.addRow("&Sync", self.sync)
        form.addRow("", self.howling_guard)
        column = QVBoxLayout(self)
        column.addLayout(form)
        note = end_with(
            self,
            column,
            "Sync is how much later this output sounds than it says: 100 to 300 ms by Bluetooth, less than 0 for a "
            "picture that comes late. The words and the place of a song follow at once. The sound of a live input is "
            "delayed by Latency, and cannot come earlier: a video player can delay its picture. When anything above "
            "Sync changes, the sound stops for a moment.",
        )
        note.setWordWrap(True)

    def accept(self) -> None:
        """Save the settings and close."""
        block = self.block.currentData()
        self._remembered.set_engine(
            block_samples=int(block) if block else None,
            latency=self.latency.currentData(),
            mode=self.mode.currentData(),
            threads=int(self.threads.currentData()),
            provider=self.provider.currentData(),
        )
        self._remembered.keep_sync(self._rig.output, self.sync.value())
        self._rig.set_microphone(howling_guard=self.howling_guard.isChecked())
        super().accept()

    def reject(self) -> None:
        """Close, and leave everything as it was."""
        self._hear(self._remembered.sync_ms(self._rig.output))
        super().reject()

    def _hear(self, later_ms: int) -> None:
        player = self._rig.player
        player.sync_ms = later_ms
        if player.controls is not None:
            player.controls.set_sync_ms(later_ms)

    def _choice(self, name: str, values: dict[str, str]) -> Choice:
        box = Choice(name, least_characters=36)
        for value, text in values.items():
            box.addItem(text, value)
        return box


def _text(latency: object) -> str:
    return f"{latency:g}" if isinstance(latency, float) else str(latency)
