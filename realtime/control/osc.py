"""Open Sound Control over UDP: every control of the engine has an address, and its value can be queried.

| address | arguments | what it does |
|---|---|---|
| /stemlive/STEM/gain | dB, -inf to 12 | fader of a stem |
| /stemlive/STEM/mute | 1 or 0 | mute |
| /stemlive/STEM/solo | 1 or 0 | solo |
| /stemlive/preset | name | faders and mutes of a preset |
| /stemlive/bypass | 1 or 0 | pass the input through |
| /stemlive/cue/STEM/gain | dB, -inf to 12 | gain of a stem in the cue mix |
| /stemlive/cue/STEM/mute | 1 or 0 | mute it there |
| /stemlive/cue/preset | name | gains and mutes of the cue mix |
| /stemlive/key | -6 to 6 | key change in semitones |
| /stemlive/tempo | 50 to 150 | tempo of a song in percent |
| /stemlive/guide | dB, -inf to 0 | the voice at this gain at least, while nobody sings |
| /stemlive/sync | -1000 to 1000 | how many ms later the output sounds than it says |
| /stemlive/howling-guard | 1 or 0 | turn a microphone down that howls |
| /stemlive/microphone/gain | dB, -inf to 12 | fader of the microphone |
| /stemlive/microphone/reverb | 0 to 1 | its reverberation |
| /stemlive/ping | anything | replies /stemlive/pong with the same arguments |
| /stemlive/state | none | replies with every address above and its value |

`/microphone/gain` and `/microphone/reverb` also work without the prefix, and with the older name `monitor`. Addresses
may contain OSC wildcards. Replies go to the sender's port. -inf is the float or the text "-inf".
"""

import math
import socket
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from stemlive.errors import StemliveError, UsageError
from stemlive.extras import how_to_add
from stemlive.guarded_thread import GuardedThread, in_words
from stemlive.realtime.control.controls import Controls
from stemlive.realtime.shared.heartbeat import LIMIT_S

LOOPBACK = "127.0.0.1"
_PREFIX = "/stemlive"
_PING, _PONG = f"{_PREFIX}/ping", f"{_PREFIX}/pong"
_MOST_STARS = 4
_MICROPHONE = ("microphone", "monitor")
"""The current name, and that of older versions."""
_LARGEST = 65536
_NAP_S = 0.2


def parse_address(text: str, what: str) -> tuple[str, int]:
    """Parse `9000` (on the loopback address) or `HOST:9000` to host and port. UsageError, which says what it is not."""
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or not 0 <= int(port) <= 65535:
        raise UsageError(f"'{text}' is not {what}: write PORT or HOST:PORT, for example 9000 or 0.0.0.0:9000")
    return host.strip("[]") or LOOPBACK, int(port)


