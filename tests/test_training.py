"""Recipes, losses, scores and the loop, on a corpus of a few seconds that the tests make."""

import contextlib
import copy
import csv
import dataclasses
import itertools
import json
import logging
import math
import os
import re
import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate.state import AcceleratorState
from click.testing import CliRunner
from run_state import assert_same_run
from tone_corpus import make_corpus

from stemlive.cli import main
from stemlive.errors import ModelError, StemliveError, TrainingError, UsageError
from stemlive.export.exporter import describe
from stemlive.model.bsrnn import BSRNN, count_parameters
from stemlive.model.checkpoint import load_checkpoint, save_checkpoint
from stemlive.model.config import STEMS, ModelConfig
from stemlive.model.framing import Framing
from stemlive.options import Weights
from stemlive.training import bar, devices, launch
from stemlive.training.devices import fast_bfloat16, quicker_in_bfloat16, use_gpu
from stemlive.training.inference import separate_whole
from stemlive.training.layout import KINDS
from stemlive.training.loop import Trainer
from stemlive.training.losses import Comparison, group_weights, loudness_weight, separation_loss
from stemlive.training.mixing import MixConfig, SegmentMixer
from stemlive.training.objective import batch_loss, prepare
from stemlive.training.plot_log import main as plot_log
from stemlive.training.plot_log import read_log
from stemlive.training.recipe import CLOCKS, Recipe, TrainConfig, read_recipe
from stemlive.training.recordings import Recording
from stemlive.training.run_log import RunLog
from stemlive.training.run_state import Progress
from stemlive.training.schedule import rate_factor
from stemlive.training.scores import usdr
from stemlive.training.segments import FromIndex
from stemlive.training.sources import Sources, scan
from stemlive.training.validation import score_songs
from stemlive.training.yardstick import FOUR, PAIR, PART, ScoredSong

RATE = 44100
TINY = ModelConfig(feature_dim=8, num_repeat=1, band_scheme="v3")


@pytest.fixture
def corpus(tmp_path):
    return make_corpus(tmp_path / "corpus")


@pytest.fixture
def sources(corpus, tmp_path):
    return scan([corpus], tmp_path / "cache", RATE)


def compared(estimates, targets, spectra=None):
    """Waveforms of one stereo signal per row, and spectra where a loss looks at them."""
    spectra = spectra or (torch.zeros(1), torch.zeros(1))
    return Comparison(estimates, targets, *spectra, targets.sum(1))


def test_l1_losses_are_the_numbers_they_should_be():
    spectra = (torch.zeros(1, 2, 1, 3, 2, 2), torch.full((1, 2, 1, 3, 2, 2), 3.0))
    pair = compared(torch.zeros(1, 2, 2, 4), torch.ones(1, 2, 2, 4), spectra)
    active = group_weights(torch.tensor([[[1.0, 0, 1, 0], [0, 0, 0, 0]]]))
    assert active.tolist() == [[1, 0]]
    assert group_weights(torch.ones(1, 4, 4)).tolist() == [[0.25] * 4]
    assert loudness_weight(torch.full((1, 2, 8), 0.05)).tolist() == pytest.approx([2.0])
    assert separation_loss("t", pair, active, torch.tensor([2.0])) == 2
    assert separation_loss("t", pair, active) == 1
    assert separation_loss("tf", pair, active) == 3
    assert separation_loss("t+tf", pair, active) == 4
    assert separation_loss("t+tf", pair, active, spectrum_weight=0.5) == 2.5
    with pytest.raises(UsageError, match="unknown loss 'l2"):
        separation_loss("t+l2", pair, active)
    with pytest.raises(UsageError, match="names one twice"):
        separation_loss("t+t", pair, active)


def test_sdr_loss_by_hand():
    target = torch.ones(1, 3, 2, 100)
    target[:, 1:] = 0  # the mixture is the first target: mean square 1, floor 0.001
    estimate = target.clone()
    estimate[:, 0] = 0.9  # error 0.01: 10 log10(0.011 / 1.001)
    estimate[:, 2] = 0.1  # leaks 0.01 where nothing should be: 10 log10(0.011 / 0.001)
    one_each = torch.eye(3).unsqueeze(1)
    losses = [float(separation_loss("sdr", compared(estimate, target), one)) for one in one_each]
    assert losses == pytest.approx([-19.5904, 0.0, 10.4139], abs=1e-3)
    both = separation_loss("t+sdr", compared(estimate, target), one_each[0], sdr_weight=0.5)
    assert float(both) == pytest.approx(0.1 + 0.5 * losses[0], abs=1e-4)
    doubled = compared(2 * estimate, 2 * target)
    assert float(separation_loss("sdr", doubled, one_each[0])) == pytest.approx(losses[0], abs=1e-4)
    silent = compared(torch.zeros_like(target), target)
    assert float(separation_loss("sdr", silent, one_each[0])) == pytest.approx(0, abs=1e-4)


def test_mse_loss_by_hand_is_smallest_at_the_mean_of_what_is_possible():
    target = torch.zeros(1, 2, 2, 100)
    target[:, 0] = 2.0  # the mixture's mean square is 4
    estimate = target.clone()
    estimate[:, 0] += 0.2
    estimate[:, 1] -= 0.4
    losses = [float(separation_loss("mse", compared(estimate, target), one)) for one in torch.eye(2).unsqueeze(1)]
    assert losses == pytest.approx([0.01, 0.04])
    assert float(separation_loss("mse", compared(9 * estimate, 9 * target), torch.eye(2)[:1])) == pytest.approx(
        0.01, rel=1e-4
    )
    quarter = torch.full_like(target, 0.5)  # a voice of 2 that is there one time in four

    def expected(name: str, x: torch.Tensor) -> float:
        voice = [
            compared(torch.cat([x[:, :1], x[:, :1]], 1), target * there + (2 - 2 * there) * flip) for there in (1, 0)
        ]
        return float(0.25 * separation_loss(name, voice[0], one) + 0.75 * separation_loss(name, voice[1], one))

    one, flip = torch.tensor([[1.0, 0.0]]), torch.tensor([0.0, 1.0]).reshape(1, 2, 1, 1)
    for worse in (0.0, 0.4, 0.6, 2.0):
        assert expected("mse", quarter) < expected("mse", torch.full_like(target, worse))
    for name in ("t", "sdr"):
        assert expected(name, torch.zeros_like(target)) < expected(name, quarter)


