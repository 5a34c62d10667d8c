"""Band arrangements from MIDI files (OpenMSX) as stems: who plays what is told by channel and program."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import mido
import numpy as np

from stemlive.errors import StemliveError
from stemlive.training.corpus.compose_parts import BEND_SEMITONES, DRUM_CHANNEL, Arrangement, Control, Note, Part

LONGEST_SECONDS = 180.0
_TEMPO_BPM = 120.0
_BEATS_PER_SECOND = _TEMPO_BPM / 60.0
_BASS_PROGRAMS = range(32, 40)
_PERCUSSION_PROGRAMS = range(112, 120)
_NOISE_PROGRAMS = range(120, 128)
_KEPT_CONTROLS = frozenset({1, 7, 10, 11, 64})
_INSTEAD_OF_VOICE = {52: 48, 53: 49, 54: 50, 78: 73, 79: 75, 85: 80, 91: 89}


def read_band(path: Path, transpose: int = 0) -> Arrangement:
    """Read a MIDI file as an arrangement of at most three minutes, on a clock of 120 beats per minute.

    Programs 32 to 39 are the bass, channel 10 the drums, everything else is other. Programs that imitate voices are
    replaced, sound effects and melodic percussion left out. `transpose` moves all but the drums, in semitones.
    Raises `StemliveError` if the file cannot be read or holds no notes.
    """
    try:
        messages = list(mido.MidiFile(path))
    except (OSError, ValueError, EOFError, IndexError, KeyError) as error:
        raise StemliveError(f"{path.name} cannot be read as MIDI ({error}): remove it") from error
    band = _Band(transpose)
    now = 0.0
    for message in messages:
        now += message.time
        if now > LONGEST_SECONDS:
            break
        if not message.is_meta and hasattr(message, "channel"):
            band.play(message, now)
    for (_, pitch), started in band.sounding.items():
        band.end(started, now, pitch)
    kept = [part for part in band.parts.values() if part.notes]
    if not kept:
        raise StemliveError(f"{path.name} holds no notes: remove it")
    beats = (min(now, LONGEST_SECONDS) + 1.5) * _BEATS_PER_SECOND
    return Arrangement("band", _TEMPO_BPM, 0, path.stem, beats, kept)


class _Band:
    """Sixteen MIDI channels being played; every channel and program is a part."""

    def __init__(self, transpose: int) -> None:
        self.parts: dict[tuple[int, int], Part] = {}
        self.sounding: dict[tuple[int, int], tuple[float, int, Part]] = {}
        self._programs = [0] * 16
        self._transpose = transpose

    def play(self, message: mido.Message, now: float) -> None:
        channel = message.channel
        if message.type == "program_change":
            self._programs[channel] = message.program
            return
        part = self._part(channel)
        if part is None:
            return
        beat = now * _BEATS_PER_SECOND
        if message.type in ("note_on", "note_off"):
            started = self.sounding.pop((channel, message.note), None)
            if started:
                self.end(started, now, message.note)
            if message.type == "note_on" and message.velocity > 0:
                self.sounding[channel, message.note] = (now, message.velocity, part)
        elif message.type == "control_change" and message.control in _KEPT_CONTROLS:
            part.controls.append(Control(beat, message.control, message.value))
        elif message.type == "pitchwheel":
            part.controls.append(Control(beat, -1, message.pitch / 8192.0 * BEND_SEMITONES))

    def end(self, started: tuple[float, int, Part], now: float, pitch: int) -> None:
        start, velocity, part = started
        moved = pitch if part.stem == "drums" else pitch + self._transpose
        if now > start and 0 <= moved <= 127:
            length = (now - start) * _BEATS_PER_SECOND
            part.notes.append(Note(start * _BEATS_PER_SECOND, length, moved, velocity))

    def _part(self, channel: int) -> Part | None:
        program = self._programs[channel]
        if channel == DRUM_CHANNEL:
            return self.parts.setdefault((channel, 0), Part("drums", "drums", "acoustic"))
        if program in _NOISE_PROGRAMS or program in _PERCUSSION_PROGRAMS:
            return None
        program = _INSTEAD_OF_VOICE.get(program, program)
        stem = "bass" if program in _BASS_PROGRAMS else "other"
        return self.parts.setdefault((channel, program), Part(f"{channel}-{program}", stem, program))


def vary_band(song: Arrangement, rng: np.random.Generator) -> None:
    """Give the parts places, levels, effects and a kit by chance, so that two renderings of one file differ."""
    effects: Sequence[str] = ("clean", "room", "hall", "chorus", "echo")
    for part in song.parts:
        if part.stem == "drums":
            part.sound = str(rng.choice(["acoustic", "acoustic", "jazz", "electronic"]))
        else:
            part.level_db = float(rng.uniform(-4, 2))
            part.pan = 0.0 if part.stem == "bass" else float(rng.uniform(-0.6, 0.6))
            part.effect = "amp" if part.sound in (29, 30) else str(rng.choice(effects))
