"""What the window's dialogs and commands may use of it; they need not know the window itself."""

from abc import abstractmethod
from collections.abc import Callable

from PyQt6.QtWidgets import QMainWindow

from stemlive.errors import StemliveError
from stemlive.gui.export_job import ExportJob
from stemlive.gui.menus import Menus
from stemlive.gui.microphone import MicrophoneBar
from stemlive.gui.mix_model import MixModel
from stemlive.gui.mixer_view import MixerView
from stemlive.gui.preset_bar import PresetBar
from stemlive.gui.presets import OwnPresets
from stemlive.gui.remembered import Remembered
from stemlive.gui.rig import Rig
from stemlive.gui.state_line import StateLine


class WindowParts(QMainWindow):
    """The parts by name. `Window` makes them, and says how it tells and shows things."""

    rig: Rig
    model: MixModel
    presets: OwnPresets
    remembered: Remembered
    export: ExportJob
    menus: Menus
    mixer: MixerView
    microphone: MicrophoneBar
    preset_bar: PresetBar
    state: StateLine

    @abstractmethod
    def note(self, text: str) -> None:
        """Say something in the state line for a while."""

    @abstractmethod
    def show_theme(self) -> None:
        """Dress everything in the colours that are wanted now."""

    @abstractmethod
    def show_take(self) -> None:
        """Show what the recorder does."""

    def attempt(self, what: Callable[[], object]) -> bool:
        """Do it; what the user can mend becomes a line in the window. Returns whether it went well."""
        try:
            what()
        except StemliveError as error:
            self.note(str(error))
            return False
        return True
