"""The tempo of a song: a number in percent, and a button that leads back to the song's own."""

from PyQt6.QtCore import pyqtSignal
from PyQt6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSpinBox, QWidget

from stemlive.realtime.audio_files.tempo import LEAST_TEMPO_PERCENT, MOST_TEMPO_PERCENT

STEP_PERCENT = 5
_TIP = "Tempo of the song, at the same pitch (Ctrl+Shift+Up, Ctrl+Shift+Down; Ctrl+Shift+0 for its own)"


class TempoControl(QWidget):
    """Emits `chosen` with a tempo in percent."""

    chosen = pyqtSignal(float)

    def __init__(self) -> None:
        super().__init__()
        self.field, self.own = QSpinBox(), QPushButton("↺")
        self.field.setRange(round(LEAST_TEMPO_PERCENT), round(MOST_TEMPO_PERCENT))
        self.field.setValue(100)
        self.field.setSuffix(" %")
        self.field.setSingleStep(STEP_PERCENT)
        self.field.setKeyboardTracking(False)
        self.field.setAccessibleName("Tempo")
        self.field.setToolTip(_TIP)
        self.own.setAccessibleName("Tempo: original")
        self.own.setToolTip("The song's own tempo (Ctrl+Shift+0)")
        self.own.setFixedWidth(28)
        title = QLabel("Tempo")
        title.setObjectName("faint")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(6)
        for part in (title, self.field, self.own):
            row.addWidget(part)
        self.field.valueChanged.connect(lambda percent: self.chosen.emit(float(percent)))
        self.field.editingFinished.connect(self._leave)
        self.own.clicked.connect(lambda: self.chosen.emit(100.0))
        self.show_tempo(100.0)

    def _leave(self) -> None:
        """Give the focus back, so that keys move the mixer again."""
        self.field.clearFocus()

    def show_tempo(self, percent: float | None) -> None:
        """Show the tempo; None where there is no song."""
        self.setVisible(percent is not None)
        if percent is None or (self.field.hasFocus() and self.field.lineEdit().isModified()):  # type: ignore[union-attr]
            return
        if self.field.value() != round(percent):
            self.field.blockSignals(True)
            self.field.setValue(round(percent))
            self.field.blockSignals(False)
        self.own.setVisible(percent != 100)
