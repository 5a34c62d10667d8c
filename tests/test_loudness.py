"""The loudness of songs: by ffmpeg as by pyloudnorm, and a gain that makes them alike and never clips."""

import numpy as np
import pyloudnorm
import pytest
import soundfile

from stemlive.errors import AudioFileError
from stemlive.realtime.control.loudness import Loudness, LoudnessMeter, check_loudness

RATE_HZ = 44100


@pytest.fixture
def meter():
    meter = LoudnessMeter()
    yield meter
    meter.close()


def song(path, level, channels=2, seconds=4):
    noise = np.random.default_rng(0).standard_normal((seconds * RATE_HZ, channels)) * level
    noise[:RATE_HZ] *= 0.1
    soundfile.write(path, np.clip(noise, -1, 1), RATE_HZ, subtype="FLOAT")
    return path


@pytest.mark.parametrize(("level", "channels"), [(0.2, 2), (0.02, 2), (0.2, 1)])
def test_the_gain_is_that_of_another_meter(meter, tmp_path, level, channels):
    path = song(tmp_path / "a song.wav", level, channels)
    sound, _ = soundfile.read(path, always_2d=True)
    heard = np.repeat(sound, 3 - channels, axis=1)
    lufs = pyloudnorm.Meter(RATE_HZ).integrated_loudness(heard)
    meter.wait_for(path, 60)
    matched = heard * meter.gain(path)
    assert np.abs(matched).max() <= 1.0
    if level > 0.1:
        assert pyloudnorm.Meter(RATE_HZ).integrated_loudness(matched) == pytest.approx(-18, abs=0.2)
    else:
        assert 20 * np.log10(meter.gain(path)) == pytest.approx(
            min(-18 - lufs, -20 * np.log10(np.abs(sound).max())), abs=0.2
        )


def test_a_gain_never_clips_and_silence_stays_silent():
    assert Loudness(-30.0, -20.0).gain == pytest.approx(10 ** (12 / 20))
    assert Loudness(-30.0, -5.0).gain == pytest.approx(10 ** (5 / 20))
    assert Loudness(-30.0, 1.0).gain == 1.0
    assert Loudness(-8.0, 1.0).gain == pytest.approx(10 ** (-10 / 20))
    assert Loudness(-70.0, float("-inf")).gain == 1.0


def test_what_cannot_be_measured_stays_as_it_is(meter, tmp_path):
    (tmp_path / "bad.wav").write_text("no sound")
    soundfile.write(tmp_path / "silence.wav", np.zeros((RATE_HZ, 2)), RATE_HZ)
    for name in ("bad.wav", "silence.wav", "gone.wav"):
        meter.wait_for(tmp_path / name, 60)
        assert meter.gain(tmp_path / name) == 1.0


def test_asking_does_not_wait_and_the_end_ends_it(tmp_path):
    meter = LoudnessMeter()
    paths = [song(tmp_path / f"{name}.wav", 0.2, seconds=30) for name in "ab"]
    assert [meter.gain(path) for path in paths] == [1.0, 1.0]
    meter.close()
    meter._thread._thread.join(60)
    assert not meter._thread._thread.is_alive()


def test_without_ffmpeg_it_says_what_to_do(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(AudioFileError, match="loudness is measured by ffmpeg: install ffmpeg"):
        check_loudness()
