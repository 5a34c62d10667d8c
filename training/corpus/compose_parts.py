"""The score: notes, parts and arrangements as data, and how they become MIDI.

Time is counted in beats from the start of the song; one beat lasts ``60 / tempo_bpm`` seconds throughout.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field

import mido

TICKS_PER_BEAT = 480
DRUM_CHANNEL = 9
"""MIDI channel 10, counted from 0."""
BEND_SEMITONES = 2.0
"""Pitch bend range of a General MIDI instrument."""


@dataclass(frozen=True)
class Note:
    """A note: start and length in beats, MIDI pitch (or drum note), velocity 1..127."""

    start: float
    length: float
    pitch: int
    velocity: int


@dataclass(frozen=True)
class Control:
    """A controller (0..119, value 0..127) or pitch bend (`number` -1, value in semitones) at a time in beats."""

    time: float
    number: int
    value: float


@dataclass
class Part:
    """One instrument of an arrangement.

    `stem` is drums, bass or other. `sound` is a General MIDI program, or ``synth`` or ``sub`` (own synthesiser), or for
    drums the kind of kit. `effect` names the treatment (`render_treatment`), `pan` goes from -1 (left) to 1, `level_db`
    is relative to the other parts of the stem.
    """

    name: str
    stem: str
    sound: int | str
    notes: list[Note] = field(default_factory=list)
    controls: list[Control] = field(default_factory=list)
    effect: str = "clean"
    pan: float = 0.0
    level_db: float = 0.0

    @property
    def channel(self) -> int:
        """MIDI channel, counted from 0: drums on 9, bass on 1, everything else on 0."""
        return {"drums": DRUM_CHANNEL, "bass": 1}.get(self.stem, 0)

    @property
    def program(self) -> int:
        """General MIDI program for a sound font; 0 for sounds that have none."""
        return self.sound if isinstance(self.sound, int) else 0


@dataclass
class Arrangement:
    """A song: its parts, and what the renderer needs to know about it.

    `key` counts semitones above C; `beats` is the length with the tail of the last chord; `pump` is the depth of
    side-chain ducking, 0 to 1.
    """

    style: str
    tempo_bpm: float
    key: int
    tonality: str
    beats: float
    parts: list[Part]
    pump: float = 0.0

    @property
    def seconds(self) -> float:
        """Length of the song in seconds."""
        return self.beats * 60.0 / self.tempo_bpm

    def of(self, stem: str) -> list[Part]:
        """The parts that belong to one stem."""
        return [part for part in self.parts if part.stem == stem]


def midi_bytes(
    parts: Sequence[Part],
    tempo_bpm: float,
    beats: float,
    program: int | None = None,
    channel: int | None = None,
) -> bytes:
    """Write parts as a type 1 MIDI file (one track per part), ending at `beats`; the same parts give the same bytes.

    `program` and `channel` replace those of every part (the number of a drum kit in a sound font).
    """
    midi = mido.MidiFile(type=1, ticks_per_beat=TICKS_PER_BEAT)
    conductor = mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(tempo_bpm), time=0)])
    conductor.append(mido.MetaMessage("end_of_track", time=round(beats * TICKS_PER_BEAT)))
    midi.tracks.append(conductor)
    for part in parts:
        midi.tracks.append(
            _track(
                part,
                beats,
                part.program if program is None else program,
                part.channel if channel is None else channel,
            )
        )
    out = io.BytesIO()
    midi.save(file=out)
    return out.getvalue()


def _track(part: Part, beats: float, program: int, channel: int) -> mido.MidiTrack:
    events: list[tuple[int, int, mido.Message]] = [
        (0, 0, mido.Message("program_change", channel=channel, program=program))
    ]
    last = round(beats * TICKS_PER_BEAT)
    for control in part.controls:
        tick = min(last, max(0, round(control.time * TICKS_PER_BEAT)))
        if control.number < 0:
            bend = round(max(-8192.0, min(8191.0, control.value / BEND_SEMITONES * 8192.0)))
            events.append((tick, 1, mido.Message("pitchwheel", channel=channel, pitch=bend)))
        else:
            value = round(max(0.0, min(127.0, control.value)))
            events.append(
                (
                    tick,
                    1,
                    mido.Message("control_change", channel=channel, control=control.number, value=value),
                )
            )
    for note in _without_overlaps(part.notes):
        start = min(last, max(0, round(note.start * TICKS_PER_BEAT)))
        stop = min(last, max(start + 1, round((note.start + note.length) * TICKS_PER_BEAT)))
        events.append((start, 2, mido.Message("note_on", channel=channel, note=note.pitch, velocity=note.velocity)))
        events.append((stop, 0, mido.Message("note_off", channel=channel, note=note.pitch, velocity=0)))
    track = mido.MidiTrack()
    now = 0
    for tick, _, message in sorted(events, key=lambda event: event[:2]):
        track.append(message.copy(time=tick - now))
        now = tick
    track.append(mido.MetaMessage("end_of_track", time=last - now))
    return track


def _without_overlaps(notes: Sequence[Note]) -> list[Note]:
    """Shorten a note where the same pitch starts again, so that no note-off silences its successor."""
    result: list[Note] = []
    latest: dict[int, int] = {}
    for note in sorted(notes, key=lambda n: (n.start, n.pitch)):
        before = latest.get(note.pitch)
        if before is not None:
            previous = result[before]
            room = note.start - previous.start
            if previous.length > room:
                result[before] = Note(
                    previous.start,
                    max(room - 1.5 / TICKS_PER_BEAT, 0.5 / TICKS_PER_BEAT),
                    previous.pitch,
                    previous.velocity,
                )
        latest[note.pitch] = len(result)
        result.append(note)
    return result
