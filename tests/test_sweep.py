"""Sweeps: the files of the repository, and a tiny one that is interrupted, goes on, and has a cell that fails."""

import csv
import json
import os
import re
import signal
import subprocess
import sys

import pytest
from click.testing import CliRunner
from tone_corpus import TONES_HZ, write_tone
from waiting import wait_until

from stemlive.cli import main
from stemlive.errors import UsageError
from stemlive.training.recipe import parse_recipe
from stemlive.training.schedule import rate_factor
from stemlive.training.sweep import SIZES, bundled_sweeps, merged, read_sweep
from stemlive.training.sweep_run import with_time_left

SWEEP = """
title = "Tiny"
source = "nowhere"
cells = [
  { name = "one", published.vocals = 7.09 },
  { name = "two", train.learning_rate = 0.002 },
]
[base]
model = { feature_dim = 8, num_repeat = 1, band_scheme = "v3" }
mix = { segment_s = 0.3 }
train = { batch = 2, steps = STEPS, warmup_steps = 2, precision = "no" }
[small]
seconds = 1
"""


def published(name):
    return {cell.name: cell.published for cell in read_sweep(name, "original").cells if cell.published}


def test_published_numbers_are_those_of_the_original():
    size = {"t+tf-64-10": {"vocals": 6.96}, "t+tf-128-8": {"vocals": 5.63}, "t+tf-64-8": {"mean": 7.1}}
    size |= {"t+tf-128-12": {"mean": 8.2}, "t+tf-128-12-patient": {"mean": 8.5}}
    assert published("loss-and-size") == size
    layers = {"gru-lstm": 7.09, "conv-lstm": 6.41, "lstm-gru": 7.01, "lstm-conv": 6.55}
    assert published("layers") == {name: {"vocals": db} for name, db in layers.items()}
    heads = {"1x4": 7.62, "1x10": 7.71, "1x20": 7.53, "2x4": 7.23, "2x10": 7.37, "2x20": 7.56}
    means = {"0": {"mean": 7.1}, "1x8": {"mean": 7.6}, "2x16": {"mean": 7.8}}
    assert published("attention") == {name: {"vocals": db} for name, db in heads.items()} | means
    assert published("sad") == {"sad": {"mean": 7.1}, "no-sad": {"mean": 7.5}}
    stereo = {"independent": 7.1, "joint": 6.7, "tac-prelu": 7.3}
    assert published("stereo") == {name: {"mean": db} for name, db in stereo.items()}
    assert published("simo") == {"each-stem": {"mean": 9.6}, "simo": {"mean": 10.3}}


@pytest.mark.parametrize("size", SIZES)
def test_cells_are_what_their_names_say(size):
    """Every line of every file is a recipe: `read_sweep` refuses what is none."""
    sizes = {name: read_sweep(name, size) for name in bundled_sweeps() if size == "small" or name != "experiments"}
    assert len(sizes) == (7 if size == "small" else 6)
    assert len(sizes["layers"].cells) == 9
    for cell in sizes["layers"].cells:
        model = cell.models[0].recipe.model
        assert cell.name == f"{model.time_layer}-{model.band_layer}"
    for cell in sizes["attention"].cells:
        model = cell.models[0].recipe.model
        assert cell.name in (f"{model.attention_heads}x{model.attention_dim}", "0")
        assert (cell.name == "0") == (model.attention_heads == 0)
    for name, sweep in sizes.items():
        for recipe in (model.recipe for cell in sweep.cells for model in cell.models):
            assert recipe.model.causal == (size == "small"), name
            assert recipe.train.clock == ("processor" if size == "small" else "wall")
    losses = [cell.models[0].recipe.train.loss for cell in sizes["loss-and-size"].cells]
    assert losses == ["t", "tf", *["t+tf"] * 5]


def test_the_original_size_is_the_original_model():
    cells = {cell.name: cell for cell in read_sweep("loss-and-size", "original").cells}
    assert cells["t-64-8"].cost.parameters == 8_013_572  # published: 8.0 M a stem
    assert cells["t-64-8"].cost.gmac_per_s == pytest.approx(24.852, abs=1e-3)
    each = cells["t+tf-64-8"]
    schemes = [(m.folder, m.recipe.model.stems, m.recipe.model.band_scheme) for m in each.models]
    assert schemes == [
        (f"t+tf-64-8/{stem}", (stem,), scheme)
        for stem, scheme in (("vocals", "v7"), ("drums", "drums"), ("bass", "bass"), ("other", "v7"))
    ]


def test_a_run_that_goes_on_keeps_its_learning_rate():
    cell = read_sweep("layers", "small").cells[0]
    whole = cell.models[0].recipe.train
    rest = parse_recipe(with_time_left(cell.models[0], 0.2), "rest").train  # 80 % of the time is over
    for share in (0.0, 0.5, 1.0):
        assert rate_factor(rest, 1000, share, 0) == pytest.approx(rate_factor(whole, 1000, 0.8 + 0.2 * share, 0))


