"""Presets, bypass, comparison and undo, as buttons above the strips."""

from collections.abc import Callable

from PyQt6.QtCore import pyqtSignal
from PyQt6.QtGui import QAction
from PyQt6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QToolButton

from stemlive.gui.actions import COMMANDS
from stemlive.gui.choice import Choice
from stemlive.gui.menus import Menus
from stemlive.gui.mix import Mix
from stemlive.gui.presets import BUILT_IN, is_possible

_SAVE, _DELETE = "save", "delete"


class PresetBar(QFrame):
    """Buttons for the built-in presets, a list of the user's own, and the switches of the whole mix."""

    own_chosen = pyqtSignal(str)
    own_deleted = pyqtSignal(str)
    save_wanted = pyqtSignal()

    def __init__(self, menus: Menus) -> None:
        super().__init__()
        self.setObjectName("bar")
        row = QHBoxLayout(self)
        row.setContentsMargins(8, 4, 8, 4)
        row.setSpacing(5)
        keys = {command.name: command.keys for command in COMMANDS}
        self.presets: dict[str, QPushButton] = {}
        for name, title in BUILT_IN.items():
            button = self.presets[name] = QPushButton(title)
            button.setCheckable(True)
            button.setToolTip(f"Preset {title} ({keys['preset-' + name]})")
            button.setAccessibleDescription(f"Preset {title}")
            button.clicked.connect(menus[f"preset-{name}"].trigger)
            row.addWidget(button)
        self.own = Choice("Presets of yours", "Presets of yours: choose, save (Ctrl+S), delete")
        self.own.setMinimumContentsLength(8)
        self.own.setMaximumWidth(190)
        self.own.activated.connect(self._choose)
        row.addWidget(self.own)
        row.addStretch(1)
        for name, text in (("undo", "↶"), ("redo", "↷")):
            row.addWidget(_tool(menus[name], text))
        row.addSpacing(4)
        self.compare = _tool(menus["compare"], "A ⇄ B")
        row.addWidget(self.compare)
        self.bypass = _tool(menus["bypass"], "Bypass")
        row.addWidget(self.bypass)

    def show_own(self, names: list[str]) -> None:
        """List the user's presets."""
        self.own.clear()
        self.own.addItem("My presets", None)
        for name in names:
            self.own.addItem(name, ("", name))
        self.own.insertSeparator(self.own.count())
        self.own.addItem("Save this mix…", (_SAVE, ""))
        for name in names:
            self.own.addItem(f"Delete {name}", (_DELETE, name))

    def show_mix(self, mix: Mix, letter: str, *, own: Callable[[str], Mix], names: list[str]) -> None:
        """Highlight the preset that equals the mix, and show which mix (A or B) is heard."""
        for name, button in self.presets.items():
            button.setEnabled(is_possible(mix, name))
            button.setChecked(is_possible(mix, name) and mix.preset(name) == mix)
        match = next((name for name in names if own(name).for_stems(mix.stems) == mix), None)
        self.own.setCurrentIndex(0 if match is None else self.own.findText(match))
        self.compare.setText("A ⇄ B" if letter == "A" else "B ⇄ A")

    def _choose(self, index: int) -> None:
        data = self.own.itemData(index)
        if data is None:
            return
        what, name = data
        if what == _SAVE:
            self.save_wanted.emit()
        elif what == _DELETE:
            self.own_deleted.emit(name)
        else:
            self.own_chosen.emit(name)


def _tool(action: QAction, text: str) -> QToolButton:
    """Return a button for an action, with its own text."""
    button = QToolButton()
    button.setText(text)
    button.setCheckable(action.isCheckable())
    button.setToolTip(action.toolTip())
    button.setAccessibleName(action.text().rstrip("…"))
    button.clicked.connect(action.trigger)
    button.setEnabled(action.isEnabled())
    action.enabledChanged.connect(button.setEnabled)
    if action.isCheckable():
        action.toggled.connect(button.setChecked)
    return button
