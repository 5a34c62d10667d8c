"""What mixtures are like beside songs: literal numbers for made signals, and the table of the command."""

import json
import re

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from stemlive import cli
from stemlive.training.corpus.describe import Row, compare, measure_stem

RATE = 44100


def noise(seed, seconds=6.0, level=0.1):
    return level * np.random.default_rng(seed).standard_normal(int(seconds * RATE))


def stereo(left, right):
    return np.stack([left, right], 1).astype(np.float32)


def test_noise_of_its_own_on_each_side():
    found = measure_stem(stereo(noise(0), noise(1)), stereo(noise(0), noise(1)), RATE)
    assert found["side_db"] == pytest.approx(0, abs=0.1)
    assert found["coherence"] == pytest.approx(0, abs=0.01)
    assert found["tilt_db"] == pytest.approx(0, abs=0.1)
    assert found["level_db"] == 0
    assert found["active"] == 1


def test_middle_and_side_ten_decibels_apart():
    middle, side = noise(0), 10 ** (-10 / 20) * noise(1)
    found = measure_stem(stereo(middle + side, middle - side), stereo(middle, middle), RATE)
    assert found["side_db"] == pytest.approx(-10, abs=0.1)
    assert found["coherence"] == pytest.approx((0.9 / 1.1) ** 2, abs=0.01)
    assert found["level_db"] == pytest.approx(10 * np.log10(1.1), abs=0.05)


def test_a_dual_mono_sine():
    sine = 0.3 * np.sin(2 * np.pi * 441 * np.arange(6 * RATE) / RATE)
    found = measure_stem(stereo(sine, sine), stereo(2 * sine, 2 * sine), RATE)
    assert found["side_db"] == -60
    assert found["coherence"] == pytest.approx(1)
    assert found["crest_db"] == pytest.approx(20 * np.log10(2**0.5), abs=0.01)
    assert found["level_db"] == pytest.approx(-6.02, abs=0.01)


def test_noise_that_falls_by_six_decibels_per_octave():
    falling = np.cumsum(noise(0))
    assert measure_stem(stereo(falling, falling), stereo(falling, falling), RATE)["tilt_db"] == pytest.approx(
        -6.02, abs=0.3
    )


def test_half_of_the_time_and_not_at_all():
    mixture, half = stereo(noise(0), noise(1)), noise(0)
    half[: len(half) // 2] = 0
    assert measure_stem(stereo(half, half), mixture, RATE)["active"] == pytest.approx(0.5, abs=0.02)
    one_side = measure_stem(stereo(half, 0 * half), mixture, RATE)
    assert one_side["side_db"] == pytest.approx(0)
    assert "coherence" not in one_side
    assert measure_stem(0.009 * mixture, mixture, RATE) == {"active": 0}  # 41 dB below
    assert measure_stem(0.011 * mixture, mixture, RATE)["level_db"] == pytest.approx(-39.2, abs=0.1)


def test_rows_have_mean_and_deviation_over_pieces():
    quiet, loud = stereo(noise(0), noise(1)), stereo(noise(2), noise(3)) * np.float32(2)
    pieces = [{"vocals": quiet, "mixture": 10 * quiet}, {"vocals": loud, "mixture": loud}]
    rows = {row.measure: row for row in compare(pieces, [{**pieces[1], "drums": loud}], RATE)}
    assert {row.stem for row in rows.values()} == {"vocals"}
    assert rows["level_db"].songs == (pytest.approx(-10), pytest.approx(10))
    assert rows["level_db"].mixtures == (pytest.approx(0), 0)
    assert rows["level_db"].deviations == pytest.approx(1)
    assert Row("vocals", "active", (1.0, 0.0), (0.5, 0.1)).deviations == -np.inf
    assert Row("vocals", "active", (1.0, 0.0), (1.0, 0.0)).deviations == 0


def write(path, audio):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, audio, RATE, subtype="FLOAT")


@pytest.fixture
def reference(tmp_path):
    """Two songs whose voices have sides 10 dB below the middle, give or take one."""
    for song, side_db in enumerate((-9, -11)):
        for index, stem in enumerate(("vocals", "drums", "bass", "other")):
            middle, side = noise(10 * song + index), 10 ** (side_db / 20) * noise(50 + 10 * song + index)
            write(tmp_path / f"songs/train/song{song}/{stem}.wav", stereo(middle + side, middle - side))
    write(tmp_path / "songs/train/karaoke/accompaniment.wav", stereo(noise(3), noise(3)))
    return tmp_path / "songs"


PLAIN = """
[mix]
segment_s = 6.0
drop_stem_p = 0.0
speed_p = 0.0
song_gain_db = 0.0
low_pass_p = 0.0
"""


def describe(tmp_path, recipe, data, *options):
    (tmp_path / "r.toml").write_text(recipe)
    arguments = [tmp_path / "r.toml", "--data", data, "--cache", tmp_path / "cache", *options]
    return CliRunner().invoke(cli.main, ["corpus", "describe", *map(str, arguments)])


def test_mixtures_like_the_songs_are_not_marked_and_narrow_voices_are(tmp_path, reference):
    songs = PLAIN + "share_accompaniment = 0.0\nshare_random = 0.0\nshare_song = 1.0\n"
    without_karaoke = songs + "source_weights = { 'song/karaoke' = 0 }"
    same = describe(tmp_path, without_karaoke, reference, "--against", reference, "--mixtures", "8")
    assert same.exit_code == 0, same.output
    lines = same.output.splitlines()
    assert len([line for line in lines if line.startswith("| ")]) == 1 + 5 * 6
    side = next(line for line in lines if "| vocals | sides" in line)
    assert "| -10.0" in side
    assert "!" not in side
    write(tmp_path / "narrow/pool/vocals/a/1.wav", noise(7, 12))
    write(tmp_path / "narrow/pool/accompaniment/b/1.wav", stereo(noise(8, 12), noise(9, 12)))
    over = PLAIN + "share_accompaniment = 1.0\nshare_random = 0.0\nshare_song = 0.0\nmax_pan = 0.0\neffect_p = 0.0\n"
    narrow = describe(tmp_path, over, tmp_path / "narrow", "--against", reference, "--mixtures", "2")
    told = describe(tmp_path, over, tmp_path / "narrow", "--against", reference, "--mixtures", "2", "--json")
    assert narrow.exit_code == 0, narrow.output
    assert "| vocals | sides against middle, dB | -10.0" in narrow.output
    side = next(line for line in narrow.output.splitlines() if "| vocals | sides" in line)
    assert re.search(r"\| -60\.00 ± 0\.00 \| -\d+\.\d \*\*!\*\* \|$", side)
    rows = {(row["stem"], row["measure"]): row for row in json.loads(told.stdout)}
    assert rows["vocals", "side_db"]["mixtures"] == [-60.0, 0.0]
    assert ("drums", "side_db") not in rows  # unknown in these mixtures
    assert ("accompaniment", "side_db") in rows


def test_songs_of_four_stems_are_asked_for(tmp_path, reference):
    write(tmp_path / "two/train/a/vocals.wav", stereo(noise(0), noise(0)))
    done = describe(tmp_path, PLAIN, reference, "--against", tmp_path / "two")
    assert done.exit_code == 2
    assert f"no song in {tmp_path / 'two'} has all four stems" in done.output