def test_tables_are_merged_deep_and_leave_their_sources_alone():
    below = {"a": {"b": 1, "c": 2}, "d": 3}
    assert merged(below, {"a": {"b": 5}, "e": 6}) == {"a": {"b": 5, "c": 2}, "d": 3, "e": 6}
    assert below == {"a": {"b": 1, "c": 2}, "d": 3}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("feature_dim", "feature_dims", "cell one|unknown model choice feature_dims"),
        ('name = "two"', 'name = "one"', "each with a name of its own"),
        ('name = "two"', 'name = "../two"', "no name for a cell"),
        ("[small]", "[smaller]", "unknown 'smaller'"),
        ("[small]", "[original]", "has no size small: choose one of original"),
    ],
)
def test_wrong_sweeps_are_refused(tmp_path, old, new, message):
    path = tmp_path / "tiny.toml"
    path.write_text(SWEEP.replace("STEPS", "2").replace(old, new))
    with pytest.raises(UsageError, match=message):
        read_sweep(str(path), "small")
    with pytest.raises(UsageError, match=r"there is no sweep layer: .* layers"):
        read_sweep("layer", "small")


def test_dry_run_and_list_print_what_there_is(tmp_path):
    run = CliRunner()
    listed = run.invoke(main, ["sweep", "--list"])
    assert re.findall(r"^\S+", listed.output, re.MULTILINE) == sorted(bundled_sweeps())
    path = tmp_path / "tiny.toml"
    path.write_text(SWEEP.replace("STEPS", "2"))
    printed = run.invoke(main, ["sweep", str(path), "--dry-run", "--minutes", "3"])
    assert printed.exit_code == 0, printed.output
    assert re.search(r"^one +442,644 +0\.038 +3  vocals 7\.09$", printed.output, re.MULTILINE), printed.output
    unknown = run.invoke(main, ["sweep", str(path), "--dry-run", "--only", "three"])
    assert "has no cell three: choose from one, two" in unknown.output
    assert unknown.exit_code == 2


def test_a_sweep_is_interrupted_goes_on_names_a_cell_that_fails_and_writes_its_table(tmp_path):
    root, out, path = tmp_path / "corpus", tmp_path / "out", tmp_path / "tiny.toml"
    for song in ("train/full", "valid/unseen"):
        for stem, frequency_hz in TONES_HZ.items():
            write_tone(root / song / f"{stem}.wav", frequency_hz)
    for stem in ("vocals", "accompaniment"):
        write_tone(root / "valid/sung" / f"{stem}.wav", {"vocals": 700.0, "accompaniment": 2000.0}[stem])
    path.write_text(SWEEP.replace("STEPS", "4"))
    arguments = ["--data", root, "--validate", root, "--out", out, "--cache", tmp_path / "cache"]
    command = [str(word) for word in (sys.executable, "-m", "stemlive", "sweep", path, *arguments)]

    def finish():
        return CliRunner().invoke(main, command[3:])

    path.write_text(SWEEP.replace("STEPS", "4").replace('"two",', '"two", train.steps = 100000,'))
    endless = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ})
    log = out / "two/train.log"
    wait_until(lambda: log.exists() and "step 25" in log.read_text(), "25 steps", patience_s=300, pause_s=0.1)
    endless.send_signal(signal.SIGTERM)
    printed, complaint = endless.communicate(timeout=100)
    assert endless.returncode == 143, complaint
    assert re.match(r"one: yardstick -?[0-9.]+ dB \(.*: mean over songs with four stems \(1\); uSDR vocals ", printed)
    assert "interrupted" in complaint
    first = (out / "one/result.json").stat().st_mtime_ns
    assert not (out / "two/result.json").exists()
    assert "steps = 100000" in (out / "two/recipe.toml").read_text()

    path.write_text(SWEEP.replace("STEPS", "4"))
    other = finish()  # the folder holds a cell of another recipe
    assert (other.exit_code, "choose another --out" in other.stderr) == (2, True)
    (out / "two/asked.json").unlink()
    (out / "two/weights.pt").rename(tmp_path / "weights.pt")
    (out / "two/weights.pt").mkdir()
    failed = finish()
    assert failed.exit_code == 1
    assert "cell two: evaluate failed" in failed.stderr
    assert "1 of 2 cells failed: two" in failed.stderr

    (out / "two/weights.pt").rmdir()
    (out / "two/state.pt").unlink()
    done = finish()
    assert done.exit_code == 0, done.stderr
    assert (out / "one/result.json").stat().st_mtime_ns == first
    with (out / "tiny.csv").open() as file:
        one, two = csv.DictReader(file)
    report = json.loads((out / "two/scores.json").read_text())
    scores = report["average"]
    assert float(two["yardstick"]) == report["yardstick"]["yardstick_db"]
    assert [float(two[f"pair_usdr_{t}"]) for t in ("vocals", "accompaniment")] == [
        report["songs"]["sung"][t]["usdr_db"] for t in ("vocals", "accompaniment")
    ]
    four = report["groups"]["songs with four stems"]
    assert float(two["usdr_vocals"]) == four["vocals"]["usdr_db"] != scores["vocals"]["usdr_db"]
    assert float(two["csdr_bass"]) == four["bass"]["csdr_db"]
    assert (one["published_vocals"], two["published_vocals"], one["parameters"]) == ("7.09", "", "442644")
    assert (one["songs_drums"], one["seconds"], one["processes"]) == ("1", "1", "1")
    result = json.loads((out / "two/result.json").read_text())
    assert result["step"] == 4
    assert result["audio_s"] == pytest.approx(4 * 2 * 0.3)
    table = (out / "tiny.md").read_text()
    assert f"| two | 0.44 | 0.04 | {float(two['wall_min']):.2f} |" in table
    assert f"| {report['yardstick']['yardstick_db']:.2f} | {four['vocals']['usdr_db']:.2f} |" in table
    assert "| audio heard, h | yardstick | uSDR vocals |" in table
    assert "| two stems, uSDR vocals |" in table
    assert "They are no MUSDB18 scores" in table
    assert "1 with vocals" in table
