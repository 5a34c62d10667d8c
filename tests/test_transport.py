"""A song that is paused, sought and looped: what comes out of it, sample by sample, and where it says that it is."""

import subprocess
import threading
import time

import numpy as np
import pytest
import soundfile

from stemlive.errors import UsageError
from stemlive.realtime.audio_files.reader import AudioReader
from stemlive.realtime.control.controls import Controls
from stemlive.realtime.control.transport import Transport
from stemlive.realtime.devices import song_source
from stemlive.realtime.devices.device import RingSource
from stemlive.realtime.devices.song_loader import LoadedSong
from stemlive.realtime.devices.song_source import SongSource
from stemlive.realtime.engine import engine
from stemlive.realtime.engine.telemetry import Report
from stemlive.realtime.separation.stem_spectra import mix
from stemlive.realtime.shared.memory import EngineMemory

RATE = 8000
LENGTH = 4 * RATE
FADE = 80


class Deck:
    """A song whose every sample says where it is: sample k of the left side is k / LENGTH, of the right side a half."""

    def __init__(self, folder, rate_hz=RATE, memory=None):
        path = folder / "song.wav"
        sound = np.stack([np.arange(LENGTH) / LENGTH, np.full(LENGTH, 0.5)], axis=1).astype(np.float32)
        soundfile.write(path, sound, RATE, subtype="FLOAT")
        self.sound = sound
        self.memory = EngineMemory.local() if memory is None else memory
        self.transport = Transport(self.memory)
        self.source = SongSource(LoadedSong(AudioReader(path)), rate_hz, self.memory)
        self.ring = RingSource(self.source.input)
        self.taken = 0

    def read(self, count):
        """Take as the engine does, once there is as much."""
        out = np.zeros((count, 2), np.float32)
        for first in range(0, count, 100):
            block = out[first : first + 100]
            end = time.monotonic() + 60
            while self.ring.available() < len(block):
                assert time.monotonic() < end, self.source.problem or "the source gives nothing"
                time.sleep(0.001)
            self.ring.read(block)
            self.taken += len(block)
            self.source.tell(self.taken, time.monotonic())
        return out

    def read_until(self, true, most_s=3.0):
        """Take blocks until one of them is as wanted; return all."""
        blocks = []
        while not blocks or not true(blocks[-1]):
            assert len(blocks) * 100 < most_s * RATE, "it never came"
            blocks.append(self.read(100))
        return np.concatenate(blocks)

    @property
    def position_s(self):
        return float(self.memory.telemetry["song_s"])


@pytest.fixture
def make_deck(tmp_path):
    decks = []

    def make(**settings):
        deck = Deck(tmp_path, **settings)
        decks.append(deck)
        return deck

    yield make
    for deck in decks:
        deck.source.close()


@pytest.fixture
def deck(make_deck):
    return make_deck()


def place(sample):
    return round(float(sample[0]) * LENGTH)


def clicks(sound):
    """The right side is a constant: whatever is steeper than a fade between it and silence is a click."""
    return np.abs(np.diff(sound[:, 1])).max() > 0.55 / FADE


