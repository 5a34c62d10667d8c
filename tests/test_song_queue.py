"""The queue of songs by itself: what is on after each change, and who hears of it."""

from pathlib import Path

import pytest

from stemlive.realtime.control.song_queue import SongQueue


def names(queue):
    return "".join(song.path.name for song in queue.songs)


def on(queue):
    return queue.song.path.name if queue.song is not None else ""


@pytest.fixture
def queue():
    return SongQueue("abcde")


class TestSongQueue:
    def test_an_empty_queue_has_nothing_on_until_a_song_comes(self):
        queue = SongQueue()
        assert (queue.index, queue.song, queue.following) == (-1, None, None)
        assert not queue.next()
        assert not queue.previous()
        queue.add([Path("x.mp3"), "y.mp3"])
        assert (queue.index, queue.song.title, queue.following.title) == (0, "x", "y")

    def test_next_and_previous_stop_at_the_ends(self, queue):
        assert not queue.previous()
        assert [queue.next() for _ in range(5)] == [True] * 4 + [False]
        assert (on(queue), queue.following) == ("e", None)
        assert queue.previous()
        assert on(queue) == "d"

    @pytest.mark.parametrize(("at", "wanted"), [(None, "abcdexy"), (0, "xyabcde"), (2, "abxycde"), (99, "abcdexy")])
    def test_songs_are_added_where_one_wants_and_what_is_on_stays_on(self, queue, at, wanted):
        queue.go(2)
        queue.add("xy", at)
        assert (names(queue), on(queue)) == (wanted, "c")

    @pytest.mark.parametrize(
        ("places", "to", "wanted"),
        [([0], 5, "bcdea"), ([4], 0, "eabcd"), ([1, 3], 5, "acebd"), ([3, 1], 0, "bdace"), ([2], 2, "abcde")],
    )
    def test_moved_songs_keep_their_order_and_what_is_on_stays_on(self, queue, places, to, wanted):
        queue.go(1)
        queue.move(places, to)
        assert (names(queue), on(queue)) == (wanted, "b")

    @pytest.mark.parametrize(
        ("places", "wanted", "still_on"),
        [([0], "bcde", "c"), ([2], "abde", "d"), ([2, 3], "abe", "e"), ([2, 3, 4], "ab", ""), (range(5), "", "")],
    )
    def test_without_the_song_that_was_on_the_next_one_is(self, queue, places, wanted, still_on):
        queue.go(2)
        queue.remove(places)
        assert (names(queue), on(queue)) == (wanted, still_on)

    def test_a_song_that_is_opened_takes_the_place_of_one_and_joins_several(self):
        queue = SongQueue()
        for name in "xyy":
            queue.open(name)
        assert (names(queue), on(queue)) == ("y", "y")
        queue.add("ab")
        queue.go(1)
        queue.open("z")
        assert (names(queue), on(queue)) == ("yazb", "z")
        queue.open("y")
        assert (names(queue), on(queue)) == ("yazb", "y")

    def test_one_file_twice_is_two_songs(self):
        queue = SongQueue(["a", "a", "b"])
        queue.go(1)
        queue.move([2], 0)
        assert (names(queue), queue.index) == ("baa", 2)
        queue.remove([1])
        assert (names(queue), queue.index) == ("ba", 1)

    def test_after_the_end_the_first_added_song_comes_next(self, queue):
        queue.remove(range(5))
        queue.add("x")
        assert on(queue) == "x"

    def test_a_place_that_is_not_there_is_refused(self, queue):
        with pytest.raises(IndexError, match="no song at place 5 of 5"):
            queue.go(5)
        assert on(queue) == "a"

    def test_what_cannot_be_played_is_passed_over_until_somebody_asks_for_it(self, queue):
        for place in (1, 2):
            queue.spoil(queue.songs[place], "no sound in it")
        assert (queue.following.title, queue.problem(queue.songs[2])) == ("d", "no sound in it")
        assert queue.next()
        assert on(queue) == "d"
        assert queue.previous()
        assert on(queue) == "a"
        queue.go(2)
        assert (on(queue), queue.problem(queue.song)) == ("c", "")

    def test_every_change_is_told_until_one_stops_listening(self, queue):
        heard = []
        stop = queue.listen(lambda: heard.append((names(queue), on(queue), queue.version)))
        queue.next()
        queue.add("x")
        queue.set_autoplay(False)
        assert heard == [("abcde", "b", 1), ("abcdex", "b", 2), ("abcdex", "b", 3)]
        assert not queue.autoplay
        stop()
        queue.next()
        assert len(heard) == 3
