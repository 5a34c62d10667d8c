"""Which songs an engine shall play, in the memory that it shares with its front end.

Each request has a number, counted from 1. `song_now` is that of the song that shall play at once, `song_next` of the
one that shall follow when it has ended, 0 for none. A request is written before its number, and read after it.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PLACES = 8
"""Requests that are kept; the newest ones count."""
PATH_BYTES = 4096
FIELDS = (
    ("song_now", "i8"),
    ("song_next", "i8"),
    ("song_numbers", "i8", PLACES),
    ("song_gains", "f4", PLACES),
    ("song_begins_percent", "f8", PLACES),
    ("song_paths", f"S{PATH_BYTES}", PLACES),
)


@dataclass(frozen=True)
class SongRequest:
    """A song to play. Number 0 is the one that the engine was opened with, unless another was requested before."""

    number: int
    path: Path


def write(parameters: Any, request: SongRequest, gain: float, tempo_percent: float = 100.0) -> None:
    """Front end: write a request, whose number is announced afterwards; the song begins at this tempo."""
    place = request.number % PLACES
    parameters["song_numbers"][place] = 0
    parameters["song_paths"][place] = os.fsencode(request.path)
    parameters["song_gains"][place] = gain
    parameters["song_begins_percent"][place] = tempo_percent
    parameters["song_numbers"][place] = request.number


def read(parameters: Any, number: int) -> SongRequest | None:
    """Engine: return the request of this number; None if it is not kept any more."""
    place = number % PLACES
    if number == 0 or int(parameters["song_numbers"][place]) != number:
        return None
    return SongRequest(number, Path(os.fsdecode(bytes(parameters["song_paths"][place]))))


def gain_of(parameters: Any, number: int) -> float:
    """Engine: return the linear gain of a song."""
    place = number % PLACES
    return float(parameters["song_gains"][place]) if number and parameters["song_numbers"][place] == number else 1.0


def first_tempo_of(parameters: Any, number: int) -> float:
    """Engine: return the tempo in percent at which a song begins."""
    place = number % PLACES
    known = number and int(parameters["song_numbers"][place]) == number
    return float(parameters["song_begins_percent"][place]) if known else 100.0


def tempo_of(parameters: Any, number: int, since: int) -> float | None:
    """Engine: return the tempo in percent requested for a song after request `since`; None if none was."""
    if int(parameters["tempos"]) == since or int(parameters["tempo_song"]) != number:
        return None
    return float(parameters["tempo_percent"])


def next_round(parameters: Any, tempo_percent: float) -> float | None:
    """Engine: return the tempo of the round of a loop that follows one at this tempo; None if it is the same."""
    faster, most = float(parameters["round_percent"]), float(parameters["round_most_percent"])
    return min(most, tempo_percent + faster) if faster and tempo_percent < most else None
