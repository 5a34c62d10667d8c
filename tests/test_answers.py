"""Accompaniments of taught songs, taken apart by a model: what it answers, what is kept, and what is left on disk."""

import dataclasses

import numpy as np
import pytest
import soundfile
import soxr
import torch
from click.testing import CliRunner

from stemlive import cli
from stemlive.model.bsrnn import BSRNN
from stemlive.model.checkpoint import save_checkpoint
from stemlive.model.config import ModelConfig
from stemlive.model.framing import Framing
from stemlive.training.corpus import answers
from stemlive.training.inference import separator
from stemlive.training.peer_demucs import STEMS
from stemlive.training.sources import scan

RATE = 44100
TINY = ModelConfig(feature_dim=8, num_repeat=2, band_scheme="v3")
AHEAD = dataclasses.replace(TINY, lookahead_frames=3)
HEARD = {"drums": 0.5, "bass": 0.04, "other": 0.36, "vocals": 0.1}


def noise(seconds, seed=0):
    return (0.1 * np.random.default_rng(seed).standard_normal((seconds * RATE, 2))).astype(np.float32)


def saved(path, config=TINY):
    """A model without training, and its file."""
    torch.manual_seed(4)
    model = BSRNN(config).eval()
    save_checkpoint(model, path, {})
    return model, path


@pytest.fixture
def song(tmp_path):
    """A song of three seconds in a corpus, in which it was taken apart in two."""
    folder = tmp_path / "corpus" / "train" / "taught-game-song"
    folder.mkdir(parents=True)
    for stem, seed in (("accompaniment", 1), ("vocals", 2)):
        soundfile.write(folder / f"{stem}.ogg", noise(3, seed), RATE)
    return folder


def read(folder):
    return {path.stem: soundfile.read(path, dtype="float32")[0] for path in folder.iterdir() if path.suffix != ".txt"}


def build(*arguments):
    return CliRunner().invoke(cli.main, ["corpus", "build", "--songs", "0", "--no-accompaniment", *map(str, arguments)])


@pytest.mark.parametrize("config", [TINY, AHEAD], ids=["at once", "later"])
def test_the_answer_is_the_mean_over_the_speeds_and_sums_to_the_song(tmp_path, config):
    """By songs made faster beforehand, one of which is inverted and has its sides exchanged."""
    model, path = saved(tmp_path / "ours.pt", config)
    heard = noise(2)
    stems = answers.answers_of(path)(heard)
    np.testing.assert_allclose(stems.sum(0), heard, atol=1e-6)
    separate, said = separator(model, Framing(config.framing)), []
    for speed, mirrored in ((0.89, False), (0.84, True), (0.79, False)):
        faster = soxr.resample(heard, RATE, RATE * speed).T
        mixture = torch.from_numpy(np.ascontiguousarray(-faster[::-1] if mirrored else faster))
        found = separate(mixture).numpy()
        if mirrored:
            found = -found[:, ::-1]
        said.append([soxr.resample(stem.T, RATE * speed, RATE)[: len(heard) - 9] for stem in found])
    mean = np.mean(said, 0)
    for stem in ("drums", "bass", "vocals"):
        expected = mean[config.stems.index(stem)]
        assert np.abs(expected).max() > 1e-3
        np.testing.assert_allclose(stems[STEMS.index(stem), :-9], expected, atol=1e-4, err_msg=stem)


def test_the_voice_stays_and_what_the_model_takes_for_one_or_hardly_hears_is_other(song, tmp_path, monkeypatch):
    monkeypatch.setattr(answers, "answers_of", lambda _: lambda audio: np.stack([audio * HEARD[s] for s in STEMS]))
    root = tmp_path / "corpus"
    assert answers.answer(root, song, tmp_path / "ours.pt") is True
    true, stems = read(song), read(root / "train" / "answered-game-song")
    assert set(stems) == {"drums", "other", "vocals"}  # a bass at -28 dB is none
    np.testing.assert_allclose(stems["vocals"], true["vocals"], atol=5e-5)
    np.testing.assert_allclose(stems["drums"], 0.5 * true["accompaniment"], atol=5e-5)
    np.testing.assert_allclose(stems["other"], 0.5 * true["accompaniment"], atol=5e-5)
    about = (root / "train" / "answered-game-song" / "about.txt").read_text()
    assert "drums, bass and other are the answers of ours.pt; the voice is Spleeter's" in about
    assert answers.answer(root, song, tmp_path / "ours.pt") is False


def test_a_build_takes_the_songs_apart_that_are_there(song, tmp_path):
    root, (_, path) = tmp_path / "corpus", saved(tmp_path / "ours.pt")
    done = build(root, "--answers", path)
    assert done.exit_code == 0, done.output
    assert "1 new files" in done.output
    assert set(scan([root], tmp_path / "cache", RATE).songs) == {"taught-game-song", "answered-game-song"}
    stems = read(root / "train" / "answered-game-song")
    rest = sum(audio for stem, audio in stems.items() if stem != "vocals")
    np.testing.assert_allclose(rest, read(song)["accompaniment"], atol=2e-4)
    assert "| a model of stemlive | as its card says |" in (root / "LICENCES.md").read_text()
    assert "0 new files" in build(root, "--answers", path).output


def test_wrong_models_and_no_songs_are_refused_before_anything_is_made(tmp_path):
    root, (_, path) = tmp_path / "corpus", saved(tmp_path / "ours.pt")
    two = saved(tmp_path / "two.pt", dataclasses.replace(TINY, stems=("vocals", "other")))[1]
    for model, code, said in (
        (path, 1, f"no song in {root} was taken apart in voice and accompaniment: build with --taught, too"),
        (two, 1, f"{two} cannot take songs apart: take a model that separates drums, bass, other, vocals"),
        (tmp_path / "none.pt", 2, f"{tmp_path / 'none.pt'} does not exist: check the path"),
    ):
        done = build(root, "--answers", model)
        assert (done.exit_code, done.output) == (code, f"stemlive: error: {said}\n")
    assert not root.exists()
