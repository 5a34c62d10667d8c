"""The life cycle of the engine: opened, replaced and closed on a thread, so that the window never waits."""

import time
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from stemlive.errors import DeviceError, StemliveError
from stemlive.gui.karaoke import Karaoke
from stemlive.gui.mix import Desk
from stemlive.gui.practice import Practice
from stemlive.gui.song_state import SongState
from stemlive.realtime.control.controls import Controls
from stemlive.realtime.engine.engine import LiveEngine
from stemlive.realtime.recording.tap import Tap
from stemlive.realtime.shared.heartbeat import LIMIT_S
from stemlive.realtime.shared.limited import JobThread
from stemlive.realtime.shared.settings import EngineSettings
from stemlive.realtime.shared.snapshot import Snapshot, State

_JUMP_S = 0.3


class MakeEngine(Protocol):
    """Creates an engine; may take seconds, and may fail. `EngineProcess` is one."""

    def __call__(self, settings: EngineSettings, /, *, taps: tuple[Tap, ...]) -> LiveEngine:
        """Return the engine, not started."""
        ...


class Phase(Enum):
    """The engine's phase, as the window shows it."""

    IDLE = "idle"
    OPENING = "opening"
    LIVE = "live"
    WAITING = "waiting"
    """Waiting for a lost device."""
    MISSING = "no device"
    """A device could not be opened; the user may try again."""
    FAILED = "failed"


