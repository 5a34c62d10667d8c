"""Read LRC, enhanced LRC with the times of words, and plain text, in the encodings that such files have."""

import codecs
import re
from collections.abc import Iterable

from stemlive.realtime.audio_files.words import Line, Word, Words

_CLOCK = r"\s*(\d{1,3}):(\d{1,2})(?::(\d{1,3}))?(?:[.,](\d{1,6}))?\s*"
_TIME = re.compile(rf"\[{_CLOCK}\]|<{_CLOCK}>")
_TAG = re.compile(r"\s*\[\s*([A-Za-z#]*)\s*:([^\]]*)\]\s*")
_OFFSET_MS = re.compile(r"\s*([+-]?\d+(?:\.\d+)?)\s*")
_KNOWN = {"ti", "ar", "al", "au", "by", "re", "ve", "id", "la", "lr", "length", "offset", "tool", "encoding", "#", ""}
_MOST_ROWS, _MOST_LETTERS, _MOST_REPEATS = 5000, 2000, 100
"""No song has more, and a window that draws them would stand still."""
_UNDEFINED = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")


def decode(data: bytes) -> str:
    """Return the text of a file: UTF-8, UTF-16, or else cp1252, or latin-1 where cp1252 has no letter."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace")
    if b"\0" in data:  # Latin letters in UTF-16 without a mark
        little = data[1::2].count(0) > data[::2].count(0)
        return data.decode("utf-16-le" if little else "utf-16-be", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1" if _UNDEFINED.search(data) else "cp1252")


def parse(text: str) -> Words:
    """Return the words of a text: with times if any line has one, otherwise plain.

    `[offset:500]` lets the words come 500 ms earlier, as in other players. In a text with times, a line that has
    none is skipped and counted.
    """
    rows = re.split(r"\r\n|\r|\n", text.removeprefix("\ufeff"))
    skipped = sum(bool(row.strip()) for row in rows[_MOST_ROWS:])
    rows = [row[:_MOST_LETTERS] for row in rows[:_MOST_ROWS]]
    if not any(_TIME.match(row.strip()) for row in rows):
        return _plain(rows, skipped)
    offset_s = 0.0
    lines: list[Line] = []
    for row in map(str.strip, rows):
        tag = _TAG.fullmatch(row)
        if tag is not None:
            number = _OFFSET_MS.fullmatch(tag[2])
            if tag[1].lower() == "offset" and number is not None:
                offset_s = float(number[1]) / 1000
            skipped += tag[1].lower() == "offset" and number is None
        elif _TIME.match(row):
            lines += _timed(row)
        else:
            skipped += bool(row)
    return Words(in_order(lines, -offset_s), timed=True, skipped=skipped)


def in_order(lines: Iterable[Line], later_s: float = 0.0) -> tuple[Line, ...]:
    """Return lines by their times, moved by `later_s`; of those with one time, the first with the others below it."""
    ordered: list[Line] = []
    for line in sorted(lines, key=lambda line: line.time_s):
        before = ordered[-1] if ordered else None
        if before is not None and before.time_s == line.time_s and line.text:
            if before.text:
                below = f"{before.below}\n{line.text}".strip()
                ordered[-1] = Line(before.time_s, before.text, before.words, below)
            else:
                ordered[-1] = line
        elif before is None or before.time_s != line.time_s:
            ordered.append(line)
    return tuple(
        Line(
            line.time_s + later_s,
            line.text,
            tuple(Word(word.time_s + later_s, word.text) for word in line.words),
            line.below,
        )
        for line in ordered
    )


def line_of(time_s: float, pieces: Iterable[tuple[float, str]]) -> Line:
    """Return a line of pieces with their times; spaces are single, and one piece at the line's time is no word."""
    words: list[Word] = []
    for at_s, text in pieces:
        piece = re.sub(r"\s+", " ", text)
        if piece.startswith(" "):  # it belongs to the word before
            piece = piece[1:]
            if words and not words[-1].text.endswith(" "):
                words[-1] = Word(words[-1].time_s, f"{words[-1].text} ")
        if piece or words:
            words.append(Word(max(at_s, words[-1].time_s if words else at_s), piece))
    text = "".join(word.text for word in words).rstrip()
    spoken = [word for word in words if word.text]
    whole = not spoken or (len(words) == 1 and words[0].time_s <= time_s)
    return Line(time_s, text, () if whole else tuple(words))


def _plain(rows: list[str], skipped: int) -> Words:
    kept = [row.strip() for row in rows if (tag := _TAG.fullmatch(row)) is None or tag[1].lower() not in _KNOWN]
    while kept and not kept[-1]:
        kept.pop()
    first = next((number for number, row in enumerate(kept) if row), 0)
    return Words(tuple(Line(0.0, row) for row in kept[first:]), timed=False, skipped=skipped)


def _timed(row: str) -> list[Line]:
    """Return the lines of one row: as many as it has times in front, which repeat it."""
    times_s: list[float] = []
    at = 0
    while (match := _TIME.match(row, at)) is not None and row[match.start()] == "[":
        times_s.append(_seconds(match))
        at = match.end()
        at += len(row[at:]) - len(row[at:].lstrip())
    pieces: list[tuple[float, str]] = []
    time_s = times_s[0] if times_s else _seconds(match) if match is not None else 0.0
    for match in _TIME.finditer(row, at):
        pieces.append((time_s, row[at : match.start()]))
        time_s, at = _seconds(match), match.end()
    pieces.append((time_s, row[at:]))
    if pieces[0][1].strip() == "" and len(pieces) > 1:
        del pieces[0]
    del times_s[_MOST_REPEATS:]
    if not times_s:
        return [line_of(pieces[0][0], pieces)]
    # The words have the times of one of the repetitions.
    own_s = max((time_s for time_s in times_s if time_s <= pieces[0][0]), default=times_s[0])
    return [line_of(time_s, [(at_s + time_s - own_s, text) for at_s, text in pieces]) for time_s in times_s]


def _seconds(match: re.Match[str]) -> float:
    """Return a time: minutes:seconds.part, minutes:seconds:hundredths, or hours:minutes:seconds.part."""
    first, second, third, part = (match[number] or match[number + 4] for number in range(1, 5))
    if third and part:
        return 3600 * int(first) + 60 * int(second) + float(f"{third}.{part}")
    return 60 * int(first) + float(f"{second}.{part or third or 0}")
