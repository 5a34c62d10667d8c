"""Lets an engine play what a queue says, and tells the queue what is heard."""

from collections.abc import Callable
from pathlib import Path

from stemlive.realtime.control.song_queue import QueuedSong, SongQueue
from stemlive.realtime.control.transport import Transport
from stemlive.realtime.shared.snapshot import Snapshot

_AGAIN_S = 3.0
"""So long after its start, `previous` still means the song before, and later this one again."""


class Conductor:
    """Compares the queue with the engine, each time that `attend` is called. For the thread of the transport.

    Whoever changes the queue is obeyed: the song that is on is played, and the following one requested to follow it.
    What then begins by itself is on in the queue. `gain` gives the linear gain of a song, which may change.
    """

    def __init__(self, queue: SongQueue, gain: Callable[[Path], float] = lambda path: 1.0) -> None:
        self.queue, self.gain = queue, gain
        self._transport: Transport | None = None
        self._songs: dict[int, QueuedSong] = {}
        self._gains: dict[int, float] = {}
        self._on: QueuedSong | None = None
        self._next: QueuedSong | None = None
        self._on_number = self._next_number = self._failed = 0

    @property
    def number(self) -> int:
        """The number of the request for the song that is on; what has another number is heard of before."""
        return self._on_number

    def attach(self, transport: Transport | None, number: int = 0, song: QueuedSong | None = None) -> None:
        """Direct an engine from now on, or none. `number` is that of its request for `song`, if there was one."""
        self._transport = transport
        self._songs, self._gains = {}, {}
        self._on = self._next = None
        self._on_number = self._next_number = self._failed = 0
        if number and song is not None:
            self._on, self._on_number = song, number
            self._songs[number] = song

    def begin(self) -> None:
        """Request the first songs, before the engine is started."""
        if self._transport is not None:
            self._request(self._transport)

    def attend(self, now: Snapshot) -> list[str]:
        """Do what is to be done; return what could not be played, in words. Call it often."""
        transport = self._transport
        if transport is None:
            return []
        problems = []
        if now.song_failed > self._failed:
            self._failed = now.song_failed
            problems.append(now.song_problem)
            if (failed := self._songs.get(now.song_failed)) is not None:
                self.queue.spoil(failed, now.song_problem)
                if failed is self._on and failed is self.queue.song and now.song_number != now.song_failed:
                    self.queue.next()
        if now.song_number > self._on_number and (heard := self._songs.get(now.song_number)) is not None:
            stayed = self.queue.song is self._on
            self._on, self._on_number = heard, now.song_number
            self._next, self._next_number = None, 0
            if stayed and (place := self.queue.place(heard)) >= 0:
                self.queue.go(place)
        elif self._stands(now) and self.queue.autoplay and transport.playing and self.queue.song is self._on:
            self.queue.next()  # it came too late to follow without a gap
        self._request(transport)
        return problems

    def ended(self, now: Snapshot) -> bool:
        """Whether the last song has been heard to its end, or is none and what was heard before has ended."""
        return self._stands(now) and self.queue.following is None

    def previous(self, position_s: float) -> None:
        """Switch to the song before, or go back to the start of a song that has played for a while."""
        if position_s > _AGAIN_S or not self.queue.previous():
            self._restart()

    def go(self, place: int) -> None:
        """Play the song at this place, from its start. IndexError if there is none."""
        self.go_to(self.queue.songs[place])

    def go_to(self, song: QueuedSong) -> bool:
        """Play a song of the queue, from its start; return whether it is still there."""
        if song is self.queue.song:
            self._restart()
        found = self.queue.go_to(song)
        if found and self._transport is not None:
            self._transport.play()
        return found

    def _restart(self) -> None:
        if self._transport is not None:
            self._transport.seek(0.0)

    def _stands(self, now: Snapshot) -> bool:
        return now.song_ended and self._on_number in (now.song_number, now.song_failed)

    def _request(self, transport: Transport) -> None:
        song = self.queue.song
        if song is not self._on:
            self._on = song
            self._next, self._next_number = None, 0
            if song is None:
                transport.play(False)
            else:
                self._on_number = transport.play_now(song.path, self.gain(song.path))
                self._remember(self._on_number, song)
        following = self.queue.following if song is not None and self.queue.autoplay else None
        if following is not self._next:
            self._next = following
            gain = 1.0 if following is None else self.gain(following.path)
            self._next_number = transport.play_next(None if following is None else following.path, gain)
            if following is not None:
                self._remember(self._next_number, following)
        for number in (self._on_number, self._next_number):
            self._match(transport, number)

    def _remember(self, number: int, song: QueuedSong) -> None:
        self._songs[number] = song
        self._gains[number] = self.gain(song.path)

    def _match(self, transport: Transport, number: int) -> None:
        song = self._songs.get(number)
        if song is not None and (gain := self.gain(song.path)) != self._gains.get(number):
            self._gains[number] = gain
            transport.set_song_gain(number, gain)
