"""The key change: what pitch is heard, how late, how it is switched, and what it leaves alone."""

import tracemalloc

import numpy as np
import onnx_models
import pytest
import soundfile
from click.testing import CliRunner
from test_live import HOP, LENGTHS, RATE_HZ, Bench, noise

from stemlive.cli import main
from stemlive.errors import StemliveError, UsageError
from stemlive.realtime.control.controls import Controls
from stemlive.realtime.control.osc import OscControl
from stemlive.realtime.dsp import rubber_band
from stemlive.realtime.dsp.key_change import KeyChange, check_key_change, in_key
from stemlive.realtime.model_file.session import Session
from stemlive.realtime.shared.memory import EngineMemory
from stemlive.terminal.desk import Desk
from stemlive.terminal.keys import press

LONGEST = 4096


@pytest.fixture(autouse=True)
def library():
    try:
        check_key_change()
    except StemliveError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    return Session(onnx_models.write_model(folder / "live.onnx", onnx_models.metadata(LENGTHS)))


def sine(frequency_hz, seconds=2.0, rate_hz=RATE_HZ):
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    return np.repeat((0.5 * np.sin(2 * np.pi * frequency_hz * t)).astype(np.float32)[:, None], 2, axis=1)


def burst(at, seconds=1.5, rate_hz=RATE_HZ):
    sound = np.zeros((round(seconds * rate_hz), 1), np.float32)
    sound[at : at + 200, 0] = np.random.default_rng(0).normal(0, 0.3, 200)
    return sound


def middle(sound):
    """Where half of the energy is over, as number of the sample."""
    energy = np.cumsum(np.square(sound[:, 0]))
    return int(np.searchsorted(energy, energy[-1] / 2))


