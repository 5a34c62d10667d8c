"""The window: puts its parts together, and looks at the engine on one timer."""

import time
from collections.abc import Callable
from pathlib import Path

from PyQt6.QtCore import QTimer
from PyQt6.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent, QGuiApplication
from PyQt6.QtWidgets import QApplication, QMainWindow, QVBoxLayout, QWidget

from stemlive.errors import StemliveError
from stemlive.gui.banner import Banner
from stemlive.gui.dialogs import Dialogs
from stemlive.gui.export_job import ExportJob
from stemlive.gui.handlers import Handlers
from stemlive.gui.menus import Menus
from stemlive.gui.microphone import MicrophoneBar
from stemlive.gui.mix_model import MixModel
from stemlive.gui.mixer_view import MixerView
from stemlive.gui.player import Phase
from stemlive.gui.preset_bar import PresetBar
from stemlive.gui.presets import OwnPresets
from stemlive.gui.remembered import Remembered
from stemlive.gui.rig import Rig
from stemlive.gui.source_bar import SourceBar
from stemlive.gui.state_line import StateLine, advice
from stemlive.gui.theme import theme_for
from stemlive.gui.transport_bar import TransportBar

FRAME_MS, TEXT_MS = 40, 200
_NOTE_S = 8.0
_HINT = "Drop a song here, or open one (Ctrl+O)"


