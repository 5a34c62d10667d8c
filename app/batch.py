"""Separate many songs, one after another or several at a time; what fails does not end the rest."""

import json
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from stemlive.guarded_thread import in_words
from stemlive.options import warn
from stemlive.separators import Separators
from stemlive.song_job import SongJob
from stemlive.song_list import STANDARD, Song
from stemlive.terminal.bars import Bars
from stemlive.terminal.stopping import Stopped, StopRequest
from stemlive.tracks import Track

Outputs = Sequence[tuple[Track, Path]]


@dataclass
class Report:
    """Says what happens with each song: paths or JSON on standard output, all else on standard error.

    Of `many`, which may be one song of a folder, each has its lines, and its name in JSON; else errors are raised.
    """

    count: int
    many: bool
    as_json: bool
    quiet: bool
    bars: Bars
    written: int = 0
    failed: list[str] = field(default_factory=list)
    begun: int = 0

    def begin(self, song: Song) -> None:
        """Say that a song begins, where there is no bar."""
        if self.many and not self.as_json and not self.quiet and not self.bars.shown:
            self._line(f"stemlive: {self.begun} of {self.count}: {song.path}")

    def progress(self, song: Song, done: int, total: int | None) -> None:
        """Print how far a song is, in JSON."""
        if self.as_json:
            self._tell(song, {"done": done, "total": total})

    def end(self, song: Song, outputs: Outputs, notes: Sequence[str]) -> None:
        """Print the files of a song, and what was odd."""
        if not self.many:
            self.bars.end()
        with self.bars.aside():
            self.written += 1
            for note in notes:
                warn(note)
            for _, path in outputs:
                if self.as_json:
                    self._tell(song, {"written": str(path)})
                elif not self.quiet:
                    click.echo(os.fsencode(path))

    def skip(self, song: Song) -> None:
        """Say that all files of a song exist."""
        if self.as_json:
            self._tell(song, {"skipped": True})
        elif not self.quiet:
            self._line(f"stemlive: skipped, for its files exist: {song.path}")

    def fail(self, song: Song, error: Exception) -> None:
        """Say why a song could not be separated."""
        message = in_words(error)
        self.failed.append(str(song.path))
        if self.as_json:
            self._tell(song, {"error": message})
        self._line(f"stemlive: error: {' '.join(message.split())}")

    def last(self, stop: StopRequest) -> None:
        """Sum up, and exit with 1 after failures, or as a signal demands."""
        if stop.requested:
            what = f"{self.written} of {self.count} songs are written" if self.many else "nothing was written"
            self._line(f"stemlive: interrupted, {what}")
            raise click.exceptions.Exit(stop.exit_code)
        if self.failed:
            lines = [f"stemlive: {len(self.failed)} of {self.count} songs could not be separated:", *self.failed]
            self._line("\n  ".join(lines))
            raise click.exceptions.Exit(1)

    def _line(self, text: str) -> None:
        with self.bars.aside():
            click.echo(text.encode(sys.stderr.encoding or "utf-8", "surrogateescape"), err=True)

    def _tell(self, song: Song, values: dict[str, Any]) -> None:
        with self.bars.aside():
            click.echo(json.dumps(({"song": str(song.path)} if self.many else {}) | values))


@dataclass(frozen=True)
class Batch:
    """Songs with their outputs, and what is done with each."""

    songs: Sequence[tuple[Song, Outputs]]
    job: SongJob
    separators: Separators
    skip_existing: bool = False

    def run(self, jobs: int, report: Report, stop: StopRequest) -> None:
        """Separate the songs, `jobs` at a time.

        What comes from standard input is first, for only the main thread can be interrupted in waiting for it.
        """
        ordered = sorted(self.songs, key=lambda item: item[0].path != STANDARD)
        if jobs == 1 or len(ordered) == 1:
            for song, outputs in ordered:
                self._one(song, outputs, report, stop)
            return
        while ordered and ordered[0][0].path == STANDARD:
            self._one(*ordered.pop(0), report, stop)
        with ThreadPoolExecutor(jobs, "stemlive song") as pool:
            for future in [pool.submit(self._one, song, outputs, report, stop) for song, outputs in ordered]:
                future.result()

    def _one(self, song: Song, outputs: Outputs, report: Report, stop: StopRequest) -> None:
        if stop.requested:
            return
        report.begun += 1
        try:
            if self.skip_existing:
                outputs = [(track, path) for track, path in outputs if not path.exists()]
                if not outputs:
                    report.skip(song)
                    report.bars.count()
                    return
            report.begin(song)
            with report.bars.song(song.path.name if song.path != STANDARD else "standard input") as bar:

                def advance(done: int, total: int | None) -> None:
                    bar.show(done, total)
                    report.progress(song, done, total)

                notes = self.job.run(song, outputs, self.separators, stop, advance)
            report.end(song, outputs, notes)
        except Stopped:
            return
        except Exception as error:
            if not report.many:
                raise
            report.fail(song, error)
