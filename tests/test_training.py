"""Recipes, losses, scores and the loop, on a corpus of a few seconds that the tests make."""

import csv
import dataclasses
import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from tone_corpus import make_corpus

from stemlive.cli import main
from stemlive.errors import TrainingError, UsageError
from stemlive.model.bsrnn import BSRNN, count_parameters
from stemlive.model.checkpoint import load_checkpoint, save_checkpoint
from stemlive.model.config import STEMS, ModelConfig
from stemlive.model.framing import Framing
from stemlive.training.evaluate import averages, score_song, separate_whole
from stemlive.training.loop import FromIndex, Trainer, rate_factor
from stemlive.training.losses import loudness_weight, separation_loss
from stemlive.training.mixing import MixConfig
from stemlive.training.recipe import Recipe, TrainConfig, read_recipe
from stemlive.training.scores import usdr
from stemlive.training.sources import Sources, scan

RATE = 44100
TINY = ModelConfig(feature_dim=8, num_repeat=1, band_scheme="v3")


@pytest.fixture
def corpus(tmp_path):
    return make_corpus(tmp_path / "corpus")


@pytest.fixture
def sources(corpus, tmp_path):
    return scan([corpus], tmp_path / "cache", RATE)


def test_losses_are_the_numbers_they_should_be():
    estimate, target = torch.zeros(1, 2, 2, 4), torch.ones(1, 2, 2, 4)
    spectra = (torch.zeros(1, 2, 1, 3, 2, 2), torch.full((1, 2, 1, 3, 2, 2), 3.0))
    active = torch.tensor([[1.0, 0.0]])
    assert loudness_weight(torch.full((1, 2, 8), 0.05)).tolist() == pytest.approx([2.0])
    assert separation_loss("t", (estimate, target), spectra, active * 2) == 2
    assert separation_loss("t", (estimate, target), spectra, active) == 1
    assert separation_loss("tf", (estimate, target), spectra, active) == 3
    assert separation_loss("t+tf", (estimate, target), spectra, active) == 4
    assert separation_loss("t+tf", (estimate, target), spectra, active, spectrum_weight=0.5) == 2.5
    with pytest.raises(UsageError, match="unknown loss 'mse"):
        separation_loss("mse", (estimate, target), spectra, active)


def test_usdr_of_known_errors():
    reference = torch.ones(2, 1000)
    assert usdr(reference, 0.9 * reference) == pytest.approx(20.0, abs=1e-3)
    assert usdr(reference, torch.zeros(2, 1000)) == pytest.approx(0.0, abs=1e-6)
    assert usdr(reference, 2 * reference) == pytest.approx(0.0, abs=1e-6)


def test_scores_follow_the_files_a_song_has(sources, corpus, tmp_path):
    torch.manual_seed(0)
    from stemlive.model.bsrnn import BSRNN

    model = BSRNN(TINY).eval()
    framing = Framing(TINY.framing)
    score = score_song(model, framing, sources.songs["nobass"], "nobass")
    assert sorted(score.estimate_db) == ["accompaniment", "bass+other", "drums", "vocals"]
    mixture = torch.from_numpy(sum(r.read(0, 2 * RATE) for r in sources.songs["nobass"].values()).T.copy())
    stems = separate_whole(model, framing, mixture)
    drums = torch.from_numpy(sources.songs["nobass"]["drums"].read(0, 2 * RATE).T.copy())
    assert score.estimate_db["drums"] == pytest.approx(usdr(drums, stems[1]), abs=1e-4)
    assert score.mixture_db["drums"] == pytest.approx(usdr(drums, mixture), abs=1e-4)
    both = averages([score, score_song(model, framing, sources.songs["full"], "full")])
    assert "bass" in both
    assert "bass+other" in both


def test_learning_rate_rises_holds_and_falls():
    config = TrainConfig(warmup_steps=10, decay_share=0.5)
    assert rate_factor(4, 0.1, config) == 0.5
    assert rate_factor(100, 0.5, config) == 1.0
    assert rate_factor(100, 0.75, config) == 0.5
    assert rate_factor(100, 1.0, config) == 0.0


def test_processes_share_out_the_segments():
    indices = [FromIndex(2, 3, rank, 2) for rank in (0, 1)]
    taken = [[next(it) for _ in range(6)] for it in map(iter, indices)]
    assert taken == [[12, 13, 14, 18, 19, 20], [15, 16, 17, 21, 22, 23]]


