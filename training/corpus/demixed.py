"""Songs that a teacher takes apart into all four stems (`peer_demucs`), for personal and research use only.

``ROOT/train/sung-<source>-<song>-<N>/{drums,bass,other,vocals}.flac``: the passages of a song that are sung, each one
a song of its own. A model a quarter of whose songs were pauses between them and pieces without one left more of all
voices: yardstick 3.40 dB in place of 3.70.
``ROOT/train/played-<package>-<song>/{drums,bass,other}.flac``: passages of game music in which the teacher hears drums
or a bass, and no voice. A stem below FAINT_DB is what others have left, and goes to `other`. All stems of a song sum to
the song. **These labels are a separator's, up to 9 dB right**, which `about.txt` beside them says too.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np

from stemlive.training.corpus.files import place_song
from stemlive.training.corpus.render_effects import SAMPLE_RATE_HZ, Audio
from stemlive.training.corpus.taught import FADE_SAMPLES, levels_db, plain, read_song, runs
from stemlive.training.peer_demucs import HOP_SAMPLES, STEMS, WINDOW_SAMPLES, Demucs, fetch, fit_samples
from stemlive.whole_file import whole_file

Teacher = Callable[[Audio], Audio]
"""Stems ``[4, n, 2]`` of a mixture ``[n, 2]`` at 44.1 kHz, as long as `fit_samples` says."""

SUNG, PLAYED, RECORDS = "sung-", "played-", "demixed"
"""What is made is named with, and where it stands what was done."""
EDGE_SAMPLES = SAMPLE_RATE_HZ // 4  # left out at both ends, where the teacher hears one side only
VOICE_AT_DB, VOICE_FLOOR_DBFS, SHORTEST_S = (-13.0, 4.0), -45.0, 6
"""Level of a voice against the song in each second that is sung, and by itself at least; length of what is kept."""
PLAYED_HOPS, PLAYED_PASSAGES = 1, 6
FLOOR_DBFS, FAINT_DB, VOICE_DB = -45.0, -22.0, -35.0
"""Least level of a passage of music, and of a stem against the song; highest of what is taken for a voice in music."""


@functools.cache
def demucs(root: Path) -> Teacher:
    """The teacher of a corpus, loaded once a process."""
    return Demucs(fetch_teacher(root)).separate


def fetch_teacher(root: Path) -> Path:
    """The teacher's file; it is fetched if it is not there. Raises StemliveError as `peer_demucs.fetch` does."""
    return fetch(root / "models" / "demucs")


def demix_sung(root: Path, source: str, path: Path, teacher: Teacher | None = None) -> bool:
    """Take a song with singing apart; False if that was done before, or nothing of it is kept."""
    record = _record(root, source, path)
    if record.exists():
        return False
    song = read_song(path)
    count = fit_samples(len(song))
    kept: list[tuple[int, int]] = []
    if count:
        start = (len(song) - count) // 2
        stems = (teacher or demucs(root))(song[start : start + count])[:, EDGE_SAMPLES:-EDGE_SAMPLES]
        kept = sung_seconds(stems[STEMS.index("vocals")], stems.sum(0))
        for number, (first, end) in enumerate(kept):
            here = slice(first * SAMPLE_RATE_HZ, end * SAMPLE_RATE_HZ)
            name = f"{SUNG}{source}-{plain(path.stem)}-{number}"
            place(root, name, heard(stems[:, here]), _about(name))
    _note(record, f"{source}: {path.name}", sum(end - first for first, end in kept) * SAMPLE_RATE_HZ)
    return bool(kept)


def sung_seconds(voice: Audio, song: Audio) -> list[tuple[int, int]]:
    """First second, and the one after the last, of each passage that is sung; its pauses last a second at most."""
    voice_db, song_db = levels_db(voice), levels_db(song)
    least_db, most_db = VOICE_AT_DB
    sung = (voice_db - song_db > least_db) & (voice_db - song_db < most_db) & (voice_db > VOICE_FLOOR_DBFS)
    sung[1:-1] |= sung[:-2] & sung[2:]
    return [(first, end) for first, end in runs(sung) if end - first >= SHORTEST_S]


