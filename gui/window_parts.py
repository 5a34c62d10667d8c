"""The parts of the window that its dialogs and commands use, so that they need not import the window."""

from abc import abstractmethod
from collections.abc import Callable

from PyQt6.QtWidgets import QMainWindow

from stemlive.errors import StemliveError
from stemlive.gui.cue_panel import CuePanel
from stemlive.gui.export_job import ExportJob
from stemlive.gui.menus import Menus
from stemlive.gui.microphone import MicrophoneBar
from stemlive.gui.mix_model import MixModel
from stemlive.gui.mixer_view import MixerView
from stemlive.gui.notices import Notice
from stemlive.gui.playlist import Playlist
from stemlive.gui.preset_bar import PresetBar
from stemlive.gui.presets import OwnPresets
from stemlive.gui.remembered import Remembered
from stemlive.gui.remote_corner import RemoteCorner
from stemlive.gui.rig import Rig
from stemlive.gui.state_line import StateLine
from stemlive.gui.transport_bar import TransportBar
from stemlive.gui.words_corner import WordsCorner


class WindowParts(QMainWindow):
    """The window's parts by name. `Window` creates them and implements the abstract methods."""

    rig: Rig
    model: MixModel
    presets: OwnPresets
    remembered: Remembered
    export: ExportJob
    cue: CuePanel
    menus: Menus
    mixer: MixerView
    microphone: MicrophoneBar
    playlist: Playlist
    preset_bar: PresetBar
    remote: RemoteCorner
    state: StateLine
    transport: TransportBar
    words: WordsCorner

    @abstractmethod
    def note(self, text: str) -> None:
        """Show a note in the state line for a few seconds."""

    @abstractmethod
    def tell(self, notice: Notice) -> None:
        """Show a notice in the banner, until it is closed or another one comes."""

    @abstractmethod
    def close_notice(self) -> None:
        """Close what the banner shows."""

    @abstractmethod
    def switch_stem_outline(self) -> None:
        """Show the stems in the outline, or the waveform alone."""

    @abstractmethod
    def show_theme(self) -> None:
        """Apply the chosen theme to all parts."""

    @abstractmethod
    def show_take(self) -> None:
        """Show the state of the recorder."""

    @abstractmethod
    def show_cue(self, *, on: bool) -> None:
        """Show the panel of the cue, or hide it."""

    def attempt(self, what: Callable[[], object]) -> bool:
        """Call `what`; show a StemliveError in the banner. Return whether it succeeded."""
        try:
            what()
        except StemliveError as error:
            self.tell(Notice(str(error)))
            return False
        return True
