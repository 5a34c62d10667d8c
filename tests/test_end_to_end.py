"""The bundled model through the whole program: what a listener gets, by two routes each."""

import subprocess
import sys

import numpy as np
import pytest
import soundfile

import stemlive
from stemlive.demo_song import RATE_HZ, song
from stemlive.realtime.model_file.bundled import DEFAULT_MODEL, FREE_MODEL, IN_LOW, SONG_MODEL, bundled_models
from stemlive.realtime.model_file.session import Session
from stemlive.realtime.separation.mixer import Mixer
from stemlive.realtime.separation.offline import separate_blocks
from stemlive.realtime.separation.separator import Separator
from stemlive.realtime.shared.settings import EngineSettings

NOISE = 0.2 * np.random.default_rng(0).standard_normal((2 * RATE_HZ, 2)).astype(np.float32)


@pytest.fixture(scope="module")
def demo():
    return song()


def decibels(error, reference):
    return 10 * np.log10(np.square(error).mean() / np.square(reference).mean())


def cut(audio, sizes):
    """Blocks of the given sizes, over and over, to the end of the audio."""
    blocks, start = [], 0
    while start < len(audio):
        size = sizes[len(blocks) % len(sizes)]
        blocks.append(audio[start : start + size])
        start += size
    return blocks


EACH = pytest.mark.parametrize("name", bundled_models())
FILES = [name for name in bundled_models() if name not in IN_LOW]


def test_a_model_of_each_latency_is_bundled():
    latency = {name: Separator(Session(name)).latency_samples for name in bundled_models()}
    assert latency == {"live": 1024, "live-free": 1024, "low": 512, "low-free": 512, "quality": 4096}


@pytest.mark.parametrize("name", FILES)
def test_bundled_models_hold_their_promises(name):
    session = Session(name)
    info = session.info
    assert info.integers
    assert session.path.stat().st_size < 16e6  # of all files together 30 MB
    assert info.card["name"] == name
    assert bool(info.card.get("terms")) == ("NC" in info.licence) == (name != FREE_MODEL)
    assert info.stems == ("vocals", "drums", "bass", "other")
    assert info.licence
    assert info.card["training_data"]
    assert {"vocals", "accompaniment", "drums"} <= set(info.card["scores"]["average"])


def test_songs_get_the_later_model_and_devices_and_pipes_the_quick_one(tmp_path):
    by_source = {"song.wav": SONG_MODEL, "-": DEFAULT_MODEL, "device:default": DEFAULT_MODEL}
    for source, name in by_source.items():
        assert EngineSettings(source, "device:default").used_model == name
    assert EngineSettings("song.wav", "device:default", model="low").used_model == "low"
    assert EngineSettings("song.wav", "device:default", model="").used_model == ""  # which is told as no model's name
    audio = NOISE[:RATE_HZ]
    assert Separator().latency_samples < Separator(SONG_MODEL).latency_samples
    stems = stemlive.separate(audio, sample_rate_hz=RATE_HZ)
    for name, equal in ((SONG_MODEL, True), (DEFAULT_MODEL, False)):
        of_name = stemlive.separate(audio, sample_rate_hz=RATE_HZ, model=name)
        assert np.array_equal(stems["vocals"], of_name["vocals"]) == equal
    soundfile.write(tmp_path / "song.wav", audio, RATE_HZ, subtype="FLOAT")

    def streamed(*options):
        command = [sys.executable, "-m", "stemlive", "stream", "-o", "-", "--solo", "vocals"]
        with (tmp_path / "song.wav").open("rb") as song:
            ended = subprocess.run([*command, *options], stdin=song, capture_output=True, check=True, cwd=tmp_path)
        return ended.stdout

    of_song, of_pipe = streamed("-i", "song.wav"), streamed("-i", "-")
    assert of_song == streamed("-i", "song.wav", "--model", SONG_MODEL)
    assert of_pipe == streamed("-i", "-", "--model", DEFAULT_MODEL)
    assert of_song != of_pipe


def test_low_is_the_same_file_in_hops_half_as_long():
    live, low = Session("live"), Session("low")
    assert low.path == live.path
    assert (low.info.preset, low.info.hop_samples, low.info.synthesis_samples) == ("low", 256, 512)
    assert (low.info.card["name"], low.info.card["terms"]) == ("low", live.info.card["terms"])
    assert low.info.card["scores"] == {}
    frames = np.random.default_rng(1).standard_normal((5, 1025, 2, 2)).astype(np.float32)
    spectra = frames.view(np.complex64)[..., 0].transpose(0, 2, 1)
    assert np.array_equal(live.run(spectra), low.run(spectra))


