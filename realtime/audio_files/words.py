"""The words of a song: lines and words with their times, and which of them is sung at a place in the song."""

import math
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

_COUNT_IN_S = 3


@dataclass(frozen=True)
class Word:
    """A word or syllable, with the space that follows it; an empty one ends the word before it."""

    time_s: float
    text: str


@dataclass(frozen=True)
class Line:
    """A line. `words` is empty unless the words have times of their own; `below` is what has the same time.

    Without times, `time_s` is 0.
    """

    time_s: float
    text: str
    words: tuple[Word, ...] = ()
    below: str = ""
    """Other lines of the same time, such as a translation."""


@dataclass(frozen=True)
class Place:
    """What is sung: numbers of the line and of the word in it, -1 for none."""

    line: int = -1
    word: int = -1
    count: int = 0
    """Seconds until the next line begins, 3 at most, to count them in where nobody sings; 0 elsewhere."""


@dataclass(frozen=True)
class Words:
    """All lines, in the order of their times if they are `timed`. Times are seconds of the song."""

    lines: tuple[Line, ...]
    timed: bool
    skipped: int = 0
    """Lines of the file that could not be understood."""

    def __bool__(self) -> bool:
        return any(line.text for line in self.lines)

    def at(self, song_s: float) -> Place:
        """Return what is sung at a place in the song."""
        if not self.timed:
            return Place()
        line = bisect_right(self._times_s, song_s) - 1
        if line < 0 or not self.lines[line].text:
            (following,) = self.after(line, 1) or (None,)
            count = 0 if following is None else math.ceil(following.time_s - song_s)
            return Place(line, count=count if count <= _COUNT_IN_S else 0)
        if not self.lines[line].words:
            return Place(line)
        return Place(line, bisect_right(self.lines[line].words, song_s, key=lambda word: word.time_s) - 1)

    def after(self, line: int, count: int) -> tuple[Line, ...]:
        """Return the next lines that have words in them, after a line number."""
        return tuple(islice((following for following in self.lines[line + 1 :] if following.text), count))

    @cached_property
    def _times_s(self) -> list[float]:
        return [line.time_s for line in self.lines]
