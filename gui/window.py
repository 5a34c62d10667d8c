"""The main window: lays out its parts, and polls the engine with a timer."""

import time
from functools import partial
from pathlib import Path

from PyQt6.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent, QResizeEvent
from PyQt6.QtWidgets import QApplication, QFrame, QScrollArea, QStackedWidget, QVBoxLayout, QWidget

from stemlive.gui.banner import Banner
from stemlive.gui.cue_panel import CuePanel
from stemlive.gui.dialogs import Dialogs
from stemlive.gui.export_job import ExportJob
from stemlive.gui.exports import Exports
from stemlive.gui.file_names import dropped_files, shown
from stemlive.gui.folders import open_folder
from stemlive.gui.handlers import Handlers
from stemlive.gui.menus import Menus
from stemlive.gui.microphone import MicrophoneBar
from stemlive.gui.mix_model import MixModel
from stemlive.gui.mixer_view import MixerView
from stemlive.gui.notices import Notice, Notices
from stemlive.gui.pace import Pace
from stemlive.gui.player import Phase
from stemlive.gui.playlist import Playlist
from stemlive.gui.preset_bar import PresetBar
from stemlive.gui.presets import OwnPresets
from stemlive.gui.remembered import Remembered
from stemlive.gui.remote_corner import RemoteCorner
from stemlive.gui.rig import Rig
from stemlive.gui.scale import write_time
from stemlive.gui.screen_fit import LEAST_SIZE, fit_to_screen
from stemlive.gui.side_by_side import side_by_side
from stemlive.gui.source_bar import SourceBar
from stemlive.gui.state_line import StateLine
from stemlive.gui.stem_outline import StemOutline
from stemlive.gui.theme import theme_for
from stemlive.gui.transport_bar import TransportBar
from stemlive.gui.welcome import Welcome
from stemlive.gui.window_parts import WindowParts
from stemlive.gui.words_corner import WordsCorner

_OUTLINE_SHARE = 0.085
"""Height of the song's outline, of the window's."""