def test_multi_resolution_loss_equals_transforms_by_numpy():
    rng = np.random.default_rng(0)
    estimate, target = rng.standard_normal((2, 1, 2, 2, 3000)).astype(np.float32)
    expected = np.zeros(2)
    for length in (4096, 2048, 1024, 512, 256):
        window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)
        padded = np.pad((estimate - target)[0], ((0, 0), (0, 0), (length // 2, length // 2)))
        frames = np.stack([padded[..., 147 * t : 147 * t + length] for t in range(3000 // 147 + 1)], axis=2)
        expected += np.abs(np.fft.rfft(frames * window) / np.sqrt(length)).mean((1, 2, 3)) / 5
    pair = compared(torch.from_numpy(estimate), torch.from_numpy(target))
    for group, one in enumerate(torch.eye(2).unsqueeze(1)):
        assert float(separation_loss("mrstft", pair, one)) == pytest.approx(expected[group], rel=1e-5)
    assert float(separation_loss("mrstft", pair, one, torch.tensor([0.5]))) == pytest.approx(expected[1] / 2, rel=1e-5)


@pytest.mark.parametrize("name", ["t", "mrstft", "mse", "sdr", "t+mrstft+mse+sdr"])
@pytest.mark.parametrize("silent", ["estimate", "target", "both"])
def test_losses_of_silence_have_finite_gradients(name, silent):
    torch.manual_seed(0)
    estimate, target = torch.randn(2, 1, 2, 2, 2000)
    if silent in ("estimate", "both"):
        estimate = torch.zeros_like(estimate)
    if silent in ("target", "both"):
        target = torch.zeros_like(target)
    estimate.requires_grad_()
    loss = separation_loss(name, compared(estimate, target), torch.tensor([[1.0, 0.0]]))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(estimate.grad).all()
    assert estimate.grad[:, 0].any() == (silent != "both")
    assert not estimate.grad[:, 1].any()


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
    full, nobass = score_songs(model, framing, sources.songs, oracle=True)  # of one length, so separated together
    assert (full.name, full.kind, nobass.name, nobass.kind) == ("full", FOUR, "nobass", PART)
    assert sorted(full.cells) == ["accompaniment", "bass", "drums", "other", "vocals"]
    assert sorted(nobass.cells) == ["accompaniment", "bass+other", "drums", "vocals"]
    mixture = torch.from_numpy(sum(r.read(0, 2 * RATE) for r in sources.songs["nobass"].values()).T.copy())
    stems = separate_whole(model, framing, mixture)
    drums = torch.from_numpy(sources.songs["nobass"]["drums"].read(0, 2 * RATE).T.copy())
    assert nobass.cells["drums"]["usdr_db"] == pytest.approx(usdr(drums, stems[1]), abs=1e-4)
    assert nobass.cells["drums"]["mixture_db"] == pytest.approx(usdr(drums, mixture), abs=1e-4)
    assert nobass.cells["drums"]["oracle_db"] > 20
    (alone,) = score_songs(model, framing, {"full": sources.songs["full"]}, 1.0)
    beginning = torch.from_numpy(sum(r.read(0, RATE) for r in sources.songs["full"].values()).T.copy())
    bass = torch.from_numpy(sources.songs["full"]["bass"].read(0, RATE).T.copy())
    expected = usdr(bass, separate_whole(model, framing, beginning)[2])
    assert alone.cells["bass"] == {
        "usdr_db": pytest.approx(expected, abs=1e-4),
        "mixture_db": pytest.approx(usdr(bass, beginning), abs=1e-4),
    }


def test_schedules_are_the_numbers_they_should_be():
    config = TrainConfig(warmup_steps=10, decay_share=0.5)
    assert rate_factor(config, 4, 0.1, 0) == 0.5
    assert rate_factor(config, 100, 0.5, 0) == 1.0
    assert rate_factor(config, 100, 0.75, 0) == 0.5
    assert rate_factor(config, 100, 1.0, 0) == 0.0
    original = TrainConfig(schedule="exponential", warmup_steps=0)
    factors = [rate_factor(original, 0, 0.9, epoch) for epoch in (0, 1, 2, 3, 4)]
    assert factors == pytest.approx([1, 1, 0.98, 0.98, 0.9604], abs=1e-12)
    half = TrainConfig(schedule="cosine", warmup_steps=4)
    assert [rate_factor(half, 100, share, 0) for share in (0, 0.5, 1)] == pytest.approx([1, 0.5, 0], abs=1e-12)
    assert rate_factor(half, 100, 1 / 3, 0) == pytest.approx(0.75)
    assert rate_factor(half, 0, 0, 0) == 0.25
    assert rate_factor(TrainConfig(schedule="constant"), 1000, 0.9, 9) == 1


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


def changed(recipe, **choices):
    return dataclasses.replace(recipe, train=dataclasses.replace(recipe.train, **choices))


@pytest.mark.parametrize(
    "choices", [{"optimiser": "adam"}, {"optimiser": "muon"}, {"carry": 3}, {"slow_steps": 2}], ids=str
)
def test_resumed_equals_uninterrupted(choices, sources, tmp_path):
    for steps, folder in ((6, "whole"), (3, "parts"), (6, "parts")):
        Trainer(changed(recipe(steps), **choices), sources, Sources(), tmp_path / folder).run()
    assert_same_run(tmp_path / "whole", tmp_path / "parts", 6)
    with pytest.raises(TrainingError, match="another model"):
        bigger = dataclasses.replace(recipe(6), model=dataclasses.replace(TINY, feature_dim=12))
        Trainer(bigger, sources, Sources(), tmp_path / "parts")


def test_frozen_parts_stay_as_they_are_and_the_others_learn(sources, tmp_path):
    Trainer(recipe(1), sources, Sources(), tmp_path / "first").run()
    first = load_checkpoint(tmp_path / "first/weights.pt")[0]
    for optimiser in ("adam", "muon"):
        chosen = changed(recipe(2), frozen=["time_layers", "split"], optimiser=optimiser, weight_decay=0.1)
        start = tmp_path / "first/weights.pt"
        Trainer(chosen, sources, Sources(), tmp_path / optimiser, start_weights=start).run()
        second = load_checkpoint(tmp_path / optimiser / "weights.pt")[0]
        for name, value in second.named_parameters():
            same = torch.equal(value, first.get_parameter(name))
            assert same == name.startswith(("time_layers.", "split.")), name
    with pytest.raises(TrainingError, match="frozen: the model has no part 'panning': choose from band_layers, mask, "):
        Trainer(changed(recipe(1), frozen=["panning"]), sources, Sources(), tmp_path / "third")
    with pytest.raises(UsageError, match="frozen must be a list of names, not 'split'"):
        changed(recipe(1), frozen="split")


# Both are PyTorch's own, about what it does itself.
@pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")
def test_compiled_trains_as_it_does_uncompiled(sources, tmp_path):
    from torch._inductor import config as inductor

    # The compiler writes out each band and hop: two bands, and two pieces of two hops.
    model = dataclasses.replace(TINY, band_scheme=(128, 897), panning=True)
    mix = MixConfig(segment_s=0.05)
    panned = dataclasses.replace(recipe(2), model=model, mix=mix)
    weights = []
    # What the compiler makes for the widest registers is its own affair, and takes twice as long.
    plain = inductor.patch({"cpp.vec_isa_ok": False, "compile_threads": 1})
    for compiled in (False, True):
        folder = tmp_path / str(compiled)
        with torch._dynamo.config.patch(error_on_recompile=True), plain:  # all pieces have one shape and layout
            trainer = Trainer(changed(panned, carry=2, compile=compiled), sources, Sources(), folder)
            trainer.run()
        assert (torch._dynamo.utils.counters["frames"]["ok"] > 0) == compiled
        weights.append(load_checkpoint(folder / "weights.pt")[0].state_dict())
    for name, value in weights[0].items():
        torch.testing.assert_close(
            weights[1][name], value, atol=2e-4, rtol=1e-3, msg=lambda m, name=name: f"{name}: {m}"
        )


@pytest.mark.parametrize("missing", ["no-such-compiler", "Python.h"])
def test_without_a_compiler_it_trains_uncompiled_and_says_so(sources, tmp_path, monkeypatch, caplog, missing):
    if missing == "Python.h":
        monkeypatch.setattr(devices.sysconfig, "get_path", lambda _: str(tmp_path))
    else:
        monkeypatch.setenv("CXX", missing)
    torch._dynamo.utils.counters.clear()
    caplog.set_level(logging.INFO)
    trainer = Trainer(changed(recipe(1), compile=True), sources, Sources(), tmp_path / "run")
    trainer.run()
    assert trainer.progress.step == 1
    assert not torch._dynamo.utils.counters["frames"]
    assert f"not compiled, so slower: there is no {missing} (Debian: g++ and python3-dev)" in caplog.text


def test_a_run_that_begins_with_weights_keeps_their_hours(sources, tmp_path):
    trainer = Trainer(recipe(2), sources, Sources(), tmp_path / "first")
    trainer.run()
    third = next(trainer.segments.batches(2))["targets"]
    first = load_checkpoint(tmp_path / "first/weights.pt")[1]["progress"]
    bigger = dataclasses.replace(recipe(1), model=dataclasses.replace(TINY, num_repeat=2))
    for steps, start in ((1, tmp_path / "first/weights.pt"), (2, None)):
        more = dataclasses.replace(bigger, train=dataclasses.replace(bigger.train, steps=steps))
        trainer = Trainer(more, sources, Sources(), tmp_path / "second", start_weights=start)
        if start is not None:  # it goes on in the row of segments where the first run ended: none is heard again
            assert torch.equal(next(trainer.segments.batches(0))["targets"], third)
        trainer.run()
    model, provenance = load_checkpoint(tmp_path / "second/weights.pt")
    assert provenance["progress"]["before_audio_s"] == first["audio_s"] > 0
    assert provenance["progress"]["before_wall_s"] == first["wall_s"]
    provenance["progress"] |= {"wall_s": 3600.0, "before_wall_s": 1800.0, "audio_s": 36000.0, "before_audio_s": 900.0}
    assert describe(model, provenance, {}, {}).card["hours"] == {"trained": 1.5, "audio_heard": 10.25}


def test_the_mean_forgets_weights_that_a_run_began_with_as_slowly_as_its_own(sources, tmp_path):
    """One step moves the mean by a thousandth of it; a mean of random weights is moved by nine tenths."""
    Trainer(recipe(1), sources, Sources(), tmp_path / "start").run()
    start = tmp_path / "start/weights.pt"
    moved = {}
    for name, weights in (("random", None), ("trained", start)):
        trainer = Trainer(
            changed(recipe(1), ema_decay=0.999), sources, Sources(), tmp_path / name, start_weights=weights
        )
        before = [value.detach().clone() for value in trainer.averaged.parameters()]
        trainer.run()
        now, mean = trainer.network.parameters(), trainer.averaged.parameters()
        moved[name] = [
            float(((new - old).abs().sum() / (last - old).abs().sum()).detach())
            for old, new, last in zip(before, mean, now, strict=True)
            if not torch.equal(old, last)
        ]
    assert moved["random"] == pytest.approx([0.9] * len(moved["random"]), rel=1e-3)
    assert moved["trained"] == pytest.approx([0.001] * len(moved["trained"]), rel=0.05)


def test_slow_weights_go_a_part_of_the_way_to_the_mean_and_the_run_goes_on_from_there(sources, tmp_path):
    Trainer(recipe(1), sources, Sources(), tmp_path / "start").run()
    start = tmp_path / "start/weights.pt"
    plain = changed(recipe(2), ema_decay=0.7)
    Trainer(plain, sources, Sources(), tmp_path / "plain", start_weights=start).run()
    slowly = Trainer(
        changed(plain, slow_steps=2, slow_share=0.25), sources, Sources(), tmp_path / "slow", start_weights=start
    )
    slowly.run()
    began, mean = (load_checkpoint(tmp_path / name / "weights.pt")[0].state_dict() for name in ("start", "plain"))
    kept = load_checkpoint(tmp_path / "slow/weights.pt")[0].state_dict()
    for name, value in kept.items():
        torch.testing.assert_close(value, 0.75 * began[name] + 0.25 * mean[name], msg=name)
        assert torch.equal(slowly.network.state_dict()[name], value)
    assert any(not torch.equal(mean[name], value) for name, value in kept.items())
    again = Trainer(
        changed(plain, steps=3, slow_steps=3), sources, Sources(), tmp_path / "plain"
    )  # it had none until now
    for name, value in again.slow.state_dict().items():
        assert torch.equal(value, mean[name]), name


def test_a_run_of_an_older_version_goes_on(sources, tmp_path):
    Trainer(recipe(1), sources, Sources(), tmp_path).run()
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    del state["recipe"]["model"]["residual_stem"]
    state["progress"] = {name: state["progress"][name] for name in ("step", "audio_s", "wall_s")}
    state["progress"]["best_db"] = 9.0  # by another score than the yardstick: it says nothing now
    state["optimizer"]["param_groups"][0]["decoupled_weight_decay"] = False  # it was Adam
    torch.save(state, tmp_path / "state.pt")
    trainer = Trainer(changed(recipe(2), weight_decay=0.1), sources, Sources(), tmp_path)
    assert (trainer.progress.step, trainer.progress.best_yardstick_db) == (1, -math.inf)
    assert trainer.optimizer.param_groups[0]["weight_decay"] == 0.1
    assert trainer.optimizer.param_groups[0]["decoupled_weight_decay"]
    trainer.run()
    assert trainer.progress.step == 2


def test_accumulated_batches_are_one_large_batch(sources, tmp_path):
    """The segments differ in their number of groups, so batches may not be averaged as if all weighed the same."""
    mix = MixConfig(segment_s=0.3, share_accompaniment=1)
    once = changed(dataclasses.replace(recipe(2), mix=mix), batch=6, steps=2, gradient_clip=0.5)
    parts = changed(once, batch=2, accumulate=3)
    for name, chosen in (("once", once), ("parts", parts)):
        trainer = Trainer(chosen, sources, Sources(), tmp_path / name)
        groups = [batch["groups"].any(-1).sum() for batch in itertools.islice(trainer.segments.batches(0), 3)]
        assert len(set(map(int, groups))) > 1 or name == "once"
        trainer.run()
    states = [torch.load(tmp_path / name / "state.pt", weights_only=True) for name in ("once", "parts")]
    assert states[0]["progress"]["audio_s"] == states[1]["progress"]["audio_s"] == pytest.approx(2 * 6 * 0.3)
    for key, values in states[0]["optimizer"][
        "state"
    ].items():  # Adam's step does not grow with the gradient: its means
        torch.testing.assert_close(
            values["exp_avg"], states[1]["optimizer"]["state"][key]["exp_avg"], atol=1e-6, rtol=1e-3
        )


CARRYING = {
    "live": {},
    "quality": {"preset": "quality"},
    "low": {"preset": "low"},
    "all": {"time_layer": "conv", "attention_heads": 1, "attention_window": 20, "stereo": "tac", "filter_taps": 3},
}


@pytest.mark.parametrize("name", CARRYING)
def test_pieces_with_carried_state_are_the_whole_segment(name, sources, tmp_path):
    """Their memory, outputs and losses are those of the whole; the gradients too, but end where a piece begins."""
    model = dataclasses.replace(TINY, **CARRYING[name])
    mix = MixConfig(segment_s=0.8, share_accompaniment=1)
    chosen = changed(Recipe(model, mix, recipe(1).train), carry=3, accumulate=2, loss="t", gradient_clip=1e9)
    trainer = Trainer(chosen, sources, Sources(), tmp_path)
    whole_model = copy.deepcopy(trainer.network)
    segments = list(itertools.islice(trainer.segments.batches(0), 2))
    calls, gradients, unsynchronised = [], [], []
    trainer.network.register_forward_hook(lambda module, inputs, output: calls.append((*inputs, *output)))
    trainer.optimizer.step = lambda: gradients.extend(p.grad.clone() for p in trainer.network.parameters())
    trainer.accelerator.no_sync = lambda module: contextlib.nullcontext(unsynchronised.append(module))
    loss = trainer._train_step(segments)
    assert len(calls) == 6
    assert len(unsynchronised) == 5  # processes exchange the gradients once a step

    framing, unfinished = trainer.framing, model.framing.synthesis_samples - model.framing.hop_samples
    expected = torch.zeros(())
    for batch, pieces in zip(prepare(segments, STEMS, torch.device("cpu")), (calls[:3], calls[3:]), strict=True):
        frames, count = framing(batch.mixtures), batch.mixtures.shape[-1]
        carried, before, begin = whole_model.initial_state(2), frames.new_zeros(2, 4, 0, model.num_bins, 2, 2), 0
        for piece_frames, state, _, _ in pieces:
            end = begin + piece_frames.shape[1]
            torch.testing.assert_close(piece_frames, frames[:, begin:end])
            with torch.no_grad():
                _, until_here = whole_model(frames[:, : max(begin, 1)], whole_model.initial_state(2))
            for kind, values in state.tensors.items():
                assert not values.requires_grad
                torch.testing.assert_close(values, until_here.tensors[kind] * (begin > 0), atol=1e-5, rtol=1e-4)
            stems, carried = whole_model(frames[:, begin:end], carried.detach())
            heard = framing.inverse(torch.cat([before, stems], dim=2))[..., :-unfinished]
            end_sample = end * model.framing.hop_samples - unfinished
            target = batch.targets[..., end_sample - heard.shape[-1] : end_sample]
            distance = (torch.einsum("bgs,bscn->bgcn", batch.groups, heard) - target).abs().sum((2, 3))
            weight = batch.weight * loudness_weight(batch.mixtures).unsqueeze(1)
            expected = expected + (distance / (2 * (count - unfinished)) * weight).sum()
            before, begin = stems[:, :, -(unfinished // model.framing.hop_samples) :].detach(), end
        with torch.no_grad():
            whole, _ = whole_model(frames, whole_model.initial_state(2))
        torch.testing.assert_close(torch.cat([stems for *_, stems, _ in pieces], dim=2), whole, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(loss, expected.detach(), atol=0, rtol=1e-4)
    expected.backward()
    for (key, parameter), gradient in zip(whole_model.named_parameters(), gradients, strict=True):
        torch.testing.assert_close(gradient, parameter.grad, atol=1e-7, rtol=1e-3, msg=lambda m, key=key: f"{key}: {m}")


def test_the_loss_by_items_is_the_loss_of_the_whole_batch(sources):
    """Mixed kinds of segments; and for a model of the bass alone, of which some segments know nothing."""
    framing = Framing(TINY.framing)
    mixer = SegmentMixer(sources, MixConfig(segment_s=0.3, share_accompaniment=2), RATE, 512, 0)
    segments = torch.utils.data.default_collate([mixer[index] for index in range(6)])
    for names in (STEMS, ("bass",)):
        (batch,) = prepare([segments], names, torch.device("cpu"))
        active = int(batch.groups.any(-1).sum())
        assert active < 6 * len(names)
        torch.manual_seed(0)
        stems = torch.randn(6, len(names), 25, 1025, 2, 2, requires_grad=True)
        loss = batch_loss(stems, batch, framing, TrainConfig(loss="t+tf+mrstft+mse+sdr"))
        loss.backward()
        assert torch.isfinite(stems.grad).all()
        spectra = torch.einsum("bgs,bstfcx->bgtfcx", batch.groups, stems)
        waveforms = framing.inverse(spectra)[..., : framing.complete_samples(batch.mixtures.shape[-1])]
        targets, frames = batch.targets, framing(batch.targets.flatten(0, 1)).unflatten(0, batch.targets.shape[:2])
        count = waveforms.shape[-1]
        pair = Comparison(waveforms, targets[..., :count], spectra, frames, batch.mixtures[..., :count])
        whole = separation_loss(
            "t+tf+mrstft+mse+sdr", pair, batch.groups.any(-1) / active, loudness_weight(batch.mixtures)
        )
        torch.testing.assert_close(loss, whole, rtol=1e-5, atol=0)
        nothing = dataclasses.replace(batch, weight=torch.zeros_like(batch.weight))
        assert not torch.autograd.grad(batch_loss(stems, nothing, framing, TrainConfig()), stems)[0].any()


def test_the_best_weights_are_kept_and_patience_ends_a_run(sources, corpus, tmp_path, monkeypatch):
    """Four segments an epoch, two a step: a validation every second step."""
    scripted = iter([1.0, 3.0, 2.0, 2.5, 2.9, 9.0])

    def score(model, framing, songs, seconds, *, oracle, listen):
        db = next(scripted)
        stems = {"vocals": {"usdr_db": db}, "drums": {"usdr_db": db + 1}, "accompaniment": {"usdr_db": 50.0}}
        return [ScoredSong("unseen", FOUR, stems), ScoredSong("sung", PAIR, {"vocals": {"usdr_db": -9.0}})]

    monkeypatch.setattr("stemlive.training.loop.score_songs", score)
    validation = scan([corpus], tmp_path / "cache", RATE, "valid")
    impatient = changed(recipe(100), epoch_segments=4, validate_epochs=1, patience=2)
    Trainer(changed(impatient, steps=7), sources, validation, tmp_path / "run").run()  # its last score was not due
    trainer = Trainer(impatient, sources, validation, tmp_path / "run")  # what was best before still counts
    trainer.run()
    assert (trainer.progress.step, trainer.progress.best_yardstick_db, trainer.progress.unimproved) == (8, 3.5, 2)
    with (tmp_path / "run/log.csv").open() as file:
        logged = [(row["step"], row["yardstick"], row["vocals"], row["pair_vocals"]) for row in csv.DictReader(file)]
    assert logged == [
        ("2", "1.5", "1.0", "-9.0"),
        ("4", "3.5", "3.0", "-9.0"),
        ("6", "2.5", "2.0", "-9.0"),
        ("7", "3.0", "2.5", "-9.0"),
        ("8", "3.4", "2.9", "-9.0"),
    ]
    _, provenance = load_checkpoint(tmp_path / "run/best.pt")
    assert provenance["progress"]["step"] == 4
    assert load_checkpoint(tmp_path / "run/weights.pt")[1]["progress"]["step"] == 8
    again = Trainer(impatient, sources, validation, tmp_path / "run")
    again.run()
    assert again.progress.step == 8


def test_a_run_without_songs_to_validate_by_logs_its_loss_and_rate(sources, tmp_path, caplog):
    caplog.set_level("INFO")
    Trainer(changed(recipe(5), epoch_segments=4, validate_epochs=1), sources, Sources(), tmp_path / "run").run()
    with (tmp_path / "run/log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["2", "4", "5"]
    assert all(float(row["loss"]) > 0 and float(row["rate"]) > 0 for row in rows)
    assert caplog.messages[-1] == f"done: 5 steps, 0.00 h heard; last weights: {tmp_path}/run/weights.pt"


def test_the_bar_tells_step_loss_speed_and_the_time_left(tmp_path, monkeypatch, capsys):
    now = 100.0
    monkeypatch.setattr("stemlive.training.run_log.time.monotonic", lambda: now)
    monkeypatch.setenv("STEMLIVE_BAR", "1")
    log = RunLog(tmp_path, quiet=False, tensorboard=False, first_step=0, audio_s=7.0)
    for second, share in ((0.5, 0.0), (2.0, 0.01), (2.5, 0.02), (4.0, 0.02)):
        now = 100.0 + second
        log.tick(Progress(step=int(second), audio_s=7.0 + 3 * second), [torch.tensor(0.5), torch.tensor(0.7)], share)
    told = [bar.told(line) for line in capsys.readouterr().err.split("\n")[:-1]]
    assert told == [
        (0.01, "step 2  loss 0.6000  3.0 s/s  3:18 left"),
        (0.02, "step 4  loss 0.6000  3.0 s/s  3:16 left"),
    ]


def test_without_a_terminal_a_line_tells_it_after_ten_seconds_and_once(tmp_path, monkeypatch, caplog, capsys):
    now = 100.0
    monkeypatch.setattr("stemlive.training.run_log.time.monotonic", lambda: now)
    monkeypatch.delenv("STEMLIVE_BAR", raising=False)
    caplog.set_level("INFO")
    log = RunLog(tmp_path, quiet=False, tensorboard=False, first_step=0, audio_s=0.0)
    for second in (5, 11, 22, 33):
        now = 100.0 + second
        log.tick(Progress(step=second, audio_s=2.0 * second), [torch.tensor(0.5)], second / 1000)
    log.report(Progress(step=25, audio_s=66.0), 0.5, 1e-3, 0.033)
    assert caplog.messages == [
        "step 11  loss 0.5000  2.0 s/s  30:13 left",
        "step 25 loss 0.5000 rate 1.00e-03 2.0 s/s 0.02 h heard  18:59 left",
    ]
    assert capsys.readouterr().err == ""


def test_the_launcher_draws_the_bar_of_the_first_process_and_says_the_rest(monkeypatch):
    program = (
        "import os, sys; from stemlive.training import bar\n"
        "bar.tell(0.25, 'step 3  loss 0.5'); print('rank', os.environ['RANK'], file=sys.stderr)"
    )
    monkeypatch.setattr(launch, "PROGRAM", (sys.executable, "-c", program))
    said: list[str] = []
    shown: list[tuple[float, str]] = []
    launch.launch([], 2, say=said.append, show=lambda share, text: shown.append((share, text)))
    assert shown == [(0.25, "step 3  loss 0.5")]
    assert sorted(said) == ["rank 0", "rank 1"]
    shown.clear()
    launch.launch([], 1, say=said.append)
    assert said[2:] == ["rank 0"]


def test_a_run_whose_decoded_audio_is_deleted_ends_and_says_so_in_one_line(corpus, tmp_path):
    """The helper that mixes finds it, and leaves signals to end alone: nobody may wait for it."""
    recipe_file = tmp_path / "r.toml"
    recipe_file.write_text(
        "[model]\nfeature_dim = 8\nnum_repeat = 1\n[mix]\nsegment_s = 0.3\n[train]\nbatch = 1\nprecision = 'no'\n"
    )
    cache = tmp_path / "cache"
    arguments = ["train", recipe_file, "--data", corpus, "--cache", cache, "--run", tmp_path / "run", "--workers", 1]
    environment = {name: value for name, value in os.environ.items() if name != "STEMLIVE_BAR"}
    command = [sys.executable, "-P", "-m", "stemlive", *map(str, arguments)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as run:
        try:
            assert any("step 25 " in line for line in iter(run.stderr.readline, ""))
            for decoded in cache.glob("*.npy"):
                decoded.unlink()
            _, said = run.communicate(timeout=60)
        finally:
            run.kill()
    (error,) = (line for line in said.splitlines() if "stemlive: error: " in line)
    assert re.fullmatch(
        rf"stemlive: error: what was decoded of ({'|'.join(('train', *KINDS))})/\S+ is gone from "
        rf"{re.escape(str(cache))} \(No such file or directory\): the same command decodes it again",
        error,
    )
    assert "Traceback" not in said
    assert run.returncode == TrainingError.exit_code


def test_recipes_are_found_by_name_and_weights_in_the_folder_of_a_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = Path(__file__).parent.parent / "training/recipes/live.toml"
    named, filed = (CliRunner().invoke(main, ["describe", str(name)]).output for name in ("live", file))
    assert named == filed
    assert "total" in named
    refused = CliRunner().invoke(main, ["train", "live-fre", "--data", ".", "--run", "r"])
    assert refused.exit_code == 2
    assert "live-fre does not exist: did you mean live-free? give the path of a recipe or one of " in refused.stderr
    (tmp_path / "run").mkdir()
    for name in ("weights.pt", "best.pt"):
        (tmp_path / "run" / name).touch()
        assert Weights().convert("run", None, None) == Path("run") / name
    assert Weights().convert("live", None, None).name == "live.onnx"
    assert Weights().convert("gone.pt", None, None) == Path("gone.pt")


def test_tensorboard_reads_back_what_a_run_wrote(sources, corpus, tmp_path, monkeypatch):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    monkeypatch.setattr("stemlive.training.loop.REPORT_STEPS", 2)
    validation = scan([corpus], tmp_path / "cache", RATE, "valid")
    for steps in (4, 6):
        Trainer(recipe(steps), sources, validation, tmp_path / "run", tensorboard=True).run()
    written = EventAccumulator(str(tmp_path / "run/tensorboard"))
    written.Reload()
    names = {
        "loss",
        "rate",
        "audio seconds per second",
        "yardstick",
        *(f"uSDR/{name}" for name in (*STEMS, "accompaniment")),
    }
    assert set(written.Tags()["scalars"]) == names
    assert [event.step for event in written.Scalars("loss")] == [2, 4, 6]
    assert written.Scalars("rate")[-1].value == pytest.approx(3e-3)
    with (tmp_path / "run/log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["rate"]) for row in rows] == pytest.approx([3e-3, 3e-3])
    heard = written.Tags()["audio"]
    assert heard == [f"unseen/{stem}" for stem in STEMS]
    assert [event.step for event in written.Audio("unseen/vocals")] == [4, 6]
    assert written.Audio("unseen/vocals")[0].sample_rate == RATE
    for row, event in zip(rows, written.Scalars("uSDR/drums"), strict=True):
        assert (row["step"], float(row["drums"])) == (str(event.step), pytest.approx(event.value, abs=0.006))
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(TrainingError, match="TensorBoard is not installed"):
        Trainer(recipe(6), sources, validation, tmp_path / "run", tensorboard=True)


@pytest.mark.parametrize(("gpus", "processes", "expected"), [(0, 2, False), (2, 2, True), (2, 1, True)])
def test_gpus_are_used_where_there_are_enough(gpus, processes, expected, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: gpus > 0)
    monkeypatch.setattr("torch.cuda.device_count", lambda: gpus)
    assert use_gpu("bf16", processes) is expected
    if gpus:
        assert use_gpu("fp16", processes)
        with pytest.raises(TrainingError, match="3 processes, but 2 GPUs: start one process per GPU"):
            use_gpu("bf16", 3)
    else:
        with pytest.raises(TrainingError, match="fp16 needs a GPU"):
            use_gpu("fp16", processes)


@pytest.mark.parametrize(
    ("instructions", "times_s", "precision"),
    [(True, {True: 0.5, False: 0.9}, "bf16"), (True, {True: 1.0, False: 0.9}, "no"), (False, {}, "no")],
)
def test_a_core_computes_in_what_was_quicker_there(
    instructions, times_s, precision, sources, tmp_path, monkeypatch, caplog
):
    """A Xeon without avx512_bf16 says that it can, and emulates it; without AVX-512 it is many times slower."""
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr(AcceleratorState, "_shared_state", {})  # one precision for all trainers of a process
    monkeypatch.setattr("torch.ops.mkldnn._is_mkldnn_bf16_supported", lambda: instructions)
    monkeypatch.setattr("stemlive.training.devices._step_s", lambda model, frames, bfloat16: times_s[bfloat16])
    caplog.set_level(logging.INFO, "stemlive")
    trainer = Trainer(changed(recipe(1), precision="bf16"), sources, Sources(), tmp_path / "run")
    assert trainer.accelerator.mixed_precision == precision
    assert ("on this processor bf16 would take longer" in caplog.text) == (precision == "no")
    assert fast_bfloat16(on_gpu=False) == instructions
    assert fast_bfloat16(on_gpu=True)


def test_timing_a_precision_leaves_the_model_and_the_random_numbers_as_they_were():
    model = BSRNN(TINY)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    torch.manual_seed(4)
    expected = torch.rand(3)
    torch.manual_seed(4)
    quicker_in_bfloat16(model)
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_time_limit_counts_processor_time_where_the_recipe_says_so(sources, corpus, tmp_path, monkeypatch):
    ticks = iter(range(1000))
    monkeypatch.setitem(CLOCKS, "processor", lambda: float(next(ticks)))
    slow = dataclasses.replace(recipe(1000), train=dataclasses.replace(recipe(1000).train, clock="processor"))
    validation = scan([corpus], tmp_path / "cache", RATE, "valid")
    trainer = Trainer(slow, sources, validation, tmp_path / "run", time_limit_s=9.5)
    trainer.run()  # two ticks a step: one to see whether it is over, one to note it
    assert trainer.progress.step == 5
    assert trainer.progress.processor_s == 10
    assert 0 < trainer.progress.wall_s < 1e4
    log = tmp_path / "run/log.csv"
    log.write_text("step,audio_s,wall_s,loss\n3,4.5,6.0,0.1\n")  # as runs of an older version wrote it
    trainer.validate(0.25)
    with log.open() as file:
        old, new = csv.DictReader(file)
    assert (old["step"], old["loss"], old["processor_s"]) == ("3", "0.1", "")
    assert (new["step"], new["loss"], new["processor_s"]) == ("5", "0.25", "10.0")


def test_the_mean_of_several_trainings_is_a_checkpoint_to_go_on_from(sources, corpus, tmp_path):
    torch.manual_seed(0)
    models = [BSRNN(TINY) for _ in range(3)]
    files = []
    for index, model in enumerate(models):
        files.append(tmp_path / f"{index}.pt")
        progress = {"step": 10, "audio_s": 100.0 + index, "before_audio_s": 60.0 * index, "wall_s": 7.0, "best_db": 1.0}
        sources_of = {"vocals": ["one", f"voice {index}"]} | ({"drums": ["kit"]} if index else {})
        save_checkpoint(model, files[-1], {"progress": progress, "sources": sources_of, "processes": 1})
    run = CliRunner()
    output = tmp_path / "mean.pt"
    done = run.invoke(main, ["average", *map(str, files), "-o", str(output)])
    assert (done.exit_code, done.stdout) == (0, f"{output}: the mean of 3 checkpoints\n")
    mean, provenance = load_checkpoint(output)
    for name, value in mean.state_dict().items():
        expected = torch.stack([model.state_dict()[name] for model in models]).mean(0)
        torch.testing.assert_close(value, expected, atol=1e-6, rtol=1e-5)
    assert provenance["progress"] | {"best_db": 1.0} == {
        "step": 20, "audio_s": 203.0, "before_audio_s": 120.0, "before_wall_s": 0, "wall_s": 14.0, "processor_s": 0,
        "best_db": 1.0,
    }  # fmt: skip
    # The first had come to 100 s when the third began, behind 120 s: it is among what that began with.
    assert provenance["sources"] == {"vocals": ["one", "voice 0", "voice 1", "voice 2"], "drums": ["kit"]}
    assert (provenance["averaged"], provenance["processes"]) == (3, 1)
    validation = scan([corpus], tmp_path / "cache", RATE, "valid")
    on = Trainer(
        dataclasses.replace(recipe(1), model=TINY), sources, validation, tmp_path / "run", start_weights=output
    )
    assert on.progress.before_audio_s == 323.0
    for name, value in on.network.state_dict().items():
        assert torch.equal(value, mean.state_dict()[name])


def test_checkpoints_that_have_no_mean_are_named(tmp_path):
    small, other, output = tmp_path / "small.pt", tmp_path / "other.pt", tmp_path / "mean.pt"
    save_checkpoint(BSRNN(TINY), small, {})
    save_checkpoint(BSRNN(dataclasses.replace(TINY, num_repeat=TINY.num_repeat + 1)), other, {})

    def refusal(*arguments, exit_code=1):
        done = CliRunner().invoke(main, ["average", *map(str, arguments)])
        assert done.exit_code == exit_code
        return done.stderr

    assert "give two checkpoints or more" in refusal(small, "-o", output)
    assert f"{other} is another kind of model than {small}" in refusal(small, other, "-o", output)
    gone = tmp_path / "gone.pt"
    assert f"{gone} does not exist: check the path" in refusal(small, gone, "-o", output, exit_code=2)
    assert not output.exists()
    output.write_text("mine")
    assert "exists: name another file or add --force" in refusal(small, small, "-o", output, exit_code=2)
    assert output.read_text() == "mine"
    assert CliRunner().invoke(main, ["average", str(small), str(small), "-o", str(output), "--force"]).exit_code == 0


def test_weights_in_16_bits_take_half_the_space_and_are_near(tmp_path):
    model = BSRNN(recipe(1).model)
    whole, half = tmp_path / "whole.pt", tmp_path / "half.pt"
    save_checkpoint(model, whole, {"progress": {"audio_s": 5.0}})
    assert CliRunner().invoke(main, ["average", str(whole), "-o", str(half), "--half"]).exit_code == 0
    again, provenance = load_checkpoint(half)
    assert provenance == {"progress": {"audio_s": 5.0}}
    for name, value in model.state_dict().items():
        near = again.state_dict()[name]
        assert near.dtype == torch.float32
        torch.testing.assert_close(near, value, rtol=2**-11, atol=2**-24)
    assert half.stat().st_size < 0.7 * whole.stat().st_size


MODELS = {
    "gru": {"time_layer": "gru", "band_layer": "gru"},
    "conv": {"time_layer": "conv", "band_layer": "conv"},
    "attention": {"attention_heads": 2, "attention_window": 8},
    "tac": {"stereo": "tac", "residual_stem": True},
    "filter": {"filter_taps": 3},
    "harmonics": {"harmonics": True},
    "panning": {"panning": True},
    "detail": {"detail_channels": 4},
    "offline": {
        "causal": False,
        "preset": "offline",
        "time_layer": "conv",
        "stereo": "tac",
        "attention_heads": 1,
        "filter_taps": 2,
    },
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
    assert "does not exist: give the path of a recipe" in missing.output


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
        ("[train]\nloss = 't+l3'", "unknown loss 'l3'"),
        ("[train]\nschedule = 'steep'", "unknown schedule 'steep': choose one of decay-at-end"),
        ("[train]\nclock = 'sun'", "unknown clock 'sun'"),
        ("[train]\naccumulate = 0", "accumulate must be at least 1"),
        ("[train]\ncarry = 0", "carry must be at least 1"),
        ("[train]\ncarry = 2\n[model]\ncausal = false", "carry = 2 needs a causal model"),
        ("[train]\ncarry = 3\n[mix]\nsegment_s = 0.06", "segment_s 0.06 is too short: .* longer than the 1024"),
        ("[mix]\nsegment_s = 0.02", "segment_s 0.02 is too short"),
        ("[mix]\nsegment_s = inf", "segment_s must be a finite number, not inf"),
        ("[mix]\nmono_p = '0.5'", "mono_p must be a finite number, not '0.5'"),
        ("[mix]\nsad = 1", "sad must be true or false, not 1"),
        ("[mix]\ntries = 2.0", "tries must be a whole number, not 2.0"),
        ("[mix.source_weights]\nchoir = nan", "source_weights: choir must be a finite number of 0 or more, not nan"),
        ("[mix.source_weights]\nchoir = '2'", "source_weights: choir must be a finite number of 0 or more, not '2'"),
        ("[train]\nlearning_rate = nan", "learning_rate must be a finite number, not nan"),
        ("[train]\nlearning_rate = '1e-3'", "learning_rate must be a finite number, not '1e-3'"),
        ("[train]\nlearning_rate = -1.0", "learning_rate must be at least 0, not -1.0"),
        ("[train]\nbatch = 1.5", "batch must be a whole number, not 1.5"),
        ("[train]\nbatch = true", "batch must be a whole number, not True"),
        ("[train]\ngradient_clip = 0.0", "gradient_clip must be above 0, not 0.0"),
        ("[train]\nema_decay = 2.0", "ema_decay must be below 1, not 2.0"),
        ("[train]\nslow_share = 1.5", "slow_share must be at most 1, not 1.5"),
        ("[train]\nslow_steps = -1", "slow_steps must be at least 0, not -1"),
        ("[train]\nseed = -1", "seed must be at least 0, not -1"),
        ("[train]\nsteps = 10.5", "steps must be a whole number, not 10.5"),
        ("[train]\nloss = 3", "loss must be a name, not 3"),
        ("model = ", "cannot read the recipe"),
    ],
)
def test_wrong_recipes_are_refused(tmp_path, text, message):
    path = tmp_path / "r.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=message):
        read_recipe(path)


def bytes_of(folder):
    return {path.name: path.read_bytes() for path in folder.glob("*.pt")}


@pytest.mark.parametrize("spoilt", ["loss", "gradient"])
def test_a_run_ends_at_the_first_loss_or_gradient_that_is_not_finite(spoilt, sources, tmp_path, monkeypatch):
    Trainer(recipe(2), sources, Sources(), tmp_path).run()
    before, steps = bytes_of(tmp_path), itertools.count(3)

    def spoil(stems, *arguments):
        loss = batch_loss(stems, *arguments)
        if next(steps) < 5:
            return loss
        return loss * math.nan if spoilt == "loss" else loss + torch.sqrt(0 * stems.square().sum())

    monkeypatch.setattr("stemlive.training.loop.batch_loss", spoil)
    trainer = Trainer(recipe(10), sources, Sources(), tmp_path)
    handler = signal.getsignal(signal.SIGTERM)
    value = "loss nan" if spoilt == "loss" else "loss 0.[0-9]+, gradient nan"
    with pytest.raises(TrainingError, match=f"step 5: {value}.*state.pt holds what was learned before") as caught:
        trainer.run()
    assert signal.getsignal(signal.SIGTERM) is handler
    assert next(steps) == 6  # no step more
    assert bytes_of(tmp_path) == before
    assert all(torch.isfinite(values).all() for values in trainer.network.state_dict().values())
    named = str(caught.value).split("mixed from: ")[1].split(", ")
    read, really = set(), Recording.read
    monkeypatch.setattr(Recording, "read", lambda self, *part: read.add(self.name) or really(self, *part))
    for index in (8, 9):  # step 5 of two segments each
        trainer.segments._mixer[index]
    assert named == sorted(read)


def test_a_rate_that_blows_the_weights_up_is_one_line_for_two_processes(corpus, tmp_path):
    recipe_file = tmp_path / "wild.toml"
    recipe_file.write_text(
        "[model]\nfeature_dim = 8\nnum_repeat = 1\nband_scheme = 'v3'\n[mix]\nsegment_s = 0.3\n"
        "[train]\nbatch = 1\nsteps = 9\nlearning_rate = 1e30\nwarmup_steps = 0\nprecision = 'no'\n"
    )
    arguments = [recipe_file, "--data", corpus, "--run", tmp_path / "run", "--cache", tmp_path / "cache"]
    command = [sys.executable, "-m", "stemlive", "train", *arguments, "--processes", "2"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if "error" in line.lower()]
    assert re.match(
        r"stemlive: error: step [2-9]: loss \S+, gradient \S+: the run ends, nothing was saved before", line
    )
    assert not (tmp_path / "run/weights.pt").exists()


@pytest.mark.parametrize("command", ["separate", "export", "average", "evaluate", "train"])
def test_weights_that_are_not_finite_are_refused_everywhere(command, corpus, tmp_path):
    model, weights, out = BSRNN(TINY), tmp_path / "bad.pt", tmp_path / "out"
    save_checkpoint(model, tmp_path / "good.pt", {})
    next(model.parameters()).data[0] = math.nan
    save_checkpoint(model, weights, {})
    (tmp_path / "recipe.toml").write_text("[train]\nsteps = 1\n")
    arguments = {
        "separate": [corpus / "valid/unseen/vocals.wav", "--checkpoint", weights, "-o", out],
        "export": [weights, "-o", out],
        "average": [tmp_path / "good.pt", weights, "-o", out],
        "evaluate": ["--checkpoint", weights, "--data", corpus, "--cache", tmp_path / "cache", "--json"],
        "train": [tmp_path / "recipe.toml", "--data", corpus, "--cache", tmp_path / "cache", "--run", tmp_path / "run",
                  "--start-from", weights],
    }[command]  # fmt: skip
    done = CliRunner().invoke(main, [command, *map(str, arguments)])
    assert done.exit_code == 1, done.output
    (line,) = done.stderr.splitlines()
    assert re.search(r"bad.pt: the weights of \S+ are not finite numbers: use a checkpoint from before$", line)
    assert not out.exists()


def test_a_run_begins_with_so_much_of_other_weights_as_is_asked(corpus, tmp_path):
    save_checkpoint(BSRNN(TINY), tmp_path / "old.pt", {})
    before = load_checkpoint(tmp_path / "old.pt")[0].split.weights[0].detach().flatten()
    (tmp_path / "recipe.toml").write_text(
        "[model]\nfeature_dim = 8\nnum_repeat = 1\nband_scheme = 'v3'\n[mix]\nsegment_s = 0.3\n"
        "[train]\nbatch = 1\nprecision = 'no'\nsteps = 1\nfrozen = ['split']\n"
    )

    def begun(name, *more):
        arguments = [
            tmp_path / "recipe.toml",
            "--data",
            corpus,
            "--cache",
            tmp_path / "cache",
            "--run",
            tmp_path / name,
        ]
        return CliRunner().invoke(main, ["train", *map(str, arguments), "--workers", "0", *map(str, more)])

    for name, share, more in (("kept", 1.0, []), ("anew", 0.6, ["--shrink", 0.6])):
        done = begun(name, "--start-from", tmp_path / "old.pt", *more)
        assert done.exit_code == 0, done.output
        weights = load_checkpoint(tmp_path / name / "weights.pt")[0].split.weights[0].detach().flatten()
        assert float(weights @ before / before.square().sum()) == pytest.approx(share, abs=0.1)
        assert float(weights.norm() / before.norm()) == pytest.approx(1, abs=0.1)
    for more, said in (
        (["--shrink", 0.6], "--shrink goes with --start-from: without it, all weights are new"),
        (["--start-from", tmp_path / "old.pt", "--shrink", 0], "Invalid value for '--shrink'"),
    ):
        done = begun("none", *more)
        assert done.exit_code == 2
        assert said in done.stderr
    assert not (tmp_path / "none").exists()


def test_a_folder_that_holds_no_such_run_is_refused(sources, tmp_path):
    Trainer(recipe(1), sources, Sources(), tmp_path).run()
    with pytest.raises(TrainingError, match="holds a run by the optimiser adam, not muon: keep it"):
        Trainer(changed(recipe(2), optimiser="muon"), sources, Sources(), tmp_path)
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    next(iter(state["averaged"].values()))[0] = math.inf
    torch.save(state, tmp_path / "state.pt")
    with pytest.raises(ModelError, match=r"state.pt: the weights of \S+ are not finite"):
        Trainer(recipe(2), sources, Sources(), tmp_path)
    (tmp_path / "weights.pt").replace(tmp_path / "state.pt")
    with pytest.raises(TrainingError, match=r"state\.pt is no state of a run: it lacks averaged, optimizer"):
        Trainer(recipe(2), sources, Sources(), tmp_path)


def test_a_disk_that_is_full_at_a_save_is_one_line_and_harms_nothing(sources, tmp_path):
    trainer = Trainer(recipe(1), sources, Sources(), tmp_path)
    trainer.run()
    before = bytes_of(tmp_path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(StemliveError, match=r"^cannot write .*state.pt: .*: is there room on the disk\?$"):
            trainer.save()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert bytes_of(tmp_path) == before
    assert [path.name for path in tmp_path.iterdir() if "part" in path.name] == []


def test_data_that_cannot_be_trained_on_is_one_line_for_two_processes(tmp_path):
    recipe_file = tmp_path / "tiny.toml"
    recipe_file.write_text("[train]\nbatch = 2\n")
    (tmp_path / "empty").mkdir()
    arguments = [recipe_file, "--data", tmp_path / "empty", "--run", tmp_path / "run", "--cache", tmp_path / "cache"]
    command = [sys.executable, "-m", "stemlive", "train", *arguments, "--processes", "2"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("stemlive: error: ")
    assert "check --data" in line


def test_the_log_of_a_run_becomes_a_picture(tmp_path):
    log = tmp_path / "log.csv"
    log.write_text(
        "step,audio_s,wall_s,before_audio_s,loss,drums,vocals\n"
        "10,3600,60,,0.5,,1.5\n20,7200,120,0,0.25,3.5,2.5\n5,3600,30,7200,0.3,3.5,2.5\n"
    )
    hours, columns = read_log(log)
    assert hours == [1, 2, 3]
    assert list(columns) == ["loss", "drums", "vocals"]
    assert columns["vocals"] == [1.5, 2.5, 2.5]
    assert math.isnan(columns["drums"][0])
    assert CliRunner().invoke(plot_log, [str(log), str(tmp_path / "log.png")]).exit_code == 0
    assert (tmp_path / "log.png").read_bytes().startswith(b"\x89PNG")
    log.write_text("song,score\n1,2\n")
    refused = CliRunner().invoke(plot_log, [str(log), str(tmp_path / "no.png")])
    assert refused.exit_code == 1
    assert "is not the log.csv of a run" in refused.output
    assert not (tmp_path / "no.png").exists()


def test_describe_adds_up_what_has_one_name(tmp_path):
    recipe = tmp_path / "r.toml"
    recipe.write_text("[model]\nfeature_dim = 8\nnum_repeat = 2\nband_scheme = 'v3'\nlookahead_frames = 2\n")
    printed = CliRunner().invoke(main, ["describe", str(recipe), "--json"])
    assert printed.exit_code == 0, printed.output
    ahead = json.loads(printed.output)["parts"]["look-ahead"]
    assert ahead["parameters"] == 2 * 8 + (3 * 8 + 1) * 16 + (16 + 1) * 8
    assert ahead["gmac_per_s"] == pytest.approx(14 * (3 * 8 * 16 + 16 * 8) * 44100 / 512 / 1e9)
