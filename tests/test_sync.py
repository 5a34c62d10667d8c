"""Sound and picture together: an offset per device, which words and place follow, and the latency that is shown has."""

import json
import subprocess
import sys
import time
from dataclasses import replace

import click.testing
import numpy as np
import onnx_models
import pytest
import soundfile
from fake_device import RATE_HZ, FakeDevice
from sound_servers import SoundServer
from waiting import wait_until

from stemlive.cli import main
from stemlive.errors import UsageError
from stemlive.realtime.audio_files.reader import AudioReader
from stemlive.realtime.control.controls import Controls
from stemlive.realtime.devices.open_devices import Ends
from stemlive.realtime.devices.portaudio import PortAudioDevice
from stemlive.realtime.devices.song_loader import LoadedSong
from stemlive.realtime.devices.song_marks import Mark, Marks
from stemlive.realtime.devices.song_source import SongSource
from stemlive.realtime.engine import run as run_module
from stemlive.realtime.engine.engine import Engine
from stemlive.realtime.engine.heard_clock import HeardClock
from stemlive.realtime.engine.output_delay import OutputDelay
from stemlive.realtime.shared.memory import EngineMemory
from stemlive.realtime.shared.settings import EngineSettings
from stemlive.realtime.shared.snapshot import Latency, State
from stemlive.terminal.status_line import status_line

SECONDS = 120
NEAR_S = 0.1


@pytest.fixture
def play_song(monkeypatch, tmp_path):
    """Make an engine that plays a ramp, whose height is the place in it, on a device without delay."""

    def make(**settings):
        ramp = np.linspace(0, 0.5, SECONDS * RATE_HZ, dtype=np.float32)
        soundfile.write(tmp_path / "ramp.wav", np.stack([ramp, ramp], axis=1), RATE_HZ, subtype="FLOAT")
        model = onnx_models.write_model(tmp_path / "tiny.onnx")
        device = FakeDevice(speed=1.0)
        device.latency_samples = (0, 0)

        def open_ends(settings, rate_hz, hop, process, mix_microphone, memory):
            song = LoadedSong(AudioReader(settings.source))
            return Ends(SongSource(song, rate_hz, memory), device, "callback", rate_hz)

        monkeypatch.setattr(run_module, "open_ends", open_ends)
        engine = Engine(EngineSettings(str(tmp_path / "ramp.wav"), "device:a", model=model, song=True, **settings))
        return engine, device

    return make


def test_the_place_that_is_told_follows_the_sync_while_the_sound_stays(play_song):
    engine, device = play_song()

    def sounds_s():
        return device.handed / 0.5 * SECONDS

    with engine:
        engine.controls.song.seek(20.0)
        engine.controls.song.play()
        wait_until(lambda: engine.snapshot().song_s > 21.0, "the song")
        shown = engine.snapshot().latency
        assert shown.sync == 0
        for later_ms in (0, 700, -700, 250):
            engine.controls.set_sync_ms(later_ms)
            before_s = sounds_s()
            wait_until(lambda: abs(sounds_s() - engine.snapshot().song_s - later_ms / 1000) < NEAR_S, "the place")  # noqa: B023
            assert before_s <= sounds_s() < before_s + 60.0  # it is not sought
            wait_until(lambda: engine.snapshot().latency.sync == round(later_ms * RATE_HZ / 1000), "the latency")  # noqa: B023
            assert engine.snapshot().latency.total == shown.total + round(later_ms * RATE_HZ / 1000)


def test_a_latency_that_is_wished_for_is_that_to_the_ear(play_song):
    engine, _ = play_song(latency=400.0)
    engine.controls.set_sync_ms(150)
    with engine:
        latency = engine.snapshot().latency
    assert latency.ms(latency.total) == pytest.approx(400, abs=0.1)
    assert latency.ms(latency.sync) == pytest.approx(150, abs=0.1)


def test_where_the_place_runs_ahead_the_song_ends_with_its_sound(tmp_path):
    soundfile.write(tmp_path / "song.wav", np.zeros((4000, 2), np.float32), 4000)
    song = LoadedSong(AudioReader(tmp_path / "song.wav"))
    marks, telemetry = Marks(), EngineMemory.local().telemetry
    marks.add(Mark(0.0, song, 0.0, True, False, 100.0, 0))
    marks.add(Mark(4000.0, song, 1.0, False, True, 100.0, 0))
    seen = []
    for played, later in ((3600, -1200), (4000, -1200), (4000, 1200), (4800, 1200), (5200, 1200)):
        marks.tell(telemetry, played, later, 4000, 0.0)
        seen.append((round(float(telemetry["song_s"]), 3), bool(telemetry["song_ended"])))
    assert seen == [(1.0, False), (1.0, True), (0.7, False), (0.9, False), (1.0, True)]
    song.close()


