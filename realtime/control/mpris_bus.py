"""The objects of MPRIS on the bus, with the names and types of its specification."""

import asyncio
import os
from typing import Annotated

from dbus_fast import BusType, NameFlag, RequestNameReply, Variant
from dbus_fast.aio import MessageBus
from dbus_fast.annotations import (
    DBusBool,
    DBusDict,
    DBusDouble,
    DBusInt64,
    DBusObjectPath,
    DBusSignature,
    DBusStr,
)
from dbus_fast.constants import PropertyAccess
from dbus_fast.service import ServiceInterface, dbus_method, dbus_property, dbus_signal

from stemlive.realtime.control.media import Act, Media, Playing, Request

_NAME, _PATH = "org.mpris.MediaPlayer2.stemlive", "/org/mpris/MediaPlayer2"
_NO_TRACK = f"{_PATH}/TrackList/NoTrack"
_US = 1_000_000
_READ = PropertyAccess.READ
Texts = Annotated[list[str], DBusSignature("as")]


class _Root(ServiceInterface):
    """org.mpris.MediaPlayer2: the program."""

    def __init__(self, media: Media) -> None:
        super().__init__("org.mpris.MediaPlayer2")
        self._media = media

    @dbus_method(name="Raise")
    def bring_up(self) -> None:
        """Bring the window to the front."""
        self._media.requests.put(Request("raise"))

    @dbus_method(name="Quit")
    def end(self) -> None:
        """End the program."""
        self._media.requests.put(Request("quit"))

    @dbus_property(_READ, name="CanQuit")
    def can_quit(self) -> DBusBool:
        """Yes."""
        return True

    @dbus_property(_READ, name="CanRaise")
    def can_raise(self) -> DBusBool:
        """Whether there is a window."""
        return self._media.raises

    @dbus_property(_READ, name="HasTrackList")
    def has_track_list(self) -> DBusBool:
        """No."""
        return False

    @dbus_property(_READ, name="Identity")
    def identity(self) -> DBusStr:
        """The name for people."""
        return "stemlive"

    @dbus_property(_READ, name="DesktopEntry")
    def desktop_entry(self) -> DBusStr:
        """The name of its desktop file."""
        return "stemlive"

    @dbus_property(_READ, name="SupportedUriSchemes")
    def schemes(self) -> Texts:
        """None: it is not asked to open anything."""
        return []

    @dbus_property(_READ, name="SupportedMimeTypes")
    def types(self) -> Texts:
        """None."""
        return []