def pitch_hz(sound, rate_hz=RATE_HZ):
    part = sound[-rate_hz // 2 :, 0]
    spectrum = np.abs(np.fft.rfft(part * np.hanning(len(part)), 1 << 20))
    return np.argmax(spectrum) * rate_hz / (1 << 20)


def prepared(rate_hz=RATE_HZ, channels=2, **settings):
    key = KeyChange(rate_hz, channels, LONGEST, **settings)
    key.prepare()
    return key


def changed(key, sound, semitones, block=HOP):
    """The sound in blocks, `semitones` being a number or a function of the sample's number."""
    wish = semitones if callable(semitones) else lambda _: semitones
    firsts = range(0, len(sound), block)
    return np.concatenate([key.process(sound[first : first + block], wish(first)).copy() for first in firsts])


class TestSound:
    @pytest.mark.parametrize(("semitones", "heard_hz"), [(3, 523.25), (-6, 311.13), (6, 622.25)])
    def test_a_tone_is_heard_at_its_new_pitch_however_it_is_cut(self, semitones, heard_hz):
        sound = sine(440)
        whole = changed(prepared(), sound, semitones, 2048)
        assert abs(1200 * np.log2(pitch_hz(whole) / heard_hz)) < 3
        assert abs(np.abs(whole[-RATE_HZ:]).max() - 0.5) < 0.06
        for block in (64, 500, 512):
            np.testing.assert_array_equal(changed(prepared(), sound, semitones, block), whole)

    @pytest.mark.parametrize("rate_hz", [22050, 44100, 48000, 96000])
    @pytest.mark.parametrize("semitones", [-6, 1, 6])
    def test_it_is_as_late_as_it_says(self, rate_hz, semitones):
        key = prepared(rate_hz, 1)
        at = rate_hz // 2
        heard = middle(changed(key, burst(at, rate_hz=rate_hz), semitones))
        assert key.delay_samples == prepared(rate_hz, 1).delay_at(semitones)
        assert heard - (at + 100) == pytest.approx(key.delay_samples, abs=0.004 * rate_hz)
        assert 0.04 * rate_hz < key.delay_samples < 0.08 * rate_hz

    @pytest.mark.parametrize("rate_hz", [4000, 384000])
    def test_rates_that_the_library_does_not_know_are_as_late_as_it_says_and_nobody_complains(self, rate_hz, capfd):
        key = prepared(rate_hz, 1)
        heard = middle(changed(key, burst(rate_hz // 2, rate_hz=rate_hz), 2))
        assert heard - (rate_hz // 2 + 100) == pytest.approx(key.delay_samples, abs=0.004 * rate_hz)
        assert capfd.readouterr().err == ""

    def test_without_a_change_the_same_samples_come_back_at_once(self):
        key, sound = prepared(), noise(HOP)
        assert key.process(sound, 0) is sound
        assert key.delay_samples == 0

    def test_switching_it_while_a_tone_plays_does_not_click(self):
        """A click is energy far above the tone; a cut from one key to another, for comparison, has much of it."""
        keys = (0, 3, 0, -6, 6, -1, 0, 1, 0)
        sound = sine(440, 4.5)
        heard = changed(prepared(), sound, lambda first: keys[first // (RATE_HZ // 2) % len(keys)])
        cut = np.concatenate([heard[RATE_HZ // 4 : RATE_HZ], sine(523, 0.25)])
        assert _far_above_db(cut) > -35
        assert _far_above_db(heard) < -55

    def test_back_at_the_own_key_the_samples_are_those_that_came_in(self):
        key, sound = prepared(), noise(RATE_HZ)
        half = RATE_HZ // 2 // HOP * HOP
        heard = changed(key, sound, lambda first: 2 if first < half else 0)
        assert not np.array_equal(heard[half : half + 512], sound[half : half + 512])
        np.testing.assert_array_equal(heard[half + 1024 :], sound[half + 1024 :])
        assert key.delay_samples == 0

    def test_it_makes_no_memory_while_it_runs(self):
        key, block = prepared(), noise(LONGEST)
        changed(key, np.concatenate([block] * 2), 3)
        tracemalloc.start()
        for semitones in (3, 3, 0, 0, 0, 0, -2, -2, -2):
            key.process(block, semitones)
        assert tracemalloc.get_traced_memory()[1] < block.nbytes / 4
        tracemalloc.stop()

    def test_a_whole_recording_keeps_its_length_and_lines_up(self):
        at = 30000
        sound = burst(at)
        for semitones in (-5, 4):
            heard = np.concatenate(
                list(in_key(np.array_split(sound, 70), semitones, sample_rate_hz=RATE_HZ, channels=1))
            )
            assert len(heard) == len(sound)
            assert middle(heard) == pytest.approx(middle(sound), abs=0.004 * RATE_HZ)


class TestLive:
    def test_the_device_hears_it_as_late_as_the_snapshot_says(self, session):
        bench = Bench(session)
        bench.worker._key.prepare()
        bench.memory.parameters["key"] = 3
        at = 40000 // HOP * HOP
        sound = np.repeat(burst(at, 2.0), 2, axis=1)
        played = bench.run(sound)
        now = bench.memory.snapshot()
        assert now.latency.key == bench.worker._key.delay_samples > 0.04 * RATE_HZ
        assert now.latency.total == now.latency.device_in + now.latency.inside + now.latency.key
        late = middle(played) - (at + 100)
        assert late == pytest.approx(bench.inside + now.latency.key, abs=0.004 * RATE_HZ)
        assert bench.worker.played_input == len(played) - bench.inside - now.latency.key
        assert now.dropouts == 0

    def test_a_file_that_is_written_lines_up_with_what_went_in(self, session):
        bench = Bench(session, queue=2 * LONGEST)  # a file is not read before it is complete
        bench.worker._key = prepared(compensated=True)
        bench.memory.parameters["key"] = -5
        at = 40000 // HOP * HOP
        played = bench.run(np.repeat(burst(at, 2.0), 2, axis=1))
        now = bench.memory.snapshot()
        assert middle(played) - (at + 100) == pytest.approx(bench.inside, abs=0.004 * RATE_HZ)
        assert (now.latency.key, now.dropouts) == (0, 0)

    def test_a_late_hop_is_heard_where_it_would_have_been(self, session):
        bench = Bench(session)
        bench.worker._key.prepare()
        bench.memory.parameters["key"] = 3
        sound = noise(200 * HOP)
        played = bench.run(sound, after=lambda turn: turn < 100)  # from then on, the program does not run
        dry = bench.inside + bench.memory.snapshot().latency.key
        end = 100 * HOP + dry - 64
        gap = slice(end - 400, end)  # after the separated sound, before the dry one ends
        np.testing.assert_allclose(played[gap], sound[end - 400 - dry : end - dry], atol=1e-6)

    def test_a_bypass_is_the_music_as_it_is(self, session):
        bench, plain = Bench(session), Bench(session)
        bench.worker._key.prepare()
        bench.memory.parameters["key"], bench.memory.parameters["bypass"] = 3, True
        for each in (bench, plain):
            each.memory.parameters["master"] = 1
        sound = noise(40 * HOP)
        np.testing.assert_allclose(bench.run(sound), plain.run(sound), atol=2e-6)
        assert bench.memory.snapshot().latency.key == 0


class TestControl:
    @pytest.fixture
    def controls(self):
        return Controls(("vocals", "rest"), EngineMemory.local())

    def test_keys_and_osc_move_it_within_its_range(self, controls):
        desk = Desk(controls)
        for _ in range(8):
            press(desk, ">")
        assert controls.semitones == 6
        press(desk, "<")
        assert desk.notes[-1] == "key +5"
        complaints = []
        osc = OscControl(controls, "127.0.0.1", 0, complain=complaints.append)
        act = dict(osc._actions())["/stemlive/key"]
        act("/stemlive/key", -4.0)
        assert controls.semitones == -4
        assert ("/stemlive/key", -4) in osc.state()
        for wrong in (7, 1.5):
            with pytest.raises((UsageError, ValueError)):
                act("/stemlive/key", wrong)
        osc.close()

    def test_without_the_library_it_says_what_to_install(self, controls, monkeypatch, tmp_path):
        monkeypatch.setattr(rubber_band, "_NAMES", {"linux": ("no-such-library.so",)})
        monkeypatch.setattr("ctypes.util.find_library", lambda _: None)
        rubber_band.rubber_band.cache_clear()
        try:
            with pytest.raises(StemliveError, match="apt-get install librubberband2"):
                controls.set_semitones(1)
            controls.set_semitones(0)
            assert controls.semitones == 0
            desk = Desk(controls)
            press(desk, ">")
            assert "librubberband2" in desk.notes[-1]
            soundfile.write(tmp_path / "in.wav", sine(440, 0.5), RATE_HZ)
            ends = ["-i", str(tmp_path / "in.wav"), "-o", str(tmp_path / "out.wav")]
            answer = CliRunner().invoke(main, ["stream", *ends, "--key", "2"])
            assert answer.exit_code != 0
            assert not (tmp_path / "out.wav").exists()
        finally:
            rubber_band.rubber_band.cache_clear()

    def test_the_command_line_changes_a_file(self, tmp_path):
        soundfile.write(tmp_path / "in.wav", sine(440, 1.0), RATE_HZ)
        ends = ["-i", str(tmp_path / "in.wav"), "-o", str(tmp_path / "out.wav")]
        answer = CliRunner().invoke(main, ["stream", *ends, "--key", "-4", "--quiet"])
        assert answer.exit_code == 0, answer.output
        heard, _ = soundfile.read(tmp_path / "out.wav", always_2d=True)
        assert len(heard) == RATE_HZ
        assert abs(1200 * np.log2(pitch_hz(heard) / 349.23)) < 5


def _far_above_db(sound):
    """The largest share of energy above 4 kHz in any 23 ms."""
    shares = []
    for first in range(2048, len(sound) - 1024, 512):
        power = np.abs(np.fft.rfft(sound[first : first + 1024, 0] * np.hanning(1024))) ** 2
        shares.append(power[round(4000 / RATE_HZ * 1024) :].sum() / (power.sum() + 1e-9))
    return 10 * np.log10(max(shares))
