"""The yardstick: the one score that weights are chosen by, and what stands beside it.

It is the mean over songs of the mean over each song's own stems, uSDR in dB, over the songs whose four stems are known.
Where no song has four, it is the mean over all songs, each the mean of its targets but the accompaniment, which says
the same as the voice again. Means go over a song first, then over songs. Stems that are as good as silent do not count.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stemlive.model.config import STEMS
from stemlive.training.report import TARGETS, Cells, average
from stemlive.training.scores import SILENCE_DBFS

FOUR = "songs with four stems"
PAIR = "songs with voice and accompaniment"
PART = "songs with some stems"
KINDS = (FOUR, PAIR, PART)
"""What a song is, by the files that it has."""

YARDSTICK = "yardstick"
SCORES = {"yardstick_db": "usdr_db", "mixture_db": "mixture_db", "oracle_db": "oracle_db"}
"""What a Yardstick holds, and the score of `Cells` that it is the mean of."""


@dataclass(frozen=True)
class ScoredSong:
    """One song with its kind, one of KINDS; `silent` names its stems that are too quiet to count in averages."""

    name: str
    kind: str
    cells: Cells
    silent: tuple[str, ...] = ()


@dataclass(frozen=True)
class Yardstick:
    """The yardstick in dB, over so many `songs` of a kind (None: all kinds); the same of the mixture and the oracle.

    `targets` are those that it is the mean of in some song: fewer than four for a model of one stem. A number is None
    where it was not measured.
    """

    yardstick_db: float | None
    mixture_db: float | None
    oracle_db: float | None
    songs: int
    kind: str | None
    targets: tuple[str, ...]


def song_kind(files: Iterable[str]) -> str:
    """The kind of a song that has these files."""
    having = set(files)
    if "accompaniment" in having:
        return PAIR if "vocals" in having else PART
    return FOUR if having >= set(STEMS) else PART


def measured(songs: Sequence[ScoredSong]) -> list[ScoredSong]:
    """The songs that the yardstick is the mean of: those with four stems, or all of them."""
    counting = [song for song in songs if _song_mean(song, "usdr_db") is not None]
    return [song for song in counting if song.kind == FOUR] or counting


def yardstick(songs: Sequence[ScoredSong]) -> Yardstick:
    """The yardstick of what was scored. Its number is None when no song has a score that counts."""
    counting = measured(songs)
    means: dict[str, float | None] = {}
    for name, score in SCORES.items():
        values = [value for song in counting if (value := _song_mean(song, score)) is not None]
        means[name] = sum(values) / len(values) if values else None
    kind = FOUR if counting and counting[0].kind == FOUR else None
    scored = {target for song in counting for target in _own(song, "usdr_db")}
    return Yardstick(**means, songs=len(counting), kind=kind, targets=tuple(t for t in TARGETS if t in scored))


def _song_mean(song: ScoredSong, score: str) -> float | None:
    """Mean over the song's own stems; None where it has no such score."""
    values = _own(song, score).values()
    return sum(values) / len(values) if values else None


def _own(song: ScoredSong, score: str) -> dict[str, float]:
    """One score of the song's own stems, by target."""
    return {target: row[score] for target, row in song.cells.items() if target != "accompaniment" and score in row}


def groups(songs: Iterable[ScoredSong]) -> dict[str, list[ScoredSong]]:
    """The songs by kind, in the order of KINDS; kinds without a song are left out."""
    songs = list(songs)
    found = {kind: [song for song in songs if song.kind == kind] for kind in KINDS}
    return {kind: members for kind, members in found.items() if members}


def beside(songs: Sequence[ScoredSong]) -> dict[str, float]:
    """What a log keeps beside the yardstick: mean uSDR in dB by target of the songs that the yardstick is the mean of.

    Where those have four stems, also of the songs with voice and accompaniment, as `pair_vocals` and so on.
    """
    counting = measured(songs)
    columns = _usdr(counting)
    pairs = [song for song in songs if song.kind == PAIR and song not in counting]
    return columns | {f"pair_{target}": db for target, db in _usdr(pairs).items()}


def _usdr(songs: Sequence[ScoredSong]) -> dict[str, float]:
    means = average(song.cells for song in songs)
    return {target: row["usdr_db"] for target, row in means.items() if "usdr_db" in row}


def in_words(values: Mapping[str, Any]) -> str:
    """A Yardstick's values in one line, as every command prints them."""
    if values["yardstick_db"] is None:
        return f"{YARDSTICK}: no song has a stem to be scored"
    others = (("mixture", values["mixture_db"]), ("ideal ratio mask", values["oracle_db"]))
    aside = ", ".join(f"{name} {db:.2f}" for name, db in others if db is not None)
    of = values["kind"] or "songs, of which none has four stems"
    few = values["kind"] and len(values["targets"]) < len(STEMS)
    only = f", their {' and '.join(values['targets'])} only" if few else ""
    number = f"{YARDSTICK} {values['yardstick_db']:.2f} dB"
    return f"{number}{f' ({aside})' if aside else ''}: mean over {of} ({values['songs']}){only}"


def silence(silent: Mapping[str, Sequence[str]]) -> list[str]:
    """The line that says which stems, by song, count in no average; none where all do."""
    named = "; ".join(f"{song}: {', '.join(stems)}" for song, stems in silent.items() if stems)
    return [f"left out of averages, below {SILENCE_DBFS:g} dBFS: {named}"] if named else []


def scored_songs(report: Mapping[str, Any]) -> list[ScoredSong]:
    """The songs in a report that `stemlive evaluate --json` wrote."""
    silent = report["silent"]
    return [
        ScoredSong(name, report["kinds"][name], cells, tuple(silent.get(name, ())))
        for name, cells in report["songs"].items()
    ]
