"""A list of the outputs of the device, for one stem or for the cue."""

from PyQt6.QtCore import pyqtSignal

from stemlive.gui.choice import Choice
from stemlive.gui.routing import End, Routing

_WIDTH = 76


class OutputChoice(Choice):
    """Emits `chosen` with outputs, or with none for the first entry. It can be used where there is more than that."""

    chosen = pyqtSignal(object)

    def __init__(self, name: str, tip: str, *, none: str) -> None:
        super().__init__(name, tip, least_characters=1)
        self._tip, self._none = tip, none
        self.setObjectName("route")
        self.setFixedWidth(_WIDTH)
        self.activated.connect(lambda index: self.chosen.emit(self.itemData(index)))

    def show_routing(self, routing: Routing, end: End) -> None:
        """List what the device has, and select an entry; say why there is nothing to choose."""
        choices = [(), *routing.ends]
        if end not in choices:
            choices.append(end)
        self.clear()
        for choice in choices:
            self.addItem(" + ".join(map(str, choice)) or self._none, choice)
        self.setCurrentIndex(choices.index(end))
        self.setEnabled(not routing.why_not)
        self.setToolTip(f"{self._tip}. {routing.why_not}" if routing.why_not else self._tip)
