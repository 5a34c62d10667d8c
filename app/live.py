"""`stemlive stream` with a device at one end or both: run the engine, its remote controls and its reports."""

import gc
import sys
import time
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from typing import TYPE_CHECKING

import click

from stemlive.errors import StemliveError
from stemlive.live_end import raise_the_cause, report
from stemlive.live_events import Event, EventWriter, Moment, changes, levels, song_begins, started
from stemlive.live_options import LiveOptions
from stemlive.live_remotes import Remotes, invitation, open_remotes
from stemlive.options import tell_terms, warn
from stemlive.terminal.desk import Desk
from stemlive.terminal.keyboard import Keyboard, Screen
from stemlive.terminal.keys import help_text, press
from stemlive.terminal.media_keys import serve
from stemlive.terminal.status_line import status_line
from stemlive.terminal.stopping import StopRequest
from stemlive.terminal.words_line import SungWords, words_of

if TYPE_CHECKING:
    from stemlive.media_session import MediaSession
    from stemlive.realtime.control.conductor import Conductor
    from stemlive.realtime.control.controls import Controls
    from stemlive.realtime.control.song_queue import QueuedSong
    from stemlive.realtime.devices.system_audio import SystemAudio
    from stemlive.realtime.engine.engine import LiveEngine
    from stemlive.realtime.recording.recorder import Recorder
    from stemlive.realtime.shared.settings import EngineSettings

_REFRESH_S = 0.05
_NOTE_S = 2.0


def is_live(source: str, target: str) -> bool:
    """Whether one of the ends is a device."""
    return any(end.startswith("device:") for end in (source, target))


def play(
    settings: "EngineSettings",
    set_up: "Callable[[Controls], None]",
    options: LiveOptions,
    *,
    quiet: bool,
    system: "SystemAudio | None" = None,
    conductor: "Conductor | None" = None,
    media: "MediaSession | None" = None,
) -> None:
    """Run an engine until its source ends, `q`, a signal (exit codes 130, 143) or the loss of its device (an error).

    `system` is what takes other programs' streams, once the engine runs, and gives them back before it ends. A
    `conductor` has more songs, and directs the engine since `set_up`; `media` shows them to the desktop.
    """
    from stemlive.realtime.engine.child_process import EngineProcess
    from stemlive.realtime.engine.engine import Engine
    from stemlive.realtime.recording.recorder import Recorder

    words = words_of(settings.source if settings.song else None, options.words, wanted=not options.no_words)
    recorder = None
    if options.record is not None:
        recorder = Recorder(options.record, stems=options.record_stems, extension=options.record_format)
    taps = () if recorder is None else (recorder,)
    # A child process has no standard input.
    here = options.in_process or "-" in (settings.source, settings.target)
    engine: LiveEngine = Engine(settings, taps=taps) if here else EngineProcess(settings, taps=taps)
    stop = StopRequest()
    try:
        with stop:
            try:
                controls = engine.controls
                tell_terms(engine.snapshot().terms)
                set_up(controls)
                _set_up(controls, options)
                if recorder is not None:
                    recorder.start()
                follower = _Follower(engine, recorder, options, settings, words, quiet=quiet, system=system)
                follower.conductor, follower.media = conductor, media
                with ExitStack() as stack:
                    remotes = open_remotes(stack, engine, options, follower.tell, conductor)
                    if here:  # the whole program is there for the sound
                        gc.collect()
                        gc.freeze()
                    engine.start()
                    with Keyboard() as keyboard, system or nullcontext():
                        follower.follow(stop, keyboard, remotes)
            finally:
                engine.stop()
        last = engine.snapshot()
        follower.end()
        report(last, quiet=quiet)
        raise_the_cause(last, system)
    except StemliveError as error:
        # Whoever asks for the end gets it while a device hangs, too; only a file that is not whole is a failure.
        if not (stop.requested and settings.between_devices):
            raise
        warn(str(error))
    if stop.requested:
        click.echo(f"stemlive: stopped after {engine.snapshot().stream_s:.2f} s", err=True)
        raise click.exceptions.Exit(stop.exit_code)
    if recorder is not None and recorder.status().problem:
        raise click.exceptions.Exit(1)  # it was told when it happened


def _set_up(controls: "Controls", options: LiveOptions) -> None:
    controls.set_microphone_gain_db(options.microphone_gain_db)
    controls.set_microphone_reverb(options.microphone_reverb)
    controls.set_guide_db(options.guide_db)
    controls.set_sync_ms(options.sync_ms)
    controls.set_howling_guard(options.howling_guard)


