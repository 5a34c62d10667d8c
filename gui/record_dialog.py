"""The dialog for the stems to record."""

from PyQt6.QtWidgets import QCheckBox, QDialog, QLabel, QVBoxLayout, QWidget

from stemlive.gui.question import end_with


class RecordDialog(QDialog):
    """A check box for each stem; `left_out` are the unchecked ones."""

    def __init__(self, stems: tuple[str, ...], left_out: tuple[str, ...], parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("What is recorded")
        column = QVBoxLayout(self)
        column.addWidget(QLabel("Beside the input and the mix, each in a file of its own:"))
        self.boxes: dict[str, QCheckBox] = {}
        for stem in stems:
            box = QCheckBox(stem.capitalize())
            box.setAccessibleName(f"Record {stem}")
            box.setChecked(stem not in left_out)
            self.boxes[stem] = box
            column.addWidget(box)
        end_with(
            self,
            column,
            "Stems are recorded before their faders, and all of it in the song's own key.\n"
            "A recording that is going on stays as it is.",
        )

    @property
    def left_out(self) -> tuple[str, ...]:
        """The stems that are not to be recorded."""
        return tuple(stem for stem, box in self.boxes.items() if not box.isChecked())
