"""The set-up: song or input, output, model and engine. Independent of widgets."""

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from PyQt6.QtCore import QObject, pyqtSignal

from stemlive.errors import AudioFileError, StemliveError
from stemlive.gui.device_list import DeviceList, players_label
from stemlive.gui.file_names import shown
from stemlive.gui.folders import music_folder
from stemlive.gui.karaoke import OFF, Karaoke, keys_change
from stemlive.gui.mix_model import MixModel
from stemlive.gui.player import Phase, Player
from stemlive.gui.practice import Practice
from stemlive.gui.remembered import Remembered
from stemlive.gui.routing import Routing
from stemlive.gui.song_opener import SongOpener
from stemlive.gui.song_state import SongState
from stemlive.gui.waveform import Waveform
from stemlive.realtime.audio_files.tempo import LEAST_TEMPO_PERCENT, MOST_TEMPO_PERCENT
from stemlive.realtime.control.song_queue import SongQueue
from stemlive.realtime.dsp.key_change import MOST_SEMITONES, check_key_change
from stemlive.realtime.engine.system_engine import PLAYERS
from stemlive.realtime.model_file.bundled import model_for
from stemlive.realtime.recording.recorder import Recorder
from stemlive.realtime.shared.settings import DEVICE_PREFIX, EngineSettings


