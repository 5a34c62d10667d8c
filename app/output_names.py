"""How the files of a song are called: a template such as `{album}/{title}/{stem}`, filled safely."""

import os
import string
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from stemlive.errors import UsageError
from stemlive.song_list import STANDARD, Song
from stemlive.tags import Tags, read_tags

DEFAULT = "{folder}/{song}/{stem}"
FIELDS = ("song", "folder", "title", "artist", "album", "track", "stem")
_TAGS = frozenset({"title", "artist", "album", "track"})
_MOST_BYTES = 180
_UNSAFE = frozenset('/\\\0<>:"|?*')


@dataclass(frozen=True)
class Template:
    """A name below the output folder, without its extension. UsageError when it makes no sense."""

    text: str = DEFAULT

    def __post_init__(self) -> None:
        """Check the fields, and that the name stays below the folder."""
        try:
            parts = list(string.Formatter().parse(self.text))
        except ValueError as error:
            raise UsageError(f"--name '{self.text}': {error}") from error
        for _, field, form, conversion in parts:
            if field is not None and (field not in FIELDS or form or conversion):
                known = ", ".join(f"{{{name}}}" for name in FIELDS)
                raise UsageError(f"--name has no {{{field}{':' if form else ''}{form}}}: there are {known}")
        path = PurePosixPath(self.text)
        if path.is_absolute() or ".." in path.parts or (os.name == "nt" and (":" in self.text or "\\" in self.text)):
            raise UsageError(f"--name '{self.text}' is a name below the folder of --output: leave out / and ..")
        if not path.parts:
            raise UsageError("--name is empty: leave it out, or take {song}/{stem}")

    @property
    def fields(self) -> list[str]:
        """The fields, in their order."""
        return [field for _, field, _, _ in string.Formatter().parse(self.text) if field is not None]

    def fill(self, values: Mapping[str, str]) -> Path:
        """Return the name for these values; an empty part of it is left out."""
        parts = (part.strip() for part in self.text.split("/"))
        filled = (part.format(**values).strip() for part in parts)
        return Path(*(part for part in filled if part.strip("/")))


def name_songs(
    songs: Sequence[Song], template: Template, outputs: Sequence[str], tags: Mapping[str, Tags] | None = None
) -> list[list[Path]]:
    """Return for each song the names of its outputs, in their order; no two of all are the same.

    Where they would be, the song's extension, its folder or a number goes into the last field that is about the song.
    `tags` are by `Song.key`; None reads them, if the template needs them. UsageError when the template cannot tell
    outputs apart.
    """
    if len(outputs) > 1 and "stem" not in template.fields:
        raise UsageError(f"--name '{template.text}' lacks {{stem}}, and {len(outputs)} files are written for a song")
    fields = [field for field in template.fields if field != "stem"]
    if len(songs) > 1 and not fields:
        raise UsageError(f"--name '{template.text}' lacks {{song}}, and there are {len(songs)} songs")
    needed = bool(_TAGS.intersection(fields))
    values = [_values(song, ({} if tags is None else tags).get(song.key), read=needed) for song in songs]

    def name(number: int, variant: int, count: int) -> list[Path]:
        changed = dict(values[number])
        if fields:
            changed[fields[-1]] = _variant(songs[number], changed[fields[-1]], variant, count)
        return [template.fill(changed | {"stem": _safe(output)}) for output in outputs]

    named = [name(number, 0, 1) for number in range(len(songs))]
    for variant in (1, 2):
        for group in _groups(named):
            others = {_folded(named[n]) for n in range(len(songs)) if n not in group}
            changed = {number: name(number, variant, 1) for number in group}
            keys = {_folded(paths) for paths in changed.values()}
            if len(keys) == len(group) and not keys & others:
                for number, paths in changed.items():
                    named[number] = paths
    for group in _groups(named):
        taken = {_folded(paths) for paths in named}
        count = 1
        for number in group[1:]:
            while _folded(named[number]) in taken:
                count += 1
                named[number] = name(number, 3, count)
                if _folded(named[number]) not in taken:
                    break
            taken.add(_folded(named[number]))
    return named


def _values(song: Song, tags: Tags | None, *, read: bool) -> dict[str, str]:
    known = tags
    if known is None:
        known = read_tags(song.path) if read and song.path != STANDARD else Tags()
    track = known.first("tracknumber").partition("/")[0].strip()
    return {
        "song": song.name if song.name not in ("", ".", "..") else "_",
        "folder": "/".join(part for part in song.folder.parts if part not in ("/", "..", ".")),
        "title": _safe(known.first("title")) or song.name,
        "artist": _safe(known.first("artist") or "Unknown artist"),
        "album": _safe(known.first("album") or "Unknown album"),
        "track": _safe(track.zfill(2) if track else ""),
    }


def _variant(song: Song, value: str, variant: int, count: int) -> str:
    kind = song.path.suffix[1:]
    parent = Path(os.path.realpath(song.path)).parent.name
    return {0: value, 1: f"{value} ({kind})", 2: f"{_safe(parent)} - {value}", 3: f"{value} ({count})"}[variant]


def _groups(named: Sequence[Sequence[Path]]) -> list[list[int]]:
    """Return the numbers of the songs with the same names, where there are several."""
    found: dict[str, list[int]] = {}
    for number, paths in enumerate(named):
        found.setdefault(_folded(paths), []).append(number)
    return [group for group in found.values() if len(group) > 1]


def _folded(paths: Sequence[Path]) -> str:
    """Return what is the same for names that some file system takes for the same."""
    return unicodedata.normalize("NFC", str(paths[0])).casefold()


def _safe(text: str) -> str:
    """Return text as one part of a path, which is neither hidden nor too long, on any system."""
    clean = "".join("_" if letter in _UNSAFE or not letter.isprintable() else letter for letter in text).strip(" ")
    if clean.startswith("."):
        clean = f"_{clean[1:]}"
    clean = clean.rstrip(".") or ("_" if clean else "")
    return clean.encode("utf-8", "replace")[:_MOST_BYTES].decode("utf-8", "ignore").strip()
