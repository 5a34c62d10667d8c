"""Tags and cover of a song, read from its file and written into the files of its stems, by mutagen."""

import base64
import re
import threading
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stemlive.errors import AudioFileError

_NAMES = (
    *("title", "artist", "album", "albumartist", "composer", "genre", "date", "tracknumber", "discnumber"),
    *("bpm", "isrc", "copyright", "comment", "language", "organization", "lyricist", "conductor"),
)
"""What is kept, by the names of Vorbis comments, which those of mutagen's easy interface are."""
_MOST_COVER_BYTES = 16 << 20
_PATIENCE_S = 10.0


@dataclass(frozen=True)
class Cover:
    """A picture: its kind, such as image/jpeg, and its bytes."""

    mime: str
    data: bytes


@dataclass(frozen=True)
class Tags:
    """Tags by name, each with its values, and the cover."""

    texts: dict[str, list[str]] = field(default_factory=dict)
    cover: Cover | None = None

    def first(self, name: str) -> str:
        """Return the first value of a tag; empty if there is none."""
        return next(iter(self.texts.get(name, [])), "")

    def of_stem(self, stem: str, song: str) -> "Tags":
        """Return them with the stem in the title: `Title (vocals)`."""
        return Tags(self.texts | {"title": [f"{self.first('title') or song} ({stem})"]}, self.cover)

    def __bool__(self) -> bool:
        return bool(self.texts or self.cover)


def read_tags(path: Path) -> Tags:
    """Return what is known of a song; nothing where there are no tags, or none that can be read."""
    import mutagen

    if not path.is_file():  # a pipe would be read from
        return Tags()
    try:
        easy, full = mutagen.File(path, easy=True), mutagen.File(path)
    except Exception:  # a damaged tag is no reason not to separate the song, and mutagen raises many kinds
        return Tags()
    if full is None:
        return _by_ffmpeg(path)
    if full.tags is None:
        return Tags()
    texts: dict[str, list[str]] = {}
    if easy is not None and easy.tags is not None and hasattr(easy.tags, "keys"):
        for name in _NAMES:
            with suppress(Exception):
                if values := easy.tags.get(name):
                    texts[name] = [str(value) for value in ([values] if isinstance(values, str) else values)]
    for name, value in _frames(full.tags):
        texts.setdefault(name, value)
    return Tags({name: values for name, values in texts.items() if any(values)}, _cover(full))


def write_tags(path: Path, kind: str, tags: Tags) -> None:
    """Write tags into a complete file of a format of `encoders.FORMATS`. AudioFileError when that fails."""
    import mutagen

    with path.open("rb") as file:
        if file.read(4) == b"RF64":  # WAV beyond 4 GiB, which mutagen does not know
            return
    try:
        {"wav": _write_id3, "mp3": _write_id3, "m4a": _write_mp4}.get(kind, _write_vorbis)(path, kind, tags)
    except (mutagen.MutagenError, OSError, ValueError, KeyError) as error:
        raise AudioFileError(f"the tags cannot be written into {path.name}: {error}") from error


def _by_ffmpeg(path: Path) -> Tags:
    """Return the tags of a kind that mutagen does not read, such as Matroska, without the cover."""
    from stemlive.realtime.audio_files import ffmpeg

    if ffmpeg.program() is None:
        return Tags()
    child = ffmpeg.Ffmpeg("-protocol_whitelist", "file", "-i", f"file:{path}", "-f", "ffmetadata", "pipe:1")
    limit = threading.Timer(_PATIENCE_S, child.end)
    limit.start()
    try:
        text = b"".join(iter(lambda: child.output.read(1 << 16), b"")).decode(errors="replace")
    except ValueError:  # closed by the limit
        return Tags()
    finally:
        limit.cancel()
        child.end()
    head = re.split(r"^\[", text, maxsplit=1, flags=re.MULTILINE)[0]  # what follows is about chapters and streams
    found = re.findall(r"^([^=;#\n]+)=((?:\\[\s\S]|[^\\\n])*)$", head, re.MULTILINE)
    texts = {name.lower(): [re.sub(r"\\([\s\S])", r"\1", value)] for name, value in found}
    for name, other in (("track", "tracknumber"), ("disc", "discnumber"), ("album_artist", "albumartist")):
        if name in texts:
            texts.setdefault(other, texts[name])
    return Tags({name: texts[name] for name in _NAMES if name in texts})


