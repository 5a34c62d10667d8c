"""The dialog for an export: what, which part, fades, format and folder."""

from pathlib import Path

from PyQt6.QtWidgets import (
    QCheckBox,
    QDialog,
    QDialogButtonBox,
    QDoubleSpinBox,
    QFileDialog,
    QGridLayout,
    QGroupBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QRadioButton,
    QVBoxLayout,
    QWidget,
)

from stemlive.gui.choice import Choice
from stemlive.gui.export_order import FORMATS, Order, Output
from stemlive.gui.file_names import chosen, shown
from stemlive.gui.scale import write_time

_LONGEST_FADE_S = 30.0


class ExportDialog(QDialog):
    """Asks what is exported of a song; `order` is the answer. `heard` is the mix as it is set, `stems` the stems."""

    def __init__(
        self,
        song: Path,
        heard: Output,
        stems: tuple[Output, ...],
        parent: QWidget,
        *,
        title: str,
        root: Path,
        loop: tuple[float, float] | None,
        model: str | None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle(f"Export {shown(Path(song.name))}")
        self._song, self._model, self._loop = song, model, loop
        self.root = root
        self.mix = QCheckBox(f"The mix as you hear it: {heard.name}")
        self.mix.setChecked(True)
        self.mix.setToolTip("With faders, mutes, pans and key as they are set now; without the microphone")
        self._outputs = {self.mix: heard}
        self.stems: dict[str, QCheckBox] = {}
        for output in stems:
            box = self.stems[output.name] = QCheckBox(output.name.capitalize())
            box.setToolTip(f"{output.name.capitalize()} alone, before its fader, in the song's own key")
            self._outputs[box] = output
        for box in self._outputs:
            box.toggled.connect(self._look)
        self.whole, self.marked = QRadioButton("The whole song"), QRadioButton("The marked part")
        self.marked.setEnabled(loop is not None)
        self.marked.setToolTip("Mark a part on the song's outline: drag over it, or [ and ]")
        if loop is not None:
            self.marked.setText(f"The marked part, {write_time(loop[0])} to {write_time(loop[1])}")
        self.fade_in, self.fade_out = _seconds("Fade in"), _seconds("Fade out")
        self.format = Choice("Format", "WAV float never clips; MP3 is smallest", least_characters=18)
        self.format.addItems(list(FORMATS))
        self.format.setCurrentText(title)
        self.place = QLabel()
        self.place.setObjectName("faint")
        self.place.setWordWrap(True)
        self.change = QPushButton("Other folder…")
        self.change.setToolTip("Choose where the files go")
        self.change.clicked.connect(self._choose)
        self.buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel, self
        )
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        ok = self.buttons.button(QDialogButtonBox.StandardButton.Ok)
        assert ok is not None
        ok.setText("Export")
        self.format.activated.connect(self._look)
        self._lay_out()
        (self.whole if loop is None else self.marked).setChecked(True)  # laid out, one excludes the other
        self._look()

    @property
    def order(self) -> Order:
        """What is to be exported, into a folder in which it replaces nothing."""
        return Order(
            self._song,
            tuple(output for box, output in self._outputs.items() if box.isChecked()),
            self.format.currentText(),
            self._loop if self.marked.isChecked() else None,
            (self.fade_in.value(), self.fade_out.value()),
            self._model,
        ).into(self.root)

    def _choose(self) -> None:
        before = self.root if self.root.is_dir() else self.root.parent
        name = QFileDialog.getExistingDirectory(self, "Folder for exports", shown(before))
        if name:
            self.root = chosen(name)
            self._look()

    def _look(self) -> None:
        """Show where the files go, and allow the export if there is anything to export."""
        ok = self.buttons.button(QDialogButtonBox.StandardButton.Ok)
        assert ok is not None
        ok.setEnabled(any(box.isChecked() for box in self._outputs))
        self.place.setText(f"into {shown(self.order.folder)}".replace("/", "/\u200b"))

    def _lay_out(self) -> None:
        what, part = QGroupBox("What"), QGroupBox("Which part")
        grid = QGridLayout(what)
        grid.addWidget(self.mix, 0, 0, 1, 2)
        for number, box in enumerate(self.stems.values()):
            grid.addWidget(box, 1 + number // 2, number % 2)
        column = QVBoxLayout(part)
        column.addWidget(self.whole)
        column.addWidget(self.marked)
        fades = QHBoxLayout()
        for text, seconds in (("Fade in", self.fade_in), ("out", self.fade_out)):
            label = QLabel(text)
            label.setBuddy(seconds)
            fades.addWidget(label)
            fades.addWidget(seconds)
        fades.addStretch(1)
        column.addLayout(fades)
        form = QHBoxLayout()
        label = QLabel("Format")
        label.setBuddy(self.format)
        form.addWidget(label)
        form.addWidget(self.format, 1)
        form.addWidget(self.change)
        whole = QVBoxLayout(self)
        whole.setSpacing(10)
        whole.addWidget(what)
        whole.addWidget(part)
        whole.addLayout(form)
        whole.addWidget(self.place)
        whole.addWidget(self.buttons)
        self.setMinimumWidth(430)


def _seconds(name: str) -> QDoubleSpinBox:
    box = QDoubleSpinBox()
    box.setRange(0.0, _LONGEST_FADE_S)
    box.setDecimals(1)
    box.setSingleStep(0.5)
    box.setSuffix(" s")
    box.setAccessibleName(name)
    box.setToolTip(f"{name}: seconds, 0 for none")
    return box
