"""What a paused engine does: next to nothing, and goes on in its place when it is asked to."""

import gc
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from fake_device import RATE_HZ, FakeDevice
from waiting import wait_until

from stemlive.realtime.audio_files.reader import AudioReader
from stemlive.realtime.devices.open_devices import Ends
from stemlive.realtime.devices.song_loader import LoadedSong
from stemlive.realtime.devices.song_source import SongSource
from stemlive.realtime.engine import run as run_module
from stemlive.realtime.engine.engine import Engine
from stemlive.realtime.shared.settings import EngineSettings
from stemlive.realtime.shared.snapshot import Snapshot

SECONDS = 20


@pytest.fixture
def play_song(monkeypatch, tmp_path) -> Callable[..., tuple[Engine, FakeDevice]]:
    """Make an engine that plays a ramp, whose height is the place in it, on a device without delay."""

    def make(model: Path | None, taps: tuple = ()) -> tuple[Engine, FakeDevice]:
        ramp = np.linspace(0, 0.5, SECONDS * RATE_HZ, dtype=np.float32)
        soundfile.write(tmp_path / "ramp.wav", np.stack([ramp, ramp], axis=1), RATE_HZ, subtype="FLOAT")
        device = FakeDevice(speed=1.0)
        device.latency_samples = (0, 0)

        def open_ends(settings, rate_hz, hop, process, mix_microphone, memory):
            return Ends(
                SongSource(LoadedSong(AudioReader(settings.source)), rate_hz, memory), device, "callback", rate_hz
            )

        monkeypatch.setattr(run_module, "open_ends", open_ends)
        settings = EngineSettings(str(tmp_path / "ramp.wav"), "device:a", model=model, song=True)
        return Engine(settings, taps=taps), device

    return make


def rests(snapshot: Snapshot) -> bool:
    """Of one snapshot: of two, the first could be of before the first hop, when there is no load yet."""
    return snapshot.load == 0 and snapshot.hops > 0


def wait_for_rest(engine: Engine) -> None:
    wait_until(lambda: rests(engine.snapshot()), "the engine to rest")


def check_place(engine: Engine, device: FakeDevice) -> None:
    """What is heard is what is shown."""
    assert engine.snapshot().song_s == pytest.approx(device.handed / 0.5 * SECONDS, abs=0.1)


@pytest.mark.alone
def test_a_paused_engine_needs_next_to_no_processor(play_song):
    """With the bundled model. It used half a core; a busy machine's clock is coarse, so the limit is not 2 %."""
    engine, _ = play_song(None)
    with engine:
        engine.controls.song.play()
        wait_until(lambda: engine.snapshot().song_s > 0.2, "the song")
        engine.controls.song.play(False)
        wait_for_rest(engine)
        before = time.process_time()
        time.sleep(5)
        took = time.process_time() - before
    assert took < 0.4, f"{took / 5:.1%} of a core"


@pytest.mark.alone
def test_what_a_device_misses_while_nothing_sounds_is_no_dropout(play_song, model):
    engine, device = play_song(model)
    with engine:
        wait_for_rest(engine)
        time.sleep(0.2)
        before = engine.snapshot().output_underflows
        device.faults.output_underflows += 5
        stream_s = engine.snapshot().stream_s
        wait_until(lambda: engine.snapshot().stream_s > stream_s + 1, "the device's time")
        assert engine.snapshot().output_underflows == before
        engine.controls.song.play()
        wait_until(lambda: engine.snapshot().song_s > 0.3, "the song")
        before = engine.snapshot().output_underflows
        device.faults.output_underflows += 2
        wait_until(lambda: engine.snapshot().output_underflows >= before + 2, "the count")


@pytest.mark.alone
def test_after_a_rest_the_song_goes_on_where_it_stood(play_song, model):
    engine, device = play_song(model)
    with engine:
        wait_for_rest(engine)  # it was never played
        engine.controls.song.play()
        wait_until(lambda: engine.snapshot().song_s > 0.5, "the song")
        check_place(engine, device)
        engine.controls.song.play(False)
        wait_for_rest(engine)
        stood_s, stream_s = engine.snapshot().song_s, engine.snapshot().stream_s
        wait_until(lambda: engine.snapshot().stream_s > stream_s + 1, "the device's time, which goes on")
        assert engine.snapshot().song_s == stood_s
        engine.controls.song.seek(12.0)
        wait_until(lambda: engine.snapshot().song_s == 12.0, "the new place")
        wait_for_rest(engine)
        engine.controls.song.play()
        wait_until(lambda: engine.snapshot().song_s > 12.5, "the song")
        check_place(engine, device)
        assert engine.snapshot().dropouts == 0


@pytest.mark.alone
def test_a_recording_goes_on_while_the_song_rests(play_song, model):
    class Counter:
        wants_stems = True
        heard_samples = played_samples = breaks = 0

        def begin(self, *_: object) -> None:
            pass

        def heard(self, block: np.ndarray) -> None:
            self.heard_samples += len(block)

        def played(self, mixed: np.ndarray, stems: np.ndarray) -> None:
            assert stems.shape == (4, *mixed.shape)
            self.played_samples += len(mixed)

        def lost(self) -> None:
            self.breaks += 1

        def end(self) -> None:
            pass

    tap = Counter()
    engine, device = play_song(model, (tap,))
    with engine:
        wait_for_rest(engine)
        first = tap.heard_samples - device.samples
        wait_until(lambda: device.samples > 4 * RATE_HZ, "four seconds", pause_s=0.05)
        assert tap.heard_samples - device.samples == pytest.approx(first, abs=3 * 4096)
        assert tap.played_samples > 3 * RATE_HZ
        engine.controls.song.play()
        wait_until(lambda: engine.snapshot().song_s > 0.3, "the song")
        assert tap.heard_samples - device.samples == pytest.approx(first, abs=3 * 4096)


@pytest.mark.alone
def test_a_song_that_fell_behind_shows_the_place_that_is_heard(play_song, model, monkeypatch):
    """It used to count from nought again."""
    engine, device = play_song(model)
    read, slept = AudioReader.read, []

    def slow_read(reader: AudioReader, frames: int) -> np.ndarray:
        if not slept and engine.snapshot().song_s > 1:
            slept.append(True)
            time.sleep(1)
        return read(reader, frames)

    monkeypatch.setattr(AudioReader, "read", slow_read)
    with engine:
        engine.controls.song.play()
        wait_until(lambda: slept, "the slow disk")
        stalled_s = device.samples / RATE_HZ
        wait_until(lambda: device.samples / RATE_HZ > stalled_s + 2.5, "the device to go on")
        check_place(engine, device)
        assert 2 < engine.snapshot().song_s < 3.5


def test_the_host_programs_garbage_collection_is_left_alone(play_song, model):
    engine, _ = play_song(model)
    gc.collect()
    gc.freeze()
    try:
        frozen = gc.get_freeze_count()
        with engine:
            wait_until(lambda: engine.snapshot().hops > 4, "hops")
            assert gc.get_freeze_count() <= frozen
        assert 0.9 * frozen < gc.get_freeze_count() <= frozen  # but for what has gone since
    finally:
        gc.unfreeze()
