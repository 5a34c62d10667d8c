"""A queue that directs what comes out of the engine's source, and hears from it what is on."""

import numpy as np
import pytest
import soundfile
from song_deck import RATE, Deck
from waiting import wait_until

from stemlive.realtime.control.conductor import Conductor
from stemlive.realtime.control.song_queue import SongQueue

LEVELS = {"a": 0.1, "b": 0.2, "c": 0.3, "d": 0.4}


class Evening:
    """Songs of one level each, so that the last sample says which of them is heard."""

    def __init__(self, folder, names="abcd", frames=3000, gain=lambda path: 1.0):
        for name in set(names) & set(LEVELS):
            soundfile.write(folder / f"{name}.wav", np.full((frames, 2), LEVELS[name]), RATE, subtype="FLOAT")
        (folder / "x.wav").write_text("no sound")
        self.queue = SongQueue(folder / f"{name}.wav" for name in names)
        self.conductor = Conductor(self.queue, gain)
        self.deck = Deck(folder, f"{names[0]}.wav")
        self.conductor.attach(self.deck.transport)
        self.problems = []
        self.heard = []
        self.deck.transport.play()

    def start(self):
        self.conductor.begin()
        self.deck.source.start()
        return self

    def go_on(self, true):
        """Play until it is true, attending as a front end does."""

        def step():
            self.problems += self.conductor.attend(self.deck.now)
            level = self.deck.read(100)[-1, 0]
            name = next((name for name, own in LEVELS.items() if abs(level - own) < 1e-6), "")
            if name and self.heard[-1:] != [name]:
                self.heard.append(name)
            wanted = self.deck.source._loader
            if wanted._job is not None:  # what is to come is open before the end, as in an evening it is
                wait_until(lambda: wanted._job is None or wanted._job.done(), "the loader")
            return true()

        wait_until(step, "what was to come", patience_s=60, pause_s=0)

    def is_over(self):
        return self.conductor.ended(self.deck.now)

    @property
    def on(self):
        return self.queue.song.title if self.queue.song is not None else ""


@pytest.fixture
def make_evening(tmp_path):
    evenings = []

    def make(*arguments, **settings):
        evenings.append(Evening(tmp_path, *arguments, **settings))
        return evenings[-1]

    yield make
    for evening in evenings:
        evening.deck.source.close()


class TestConductor:
    def test_one_song_after_another_is_played_and_on(self, make_evening):
        evening = make_evening().start()
        told = []
        evening.queue.listen(lambda: told.append(evening.on))
        evening.go_on(evening.is_over)
        assert "".join(evening.heard) == "abcd"
        assert "".join(told) == "bcd"
        assert evening.problems == []

    def test_the_queue_is_changed_while_it_plays(self, make_evening):
        evening = make_evening(frames=4000).start()
        evening.go_on(lambda: evening.deck.now.song_s > 0.05)
        evening.queue.move([3], 1)
        evening.queue.remove([2])
        evening.go_on(evening.is_over)
        assert "".join(evening.heard) == "adc"

    def test_next_previous_and_a_place(self, make_evening):
        evening = make_evening(frames=8 * RATE).start()
        evening.go_on(lambda: evening.heard == ["a"])
        for act, wanted in (
            (evening.queue.next, "b"),
            (evening.queue.next, "c"),
            (lambda: evening.conductor.previous(0.5), "b"),
            (lambda: evening.conductor.go(3), "d"),
            (lambda: evening.queue.remove([3]), ""),
            (lambda: evening.conductor.go(0), "a"),
        ):
            act()
            assert evening.on == wanted
            evening.go_on(lambda wanted=wanted: evening.heard[-1:] == [wanted] or not evening.deck.transport.playing)
        assert "".join(evening.heard) == "abcbda"
        evening.go_on(lambda: evening.deck.now.song_s > 1)
        evening.conductor.previous(3.5)
        evening.go_on(lambda: evening.deck.now.song_s < 1)
        evening.go_on(lambda: evening.deck.now.song_s > 1)
        evening.conductor.go(0)
        evening.go_on(lambda: evening.deck.now.song_s < 1)
        assert evening.on == "a"

    def test_without_autoplay_it_stands_until_somebody_goes_on(self, make_evening):
        evening = make_evening("ab").start()
        evening.queue.set_autoplay(False)
        evening.go_on(lambda: evening.deck.now.song_ended)
        evening.go_on(lambda: evening.deck.now.song_ended)
        assert evening.on == "a"
        assert not evening.is_over()
        evening.queue.next()
        evening.go_on(evening.is_over)
        assert "".join(evening.heard) == "ab"

    def test_a_song_that_comes_after_the_end_is_played(self, make_evening, tmp_path):
        evening = make_evening("a").start()
        soundfile.write(tmp_path / "b.wav", np.full((3000, 2), LEVELS["b"]), RATE, subtype="FLOAT")
        evening.go_on(evening.is_over)
        evening.queue.add([tmp_path / "b.wav"])
        evening.go_on(evening.is_over)
        assert "".join(evening.heard) == "ab"

    @pytest.mark.parametrize("names", ["axb", "axxb", "abx"])
    def test_what_is_no_song_is_told_and_passed_over(self, make_evening, names):
        evening = make_evening(names).start()
        evening.go_on(evening.is_over)
        assert "".join(evening.heard) == "ab"
        assert len(evening.problems) == names.count("x")
        assert all("x.wav is not audio" in problem for problem in evening.problems)
        assert evening.queue.problem(next(song for song in evening.queue.songs if song.title == "x"))

    def test_a_switch_to_what_is_no_song_goes_on_to_the_next(self, make_evening):
        evening = make_evening("axb", frames=8 * RATE).start()
        evening.go_on(lambda: evening.deck.now.song_s > 0.1)
        evening.conductor.go(1)
        evening.go_on(lambda: evening.heard[-1:] == ["b"])
        assert evening.on == "b"

    def test_a_gain_that_is_known_later_is_reached(self, make_evening):
        gains = {}
        evening = make_evening("ab", frames=RATE, gain=lambda path: gains.get(path.stem, 1.0)).start()
        evening.go_on(lambda: evening.deck.now.song_s > 0.1)
        gains |= {"a": 0.75, "b": 0.5}
        evening.go_on(lambda: evening.deck.now.song_s > 0.9)
        assert abs(evening.deck.read(1)[0, 0] - 0.75 * LEVELS["a"]) < 1e-6
        evening.go_on(lambda: evening.on == "b")
        loudest = evening.deck.read(500)[:, 0]
        assert np.abs(loudest - 0.5 * LEVELS["b"]).max() < 1e-6