def recipe(steps):
    return Recipe(
        TINY,
        MixConfig(segment_s=0.3),
        TrainConfig(batch=2, steps=steps, warmup_steps=2, precision="no", decay_share=0, learning_rate=3e-3),
    )


def test_resumed_equals_uninterrupted(sources, tmp_path):
    Trainer(recipe(6), sources, Sources(), tmp_path / "whole").run()
    Trainer(recipe(3), sources, Sources(), tmp_path / "parts").run()
    Trainer(recipe(6), sources, Sources(), tmp_path / "parts").run()
    whole, parts = (torch.load(tmp_path / name / "state.pt", weights_only=True) for name in ("whole", "parts"))
    assert parts["progress"]["step"] == 6
    for kind in ("weights", "averaged"):
        for name, values in whole[kind].items():
            assert torch.equal(values, parts[kind][name]), (kind, name)
    with pytest.raises(TrainingError, match="another model"):
        bigger = dataclasses.replace(recipe(6), model=dataclasses.replace(TINY, feature_dim=12))
        Trainer(bigger, sources, Sources(), tmp_path / "parts")


def test_a_run_of_before_a_model_choice_goes_on(sources, tmp_path):
    Trainer(recipe(1), sources, Sources(), tmp_path).run()
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    del state["recipe"]["model"]["residual_stem"]
    torch.save(state, tmp_path / "state.pt")
    assert Trainer(recipe(2), sources, Sources(), tmp_path).progress.step == 1


MODELS = {
    "gru": {"time_layer": "gru", "band_layer": "gru"},
    "conv": {"time_layer": "conv", "band_layer": "conv"},
    "attention": {"attention_heads": 2, "attention_window": 8},
    "tac": {"stereo": "tac", "residual_stem": True},
    "offline": {"causal": False, "preset": "offline", "time_layer": "conv", "stereo": "tac", "attention_heads": 1},
}


@pytest.mark.parametrize("name", MODELS)
def test_every_kind_of_model_trains_and_is_scored(name, sources, corpus, tmp_path):
    validation = scan([corpus], tmp_path / "cache", RATE, "valid")
    model = dataclasses.replace(TINY, **MODELS[name])
    trainer = Trainer(dataclasses.replace(recipe(2), model=model), sources, validation, tmp_path / "run")
    before = {key: values.clone() for key, values in trainer.network.state_dict().items()}
    trainer.run()
    trained, _ = load_checkpoint(tmp_path / "run/weights.pt")
    assert trained.config == model
    changed = trainer.network.state_dict()
    assert [key for key, values in before.items() if torch.equal(changed[key], values)] == []
    with (tmp_path / "run/log.csv").open() as file:
        (scores,) = csv.DictReader(file)
    assert np.isfinite([float(scores[stem]) for stem in STEMS]).all()


def test_describe_prints_what_a_model_costs(tmp_path):
    recipe_file, weights = tmp_path / "r.toml", tmp_path / "m.pt"
    recipe_file.write_text("[model]\nfeature_dim = 8\nnum_repeat = 1\nband_scheme = 'v3'\n")
    run = CliRunner()
    printed = run.invoke(main, ["describe", str(recipe_file)])
    assert printed.exit_code == 0, printed.output
    model = BSRNN(TINY)
    assert f"{'total':<16}{count_parameters(model):>12,}" in printed.output
    assert "14 bands; preset live; causal, 308 numbers carried from hop to hop" in printed.output
    save_checkpoint(model, weights, {})
    report = json.loads(run.invoke(main, ["describe", str(weights), "--json"]).output)
    assert list(report["parts"]) == ["band split", "time layers", "band layers", "mask heads"]
    assert report["total"]["parameters"] == count_parameters(model)
    assert report["total"]["gmac_per_s"] == pytest.approx(sum(p["gmac_per_s"] for p in report["parts"].values()))
    assert report["config"]["feature_dim"] == 8
    missing = run.invoke(main, ["describe", str(tmp_path / "no.toml")])
    assert isinstance(missing.exception, SystemExit)
    assert missing.exit_code == 2
    assert "does not exist: check the path" in missing.output


