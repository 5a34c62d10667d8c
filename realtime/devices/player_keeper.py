"""Take the streams of other programs into a sink of our own, and give them back: the process that does it.

It is a process of its own so that the program may be killed: the pipe between the two closes then, and all is undone.
Were this process killed too, the next start finds the sink without a keeper, and undoes it then.
"""

import os
import signal
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from stemlive.errors import DeviceError, StemliveError
from stemlive.realtime.devices.sound_server import OURS, connect, player_name, players, server_errors

SINK = "stemlive"
"""The sound server's name of our sink."""
KEEPER = "stemlive keeper"
"""Name of the connection that holds the sink: one that nobody of this name holds is left over from a crash."""
_BEFORE = "stemlive.before"
"""Property of our sink: the name of the sink to which its players go back."""
_RATE_HZ = 44100
"""What the models work at."""
_LOOK_S = 0.1
_SETTLED_S = 1.0
"""PipeWire says yes to every move, and does it or not."""
_OTHER_GONE_S = 2.0
_RETRY_S = 1.0


class _GoneError(StemliveError):
    """The sink or the sound server is gone."""


class PlayerKeeper:
    """Our sink and the players in it. DeviceError and `_GoneError`; pulsectl's errors stay inside."""

    def __init__(self, app: str) -> None:
        """Connect, undo what a killed run left, and make the sink. `app` is a part of a program's name, or empty."""
        self._app = app.lower()
        self._homes: dict[int, str] = {}
        """Names of the sinks where the players were that have been taken."""
        self._seen: set[int] = set()
        self._moved_s: dict[int, float] = {}
        self._news: list[tuple[bool, str]] = []
        self._pulse = connect(KEEPER)
        try:
            self._wait_for_other()
            left = undo_left_over(self._pulse)  # its players may be on their way still
            self.before = left if left in [sink.name for sink in self._pulse.sink_list()] else self._target()
            self._module = self._make_sink()
        except BaseException as error:
            self._pulse.close()
            if isinstance(error, server_errors()):
                raise DeviceError(f"the sound server does not let stemlive make a sink: {error}") from error
            raise
        self._changed = True
        """Whether something has changed on the server since players were looked for."""
        self._pulse.event_callback_set(self._note)
        self._pulse.event_mask_set("sink", "sink_input")

    def wait(self, seconds: float) -> None:
        """Return when something has changed on the server, after `seconds` at most."""
        try:
            self._pulse.event_listen(seconds)
            self._changed = self._changed or bool(self._moved_s)
        except server_errors() as error:
            raise _GoneError("the sound server has gone") from error

    def take(self) -> None:
        """Move the players that are new into our sink, once each: where a user moves them then, they stay."""
        try:
            while self._changed:
                self._changed = False
                self._take()
        except server_errors() as error:
            raise _GoneError("the sound server has gone") from error

    def news(self) -> list[tuple[bool, str]]:
        """Return what is new to tell, each with whether it is trouble."""
        news, self._news = self._news, []
        return news

    def undo(self) -> None:
        """Put all players back where they were, and remove our sink."""
        with suppress(*server_errors()):
            _put_back(self._pulse, self._homes, self.before)
            self._pulse.module_unload(self._module)
        self._pulse.close()

    def _note(self, _: Any) -> None:
        import pulsectl

        self._changed = True
        raise pulsectl.PulseLoopStop

    def _wait_for_other(self) -> None:
        end = time.monotonic() + _OTHER_GONE_S
        while sum(client.name == KEEPER for client in self._pulse.client_list()) > 1:
            if time.monotonic() > end:
                raise DeviceError("another stemlive takes what the computer plays already: end it first")
            time.sleep(_LOOK_S)

    def _target(self) -> str:
        """Name of the sink where most of the players are that will be taken; without players, the default."""
        sinks = {sink.index: str(sink.name) for sink in self._pulse.sink_list()}
        default = str(self._pulse.server_info().default_sink_name)
        used: list[str] = [
            sinks[p.sink] for p in players(self._pulse) if not p.corked and self._wanted(p) and p.sink in sinks
        ]
        return max((default, *used), key=lambda name: (used.count(name), name == default))

    def _make_sink(self) -> int:
        properties = f"device.description={SINK} {_BEFORE}={self.before}"
        arguments = f'sink_name={SINK} rate={_RATE_HZ} channels=2 sink_properties="{properties}"'
        return int(self._pulse.module_load("module-null-sink", arguments))

    def _wanted(self, stream: Any) -> bool:
        keys = ("application.name", "application.process.binary", "application.id")
        return not self._app or any(self._app in stream.proplist.get(key, "").lower() for key in keys)

    def _take(self) -> None:
        sinks = {sink.index: sink.name for sink in self._pulse.sink_list()}
        ours = next((index for index, name in sinks.items() if name == SINK), None)
        if ours is None:
            raise _GoneError(f"another program has removed the sink `{SINK}`, through which players are heard")
        every = self._pulse.sink_input_list()
        self._refuse_echo(every, sinks, ours)
        there = {player.index: player for player in players(self._pulse)}
        for index, player in there.items():
            home = sinks.get(player.sink, self.before)
            if index in self._seen:
                continue
            self._seen.add(index)
            if self._wanted(player):
                self._homes[index] = home if home != SINK else self.before
                if home != SINK:
                    self._move(player, ours)
            elif home == SINK:  # a server remembers where a program has played
                self._move(player, next((i for i, name in sinks.items() if name == self.before), ours))
        self._tell_settled(there, sinks, ours)
        self._seen &= there.keys()
        self._homes = {index: home for index, home in self._homes.items() if index in there}

    def _refuse_echo(self, streams: list[Any], sinks: dict[int, str], ours: int) -> None:
        """Move the engine's own sound out of our sink, where the server puts it when its device is gone."""
        for stream in streams:
            if OURS not in stream.proplist or stream.sink != ours:
                continue
            default = self._pulse.server_info().default_sink_name
            elsewhere = [index for index, name in sinks.items() if index != ours]
            if not elsewhere:
                raise _GoneError("no output is left to play to")
            chosen = next((index for index in elsewhere if sinks[index] in (default, self.before)), elsewhere[0])
            self._pulse.sink_input_move(stream.index, chosen)
            self._news.append((True, f"the output had gone: now played to {sinks[chosen]}"))

    def _move(self, player: Any, sink: int) -> None:
        with suppress(*server_errors()):  # told by `_tell_settled`, unless it has just ended
            self._pulse.sink_input_move(player.index, sink)
        self._moved_s[player.index] = time.monotonic()

    def _tell_settled(self, there: dict[int, Any], sinks: dict[int, str], ours: int) -> None:
        """Tell which of the players that were moved are where they should be, or refuse to be moved."""
        now = time.monotonic()
        for index, moved_s in list(self._moved_s.items()):
            player = there.get(index)
            if player is None or index not in self._homes:
                del self._moved_s[index]
            elif player.sink == ours:
                del self._moved_s[index]
                self._news.append((False, f"{player_name(player)} is heard through stemlive"))
            elif now - moved_s > _SETTLED_S:
                del self._moved_s[index], self._homes[index]
                place = sinks.get(player.sink, "its output")
                self._news.append((True, f"{player_name(player)} cannot be moved: it is heard as it is, on {place}"))


