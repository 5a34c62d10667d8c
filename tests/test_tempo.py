"""Slower and faster: which pitch is heard, how long it takes, and where in the song it says that it is."""

import numpy as np
import pytest
import song_deck
import soundfile
from click.testing import CliRunner

from stemlive.cli import main
from stemlive.errors import StemliveError, UsageError
from stemlive.realtime.audio_files.reader import AudioReader
from stemlive.realtime.audio_files.tempo import TempoReader, check_tempo
from stemlive.realtime.control.controls import Controls
from stemlive.realtime.control.osc import OscControl
from stemlive.realtime.control.transport import Transport
from stemlive.realtime.dsp.key_change import KeyChange
from stemlive.realtime.shared.memory import EngineMemory
from stemlive.terminal.desk import Desk
from stemlive.terminal.keys import press

RATE = 22050
FADE = round(0.01 * RATE)
HOP_S = 512 / 44100


@pytest.fixture(autouse=True)
def library():
    try:
        check_tempo(90)
    except StemliveError as error:
        pytest.skip(str(error))


def tone(hz=440.0, seconds=4.0, rate_hz=RATE):
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate_hz)) / rate_hz)).astype(np.float32)[:, None]


def bursts(seconds, rate_hz=RATE):
    """A burst of 5 ms at each half second."""
    sound = np.zeros((round(seconds * rate_hz), 1), np.float32)
    noise = np.random.default_rng(0).normal(0, 0.3, rate_hz // 200)
    for first in range(0, len(sound) - rate_hz // 4, rate_hz // 2):
        sound[first : first + len(noise), 0] = noise
    return sound


def at_s(sound, about_s, rate_hz=RATE):
    """When the burst about this second has begun: when 5 percent of its energy are over."""
    first = max(0, round((about_s - 0.1) * rate_hz))
    energy = np.cumsum(np.square(sound[first : first + rate_hz // 5, 0]))
    return (first + int(np.searchsorted(energy, 0.05 * energy[-1]))) / rate_hz


def pitch_hz(sound, rate_hz=RATE):
    part = sound[rate_hz // 2 : rate_hz // 2 + rate_hz, 0]
    spectrum = np.abs(np.fft.rfft(part * np.hanning(len(part)), 1 << 20))
    return np.argmax(spectrum) * rate_hz / (1 << 20)


@pytest.fixture
def song(tmp_path):
    readers = []

    def make(sound, rate_hz=RATE):
        soundfile.write(tmp_path / "song.wav", sound, rate_hz, subtype="FLOAT")
        readers.append(AudioReader(tmp_path / "song.wav"))
        return readers[-1]

    yield make
    for reader in readers:
        reader.close()


def everything(reader, block=1000):
    blocks = [np.zeros((0, reader.channels), np.float32)]
    while len(new := reader.read(block)):
        blocks.append(new)
    return np.concatenate(blocks)


class TestReader:
    @pytest.mark.parametrize(("percent", "seconds"), [(50, 8.0), (80, 5.0), (150, 2.6667)])
    def test_a_tone_keeps_its_pitch_and_its_level_and_takes_its_time(self, song, percent, seconds):
        heard = everything(TempoReader(song(tone()), percent))
        assert len(heard) == np.ceil(4 * RATE * 100 / percent) == pytest.approx(seconds * RATE, abs=1)
        assert abs(1200 * np.log2(pitch_hz(heard) / 440.0)) < 1
        steady = heard[FADE : -RATE // 10].reshape(-1)
        tops = [np.abs(part).max() for part in np.array_split(steady, 40)]
        assert (min(tops), max(tops)) == (pytest.approx(0.5, abs=0.06), pytest.approx(0.5, abs=0.06))

    def test_a_minute_later_it_is_where_it_should_be(self, song):
        heard = everything(TempoReader(song(bursts(49.8)), 83))
        assert len(heard) / RATE == pytest.approx(60.0, abs=HOP_S)
        for place_s in (0.5, 10.0, 25.0, 49.0):
            assert at_s(heard, place_s / 0.83) == pytest.approx(place_s / 0.83, abs=HOP_S)

    def test_it_is_the_same_however_it_is_read(self, song):
        reader = song(bursts(2.0))
        whole = everything(TempoReader(reader, 70), 1 << 20)
        np.testing.assert_array_equal(everything(TempoReader(reader, 70), 333), whole)

    def test_at_its_own_tempo_the_samples_are_those_of_the_file(self, song):
        sound = tone(seconds=1.0)
        reader = TempoReader(song(sound))
        np.testing.assert_array_equal(everything(reader), sound)
        reader.seek(1000.0)
        np.testing.assert_array_equal(reader.read(500), sound[1000:1500])

    @pytest.mark.parametrize("percent", [60, 140])
    def test_it_begins_at_the_place_that_it_is_sent_to(self, song, percent):
        reader = TempoReader(song(bursts(6.0)), percent)
        reader.read(2000)
        reader.seek(2.75 * RATE)
        heard = everything(reader)
        for place_s in (3.0, 5.0):
            assert at_s(heard, (place_s - 2.75) * 100 / percent) == pytest.approx(
                (place_s - 2.75) * 100 / percent, abs=HOP_S
            )
        steady = TempoReader(song(tone()), percent)
        steady.seek(2.0 * RATE)
        assert np.abs(steady.read(200)).max() == pytest.approx(0.5, abs=0.06)  # from its first sample on

    def test_key_and_tempo_go_together(self, song):
        slow = everything(TempoReader(song(tone()), 75))
        key = KeyChange(RATE, 1, 4096)
        key.prepare()
        heard = np.concatenate([key.process(part, 3).copy() for part in np.array_split(slow, 100)])
        assert len(heard) == round(4 / 0.75 * RATE)
        assert abs(1200 * np.log2(pitch_hz(heard) / 523.25)) < 3

    @pytest.mark.parametrize("percent", [49, 151, float("nan")])
    def test_tempos_have_a_range(self, percent):
        with pytest.raises(UsageError, match="from 50 to 150 percent"):
            Transport(EngineMemory.local()).set_tempo_percent(percent)


class Deck(song_deck.Deck):
    """A song that an engine's thread would take, and where it is said to be."""

    def __init__(self, folder, sound, memory=None):
        soundfile.write(folder / "song.wav", sound, RATE, subtype="FLOAT")
        super().__init__(folder, "song.wav", RATE, memory)
        self.told, self.beats = [], []

    def read(self, count):
        out = np.zeros((count, 2), np.float32)
        for first in range(0, count, 100):
            out[first : first + 100] = super().read(len(out[first : first + 100]))
            self.told.append(self.now.song_s)
            self.beats.append(self.now.song_beat)
        return out

    def place_s(self, taken_s):
        """Where the song is said to be at a second of what was taken."""
        return float(np.interp(taken_s * RATE, 100 * np.arange(1, len(self.told) + 1), self.told))


@pytest.fixture
def deck(tmp_path):
    decks = []

    def make(sound, memory=None):
        decks.append(Deck(tmp_path, sound, memory))
        return decks[-1]

    yield make
    for each in decks:
        each.source.close()


class TestSong:
    def test_the_place_is_told_in_seconds_of_the_song_while_the_tempo_changes(self, deck):
        deck = deck(bursts(30.0))
        deck.transport.play()
        deck.source.start()
        heard = [deck.read(RATE)]
        for percent in (50, 120, 100, 90, 150):
            deck.transport.set_tempo_percent(percent)
            heard.append(deck.read(2 * RATE))
            assert deck.now.song_tempo_percent == percent
            assert deck.now.song_speed == pytest.approx(percent / 100)
        heard = np.concatenate(heard)
        assert np.abs(heard[-RATE:]).max() > 0.1
        loud = np.flatnonzero(np.abs(heard[:, 0]) > 0.1) / RATE
        begins = loud[np.flatnonzero(np.diff(loud, prepend=-1.0) > 0.1)]
        assert len(begins) > 20  # in 1, 1, 2.4, 2, 1.8 and 3 seconds of the song, two in each
        for number, begin_s in enumerate(begins):
            assert deck.place_s(begin_s) == pytest.approx(0.5 * number, abs=HOP_S)

    @pytest.mark.parametrize("percent", [100, 80, 130])
    def test_a_loop_is_as_long_in_every_round_to_the_sample(self, deck, percent):
        noise = np.random.default_rng(1).normal(0, 0.1, (3 * RATE, 1)).astype(np.float32)
        deck = deck(noise)
        deck.transport.set_tempo_percent(percent)
        deck.transport.set_loop((1.0, 1.4567))
        deck.transport.seek(0.9)
        deck.transport.play()
        deck.source.start()
        heard = deck.read(4 * RATE)
        round_ = round(round(0.4567 * RATE) * 100 / percent)
        later = heard[RATE:]
        np.testing.assert_array_equal(later[round_:], later[:-round_])
        assert later.std() == pytest.approx(0.1, abs=0.02)
        told = np.array(deck.told[220:])
        assert (told.min(), told.max()) == (pytest.approx(1.0, abs=0.01), pytest.approx(1.4567, abs=0.01))

    def test_a_seek_and_a_pause_at_another_tempo(self, deck):
        deck = deck(bursts(20.0))
        deck.transport.set_tempo_percent(60)
        deck.transport.play()
        deck.source.start()
        deck.read(RATE)
        deck.transport.seek(10.25)
        heard = np.concatenate([deck.read(RATE), deck.read(RATE)])
        begin_s = at_s(heard, (np.abs(heard[RATE // 2 :, 0]).argmax() + RATE // 2) / RATE)
        place_s = deck.place_s(1.0 + begin_s)
        assert place_s > 10.25
        assert place_s * 2 == pytest.approx(round(place_s * 2), abs=2 * HOP_S)
        deck.transport.play(False)
        deck.read(RATE // 2)
        held_s = deck.told[-1]
        assert not deck.read(RATE // 2).any()
        assert deck.told[-1] == held_s

    def test_it_ends_where_the_song_ends(self, deck):
        deck = deck(tone(seconds=2.0))
        deck.transport.set_tempo_percent(125)
        deck.transport.play()
        deck.source.start()
        heard = deck.read(2 * RATE)
        assert deck.now.song_ended
        assert deck.told[-1] == 2.0
        sounding = np.flatnonzero(np.abs(heard[:, 0]) > 0.1)
        assert (sounding[-1] - sounding[0]) / RATE == pytest.approx(1.6, abs=0.02)

    def test_another_process_goes_on_at_the_same_tempo(self, deck):
        first = deck(bursts(10.0))
        first.transport.set_tempo_percent(70)
        first.transport.play()
        first.source.start()
        first.read(RATE)
        second = deck(bursts(10.0), first.memory)
        second.source.start()
        second.read(RATE)
        assert second.told[-1] - second.told[0] == pytest.approx(0.7, abs=0.01)


class TestPractice:
    def test_each_round_of_a_loop_is_faster_up_to_a_tempo(self, deck):
        deck = deck(np.random.default_rng(1).normal(0, 0.1, (3 * RATE, 1)).astype(np.float32))
        deck.transport.set_tempo_percent(70)
        deck.transport.set_rounds(20, 100)
        deck.transport.set_loop((1.0, 1.5))
        deck.transport.seek(1.0)
        deck.transport.play()
        deck.source.start()
        deck.read(4 * RATE)
        assert deck.transport.tempo_percent == 100
        wraps = [number for number in range(1, len(deck.told)) if deck.told[number] < deck.told[number - 1] - 0.2]
        rounds_s = np.diff(wraps) * 100 / RATE
        assert rounds_s[:3] == pytest.approx([0.5 / 0.9, 0.5, 0.5], abs=0.01)
        deck.transport.set_tempo_percent(60)  # and again from there
        assert deck.transport.tempo_percent == 60
        deck.read(5 * RATE)
        assert deck.transport.tempo_percent == 100

    def test_a_count_in_before_it_begins_and_before_each_round(self, deck):
        deck = deck(tone(seconds=3.0))
        deck.transport.set_tempo_percent(50)
        deck.transport.set_count_in(3, 120.0)
        deck.transport.set_loop((1.0, 1.5))
        deck.transport.seek(1.0)
        deck.transport.play()
        deck.source.start()
        heard = deck.read(8 * RATE)
        clicks = np.zeros((len(heard), 3), np.float32)
        for first in range(0, len(heard), 512):
            deck.source.clicks.add_to(clicks[first : first + 512], first)
        assert not clicks[:, 2].any()
        np.testing.assert_array_equal(clicks[:, 0], clicks[:, 1])
        loud = np.flatnonzero(np.abs(clicks[:, 0]) > 0.1) / RATE
        begins = loud[np.flatnonzero(np.diff(loud, prepend=-1.0) > 0.1)]
        # Three beats of a second each, for 120 a minute at half the tempo, then a second of the loop.
        np.testing.assert_allclose(begins[:6] - begins[0], [0, 1, 2, 4, 5, 6], atol=0.002)
        changes = np.flatnonzero(np.diff(deck.beats, prepend=0))
        assert [deck.beats[change] for change in changes[:8]] == [1, 2, 3, 0, 1, 2, 3, 0]
        told_s = (changes + 1) * 100 / RATE
        np.testing.assert_allclose(told_s[:7], [*begins[:3], begins[2] + 1, *begins[3:6]], atol=0.006)
        sounding = np.abs(heard[:, 0]) > 0.2
        song_s = np.flatnonzero(sounding)[0] / RATE
        assert song_s - begins[0] == pytest.approx(3.0, abs=0.01)
        assert not sounding[round((song_s + 1.02) * RATE) : round((song_s + 3.98) * RATE)].any()
        assert deck.place_s(begins[0] + 1.5) == 1.0  # it stands meanwhile

    def test_a_pause_ends_the_count_in_and_a_seek_begins_it_anew(self, deck):
        deck = deck(tone(seconds=4.0))
        deck.transport.set_count_in(2)
        deck.transport.play()
        deck.source.start()
        deck.read(RATE // 2)
        deck.transport.play(False)
        assert deck.beats[-1] == 1
        assert not deck.read(3 * RATE).any()
        assert deck.beats[-1] == 0
        deck.transport.play()
        deck.read(RATE // 2)
        deck.transport.seek(2.0)
        heard = deck.read(4 * RATE)
        song_s = np.flatnonzero(np.abs(heard[:, 0]) > 0.2)[0] / RATE
        assert song_s == pytest.approx(2.0, abs=0.4)  # what was read ahead
        assert deck.place_s(4.0 + song_s + 0.5) == pytest.approx(2.5, abs=0.01)

    def test_what_is_out_of_range(self):
        song = Transport(EngineMemory.local())
        for wrong in (lambda: song.set_rounds(26, 100), lambda: song.set_rounds(5, 151), lambda: song.set_count_in(17)):
            with pytest.raises(UsageError):
                wrong()
        with pytest.raises(UsageError, match="from 30 to 300"):
            song.set_count_in(4, 20)


class TestControl:
    def test_keys_and_osc_move_it_within_its_range(self):
        controls = Controls(("vocals", "rest"), EngineMemory.local())
        desk = Desk(controls, song_at=lambda: 0.0)
        for key in "ddf":
            press(desk, key)
        assert (controls.song.tempo_percent, desk.notes[-1]) == (95, "tempo 95 %")
        osc = OscControl(controls, "127.0.0.1", 0, complain=print)
        act = dict(osc._actions())["/stemlive/tempo"]
        act("/stemlive/tempo", 52.5)
        assert ("/stemlive/tempo", 52.5) in osc.state()
        with pytest.raises(UsageError):
            act("/stemlive/tempo", 151)
        osc.close()
        at = iter((1.5, 4.0, 4.5, 9.0, 9.1))
        desk.song_at = lambda: next(at)
        press(desk, "l")
        press(desk, "l")
        assert (controls.song.loop, desk.notes[-1]) == ((1.5, 4.0), "loop 0:01 to 0:04")
        press(desk, "l")
        assert controls.song.loop is None
        press(desk, "l")
        press(desk, "l")
        assert "0.25 s at least" in desk.notes[-1]
        press(desk, "d")
        press(desk, "d")
        assert controls.song.tempo_percent == 50
        press(desk, "t")
        assert controls.song.tempo_percent == 100


class TestQueue:
    def test_songs_that_follow_begin_at_the_tempo_that_was_set_for_all(self, tmp_path):
        for name, hz in (("a.wav", 300.0), ("b.wav", 500.0)):
            soundfile.write(tmp_path / name, tone(hz, 2.0), RATE, subtype="FLOAT")
        memory = EngineMemory.local()
        transport = Transport(memory)
        transport.set_first_tempo_percent(80.0)
        transport.play_now(tmp_path / "a.wav")
        transport.play_next(tmp_path / "b.wav")
        deck = song_deck.Deck(tmp_path, "a.wav", RATE, memory)
        try:
            song_deck.begin(deck)
            heard = deck.read(5 * RATE)
            assert deck.now.song_number == 2
            assert deck.now.song_tempo_percent == 80
        finally:
            deck.source.close()
        halves = heard[: round(2.4 * RATE)], heard[round(2.6 * RATE) : round(4.8 * RATE)]
        assert [round(pitch_hz(half), -1) for half in halves] == [300, 500]
        with pytest.raises(UsageError):
            transport.set_first_tempo_percent(40.0)


class TestCommand:
    def test_a_file_is_written_slower(self, tmp_path):
        soundfile.write(tmp_path / "in.wav", tone(440, 2.0, 44100), 44100)
        ends = ["-i", str(tmp_path / "in.wav"), "-o", str(tmp_path / "out.wav")]
        answer = CliRunner().invoke(main, ["stream", *ends, "--tempo", "80", "--key", "-4", "--quiet"])
        assert answer.exit_code == 0, answer.output
        heard, _ = soundfile.read(tmp_path / "out.wav", always_2d=True)
        assert len(heard) == 110250
        assert abs(1200 * np.log2(pitch_hz(heard, 44100) / 349.23)) < 5

    @pytest.mark.parametrize(
        ("arguments", "line"),
        [
            (["-i", "device:default", "--tempo", "80"], "--tempo is for songs"),
            (["-i", "-", "-o", "out.wav", "--tempo", "80"], "--tempo is for songs"),
            (["song.wav", "--tempo", "40"], "50<=x<=150"),
            (["song.wav", "-o", "out.wav", "--loop", "1-2"], "are for songs that are heard"),
            (["-i", "device:default", "--count-in", "4"], "are for songs that are heard"),
            (["song.wav", "--loop", "1"], "write FROM-TO"),
            (["song.wav", "--loop", "2-1"], "ends before it begins"),
            (["song.wav", "--loop-faster", "5"], "give a lower --tempo"),
            (["song.wav", "--bpm", "120"], "give their number"),
        ],
    )
    def test_what_has_no_tempo_is_told_in_a_line(self, arguments, line, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        soundfile.write("song.wav", tone(), RATE)
        answer = CliRunner().invoke(main, ["stream", *arguments], input="")
        assert answer.exit_code == 2
        assert line in answer.output

    def test_a_loop_is_a_part_of_one_song(self, tmp_path):
        for name in ("a.wav", "b.wav"):
            soundfile.write(tmp_path / name, tone(), RATE)
        answer = CliRunner().invoke(main, ["play", str(tmp_path), "--loop", "1-2"])
        assert answer.exit_code == 2
        assert "--loop is a part of one song: name that song alone" in answer.output
