"""The words of a song as a row above the status line: what is sung, and what comes next."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from stemlive.errors import AudioFileError, UsageError, check_exists
from stemlive.options import warn

if TYPE_CHECKING:
    from stemlive.realtime.audio_files.words import Line, Place, Words

_BOLD, _DIM, _WORD, _PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[1;4m", "\x1b[0m"
_BETWEEN = "   "
STEP_S = 0.1


class SungWords:
    """The words of one song on a terminal. With times they are a row that follows the song; without, a page."""

    def __init__(self, words: "Words") -> None:
        self.words = words
        self.shown = words.timed
        self.asked = False
        """Whether the page of plain words shall be printed."""
        self.later_s = 0.0

    def switch(self) -> None:
        """Show the row, or hide it; of plain words, ask for the page."""
        if self.words.timed:
            self.shown = not self.shown
        else:
            self.asked = True

    def move(self, steps: int) -> str:
        """Let them come later by steps of 0.1 s, or earlier if they are negative; return what to say of it."""
        self.later_s = round(self.later_s + steps * STEP_S, 1)
        side = "later" if self.later_s > 0 else "earlier"
        return f"words {abs(self.later_s):.1f} s {side}" if self.later_s else "words in time"

    def page(self) -> str:
        """Return all lines."""
        return "\n".join(_printable(line.text) for line in self.words.lines)

    def row(self, heard_s: float, width: int, encoding: str = "utf-8") -> str:
        """Return what is sung at a place in the song and as much of the next line as fits `width` columns.

        A line that is too long comes in parts. Bold, dim and underlined letters are in it as escape codes.
        """
        from rich.cells import cell_len

        def shown(text: str) -> str:
            return _printable(text).encode(encoding, "replace").decode(encoding)

        at_s = heard_s - self.later_s
        place = self.words.at(at_s)
        line = self.words.lines[place.line] if place.line >= 0 else None
        if line is None or not line.text:
            rest = "♪".encode(encoding, "ignore").decode(encoding) or "..."
            rest = "   ".join(str(second) for second in range(place.count, 0, -1)) or rest
            used, row = cell_len(rest), f"{_BOLD if place.count else _DIM}{rest}{_PLAIN}"
        else:
            pieces = [shown(word.text) for word in line.words] or re.findall(r"\S+\s*", shown(line.text))
            parts = _parts(pieces, width)
            part = parts[self._part(parts, line, place, at_s)]
            used = cell_len("".join(text for _, text in part))
            row = "".join(f"{_look(number, place, bool(line.words))}{text}{_PLAIN}" for number, text in part)
        (following,) = self.words.after(place.line, 1) or (None,)
        room = width - used - len(_BETWEEN)
        if following is None or room < 1:
            return row
        return f"{row}{_BETWEEN}{_DIM}{_cut(shown(following.text), room, encoding)}{_PLAIN}"

    def _part(self, parts: "list[list[tuple[int, str]]]", line: "Line", place: "Place", at_s: float) -> int:
        """Return the number of the part that is sung: that of the word, or by the time until the next line."""
        if line.words:
            return next((n for n, part in enumerate(parts) if part[-1][0] >= place.word), len(parts) - 1)
        lines = self.words.lines
        end_s = lines[place.line + 1].time_s if place.line + 1 < len(lines) else line.time_s + 4.0
        return min(len(parts) - 1, int(len(parts) * (at_s - line.time_s) / max(0.1, end_s - line.time_s)))


def words_of(song: str | None, file: Path | None, *, wanted: bool = True) -> SungWords | None:
    """Return the words of a song: those of a file, or what is found; None without. UsageError without a song."""
    from stemlive.realtime.audio_files.words_file import find_words, read_words

    if file is not None:
        if song is None:
            raise UsageError("--words are those of a song: name a SONG")
        check_exists(file)
        return SungWords(read_words(file))
    if song is None or not wanted:
        return None
    try:
        words = find_words(Path(song))
    except AudioFileError as error:
        warn(str(error))
        return None
    return None if words is None else SungWords(words)


def _parts(pieces: list[str], width: int) -> list[list[tuple[int, str]]]:
    """Return pieces with their numbers, in rows of at most `width` columns."""
    from rich.cells import cell_len, chop_cells

    rows: list[list[tuple[int, str]]] = [[]]
    used = 0
    for number, piece in enumerate(pieces):
        for bit in chop_cells(piece, width) if cell_len(piece.rstrip()) > width else [piece]:
            if used + cell_len(bit.rstrip()) > width:
                rows.append([])
                used = 0
            rows[-1].append((number, bit))
            used += cell_len(bit)
    return [[*row[:-1], (row[-1][0], row[-1][1].rstrip())] for row in rows]


def _look(number: int, place: "Place", word_by_word: bool) -> str:
    if not word_by_word:
        return _BOLD
    return _DIM if number < place.word else _WORD if number == place.word else ""


def _cut(text: str, width: int, encoding: str) -> str:
    from rich.cells import cell_len, set_cell_size

    if cell_len(text) <= width:
        return text
    end = "…".encode(encoding, "ignore").decode(encoding) or "."
    return set_cell_size(text, width - 1).rstrip() + end


def _printable(text: str) -> str:
    """Return a text for a terminal, without what would move the cursor."""
    return "".join(letter if letter.isprintable() else " " if letter.isspace() else "" for letter in text)
