"""Recordings of many people speaking, from Debian packages: the voices that `singers` lets sing.

Language tutors and games hold letters, syllables, words and lines, spoken by dozens of people in as many languages.
They are fetched once into ``root/speakers/<package>/<speaker>/``; a folder of recordings that you add there yourself
(``speakers/mine/anna/*.wav``) is a speaker like any other.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from stemlive.training.corpus.debian_audio import PackageResult, extract_members, is_copyright, licence_names
from stemlive.training.corpus.files import staging
from stemlive.training.corpus.render_effects import SAMPLE_RATE_HZ
from stemlive.whole_file import publish

SPEAKERS_FOLDER = "speakers"
SPEAKER_FILES: Mapping[str, re.Pattern[str]] = {
    # tutors of alphabets: a speaker per language
    "klettres-data": re.compile(r"usr/share/klettres/(?P<speaker>\w+)/\w+/[^/]+\.ogg"),
    # a potato guy's parts named; the languages left out were recorded for telephones
    "ktuberling-data": re.compile(
        r"usr/share/ktuberling/sounds/(?P<speaker>ca|da|de|el|en|fr|ga|gl|lt|nn|ro|ru|sl|uk|wa)/[^/]+\.(ogg|wav)"
    ),
    # lines of game figures; the robot's are no voice
    "hedgewars-data": re.compile(r"usr/share/games/hedgewars/Data/Sounds/voices/(?P<speaker>(?!Robot)\w+)/[^/]+\.ogg"),
    # two actors in each language: m and v are the roles
    "fillets-ng-data-cs": re.compile(r".*/sound/[\w/]+/cs/[^/]*-(?P<speaker>[mv])-[^/]+\.ogg"),
    "fillets-ng-data-nl": re.compile(r".*/sound/[\w/]+/nl/[^/]*-(?P<speaker>[mv])-[^/]+\.ogg"),
    # Mandarin syllables by two speakers
    "gcin-voice": re.compile(r"usr/share/gcin-voice/ogg/[^/]+/(?P<speaker>[35])\.ogg"),
    # pictures named, a speaker per language (Bulgarian has two, mixed up), and digits by eight more
    "tuxpaint-stamps-default": re.compile(
        r"usr/share/tuxpaint/stamps/(.*_desc_(?=be|ca|da|el|es|fr|lt|nl|ro|ru)"
        r"|symbols/math/\d_(?=de|en_GB|it|nb|nn|pt|sl|sv))(?P<speaker>[a-z]{2}(_GB)?)\.ogg"
    ),
    # the calls of a game of tiles, by players in English and, but for one who is another, in German
    "kajongg": re.compile(r"usr/share/kajongg/voices/(de/(?!male2))?(?P<speaker>(fe)?male\d)/[^/]+\.ogg"),
    # a tutor of letters; its other languages were not spoken by people
    "qabcs-data": re.compile(r"usr/share/qabcs/abcs/(?P<speaker>en)/sounds/\w+/[^/]+\.ogg"),
}
"""Which files of a package are speech, and whose."""


def fetch_speakers(root: Path, package: str) -> PackageResult:
    """Bring a package's speech to ``root/speakers/<package>/<speaker>/``, once, and its copyright file to ``licences``.

    Raises StemliveError when the package cannot be had.
    """
    result = PackageResult(package)
    folder, copyright_file = root / SPEAKERS_FOLDER / package, root / "licences" / f"{package}.txt"
    if not folder.exists():
        copyright_file.parent.mkdir(parents=True, exist_ok=True)
        folder.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=root, prefix=".fetch-") as scratch, staging(root) as part_folder:
            for path, file in extract_members(
                package, lambda p: is_copyright(p, package) or _speaker(p, package) != "", Path(scratch)
            ).items():
                if is_copyright(path, package):
                    publish(file, copyright_file)
                    continue
                target = part_folder / _speaker(path, package)
                target.mkdir(exist_ok=True)
                shutil.move(file, target / file.name)
            publish(part_folder, folder)
    result.licences = licence_names(copyright_file)
    return result


def _speaker(path: PurePosixPath, package: str) -> str:
    """Whose speech a member of a package is; empty if it is none."""
    match = SPEAKER_FILES[package].fullmatch(str(path).removeprefix("./"))
    return match["speaker"] if match else ""


def list_speakers(root: Path) -> list[Path]:
    """Folders of all speakers that are there, ``root/speakers/<package>/<speaker>``, in order."""
    return sorted(folder for folder in (root / SPEAKERS_FOLDER).glob("*/*") if folder.is_dir())


def read_speech(folder: Path, rng: np.random.Generator, seconds: float) -> list[npt.NDArray[np.float64]]:
    """Some of a speaker's recordings in random order, `seconds` in all or more if there are so many, each ``[n]``.

    Resampled to 44.1 kHz, channels averaged; what cannot be decoded and what is under 0.2 s is left out.
    """
    files = sorted(path for path in folder.iterdir() if path.is_file())
    clips: list[npt.NDArray[np.float64]] = []
    for index in rng.permutation(len(files)):
        try:
            audio, rate = soundfile.read(files[index], always_2d=True)
        except soundfile.SoundFileError:
            continue
        if len(audio) >= 0.2 * rate and np.isfinite(audio).all():
            clips.append(np.asarray(soxr.resample(audio.mean(axis=1), rate, SAMPLE_RATE_HZ), np.float64))
        if sum(map(len, clips)) >= seconds * SAMPLE_RATE_HZ:
            break
    return clips
