"""Several passes of a recording: their mean by another route, what they add up to, and what they are good for."""

import json
import tracemalloc

import numpy as np
import pytest
import soundfile
import soxr
from click.testing import CliRunner

import stemlive
from stemlive import cli
from stemlive.errors import UsageError
from stemlive.realtime.model_file.session import Session
from stemlive.realtime.separation.offline import separate_blocks
from stemlive.realtime.separation.passes import SPEEDS, Passes
from stemlive.realtime.separation.separator import Separator

RATE = 44100


def music(seconds, rate=RATE, channels=2):
    """Chords, and beats of noise below 12 kHz that is another on each side."""
    t, low_rate = np.arange(round(seconds * rate)) / rate, 24000
    low_t = np.arange(round(seconds * low_rate) + 1) / low_rate
    noise = np.random.default_rng(3).standard_normal((len(low_t), channels))
    beats = soxr.resample(0.3 * noise * np.exp(-30 * (low_t % 0.13))[:, None], low_rate, rate)[: len(t)]
    tones = 0.05 * sum(np.sin(2 * np.pi * hz * t) for hz in (55, 220, 330.3, 1760))
    return (tones[:, None] * np.arange(1, channels + 1) / channels + beats).astype(np.float32)


def passes(model, count, **choices):
    return Passes([Session(model, frame_by_frame=False) for _ in range(count)], **choices)


def blocks(audio, lengths):
    at = 0
    while at < len(audio):
        count = next(lengths)
        yield audio[at : at + count]
        at += count


def joined(parts):
    return np.concatenate(list(parts), axis=1)


@pytest.mark.parametrize(("rate", "channels"), [(44100, 2), (48000, 1)])
def test_the_mean_is_that_of_songs_resampled_by_hand(model, rate, channels):
    song = music(2, rate, channels)
    stems = joined(passes(model, 3, sample_rate_hz=rate, channels=channels).separate([song]))
    by_hand = []
    for speed in SPEEDS[:3]:
        separator = Separator(Session(model), channels=channels)
        heard = soxr.resample(song, rate / speed, RATE)  # another resampler's setting than the separator's
        back = [soxr.resample(stem, RATE, rate / speed) for stem in joined(separate_blocks(separator, [heard]))]
        by_hand.append(np.stack([np.pad(s, ((0, 99), (0, 0)))[: len(song)] for s in back]))
    inside = slice(2000, -2000)
    np.testing.assert_allclose(stems[:, inside], np.mean(by_hand, 0)[:, inside], atol=1e-3)
    assert np.abs(np.mean(by_hand, 0) - by_hand[0])[:, inside].max() > 5e-3  # which one pass would not be


def test_one_pass_is_the_separators_answer(model):
    song = music(1)
    alone = joined(separate_blocks(Separator(Session(model, frame_by_frame=False)), [song]))
    np.testing.assert_array_equal(joined(passes(model, 1).separate([song])), alone)


def test_the_stems_have_the_songs_length_and_sum_whatever_the_blocks(model):
    song = music(1.37)
    separator = passes(model, 4)
    whole = joined(separator.separate([song]))
    assert whole.shape == (4, *song.shape)
    np.testing.assert_allclose(whole.sum(0), song, atol=1e-4)
    rng = np.random.default_rng(1)
    cut = joined(separator.separate(blocks(song, iter(lambda: int(rng.integers(1, 9000)), None))))
    np.testing.assert_allclose(cut, whole, atol=1e-5)


def test_what_the_faster_passes_cannot_hold_is_other(model):
    """21.5 kHz is beyond what fits at a speed of 0.94; what one pass leaves in it stays, and the rest is other's."""
    song = np.repeat((0.1 * np.sin(2 * np.pi * 21500 * np.arange(RATE) / RATE))[:, None], 2, 1).astype(np.float32)
    separator = passes(model, 2)
    once, twice = joined(passes(model, 1).separate([song])), joined(separator.separate([song]))
    inside = slice(4000, -4000)
    for index, stem in enumerate(separator.stems):
        if stem != "other":
            np.testing.assert_allclose(twice[index, inside], once[index, inside] / 2, atol=1e-3, err_msg=stem)
    np.testing.assert_allclose(twice.sum(0)[inside], song[inside], atol=1e-3)