class Player:
    """Opens one engine after another. Call its methods on the window's thread, and `poll` often.

    `make` runs on a thread of the player. `taps`, `karaoke` and `sync_ms` are passed to the next engine.
    """

    def __init__(self, make: MakeEngine) -> None:
        self._make = make
        self._opener = JobThread("stemlive opener")
        self._ending: Future[None] | None = None
        self._job: Future[LiveEngine] | None = None
        self._next: tuple[EngineSettings, Desk] | None = None
        self._engine: LiveEngine | None = None
        self._columns = 0
        self.settings: EngineSettings | None = None
        self.taps: tuple[Tap, ...] = ()
        self.karaoke = Karaoke()
        self.practice = Practice()
        self.sync_ms = 0.0
        self.song = SongState()
        self._sought_s = self._jumping_until = 0.0
        self.phase = Phase.IDLE
        self.message = ""
        self.now: Snapshot | None = None
        """The engine's latest snapshot, if there is an engine."""

    @property
    def engine(self) -> LiveEngine | None:
        """The running engine, if there is one."""
        return self._engine

    @property
    def controls(self) -> Controls | None:
        """The controls of the running engine, if there is one."""
        return None if self._engine is None else self._engine.controls

    @property
    def is_song(self) -> bool:
        """Whether a song is open, rather than a device."""
        return self.settings is not None and self.settings.song

    @property
    def plays(self) -> bool:
        """Whether the song plays, or is about to, from the user's point of view."""
        return self.phase in (Phase.OPENING, Phase.LIVE) and self.song.playing and not self._ended

    def open(self, settings: EngineSettings, desk: Desk) -> None:
        """Replace the engine by one with these settings, with this mix and cue from the first sample on.

        A song begins, or goes on, as `song` says.
        """
        self.settings = settings
        self._next = (settings, desk)
        self.phase, self.message = Phase.OPENING, ""
        self._begin_next()

    def poll(self) -> bool:
        """Update the phase and the snapshot; return whether `controls` has changed."""
        changed = False
        if self._job is not None and self._job.done():
            job, self._job = self._job, None
            changed = self._take(job)
            self._begin_next()
        if self._engine is not None:
            self._look(self._engine)
        return changed

    def columns(self) -> NDArray[np.uint8]:
        """Return the spectrogram columns since the last call, as `EngineMemory.columns_since`."""
        if self._engine is None:
            return np.zeros((0, 2, 1), np.uint8)
        self._columns, columns = self._engine.columns(self._columns)
        return columns

    def play(self, on: bool) -> None:
        """Play or pause; at the end of the song, play from the start."""
        if on and self._ended:
            self.seek(0.0)
        self.song.playing = on
        if self.controls is not None:
            self.controls.song.play(on)

    def seek(self, position_s: float) -> None:
        """Jump within the song."""
        self.song.position_s = self._sought_s = position_s
        self._jumping_until = time.monotonic() + _JUMP_S
        if self.controls is not None:
            self.controls.song.seek(position_s)

    @property
    def heard_s(self) -> float:
        """The position in the song of what is heard now, to a few milliseconds; `song.position_s` is what was told."""
        if self.now is None or self.phase != Phase.LIVE or not self.is_song:
            return self.song.position_s
        return self.now.heard_s(time.monotonic())

    @property
    def count_in(self) -> tuple[int, int]:
        """The beat of the count-in that is heard, 0 for none, and how many there are."""
        if self.now is None or self.controls is None or not self.plays or not self.is_song:
            return 0, 0
        return self.now.song_beat, max(self.now.song_beat, self.controls.song.count_in[0])

    @property
    def goal_s(self) -> float:
        """The position in the song, or the target of a seek that is not heard yet."""
        return self._sought_s if time.monotonic() < self._jumping_until else self.song.position_s

    def switch(self, source: Path) -> bool:
        """Take another song for the one that is open, whose engine goes on; return whether there is such an engine."""
        if self.settings is None or self.controls is None or not self.is_song or self.phase != Phase.LIVE:
            return False
        self.settings = replace(self.settings, source=str(source))
        self.song = replace(self.song, position_s=0.0, loop=None)
        return True

    @property
    def source(self) -> Path | None:
        """The song that the engine was opened with; None if there is none."""
        return Path(self._engine.settings.source) if self._engine is not None and self.is_song else None

    def set_loop(self, part: tuple[float, float] | None) -> None:
        """Loop a part, or stop looping with None. UsageError when it is too short."""
        if self.controls is not None:
            self.controls.song.set_loop(part)
        self.song.loop = part

    def set_tempo(self, percent: float) -> None:
        """Play the song slower or faster. UsageError and StemliveError as in `Transport.set_tempo_percent`."""
        if self.controls is not None:
            self.controls.song.set_tempo_percent(percent)
        self.song.tempo_percent = percent

    def set_practice(self, practice: Practice) -> None:
        """Set rounds and count-in. UsageError and StemliveError as in `Practice.write_to`."""
        if self.controls is not None:
            practice.write_to(self.controls.song)
        self.practice = practice

    def close(self) -> None:
        """Let the engine stop, and return at once: `finish` waits for it."""
        self._next = None
        self.phase, self.message = Phase.IDLE, ""
        engine, self._engine = self._engine, None
        self._ending = self._opener.submit(partial(self._end, self._job, engine))
        self._opener.close()

    def finish(self) -> str:
        """Wait, after `close`, for the end of the engine; return what it could not complete, empty if nothing.

        What plays has time for its files. What is still being opened has none, and ends with the program at the latest.
        """
        if self._ending is not None:
            with suppress(TimeoutError):
                self._ending.result(LIMIT_S if self._job is not None else None)
        return self.message

    @property
    def _ended(self) -> bool:
        now = self.now
        return now is not None and now.song_ended and now.song_number in (0, self.song.number)

    def _begin_next(self) -> None:
        if self._job is not None or self._next is None:
            return
        (settings, desk), self._next = self._next, None
        old, self._engine, self.now = self._engine, None, None
        self._columns = 0
        change = partial(self._change, old, settings, self.taps, desk, self.karaoke, replace(self.song))
        self._job = self._opener.submit(change)

    def _change(
        self,
        old: LiveEngine | None,
        settings: EngineSettings,
        taps: tuple[Tap, ...],
        desk: Desk,
        karaoke: Karaoke,
        song: SongState,
    ) -> LiveEngine:
        """Stop one engine and start the next. Runs on the player's thread."""
        if old is not None:
            self._stop(old)
        engine = self._make(settings, taps=taps)
        stems = engine.controls.stems
        if (outputs := settings.outputs.for_stems(stems)) != settings.outputs:  # of a model with other stems
            self._stop(engine)
            engine = self._make(replace(settings, outputs=outputs), taps=taps)
        try:
            desk.for_stems(stems).write_to(engine.controls)
            karaoke.write_to(engine.controls)
            engine.controls.set_sync_ms(self.sync_ms)
            self.practice.write_to(engine.controls.song)
            if settings.song:
                song.begin(engine.controls.song, Path(settings.source))
            if self._ending is None:  # not closed meanwhile
                engine.start()
        except BaseException:
            self._stop(engine)
            raise
        return engine

    def _end(self, job: "Future[LiveEngine] | None", engine: LiveEngine | None) -> None:
        """Stop the engine that runs, or that was opened just now. Runs on the player's thread."""
        if job is not None and job.exception() is None:
            engine = job.result()
        if engine is not None:
            self._stop(engine)

    def _stop(self, engine: LiveEngine) -> None:
        try:
            engine.stop()
        except StemliveError as error:
            self.message = str(error)

    def _take(self, job: Future[LiveEngine]) -> bool:
        try:
            self._engine = job.result()
        except DeviceError as error:
            self.phase, self.message = Phase.MISSING, str(error)
        except StemliveError as error:
            self.phase, self.message = Phase.FAILED, str(error)
        except Exception as error:
            self.phase, self.message = Phase.FAILED, f"the engine could not be started: {type(error).__name__}"
            raise  # for the log
        else:
            self.phase = Phase.LIVE
            self.karaoke.write_to(self._engine.controls)
            self._engine.controls.set_sync_ms(self.sync_ms)
            self.practice.write_to(self._engine.controls.song)
            if self.is_song:  # requested while it opened
                self.song.go_on(self._engine.controls.song)
        return self._engine is not None

    def _look(self, engine: LiveEngine) -> None:
        now = self.now = engine.snapshot()
        if self.is_song and now.state == State.RUNNING and now.song_number in (0, self.song.number):
            self.song.position_s = now.song_s
            self.song.playing = engine.controls.song.playing  # a remote may have paused it
            self.song.tempo_percent = engine.controls.song.tempo_percent
        if now.state == State.RUNNING:
            self.phase, self.message = Phase.LIVE, ""
        elif now.state == State.RECONNECTING:
            self.phase, self.message = Phase.WAITING, now.message
        elif now.state == State.DEVICE_LOST:
            self.phase, self.message = Phase.MISSING, now.message
        elif now.state == State.FAILED:
            self.phase, self.message = Phase.FAILED, now.message
