"""What plays, shown to the desktop with its tags, and what the desktop's keys want."""

from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Self

from stemlive.realtime.control.media import Playing, Request
from stemlive.realtime.control.mpris import MediaKeys
from stemlive.realtime.control.song_queue import QueuedSong
from stemlive.realtime.shared.limited import JobThread
from stemlive.tags import Tags, read_tags


class MediaSession:
    """The queue as others see it. For one thread; tags are read on another one. Without a bus it costs nothing."""

    def __init__(self, *, raises: bool = False) -> None:
        """`raises` is whether there is a window to bring to the front."""
        self._keys = MediaKeys(raises=raises)
        self._reader = JobThread("stemlive tags")
        self._tags: Future[Tags] | None = None
        self._song: QueuedSong | None = None
        self._number = 0

    def requests(self) -> Iterator[Request]:
        """Yield what was wanted since the last call."""
        return self._keys.take()

    def show(self, song: QueuedSong | None, *, plays: bool, position_s: float, length_s: float, has_next: bool) -> None:
        """Show what is on; call it often."""
        if not self._keys.listens:
            return
        if song is None:
            self._song = None
            self._keys.show(Playing(), 0.0)
            return
        if song is not self._song:
            self._song, self._number = song, self._number + 1
            self._tags = self._reader.submit(lambda path=song.path: read_tags(path))  # type: ignore[misc]
        tags = Tags()
        if self._tags is not None and self._tags.done() and self._tags.exception() is None:
            tags = self._tags.result()
        title = _as_text(tags.first("title") or song.title)
        artists = tuple(map(_as_text, tags.texts.get("artist", ())))
        now = Playing(self._number, plays, title, artists, Path(song.path), length_s, has_next)
        self._keys.show(now, position_s)

    def close(self) -> None:
        """Leave the bus."""
        self._keys.close()
        self._reader.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self.close()


def _as_text(name: str) -> str:
    """Return a name as the bus takes it: without what is no text in UTF-8."""
    return name.encode(errors="replace").decode().replace("\0", "")
