"""Drummers' performances from the Groove MIDI Dataset (Gillick et al. 2019), rendered through drum kits.

Short performances are joined, with a short pause, into files of one to three minutes; each file has one kit.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import mido
import numpy as np

from stemlive.training.corpus.compose_parts import Note
from stemlive.training.corpus.files import staging, write_flac
from stemlive.training.corpus.render_drums import general_midi_note
from stemlive.training.corpus.render_effects import SAMPLE_RATE_HZ, Audio
from stemlive.training.corpus.render_sounds import find_sounds, render_drum_part
from stemlive.training.corpus.render_treatment import active_rms, treat_drums
from stemlive.whole_file import publish

SHORTEST_SECONDS, LONGEST_SECONDS = 60.0, 180.0
_PAUSE_SECONDS = 0.6
_SECONDS_PER_BEAT = 0.5
_GROOVE = 1


def read_drums(path: Path, limit_s: float = LONGEST_SECONDS) -> list[Note]:
    """Read drum notes as General MIDI, times in beats of half a second, cut at `limit_s` seconds.

    Raises OSError, EOFError or ValueError on a file that is no MIDI.
    """
    notes: list[Note] = []
    now = 0.0
    for message in mido.MidiFile(path):
        now += message.time
        if now > limit_s:
            break
        if message.type == "note_on" and message.velocity > 0:
            notes.append(Note(now / _SECONDS_PER_BEAT, 0.2, general_midi_note(message.note), message.velocity))
    return notes


def groove_takes(folder: Path, seed: int) -> list[list[Path]]:
    """Shuffle the performances into groups of one to three minutes; unreadable ones are left out."""
    paths = sorted(folder.rglob("*.mid"))
    order = np.random.default_rng([seed, _GROOVE]).permutation(len(paths))
    groups: list[list[Path]] = []
    group: list[Path] = []
    seconds = 0.0
    for index in order:
        try:
            length = min(mido.MidiFile(paths[index]).length, LONGEST_SECONDS - 10.0) + _PAUSE_SECONDS
        except (OSError, ValueError, EOFError):
            continue
        if group and seconds + length > LONGEST_SECONDS:
            groups.append(group)
            group, seconds = [], 0.0
        group.append(paths[index])
        seconds += length
        if seconds >= SHORTEST_SECONDS:
            groups.append(group)
            group, seconds = [], 0.0
    return groups + ([group] if group else [])


def join_takes(paths: Sequence[Path]) -> tuple[list[Note], float]:
    """Join performances with pauses; returns notes (beats of half a second) and the length in seconds."""
    notes: list[Note] = []
    at = 0.0
    for path in paths:
        take = read_drums(path, LONGEST_SECONDS - 10.0)
        if take:
            first = take[0].start
            notes += [Note(n.start - first + at / _SECONDS_PER_BEAT, n.length, n.pitch, n.velocity) for n in take]
            at += (take[-1].start - first) * _SECONDS_PER_BEAT + _PAUSE_SECONDS
    return notes, at + 1.5


def render_groove_file(root: Path, seed: int, index: int, paths: Sequence[Path]) -> bool:
    """Render one group of performances to ``root/pool/drums/groove/NNN.flac``; False if it is already there."""
    target = root / "pool" / "drums" / "groove" / f"{index:03d}.flac"
    if target.exists():
        return False
    rng = np.random.default_rng([seed, _GROOVE, index])
    notes, seconds = join_takes(paths)
    samples = int(seconds * SAMPLE_RATE_HZ)
    kind = str(rng.choice(["acoustic", "acoustic", "acoustic", "electronic", "jazz", "brush"]))
    dry = render_drum_part(
        notes, kind, 60.0 / _SECONDS_PER_BEAT, seconds / _SECONDS_PER_BEAT, samples, find_sounds(), rng
    )
    audio = _levelled(treat_drums(dry, float(rng.uniform(0.3, 1.2)), rng))
    target.parent.mkdir(parents=True, exist_ok=True)
    with staging(root) as part:
        write_flac(part / target.name, audio)
        publish(part / target.name, target)
    return True


def _levelled(audio: Audio) -> Audio:
    """Bring to -20 dBFS RMS, and the peak to -1 dBFS at most."""
    rms, top = active_rms(audio), float(np.max(np.abs(audio), initial=0.0))
    gain = min(0.1 / rms, 10 ** (-1 / 20) / top) if rms > 1e-6 and top > 0 else 1.0
    return np.asarray(audio * np.float32(gain), dtype=np.float32)
