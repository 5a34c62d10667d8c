"""The end of a dialog that asks for something: a note, OK and Cancel."""

from PyQt6.QtWidgets import QDialog, QDialogButtonBox, QLabel, QVBoxLayout


def end_with(dialog: QDialog, column: QVBoxLayout, text: str) -> QLabel:
    """Add a faint note and the buttons that accept and reject the dialog; return the note."""
    note = QLabel(text)
    note.setObjectName("faint")
    buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel, dialog)
    buttons.accepted.connect(dialog.accept)
    buttons.rejected.connect(dialog.reject)
    column.addWidget(note)
    column.addWidget(buttons)
    return note