class Window(QMainWindow):
    """Everything that is seen. It polls: nothing of the engine's ever calls it."""

    def __init__(
        self, rig: Rig, model: MixModel, presets: OwnPresets, remembered: Remembered, export: ExportJob
    ) -> None:
        super().__init__()
        self.rig, self.model, self.presets, self.remembered, self.export = rig, model, presets, remembered, export
        self.theme = theme_for(remembered.appearance)
        self.dialogs = Dialogs(self)
        self.source, self.transport, self.banner, self.state = SourceBar(), TransportBar(), Banner(), StateLine()
        self.mixer, self.microphone = MixerView(model, self.theme), MicrophoneBar()
        self.handlers = Handlers(self)
        self.menus = Menus(self, self.handlers.commands(), self.handlers.stem_commands())
        self.preset_bar = PresetBar(self.menus)
        self._note, self._note_until = "", 0.0
        self._recorded, self._told = False, ""
        self._frames, self._texts = QTimer(self), QTimer(self)
        self._lay_out()
        self._connect()
        self.setAcceptDrops(True)
        self.setMinimumWidth(1060)
        self.resize(1280, 800)
        self.restoreGeometry(remembered.geometry)
        self.dialogs.fill_menus()
        self.show_theme()
        self.dialogs.show_presets()
        self.microphone.setVisible(bool(rig.player.voice.device))
        self.menus["microphone"].setChecked(bool(rig.player.voice.device))
        self._show_rig()
        self.show_texts()

    def start(self) -> None:
        """Ask for devices, and look at the engine from now on."""
        self.rig.devices.refresh()
        self._frames.start(FRAME_MS)
        self._texts.start(TEXT_MS)

    def note(self, text: str) -> None:
        """Say something in the state line for a while."""
        self._note, self._note_until = text, time.monotonic() + _NOTE_S
        self._show_state()

    def attempt(self, what: Callable[[], object]) -> bool:
        """Do it; what the user can mend becomes a line in the window. Returns whether it went well."""
        try:
            what()
        except StemliveError as error:
            self.note(str(error))
            return False
        return True

    def show_theme(self) -> None:
        """Dress everything in the colours that are wanted now."""
        self.theme = theme = theme_for(self.remembered.appearance)
        QApplication.setPalette(theme.palette())
        self.setStyleSheet(theme.style_sheet())
        self.mixer.show_theme(theme)
        self.transport.overview.show_theme(theme)
        self.banner.show_theme(theme)
        self.microphone.show_theme(theme)

    def show_frame(self) -> None:
        """Look at the engine, and draw what moved; about 25 times a second."""
        player = self.rig.player
        if player.poll():
            self.model.attach(player.controls)
            self.mixer.clear()
        self._show_time()
        if player.now is None or player.phase != Phase.LIVE:
            self.mixer.show_silence(time.monotonic())
        else:
            self.mixer.show_levels(player.now, time.monotonic())
            self.microphone.show_level(player.now, time.monotonic())
            columns = player.columns()
            # While a song stands, its spectrograms stand, too, to be looked at.
            if len(columns) and (player.plays or not player.is_song):
                self.mixer.show_columns(columns)

    def show_texts(self) -> None:
        """Write what is to be read; a few times a second."""
        player = self.rig.player
        self.model.follow()
        self.mixer.show_peak_texts()
        self.microphone.show_delay(player.now)
        self.state.show_engine(player.phase, player.now, self.rig.model_name)
        self._show_state()
        self.banner.show_problem(self._problem_text(), self.theme)
        self._show_play()
        self.show_take()

    def dragEnterEvent(self, event: QDragEnterEvent | None) -> None:  # noqa: N802
        """Files are welcome."""
        assert event is not None
        data = event.mimeData()
        if data is not None and any(url.isLocalFile() for url in data.urls()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent | None) -> None:  # noqa: N802
        """Open the first file."""
        assert event is not None
        data = event.mimeData()
        paths = [Path(url.toLocalFile()) for url in data.urls() if url.isLocalFile()] if data is not None else []
        if paths:
            event.acceptProposedAction()
            self.rig.open_song(paths[0])

    def closeEvent(self, event: QCloseEvent | None) -> None:  # noqa: N802
        """Remember everything, and end all that runs."""
        self._frames.stop()
        self._texts.stop()
        self.remembered.geometry = self.saveGeometry()
        self.remembered.mix = self.model.mix
        self.remembered.flush()
        self.export.close()
        self.model.attach(None)
        self.rig.close()
        super().closeEvent(event)

    def _lay_out(self) -> None:
        central = QWidget()
        column = QVBoxLayout(central)
        column.setContentsMargins(8, 6, 8, 2)
        column.setSpacing(6)
        for part in (self.source, self.transport, self.preset_bar):
            column.addWidget(part)
        column.addWidget(self.banner)
        column.addWidget(self.mixer, 1)
        column.addWidget(self.microphone)
        column.addWidget(self.state)
        self.setCentralWidget(central)

    def _connect(self) -> None:
        rig, source, transport = self.rig, self.source, self.transport
        rig.plugged.connect(self._show_rig)
        rig.voiced.connect(self._show_voice)
        rig.problem.connect(self.note)
        rig.devices.changed.connect(self._show_devices)
        source.open.clicked.connect(self.menus["open"].trigger)
        source.live.clicked.connect(self.menus["live"].trigger)
        source.input.chosen.connect(rig.choose_input)
        source.output.chosen.connect(rig.choose_output)
        self.banner.retry.clicked.connect(self.menus["retry"].trigger)
        self.microphone.device_chosen.connect(rig.choose_microphone)
        self.microphone.gain_moved.connect(lambda gain_db: rig.set_voice(gain_db=gain_db))
        self.microphone.reverb_moved.connect(lambda amount: rig.set_voice(reverb=amount))
        transport.play.clicked.connect(self.menus["play"].trigger)
        transport.stop.clicked.connect(self.menus["stop"].trigger)
        transport.record.clicked.connect(self.menus["record"].trigger)
        transport.overview.sought.connect(rig.seek)
        transport.overview.marked.connect(lambda first, last: rig.set_loop((first, last)))
        self.preset_bar.own_chosen.connect(self.dialogs.take_preset)
        self.preset_bar.own_deleted.connect(self.dialogs.delete_preset)
        self.preset_bar.save_wanted.connect(self.dialogs.save_preset)
        self.export.progressed.connect(self.state.show_export)
        self.export.ended.connect(self._export_ended)
        self.state.cancel.clicked.connect(self.export.cancel)
        stack = self.model.undo_stack
        for name, signal in (("undo", stack.canUndoChanged), ("redo", stack.canRedoChanged)):
            self.menus[name].setEnabled(False)
            signal.connect(self.menus[name].setEnabled)
        self.model.changed.connect(self._show_mix)
        self._frames.timeout.connect(self.show_frame)
        self._texts.timeout.connect(self.show_texts)
        hints = QGuiApplication.styleHints()
        if hints is not None:
            hints.colorSchemeChanged.connect(self.show_theme)

    def show_take(self) -> None:
        """Show what the recorder does."""
        recorder = self.rig.recorder
        take = None if recorder is None else recorder.status()
        on = take is not None and take.on
        self.menus["record"].setChecked(on)
        self.transport.show_take(on=on, seconds=0.0 if take is None else take.seconds)
        if take is not None and take.problem and take.problem != self._told:
            self.note(take.problem)
        elif self._recorded and take is not None and not on and not take.problem:
            self.note(f"recorded in {take.folder}")
        self._recorded, self._told = on, "" if take is None else take.problem

    def _show_mix(self) -> None:
        model = self.model
        self.menus["bypass"].setChecked(model.bypass)
        self.preset_bar.show_mix(model.mix, model.letter, own=self.presets.mix, names=self.presets.names)

    def _show_rig(self) -> None:
        rig = self.rig
        self.setWindowTitle(f"{rig.title} - stemlive" if rig.live or rig.song else "stemlive")
        self.source.show_source(rig.title, live=rig.live)
        waveform = None if rig.live else rig.waveform
        self.transport.overview.show_song(waveform, "Live: there is nothing to seek in" if rig.live else _HINT)
        self.menus["export"].setEnabled(rig.song is not None)
        self.dialogs.fill_recent()
        self._show_devices()
        self._show_play()
        self._show_time()

    def _show_play(self) -> None:
        song = self.rig.song is not None
        self.transport.show_state(song=song, playing=song and self.rig.player.plays)

    def _show_time(self) -> None:
        waveform, song = self.rig.waveform, self.rig.player.song
        if waveform is not None and not self.rig.live:
            self.transport.show_time(song.position_s, waveform.length_s, song.loop)

    def _show_devices(self) -> None:
        devices = self.rig.devices
        self.source.input.show_devices(devices.inputs, self.rig.input)
        self.source.output.show_devices(devices.outputs, self.rig.output)
        self._show_voice()
        if devices.problem:
            self.note(devices.problem)

    def _show_voice(self) -> None:
        self.microphone.show_voice(self.rig.player.voice, self.rig.devices.inputs)

    def _export_ended(self, text: str, _: bool) -> None:
        self.state.show_export(None)
        self.note(text)

    def _show_state(self) -> None:
        text, bad = self._state_text()
        self.state.show_message(text, self.theme, bad=bad)

    def _problem_text(self) -> str:
        player = self.rig.player
        texts = {
            Phase.MISSING: player.message,
            Phase.FAILED: player.message,
            Phase.WAITING: f"Waiting for the device, and going on when it is back ({player.message})",
        }
        return texts.get(player.phase, "")

    def _state_text(self) -> tuple[str, bool]:
        player = self.rig.player
        if time.monotonic() < self._note_until:
            return self._note, False
        if player.now is not None and (tip := advice(player.now)):
            return tip, True
        texts = {
            Phase.OPENING: "Opening…",
            Phase.LIVE: "Live" if self.rig.live else "Playing" if self.rig.player.plays else "Paused",
        }
        return texts.get(player.phase, ""), False
