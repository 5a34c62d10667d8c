"""The words of the open song: found, shown where they are wanted, and moved in time."""

from pathlib import Path

from PyQt6.QtCore import QObject, Qt, pyqtSignal
from PyQt6.QtGui import QAction
from PyQt6.QtWidgets import QSplitter, QWidget

from stemlive.errors import AudioFileError
from stemlive.gui.remembered import Remembered
from stemlive.gui.rig import Rig
from stemlive.gui.theme import Theme
from stemlive.gui.words_panel import WordsPanel, WordsScreen
from stemlive.gui.words_view import WordsView
from stemlive.realtime.audio_files.words import Words
from stemlive.realtime.audio_files.words_file import KINDS, find_words, read_words

_STEP_S = 0.1
_MOST_S = 60.0
_LEAST_PAGE = 390
_HINT = (
    "There are no words to this song. Put a file of the same name that ends in .lrc or .txt beside it, "
    "drop one here, or open one."
)


class WordsCorner(QObject):
    """The words, their panel and their screen. Signals: `shown` whether the panel is, `apart` whether the screen is."""

    shown = pyqtSignal(bool)
    apart = pyqtSignal(bool)
    problem = pyqtSignal(str)
    """A line to show."""
    news = pyqtSignal(str)

    def __init__(self, rig: Rig, remembered: Remembered) -> None:
        super().__init__()
        self._rig, self._remembered = rig, remembered
        self.panel = WordsPanel()
        self.panel.view.rolled.connect(self._roll_to)
        self.screen: WordsScreen | None = None
        self.words: Words | None = None
        self._song: Path | None = None
        self._later_s = self._roll = 0.0
        self._file: Path | None = None
        self.panel.setVisible(False)

    def beside(self, page: QWidget) -> QSplitter:
        """Return a page with the panel at its side; the border between them can be moved."""
        self._splitter = QSplitter(Qt.Orientation.Horizontal)
        self._splitter.setChildrenCollapsible(False)
        self._splitter.setHandleWidth(5)
        page.setMinimumWidth(_LEAST_PAGE)  # its own is that of the welcome, beside which there are no words
        self._splitter.addWidget(page)
        self._splitter.addWidget(self.panel)
        self._splitter.splitterMoved.connect(self._keep_share)
        return self._splitter

    def follow(self) -> None:
        """Find the words of the song that is open now; called whenever something else may be."""
        song = self._rig.song
        if song == self._song:
            return
        self._song, self._roll = song, 0.0
        self._later_s, self._file = self._remembered.words_of(song) if song is not None else (0.0, None)
        words = None
        try:
            if song is not None:
                chosen = self._file is not None and self._file.is_file()
                words = read_words(self._file) if chosen and self._file is not None else find_words(song)
        except AudioFileError as error:
            self.problem.emit(str(error))
        self._take(words)
        self._show_panel(words is not None and self._remembered.words)

    def take_dropped(self, paths: list[Path]) -> list[Path]:
        """Return what is no file of words; if there are such files alone, take the first for the song that is open."""
        others = [path for path in paths if path.suffix.lower() not in KINDS]
        if paths and not others:
            self.open(paths[0])
        return others

    def open(self, path: Path) -> None:
        """Take a file as the words of the song, now and when it is opened again; emit `problem` if it is none."""
        if self._song is None:
            self.problem.emit("Open a song first, then its words")
            return
        try:
            words = read_words(path)
        except AudioFileError as error:
            self.problem.emit(str(error))
            return
        self._file = path.absolute()
        self._keep()
        self._take(words)
        self._show_panel(True)

    def switch(self) -> None:
        """Show the panel, or hide it, for the next songs as well."""
        self._remembered.words = wanted = not self.panel.isVisibleTo(self._splitter)
        self._show_panel(wanted)

    def move(self, steps: int) -> None:
        """Let the words come later by steps of 0.1 s, or earlier if they are negative; remembered with the song."""
        if self._song is not None and self.words is not None and self.words.timed:
            self._later_s = min(_MOST_S, max(-_MOST_S, round(self._later_s + steps * _STEP_S, 1)))
            self._keep()
            self.panel.show_shift(self._later_s, timed=True)
            self.show_frame()

    def switch_screen(self, window: QWidget, actions: list[QAction]) -> None:
        """Show the words on a screen of their own, or close that."""
        if self.screen is not None:
            self.screen.close()
            return
        self.screen = screen = WordsScreen(actions)
        screen.closed.connect(self._forget_screen)
        screen.view.rolled.connect(self._roll_to)
        screen.view.show_theme(self.panel.view.theme)
        screen.view.show_words(self.words, _HINT)
        self.show_frame()
        screen.show_beside(window)
        self.apart.emit(True)

    def show_frame(self) -> None:
        """Show what is sung at the place that is heard now; called about 25 times a second."""
        self.follow()
        if self.words is None:
            return
        heard_s = self._rig.player.heard_s
        length_s = self._rig.waveform.length_s if self._rig.waveform is not None else 0.0
        place = self.words.at(heard_s - self._later_s)
        share = min(1.0, heard_s / length_s) if length_s else 0.0
        for view in self._views:
            view.show_place(place, share, self._roll)

    def show_theme(self, theme: Theme) -> None:
        """Apply a theme."""
        for view in self._views:
            view.show_theme(theme)

    def close(self) -> None:
        """Close the screen of the words."""
        if self.screen is not None:
            self.screen.close()

    @property
    def _views(self) -> list[WordsView]:
        return [self.panel.view] + ([] if self.screen is None else [self.screen.view])

    def _take(self, words: Words | None) -> None:
        self.words = words
        for view in self._views:
            view.show_words(words, _HINT if self._song is not None else "")
        self.panel.show_shift(self._later_s, timed=words is not None and words.timed)
        self.show_frame()
        if words is not None and words.skipped:
            lines = "1 line" if words.skipped == 1 else f"{words.skipped} lines"
            self.news.emit(f"{lines} of the words could not be understood")

    def _keep(self) -> None:
        if self._song is not None:
            self._remembered.keep_words(self._song, self._later_s, self._file)

    def _roll_to(self, roll: float) -> None:
        self._roll = roll
        self.show_frame()

    def _show_panel(self, on: bool) -> None:
        if on and not self.panel.isVisibleTo(self._splitter):
            width, share = self._splitter.width(), self._remembered.words_share
            self.panel.setVisible(True)
            self._splitter.setSizes([round(width * (1 - share)), round(width * share)])
        self.panel.setVisible(on)
        self.shown.emit(on)

    def _keep_share(self) -> None:
        page, panel = self._splitter.sizes()
        if page and panel:
            self._remembered.words_share = panel / (page + panel)

    def _forget_screen(self) -> None:
        self.screen = None
        self.apart.emit(False)