class TestSongSource:
    def test_it_stands_until_it_is_told_to_play_and_then_plays_every_sample(self, deck):
        deck.source.start()
        assert np.all(deck.read(500) == 0)
        deck.transport.play()
        sound = deck.read_until(lambda block: place(block[-1]) > 1500)
        first = np.flatnonzero(sound[:, 1] == 0.5)[0]
        begin = place(sound[first])
        assert begin <= FADE
        np.testing.assert_array_equal(sound[first:], deck.sound[begin : begin + len(sound) - first])
        assert not clicks(sound)
        assert deck.position_s == pytest.approx((place(sound[-1]) + 1) / RATE)

    def test_its_thread_goes_before_ordinary_work_and_behind_the_engines(self, deck, monkeypatch):
        """On a busy core it came too late for a stretched song, of which it has read but a tenth of a second ahead."""
        asked = []
        monkeypatch.setattr(
            song_source, "raise_priority", lambda linux: asked.append((threading.current_thread().name, linux))
        )
        deck.source.start()
        deck.read(100)
        ((name, priority),) = asked
        assert name == "stemlive source"
        assert 0 < priority < engine._PRIORITY

    def test_a_seek_cross_fades(self, deck):
        deck.transport.play()
        deck.source.start()
        deck.read(4000)
        deck.transport.seek(3.0)
        sound = deck.read_until(lambda block: place(block[-1]) > 3 * RATE)
        jump = int(np.flatnonzero(np.diff(sound[:, 0]) > 2 / LENGTH)[0])
        # Equal parts of one constant in a linear cross-fade are that constant.
        np.testing.assert_allclose(sound[:, 1], 0.5, atol=1e-6)
        after = sound[jump + FADE + 1 :]
        np.testing.assert_array_equal(after[:, 0], deck.sound[3 * RATE + FADE :, 0][: len(after)])
        assert deck.position_s == pytest.approx((place(sound[-1]) + 1) / RATE)
        assert deck.source.jumped(deck.taken)
        deck.source.jumped(deck.taken)
        assert not deck.source.jumped(deck.taken)

    def test_pause_holds_the_place(self, deck):
        deck.transport.play()
        deck.source.start()
        before = deck.read(2000)
        deck.transport.play(False)
        sound = deck.read_until(lambda block: not block.any())
        assert not clicks(np.concatenate([before, sound]))
        held = deck.position_s
        deck.read(1000)
        assert deck.position_s == held
        deck.transport.play()
        again = deck.read_until(lambda block: block[-1, 1] == 0.5)
        assert not clicks(again)
        assert place(again[-1]) / RATE == pytest.approx(held, abs=0.03)

    def test_a_loop_repeats_to_the_sample(self, deck):
        deck.transport.set_loop((1.0, 1.5))
        deck.transport.seek(0.9)
        deck.transport.play()
        deck.source.start()
        sound = deck.read(2 * RATE)
        places = np.rint(sound[:, 0] * LENGTH).astype(int)
        wraps = np.flatnonzero(np.diff(places) < -RATE // 4)
        assert len(wraps) == 0  # a cross-fade has no step
        np.testing.assert_allclose(sound[FADE:, 1], 0.5, atol=1e-6)
        tops = np.flatnonzero((places[1:-1] > places[:-2]) & (places[1:-1] >= places[2:])) + 1
        np.testing.assert_array_equal(np.diff(tops), len(np.diff(tops)) * [RATE // 2])
        assert places.max() <= 1.5 * RATE
        assert deck.transport.loop == (1.0, 1.5)
        assert 1.0 <= deck.position_s <= 1.5

    def test_the_end_is_told_and_a_seek_leads_back(self, deck):
        deck.transport.seek(3.9)
        deck.transport.play()
        deck.source.start()
        deck.read(3000)
        assert bool(deck.memory.telemetry["song_ended"])
        assert deck.position_s == 4.0
        assert deck.source.end is None
        deck.transport.seek(0.0)
        sound = deck.read_until(lambda block: block[-1, 1] == 0.5)
        assert not bool(deck.memory.telemetry["song_ended"])
        assert not clicks(sound)

    def test_another_process_goes_on_where_the_first_one_was(self, make_deck):
        first = make_deck()
        first.transport.seek(1.0)
        first.transport.play()
        first.source.start()
        first.read(4000)
        first.source.close()
        first.memory.telemetry["song_seeks"] = first.memory.parameters["seeks"]
        second = make_deck(memory=first.memory)
        held = second.position_s
        second.source.start()
        sound = second.read(400)
        assert held == pytest.approx(1.5, abs=0.02)
        assert place(sound[-1]) / RATE == pytest.approx(held + 400 / RATE, abs=0.01)

    def test_another_rate_keeps_the_time(self, make_deck):
        deck = make_deck(rate_hz=12000)
        deck.transport.seek(1.0)
        deck.transport.play()
        deck.source.start()
        sound = deck.read(12000)
        assert place(sound[-1]) / RATE == pytest.approx(2.0, abs=0.01)
        assert deck.position_s == pytest.approx(2.0, abs=0.01)

    @pytest.mark.parametrize(
        ("channels", "rate_hz", "kind"), [(6, 44100, "wav"), (16, 8000, "wav"), (1, 4000, "flac"), (2, 384000, "wav")]
    )
    def test_what_the_window_can_open_can_be_played(self, tmp_path, channels, rate_hz, kind):
        """The window asks the reader of files; the engine, in another process, must not say otherwise."""
        path = tmp_path / f"song.{kind}"
        soundfile.write(path, np.full((rate_hz // 2, channels), 0.25), rate_hz)
        memory = EngineMemory.local()
        source = SongSource(LoadedSong(AudioReader(path)), 44100, memory)
        Transport(memory).play()
        source.start()
        ring = RingSource(source.input)
        block = np.zeros((2000, 2), np.float32)
        end = time.monotonic() + 60
        while ring.available() < len(block):
            assert time.monotonic() < end, source.problem or "it gives nothing"
            time.sleep(0.001)
        ring.read(block)
        source.close()
        assert np.abs(block[-100:]).min() > 0.1

    def test_a_song_that_is_shorter_than_it_seemed_ends_where_it_ends(self, tmp_path):
        soundfile.write(tmp_path / "song.wav", np.full((44100, 1), 0.5), 44100)
        command = ["ffmpeg", "-v", "error", "-i", tmp_path / "song.wav", tmp_path / "song.mp2"]
        subprocess.run(command, check=True)
        reader, memory = AudioReader(tmp_path / "song.mp2"), EngineMemory.local()
        source, transport, taken = SongSource(LoadedSong(reader), 44100, memory), Transport(memory), 0
        promised_s = float(memory.telemetry["song_length_s"])
        transport.play()
        source.start()
        ring = RingSource(source.input)
        block = np.zeros((100, 2), np.float32)
        end = time.monotonic() + 60
        while not memory.telemetry["song_ended"]:
            assert time.monotonic() < end, source.problem or "it does not end"
            if ring.available() >= len(block):
                ring.read(block)
                taken += len(block)
                source.tell(taken, time.monotonic())
        source.close()
        length_s = float(memory.telemetry["song_length_s"])
        assert length_s == float(memory.telemetry["song_s"]) == reader.frames / 44100
        assert 1 <= length_s < promised_s

    def test_wishes_that_make_no_sense(self, deck):
        with pytest.raises(UsageError, match="no position"):
            deck.transport.seek(-1.0)
        with pytest.raises(UsageError, match=r"0\.25 s at least"):
            deck.transport.set_loop((1.0, 1.2))


class TestPanAndMaster:
    class Path:
        stems = ("vocals", "drums")
        channels = 2
        patch = None
        hop_samples = 512

    def test_balance_and_master_reach_the_mix(self):
        memory = EngineMemory.local()
        controls = Controls(self.Path.stems, memory)
        report = Report(memory, self.Path(), sample_rate_hz=44100, longest_block=512, outputs=2)
        stems = np.ones((2, 1, 3, 2), np.complex64) * (1 + 2j)
        out, scratch = np.zeros((2, 1, 1, 3, 2), np.complex64)

        def sides():
            mix(stems, report.gains(), out, scratch)
            return [complex(out[0, 0, 0, side]) for side in range(2)]

        assert sides() == [2 + 4j, 2 + 4j]
        assert report.gains().shape == (2,)
        controls.set_pan("vocals", 0.75)
        np.testing.assert_allclose(sides(), [(1 + 0.25) * (1 + 2j), 2 + 4j])
        controls.set_pan("drums", -1.0)
        np.testing.assert_allclose(sides(), [(1 + 0.25) * (1 + 2j), 1 + 2j])
        controls.set_master_db(-20.0)
        np.testing.assert_allclose(sides(), [0.125 * (1 + 2j), 0.1 + 0.2j], rtol=1e-5)
        controls.set_bypass(True)
        np.testing.assert_allclose(sides(), [0.2 + 0.4j, 0.2 + 0.4j], rtol=1e-5)
        with pytest.raises(UsageError, match="pan is from -1 to 1"):
            controls.set_pan("bass", 0.0)
        with pytest.raises(UsageError, match="master"):
            controls.set_master_db(13.0)
