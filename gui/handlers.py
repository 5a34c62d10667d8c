"""The function behind each command of the table."""

import math
from collections.abc import Callable
from functools import partial

from PyQt6.QtCore import Qt

from stemlive.errors import StemliveError
from stemlive.gui.dialogs import Dialogs
from stemlive.gui.exports import Exports
from stemlive.gui.notices import Notice
from stemlive.gui.presets import BUILT_IN
from stemlive.gui.tempo import STEP_PERCENT
from stemlive.gui.window_parts import WindowParts

_SEEK_S = 5.0
_NOT_ON_WORDS = ("close-message", "full-screen")
"""Commands whose keys are others on the screen of the words."""
_SHORTCUT = Qt.FocusReason.ShortcutFocusReason


class Handlers:
    """The functions of one window, by the names in `actions.COMMANDS` and `actions.STEM_COMMANDS`."""

    def __init__(self, window: WindowParts, dialogs: Dialogs, exports: Exports) -> None:
        self._window, self._dialogs, self._exports = window, dialogs, exports

    def commands(self) -> dict[str, Callable[[], object]]:
        """Return the commands that need no stem."""
        window = self._window
        rig, model, dialogs = window.rig, window.model, self._dialogs
        handlers: dict[str, Callable[[], object]] = {
            "open": dialogs.open_song,
            "queue-add": dialogs.add_songs,
            "live": self._switch_live,
            "export": self._exports.ask,
            "retry": rig.retry,
            "settings": dialogs.engine_settings,
            "remote": dialogs.remote,
            "quit": window.close,
            "play": lambda: rig.play(not rig.player.plays),
            "stop": self._stop,
            "next": window.playlist.next,
            "previous": window.playlist.previous,
            "queue": window.playlist.switch,
            "back": lambda: rig.seek(rig.player.goal_s - _SEEK_S),
            "forward": lambda: rig.seek(rig.player.goal_s + _SEEK_S),
            "loop-from": lambda: self._loop(begin=True),
            "loop-to": lambda: self._loop(begin=False),
            "loop-off": lambda: rig.set_loop(None),
            "tempo-up": lambda: self._move_tempo(STEP_PERCENT),
            "tempo-down": lambda: self._move_tempo(-STEP_PERCENT),
            "tempo-own": lambda: rig.set_tempo(100.0),
            "practice": dialogs.practice,
            "record": self._switch_record,
            "record-folder": dialogs.choose_record_folder,
            "record-stems": dialogs.choose_record_stems,
            "zoom-in": lambda: window.transport.overview.zoom(1),
            "zoom-out": lambda: window.transport.overview.zoom(-1),
            "zoom-whole": lambda: window.transport.overview.zoom(-math.inf),
            "undo": model.undo_stack.undo,
            "redo": model.undo_stack.redo,
            "preset-save": dialogs.save_preset,
            "bypass": lambda: model.set_bypass(not model.bypass),
            "compare": model.compare,
            "key-up": lambda: self._move_key(1),
            "key-down": lambda: self._move_key(-1),
            "key-own": lambda: rig.set_key(0),
            "focus-mix": lambda: window.mixer.strips[None].fader.setFocus(_SHORTCUT),
            "microphone": self._switch_microphone,
            "cue": lambda: window.show_cue(on=window.cue.isHidden()),
            "stem-outline": window.switch_stem_outline,
            "words-open": dialogs.open_words,
            "words": window.words.switch,
            "words-screen": self._switch_words_screen,
            "words-earlier": lambda: window.words.move(-1),
            "words-later": lambda: window.words.move(1),
            "close-message": window.close_notice,
            "full-screen": lambda: window.setWindowState(window.windowState() ^ Qt.WindowState.WindowFullScreen),
            "keys": dialogs.keys,
            "model": dialogs.model_card,
            "about": dialogs.about,
        }
        for name in BUILT_IN:
            handlers[f"preset-{name}"] = partial(window.attempt, partial(model.preset, name))
        return handlers

    def stem_commands(self) -> dict[str, Callable[[int], object]]:
        """Return the commands for a stem, which take its number from 1 on."""

        def act(what: str, number: int) -> None:
            strip = self._window.mixer.strip(number)
            if strip is not None:
                if what == "focus":
                    strip.fader.setFocus(_SHORTCUT)
                else:
                    getattr(strip, what).click()

        return {name: partial(act, name) for name in ("mute", "solo", "focus")}

    def _switch_live(self) -> None:
        rig = self._window.rig
        if rig.live and rig.waveform is not None:
            rig.open_song(rig.waveform.path, play=False)
        else:
            rig.listen()

    def _switch_microphone(self) -> None:
        window = self._window
        shown = not window.microphone.isVisible()
        window.microphone.setVisible(shown)
        if not shown and window.rig.corner_used:
            window.rig.close_karaoke()

    def _switch_words_screen(self) -> None:
        actions = [action for name, action in self._window.menus.actions.items() if name not in _NOT_ON_WORDS]
        self._window.words.switch_screen(self._window, actions)

    def _move_key(self, by: int) -> None:
        rig = self._window.rig
        rig.set_key(rig.player.karaoke.semitones + by)

    def _move_tempo(self, by: int) -> None:
        rig = self._window.rig
        rig.set_tempo(STEP_PERCENT * round(rig.player.song.tempo_percent / STEP_PERCENT) + by)

    def _switch_record(self) -> None:
        window = self._window
        rig = window.rig
        on = not rig.recorder.status().on
        if on and rig.song is None and not rig.live:
            window.tell(Notice("There is nothing to record: open a song, or listen to an input"))
            return
        try:
            rig.record(on)
        except StemliveError as error:
            window.tell(Notice(str(error), button="Other folder…", press=self._dialogs.choose_record_folder))
        window.show_take()

    def _stop(self) -> None:
        self._window.rig.play(False)
        self._window.rig.seek(0.0)

    def _loop(self, *, begin: bool) -> None:
        rig = self._window.rig
        here, loop = rig.player.song.position_s, rig.player.song.loop
        waveform = rig.waveform
        length_s = waveform.length_s if waveform is not None else 0.0
        if begin:
            rig.set_loop((here, loop[1] if loop is not None and loop[1] > here else length_s))
        else:
            rig.set_loop((loop[0] if loop is not None and loop[0] < here else 0.0, here))
