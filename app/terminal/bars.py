"""Progress of one song or many on a terminal: a bar for the whole, and one for each song that is being worked on."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Bars:
    """Bars on standard error while its `with` block lasts; nothing when that is no terminal, or `quiet`.

    With `songs` above 1 there is a bar for the whole. Any thread may call the methods.
    """

    def __init__(self, songs: int = 1, *, quiet: bool = False) -> None:
        self._lock = RLock()
        self._progress: Progress | None = None
        self._whole: TaskID | None = None
        if quiet or sys.stderr is None or not sys.stderr.isatty():
            return
        from rich import progress as parts
        from rich.console import Console
        from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn

        self._progress = parts.Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            redirect_stdout=False,
            redirect_stderr=False,
        )
        if songs > 1:
            self._whole = self._progress.add_task(f"{songs} songs", total=songs)

    @property
    def shown(self) -> bool:
        """Whether there are bars."""
        return self._progress is not None

    def count(self) -> None:
        """Advance the whole by a song that needed no bar."""
        if self._progress is not None and self._whole is not None:
            self._progress.advance(self._whole)

    @contextmanager
    def song(self, name: str) -> "Iterator[SongBar]":
        """Yield the bar of a song, which ends with the `with` block; then the whole has advanced by a song."""
        progress = self._progress
        task = None if progress is None else progress.add_task(printable(name), total=None)
        try:
            yield SongBar(progress, task)
        finally:
            if progress is not None and task is not None and self._whole is not None:
                progress.remove_task(task)
                self.count()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Keep the bars off the terminal for the `with` block, in which lines are printed."""
        with self._lock:
            if self._progress is None or not self._progress.live.is_started:
                yield
                return
            self._progress.live.transient = True
            self._progress.stop()
            self._progress.live.transient = False
            try:
                yield
            finally:
                self._progress.start()

    def __enter__(self) -> Self:
        if self._progress is not None:
            self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self.end()

    def end(self) -> None:
        """Leave the bars as they are; what is printed from now on comes below."""
        if self._progress is not None:
            self._progress.stop()


class SongBar:
    """The bar of one song."""

    def __init__(self, progress: "Progress | None", task: "TaskID | None") -> None:
        self._progress, self._task = progress, task

    def show(self, done: int, total: int | None) -> None:
        """Show how much of the song is done; with `total` None its length is unknown."""
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=done, total=total)


def printable(name: str) -> str:
    """Return a name for a terminal: what is no text in it, and what would move the cursor, is shown as `?`."""
    return "".join(letter if letter.isprintable() else "?" for letter in name)
