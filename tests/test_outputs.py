"""Stems and mixes to outputs of their own: files, what is refused, and the names of JACK ports."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from test_live import card

from stemlive.errors import DeviceError, UsageError
from stemlive.realtime.control.controls import Controls
from stemlive.realtime.devices import open_devices
from stemlive.realtime.devices.jack_ports import port_names
from stemlive.realtime.model_file.session import Session
from stemlive.realtime.separation.separator import Separator
from stemlive.realtime.shared.memory import EngineMemory
from stemlive.realtime.shared.outputs import Outputs
from stemlive.realtime.shared.settings import EngineSettings

PROGRAM = (sys.executable, "-m", "stemlive")
RATE_HZ = 44100
STEMS = ("vocals", "drums", "bass", "other")


def stream(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*PROGRAM, "stream", *map(str, arguments)], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def song(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("song") / "song.wav"
    soundfile.write(path, 0.1 * np.random.default_rng(1).standard_normal((RATE_HZ, 2)), RATE_HZ, "FLOAT")
    return path


def test_a_file_has_a_channel_for_each_output(song, tmp_path, model):
    """What `Separator` makes of it, stem by stem, lined up with the song and as long."""
    routes = ("--route", "vocals=3,4", "--route", "bass=5", "--cue", "7,8", "--cue-preset", "no-bass")
    gains = ("--gain", "vocals=-6", "--mute", "other", "--cue-gain", "drums=-inf")
    done = stream("-i", song, "-o", tmp_path / "out.wav", "--model", model, *routes, *gains)
    assert (done.returncode, done.stderr) == (0, "")
    sound = soundfile.read(song, dtype="float32")[0]
    separator = Separator(Session(model))
    late = separator.latency_samples
    both = np.concatenate([separator.process(sound), separator.flush()], axis=1)[:, late : late + RATE_HZ]
    vocals, drums, bass, other = both
    silence = np.zeros((RATE_HZ, 1), np.float32)
    mono = bass.mean(axis=1, keepdims=True)
    expected = np.concatenate([drums, vocals * 10 ** (-6 / 20), mono, silence, vocals + other], axis=1)
    written, rate_hz = soundfile.read(tmp_path / "out.wav", dtype="float32")
    assert (written.shape, rate_hz) == ((RATE_HZ, 8), RATE_HZ)
    np.testing.assert_allclose(written, expected, atol=2e-6)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--route", "vocls=3,4"), "unknown stem 'vocls': did you mean vocals? known are vocals, drums, bass, other"),
        (("--route", "vocals"), "'vocals' is not a route: write STEM=N or STEM=N,N, for example vocals=3,4"),
        (("--route", "vocals=3,x"), "'3,x' is not a list of channels: write numbers from 1 on, for example 3,4"),
        (("--route", "vocals=0,1"), "outputs are one or two channels from 1 on, for example 3,4"),
        (("--cue", "3,4,5"), "outputs are one or two channels from 1 on, for example 3,4"),
        (("--cue-preset", "karaoke"), "add --cue with its outputs, as --cue 3,4"),
        (("--cue", "3,4", "--cue-preset", "karaok"), "unknown preset 'karaok': did you mean karaoke?"),
    ],
)
def test_what_cannot_be_meant_is_one_line(song, tmp_path, model, options, said):
    done = stream("-i", song, "-o", tmp_path / "out.wav", "--model", model, *options)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert said in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("name", "said"), [("out.mp3", "mp3 holds 2 channels, not 4"), ("out.flac", "flac holds 8")])
def test_a_format_that_has_fewer_channels_says_so(song, tmp_path, model, name, said):
    routes = ("--route", "vocals=3,4") if "mp3" in name else ("--route", "vocals=11,12")
    done = stream("-i", song, "-o", tmp_path / name, "--model", model, *routes)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert said in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_device_with_fewer_outputs_says_how_many_it_has(monkeypatch):
    monkeypatch.setattr(open_devices, "find_device", lambda *_: card(0, "Speakers"))
    settings = EngineSettings("device:x", "device:x", outputs=Outputs(routes=(("drums", (3, 4)),)))
    with pytest.raises(DeviceError, match="Speakers, ALSA has 2 output channels, there is no number 4"):
        open_devices.open_ends(settings, RATE_HZ, 512, lambda *_: None)


def test_ports_are_named_after_what_comes_out_there():
    outputs = Outputs(routes=(("vocals", (3, 4)), ("drums", (5,)), ("bass", (1, 2))), cue=(7, 8))
    assert port_names(outputs) == [
        *("bass_left+mix_left", "bass_right+mix_right", "vocals_left", "vocals_right"),
        *("drums", "unused_6", "cue_left", "cue_right"),
    ]


def test_the_cue_mix_has_faders_of_its_own():
    memory = EngineMemory.local()
    controls = Controls(STEMS, memory)
    assert list(memory.parameters["cue_gains"][:4]) == [1, 1, 1, 1]
    controls.apply_preset("karaoke")
    controls.cue.apply_preset("acapella")
    controls.cue.set_gain_db("vocals", -20)
    assert list(memory.parameters["gains"][:4]) == [0, 1, 1, 1]
    assert memory.parameters["cue_gains"][:4] == pytest.approx([0.1, 0, 0, 0])
    with pytest.raises(UsageError, match="unknown stem 'piano'"):
        controls.cue.mute("piano")