class _Follower:
    """Watches a running engine and reports on the terminal and, with --json, as events."""

    def __init__(
        self,
        engine: "LiveEngine",
        recorder: "Recorder | None",
        options: LiveOptions,
        settings: "EngineSettings",
        words: SungWords | None,
        *,
        quiet: bool,
        system: "SystemAudio | None" = None,
    ) -> None:
        self._system, self._words = system, words
        self.conductor: Conductor | None = None
        self._song: QueuedSong | None = None
        self.media: MediaSession | None = None
        self._engine, self._recorder, self._options = engine, recorder, options
        self._quiet = quiet
        self._microphone = settings.has_microphone
        self._screen = Screen(shown=not quiet and not options.as_json)
        stream = sys.stderr if settings.target == "-" else sys.stdout
        self._events = EventWriter(stream) if options.as_json else None
        self._said: deque[str] = deque()
        self._before = self._now()

    def tell(self, text: str) -> None:
        """Queue a warning to be shown later. Any thread may call this."""
        self._said.append(text)

    def follow(self, stop: StopRequest, keyboard: Keyboard, remotes: Remotes) -> None:
        """Follow the engine until it ends or is asked to stop."""
        engine, screen, midi = self._engine, self._screen, remotes.midi
        if self._system is not None:
            self._system.begin()
        desk = Desk(
            engine.controls,
            self._recorder,
            microphone=self._microphone,
            song_at=(lambda: self._before.engine.song_s) if engine.settings.song else None,
            words=self._words,
            conductor=self.conductor,
            midi=midi,
            learning=self._options.midi_learn,
        )
        if screen.shown and keyboard.available:
            song = "Space pauses, arrows seek, k karaoke, o original. " if engine.settings.song else ""
            screen.say(f"{song}Press ? for the keys, q to quit.")
        elif screen.shown and sys.platform == "win32":
            screen.say("No keys, for standard input is not a console; Ctrl-C ends it.")
        begun = self._now()
        self._emit("started", started(begun.engine) | {"controls": begun.controls})
        if remotes.page is not None:
            screen.say(f"stemlive: {invitation(remotes.page, unicode=screen.shown and screen.unicode)}")
            self._emit("remote", {"url": remotes.page.url, "code": remotes.page.code})
        note, noted_s, learnt_s, offered = "", 0.0, time.monotonic(), ""
        while not (self._ended(desk) or self._system_ended() or stop.requested or desk.quitting):
            time.sleep(_REFRESH_S)
            for key in keyboard.read():
                press(desk, key)
            if desk.helping:
                desk.helping = False
                screen.say(help_text(desk))
            self._compare()
            now = time.monotonic()
            if self._events is not None and now - learnt_s >= self._options.levels_ms / 1000:
                learnt_s = now
                self._emit("levels", levels(self._before.engine))
            if desk.learning and midi is not None and (moved := midi.moved()) and moved != offered:
                screen.say(f"{moved} moved: press the key of what it shall move")
                offered = moved
            if desk.notes:
                note, noted_s = desk.notes[-1], now
                desk.notes.clear()
            said = f"{note}  " if note and now - noted_s < _NOTE_S else ""
            line = status_line(
                self._before.engine,
                engine.controls,
                selected=desk.selected if keyboard.available else None,
                recording=self._before.recording,
                width=screen.width - len(said),
                unicode=screen.unicode,
            )
            screen.draw(said + line, self._sung())
        if screen.shown and not stop.requested:
            # The last status line stays as a summary.
            screen.say(status_line(self._before.engine, engine.controls, width=screen.width, unicode=screen.unicode))
        screen.leave()

    def _sung(self) -> str | None:
        """Return the row of the words, None without; print them if they are plain, and asked for."""
        words, screen = self._words, self._screen
        if words is None:
            return None
        if words.asked:
            words.asked = False
            screen.say(words.page())
        heard_s = self._before.engine.heard_s(time.monotonic())
        return words.row(heard_s, screen.width, screen.encoding) if words.shown and screen.shown else None

    def _ended(self, desk: Desk) -> bool:
        """Let the queue go on, if there is one, and say what is on; return whether nothing more will be played."""
        now, conductor = self._before.engine, self.conductor
        if conductor is None:
            return now.state.ended
        for problem in conductor.attend(now):
            self.tell(problem)
        if self.media is not None:
            serve(desk, self.media, now)
        song = conductor.queue.song
        if song is not None and song is not self._song:
            if self._song is not None:
                self._words = desk.words = words_of(str(song.path), None, wanted=not self._options.no_words)
            self._song = song
            self._show(song_begins(conductor.queue))
        return now.state.ended or conductor.ended(now)

    def _system_ended(self) -> bool:
        """Tell what happens to other programs' streams; return whether they are not taken any more."""
        if self._system is None:
            return False
        for trouble, text in self._system.news():
            if trouble:
                self.tell(text)
            elif not self._quiet:
                self._screen.say(f"stemlive: {text}")
        return bool(self._system.problem)

    def end(self) -> None:
        """Report what ended with the engine."""
        self._compare(ended=True)
        last = self._before.engine
        self._emit("stopped", {"state": last.state.label, "message": last.message} | levels(last))

    def _now(self) -> Moment:
        return Moment.of(self._engine.snapshot(), self._engine.controls, self._recorder)

    def _compare(self, *, ended: bool = False) -> None:
        """Report what has changed since the last call."""
        before = self._before
        self._before = self._now().after(before)
        if self._before.engine.note not in ("", before.engine.note):
            self.tell(self._before.engine.note)
        for event in changes(before, self._before, ended=ended):
            self._show(event)
        while self._said:
            text = self._said.popleft()
            self._emit("warning", {"message": text})
            self._screen.say(f"stemlive: warning: {text}")

    def _show(self, event: Event) -> None:
        self._emit(event.name, event.values)
        if event.text and (event.urgent or not self._quiet):
            self._screen.say(f"stemlive: {event.text}")

    def _emit(self, name: str, values: "dict[str, object]") -> None:
        if self._events is not None:
            self._events.write(name, self._before.engine.stream_s, values)
