"""The bar for source and output."""

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QToolButton

from stemlive.gui.choice import Choice
from stemlive.gui.device_list import DEFAULT, DeviceName


class DeviceChoice(Choice):
    """The devices of one direction. `chosen` carries a name. A selected device that is absent is marked as missing."""

    chosen = pyqtSignal(str)

    def __init__(self, name: str, tip: str, *, least_characters: int = 10) -> None:
        super().__init__(name, tip, least_characters=least_characters)
        self.activated.connect(lambda index: self.chosen.emit(self.itemData(index)))

    def show_devices(self, devices: tuple[DeviceName, ...], selected: str, *, off: bool = False) -> None:
        """List the default and these devices, select one, and with `off` add an entry for none (an empty name)."""
        self.clear()
        if off:
            self.addItem("Off", "")
        self.addItem("Default" if devices else "Default (there is none)", DEFAULT)
        for device in devices:
            self.addItem(device.label, device.name)
        if self.findData(selected) < 0:
            self.addItem(f"{selected} (missing)", selected)
        self.setCurrentIndex(self.findData(selected))
        self.setToolTip(f"{self.accessibleDescription()}: {self.currentText()}")
        for index in range(self.count()):
            self.setItemData(index, self.itemText(index), Qt.ItemDataRole.ToolTipRole)


class SourceBar(QFrame):
    """Shows the song or input device, and the output device; the window acts on the choices."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("bar")
        self.open = QPushButton("Open…")
        self.open.setToolTip("Open a song (Ctrl+O), or drop one on the window")
        self.title = QLabel("")
        self.title.setStyleSheet("font-weight: bold;")
        self.title.setAccessibleName("Source")
        self.title.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
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

    def show_source(self, title: str, *, live: bool) -> None:
        """Show the source."""
        metrics = self.title.fontMetrics()
        self.title.setText(metrics.elidedText(title, Qt.TextElideMode.ElideMiddle, max(120, self.title.width())))
        self.title.setToolTip(title)
        self.live.setChecked(live)
