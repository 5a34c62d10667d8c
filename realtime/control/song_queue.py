"""The songs of an evening: which there are, in which order, and which of them is on. It plays nothing itself."""

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

Listener = Callable[[], object]


@dataclass(frozen=True, eq=False)
class QueuedSong:
    """A song at its place in the queue. The same file may be there twice: these are two songs."""

    path: Path
    number: int = field(default_factory=count(1).__next__)
    """Of this song alone, whatever its place."""

    @property
    def title(self) -> str:
        """The name of its file, without the extension."""
        return self.path.stem


class SongQueue:
    """An ordered list of songs, one of which is on. For any thread; the views of it listen, or compare `version`.

        queue = SongQueue(["a.mp3", "b.mp3"])
        stop = queue.listen(lambda: print(queue.index, queue.song))
        queue.next()

    Listeners are called on the thread that has changed the queue, after each change; a window hands it over to its own.
    """

    def __init__(self, paths: Iterable[str | Path] = ()) -> None:
        self._lock = threading.RLock()
        self._listeners: list[Listener] = []
        self._songs = [QueuedSong(Path(path)) for path in paths]
        self._index = 0 if self._songs else -1
        self._problems: dict[QueuedSong, str] = {}
        self._autoplay = True
        self._version = 0

    @property
    def songs(self) -> tuple[QueuedSong, ...]:
        """All songs, in order."""
        return tuple(self._songs)

    @property
    def index(self) -> int:
        """Place of the song that is on, from 0; -1 if none is."""
        return self._index

    @property
    def song(self) -> QueuedSong | None:
        """The song that is on; None if none is."""
        with self._lock:
            return self._songs[self._index] if self._index >= 0 else None

    @property
    def following(self) -> QueuedSong | None:
        """The song after the one that is on, without those that cannot be played; None at the end."""
        with self._lock:
            place = self._playable(1)
            return None if place is None else self._songs[place]

    @property
    def autoplay(self) -> bool:
        """Whether the following song begins by itself when one has ended."""
        return self._autoplay

    @property
    def version(self) -> int:
        """A number that grows with every change."""
        return self._version

    def problem(self, song: QueuedSong) -> str:
        """Return why a song cannot be played; empty as far as nobody knows of a reason."""
        return self._problems.get(song, "")

    def place(self, song: QueuedSong | None) -> int:
        """Return the place of a song; -1 if it is not in the queue any more."""
        with self._lock:
            return self._songs.index(song) if song in self._songs else -1

    def add(self, paths: Iterable[str | Path], at: int | None = None) -> None:
        """Add songs at a place, or at the end. What is on stays on; in an empty queue the first one is on."""
        with self._lock:
            at = len(self._songs) if at is None else min(max(0, at), len(self._songs))
            songs = [QueuedSong(Path(path)) for path in paths]
            on = self.song
            was_empty = not self._songs
            self._songs[at:at] = songs
            self._index = self.place(on) if on is not None else 0 if was_empty and songs else -1
        self._tell()

    def open(self, path: str | Path) -> None:
        """Switch to a song that is opened by itself: in a queue of several it is put behind the one that is on."""
        path = Path(path)
        with self._lock:
            there = next((place for place, song in enumerate(self._songs) if song.path == path), None)
            if there is None:
                if len(self._songs) < 2:
                    self._songs, self._index = [], -1
                there = self._index + 1
                self._songs.insert(there, QueuedSong(path))
        self.go(there)

    def move(self, places: Sequence[int], to: int) -> None:
        """Move the songs at these places in front of the one at place `to`, together; `to` may be the length."""
        with self._lock:
            on = self.song
            moved = [self._songs[place] for place in sorted(set(places))]
            ahead = sum(place < to for place in set(places))
            self._songs = [song for song in self._songs if song not in moved]
            at = min(max(0, to - ahead), len(self._songs))
            self._songs[at:at] = moved
            self._index = self.place(on)
        self._tell()

    def remove(self, places: Sequence[int]) -> None:
        """Remove the songs at these places. If one of them is on, the next one that stays is on, or at the end none."""
        with self._lock:
            gone = set(places)
            on = self._index
            while 0 <= on < len(self._songs) and on in gone:
                on += 1
            stays = self._songs[on] if 0 <= on < len(self._songs) else None
            self._songs = [song for place, song in enumerate(self._songs) if place not in gone]
            self._index = self.place(stays)
        self._tell()

    def clear(self) -> None:
        """Remove all songs."""
        self.remove(range(len(self._songs)))

    def go(self, place: int) -> None:
        """Switch to the song at this place, also if it could not be played before. IndexError if there is none."""
        with self._lock:
            if not 0 <= place < len(self._songs):
                raise IndexError(f"there is no song at place {place} of {len(self._songs)}")
            self._index = place
            self._problems.pop(self._songs[place], None)
        self._tell()

    def go_to(self, song: QueuedSong) -> bool:
        """Switch to a song, wherever it is; return whether it is still in the queue."""
        with self._lock:
            place = self.place(song)
            if place >= 0:
                self._index = place
                self._problems.pop(song, None)
        if place >= 0:
            self._tell()
        return place >= 0

    def spoil(self, song: QueuedSong, problem: str) -> None:
        """Note why a song cannot be played; it is then passed over."""
        self._problems[song] = problem
        self._tell()

    def next(self) -> bool:
        """Switch to the following song; return whether there was one."""
        return self._step(1)

    def previous(self) -> bool:
        """Switch to the song before; return whether there was one."""
        return self._step(-1)

    def set_autoplay(self, on: bool) -> None:
        """Let the following song begin by itself, or not."""
        self._autoplay = on
        self._tell()

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` after each change; return what ends that."""
        self._listeners = [*self._listeners, listener]

        def end() -> None:
            self._listeners = [other for other in self._listeners if other is not listener]

        return end

    def _step(self, by: int) -> bool:
        with self._lock:
            place = self._playable(by)
            if place is None:
                return False
            self._index = place
        self._tell()
        return True

    def _playable(self, by: int) -> int | None:
        """Return the place of the nearest song that can be played, forth (1) or back (-1) from the one that is on."""
        place = self._index + by
        while 0 <= place < len(self._songs) and self._songs[place] in self._problems:
            place += by
        return place if 0 <= place < len(self._songs) else None

    def _tell(self) -> None:
        self._version += 1
        for listener in self._listeners:
            listener()