@pytest.mark.parametrize("rate_hz", [44100, 48000])
def test_any_cutting_gives_the_same_stems(demo, rate_hz):
    audio = demo[: round(1.5 * rate_hz)]
    whole = np.concatenate(list(separate_blocks(Separator(Session(), sample_rate_hz=rate_hz), [audio])), 1)
    assert whole.shape == (4, len(audio), 2)
    for sizes in ([512], [441], [1, 63, 2000], [44100]):
        separator = Separator(Session(), sample_rate_hz=rate_hz, max_frames=4)
        pieces = np.concatenate(list(separate_blocks(separator, cut(audio, sizes))), 1)
        assert np.abs(pieces - whole).max() < 1e-4, sizes


@EACH
def test_the_future_changes_nothing_earlier(name, demo):
    audio = demo[:RATE_HZ]
    changed = audio.copy()
    then = round(0.7 * RATE_HZ)
    changed[then:] = NOISE[: RATE_HZ - then]
    before, after = (
        np.concatenate(list(separate_blocks(Separator(Session(name)), cut(signal, [512]))), 1)
        for signal in (audio, changed)
    )
    settled = then - Separator(Session(name)).latency_samples
    assert np.array_equal(before[:, :settled], after[:, :settled])
    assert np.abs(before - after)[:, then:].max() > 1e-2


@pytest.mark.parametrize("signal", ["noise", "music"])
def test_faders_at_zero_give_the_delayed_input(demo, signal):
    audio = NOISE if signal == "noise" else demo[10 * RATE_HZ : 12 * RATE_HZ]
    separator = Separator(Session())
    gains = Mixer(separator.stems).gains()
    out = np.concatenate([separator.process_mix(block, gains) for block in cut(audio, [512])])
    late = separator.latency_samples
    assert decibels(out[late:] - audio[:-late], audio) < -80
    assert decibels(out[late - 1 :] - audio[: -late + 1], audio) > -40  # the test can fail: one sample off is heard


def test_silence_gives_silence_once_the_last_frame_with_sound_has_passed(demo):
    session = Session()
    separator = Separator(session)
    filtered = 512 * (session.info.config.get("filter_taps", 1) - 1)  # of a deep filter: the frames before each one
    separator.process(demo[: 2 * RATE_HZ])
    separator.process(np.zeros((separator.latency_samples + 2048 + 512 + filtered, 2), np.float32))
    assert not separator.process(np.zeros((RATE_HZ, 2), np.float32)).any()


@EACH
def test_an_impulse_comes_out_after_exactly_the_reported_latency(name):
    for rate_hz in (44100, 48000):
        separator = Separator(Session(name), sample_rate_hz=rate_hz)
        click = np.zeros((rate_hz, 2), np.float32)
        click[5000] = 0.5
        out = np.concatenate([separator.process_mix(block, np.ones(4)) for block in cut(click, [480])])
        assert int(np.abs(out[:, 0]).argmax()) - 5000 == separator.latency_samples


@pytest.mark.parametrize("name", FILES)
def test_two_minutes_leave_the_state_bounded_and_the_stems_as_they_were(name, demo):
    """The song over and over: no state grows beyond what it was in the first minute, the stems are much the same."""
    session = Session(name)
    separator = Separator(session, max_frames=32)  # the quickest
    repeats = 120 * RATE_HZ // len(demo)
    largest, first, stems = [], None, None
    for _ in range(repeats):
        stems = separator.process(demo)
        first = stems if first is None else first
        largest.append(max(np.abs(values).max() for values in session.state.values()))
    assert repeats >= 4
    assert max(largest) < 1.25 * max(largest[:2])
    settled = 10 * RATE_HZ
    assert decibels((stems - first)[:, settled:], first[:, settled:]) < -10


def test_the_first_command_of_the_readme(tmp_path):
    run = [sys.executable, "-m", "stemlive"]
    subprocess.run([*run, "demo", "--quiet"], cwd=tmp_path, check=True)
    sound, _ = soundfile.read(tmp_path / "demo.wav", always_2d=True)
    soundfile.write(tmp_path / "demo.wav", sound[8 * RATE_HZ : 14 * RATE_HZ], RATE_HZ)  # where the voice begins
    command = [*run, "stream", "--input", "demo.wav", "--output", "karaoke.wav", "--preset", "karaoke", "--quiet"]
    subprocess.run(command, cwd=tmp_path, check=True)
    demo, rate = soundfile.read(tmp_path / "demo.wav", always_2d=True)
    karaoke, _ = soundfile.read(tmp_path / "karaoke.wav", always_2d=True)
    assert karaoke.shape == demo.shape
    assert rate == RATE_HZ
    assert 0.1 < np.square(karaoke).mean() / np.square(demo).mean() < 1