def keep_players(app: str, waits: bool, connection: Connection) -> None:
    """Keep players for the program at the other end of `connection`, until that closes. The child's main function.

    It sends the names of our sink's monitor and of the sink to play to, then tuples of trouble (true or false) and
    text, then the error that ended it. What it receives is the word to begin. With `waits`, a server or sink that goes
    away is waited for.
    """
    _live_on()
    keeper: PlayerKeeper | None = None
    begun = False
    try:
        keeper = PlayerKeeper(app)
        connection.send((f"{SINK}.monitor", keeper.before))
        while True:
            begun = _heard(connection) or begun
            try:
                if keeper is None:
                    keeper = PlayerKeeper(app)
                keeper.wait(_LOOK_S)
                if begun:
                    keeper.take()
                for news in keeper.news():
                    connection.send(news)
            except (DeviceError, _GoneError) as error:
                if not waits:
                    raise
                if keeper is not None:
                    connection.send((True, f"{error}: waiting for it"))
                    keeper.undo()
                    keeper = None
                time.sleep(_RETRY_S)
    except StemliveError as error:
        with suppress(OSError):
            connection.send(DeviceError(str(error)))
    except (EOFError, OSError):
        pass
    finally:
        if keeper is not None:
            keeper.undo()


def _heard(connection: Connection) -> bool:
    """Whether the word to begin has come. EOFError when the program has ended."""
    return connection.poll() and bool(connection.recv())


def _live_on() -> None:
    """Outlive what ends the program: keys and signals to its group, and a mixer's names for its streams."""
    with suppress(OSError):
        os.setsid()
    for name in ("SIGINT", "SIGHUP", "SIGTERM"):
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    for name in [name for name in os.environ if name.startswith("PULSE_PROP")]:
        del os.environ[name]


def undo_left_over(pulse: Any) -> str:
    """Remove a sink of ours that a killed keeper has left, put its players back, and return the name of their sink."""
    before = next((str(sink.proplist.get(_BEFORE, "")) for sink in pulse.sink_list() if sink.name == SINK), "")
    for module in pulse.module_list():
        if module.name == "module-null-sink" and f"sink_name={SINK} " in (module.argument or ""):
            _put_back(pulse, {}, before)
            pulse.module_unload(module.index)
    end = time.monotonic() + _OTHER_GONE_S
    while any(sink.name == SINK for sink in pulse.sink_list()) and time.monotonic() < end:
        time.sleep(0.02)  # PulseAudio unloads when it has answered; until then a new sink would get another name
    return before


def _put_back(pulse: Any, homes: dict[int, str], before: str) -> None:
    """Move what plays to our sink to its home, else to `before`, else to another default; and let it be forgotten."""
    errors = server_errors()
    sinks = {sink.name: sink.index for sink in pulse.sink_list()}
    default = pulse.server_info().default_sink_name
    for stream in pulse.sink_input_list():
        if stream.sink != sinks.get(SINK):
            continue
        names = (homes.get(stream.index, before), before, default)
        home = next((sinks[name] for name in names if name in sinks and name != SINK), None)
        with suppress(*errors):  # it has ended meanwhile
            if home is not None:
                pulse.sink_input_move(stream.index, home)
    with suppress(*errors):  # a server without this memory
        for entry in pulse.stream_restore_list():
            if entry.device == SINK:
                entry.device = None
                pulse.stream_restore_write(entry, mode="replace")