def test_training_learns_and_logs(sources, corpus, tmp_path):
    validation = scan([corpus], tmp_path / "cache", RATE, "valid")
    trainer = Trainer(recipe(60), sources, validation, tmp_path / "run")
    trainer.validate(0.0)
    trainer.run()
    with (tmp_path / "run/log.csv").open() as file:
        before, after = list(csv.DictReader(file))
    assert float(after["bass"]) > float(before["bass"]) + 3
    assert after["step"] == "60"
    model, provenance = load_checkpoint(tmp_path / "run/weights.pt")
    assert model.config == TINY
    assert provenance["progress"]["audio_s"] == pytest.approx(60 * 2 * 0.3)
    assert provenance["sources"]["vocals"] == ["choir"]


def test_recipes_in_the_repository_are_valid(request):
    files = sorted((request.config.rootpath / "training/recipes").glob("*.toml"))
    assert files
    for path in files:
        assert read_recipe(path).card["licence"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[model]\nfeature_dims = 3", "unknown model choice feature_dims"),
        ("[train]\nsteeps = 3", "unexpected keyword argument 'steeps'"),
        ("[extra]", "unknown table"),
        ("[train]\nloss = 'l3'", "unknown loss 'l3'"),
        ("model = ", "cannot read the recipe"),
    ],
)
def test_wrong_recipes_are_refused(tmp_path, text, message):
    path = tmp_path / "r.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=message):
        read_recipe(path)


def test_commands_train_on_two_processes_resume_evaluate_and_export(corpus, tmp_path):
    recipe_file = tmp_path / "tiny.toml"
    recipe_file.write_text(
        '[model]\nfeature_dim = 8\nnum_repeat = 1\nband_scheme = "v3"\n[mix]\nsegment_s = 0.3\n'
        '[train]\nbatch = 2\nsteps = 4\n[card]\nname = "tiny"\nlicence = "CC0-1.0"\n'
    )
    arguments = ["--data", corpus, "--validate", corpus, "--run", tmp_path / "run", "--cache", tmp_path / "cache"]
    command = [sys.executable, "-m", "stemlive", "train", recipe_file, *arguments, "--processes", "2"]
    environment = {key: value for key, value in os.environ.items() if key not in ("RANK", "WORLD_SIZE")}
    for steps in (4, 6):
        recipe_file.write_text(recipe_file.read_text().replace("steps = 4", f"steps = {steps}"))
        done = subprocess.run(
            list(map(str, command)), capture_output=True, text=True, env=environment, timeout=300, check=False
        )
        assert done.returncode == 0, done.stderr
    provenance = load_checkpoint(tmp_path / "run/weights.pt")[1]
    assert provenance["progress"]["step"] == 6
    recipe_file.write_text(recipe_file.read_text().replace("steps = 6", "steps = 1000000"))
    endless = subprocess.Popen(list(map(str, command)), stderr=subprocess.PIPE, text=True, env=environment)
    assert any("step 25" in line for line in endless.stderr)
    endless.send_signal(signal.SIGTERM)
    assert endless.wait(timeout=120) == 0
    assert load_checkpoint(tmp_path / "run/weights.pt")[1]["progress"]["step"] >= 25
    endless.stderr.close()
    assert provenance["processes"] == 2
    assert provenance["progress"]["audio_s"] == pytest.approx(6 * 2 * 2 * 0.3)
    run = CliRunner()
    weights, scores, onnx = (str(tmp_path / name) for name in ("run/weights.pt", "scores.json", "tiny.onnx"))
    evaluated = run.invoke(
        main,
        [
            "evaluate",
            "--checkpoint",
            weights,
            "--data",
            str(corpus),
            "--cache",
            str(tmp_path / "cache"),
            "--json",
            scores,
        ],
    )
    assert evaluated.exit_code == 0, evaluated.output
    assert "unseen" in evaluated.output
    exported = run.invoke(main, ["export", weights, "-o", onnx, "--scores", scores])
    assert exported.exit_code == 0, exported.output
    separated = run.invoke(
        main,
        ["separate", str(corpus / "valid/unseen/vocals.wav"), "--model", onnx, "-o", str(tmp_path / "out"), "--quiet"],
    )
    assert separated.exit_code == 0, separated.output
    assert len(list((tmp_path / "out").rglob("*.wav"))) == 4
