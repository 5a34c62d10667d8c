"""MIDI control change: a controller's faders and buttons move the engine's, by a map with MIDI learn."""

import json
import math
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stemlive.errors import DeviceError, StemliveError, UsageError
from stemlive.extras import how_to_add
from stemlive.realtime.control.controls import Controls
from stemlive.realtime.separation.mixer import MAX_GAIN_DB, PRESETS
from stemlive.realtime.shared.heartbeat import LIMIT_S
from stemlive.whole_file import whole_file

_UNITY = 80
_PRESSED = 64
_LARGEST = 127
_JACK_MIDI = "mido.backends.rtmidi/UNIX_JACK"
"""For the ports of a JACK server (or of PipeWire in its place), beside ALSA's."""

_LAST_WITH_A_WHEEL = (3, 12)
"""The newest Python for which python-rtmidi need not be compiled (pyproject.toml)."""

Control = tuple[int, int]
"""MIDI channel, 1 to 16, and controller number, 0 to 127."""


def fader_db(value: int) -> float:
    """Return the gain in dB of a controller value 0 to 127: off at 0, 0 dB at 80, +12 dB at 127, a cubic taper.

    The taper is close to that of a mixing desk's fader: its upper half covers the loudest 18 dB.
    """
    return min(MAX_GAIN_DB, 60 * math.log10(value / _UNITY)) if value > 0 else -math.inf


