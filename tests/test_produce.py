"""What is done to tracks as on a record: sides, levels, and a limiter that all stems share."""

import numpy as np
import pytest

from stemlive.training.augment import as_loud
from stemlive.training.produce import limit, produce_music, produce_voice, ride, room

RATE_HZ = 44100


def voice(seconds=1.0):
    """A gliding tone with harmonics, the same on both sides, -20 dBFS."""
    at = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    phase = 2 * np.pi * np.cumsum(220 + 40 * np.sin(2 * np.pi * 2 * at)) / RATE_HZ
    tone = sum(np.sin(k * phase) / k for k in range(1, 12))
    mono = (0.1 * tone / np.sqrt(np.mean(tone**2))).astype(np.float32)
    return np.repeat(mono[:, None], 2, axis=1)


def rms(audio):
    return float(np.sqrt(np.mean(np.square(audio))))


def test_a_produced_voice_is_rarely_the_same_on_both_sides_and_as_loud_as_before():
    dry = voice()
    out = [produce_voice(dry, np.random.default_rng(seed), RATE_HZ) for seed in range(120)]
    same = [np.array_equal(audio[:, 0], audio[:, 1]) for audio in out]
    assert 1 <= sum(same) <= 12  # at most one in ten
    for audio in out:
        assert audio.shape == dry.shape
        assert audio.dtype == np.float32
        assert rms(audio) == pytest.approx(rms(dry), rel=1e-4)
    wide = [audio for audio, alike in zip(out, same, strict=True) if not alike]
    side_db = [20 * np.log10(rms(audio[:, 0] - audio[:, 1]) / rms(audio.sum(1))) for audio in wide]
    assert -25 < np.median(side_db) < -8  # vocals of the 80 training songs of MUSDB18: -13


def test_the_same_generator_produces_the_same_voice():
    first, second = (produce_voice(voice(0.3), np.random.default_rng(5), RATE_HZ) for _ in range(2))
    assert np.array_equal(first, second)


def test_a_voice_that_was_produced_already_gets_no_second_room():
    wide = voice()
    wide[:, 1] = np.roll(wide[:, 1], 300)
    wide[-8820:] = 0
    for seed in range(20):
        out = produce_voice(wide, np.random.default_rng(seed), RATE_HZ)
        assert rms(out[-4410:]) < 1e-4 * rms(wide)


def test_dry_p_of_one_never_widens():
    for seed in range(20):
        out = produce_voice(voice(0.2), np.random.default_rng(seed), RATE_HZ, dry_p=1.0)
        assert np.array_equal(out[:, 0], out[:, 1])


@pytest.mark.parametrize("kind", ["drums", "bass", "other"])
def test_other_stems_are_as_loud_as_before(kind):
    dry = voice(0.5)
    for seed in range(20):
        assert rms(produce_music(dry, np.random.default_rng(seed), RATE_HZ, kind)) == pytest.approx(rms(dry), rel=1e-4)


def test_a_room_has_the_level_that_was_asked_for_and_sides_that_differ():
    dry = voice()
    wet = room(dry, np.random.default_rng(3), RATE_HZ, -12.0)
    assert 20 * np.log10(rms(wet) / rms(dry)) == pytest.approx(-12.0, abs=0.01)
    assert not np.allclose(wet[:, 0], wet[:, 1])


def test_silence_stays_silence():
    silence = np.zeros((4410, 2), np.float32)
    for seed in range(10):
        rng = np.random.default_rng(seed)
        assert not produce_voice(silence, rng, RATE_HZ).any()
        assert not produce_music(silence, rng, RATE_HZ, "drums").any()


def test_the_limiter_holds_peaks_and_leaves_what_is_below_the_threshold():
    rng = np.random.default_rng(0)
    mixture = (0.1 * rng.standard_normal((RATE_HZ, 2))).astype(np.float32)
    mixture[20000:20010] = 0.9
    gain = limit(mixture, 0.5)
    assert gain.shape == (RATE_HZ, 1)
    assert np.abs(mixture * gain).max() < 0.55
    assert np.allclose(gain[:15000], 1)
    assert np.allclose(gain[30000:], 1)
    assert np.abs(np.diff(gain[:, 0])).max() < 1e-3  # no click


def test_riding_the_fader_stays_within_its_range():
    out = ride(np.ones((3 * RATE_HZ, 2), np.float32), np.random.default_rng(1), most_db=3.0)
    assert 0.707 < out.min() < out.max() < 1.414


def test_as_loud_has_the_level_of_the_reference():
    assert rms(as_loud(voice() * 7, voice())) == pytest.approx(0.1, rel=1e-4)
