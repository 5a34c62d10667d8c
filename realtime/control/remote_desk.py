"""What a remote shows and what it may do: the engine's state as plain values, and commands that are checked."""

import math
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from stemlive.errors import StemliveError, UsageError
from stemlive.realtime.control.conductor import Conductor
from stemlive.realtime.control.controls import Controls
from stemlive.realtime.dsp.key_change import MOST_SEMITONES
from stemlive.realtime.separation.mixer import PRESETS, Mixer
from stemlive.realtime.shared.memory import EngineMemory, decibels
from stemlive.realtime.shared.snapshot import Snapshot

_LARGEST = 1e9
Faders = tuple[dict[str, float], frozenset[str], frozenset[str]]
"""Gains in dB, mutes and solos."""


class RemoteDesk:
    """Moves an engine's controls by commands from a remote, and describes it for one. For the remote's thread.

    `title` is the name of the song, without a path; None without a song. A `conductor` has a queue of songs. Paths,
    devices and messages, which may hold paths, are not part of the description.
    """

    def __init__(
        self,
        controls: Controls,
        snapshot: Callable[[], Snapshot],
        *,
        title: str | None = None,
        conductor: Conductor | None = None,
        microphone: bool = False,
    ) -> None:
        self._controls, self._snapshot = controls, snapshot
        self._title, self._conductor, self._microphone = title, conductor, microphone
        self._presets = dict(_presets(controls.stems))
        self._commands: dict[str, Callable[[dict[str, Any]], object]] = {
            "gain": lambda sent: controls.set_gain_db(_text(sent, "stem"), _decibels(sent)),
            "mute": lambda sent: controls.mute(_text(sent, "stem"), _switch(sent)),
            "solo": lambda sent: controls.solo(_text(sent, "stem"), _switch(sent)),
            "preset": lambda sent: controls.apply_preset(_text(sent, "value")),
            "bypass": lambda sent: controls.set_bypass(_switch(sent)),
            "key by": lambda sent: controls.set_semitones(controls.semitones + _whole(sent)),
        }
        if microphone:
            self._commands |= {
                "microphone gain": lambda sent: controls.set_microphone_gain_db(_decibels(sent)),
                "microphone reverb": lambda sent: controls.set_microphone_reverb(_number(sent)),
            }
        if title is not None:
            self._commands |= {
                "play": lambda sent: controls.song.play(_switch(sent)),
                "seek": lambda sent: controls.song.seek(_number(sent)),
            }
        if conductor is not None:
            self._commands |= {
                "next": lambda sent: conductor.queue.next(),
                "previous": lambda sent: conductor.previous(snapshot().song_s),
                "go": lambda sent: _go(conductor, _whole(sent)),
            }

    def state(self) -> dict[str, Any]:
        """Return everything that a remote shows, ready for JSON; -inf is None."""
        now, controls = self._snapshot(), self._controls
        gains, muted, soloed = controls.gains_db, controls.muted, controls.soloed
        levels = dict(zip(now.stems, now.stem_rms, strict=True))
        state: dict[str, Any] = {
            "state": now.state.label,
            "stems": [
                {
                    "name": stem,
                    "gain": _finite(gains[stem]),
                    "mute": stem in muted,
                    "solo": stem in soloed,
                    "level": _finite(decibels(levels.get(stem, 0.0))),
                }
                for stem in controls.stems
            ],
            "presets": list(self._presets),
            "preset": next((name for name, faders in self._presets.items() if faders == (gains, muted, soloed)), None),
            "bypass": controls.bypass,
            "key": controls.semitones,
            "most_key": MOST_SEMITONES,
            "microphone": None,
            "song": None,
            "queue": None,
        }
        if self._microphone:
            state["microphone"] = {
                "gain": _finite(controls.microphone_gain_db),
                "reverb": controls.microphone_reverb,
                "level": _finite(decibels(now.microphone_rms)),
            }
        title = self._title
        if self._conductor is not None:
            queue = self._conductor.queue
            songs, song = queue.songs, queue.song
            on = songs.index(song) if song in songs else -1
            listed = [{"id": each.number, "title": each.title} for each in songs]
            state["queue"] = {"songs": listed, "index": on}
            title = song.title if song is not None else None
        if title is not None:
            state["song"] = {
                "title": title,
                "playing": controls.song.playing and not now.song_ended,
                "at_s": round(now.song_s, 1),
                "length_s": round(now.song_length_s, 1),
            }
        return state

    def obey(self, sent: Any) -> None:
        """Carry out a command, `{"do": NAME, ...}`. UsageError for what is none, StemliveError if it fails."""
        name = sent.get("do") if isinstance(sent, dict) else None
        command = self._commands.get(name) if isinstance(name, str) else None
        if command is None:
            raise UsageError("the remote has asked for something that cannot be done here")
        command(sent)


class EmptyDesk(RemoteDesk):
    """What a remote shows while there is no engine: nothing that could be moved."""

    def __init__(self) -> None:
        memory = EngineMemory.local()
        super().__init__(Controls(("rest",), memory), memory.snapshot)

    def state(self) -> dict[str, Any]:
        """Return it as of an engine without stems."""
        return super().state() | {"stems": [], "presets": [], "preset": None}

    def obey(self, sent: Any) -> None:
        """Refuse whatever is sent."""
        raise UsageError("nothing is open: choose a song where stemlive runs")


def _presets(stems: tuple[str, ...]) -> Iterator[tuple[str, Faders]]:
    """Yield the presets that can be made of these stems, and how the faders then stand."""
    for name in PRESETS:
        mixer = Mixer(stems)
        with suppress(StemliveError):
            mixer.apply_preset(name)
            yield name, (mixer.gains_db, mixer.muted, mixer.soloed)


def _text(sent: dict[str, Any], name: str) -> str:
    value = sent.get(name)
    if not isinstance(value, str):
        raise UsageError(f"the remote's command lacks a name as `{name}`")
    return value


def _number(sent: dict[str, Any]) -> float:
    value = sent.get("value")
    if isinstance(value, bool) or not isinstance(value, int | float) or not -_LARGEST < value < _LARGEST:
        raise UsageError("the remote's command lacks a number as `value`")
    return float(value)


def _decibels(sent: dict[str, Any]) -> float:
    """Return the value in dB; null is off."""
    return -math.inf if sent.get("value", 0) is None else _number(sent)


def _whole(sent: dict[str, Any]) -> int:
    value = _number(sent)
    if not value.is_integer():
        raise UsageError("the remote's command lacks a whole number as `value`")
    return int(value)


def _go(conductor: Conductor, number: int) -> None:
    """Play the song of this number, which stays the same when the queue changes on its way."""
    song = next((song for song in conductor.queue.songs if song.number == number), None)
    if song is None or not conductor.go_to(song):
        raise UsageError("that song is not in the queue any more")


def _switch(sent: dict[str, Any]) -> bool:
    value = sent.get("value")
    if not isinstance(value, bool):
        raise UsageError("the remote's command lacks true or false as `value`")
    return value


def _finite(number: float) -> float | None:
    return round(number, 1) if math.isfinite(number) else None
