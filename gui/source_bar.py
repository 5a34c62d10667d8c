"""The bar for source and output."""

from collections.abc import Callable
from functools import partial

from PyQt6.QtCore import Qt, QTimer, pyqtSignal
from PyQt6.QtGui import QResizeEvent
from PyQt6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QToolButton

from stemlive.capture_help import how_to_capture
from stemlive.gui.choice import Choice
from stemlive.gui.device_list import DEFAULT, DeviceName, players_label
from stemlive.realtime.engine.system_engine import PLAYERS


class DeviceChoice(Choice):
    """The devices of one direction. `chosen` carries a name. A selected device that is absent is marked as missing."""

    chosen = pyqtSignal(str)

    def __init__(self, name: str, tip: str, *, least_characters: int = 10) -> None:
        super().__init__(name, tip, least_characters=least_characters)
        self.activated.connect(lambda index: self.chosen.emit(self.itemData(index)))
        self._waiting: Callable[[], None] | None = None

    def hidePopup(self) -> None:  # noqa: N802
        """Show what was listed while the list was open."""
        super().hidePopup()
        if self._waiting is not None:
            QTimer.singleShot(0, self._waiting)  # after the choice, which goes by its place in the list
            self._waiting = None

    def show_devices(
        self,
        devices: tuple[DeviceName, ...],
        selected: str,
        *,
        off: bool = False,
        players: tuple[DeviceName, ...] = (),
    ) -> None:
        """List the default and these devices, select one, and with `off` add an entry for none (an empty name).

        `players` is what the computer plays. An open list changes when it is closed.
        """
        view = self.view()
        if view is not None and view.isVisible():
            self._waiting = partial(self.show_devices, devices, selected, off=off, players=players)
            return
        self._waiting = None
        self.clear()
        if off:
            self.addItem("Off", "")
        self.addItem("Default" if devices else "Default (there is none)", DEFAULT)
        for device in devices:
            self.addItem(device.label, device.name)
        for player in players:
            self.addItem(player.label, player.name)
        if self.findData(selected) < 0:
            text = players_label(selected.removeprefix(PLAYERS)) if selected.startswith(PLAYERS) else selected
            quiet = players and selected.startswith(PLAYERS)  # a program that may play later
            self.addItem(text if quiet else f"{text} (missing)", selected)
        self.setCurrentIndex(self.findData(selected))
        self.setToolTip(f"{self.accessibleDescription()}: {self.currentText()}")
        for index in range(self.count()):
            self.setItemData(index, self.itemText(index), Qt.ItemDataRole.ToolTipRole)


class _Title(QLabel):
    """A line that is shortened in its middle as far as its width needs."""

    def __init__(self) -> None:
        super().__init__()
        self.setStyleSheet("font-weight: bold;")
        self.setAccessibleName("Source")
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)

    def show_text(self, text: str) -> None:
        """Show a text, which is the tool tip as well."""
        self.setToolTip(text)
        self.setText(self.fontMetrics().elidedText(text, Qt.TextElideMode.ElideMiddle, self.width()))

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802
        """Show as much as fits now."""
        self.show_text(self.toolTip())
        super().resizeEvent(event)


class SourceBar(QFrame):
    """Shows the song or input device, and the output device; the window acts on the choices."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("bar")
        self.open = QPushButton("Open…")
        self.open.setToolTip("Open a song (Ctrl+O), or drop one on the window")
        self.title = _Title()
        self.live = QToolButton()
        self.live.setCheckable(True)
        self.live.setText("Live input")
        self.live.setToolTip("Separate what an input device hears (Ctrl+I)")
        self.input = DeviceChoice("Input device", "What is separated when it is live")
        self.output = DeviceChoice("Output device", "Where the mix is heard")
        row = QHBoxLayout(self)
        row.setContentsMargins(8, 4, 8, 4)
        row.setSpacing(8)
        row.addWidget(self.open)
        row.addWidget(self.title, 3)
        row.addWidget(self.live)
        row.addWidget(self.input, 2)
        row.addSpacing(6)
        label = QLabel("Output")
        label.setObjectName("heading")
        label.setBuddy(self.output)
        row.addWidget(label)
        row.addWidget(self.output, 2)

    def show_inputs(self, devices: tuple[DeviceName, ...], selected: str, players: tuple[DeviceName, ...]) -> None:
        """List the inputs, and what the computer plays; where that cannot be taken, say what to do."""
        self.input.show_devices(devices, selected, players=players)
        if not players:
            how = f"For what the computer plays. {how_to_capture()}"
            self.input.setToolTip(f"{self.input.toolTip()}\n{how}")

    def show_source(self, title: str, *, live: bool) -> None:
        """Show the source."""
        self.title.show_text(title)
        self.live.setChecked(live)
