"""A miniature MUSDB18-HQ from the unpacked folder to a stream: the numbers agree from step to step."""

import json
import os
import signal
import socket
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner
from run_state import assert_same_run
from tone_corpus import make_musdb

from stemlive.cli import main
from stemlive.model.checkpoint import load_checkpoint

RECIPE = """
[model]
feature_dim = 8
num_repeat = 1
band_scheme = "v3"
[mix]
segment_s = 0.3
sad = true
[train]
batch = 1
accumulate = 2
steps = {steps}
precision = "no"
learning_rate = 0.01
schedule = "exponential"
epoch_segments = 8
[card]
name = "tiny"
licence = "CC0-1.0"
"""
TEST_SONG = "Third Artist - Three"


@pytest.fixture(scope="module")
def musdb(tmp_path_factory):
    return make_musdb(tmp_path_factory.mktemp("musdb"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("journey")


def command(*arguments):
    """Run stemlive in this process and return what it printed."""
    done = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture(scope="module")
def environment():
    outer = {key: value for key, value in os.environ.items() if key not in ("RANK", "WORLD_SIZE")}
    return {**outer, "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def interrupted(musdb, folder, environment):
    """A run without end on two processes: stopped by SIGTERM to the launcher; then, going on, by one to one process."""
    (folder / "endless.toml").write_text(RECIPE.format(steps=1_000_000))
    prepared = json.loads(command("prepare", "--data", musdb, "--cache", folder / "cache", "--sad", "--json"))
    assert {split: found["songs"] for split, found in prepared["splits"].items()} == {"train": 2, "valid": 1, "test": 1}
    assert prepared["splits"]["train"]["hours"]["bass"]["songs"] == pytest.approx(4 / 3600)
    assert not prepared["skipped"]
    train = [sys.executable, "-m", "stemlive", "train", folder / "endless.toml", *data(musdb, folder)]
    train = [str(word) for word in [*train, "--run", folder / "interrupted"]]
    with subprocess.Popen([*train, "--processes", "2"], stderr=subprocess.PIPE, text=True, env=environment) as launcher:
        assert any(" step " in line for line in launcher.stderr)
        launcher.send_signal(signal.SIGTERM)
        launcher.communicate(timeout=120)
    assert launcher.returncode == 0
    steps = steps_of(folder / "interrupted")
    assert steps > 0
    at = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port(), "WORLD_SIZE": "2"}
    first, second = (
        subprocess.Popen(train, stderr=subprocess.PIPE, text=True, env={**environment, **at, "RANK": rank})
        for rank in ("0", "1")
    )
    with first, second:
        assert any(" step " in line for line in first.stderr)
        first.send_signal(signal.SIGTERM)  # signals do not arrive at one time: what one process knows, all do by
        said = [process.communicate(timeout=120)[1] for process in (first, second)]
    assert (first.returncode, second.returncode) == (0, 0), said
    assert steps_of(folder / "interrupted") > steps
    assert "yardstick" not in "".join(said)  # the signal ends the run at once
    return folder / "interrupted"


@pytest.fixture(scope="module")
def trained(interrupted, musdb, folder, environment):
    """The same run uninterrupted, by two torchrun of one process each, as two machines would start them."""
    (folder / "tiny.toml").write_text(RECIPE.format(steps=steps_of(interrupted)))
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nnodes", "2", "--nproc-per-node", "1"]
    torchrun += ["--master-addr", "127.0.0.1", "--master-port", free_port()]
    train = ["-m", "--", "stemlive", "train", folder / "tiny.toml", *data(musdb, folder), "--run", folder / "run"]
    machines = [
        subprocess.Popen([str(word) for word in [*torchrun, "--node-rank", rank, *train]], env=environment)
        for rank in (0, 1)
    ]
    assert [machine.wait(timeout=300) for machine in machines] == [0, 0]
    return folder / "run"


def steps_of(run):
    return load_checkpoint(run / "weights.pt")[1]["progress"]["step"]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def data(musdb, folder):
    return ["--data", musdb, "--validate", musdb, "--cache", folder / "cache"]


@pytest.fixture(scope="module")
def scored(trained, musdb, folder):
    """The scores of the checkpoint on the test song."""
    options = ["--data", musdb, "--cache", folder / "cache", "--split", "test", "--json"]
    told = command("evaluate", "--checkpoint", trained / "weights.pt", *options)
    (folder / "scores.json").write_text(told)
    return json.loads(told)


@pytest.fixture(scope="module")
def exported(trained, scored, folder):
    command("export", trained / "weights.pt", "--scores", folder / "scores.json", "-o", folder / "tiny.onnx")
    return folder / "tiny.onnx"


def test_interrupted_on_two_processes_equals_uninterrupted_on_two_machines(interrupted, trained):
    steps = steps_of(trained)
    for run in (interrupted, trained):
        provenance = load_checkpoint(run / "weights.pt")[1]
        assert provenance["processes"] == 2
        assert provenance["progress"]["audio_s"] == pytest.approx(steps * 2 * 2 * 0.3)
    assert_same_run(trained, interrupted, steps)


def test_it_has_learnt_and_the_held_out_song_was_scored_on_the_way(trained, scored):
    log = (trained / "log.csv").read_text().splitlines()
    assert "vocals" in log[0]
    assert len(log) >= 2
    vocals = scored["songs"][TEST_SONG]["vocals"]
    assert vocals["usdr_db"] > vocals["mixture_db"] + 3


def test_the_exported_model_scores_as_the_checkpoint_does(exported, scored, musdb, folder):
    options = ["--data", musdb, "--cache", folder / "cache", "--split", "test", "--json"]
    again = json.loads(command("evaluate", "--model", exported, *options))
    assert list(again["songs"]) == list(scored["songs"]) == [TEST_SONG]
    for target, cells in scored["songs"][TEST_SONG].items():
        for score, decibels in cells.items():
            assert again["songs"][TEST_SONG][target][score] == pytest.approx(decibels, abs=0.02), (target, score)


def test_streamed_and_separated_files_score_as_the_checkpoint_does(exported, scored, musdb, folder):
    mixture = musdb / "test" / TEST_SONG / "mixture.wav"
    estimates = folder / "estimates" / TEST_SONG
    estimates.mkdir(parents=True)
    command("separate", mixture, "--model", exported, "-o", folder / "separated", "--quiet")
    for stem in ("vocals", "drums", "bass", "other"):
        target = estimates / f"{stem}.wav"
        command("stream", "-i", mixture, "-o", target, "--model", exported, "--solo", stem, "--quiet")
        streamed, separated = (soundfile.read(path)[0] for path in (target, folder / "separated/mixture" / target.name))
        assert np.abs(streamed - separated).max() < 1e-4
    options = ["--data", musdb, "--cache", folder / "cache", "--split", "test", "--json"]
    again = json.loads(command("evaluate", "--estimates", folder / "estimates", *options))
    for target, cells in scored["songs"][TEST_SONG].items():
        assert again["songs"][TEST_SONG][target]["usdr_db"] == pytest.approx(cells["usdr_db"], abs=0.05), target