class Window(WindowParts):
    """The main window. It polls the engine, which never calls it. `wiring.connect` connects its signals."""

    def __init__(
        self, rig: Rig, model: MixModel, presets: OwnPresets, remembered: Remembered, export: ExportJob
    ) -> None:
        super().__init__()
        self.rig, self.model, self.presets, self.remembered, self.export = rig, model, presets, remembered, export
        self.theme = theme_for(remembered.appearance)
        self.dialogs, self.exports = Dialogs(self), Exports(self)
        self.source, self.transport, self.banner, self.state = SourceBar(), TransportBar(), Banner(), StateLine()
        self.mixer, self.microphone, self.welcome = MixerView(model, self.theme), MicrophoneBar(), Welcome()
        self.words, self.playlist = WordsCorner(rig, remembered), Playlist(rig, remembered)
        self.cue, self.remote = CuePanel(model, self.theme), RemoteCorner(rig, self.playlist.conductor)
        self.handlers = Handlers(self, self.dialogs, self.exports)
        self.menus = Menus(self, self.handlers.commands(), self.handlers.stem_commands())
        self.preset_bar = PresetBar(self.menus)
        self.notices = Notices(rig, rig.retry)
        self.outline = StemOutline()
        self._recorded, self._told = False, ""
        self._pace = Pace(self, self.show_frame, self.show_texts)
        self._lay_out()
        self.setAcceptDrops(True)
        self.setMinimumSize(*LEAST_SIZE)
        self.dialogs.fill_menus()
        self.show_theme()
        self.dialogs.show_presets()
        self.show_cue(on=bool(remembered.outputs.cue))
        self.microphone.setVisible(rig.player.karaoke.used)
        self.menus["microphone"].setChecked(rig.player.karaoke.used)
        self.menus["stem-outline"].setChecked(remembered.stem_outline)
        fit_to_screen(self, remembered.geometry)
        self.show_mix()
        self.show_rig()
        self.show_texts()

    def start(self) -> None:
        """List the devices, watch for others, and start polling the engine."""
        self.rig.devices.refresh()
        self.rig.devices.watch()
        self._pace.start()

    def note(self, text: str) -> None:
        """Show a note in the state line for a few seconds."""
        self.notices.keep(text)
        self._show_messages()

    def tell(self, notice: Notice) -> None:
        """Show a notice in the banner, until it is closed or another one comes."""
        self.notices.tell(notice)
        self._show_messages()

    def close_notice(self) -> None:
        """Close what the banner shows."""
        self.notices.close()
        self._show_messages()

    def show_theme(self) -> None:
        """Apply the chosen theme to all parts."""
        self.theme = theme = theme_for(self.remembered.appearance)
        QApplication.setPalette(theme.palette())
        self.setStyleSheet(theme.style_sheet())
        themed = (self.mixer, self.transport.overview, self.banner, self.microphone, self.welcome, self.words, self.cue)
        for part in themed:
            part.show_theme(theme)
        self.playlist.show_theme(theme)

    def show_frame(self) -> None:
        """Poll the engine and redraw what has changed; called about 25 times a second."""
        player = self.rig.player
        if player.poll():
            self.model.attach(player.controls)
            self.mixer.clear()
        self.playlist.attend()
        self._show_time()
        if player.now is None or player.phase != Phase.LIVE:
            self.mixer.show_silence(time.monotonic())
            self.microphone.show_silence(time.monotonic())
        else:
            self.mixer.show_levels(player.now, time.monotonic())
            self.microphone.show_level(player.now, time.monotonic())
            columns = player.columns()
            # While a song is paused, its spectrograms stand still as well.
            if len(columns) and (player.plays or not player.is_song):
                self.mixer.show_columns(columns)
        self.words.show_frame()
        self._pace.take(idle=self.rig.idle and self.mixer.settled)

    def show_texts(self) -> None:
        """Update the texts; called a few times a second."""
        player = self.rig.player
        self.model.follow()
        self.remote.follow()
        self.mixer.show_peak_texts()
        self.microphone.show_delay(player.now, player.song.tempo_percent if player.is_song else None)
        self.state.show_engine(player.phase, player.now, self.rig.model_name, song=not self.rig.live)
        self._show_messages()
        self._show_play()
        self.show_take()
        if player.is_song and self.rig.waveform is not None and (news := self.rig.waveform.news()):
            self.tell(Notice(news))
        self._want_outline()

    def dragEnterEvent(self, event: QDragEnterEvent | None) -> None:  # noqa: N802
        """Accept files."""
        assert event is not None
        if dropped_files(event.mimeData()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent | None) -> None:  # noqa: N802
        """Open a song, or take several into the queue; or take the words of the song."""
        assert event is not None
        if paths := dropped_files(event.mimeData()):
            event.acceptProposedAction()
            if songs := self.words.take_dropped(paths):
                self.playlist.take(songs)

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802
        """Give the song's outline its share of the height."""
        self.transport.overview.set_tall(round(_OUTLINE_SHARE * self.height()))
        super().resizeEvent(event)

    def closeEvent(self, event: QCloseEvent | None) -> None:  # noqa: N802
        """Save the settings, and let everything stop: the window goes at once, and `finish` waits for the rest."""
        self._pace.stop()
        self.remembered.geometry = self.saveGeometry()
        self.remembered.mix, self.remembered.cue = self.model.mix, self.model.cue
        self.playlist.close()
        self.remembered.flush()
        self.export.close()
        self.outline.close()
        self.words.close()
        self.model.attach(None)
        self.rig.close()
        super().closeEvent(event)

    def finish(self) -> str:
        """Wait, after the window has closed, for what it has let stop; return what could not be completed."""
        self.remote.stop()
        self.export.finish()
        self.outline.finish()
        return self.rig.finish()

    def _lay_out(self) -> None:
        strips = QScrollArea()
        strips.setFrameShape(QFrame.Shape.NoFrame)
        strips.setWidgetResizable(True)
        strips.setWidget(self.mixer)
        self.pages = QStackedWidget()
        self.pages.addWidget(self.welcome)
        self.pages.addWidget(strips)
        central = QWidget()
        column = QVBoxLayout(central)
        column.setContentsMargins(8, 4, 8, 0)
        column.setSpacing(5)
        for part in (self.source, self.banner, self.transport, self.preset_bar):
            column.addWidget(part)
        column.addWidget(side_by_side(self.words.beside(self.pages), self.cue, self.playlist.panel), 1)
        column.addWidget(self.microphone)
        column.addWidget(self.state)
        self.setCentralWidget(central)

    def show_take(self) -> None:
        """Show the state of the recorder."""
        take = self.rig.recorder.status()
        self.menus["record"].setChecked(take.on)
        self.transport.show_take(on=take.on, seconds=take.seconds)
        if take.problem and take.problem != self._told:
            self.tell(Notice(take.problem))
        elif self._recorded and not take.on and not take.problem and take.seconds:
            text = f"Recorded {write_time(take.seconds)} in {shown(Path(take.folder))}"
            self.tell(Notice(text, False, "Open folder", partial(open_folder, Path(take.folder))))
        self._recorded, self._told = take.on, take.problem

    def show_mix(self) -> None:
        """Show the parts of the mix outside the strips: bypass, presets, A or B."""
        model = self.model
        self.menus["bypass"].setChecked(model.bypass)
        self.preset_bar.show_mix(model.mix, model.letter, own=self.presets.mix, names=self.presets.names)

    def show_rig(self) -> None:
        """Show source, output and model, or the ways to begin if nothing is open."""
        rig = self.rig
        opened = rig.live or rig.song is not None
        self.setWindowTitle(f"{rig.title} - stemlive" if opened else "stemlive")
        self.source.show_source(rig.title, live=rig.live)
        waveform = None if rig.live else rig.waveform
        self.transport.overview.show_song(waveform, "Live: there is nothing to seek in" if rig.live else "")
        self.menus["export"].setEnabled(rig.song is not None)
        self.dialogs.fill_recent()
        self.welcome.show_recent(self.remembered.recent, self.playlist.offer)
        for part in (self.transport, self.preset_bar):
            part.setVisible(opened)
        self.pages.setCurrentIndex(int(opened))
        self.notices.forgive()
        self.show_devices()
        self._show_play()
        self._show_time()

    def switch_stem_outline(self) -> None:
        """Show the stems in the outline, or the waveform alone."""
        self.remembered.stem_outline = not self.remembered.stem_outline
        self._want_outline()

    def _want_outline(self) -> None:
        """Have the stems' outline made once the sound runs, which comes first."""
        rig = self.rig
        song = rig.song if self.remembered.stem_outline and rig.player.phase == Phase.LIVE else None
        if song is not None or rig.song is None or not self.remembered.stem_outline:
            self.outline.want(song, rig.model_file)

    def _show_play(self) -> None:
        song = self.rig.song is not None
        self.transport.show_state(song=song, playing=song and self.rig.player.plays)

    def _show_time(self) -> None:
        waveform, song = self.rig.waveform, self.rig.player.song
        if waveform is not None and not self.rig.live:
            self.transport.show_time(song.position_s, waveform.length_s, song.loop, self.rig.player.count_in)

    def show_devices(self) -> None:
        """Update the lists of devices."""
        devices = self.rig.devices
        self.source.show_inputs(devices.inputs, self.rig.input, devices.players)
        self.welcome.show_players(there=bool(devices.players))
        self.source.output.show_devices(devices.outputs, self.rig.output)
        self.mixer.show_routing(self.rig.routing)
        self.cue.show_routing(self.rig.routing)
        self.show_karaoke()

    def show_cue(self, *, on: bool) -> None:
        """Show the panel of the cue, or hide it."""
        self.cue.setVisible(on)
        self.menus["cue"].setChecked(on)

    def show_listed(self) -> None:
        """Show the devices that have just been listed, or why they could not be."""
        self.show_devices()
        self.rig.follow_devices()
        if self.rig.devices.problem:
            self.tell(Notice(self.rig.devices.problem, button="Try again", press=self.rig.retry))

    def show_karaoke(self) -> None:
        """Show the karaoke settings, and the corner itself if it is in use."""
        karaoke = self.rig.player.karaoke
        if self.rig.corner_used and not self.microphone.isVisibleTo(self):
            self.microphone.setVisible(True)
            self.menus["microphone"].setChecked(True)
        self.microphone.show_karaoke(karaoke, self.rig.devices.inputs)

    def _show_messages(self) -> None:
        text, bad = self.notices.state()
        self.state.show_message(text, self.theme, bad=bad)
        self.banner.show_notice(self.notices.banner(), self.theme)
