"""Game music from Debian packages, as accompaniment free of voices, and sound fonts and drum kits to render with.

The list of tracks (``accompaniment.tsv`` beside this file: package, file name) names music that a separator found free
of singing. `apt-get download` brings each package, its data archive is read as a stream, and only the wanted members
reach the disk. Nothing is installed, and no package list but the machine's own is used.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np
import soundfile

from stemlive.errors import StemliveError
from stemlive.training.corpus.files import write_ogg
from stemlive.training.layout import VALIDATION_PACKAGES
from stemlive.whole_file import publish

TRACKS = Path(__file__).with_name("accompaniment.tsv")
SUNG_TRACKS = Path(__file__).with_name("taught.tsv")
"""Songs with singing, listed alike: for `taught`."""
ARCHIVES = frozenset({".zip", ".pk3", ".pk4", ".pak"})
GUITAR_PACKAGES = ("fretsonfire-songs-muldjord", "fretsonfire-songs-sectoid")
"""Songs of a game that come with the guitars apart."""


@dataclass
class PackageResult:
    """What one package gave: files there, how many of them are new, what was skipped and why, seconds of sound."""

    package: str
    version: str = ""
    licences: str = ""
    files: list[str] = field(default_factory=list)
    made: int = 0
    skipped: list[str] = field(default_factory=list)
    seconds: float = 0.0


def read_track_list(path: Path = TRACKS) -> dict[str, list[str]]:
    """Read the tab-separated list of tracks: package name to file names, validation packages left out."""
    tracks: dict[str, list[str]] = {}
    for line in path.read_text(encoding="utf-8").splitlines()[1:]:
        package, _, name = line.partition("\t")
        if name and package not in VALIDATION_PACKAGES:
            tracks.setdefault(package, []).append(name.split("\t")[0])
    return tracks


def require_apt() -> None:
    """Raise `StemliveError` where packages cannot be downloaded (not a Debian-like system)."""
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise StemliveError(
                f"{tool} not found: build on Debian or Ubuntu, or leave the accompaniment out: `accompaniment=False`"
            )


def extract_members(package: str, wanted: Callable[[PurePosixPath], bool], into: Path) -> dict[PurePosixPath, Path]:
    """Download `package` and extract the regular files whose path satisfies `wanted` into the folder `into`.

    Returns path inside the package to file on disk.
    Raises `StemliveError` when the package cannot be had.
    """
    if package in VALIDATION_PACKAGES:
        raise StemliveError(f"{package} is kept for validation: remove it from the list of tracks")
    into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=into) as scratch:
        fetched = subprocess.run(
            ["apt-get", "download", "-q", package], cwd=scratch, capture_output=True, text=True, check=False
        )
        debs = sorted(Path(scratch).glob("*.deb"))
        if fetched.returncode or not debs:
            reason = (fetched.stderr.strip().splitlines() or ["no file came"])[-1]
            raise StemliveError(f"cannot download {package} ({reason}): run apt-get update, or leave the package out")
        return _unpack(debs[0], wanted, into)


def _unpack(deb: Path, wanted: Callable[[PurePosixPath], bool], into: Path) -> dict[PurePosixPath, Path]:
    found: dict[PurePosixPath, Path] = {}
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(deb)], stdout=subprocess.PIPE) as stream:
        try:
            with tarfile.open(fileobj=stream.stdout, mode="r|") as archive:
                for member in archive:
                    path = PurePosixPath(member.name)
                    if not member.isfile() or not wanted(path):
                        continue
                    content = archive.extractfile(member)
                    if content is None:
                        continue
                    target = into / f"{len(found):04d}-{path.name}"
                    with content, target.open("wb") as out:
                        shutil.copyfileobj(content, out, 1 << 20)
                    found[path] = target
        except (tarfile.TarError, EOFError, OSError) as error:
            raise StemliveError(
                f"{deb.name} cannot be unpacked ({error}): delete it from the package cache and try again"
            ) from error
    return found


def fetch_tracks(root: Path, package: str, names: Iterable[str], into: str = "pool/accompaniment") -> PackageResult:
    """Bring one package's tracks to ``root/<into>/<package>/<track>.ogg``.

    OGG files (Vorbis or Opus) are kept as they are, other formats that soundfile decodes are converted to OGG Vorbis. A
    track is checked by decoding it whole: unreadable, not finite or silent ones are named in the result and skipped.
    The package's copyright file goes to ``root/licences/<package>.txt``. Tracks already there are not fetched again;
    when all are, nothing is downloaded.
    """
    result = PackageResult(package)
    folder = root / into / package
    copyright_file = root / "licences" / f"{package}.txt"
    targets = {name: folder / (Path(name).stem + ".ogg") for name in names}
    missing = {name for name, target in targets.items() if not target.exists()}
    marker = folder / ".skipped"
    known_bad = set(marker.read_text(encoding="utf-8").splitlines()) if marker.exists() else set()
    missing -= {line.split("\t")[0] for line in known_bad}
    result.skipped.extend(sorted(known_bad))
    if missing or not copyright_file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        copyright_file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=root, prefix=".fetch-") as scratch:
            found = extract_members(package, lambda p: _wanted(p, missing) or is_copyright(p, package), Path(scratch))
            found |= _from_archives(found, missing, Path(scratch))
            for path, source in found.items():
                if is_copyright(path, package):
                    publish(source, copyright_file)
            for name in sorted(missing, key=lambda name: ("__" not in name, name)):  # those of one folder first
                matches = [source for path, source in found.items() if name in _names(path) and source.exists()]
                problem = _place(matches, targets[name]) if matches else "not in this version of the package"
                if problem:
                    result.skipped.append(f"{name}\t{problem}")
        if not copyright_file.exists():
            copyright_file.write_text(
                f"No copyright file inside {package}: see the package's source.\n", encoding="utf-8"
            )
        if result.skipped:
            marker.write_text("\n".join(sorted(set(result.skipped))) + "\n", encoding="utf-8")
    result.licences = licence_names(copyright_file)
    result.made = sum(targets[name].exists() for name in missing)
    for target in targets.values():
        if target.exists():
            result.files.append(target.name)
            result.seconds += soundfile.info(target).duration
    return result


def _names(path: PurePosixPath) -> tuple[str, ...]:
    """Names under which a track may be listed.

    Its file name, ``folder__file`` where several folders hold files of one name, or with ``.ogg`` added where it has
    no suffix.
    """
    return path.name, f"{path.parent.name}__{path.name}", path.name if path.suffix else f"{path.name}.ogg"


def _wanted(path: PurePosixPath, names: set[str]) -> bool:
    return path.suffix.lower() in ARCHIVES or not names.isdisjoint(_names(path))


def _from_archives(found: dict[PurePosixPath, Path], names: set[str], into: Path) -> dict[PurePosixPath, Path]:
    """Extract wanted tracks from the zip archives among `found` (games keep their data in them)."""
    inner: dict[PurePosixPath, Path] = {}
    for path, archive_file in found.items():
        if path.suffix.lower() not in ARCHIVES or not zipfile.is_zipfile(archive_file):
            continue
        with zipfile.ZipFile(archive_file) as archive:
            for info in archive.infolist():
                member = PurePosixPath(info.filename)
                if not info.is_dir() and not names.isdisjoint(_names(member)):
                    target = into / f"z{len(inner):04d}-{member.name}"
                    with archive.open(info) as content, target.open("wb") as out:
                        shutil.copyfileobj(content, out, 1 << 20)
                    inner[member] = target
    return inner


def is_copyright(path: PurePosixPath, package: str) -> bool:
    """Whether a member of a package is its copyright file."""
    return path.name == "copyright" and path.parent.name == package


def _place(matches: list[Path], target: Path) -> str:
    """Check and move (or convert) the largest of `matches`; returns what is wrong with it, or the empty string."""
    source = max(matches, key=lambda p: p.stat().st_size)
    try:
        with soundfile.SoundFile(source) as sound:
            container, total, peak = sound.format, 0, 0.0
            for block in sound.blocks(blocksize=1 << 19, dtype="float32"):
                total += len(block)
                peak = max(peak, float(np.max(np.abs(block), initial=0.0)))
            if total < sound.samplerate or not np.isfinite(peak) or peak < 1e-3:
                return "too short, silent or not finite"
        if container == "OGG":
            publish(source, target)
            return ""
        audio, rate = soundfile.read(source, dtype="float32", always_2d=True)
        write_ogg(target, audio, rate)
    except (soundfile.SoundFileError, OSError) as error:
        return f"cannot be decoded: {error}".replace("\n", " ")
    return ""


def licence_names(copyright_file: Path) -> str:
    """List the licences that a machine-readable Debian copyright file names; 'see file' if it names none."""
    text = copyright_file.read_text(encoding="utf-8", errors="replace") if copyright_file.exists() else ""
    names = dict.fromkeys(name.strip() for name in re.findall(r"^License:[ \t]*(\S.*)$", text, re.MULTILINE))
    return ", ".join(names) or "see file"


def fetch_guitars(root: Path, package: str) -> PackageResult:
    """Bring the guitar tracks of a Frets on Fire song package to ``root/pool/other/<package>/<song>.ogg``.

    The rest of each song (``song.ogg``) mixes several stems and may hold growls, so it is left alone.
    """
    result = PackageResult(package)
    folder = root / "pool" / "other" / package
    copyright_file = root / "licences" / f"{package}.txt"
    before = set(folder.glob("*.ogg"))
    if not copyright_file.exists() or not before:
        folder.mkdir(parents=True, exist_ok=True)
        copyright_file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=root, prefix=".fetch-") as scratch:
            found = extract_members(
                package, lambda p: p.name == "guitar.ogg" or is_copyright(p, package), Path(scratch)
            )
            for path, source in found.items():
                if is_copyright(path, package):
                    publish(source, copyright_file)
                    continue
                name = re.sub(r"[^A-Za-z0-9]+", "-", path.parent.name).strip("-").lower()
                problem = _place([source], folder / f"{name}.ogg")
                if problem:
                    result.skipped.append(f"{name}\t{problem}")
    result.licences = licence_names(copyright_file)
    for target in sorted(folder.glob("*.ogg")):
        result.made += target not in before
        result.files.append(target.name)
        result.seconds += soundfile.info(target).duration
    return result
