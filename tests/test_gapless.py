"""One song after another out of the engine's source: to the sample, at any rates, and past what cannot be read."""

import numpy as np
import pytest
import soundfile
from song_deck import LIMIT_S, RATE, Deck, begin
from waiting import wait_until

from stemlive.realtime.audio_files.reader import AudioReader
from stemlive.realtime.devices.device import RingSource
from stemlive.realtime.devices.file_device import FileSource
from stemlive.realtime.shared import song_requests


@pytest.fixture
def songs(tmp_path):
    """Noise of a quarter of a second and more: no sample is like another."""

    def write(name, frames, rate_hz=RATE, channels=2, seed=0):
        noise = np.random.default_rng(seed).uniform(-0.5, 0.5, (frames, channels)).astype(np.float32)
        soundfile.write(tmp_path / name, noise, rate_hz, subtype="FLOAT")
        return np.repeat(noise, 2, axis=1) if channels == 1 else noise

    return write


@pytest.fixture
def make_deck(tmp_path):
    decks = []

    def make(first="a.wav", **settings):
        deck = Deck(tmp_path, first, **settings)
        decks.append(deck)
        return deck

    yield make
    for deck in decks:
        deck.source.close()


class TestGapless:
    @pytest.mark.parametrize("channels", [(2, 2), (1, 2), (2, 1)])
    def test_the_next_song_follows_on_the_last_sample_of_the_one_before(self, tmp_path, songs, make_deck, channels):
        sounds = [songs(f"{name}.wav", 4321, channels=n, seed=n) for name, n in zip("ab", channels, strict=True)]
        deck = make_deck()
        number = deck.transport.play_next(tmp_path / "b.wav")
        begin(deck)
        sound = deck.read(8600)
        first = np.flatnonzero((sound == sounds[0][80]).all(axis=1))[0] - 80  # it fades in, for it was not playing yet
        whole = np.concatenate(sounds)
        np.testing.assert_array_equal(sound[first + 80 :], whole[80 : len(sound) - first])
        assert (deck.now.song_number, deck.now.song_length_s) == (number, 4321 / RATE)
        assert deck.now.song_s == pytest.approx((8600 - first - 4321) / RATE, abs=1e-6)
        assert deck.source.jumped(deck.taken)  # the song's beginning
        assert deck.source.jumped(deck.taken)  # the model forgets the song before
        deck.read_until(lambda: deck.now.song_ended)
        assert deck.now.song_number == number

    def test_at_another_rate_two_songs_sound_like_both_in_one_file(self, tmp_path, songs, make_deck):
        whole = songs("whole.wav", 9000)
        for name, part in (("a", whole[:5000]), ("b", whole[5000:])):
            soundfile.write(tmp_path / f"{name}.wav", part, RATE, subtype="FLOAT")
        reference = FileSource(AudioReader(tmp_path / "whole.wav"), 12000)
        reference.start()
        wanted = np.zeros((13000, 2), np.float32)
        ring = RingSource(reference.input)
        for first in range(0, len(wanted), 100):
            wait_until(lambda: ring.available() >= 100, "the file", patience_s=LIMIT_S)
            ring.read(wanted[first : first + 100])
        reference.close()
        deck = make_deck(rate_hz=12000)
        deck.transport.play_next(tmp_path / "b.wav")
        begin(deck)
        sound = deck.read(13000)
        shift = next(n for n in range(0, 400) if np.allclose(sound[n + 600 : n + 700], wanted[600:700], atol=1e-6))
        np.testing.assert_allclose(sound[shift + 600 :], wanted[600 : 13000 - shift], atol=1e-6)

    def test_another_rate_begins_at_the_next_instant(self, tmp_path, make_deck):
        soundfile.write(tmp_path / "a.wav", np.full((4000, 2), 0.5), 16000, subtype="FLOAT")
        soundfile.write(tmp_path / "b.wav", np.full((6001, 2), 0.25), 12000, subtype="FLOAT")
        deck = make_deck()
        number = deck.transport.play_next(tmp_path / "b.wav")
        begin(deck)
        sound = deck.read_until(lambda: deck.now.song_ended)[:, 0]
        assert deck.now.song_number == number
        heard = np.flatnonzero(np.abs(sound) > 0.1)
        begins, ends = heard[0], heard[-1] + 1
        # 0.25 s and 6001 / 12000 s; a fifth of a fade of 80 samples is below the mark, and a filter blurs the ends.
        assert ends - begins == pytest.approx(2000 + 4001 - 16, abs=4)
        change = int(np.flatnonzero(sound > 0.375)[-1]) + 1
        assert ends - change == pytest.approx(4001, abs=3)
        assert np.abs(sound[begins + 150 : change - 150] - 0.5).max() < 1e-3
        assert np.abs(sound[change + 150 : ends - 150] - 0.25).max() < 1e-3

    def test_the_last_wish_counts_and_none_ends_it(self, tmp_path, songs, make_deck):
        for name in "abc":
            songs(f"{name}.wav", 4000, seed=ord(name))
        deck = make_deck()
        for _ in range(3 * song_requests.PLACES):
            deck.transport.play_next(tmp_path / "b.wav")
        number = deck.transport.play_next(tmp_path / "c.wav")
        begin(deck)
        deck.read_until(lambda: deck.now.song_number == number)
        deck.transport.play_next(tmp_path / "a.wav")
        deck.transport.play_next(None)
        deck.read_until(lambda: deck.now.song_ended)
        assert deck.now.song_number == number
        assert deck.now.song_s == deck.now.song_length_s == 0.5

    def test_a_switch_fades_out_and_in_and_keeps_the_pause(self, tmp_path, make_deck):
        soundfile.write(tmp_path / "a.wav", np.full((8 * RATE, 2), 0.5), RATE, subtype="FLOAT")
        soundfile.write(tmp_path / "b.wav", np.full((8 * RATE, 2), -0.5), RATE, subtype="FLOAT")
        deck = make_deck()
        begin(deck)
        before = deck.read(2000)
        number = deck.transport.play_now(tmp_path / "b.wav")
        deck.transport.seek(4.0)
        sound = np.concatenate([before, deck.read_until(lambda: deck.now.song_number == number), deck.read(1000)])
        assert sound[-1, 0] == -0.5
        assert np.abs(np.diff(sound[:, 0])).max() < 0.5 / 75  # no step beyond that of a fade of 80 samples
        assert deck.now.song_s == pytest.approx(4.1, abs=0.1)
        deck.transport.play(False)
        third = deck.transport.play_now(tmp_path / "a.wav")
        deck.read_until(lambda: deck.now.song_number == third)
        assert not deck.read(2000)[1000:].any()
        assert deck.now.song_s == 0
        deck.transport.play()
        deck.read_until(lambda: deck.now.song_s > 0.1)

    def test_after_the_end_another_song_is_played_on_request(self, tmp_path, songs, make_deck):
        songs("a.wav", 2000)
        songs("b.wav", 2000, seed=1)
        deck = make_deck()
        begin(deck)
        deck.read_until(lambda: deck.now.song_ended)
        deck.read(2 * RATE)
        assert deck.source.idle(deck.taken)
        number = deck.transport.play_now(tmp_path / "b.wav")
        assert not deck.source.idle(deck.taken)
        deck.read_until(lambda: deck.now.song_number == number and not deck.now.song_ended)
        deck.read_until(lambda: deck.now.song_ended)

    def test_a_song_that_is_none_is_told_and_the_end_is_the_end(self, tmp_path, songs, make_deck):
        songs("a.wav", 4000)
        (tmp_path / "b.wav").write_text("no sound")
        deck = make_deck()
        number = deck.transport.play_next(tmp_path / "b.wav")
        begin(deck)
        deck.read_until(lambda: deck.now.song_failed == number)
        assert "b.wav is not audio" in deck.now.song_problem
        deck.read_until(lambda: deck.now.song_ended)
        assert deck.now.song_number == 0

    def test_a_damaged_song_is_left_for_the_next_one(self, tmp_path, songs, make_deck):
        songs("a.wav", 8 * RATE)
        songs("b.wav", 4000, seed=1)
        deck = make_deck()
        first = deck.transport.play_now(tmp_path / "a.wav")
        begin(deck)
        deck.read_until(lambda: deck.now.song_number == first)
        number = deck.transport.play_next(tmp_path / "b.wav")

        def fail(_):
            raise soundfile.SoundFileError("a bad spot")

        deck.source._song.reader._reader._source._file.read = lambda *_, **__: fail(_)
        deck.read_until(lambda: deck.now.song_number == number)
        assert deck.now.song_failed == first
        assert "a.wav is damaged: only" in deck.now.song_problem

    def test_a_song_has_its_gain_from_the_first_sample_on_and_changes_it_smoothly(self, tmp_path, make_deck):
        for name in "ab":
            soundfile.write(tmp_path / f"{name}.wav", np.full((3 * RATE, 2), 0.5), RATE, subtype="FLOAT")
        deck = make_deck()
        number = deck.transport.play_next(tmp_path / "b.wav", gain=0.5)
        begin(deck)
        deck.transport.seek(2.9)
        sound = deck.read_until(lambda: deck.now.song_number == number)[:, 0]
        assert set(np.unique(sound[-150:])) == {np.float32(0.5), np.float32(0.25)}
        deck.transport.set_song_gain(number, 1.0)
        louder = deck.read(RATE + 2000)[:, 0]
        assert louder[-1] == 0.5
        assert 0 < np.abs(np.diff(louder)).max() < 1e-4

    def test_seeks_and_loops_are_for_the_song_that_was_heard(self, tmp_path, songs, make_deck):
        songs("a.wav", 2 * RATE)
        songs("b.wav", 2 * RATE, seed=1)
        deck = make_deck()
        number = deck.transport.play_next(tmp_path / "b.wav")
        begin(deck)
        deck.transport.set_loop((0.5, 1.0))
        deck.transport.seek(1.9)
        deck.read_until(lambda: deck.now.song_s > 1.94)
        wait_until(
            lambda: deck.source._song.number == number, "the next song", patience_s=LIMIT_S
        )  # read ahead, and not heard yet
        deck.transport.seek(1.0)
        deck.read_until(lambda: deck.now.song_number == number)
        assert deck.transport.loop is None
        sound = deck.read(RATE + RATE // 2)  # through what would be a loop, and where the seek would have led
        assert deck.now.song_s == pytest.approx(1.5, abs=0.02)
        assert len(sound) == 1.5 * RATE

    def test_another_process_goes_on_in_the_song_that_was_heard(self, tmp_path, songs, make_deck):
        songs("a.wav", 2000)
        sound = songs("b.wav", 4 * RATE, seed=1)
        deck = make_deck()
        deck.transport.play_now(tmp_path / "a.wav")
        number = deck.transport.play_next(tmp_path / "b.wav", gain=0.5)
        deck.transport.play()
        deck.source.start()
        deck.read_until(lambda: deck.now.song_number == number)
        for _ in range(3 * song_requests.PLACES):
            deck.transport.play_next(tmp_path / "a.wav")
        deck.read(4000)
        deck.source.close()
        second = make_deck(memory=deck.memory)
        held = round(second.now.song_s * RATE)
        second.source.start()
        heard = second.read(400)
        first = np.flatnonzero((np.abs(heard[-1] / 0.5 - sound) < 1e-6).all(axis=1))[0]
        assert held <= first <= held + 400