class OscControl:
    """Listens on a UDP port, on its own thread, and moves an engine's controls.

    Invalid messages are counted in `bad_messages` and reported through `complain`, once per address. `port` is the
    port it listens on. StemliveError when python-osc is missing or the port cannot be bound.
    """

    def __init__(self, controls: Controls, host: str, port: int, *, complain: Callable[[str], None]) -> None:
        try:
            from pythonosc.dispatcher import Dispatcher
        except ImportError as error:
            raise StemliveError(f"OSC needs the package python-osc: {how_to_add('live')}") from error
        self._controls = controls
        self._complain = complain
        self._named: set[str] = set()
        self.bad_messages = 0
        self._dispatcher: Any = Dispatcher()
        for address, act in self._actions():
            self._dispatcher.map(address, act)
        try:
            family = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0][0]
            self._socket = socket.socket(family, socket.SOCK_DGRAM)
            try:
                self._socket.bind((host, port))
            except OSError:
                self._socket.close()
                raise
        except OSError as error:
            raise StemliveError(f"cannot listen for OSC on {host}:{port}: {error.strerror}") from error
        self._socket.settimeout(_NAP_S)
        self.port = int(self._socket.getsockname()[1])
        self._closing = False
        self._thread = GuardedThread("stemlive osc", self._listen, self._ended)
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._closing = True
        self._thread.end(LIMIT_S)
        self._socket.close()

    def state(self) -> list[tuple[str, Any]]:
        """Return every settable address and its value."""
        controls = self._controls
        state: list[tuple[str, Any]] = []
        for stem, gain_db in controls.gains_db.items():
            state.append((f"{_PREFIX}/{stem}/gain", float(gain_db)))
            state.append((f"{_PREFIX}/{stem}/mute", int(stem in controls.muted)))
            state.append((f"{_PREFIX}/{stem}/solo", int(stem in controls.soloed)))
        for stem, gain_db in controls.cue.gains_db.items():
            state.append((f"{_PREFIX}/cue/{stem}/gain", float(gain_db)))
            state.append((f"{_PREFIX}/cue/{stem}/mute", int(stem in controls.cue.muted)))
        state.append((f"{_PREFIX}/bypass", int(controls.bypass)))
        state.append((f"{_PREFIX}/key", controls.semitones))
        state.append((f"{_PREFIX}/tempo", controls.song.tempo_percent))
        state.append((f"{_PREFIX}/guide", float(controls.guide_db)))
        state.append((f"{_PREFIX}/sync", float(controls.sync_ms)))
        state.append((f"{_PREFIX}/howling-guard", int(controls.howling_guard)))
        for name in _MICROPHONE:
            state.append((f"{_PREFIX}/{name}/gain", float(controls.microphone_gain_db)))
            state.append((f"{_PREFIX}/{name}/reverb", float(controls.microphone_reverb)))
        return state

    def _actions(self) -> Iterable[tuple[str, Callable[..., None]]]:
        controls = self._controls
        for stem in controls.stems:
            yield f"{_PREFIX}/{stem}/gain", lambda _, v, stem=stem: controls.set_gain_db(stem, _decibels(v))
            yield f"{_PREFIX}/{stem}/mute", lambda _, v, stem=stem: controls.mute(stem, _switch(v))
            yield f"{_PREFIX}/{stem}/solo", lambda _, v, stem=stem: controls.solo(stem, _switch(v))
            yield f"{_PREFIX}/cue/{stem}/gain", lambda _, v, stem=stem: controls.cue.set_gain_db(stem, _decibels(v))
            yield f"{_PREFIX}/cue/{stem}/mute", lambda _, v, stem=stem: controls.cue.mute(stem, _switch(v))
        yield f"{_PREFIX}/preset", lambda _, name: controls.apply_preset(str(name))
        yield f"{_PREFIX}/cue/preset", lambda _, name: controls.cue.apply_preset(str(name))
        yield f"{_PREFIX}/bypass", lambda _, v: controls.set_bypass(_switch(v))
        yield f"{_PREFIX}/guide", lambda _, v: controls.set_guide_db(_decibels(v))
        yield f"{_PREFIX}/sync", lambda _, v: controls.set_sync_ms(float(v))
        yield f"{_PREFIX}/howling-guard", lambda _, v: controls.set_howling_guard(_switch(v))
        yield f"{_PREFIX}/key", lambda _, v: controls.set_semitones(_whole(v))
        yield f"{_PREFIX}/tempo", lambda _, v: controls.song.set_tempo_percent(float(v))
        for microphone in (f"{prefix}/{name}" for prefix in (_PREFIX, "") for name in _MICROPHONE):
            yield f"{microphone}/gain", lambda _, v: controls.set_microphone_gain_db(_decibels(v))
            yield f"{microphone}/reverb", lambda _, v: controls.set_microphone_reverb(float(v))

    def _listen(self) -> None:
        while not self._closing:
            try:
                data, sender = self._socket.recvfrom(_LARGEST)
            except TimeoutError:
                continue
            except OSError:  # on some systems, a reply to a closed port comes back as an error
                continue
            self._receive(data, sender)

    def _ended(self, problem: str) -> None:
        self._complain(f"OSC has ended: {problem}")

    def _receive(self, data: bytes, sender: Any) -> None:
        from pythonosc.osc_packet import OscPacket

        try:
            messages = [timed.message for timed in OscPacket(data).messages]
        except Exception:  # any datagram may arrive, and the parser raises all kinds of errors
            self._bad("", "a datagram that is not OSC")
            return
        for message in messages:
            try:
                self._obey(message, sender)
            except Exception as error:
                self._bad("", f"a message that could not be obeyed: {in_words(error)}")

    def _obey(self, message: Any, sender: Any) -> None:
        address, values = str(message.address), list(message.params)
        if address == _PING:
            # Copy the arguments byte by byte, whatever their types: both addresses have the same length.
            self._send(message.dgram.replace(_PING.encode(), _PONG.encode(), 1), sender)
            return
        if address == f"{_PREFIX}/state":
            self._answer(sender, self.state())
            return
        if address.count("*") > _MOST_STARS:  # matching a pattern with many of them takes exponential time
            self._bad(address, f"{address[:80]}: too many wildcards")
            return
        handlers = list(self._dispatcher.handlers_for_address(address))
        if not handlers:
            self._bad(address, f"{address}: there is no such address")
        for handler in handlers:
            try:
                handler.callback(address, *values)
            except StemliveError as error:
                self._bad(address, f"{address}: {error}")
            except (TypeError, ValueError):
                shown = " ".join(str(value) for value in values)
                self._bad(address, f"{address} cannot take '{shown}'")
                break

    def _bad(self, address: str, text: str) -> None:
        self.bad_messages += 1
        if address not in self._named and len(self._named) < 100:
            self._named.add(address)
            self._complain(f"OSC: {text}")

    def _answer(self, sender: Any, messages: list[tuple[str, Any]]) -> None:
        from pythonosc.osc_message_builder import OscMessageBuilder

        for address, value in messages:
            builder = OscMessageBuilder(address)
            builder.add_arg(value)
            self._send(builder.build().dgram, sender)

    def _send(self, data: bytes, receiver: Any) -> None:
        with suppress(OSError):  # the sender is gone
            self._socket.sendto(data, receiver)


def _decibels(value: Any) -> float:
    number = float(value)
    if math.isnan(number):
        raise ValueError(value)
    return number


def _whole(value: Any) -> int:
    number = float(value)
    if not number.is_integer():
        raise ValueError(value)
    return int(number)


def _switch(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    number = float(value)
    if number not in (0.0, 1.0):
        raise ValueError(value)
    return number == 1.0
