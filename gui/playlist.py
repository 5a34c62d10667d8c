"""The queue of the window: filled, shown, played one song after another, and remembered."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from PyQt6.QtCore import QObject, pyqtSignal

from stemlive.errors import AudioFileError, StemliveError
from stemlive.gui.file_names import shown
from stemlive.gui.player import Phase
from stemlive.gui.queue_panel import QueuePanel
from stemlive.gui.remembered import Remembered
from stemlive.gui.rig import Rig
from stemlive.gui.scale import write_time
from stemlive.gui.theme import Theme
from stemlive.media_session import MediaSession
from stemlive.realtime.control.conductor import Conductor
from stemlive.realtime.control.controls import Controls
from stemlive.realtime.control.loudness import LoudnessMeter, check_loudness
from stemlive.realtime.control.song_queue import QueuedSong
from stemlive.song_list import songs_of


class Playlist(QObject):
    """Lets the engine and the window follow the rig's queue, whoever changes it. Call `attend` for every frame.

    Signals: `changed` after a change of the queue, from any thread; `shown` whether the panel is; `news` and `problem`
    with a line to show.
    """

    changed = pyqtSignal()
    shown = pyqtSignal(bool)
    news = pyqtSignal(str)
    problem = pyqtSignal(str)
    window_wanted = pyqtSignal(bool)
    """By the desktop: to the front, or with false to close."""

    def __init__(self, rig: Rig, remembered: Remembered) -> None:
        super().__init__()
        self._rig, self._remembered = rig, remembered
        self.queue = rig.queue
        self.queue.set_autoplay(remembered.autoplay)
        self._meter = LoudnessMeter()
        self.conductor = Conductor(self.queue, self._gain)
        self.panel = QueuePanel()
        self.panel.setVisible(False)
        self.panel.show_queue(self.queue)
        self._attached: Controls | None = None
        self._on: QueuedSong | None = None
        self._media = MediaSession(raises=True)
        self._stop_listening = self.queue.listen(self.changed.emit)
        self.changed.connect(self._show)
        songs = self.panel.songs
        songs.chosen.connect(self.go)
        songs.moved.connect(self.queue.move)
        songs.removed.connect(self.queue.remove)
        songs.filled.connect(self.add)
        self.panel.shut.clicked.connect(self.switch)
        self.panel.autoplay.clicked.connect(self._set_autoplay)
        self.panel.loudness.setChecked(remembered.match_loudness)
        self.panel.loudness.clicked.connect(self._set_loudness)

    def take(self, paths: Sequence[Path]) -> None:
        """Take what was dropped on the window: one song is opened, several join the queue."""
        if len(paths) == 1 and not paths[0].is_dir() and len(self.queue.songs) < 2 and not _is_list(paths[0]):
            self._rig.open_song(paths[0])
        else:
            self.add(paths)

    def add(self, paths: Sequence[Path], at: int | None = None) -> None:
        """Add songs, folders and lists to the queue; if nothing is open, the first one is played."""
        try:
            found = songs_of([path.absolute() for path in paths])
        except StemliveError as error:
            self.problem.emit(str(error))
            return
        songs = [song.path for song in found if not song.problem]
        for song in found:
            if song.problem:
                self.problem.emit(song.problem)
        begins = self._rig.song is None and not self._rig.live
        if begins:
            self.queue.clear()  # what was never opened
        self.queue.add(songs, None if begins else at)
        if len(self.queue.songs) > 1:
            self._show_panel(True)
        if songs:
            self.news.emit(f"{len(songs)} songs in the queue" if len(songs) > 1 else "One more song in the queue")
        if begins and songs:
            self.go(0)

    def go(self, place: int) -> None:
        """Play the song at this place, from its start."""
        self._rig.player.song.playing = True
        if self._rig.live or self._rig.song is None or self._rig.player.phase in (Phase.MISSING, Phase.FAILED):
            self._on = None
        self.conductor.go(place)
        self.attend()

    def next(self) -> None:
        """Play the following song."""
        if self.queue.next():
            self.attend()

    def previous(self) -> None:
        """Play the song before, or this one from its start."""
        before = self.queue.song
        self.conductor.previous(self._rig.player.song.position_s)
        if self.queue.song is before:
            self._rig.player.song.position_s = 0.0
        self.attend()

    def attend(self) -> None:
        """Let the engine and the window follow the queue."""
        rig, player = self._rig, self._rig.player
        self._show_song()
        if player.controls is not self._attached:
            self._attached = player.controls
            self._attach(player.controls)
        if self._attached is not None and player.now is not None and player.is_song and player.phase == Phase.LIVE:
            for problem in self.conductor.attend(player.now):
                self.problem.emit(problem)
            player.song.number = self.conductor.number
            self._show_song()
        if self.queue.song is None and rig.song is not None and player.song.playing:
            player.play(False)
        self._serve_desktop()

    def _serve_desktop(self) -> None:
        """Do what the desktop's media keys want, and show it what plays."""
        rig, player = self._rig, self._rig.player
        for request in self._media.requests():
            if request.act in ("play", "pause", "play-pause"):
                rig.play(request.act == "play" or (request.act == "play-pause" and not player.plays))
            elif request.act == "stop":
                rig.play(False)
                rig.seek(0.0)
            elif request.act in ("next", "previous"):
                (self.next if request.act == "next" else self.previous)()
            elif request.act in ("seek", "go-to"):
                rig.seek(request.value_s + (player.goal_s if request.act == "seek" else 0.0))
            else:
                self.window_wanted.emit(request.act == "raise")
        self._media.show(
            self.queue.song if rig.song is not None else None,
            plays=player.plays,
            position_s=player.goal_s,
            length_s=rig.waveform.length_s if rig.waveform is not None else 0.0,
            has_next=self.queue.following is not None,
        )

    def switch(self) -> None:
        """Show the panel, or hide it."""
        self._show_panel(self.panel.isHidden())

    def show_theme(self, theme: Theme) -> None:
        """Apply a theme."""
        self.panel.show_theme(theme, self.queue)

    @property
    def offer(self) -> str:
        """What to say of the queue of the last time; empty if there is none."""
        songs, place, position_s = self._remembered.session
        if not songs:
            return ""
        name = shown(Path(songs[place].name))
        where = f", {place + 1} of {len(songs)}" if len(songs) > 1 else ""
        return f"Go on with {name}{where}, at {write_time(position_s)}"

    def resume(self) -> None:
        """Open the queue of the last time, where it was."""
        songs, place, position_s = self._remembered.session
        self.queue.clear()
        self.queue.add(songs)
        if songs:
            self.queue.go(place)
            self._show_panel(len(songs) > 1)
            self._rig.open_song(songs[place], at_s=position_s)

    def close(self) -> None:
        """Remember the queue, and end."""
        if self.queue.song is not None:
            songs = [song.path for song in self.queue.songs]
            self._remembered.keep_session(songs, self.queue.index, self._rig.player.song.position_s)
        self._stop_listening()
        self.conductor.attach(None)
        self._media.close()
        self._meter.close()

    def _show_song(self) -> None:
        """Open the song that is on, if it is not what the window shows; pass over what cannot be opened."""
        rig = self._rig
        while (song := self.queue.song) is not None and song is not self._on:
            if rig.opener.path == song.path:  # it may have a place to begin at
                return
            begins = self._on is None and (rig.song is None or rig.live)
            self._on = song
            if rig.song == song.path and not begins and rig.player.phase not in (Phase.MISSING, Phase.FAILED):
                rig.opener.forget()
                return
            rig.switch_song(song.path, partial(self._pass_over, song))

    def _pass_over(self, song: QueuedSong, problem: str) -> None:
        """Go on with what follows a song that cannot be opened."""
        self.queue.spoil(song, problem)
        self.problem.emit(problem)
        if self.queue.song is song:
            self.queue.next()

    def _attach(self, controls: Controls | None) -> None:
        source = self._rig.player.source
        if controls is None or source is None:
            self.conductor.attach(None)
            return
        songs = self.queue.songs
        on = self.queue.song
        opened = on if on is not None and on.path == source else next((s for s in songs if s.path == source), None)
        self.conductor.attach(controls.song, 1, opened)

    def _show(self) -> None:
        self.panel.show_queue(self.queue)

    def _show_panel(self, on: bool) -> None:
        self.panel.setVisible(on)
        self.shown.emit(on)

    def _gain(self, path: Path) -> float:
        return self._meter.gain(path) if self.panel.loudness.isChecked() else 1.0

    def _set_loudness(self, on: bool) -> None:
        try:
            if on:
                check_loudness()
        except AudioFileError as error:
            self.problem.emit(str(error))
            self.panel.loudness.setChecked(False)
            return
        self._remembered.match_loudness = on

    def _set_autoplay(self, on: bool) -> None:
        self._remembered.autoplay = on
        self.queue.set_autoplay(on)


def _is_list(path: Path) -> bool:
    return path.suffix.lower() in (".m3u", ".m3u8")
