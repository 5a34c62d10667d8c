"""The transport bar: play, stop, record, the song's overview and the time."""

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QFontMetrics
from PyQt6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout

from stemlive.gui.overview import Overview
from stemlive.gui.scale import write_time
from stemlive.gui.theme import number_font
from stemlive.realtime.control.song_queue import SongQueue


class TransportBar(QFrame):
    """Shows the position in the song. `wiring` connects its buttons."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("bar")
        self.play = _button("play", "▶  Play", "Play or pause (Space)")
        self.previous = _button("previous", "❙◀", "Song before, or back to the start (P)")
        self.next = _button("next", "▶❙", "Next song (N)")
        for button, name in ((self.previous, "Song before"), (self.next, "Next song")):
            button.setAccessibleName(name)
            button.setFixedWidth(QFontMetrics(button.font()).horizontalAdvance("▶❙") + 24)
        self.stop = _button("stop", "■  Stop", "Stop, back to the start (Backspace)")
        self.overview = Overview()
        self._counting = False
        self.record = _button("record", "●  Record", "Record the input, the mix and stems (R); which stems: Ctrl+Alt+R")
        self.record.setCheckable(True)
        self.taken = QLabel("")
        self.taken.setAccessibleName("Length of the recording")
        self.taken.setObjectName("faint")
        self.position, self.length = QLabel(write_time(0)), QLabel(write_time(0))
        self.position.setAccessibleName("Position in the song")
        self.length.setAccessibleName("Length of the song")
        self.length.setObjectName("faint")
        for label, size_px in ((self.position, 20), (self.length, 12), (self.taken, 12)):
            label.setFont(number_font(size_px))
            label.setStyleSheet(f"font-size: {size_px}px;")
            label.setAlignment(Qt.AlignmentFlag.AlignRight)
            label.setMinimumWidth(QFontMetrics(label.font()).horizontalAdvance("000:00.0") + 4)
        # The same width for both texts.
        self.play.setFixedWidth(QFontMetrics(self.play.font()).horizontalAdvance("❚❚  Pause") + 40)
        row = QHBoxLayout(self)
        row.setContentsMargins(8, 4, 8, 4)
        row.setSpacing(8)
        times = QVBoxLayout()
        times.setSpacing(0)
        times.addStretch(1)
        times.addWidget(self.position)
        times.addWidget(self.length)
        times.addStretch(1)
        row.addWidget(self.play)
        row.addWidget(self.stop)
        row.addWidget(self.previous)
        row.addWidget(self.next)
        row.addWidget(self.overview, 1)
        row.addLayout(times)
        takes = QVBoxLayout()
        takes.setSpacing(0)
        takes.addStretch(1)
        takes.addWidget(self.record)
        takes.addWidget(self.taken)
        takes.addStretch(1)
        row.addLayout(takes)

    def show_state(self, *, song: bool, playing: bool) -> None:
        """Update the buttons' texts and whether they are enabled."""
        self.play.setText("❚❚  Pause" if playing else "▶  Play")
        self.play.setAccessibleName("Pause" if playing else "Play")
        self.play.setEnabled(song)
        self.stop.setEnabled(song)
        self.previous.setEnabled(song)
        if not song:
            self.next.setEnabled(False)

    def show_queue(self, queue: SongQueue) -> None:
        """Update whether there is a next song."""
        self.next.setEnabled(queue.following is not None)

    def show_take(self, *, on: bool, seconds: float) -> None:
        """Show whether a take is being recorded, and its length."""
        self.record.setChecked(on)
        text = write_time(seconds) if on or seconds else ""
        if text != self.taken.text():
            self.taken.setText(text)

    def show_time(
        self, position_s: float, length_s: float, loop: tuple[float, float] | None, count_in: tuple[int, int] = (0, 0)
    ) -> None:
        """Update the position and the time; in their place a count-in, by its beat and how many there are."""
        self.overview.show_position(position_s, loop)
        beat, beats = count_in
        self._show_counting(beat > 0)
        for label, text in (
            (self.position, f"{beat} / {beats}" if beat else write_time(position_s)),
            (self.length, "count-in" if beat else write_time(length_s)),
        ):
            if text != label.text():
                label.setText(text)

    def _show_counting(self, on: bool) -> None:
        """Light the position while it counts."""
        if self._counting != on:
            self._counting = on
            self.position.setObjectName("counting" if on else "")
            self.position.setStyleSheet(self.position.styleSheet())  # which looks for the name anew


def _button(name: str, text: str, tip: str) -> QPushButton:
    button = QPushButton(text)
    button.setObjectName(name)
    button.setAccessibleName(text[1:].strip())
    button.setAccessibleDescription(tip)
    button.setToolTip(tip)
    return button