class _Player(ServiceInterface):
    """org.mpris.MediaPlayer2.Player: what plays."""

    def __init__(self, media: Media) -> None:
        super().__init__("org.mpris.MediaPlayer2.Player")
        self._media = media

    def _want(self, act: Act, value_s: float = 0.0) -> None:
        self._media.requests.put(Request(act, value_s))

    @dbus_method(name="Next")
    def next(self) -> None:
        """The next song."""
        self._want("next")

    @dbus_method(name="Previous")
    def previous(self) -> None:
        """The song before."""
        self._want("previous")

    @dbus_method(name="Pause")
    def pause(self) -> None:
        """Pause."""
        self._want("pause")

    @dbus_method(name="PlayPause")
    def play_pause(self) -> None:
        """Pause, or go on."""
        self._want("play-pause")

    @dbus_method(name="Stop")
    def stop(self) -> None:
        """Pause at the start."""
        self._want("stop")

    @dbus_method(name="Play")
    def play(self) -> None:
        """Go on."""
        self._want("play")

    @dbus_method(name="Seek")
    def seek(self, offset: DBusInt64) -> None:
        """Seek by so many microseconds; beyond the end is the next song."""
        to_s = self._media.position_s + offset / _US
        if to_s > self._media.now.length_s and self._media.now.has_next:
            self._want("next")
        else:
            self._want("seek", offset / _US)

    @dbus_method(name="SetPosition")
    def set_position(self, track: DBusObjectPath, position: DBusInt64) -> None:
        """Go to a position in this song; one that is another by now, or has no such position, is left alone."""
        if track == _track(self._media.now) and 0 <= position / _US <= self._media.now.length_s:
            self._want("go-to", position / _US)

    @dbus_method(name="OpenUri")
    def open_uri(self, uri: DBusStr) -> None:
        """Do nothing: no kind of address is offered."""

    @dbus_signal(name="Seeked")
    def seeked(self, position: DBusInt64) -> DBusInt64:
        """Tell that the position has jumped."""
        return position

    @dbus_property(_READ, name="PlaybackStatus")
    def status(self) -> DBusStr:
        """Whether it plays."""
        return _status(self._media.now)

    @dbus_property(_READ, name="Rate")
    def rate(self) -> DBusDouble:
        """Always 1."""
        return 1.0

    @dbus_property(_READ, name="MinimumRate")
    def least_rate(self) -> DBusDouble:
        """Always 1."""
        return 1.0

    @dbus_property(_READ, name="MaximumRate")
    def most_rate(self) -> DBusDouble:
        """Always 1."""
        return 1.0

    @dbus_property(_READ, name="Volume")
    def volume(self) -> DBusDouble:
        """Always 1: the faders are in the program."""
        return 1.0

    @dbus_property(_READ, name="Position")
    def position(self) -> DBusInt64:
        """Where it is, in microseconds."""
        return round(self._media.position_s * _US)

    @dbus_property(_READ, name="Metadata")
    def metadata(self) -> DBusDict:
        """What is on."""
        return _metadata(self._media.now)

    @dbus_property(_READ, name="CanGoNext")
    def can_go_next(self) -> DBusBool:
        """Whether there is a next song."""
        return self._media.now.has_next

    @dbus_property(_READ, name="CanGoPrevious")
    def can_go_previous(self) -> DBusBool:
        """Whether a song is open, which can begin again."""
        return self._media.now.number > 0

    @dbus_property(_READ, name="CanPlay")
    def can_play(self) -> DBusBool:
        """Whether a song is open."""
        return self._media.now.number > 0

    @dbus_property(_READ, name="CanPause")
    def can_pause(self) -> DBusBool:
        """Whether a song is open."""
        return self._media.now.number > 0

    @dbus_property(_READ, name="CanSeek")
    def can_seek(self) -> DBusBool:
        """Whether a song is open."""
        return self._media.now.number > 0

    @dbus_property(_READ, name="CanControl")
    def can_control(self) -> DBusBool:
        """Yes."""
        return True

    def tell(self, before: Playing, now: Playing) -> None:
        """Tell what has changed."""
        changed: dict[str, object] = {}
        if _status(now) != _status(before):
            changed["PlaybackStatus"] = _status(now)
        if _metadata(now) != _metadata(before):
            changed["Metadata"] = _metadata(now)
        if now.has_next != before.has_next:
            changed["CanGoNext"] = now.has_next
        if (now.number > 0) != (before.number > 0):
            changed |= dict.fromkeys(("CanGoPrevious", "CanPlay", "CanPause", "CanSeek"), now.number > 0)
        if changed:
            self.emit_properties_changed(changed)


class Service:
    """The player on the session's bus. For one thread, with an event loop."""

    def __init__(self, media: Media) -> None:
        self._root, self._player = _Root(media), _Player(media)
        self._bus: MessageBus | None = None

    async def begin(self) -> bool:
        """Connect, and take a name; return whether there is a bus."""
        try:
            self._bus = bus = await MessageBus(bus_type=BusType.SESSION).connect()
        except Exception:  # whatever is wrong with the bus, the music plays on
            return False
        bus.export(_PATH, self._root)
        bus.export(_PATH, self._player)
        reply = await bus.request_name(_NAME, NameFlag.DO_NOT_QUEUE)
        if reply not in (RequestNameReply.PRIMARY_OWNER, RequestNameReply.ALREADY_OWNER):
            await bus.request_name(f"{_NAME}.instance{os.getpid()}", NameFlag.DO_NOT_QUEUE)
        return True

    def tell(self, before: Playing, now: Playing, jumped_to_s: float | None) -> None:
        """Tell others what has changed."""
        if self._bus is not None and self._bus.connected:
            self._player.tell(before, now)
            if jumped_to_s is not None:
                self._player.seeked(round(jumped_to_s * _US))

    async def until(self, end: asyncio.Event) -> None:
        """Serve until the end is set or the bus has gone."""
        assert self._bus is not None
        waits = [asyncio.ensure_future(end.wait()), asyncio.ensure_future(self._bus.wait_for_disconnect())]
        done, pending = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in pending:
            wait.cancel()
        await asyncio.gather(*done, *pending, return_exceptions=True)
        if self._bus.connected:
            self._bus.disconnect()


def _status(now: Playing) -> str:
    return "Playing" if now.plays else "Paused" if now.number else "Stopped"


def _track(now: Playing) -> str:
    return f"/stemlive/song/{now.number}" if now.number else _NO_TRACK


def _metadata(now: Playing) -> dict[str, Variant]:
    values = {"mpris:trackid": Variant("o", _track(now))}
    if now.number:
        values["mpris:length"] = Variant("x", round(now.length_s * _US))
        values["xesam:title"] = Variant("s", now.title)
        if now.artists:
            values["xesam:artist"] = Variant("as", list(now.artists))
        if now.path is not None:
            values["xesam:url"] = Variant("s", now.path.absolute().as_uri())
    return values
