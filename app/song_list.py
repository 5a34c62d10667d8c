"""Which songs are meant by names of files, folders and lists of songs (.m3u), and by `-` for standard input."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlparse

from stemlive.errors import AudioFileError, MissingFileError, StemliveError

STANDARD = Path("-")
"""The name of standard input."""
_LISTS = (".m3u", ".m3u8")
_STREAM = b"#EXT-X-"


@dataclass(frozen=True)
class Song:
    """A song to separate, and the folders below a named folder in which it was found, that folder first."""

    path: Path
    folder: Path = Path()
    problem: str = ""
    """Why it is none."""

    @property
    def name(self) -> str:
        """The song's name: that of its file without the extension."""
        return "stdin" if self.path == STANDARD else self.path.stem

    @property
    def key(self) -> str:
        """The same for the same file, however it is named."""
        return "-" if self.path == STANDARD else os.path.realpath(self.path)


def is_many(names: Sequence[Path]) -> bool:
    """Whether these names may mean more than one song."""
    return len(names) != 1 or names[0].suffix.lower() in _LISTS or names[0].is_dir()


def songs_of(names: Sequence[Path], *, without: Path | None = None) -> list[Song]:
    """Return the songs, each once: folders with all below them, sorted, and lists with all that they name.

    What is in the folder `without`, below a named folder, is left out. What a list names and is not there is still in
    the result, so that it fails like any other song; so is, if there are other names, a folder or a list without songs.
    AudioFileError when there is nothing else, MissingFileError for a list that is missing.
    """
    found: dict[str, Song] = {}
    for name in names:
        try:
            given = list(_expand(name, without, set()))
            if not given:
                raise AudioFileError(f"{name} holds no songs")
        except StemliveError as error:
            if len(names) == 1:
                raise
            given = [Song(name, problem=str(error))]
        for song in given:
            found.setdefault(song.key, song)
    return list(found.values())


def _expand(name: Path, without: Path | None, seen: set[str]) -> Iterator[Song]:
    if name == STANDARD:
        yield Song(name)
    elif name.is_dir():
        yield from _in_folder(name, without)
    elif name.suffix.lower() in _LISTS:
        real = os.path.realpath(name)
        if real not in seen:  # a list may name itself
            seen.add(real)
            for entry in _entries(name):
                yield from _expand(entry, without, seen)
    else:
        yield Song(name)


def _in_folder(top: Path, without: Path | None) -> Iterator[Song]:
    from stemlive.realtime.audio_files.kinds import SONG_SUFFIXES

    excluded = None if without is None else os.path.realpath(without)
    root = os.path.realpath(top)
    name = Path(Path(root).name)
    for folder, folders, files in os.walk(root):
        folders[:] = sorted((f for f in folders if not f.startswith(".")), key=_natural)
        if folder != root and folder == excluded:
            folders.clear()
            continue
        for file in sorted(files, key=_natural):
            if not file.startswith(".") and Path(file).suffix.lower() in SONG_SUFFIXES:
                below = Path(os.path.relpath(folder, root))
                yield Song(top / below / file, name / below)


def _natural(name: str) -> list[tuple[int, str]]:
    """A key that sorts `track 2` before `track 10`."""
    return [(int(part), "") if part.isdecimal() else (0, part.casefold()) for part in re.split(r"(\d+)", name)]


def _entries(file: Path) -> Iterator[Path]:
    """Yield what a list names, relative names seen from its folder."""
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        raise MissingFileError(f"{file}: there is no such file") from None
    except OSError as error:
        raise AudioFileError(f"cannot read {file}: {error.strerror}") from error
    if _STREAM in content:
        raise AudioFileError(f"{file} is a list of the pieces of a stream, not of songs")
    for line in content.removeprefix(b"\xef\xbb\xbf").splitlines():
        entry = line.strip()
        if entry and not entry.startswith(b"#"):
            yield _entry(entry, file.parent)


def _entry(entry: bytes, folder: Path) -> Path:
    """Return what an entry means: text in the system's encoding or in Latin-1, with the slashes of any system."""
    if entry.lower().startswith(b"file:"):
        return Path(unquote(urlparse(os.fsdecode(entry)).path, errors="surrogateescape"))
    if re.match(rb"[A-Za-z][A-Za-z0-9+.-]+://", entry):
        return Path(os.fsdecode(entry))
    readings = [os.fsdecode(entry), entry.decode("cp1252", errors="replace"), entry.decode("latin-1")]
    readings += [reading.replace("\\", "/") for reading in readings]
    paths = [folder / reading for reading in readings if "\0" not in reading]
    return next((path for path in paths if path.exists()), paths[0] if paths else folder / "?")
