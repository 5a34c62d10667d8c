"""Which outputs of the device stems and the cue go to: what is wished for, and what of it the device can do."""

from collections.abc import Callable
from dataclasses import replace

from PyQt6.QtCore import QObject, pyqtSignal

from stemlive.gui.device_list import DeviceList
from stemlive.gui.remembered import Remembered
from stemlive.realtime.shared.outputs import Outputs

End = tuple[int, ...]
"""Outputs of the device: two, or the last one of an odd number; empty for those of the mix."""
_FIRST_TWO = 2


class Routing(QObject):
    """What is wished for is remembered, also while the device has fewer outputs. `changed` when it is another."""

    changed = pyqtSignal()

    def __init__(self, devices: DeviceList, remembered: Remembered, device: Callable[[], str]) -> None:
        """`device` tells the name of the output device."""
        super().__init__()
        self._devices, self._remembered, self._device = devices, remembered, device
        self.wanted = remembered.outputs

    @property
    def count(self) -> int | None:
        """How many outputs the device has; None as long as it is not listed."""
        return self._devices.output_channels(self._device())

    @property
    def outputs(self) -> Outputs:
        """What goes where: what is wished for, as far as the device is known to have it."""
        return self.wanted if self.count is None else self.wanted.within(self.count)

    @property
    def ends(self) -> tuple[End, ...]:
        """What can be chosen beside the outputs of the mix: further pairs, and a last single one."""
        if self.count is None:
            wished = (*(channels for _, channels in self.wanted.routes), self.wanted.cue)
            return tuple(dict.fromkeys(end for end in wished if end))
        rest = range(_FIRST_TWO + 1, self.count + 1)
        return tuple(tuple(rest[place : place + 2]) for place in range(0, len(rest), 2))

    @property
    def why_not(self) -> str:
        """Why nothing can be chosen; empty if something can."""
        if self.ends:
            return ""
        if self.count is None:
            return "The outputs of this device are known once it is listed"
        has = "one output" if self.count == 1 else f"{self.count} outputs"
        return f"This device has {has}: choose one with four or more as Output"

    def end_of(self, stem: str) -> End:
        """Where a stem goes; empty for the mix."""
        return dict(self.outputs.routes).get(stem, ())

    def send(self, stem: str, end: End) -> None:
        """Send a stem there, out of the mix."""
        others = tuple(route for route in self.wanted.routes if route[0] != stem)
        self._take(replace(self.wanted, routes=(*others, (stem, end)) if end else others))

    def send_cue(self, end: End) -> None:
        """Send the cue there; nowhere for none."""
        self._take(replace(self.wanted, cue=end))

    def _take(self, outputs: Outputs) -> None:
        if outputs != self.wanted:
            self.wanted = self._remembered.outputs = outputs
            self.changed.emit()
