"""Teachers: their answers by another route, in their place in time, and what a run does with them."""

import dataclasses

import pytest
import torch
from accelerate import Accelerator
from click.testing import CliRunner
from run_state import assert_same_run
from tone_corpus import make_corpus

from stemlive.cli import main
from stemlive.errors import UsageError
from stemlive.model.bsrnn import BSRNN
from stemlive.model.checkpoint import load_checkpoint, save_checkpoint
from stemlive.model.config import ModelConfig
from stemlive.model.framing import Framing
from stemlive.training.inference import separate_batch
from stemlive.training.loop import Trainer
from stemlive.training.mixing import MixConfig
from stemlive.training.objective import prepare
from stemlive.training.recipe import Recipe, TrainConfig
from stemlive.training.sources import Sources, scan
from stemlive.training.teaching import Teachers

RATE = 44100
TINY = ModelConfig(feature_dim=8, num_repeat=2, band_scheme="v3")
AHEAD = dataclasses.replace(TINY, lookahead_frames=3)


def recipe(model=TINY, **choices):
    plain = {"batch": 2, "steps": 2, "warmup_steps": 2, "precision": "no", "decay_share": 0, "learning_rate": 3e-3}
    return Recipe(model, MixConfig(segment_s=0.3), TrainConfig(**plain | choices))


@pytest.fixture
def teachers(tmp_path):
    """Two models whose answers differ, one of which hears frames to come; each with its file."""
    made = []
    for number, config in enumerate((TINY, AHEAD)):
        torch.manual_seed(number)
        model = BSRNN(config).eval()
        save_checkpoint(model, tmp_path / f"{number}.pt", {})
        made.append((model, tmp_path / f"{number}.pt"))
    return made


def batch_of(model, groups, quiet=()):
    torch.manual_seed(7)
    targets = torch.randn(2, 4, 2, 9000) * 0.1
    for row in quiet:
        targets[:, row] *= 1e-4
    item = {"targets": targets, "groups": torch.tensor(groups).expand(2, 4, 4)}
    return prepare([item], model.stems, torch.device("cpu"), model.lookahead_samples)[0]


@pytest.mark.parametrize("student", [TINY, AHEAD], ids=["at once", "later"])
@pytest.mark.parametrize("step", [0, 1])
def test_targets_are_so_much_of_the_answers_of_whole_songs(teachers, student, step):
    rows = [[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 1], [0, 0, 0, 0]]
    before = batch_of(student, rows)
    answers = []
    for number, (model, _) in enumerate(teachers):
        sign = -1 if (step + number) % 2 else 1
        answers.append(sign * separate_batch(model, Framing(model.config.framing), sign * before.mixtures))
    stems = sum(answers) / 2
    late = student.lookahead_samples
    said = torch.stack([stems[:, 0], stems[:, 1], stems[:, 2] + stems[:, 3], 0 * stems[:, 0]], 1)
    said = torch.nn.functional.pad(said, (late, 0))[..., :9000]
    files = [file for _, file in teachers]
    after = Teachers(files, recipe(student, teacher_share=0.25), Accelerator(cpu=True))([before], step)[0]
    expected = 0.75 * before.targets + 0.25 * said
    expected[:, 3] = before.targets[:, 3]  # of no group: never compared
    torch.testing.assert_close(after.targets[:, :3], expected[:, :3], atol=1e-5, rtol=1e-4)
    assert (after.targets[:, :3] - before.targets[:, :3]).abs().max() > 0.01
    assert torch.equal(after.mixtures, before.mixtures)


def test_of_what_is_silent_the_truth_is_learned(teachers):
    before = batch_of(TINY, torch.eye(4).tolist(), quiet=(0, 2))
    after = Teachers([teachers[0][1]], recipe(teacher_share=1.0), Accelerator(cpu=True))([before], 0)[0]
    same = [torch.equal(after.targets[:, row], before.targets[:, row]) for row in range(4)]
    assert same == [True, False, True, False]


def test_a_share_of_nothing_is_no_teacher_and_a_run_with_teachers_resumes(teachers, tmp_path):
    sources = scan([make_corpus(tmp_path / "corpus")], tmp_path / "cache", RATE)
    files = [file for _, file in teachers]
    weights = {}
    for name, taught_by, share in (("without", [], 0.7), ("nothing", files, 0.0), ("taught", files, 0.7)):
        Trainer(recipe(teacher_share=share), sources, Sources(), tmp_path / name, teachers=taught_by).run()
        weights[name] = load_checkpoint(tmp_path / name / "weights.pt")[0].state_dict()
    assert all(torch.equal(weights["nothing"][key], value) for key, value in weights["without"].items())
    assert any(not torch.equal(weights["taught"][key], value) for key, value in weights["without"].items())
    for folder in ("whole", "taught"):
        Trainer(recipe(steps=3), sources, Sources(), tmp_path / folder, teachers=files).run()
    assert_same_run(tmp_path / "whole", tmp_path / "taught", 3)


def test_who_cannot_teach_is_told_in_a_line(tmp_path):
    one = BSRNN(dataclasses.replace(TINY, stems=("vocals",)))
    save_checkpoint(one, tmp_path / "one.pt", {})
    accelerator = Accelerator(cpu=True)
    with pytest.raises(UsageError, match=r"one.pt cannot teach this model: take one that separates vocals, drums, "):
        Teachers([tmp_path / "one.pt"], recipe(), accelerator)
    with pytest.raises(UsageError, match="teacher_share must be at most 1, not 2"):
        recipe(teacher_share=2)


def test_the_command_takes_bundled_models_as_teachers(tmp_path):
    (tmp_path / "r.toml").write_text(
        "[model]\nfeature_dim = 8\nnum_repeat = 1\n[mix]\nsegment_s = 0.3\n"
        "[train]\nbatch = 1\nprecision = 'no'\nsteps = 1\nteacher_share = 1.0\n"
    )
    corpus = make_corpus(tmp_path / "corpus")
    weights = {}
    for name, more in (("alone", []), ("taught", ["--teacher", "live", "--teacher", "quality"])):
        arguments = ["train", tmp_path / "r.toml", "--data", corpus, "--cache", tmp_path / "cache"]
        arguments += ["--run", tmp_path / name]
        result = CliRunner().invoke(main, [*map(str, arguments), "--workers", "0", *more])
        assert result.exit_code == 0, result.output
        weights[name] = load_checkpoint(tmp_path / name / "weights.pt")[0].state_dict()
    assert any(not torch.equal(weights["taught"][key], value) for key, value in weights["alone"].items())
    result = CliRunner().invoke(main, [*map(str, arguments), "--teacher", "nobody.pt"])
    assert result.exit_code == 2
    assert "nobody.pt" in result.output