_ID3 = {
    **{"title": "TIT2", "artist": "TPE1", "album": "TALB", "albumartist": "TPE2", "composer": "TCOM", "genre": "TCON"},
    **{"date": "TDRC", "tracknumber": "TRCK", "discnumber": "TPOS", "bpm": "TBPM", "isrc": "TSRC"},
    **{"copyright": "TCOP", "language": "TLAN", "organization": "TPUB", "lyricist": "TEXT", "conductor": "TPE3"},
}
_WMA = {"title": "Title", "artist": "Author", "album": "WM/AlbumTitle", "albumartist": "WM/AlbumArtist"} | {
    "genre": "WM/Genre",
    "date": "WM/Year",
    "tracknumber": "WM/TrackNumber",
    "composer": "WM/Composer",
}


def _frames(tags: Any) -> Iterable[tuple[str, list[str]]]:
    """Yield what the easy interface does not know: ID3 in WAV and AIFF, the tags of WMA."""
    for name, frame in _ID3.items():
        with suppress(Exception):
            yield name, [str(value) for value in tags[frame].text]
    for name, key in _WMA.items():
        with suppress(Exception):
            yield name, [str(value) for value in tags[key]]


def _cover(file: Any) -> Cover | None:
    """Return the front cover, or else the first picture."""
    from mutagen.flac import Picture

    found = [Cover(picture.mime, picture.data) for picture in getattr(file, "pictures", [])]
    with suppress(Exception):
        found += [Cover(frame.mime, frame.data) for frame in file.tags.getall("APIC")]
    with suppress(Exception):
        for picture in file.tags["covr"]:
            png = picture.imageformat == picture.FORMAT_PNG
            found.append(Cover("image/png" if png else "image/jpeg", bytes(picture)))
    with suppress(Exception):
        for text in file.tags["metadata_block_picture"]:
            picture = Picture(base64.b64decode(text))
            found.append(Cover(picture.mime, picture.data))
    return next((cover for cover in found if 0 < len(cover.data) <= _MOST_COVER_BYTES), None)


def _write_id3(path: Path, kind: str, tags: Tags) -> None:
    from mutagen import id3
    from mutagen.mp3 import MP3
    from mutagen.wave import WAVE

    file: Any = (WAVE if kind == "wav" else MP3)(path)
    if file.tags is None:
        file.add_tags()
    for name, frame in _ID3.items():
        if tags.texts.get(name):
            file.tags.add(getattr(id3, frame)(encoding=3, text=tags.texts[name]))
    if tags.texts.get("comment"):
        file.tags.add(id3.COMM(encoding=3, lang="XXX", desc="", text=tags.texts["comment"]))
    if tags.cover is not None:
        file.tags.add(id3.APIC(encoding=3, mime=tags.cover.mime, type=3, desc="", data=tags.cover.data))
    file.save()


def _write_vorbis(path: Path, kind: str, tags: Tags) -> None:
    from mutagen.flac import FLAC, Picture
    from mutagen.oggopus import OggOpus
    from mutagen.oggvorbis import OggVorbis

    kinds: dict[str, Any] = {"flac": FLAC, "opus": OggOpus, "ogg": OggVorbis}
    file: Any = kinds[kind](path)
    if file.tags is None:
        file.add_tags()
    for name, values in tags.texts.items():
        file.tags[name] = values
    if tags.cover is not None:
        picture = Picture()
        picture.type, picture.mime, picture.data = 3, tags.cover.mime, tags.cover.data
        if kind == "flac":
            file.add_picture(picture)
        else:
            file.tags["metadata_block_picture"] = [base64.b64encode(picture.write()).decode("ascii")]
    file.save()


def _write_mp4(path: Path, kind: str, tags: Tags) -> None:
    from mutagen.easymp4 import EasyMP4
    from mutagen.mp4 import MP4, MP4Cover

    easy: Any = EasyMP4(path)
    for name, values in tags.texts.items():
        with suppress(KeyError, ValueError):  # of a name that MP4 lacks, or a number that is none
            easy[name] = values
    easy.save()
    if tags.cover is not None and tags.cover.mime in ("image/jpeg", "image/png"):
        file: Any = MP4(path)
        form = MP4Cover.FORMAT_PNG if tags.cover.mime == "image/png" else MP4Cover.FORMAT_JPEG
        file["covr"] = [MP4Cover(tags.cover.data, imageformat=form)]
        file.save()
