"""The score that weights are chosen by: over which songs and stems it is the mean, and that all print the same one."""

import json

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from stemlive.cli import main
from stemlive.training.yardstick import FOUR, PAIR, PART, ScoredSong, beside, in_words, song_kind, yardstick

RATE = 44100


def song(name, kind, **usdr_db):
    return ScoredSong(name, kind, {t: {"usdr_db": db, "mixture_db": -db} for t, db in usdr_db.items()})


ROCK = song("rock", FOUR, vocals=1.0, drums=2.0, bass=3.0, other=4.0, accompaniment=50.0)
DUET = song("duet", FOUR, vocals=7.0, other=9.0, accompaniment=50.0)  # its drums and bass are silent
SUNG = song("sung", PAIR, vocals=20.0, accompaniment=30.0)
HALF = song("half", PART, vocals=10.0, drums=0.0, accompaniment=50.0, **{"bass+other": 5.0})


def test_it_is_the_mean_over_songs_with_four_stems_of_the_mean_over_their_own():
    found = yardstick([HALF, SUNG, ROCK, DUET])
    assert (found.yardstick_db, found.mixture_db, found.oracle_db) == (5.25, -5.25, None)  # (2.5 + 8) / 2
    assert (found.songs, found.kind, found.targets) == (2, FOUR, ("vocals", "drums", "bass", "other"))
    assert in_words(vars(found)) == "yardstick 5.25 dB (mixture -5.25): mean over songs with four stems (2)"
    # of the voices of these two and of the other songs: what a log has beside it
    assert beside([HALF, SUNG, ROCK, DUET]) == {
        "vocals": 4.0, "drums": 2.0, "bass": 3.0, "other": 6.5, "accompaniment": 50.0,
        "pair_vocals": 20.0, "pair_accompaniment": 30.0,
    }  # fmt: skip


def test_without_four_stems_it_is_the_mean_over_all_songs():
    found = yardstick([HALF, SUNG])
    assert (found.yardstick_db, found.songs, found.kind) == (12.5, 2, None)  # (5 + 20) / 2
    assert in_words(vars(found)).endswith(": mean over songs, of which none has four stems (2)")
    assert beside([HALF, SUNG]) == {"vocals": 15.0, "drums": 0.0, "bass+other": 5.0, "accompaniment": 40.0}


def test_what_has_no_stem_to_be_scored_counts_nowhere():
    silent = ScoredSong("silent", FOUR, {"vocals": {"leakage_db": -30.0}}, ("vocals",))
    assert yardstick([silent, SUNG]).yardstick_db == 20.0
    assert yardstick([silent]).yardstick_db is None
    assert in_words(vars(yardstick([silent]))) == "yardstick: no song has a stem to be scored"


def test_a_model_of_one_stem_says_that_it_is_one():
    found = yardstick([song("rock", FOUR, vocals=3.0, accompaniment=5.0)])
    assert in_words(vars(found)).endswith(": mean over songs with four stems (1), their vocals only")


@pytest.mark.parametrize(
    ("files", "kind"),
    [
        (("mixture", "vocals", "drums", "bass", "other"), FOUR),
        (("vocals", "accompaniment"), PAIR),
        (("vocals", "drums", "bass", "other", "accompaniment"), PAIR),  # as it is judged
        (("vocals", "drums", "other"), PART),
        (("accompaniment",), PART),
    ],
)
def test_a_song_is_what_its_files_make_it(files, kind):
    assert song_kind(files) == kind


def write(path, seed, gain=0.1):
    path.parent.mkdir(parents=True, exist_ok=True)
    audio = gain * np.random.default_rng(seed).standard_normal((2 * RATE, 2))
    soundfile.write(path, audio, RATE, subtype="FLOAT")
    return audio


def test_the_command_prints_two_groups_and_leaves_out_what_is_as_good_as_silent(tmp_path):
    """Estimates with an error of a tenth, 20 dB, but for a bass at -87 dBFS, of which they have 60 times too much."""
    free, research = tmp_path / "free", tmp_path / "research"
    for path, names in (
        (free / "valid/sung", ("vocals", "accompaniment")),
        (research / "valid/rock", ("vocals", "drums", "bass", "other")),
    ):
        for seed, stem in enumerate(names):
            gain = 10 ** (-87 / 20) if stem == "bass" else 0.1
            audio = write(path / f"{stem}.wav", seed, gain)
            (tmp_path / "peer" / path.name).mkdir(parents=True, exist_ok=True)
            estimate = (60 if stem == "bass" else 0.9) * audio
            soundfile.write(tmp_path / "peer" / path.name / f"{stem}.wav", estimate, RATE, subtype="FLOAT")
    arguments = ["--data", free, "--data", research, "--cache", tmp_path / "cache", "--estimates", tmp_path / "peer"]
    done = CliRunner().invoke(main, ["evaluate", *map(str, arguments)])
    told = CliRunner().invoke(main, ["evaluate", *map(str, arguments), "--json"])
    assert done.exit_code == told.exit_code == 0, done.output + told.output
    report = json.loads(told.stdout)
    assert report["yardstick"]["yardstick_db"] == pytest.approx(20, abs=0.1)
    assert report["kinds"] == {"rock": "songs with four stems", "sung": "songs with voice and accompaniment"}
    assert report["silent"] == {"rock": ["bass"]}
    assert "usdr_db" not in report["songs"]["rock"]["bass"]
    assert set(report["groups"]["songs with voice and accompaniment"]) == {"vocals", "accompaniment"}
    lines = done.output.splitlines()
    assert any(line.startswith("songs with four stems (1), dB ") for line in lines)
    assert any(line.startswith("songs with voice and accompaniment (1), dB ") for line in lines)
    assert lines[-2:] == report["summary"]
    assert lines[-2].startswith(f"yardstick {report['yardstick']['yardstick_db']:.2f} dB (mixture -")
    assert lines[-1] == "left out of averages, below -60 dBFS: rock: bass"
