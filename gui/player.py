"""The engine's life as the window sees it: opened, changed and closed in a thread, so that nothing ever waits."""

import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import Enum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from stemlive.errors import DeviceError, StemliveError
from stemlive.gui.karaoke import Karaoke
from stemlive.gui.mix import Mix
from stemlive.realtime.control.controls import Controls
from stemlive.realtime.engine.engine import LiveEngine
from stemlive.realtime.recording.tap import Tap
from stemlive.realtime.shared.settings import EngineSettings
from stemlive.realtime.shared.snapshot import Snapshot, State

_JUMP_S = 0.3


class MakeEngine(Protocol):
    """Builds an engine; may take seconds, and fail. `EngineProcess` is one."""

    def __call__(self, settings: EngineSettings, /, *, taps: tuple[Tap, ...]) -> LiveEngine:
        """Return it, not started."""
        ...


class Phase(Enum):
    """What the window has to say about the engine."""

    IDLE = "idle"
    OPENING = "opening"
    LIVE = "live"
    WAITING = "waiting"
    """A device has gone, and is waited for."""
    MISSING = "no device"
    """A device could not be opened; trying again is up to the user."""
    FAILED = "failed"


@dataclass
class Song:
    """What the user wants of the open song; kept over engines, each of which is told."""

    playing: bool = False
    position_s: float = 0.0
    loop: tuple[float, float] | None = None


class Player:
    """Opens one engine after another. All methods are for the window's thread; `poll` is to be called often.

    `make` is called in a thread of the player. `taps` and `karaoke` are what the next engine is given.
    """

    def __init__(self, make: MakeEngine) -> None:
        self._make = make
        self._opener = ThreadPoolExecutor(1, thread_name_prefix="stemlive opener")
        self._job: Future[LiveEngine] | None = None
        self._next: tuple[EngineSettings, Mix] | None = None
        self._engine: LiveEngine | None = None
        self._columns = 0
        self.settings: EngineSettings | None = None
        self.taps: tuple[Tap, ...] = ()
        self.karaoke = Karaoke()
        self.song = Song()
        self._sought_s = self._jumping_until = 0.0
        self.phase = Phase.IDLE
        self.message = ""
        self.now: Snapshot | None = None
        """The newest moment of the engine, if there is one."""

    @property
    def controls(self) -> Controls | None:
        """The running engine's."""
        return None if self._engine is None else self._engine.controls

    @property
    def is_song(self) -> bool:
        """Whether a song is open, rather than a device."""
        return self.settings is not None and self.settings.song

    @property
    def plays(self) -> bool:
        """Whether the song is on its way, as far as the user is concerned."""
        ended = self.now is not None and self.now.song_ended
        return self.phase in (Phase.OPENING, Phase.LIVE) and self.song.playing and not ended

    def open(self, settings: EngineSettings, mix: Mix) -> None:
        """Play with these settings, with this mix from the first sample; what runs is closed first.

        The same song goes on where it is, any other begins at its start.
        """
        if self.settings is None or settings.source != self.settings.source:
            self.song = Song(playing=self.song.playing)
        self.settings = settings
        self._next = (settings, mix)
        self.phase, self.message = Phase.OPENING, ""
        self._begin_next()

    def poll(self) -> bool:
        """Look what has become of the engine; return whether its controls are others than before."""
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
        """Go on, or pause; at the end, from the start."""
        if on and self.now is not None and self.now.song_ended:
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
    def goal_s(self) -> float:
        """Where the song is, or is about to be: a jump is heard a moment after it was wished for."""
        return self._sought_s if time.monotonic() < self._jumping_until else self.song.position_s

    def set_loop(self, part: tuple[float, float] | None) -> None:
        """Repeat a part, or nothing. UsageError when it is too short."""
        if self.controls is not None:
            self.controls.song.set_loop(part)
        self.song.loop = part

    def close(self) -> None:
        """End the engine and the thread; what it could not complete is in `message`."""
        self._next = None
        if self._job is not None:
            with suppress(Exception):  # the window closes in any case
                self._engine = self._job.result()
            self._job = None
        engine, self._engine = self._engine, None
        if engine is not None:
            self._opener.submit(self._stop, engine).result()
        self._opener.shutdown()
        self.phase = Phase.IDLE

    def _begin_next(self) -> None:
        if self._job is not None or self._next is None:
            return
        (settings, mix), self._next = self._next, None
        old, self._engine, self.now = self._engine, None, None
        self._columns = 0
        self._job = self._opener.submit(self._change, old, settings, self.taps, mix, self.karaoke, replace(self.song))

    def _change(
        self,
        old: LiveEngine | None,
        settings: EngineSettings,
        taps: tuple[Tap, ...],
        mix: Mix,
        karaoke: Karaoke,
        song: Song,
    ) -> LiveEngine:
        """In the player's thread: end one engine and start the next."""
        if old is not None:
            self._stop(old)
        engine = self._make(settings, taps=taps)
        try:
            mix.for_stems(engine.controls.stems).write_to(engine.controls)
            karaoke.write_to(engine.controls)
            if settings.song:
                engine.controls.song.seek(song.position_s)
                engine.controls.song.set_loop(song.loop)
                engine.controls.song.play(song.playing)
            engine.start()
        except BaseException:
            self._stop(engine)
            raise
        return engine

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
            if self.is_song:  # what was wished for while it opened
                self._engine.controls.song.play(self.song.playing)
        return self._engine is not None

    def _look(self, engine: LiveEngine) -> None:
        now = self.now = engine.snapshot()
        if self.is_song and now.state == State.RUNNING:
            self.song.position_s = now.song_s
        if now.state == State.RUNNING:
            self.phase, self.message = Phase.LIVE, ""
        elif now.state == State.RECONNECTING:
            self.phase, self.message = Phase.WAITING, now.message
        elif now.state == State.DEVICE_LOST:
            self.phase, self.message = Phase.MISSING, now.message
        elif now.state == State.FAILED:
            self.phase, self.message = Phase.FAILED, now.message