def demix_played(root: Path, package: str, path: Path, teacher: Teacher | None = None) -> bool:
    """Take passages of a piece of music without a voice apart; False if that was done before or none is kept."""
    record = _record(root, package, path)
    if record.exists():
        return False
    song, count = read_song(path), WINDOW_SAMPLES + PLAYED_HOPS * HOP_SAMPLES
    rng = np.random.default_rng([*package.encode(), 0, *path.stem.encode()])
    passages = max(1, min(PLAYED_PASSAGES, len(song) // (2 * count))) if len(song) >= count else 0
    parts = np.linspace(0, len(song) - count, passages + 1).astype(int)
    kept = []
    for first, last in itertools.pairwise(parts):
        start = int(rng.integers(first, last + 1))
        passage = song[start : start + count]
        if _level_db(passage) < FLOOR_DBFS:
            continue
        stems = (teacher or demucs(root))(passage)[:, EDGE_SAMPLES:-EDGE_SAMPLES]
        heard_db = {stem: _level_db(sound) - _level_db(passage) for stem, sound in zip(STEMS, stems, strict=True)}
        if max(heard_db["drums"], heard_db["bass"]) >= FAINT_DB and heard_db["vocals"] < VOICE_DB:
            kept.append(stems)
        elif not kept:
            break  # as a rule, it is not better elsewhere
    if kept:
        name = f"{PLAYED}{package}-{plain(path.stem)}"
        place(root, name, heard(functools.reduce(_join, kept), ("vocals",)), _about(name))
    _note(record, f"{package}: {path.name}", len(kept) * count)
    return bool(kept)


def _record(root: Path, source: str, path: Path) -> Path:
    return root / RECORDS / source / f"{plain(path.stem)}.txt"


def _note(record: Path, name: str, count: int) -> None:
    """Say what was done, so that it is not done again."""
    record.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(record) as part:
        part.write_text(f"{name}: {count / SAMPLE_RATE_HZ:.0f} s taken apart\n", encoding="utf-8")


def _about(name: str) -> str:
    return f"{name}: these labels are a separator's (Hybrid Transformer Demucs): for personal and research use only.\n"


def place(root: Path, name: str, stems: dict[str, Audio], about: str) -> None:
    """The stems of a song, and where one is beyond full scale all of them lower."""
    gain = np.float32(1 / max(1.0, *(float(np.abs(audio).max()) for audio in stems.values())))
    lower = {stem: audio * gain for stem, audio in stems.items()}
    place_song(root, root / "train" / name, lower, about, ".flac")


def heard(stems: Audio, never: tuple[str, ...] = ()) -> dict[str, Audio]:
    """Those of ``[4, n, 2]`` that sound, by name; what is too faint, and what the song never has, goes to `other`."""
    found = dict(zip(STEMS, stems, strict=True))
    least_db = _level_db(stems.sum(0)) + FAINT_DB
    for stem in STEMS:
        if stem != "other" and (stem in never or _level_db(found[stem]) < least_db):
            found["other"] = found["other"] + found.pop(stem)
    return found


def _join(first: Audio, second: Audio) -> Audio:
    """Two passages ``[4, n, 2]``, one fading into the other."""
    rise = np.linspace(0, 1, FADE_SAMPLES, dtype=np.float32)[:, None]
    middle = first[:, -FADE_SAMPLES:] * (1 - rise) + second[:, :FADE_SAMPLES] * rise
    return np.concatenate([first[:, :-FADE_SAMPLES], middle, second[:, FADE_SAMPLES:]], 1)


def _level_db(audio: Audio) -> float:
    return float(10 * np.log10(np.square(audio, dtype=np.float64).mean() + 1e-12))
