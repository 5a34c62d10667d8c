"""Find the words of a song: in a file beside it, or in its tags."""

import re
from contextlib import suppress
from pathlib import Path
from typing import Any

from stemlive.errors import AudioFileError
from stemlive.realtime.audio_files.lrc import decode, in_order, line_of, parse
from stemlive.realtime.audio_files.words import Line, Words

KINDS = (".lrc", ".txt")
"""Files of words, by their endings."""
_MOST_BYTES = 1 << 20
_PLAIN_TAGS = ("syncedlyrics", "lyrics", "unsyncedlyrics", "unsynced lyrics", "\xa9lyr", "WM/Lyrics")
_CONTROL = re.compile(r"[\0-\x08\x0e-\x19\x1b-\x1f]")
_IN_MS, _LYRICS = 2, 1
"""Of ID3's SYLT: the unit of its times, and what the text is."""


def find_words(song: Path) -> Words | None:
    """Return the words of a song, None if there are none: times go before none, a file before tags.

    AudioFileError when a file beside the song cannot be read.
    """
    found: list[Words] = []
    for kind in KINDS:
        for path in (song.with_suffix(kind), song.with_suffix(kind.upper())):
            if _is_file(path) and path != song:
                found.append(_read(path))
                break
    if not any(words and words.timed for words in found):
        found += words_in_tags(song)
    found = [words for words in found if words]
    return next((words for words in found if words.timed), found[0] if found else None)


def read_words(path: Path) -> Words:
    """Return the words of a file. AudioFileError if it cannot be read or has none."""
    words = _read(path)
    if not words:
        raise AudioFileError(f"{path.name} has no words: open an LRC file, or a text")
    return words


def words_in_tags(song: Path) -> list[Words]:
    """Return all words in a song's tags: ID3's SYLT and USLT, LYRICS of Vorbis and others, MP4's lyr."""
    import mutagen

    if not _is_file(song):  # a pipe would be read from
        return []
    try:
        tags: Any = getattr(mutagen.File(song), "tags", None)
    except Exception:  # a damaged tag is no reason not to play the song, and mutagen raises many kinds
        return []
    found: list[Words] = []
    with suppress(Exception):
        found += [_synchronised(frame.text) for frame in tags.getall("SYLT") if _is_timed(frame)]
    with suppress(Exception):
        found += [parse(str(frame.text)) for frame in tags.getall("USLT")]
    with suppress(Exception):
        found += [parse(str(frame)) for frame in tags.getall("TXXX") if frame.desc.lower() in _PLAIN_TAGS]
    for key in _PLAIN_TAGS:
        with suppress(Exception):
            values = tags[key]
            found += [parse(str(value)) for value in ([values] if isinstance(values, str) else values)]
    return found


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # in a folder that may not be looked into
        return False


def _is_timed(frame: Any) -> bool:
    return bool(frame.format == _IN_MS and frame.type == _LYRICS)


def _synchronised(entries: list[tuple[str, int]]) -> Words:
    """Return the words of pieces with times in milliseconds; a line feed begins a line, if there is any."""
    rows: list[list[tuple[float, str]]] = [[]]
    one_each = not any("\n" in text.strip("\r") for text, _ in entries)
    for text, time_ms in entries:
        for number, part in enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n")):
            if (number or one_each) and rows[-1]:
                rows.append([])
            if part:
                rows[-1].append((time_ms / 1000, part))
    lines: list[Line] = [line_of(row[0][0], row) for row in rows if row]
    return Words(in_order(lines), timed=True)


def _read(path: Path) -> Words:
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise AudioFileError(f"the words in {path.name} cannot be read: {error.strerror}") from error
    if len(data) > _MOST_BYTES:
        raise AudioFileError(f"{path.name} is too long to be the words of a song")
    text = decode(data)
    if _CONTROL.search(text):
        raise AudioFileError(f"{path.name} is not a text")
    return parse(text)
