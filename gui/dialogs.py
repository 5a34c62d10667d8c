"""The window's dialogs, and the menus whose entries change."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from PyQt6.QtCore import QDir
from PyQt6.QtGui import QAction, QActionGroup
from PyQt6.QtWidgets import QDialog, QFileDialog, QInputDialog, QMenu, QMessageBox

from stemlive.gui.file_names import chosen, shown
from stemlive.gui.practice import PracticeDialog
from stemlive.gui.record_dialog import RecordDialog
from stemlive.gui.remote_sheet import RemoteSheet
from stemlive.gui.settings_dialog import SettingsDialog
from stemlive.gui.sheets import ModelSheet, Sheet, about_page, keys_page
from stemlive.gui.theme import APPEARANCES
from stemlive.gui.window_parts import WindowParts
from stemlive.realtime.audio_files.kinds import SONG_SUFFIXES
from stemlive.realtime.audio_files.words_file import KINDS
from stemlive.realtime.model_file.bundled import DEFAULT_MODEL, SONG_MODEL, bundled_models

_SONGS = f"Songs ({' '.join(f'*{suffix}' for suffix in SONG_SUFFIXES)});;All files (*)"
_MANY = f"Songs and lists ({' '.join(f'*{suffix}' for suffix in (*SONG_SUFFIXES, '.m3u', '.m3u8'))});;All files (*)"
_WORDS = f"Words ({' '.join(f'*{kind}' for kind in KINDS)});;All files (*)"
_MODELS = "Models (*.onnx)"


class Dialogs:
    """Dialogs of one window. Each does what its menu entry says, or nothing if the user cancels."""

    def __init__(self, window: WindowParts) -> None:
        self._window = window
        self._recent = QMenu("Open recent")
        self._models = QMenu("Model")

    def fill_menus(self) -> None:
        """Add the menus that are not in the table of commands: recent songs, models, appearances."""
        menus = self._window.menus
        menus.menus["File"].insertMenu(menus["live"], self._recent)
        menus.menus["File"].insertMenu(menus["retry"], self._models)
        appearance = self._group("Appearance", APPEARANCES, self._window.remembered.appearance, self._set_appearance)
        menus.menus["View"].addMenu(appearance)
        self.fill_recent()
        self._fill_models()

    def fill_recent(self) -> None:
        """Fill the menu of recent songs."""
        self._recent.clear()
        for path in self._window.remembered.recent:
            action = self._recent.addAction(shown(Path(path.name)))
            assert action is not None
            action.setToolTip(shown(path))
            action.triggered.connect(partial(self._open_recent, path))
        self._recent.setEnabled(not self._recent.isEmpty())

    def open_song(self) -> None:
        """Ask for a song and open it."""
        recent = self._window.remembered.recent
        folder = shown(recent[0].parent) if recent else QDir.homePath()
        name, _ = QFileDialog.getOpenFileName(self._window, "Open a song", folder, _SONGS)
        if name:
            self._window.rig.open_song(chosen(name))

    def add_songs(self) -> None:
        """Ask for songs and add them to the queue."""
        recent = self._window.remembered.recent
        folder = shown(recent[0].parent) if recent else QDir.homePath()
        names, _ = QFileDialog.getOpenFileNames(self._window, "Add songs to the queue", folder, _MANY)
        if names:
            self._window.playlist.add([chosen(name) for name in names])

    def open_words(self) -> None:
        """Ask for a file of the song's words and show them."""
        song = self._window.rig.song
        folder = QDir.homePath() if song is None else shown(song.parent)
        name, _ = QFileDialog.getOpenFileName(self._window, "Open the words", folder, _WORDS)
        if name:
            self._window.words.open(chosen(name))

    def choose_record_folder(self) -> None:
        """Ask where recordings go."""
        window = self._window
        folder = window.rig.record_folder
        before = folder if folder.is_dir() else folder.parent
        name = QFileDialog.getExistingDirectory(window, "Folder for recordings", shown(before))
        if name:
            window.remembered.record_folder = chosen(name)
            window.note(f"recordings go to {name} from the next one on")

    def choose_record_stems(self) -> None:
        """Ask which stems are recorded from the next take on."""
        window = self._window
        left_out = window.remembered.unrecorded
        dialog = RecordDialog(window.model.mix.stems, left_out, window)
        if dialog.exec() == QDialog.DialogCode.Accepted and dialog.left_out != left_out:
            window.remembered.unrecorded = dialog.left_out

    def confirm(self, question: str) -> bool:
        """Ask a yes-or-no question; no is the default."""
        yes, no = QMessageBox.StandardButton.Yes, QMessageBox.StandardButton.No
        return QMessageBox.question(self._window, "stemlive", question, yes | no, no) == yes

    def engine_settings(self) -> None:
        """Show the engine's settings, and restart the engine if they are others then."""
        window = self._window
        before = window.remembered.engine()
        dialog = SettingsDialog(window.remembered, window.rig, window)
        if dialog.exec() == QDialog.DialogCode.Accepted and window.remembered.engine() != before:
            window.rig.connect_engine()

    def remote(self) -> None:
        """Start the remote, if it is off, and show how a phone gets there."""
        window = self._window
        if window.attempt(window.remote.start):
            RemoteSheet(window.remote, window).open()
        window.menus["remote"].setChecked(window.remote.remote is not None)

    def practice(self) -> None:
        """Ask for rounds of a loop that get faster, and for a count-in."""
        rig = self._window.rig
        dialog = PracticeDialog(rig.player.practice, self._window)
        if dialog.exec() == QDialog.DialogCode.Accepted:
            rig.set_practice(dialog.practice)

    def save_preset(self) -> None:
        """Ask for a name, and save the mix as a preset."""
        name, accepted = QInputDialog.getText(self._window, "Save this mix", "Name of the preset:")
        if accepted:
            self.keep_preset(name)

    def keep_preset(self, name: str) -> None:
        """Save the mix as a preset of this name; ask first if one would be replaced."""
        window = self._window
        taken = name.strip() in window.presets.names
        if (not taken or self.confirm(f"Replace the preset {name.strip()}?")) and window.attempt(
            lambda: window.presets.save(name, window.model.mix)
        ):
            self.show_presets()

    def take_preset(self, name: str) -> None:
        """Apply one of the user's presets."""
        model = self._window.model
        model.set_mix(self._window.presets.mix(name).for_stems(model.mix.stems), f"preset {name}")

    def delete_preset(self, name: str) -> None:
        """Delete one of the user's presets, after asking."""
        window = self._window
        if self.confirm(f"Delete the preset {name}?"):
            window.attempt(lambda: window.presets.delete(name))
        self.show_presets()

    def show_presets(self) -> None:
        """Update the list of the user's presets."""
        window = self._window
        window.preset_bar.show_own(window.presets.names)
        window.model.changed.emit()

    def keys(self) -> None:
        """Show the sheet of keys."""
        Sheet("Keys", keys_page(), self._window).open()

    def model_card(self) -> None:
        """Show the models' cards."""
        ModelSheet(self._window.rig.model_name, self._window).open()

    def about(self) -> None:
        """Show the sheet about the program."""
        Sheet("About stemlive", about_page(), self._window).open()

    def _fill_models(self) -> None:
        rig = self._window.rig
        group = QActionGroup(self._window)
        by_source = f"{SONG_MODEL} for songs, {DEFAULT_MODEL} for inputs"
        self._choice(self._models, group, by_source, rig.model_file is None, partial(rig.choose_model, None))
        for name in bundled_models():
            self._choice(self._models, group, name, name == rig.model_file, partial(rig.choose_model, name))
        self._models.addSeparator()
        other = self._models.addAction("Open a model file…")
        card = self._models.addAction("About the model")
        assert other is not None
        assert card is not None
        other.triggered.connect(self._open_model)
        card.triggered.connect(self.model_card)

    def _open_recent(self, path: Path, _: bool) -> None:
        self._window.rig.open_song(path)

    def _open_model(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self._window, "Open a model", QDir.homePath(), _MODELS)
        if name:
            self._window.rig.choose_model(str(chosen(name)))

    def _set_appearance(self, appearance: str) -> None:
        self._window.remembered.appearance = appearance
        self._window.show_theme()

    def _group(self, title: str, values: dict[str, str], chosen: str, choose: Callable[[str], object]) -> QMenu:
        menu = QMenu(title, self._window)
        group = QActionGroup(self._window)
        for value, text in values.items():
            self._choice(menu, group, text, value == chosen, partial(choose, value))
        return menu

    def _choice(self, menu: QMenu, group: QActionGroup, text: str, checked: bool, chosen: Callable[[], object]) -> None:
        action = QAction(text, self._window)
        action.setCheckable(True)
        action.setChecked(checked)
        action.triggered.connect(lambda _: chosen())
        group.addAction(action)
        menu.addAction(action)