class MidiMap:
    """Maps MIDI controls to what they move (targets), kept in a JSON file.

    Targets are `gain STEM`, `mute STEM`, `solo STEM`, `preset NAME`, `bypass`, `microphone gain` and
    `microphone reverb`. The file holds {"gain vocals": {"channel": 1, "control": 7}, ...}. UsageError says what is
    wrong with a file.
    """

    def __init__(self, path: str | Path, stems: tuple[str, ...]) -> None:
        """Read the file; a missing file is an empty map."""
        self.path = Path(path)
        self._stems = stems
        self.targets: dict[Control, str] = {}
        try:
            entries = json.loads(self.path.read_text(encoding="utf-8")) if self.path.exists() else {}
            for name, place in entries.items():
                target = _current(name)
                self._check(target)
                channel, number = int(place["channel"]), int(place["control"])
                if not (1 <= channel <= 16 and 0 <= number <= _LARGEST):
                    raise UsageError(f"channel {channel}, control {number}: channels are 1 to 16, controls 0 to 127")
                self.targets[channel, number] = target
        except UsageError as error:
            raise UsageError(f"{path}: {error}") from error
        except OSError as error:
            raise UsageError(f"cannot read {path}: {error.strerror}") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UsageError(
                f'{path} is not a MIDI map: it holds {{"gain vocals": {{"channel": 1, "control": 7}}, ...}}; '
                "remove it and learn the controller again"
            ) from error

    def bind(self, control: Control, target: str) -> None:
        """Bind a target to this control alone, and save the map. UsageError when that fails."""
        self._check(target)
        kept = {place: other for place, other in self.targets.items() if other != target}
        self.targets = kept | {control: target}
        places = {t: {"channel": channel, "control": number} for (channel, number), t in self.targets.items()}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with whole_file(self.path) as part:
                part.write_text(json.dumps(places, indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            raise UsageError(f"cannot write {self.path}: {error.strerror}") from error

    def _check(self, target: str) -> None:
        kind, _, name = target.partition(" ")
        known = {"gain": self._stems, "mute": self._stems, "solo": self._stems, "preset": tuple(PRESETS)}
        known |= {"microphone": ("gain", "reverb"), "bypass": ("",)}
        if name not in known.get(kind, ()):
            raise UsageError(
                f"'{target}' is nothing that MIDI can move: gain, mute or solo and one of {', '.join(self._stems)}; "
                "preset and its name; bypass; microphone gain; microphone reverb"
            )


class MidiControl:
    """Moves an engine's controls by a `MidiMap`. Faders follow the value; buttons toggle on each press."""

    def __init__(self, controls: Controls, midi_map: MidiMap) -> None:
        self._controls = controls
        self._map = midi_map
        self._lock = threading.Lock()
        self._moved: Control | None = None
        self._values: dict[Control, int] = {}
        self._port: Any = None
        self.refused = 0
        """Count of refused messages, for example a preset that this model cannot make."""

    def open(self, name: str) -> str:
        """Listen on the port of this name, or the only one whose name contains it; return its full name.

        StemliveError when python-rtmidi is missing or there is no such port.
        """
        try:
            import mido

            systems = [mido, mido.Backend(_JACK_MIDI)] if sys.platform.startswith("linux") else [mido]
        except ImportError as error:
            raise StemliveError(_needed()) from error
        ports: dict[str, Callable[..., Any]] = {}
        problem: Exception | None = None
        for system in systems:
            try:
                if system is not mido:
                    _check_that_jack_answers()
                ports |= {each: system.open_input for each in system.get_input_names() if each not in ports}
            except ImportError as error:
                raise StemliveError(_needed()) from error
            except DeviceError as error:
                problem = error
            except Exception as error:  # rtmidi raises its own types, and SystemError where there is no MIDI system
                problem = problem or error
        if not ports and problem is not None:
            raise StemliveError(f"this machine has no MIDI system that python-rtmidi can use ({problem})") from problem
        return self._open(ports, name)

    def receive(self, message: Any) -> None:
        """Act on a mido message; all but control change are ignored. Any thread may call this."""
        if message.type != "control_change":
            return
        control = (message.channel + 1, message.control)
        with self._lock:
            self._moved = control
            before = self._values.get(control, 0)
            self._values[control] = message.value
            target = self._map.targets.get(control)
        if target is not None:
            try:
                self._move(target, message.value, pressed=message.value >= _PRESSED > before)
            except UsageError:
                self.refused += 1

    def learn(self, target: str) -> str:
        """Bind the control that moved last to a target; return a sentence about it, empty if none has moved."""
        with self._lock:
            control, self._moved = self._moved, None
            if control is None:
                return ""
            self._map.bind(control, target)
        return f"MIDI control {control[1]} on channel {control[0]} is {target}, saved in {self._map.path}"

    def moved(self) -> str:
        """Return the name of the control that moved last and is not bound yet; empty if there is none."""
        control = self._moved
        return "" if control is None else f"MIDI control {control[1]} on channel {control[0]}"

    def close(self) -> None:
        """Stop listening."""
        if self._port is not None:
            self._port.close()
            self._port = None

    def _open(self, ports: dict[str, Callable[..., Any]], name: str) -> str:
        found = [each for each in ports if each == name] or [each for each in ports if name.lower() in each.lower()]
        if len(found) != 1:
            there = ", ".join(ports) if ports else "none"
            what = "ambiguous" if found else "not there"
            raise StemliveError(f"MIDI input '{name}' is {what}: there are {there}")
        self._port = ports[found[0]](found[0], callback=self.receive)
        return found[0]

    def _move(self, target: str, value: int, *, pressed: bool) -> None:
        controls = self._controls
        kind, _, name = target.partition(" ")
        if kind == "gain":
            controls.set_gain_db(name, fader_db(value))
        elif target == "microphone gain":
            controls.set_microphone_gain_db(fader_db(value))
        elif target == "microphone reverb":
            controls.set_microphone_reverb(value / _LARGEST)
        elif pressed and kind == "mute":
            controls.mute(name, name not in controls.muted)
        elif pressed and kind == "solo":
            controls.solo(name, name not in controls.soloed)
        elif pressed and kind == "preset":
            controls.apply_preset(name)
        elif pressed and kind == "bypass":
            controls.set_bypass(not controls.bypass)


def _current(target: str) -> str:
    """Return a target's current name: files of older versions say `monitor` for `microphone`."""
    kind, space, name = target.partition(" ")
    return f"microphone{space}{name}" if kind == "monitor" else target


def _check_that_jack_answers() -> None:
    """Ask a JACK server for its ports in another process: rtmidi lets no thread run while it waits. DeviceError."""
    ask = f"import mido; system = mido.Backend({_JACK_MIDI!r}, load=True); print(flush=True); system.get_input_names()"
    quiet = subprocess.DEVNULL
    with subprocess.Popen(
        [sys.executable, "-P", "-c", ask], stdin=quiet, stdout=subprocess.PIPE, stderr=quiet
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()  # by then Python is there, and the wait for JACK begins
        try:
            other.wait(LIMIT_S)
        except subprocess.TimeoutExpired as error:
            raise DeviceError(f"the JACK server has not answered for {LIMIT_S:g} s: restart it") from error
        finally:
            other.kill()


def _needed() -> str:
    """Say what MIDI needs and how to get it."""
    if sys.version_info[:2] > _LAST_WITH_A_WHEEL:
        return (
            "MIDI needs python-rtmidi, of which there are wheels up to Python 3.12 only: install stemlive with that one"
        )
    return f"MIDI needs mido and python-rtmidi: {how_to_add('live')}"
