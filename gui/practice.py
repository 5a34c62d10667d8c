"""How songs are practised in the window: rounds of a loop that get faster, and a count-in."""

from dataclasses import dataclass
from typing import Any, Self

from PyQt6.QtWidgets import QDialog, QFormLayout, QSpinBox, QVBoxLayout, QWidget

from stemlive.gui.question import end_with
from stemlive.realtime.audio_files.tempo import LEAST_TEMPO_PERCENT, MOST_TEMPO_PERCENT
from stemlive.realtime.control.transport import LEAST_BPM, MOST_BEATS, MOST_BPM, MOST_ROUND_PERCENT, Transport

_AT_ONCE = "one click per second"


@dataclass(frozen=True)
class Practice:
    """Each round of a loop is so much faster, up to a tempo; beats of the count-in; the song's per minute, or 0."""

    faster_percent: int = 0
    most_percent: int = 100
    beats: int = 0
    bpm: int = 0

    def write_to(self, song: Transport) -> None:
        """Apply it. UsageError out of range, StemliveError for a tempo that this machine cannot change."""
        song.set_rounds(self.faster_percent, self.most_percent)
        song.set_count_in(self.beats, self.bpm)

    def to_json(self) -> list[int]:
        """Return the settings as JSON values."""
        return [self.faster_percent, self.most_percent, self.beats, self.bpm]

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Return the settings that `to_json` has written. ValueError or TypeError for anything else."""
        practice = cls(*(int(number) for number in value))
        in_range = 0 <= practice.faster_percent <= MOST_ROUND_PERCENT and 0 <= practice.beats <= MOST_BEATS
        if not (
            in_range
            and LEAST_TEMPO_PERCENT <= practice.most_percent <= MOST_TEMPO_PERCENT
            and (practice.bpm == 0 or LEAST_BPM <= practice.bpm <= MOST_BPM)
        ):
            raise ValueError(value)
        return practice


class PracticeDialog(QDialog):
    """Asks for them; `practice` is what was chosen."""

    def __init__(self, practice: Practice, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Practice")
        self.faster = _number(
            "Each round of a loop", 0, round(MOST_ROUND_PERCENT), practice.faster_percent, " % faster"
        )
        self.faster.setSpecialValueText("at the same tempo")
        least, most = round(LEAST_TEMPO_PERCENT), round(MOST_TEMPO_PERCENT)
        self.most = _number("Up to a tempo of", least, most, practice.most_percent, " %")
        self.beats = _number("Count-in", 0, MOST_BEATS, practice.beats, " beats")
        self.beats.setSpecialValueText("none")
        self.bpm = _number(
            "Tempo of the song", round(LEAST_BPM) - 1, round(MOST_BPM), practice.bpm, " beats per minute"
        )
        self.bpm.setSpecialValueText(_AT_ONCE)
        form = QFormLayout()
        form.addRow("&Each round of a loop", self.faster)
        form.addRow("&Up to a tempo of", self.most)
        form.addRow("&Count-in", self.beats)
        form.addRow("&Song", self.bpm)
        column = QVBoxLayout(self)
        column.addLayout(form)
        end_with(self, column, "Clicks come before the song goes on after it stood, and before each round of a loop.")

    @property
    def practice(self) -> Practice:
        """What is chosen."""
        bpm = self.bpm.value()
        return Practice(self.faster.value(), self.most.value(), self.beats.value(), 0 if bpm < LEAST_BPM else bpm)


def _number(name: str, least: int, most: int, value: int, unit: str) -> QSpinBox:
    field = QSpinBox()
    field.setAccessibleName(name)
    field.setRange(least, most)
    field.setSuffix(unit)
    field.setValue(value)
    return field