def test_what_was_not_a_number_is_counted_once(model):
    song = music(0.5)
    song[5000:5007, 0] = np.nan
    separator = passes(model, 3)
    assert np.isfinite(joined(separator.separate([song]))).all()
    assert (separator.bad_samples, separator.bad_frames) == (7, 0)


def test_memory_does_not_grow_with_the_song(model):
    separator = passes(model, 3)
    piece = music(1)

    def most(seconds):
        tracemalloc.start()
        for _ in separator.separate(piece for _ in range(seconds)):
            pass
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    most(1)
    assert most(12) < 1.3 * most(4)


def test_a_rate_at_the_upper_limit_is_taken(model):
    song = music(0.2, 384000)
    assert joined(passes(model, 2, sample_rate_hz=384000).separate([song])).shape == (4, *song.shape)


def test_library_and_command_separate_alike_and_wrong_numbers_are_refused(model, tmp_path):
    song = music(1)
    soundfile.write(tmp_path / "song.wav", song, RATE, "FLOAT")
    stems = stemlive.separate(song, sample_rate_hz=RATE, model=model, passes=2)
    command = ["separate", str(tmp_path / "song.wav"), "--model", model, "-o", str(tmp_path / "out"), "--quiet"]
    done = CliRunner().invoke(cli.main, [*command, "--passes", "2"])
    assert done.exit_code == 0, done.output
    for stem, audio in stems.items():
        written = soundfile.read(tmp_path / "out" / "song" / f"{stem}.wav", dtype="float32")[0]
        np.testing.assert_allclose(written, audio, atol=1e-5)
    with pytest.raises(UsageError, match="passes must be 1 to 4, not 5"):
        stemlive.separate(song, sample_rate_hz=RATE, model=model, passes=5)
    assert CliRunner().invoke(cli.main, [*command, "--passes", "0"]).exit_code == 2
    (tmp_path / "weights.pt").touch()
    wrong = [*command[:2], "--checkpoint", str(tmp_path / "weights.pt"), "--passes", "2"]
    done = CliRunner().invoke(cli.main, wrong)
    assert (done.exit_code, done.output) == (
        2,
        "stemlive: error: --passes is for an exported model: leave it out with --checkpoint\n",
    )


def test_evaluate_scores_the_mean_of_the_passes(model, tmp_path):
    """Of a song whose stems are what one pass answers; and by the files of `separate`, another route to the scores."""
    song = music(2)
    folder = tmp_path / "data" / "valid" / "song"
    folder.mkdir(parents=True)
    for stem, audio in stemlive.separate(song, sample_rate_hz=RATE, model=model).items():
        soundfile.write(folder / f"{stem}.wav", audio, RATE, "FLOAT")
    soundfile.write(tmp_path / "song.wav", song, RATE, "FLOAT")
    data = ["--data", str(tmp_path / "data"), "--cache", str(tmp_path / "cache"), "--json"]
    run, out = CliRunner().invoke, str(tmp_path / "out")
    done = run(cli.main, ["separate", str(tmp_path / "song.wav"), "--model", model, "--passes", "2", "-o", out])
    assert done.exit_code == 0, done.output
    choices = (["--model", model, "--passes", "2"], ["--estimates", out], ["--model", model])
    found = [json.loads(run(cli.main, ["evaluate", *data, *choice]).stdout) for choice in choices]
    assert [result.get("passes") for result in found] == [2, None, 1]
    for stem in ("vocals", "drums", "bass", "other"):
        by_passes, by_files, once = (result["songs"]["song"][stem]["usdr_db"] for result in found)
        assert by_passes == pytest.approx(by_files, abs=0.01)
        assert by_passes < 50 < once