def test_a_song_is_where_it_was_asked_for_before_any_of_it_is_heard(tmp_path):
    soundfile.write(tmp_path / "song.wav", np.zeros((32000, 2), np.float32), 4000)
    memory = EngineMemory.local()
    Controls(("vocals",), memory).song.seek(5.0)
    source = SongSource(LoadedSong(AudioReader(tmp_path / "song.wav")), 4000, memory)
    source.tell(0, 1.0, later=4000)
    assert memory.telemetry["song_s"] == 5.0
    source.close()


@pytest.mark.parametrize("later_ms", [-1001, 1001, float("nan")])
def test_its_limits_are_told_in_one_line(later_ms):
    controls = Controls(("vocals",), EngineMemory.local())
    controls.set_sync_ms(-120)
    with pytest.raises(UsageError, match=r"^sync is from -1000 to 1000 ms, not "):
        controls.set_sync_ms(later_ms)
    assert controls.sync_ms == -120


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("stream", "SONG", "--sync", "1500"), "--sync"),
        (("stream", "-i", "device:default", "-o", "out.wav", "--sync", "200"), "--sync is of a device that plays"),
    ],
)
def test_the_command_line_refuses_in_one_line(arguments, said, tmp_path):
    song = tmp_path / "song.wav"
    soundfile.write(song, np.zeros((1000, 2)), RATE_HZ)
    given = [str(song) if each == "SONG" else each for each in arguments]
    done = click.testing.CliRunner().invoke(main, given)
    assert done.exit_code == 2
    assert said in done.stderr.strip().splitlines()[-1]


def test_the_terminal_shows_it_as_a_part_of_the_latency():
    now = replace(EngineMemory.local().snapshot(), state=State.RUNNING)
    controls = Controls(("vocals",), EngineMemory.local())
    later = replace(now, latency=Latency(44100, 441, 882, 441, 441, sync=8820))
    assert "  250 ms (in 10+20+10+10 out, +200 sync)  " in status_line(later, controls)
    earlier = replace(now, latency=Latency(44100, 441, 882, 441, 441, sync=-882))
    assert "  30 ms (in 10+20+10+10 out, -20 sync)  " in status_line(earlier, controls)


class ServedDevice(PortAudioDevice):
    """A device of a sound server that says of a sample when it is heard, a few times a second."""

    def __init__(self, reported, moments):
        self.sample_rate_hz, self._moments, self._reported = RATE_HZ, iter(moments), reported

    @property
    def latency_samples(self):
        return 0, self._reported

    def heard_at(self):
        return next(self._moments, None)


@pytest.mark.parametrize(("true_ms", "told_ms"), [(40, 46.4), (50, 46.4), (240, 240)])
def test_what_a_sound_server_adds_is_measured_and_what_it_does_not_stays_as_reported(true_ms, told_ms):
    rng, clock = np.random.default_rng(0), HeardClock(RATE_HZ)
    for now_s in np.arange(100.0, 102.0, 0.001):
        clock.look(512 * int((now_s - 100.0) * RATE_HZ / 512) + 512, now_s)
    samples = range(40_000, 80_000, 1000)
    moments = [(each, 100.0 + each / RATE_HZ + true_ms / 1000 + rng.normal(0, 0.01)) for each in samples]
    delay = OutputDelay(ServedDevice(round(0.0464 * RATE_HZ), moments))
    for _ in range(50):
        delay.look(clock)
    assert 1000 * delay.samples / RATE_HZ == pytest.approx(told_ms, abs=8)
    assert delay.samples == round(0.0464 * RATE_HZ) or told_ms == 240


@pytest.mark.parametrize("mode", ["rtmixer", "callback"])
def test_the_latency_that_is_shown_has_what_the_sound_server_adds(mode, tmp_path):
    """A sink of PulseAudio that combines others buffers 0.2 s, of which PortAudio knows nothing."""
    song, model = tmp_path / "song.wav", onnx_models.write_model(tmp_path / "tiny.onnx")
    soundfile.write(song, np.full((600 * RATE_HZ, 2), 0.1, np.float32), RATE_HZ, subtype="PCM_16")
    server = SoundServer(tmp_path / "server", "PulseAudio")
    server.start("quick")
    try:
        server.pactl("load-module", "module-combine-sink", "sink_name=both", "slaves=quick")
        wait_until(lambda: "both" in server.names("sinks"), "the sink", patience_s=60)
        command = [sys.executable, "-m", "stemlive", "stream", song, "-o", "device:both", "--model", model]
        with subprocess.Popen(
            [*map(str, command), "--mode", mode, "--json"],
            env=server.environment,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                first = json.loads(process.stdout.readline())["latency_ms"]
                assert first["device_out"] < 100
                end = time.monotonic() + 120
                while time.monotonic() < end:
                    event = json.loads(process.stdout.readline())
                    if event["event"] == "levels" and event["latency_ms"] > first["total"] + 120:
                        break
                else:
                    pytest.fail("nothing was added")
            finally:
                process.terminate()
    finally:
        server.stop()