class Rig(QObject):
    """Owns the player. Signals: `plugged` when source, output, model or song change, `problem` with a line to show."""

    plugged = pyqtSignal()
    karaoke_changed = pyqtSignal()
    """The settings of the microphone or the key have changed."""
    problem = pyqtSignal(str)

    def __init__(
        self,
        player: Player,
        devices: DeviceList,
        model: MixModel,
        remembered: Remembered,
        model_file: str | None = None,
    ) -> None:
        super().__init__()
        self.player, self.devices, self._mix_model, self._remembered = player, devices, model, remembered
        self.model_file = model_file
        self.waveform: Waveform | None = None
        self.opener, self.live = SongOpener(), False
        self.queue = SongQueue()
        """The songs after and before the open one; see `Playlist`."""
        player.karaoke, player.practice = remembered.karaoke, remembered.practice
        if (player.karaoke.semitones or player.practice.faster_percent) and not keys_change():
            player.karaoke = replace(player.karaoke, semitones=0)
            player.practice = replace(player.practice, faster_percent=0)
        # It listens from the start, so that a recording begins at once, without another engine.
        self.recorder = Recorder(None)
        player.taps = (self.recorder,)
        self.input, self.output = remembered.input, remembered.output
        self.routing = Routing(devices, remembered, lambda: self.output)
        self.routing.changed.connect(self.connect_engine)

    @property
    def song(self) -> Path | None:
        """The open song; None if there is none, or a live input."""
        return None if self.live or self.waveform is None else self.waveform.path

    @property
    def title(self) -> str:
        """The source, for display."""
        if self.live and self.input.startswith(PLAYERS):
            return players_label(self.input.removeprefix(PLAYERS))
        if self.live:
            return "Live input"
        return shown(Path(self.song.name)) if self.song is not None else "No song"

    @property
    def idle(self) -> bool:
        """Whether nothing moves: nothing is open, there is no sound, or the song is paused and nobody sings."""
        player = self.player
        if player.phase in (Phase.OPENING, Phase.WAITING) or self.recorder.status().on:
            return False
        if player.phase != Phase.LIVE or player.now is None:
            return True
        return player.is_song and not player.plays and player.now.load == 0 and not player.karaoke.device

    @property
    def model_name(self) -> str:
        """The model in use, for display."""
        return Path(model_for(self.model_file, song=not self.live)).stem

    def open_song(self, path: Path, *, play: bool = True, at_s: float = 0.0) -> None:
        """Open a song. If it cannot be read, emit `problem` and leave everything as it is."""

        def opened(waveform: Waveform) -> None:
            self._take_song(waveform)
            self.player.song = SongState(playing=play, position_s=at_s)
            self.queue.open(waveform.path)
            self.connect_engine()

        self.opener.open(path.absolute(), opened, self.problem.emit)

    def switch_song(self, path: Path, failed: Callable[[str], object]) -> None:
        """Show another song of the queue, which the engine goes on with; without one, open it."""

        def opened(waveform: Waveform) -> None:
            was_live = self.live
            self._take_song(waveform)
            if not was_live and self.player.switch(waveform.path):
                self.plugged.emit()
            else:
                self.player.song = SongState(playing=self.player.song.playing or was_live)
                self.connect_engine()

        self.opener.open(path.absolute(), opened, failed)

    def listen(self) -> None:
        """Switch to the live input."""
        self.opener.forget()
        self.live = True
        self.connect_engine()

    def listen_to_players(self) -> None:
        """Switch to what the computer plays."""
        self.input = self._remembered.input = PLAYERS
        self.listen()

    def choose_input(self, name: str) -> None:
        """Choose the input device; restart the engine if the input is live."""
        self.input = self._remembered.input = name
        if self.live:
            self.connect_engine()

    def choose_output(self, name: str) -> None:
        """Choose the output device, and restart the engine with it."""
        self.output = self._remembered.output = name
        self.connect_engine()

    def choose_model(self, name_or_path: str | None) -> None:
        """Choose the model, and restart the engine with it."""
        self.model_file = name_or_path
        self.connect_engine()

    def connect_engine(self) -> None:
        """Open the engine with the chosen settings, if there is a source."""
        settings, self.player.sync_ms = self._settings(), self._remembered.sync_ms(self.output)
        if settings is not None:
            self.player.open(settings, self._mix_model.desk)
        self.plugged.emit()

    def follow_devices(self) -> None:
        """Go on with the outputs that are wished for, once it is known which of them the device has."""
        settings = self.player.settings
        if settings is not None and self.routing.count is not None and settings.outputs != self.routing.outputs:
            self.connect_engine()

    def choose_microphone(self, name: str) -> None:
        """Choose the microphone, or none, and restart the engine."""
        self._set_karaoke(replace(self.player.karaoke, device=name, channels=(1,)))
        self.connect_engine()

    def choose_channels(self, channels: tuple[int, ...]) -> None:
        """Choose the channels of the microphone, and restart the engine."""
        self._set_karaoke(replace(self.player.karaoke, channels=channels))
        self.connect_engine()

    def set_microphone(self, **changes: Any) -> None:
        """Set the microphone's `gain_db`, `reverb` or `howling_guard`, or the guide's `guide_db`."""
        self._set_karaoke(replace(self.player.karaoke, **changes))

    def set_key(self, semitones: int) -> None:
        """Set the key change of the music; emit `problem` if the library for it is missing."""
        wanted = min(MOST_SEMITONES, max(-MOST_SEMITONES, semitones))
        if wanted and not self._attempt(check_key_change):
            wanted = 0
        self._set_karaoke(replace(self.player.karaoke, semitones=wanted))

    def set_tempo(self, percent: float) -> None:
        """Play the song at this tempo, within what is possible; emit `problem` if the library for it is missing."""
        if self.song is None:
            return
        wanted = min(MOST_TEMPO_PERCENT, max(LEAST_TEMPO_PERCENT, percent))
        self._attempt(lambda: self.player.set_tempo(wanted))
        self.karaoke_changed.emit()

    def set_practice(self, practice: Practice) -> None:
        """Set rounds and count-in; emit `problem` if the library for another tempo is missing."""
        if self._attempt(lambda: self.player.set_practice(practice)):
            self._remembered.practice = practice

    @property
    def corner_used(self) -> bool:
        """Whether something of the karaoke corner is on."""
        return self.player.karaoke.used or (self.song is not None and self.player.song.tempo_percent != 100)

    def close_karaoke(self) -> None:
        """Switch off the microphone, the guide, the key change and the tempo."""
        self.set_tempo(100.0)
        karaoke = self.player.karaoke
        self._set_karaoke(replace(karaoke, device=OFF, semitones=0, guide_db=-math.inf))
        if karaoke.device != OFF:
            self.connect_engine()

    def _set_karaoke(self, karaoke: Karaoke) -> None:
        self.player.karaoke = self._remembered.karaoke = karaoke
        if self.player.controls is not None:
            karaoke.write_to(self.player.controls)
        self.karaoke_changed.emit()

    @property
    def record_folder(self) -> Path:
        """The folder in which takes get folders of their own."""
        return self._remembered.record_folder or music_folder()

    def record(self, on: bool) -> None:
        """Begin or end a take of the input, the mix and the chosen stems. AudioFileError if the folder is no good."""
        if not on:
            self.recorder.stop()
            return
        self.recorder.aim(self.record_folder, without=self._remembered.unrecorded)
        self.recorder.start()

    def retry(self) -> None:
        """List devices again, and reopen the engine if it had failed."""
        self.devices.refresh()
        if self.player.phase in (Phase.MISSING, Phase.FAILED, Phase.WAITING):
            self.connect_engine()

    def play(self, on: bool) -> None:
        """Play or pause the song."""
        if self.song is not None:
            self.player.play(on)
            if on and self.player.phase in (Phase.MISSING, Phase.FAILED):
                self.connect_engine()

    def seek(self, position_s: float) -> None:
        """Jump within the song."""
        if self.waveform is not None and not self.live:
            self.player.seek(min(max(0.0, position_s), self.waveform.length_s))

    def set_loop(self, part: tuple[float, float] | None) -> None:
        """Loop a part of the song, or stop looping with None; emit `problem` if it is too short."""
        if self.song is not None:
            self._attempt(lambda: self.player.set_loop(part))

    def _attempt(self, what: Callable[[], object]) -> bool:
        """Call `what`; emit `problem` for a StemliveError. Return whether it succeeded."""
        try:
            what()
        except StemliveError as error:
            self.problem.emit(str(error))
            return False
        return True

    def close(self) -> None:
        """Begin to stop the engine and all background work, and return at once: `finish` waits for it."""
        self.opener.forget()
        self.devices.close()
        self.player.close()
        self._put_away()

    def finish(self) -> str:
        """Wait, after `close`, for the end of the engine; return what it could not complete, empty if nothing."""
        return self.player.finish()

    def _take_song(self, waveform: Waveform) -> None:
        self._put_away()
        self.waveform, self.live = waveform, False
        self._remembered.add_recent(waveform.path)

    def _put_away(self) -> None:
        if self.waveform is not None:
            with suppress(AudioFileError):
                self.waveform.close()
            self.waveform = None

    def _settings(self) -> EngineSettings | None:
        song = self.song
        if song is None and not self.live:
            return None
        source = DEVICE_PREFIX + self.input if song is None else str(song)
        karaoke = self.player.karaoke
        return EngineSettings(
            source,
            DEVICE_PREFIX + self.output,
            model=self.model_file,
            reconnect=True,
            song=not self.live,
            stem_levels=True,
            microphone=DEVICE_PREFIX + karaoke.device if karaoke.device else None,
            microphone_channels=karaoke.channels if karaoke.device else None,
            outputs=self.routing.outputs,
            **self._remembered.engine(),
        )
