"""Muon's steps by hand, and models that begin with the weights of smaller ones."""

import dataclasses
import math
from pathlib import Path

import pytest
import torch
from torch import nn

from stemlive.errors import TrainingError
from stemlive.model.bsrnn import BSRNN
from stemlive.model.checkpoint import save_checkpoint
from stemlive.model.config import ModelConfig
from stemlive.realtime.model_file.bundled import IN_LOW, bundled_models, resolve_model
from stemlive.training.grow import shrink, start_model
from stemlive.training.optimiser import ADAM_RMS, Muon, orthogonal
from stemlive.training.recipe import read_recipe

TINY = ModelConfig(feature_dim=8, num_repeat=1, band_scheme="v3")


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def still_in_a_second_step(model, frames):
    """Names of what has no gradient even then: what feeds new parts learns once these feed something."""
    optimiser = Muon(model, lr=1e-2)
    for _ in range(2):
        optimiser.zero_grad()
        stems, _ = model(frames, model.initial_state(len(frames)))
        (stems * random(*stems.shape)).sum().backward()
        still = [name for name, value in model.named_parameters() if not value.grad.any()]
        optimiser.step()
    return still


def assert_begins_as(small, large, frames):
    """The larger model computes what the smaller one does, and all of it learns."""
    expected, _ = small(frames, small.initial_state(len(frames)))
    result, _ = large(frames, large.initial_state(len(frames)))
    torch.testing.assert_close(result, expected, atol=1e-6, rtol=1e-5)
    assert still_in_a_second_step(large, frames) == []


@pytest.mark.parametrize("shape", [(3, 16, 16), (2, 5, 8, 24), (4, 40, 10)])
def test_orthogonal_keeps_the_directions_and_levels_their_strengths(shape):
    matrices = random(*shape) * 7.0
    result = orthogonal(matrices)
    strengths = torch.linalg.svdvals(result)
    assert strengths.min() > 0.4
    assert strengths.max() < 1.3
    left, _, right = torch.linalg.svd(matrices, full_matrices=False)
    cosine = nn.functional.cosine_similarity(result.flatten(-2), (left @ right).flatten(-2), dim=-1)
    assert cosine.min() > 0.95
    torch.testing.assert_close(orthogonal(matrices[0]), result[0], atol=0.02, rtol=0)  # each on its own, in bfloat16


def test_a_step_of_muon_is_as_large_in_every_direction_and_adams_for_the_rest():
    model = nn.ModuleDict({"line": nn.Linear(6, 10), "rnn": nn.LSTM(6, 5)})
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    gradients = {name: random(*value.shape, seed=index) for index, (name, value) in enumerate(before.items())}
    for name, parameter in model.named_parameters():
        parameter.grad = gradients[name].clone()
    biases = {name: nn.Parameter(value.clone()) for name, value in before.items() if value.ndim == 1}
    for name, bias in biases.items():
        bias.grad = gradients[name].clone()
    Muon(model, lr=0.01).step()
    torch.optim.AdamW(biases.values(), lr=0.01, weight_decay=0.0).step()
    for name, parameter in model.named_parameters():
        if name in biases:
            torch.testing.assert_close(parameter, biases[name])
            continue
        change = (parameter - before[name]).detach()
        gates = 4 if "rnn" in name else 1
        rows, columns = change.shape[0] // gates, change.shape[1]
        for gate in range(gates):
            part = slice(gate * rows, (gate + 1) * rows)
            expected = -0.01 * ADAM_RMS * math.sqrt(max(rows, columns)) * orthogonal(gradients[name][part])
            torch.testing.assert_close(change[part], expected, atol=2e-4, rtol=0)


def test_muon_shrinks_weights_apart_from_their_gradients():
    model = nn.Linear(4, 4, bias=False)
    before = model.weight.detach().clone()
    model.weight.grad = torch.zeros(4, 4)
    Muon(model, lr=0.1, weight_decay=0.5).step()
    torch.testing.assert_close(model.weight.detach(), before * (1 - 0.1 * 0.5))


@pytest.mark.parametrize(
    ("layer", "sizes"),
    [
        ("lstm", {"hidden_factor": 2.5}),
        ("gru", {"hidden_factor": 2.5, "harmonics": True}),
        ("lstm", {"hidden_factor": 1.5, "panning": True}),
        ("lstm", {"detail_channels": 4}),
        ("lstm", {"preset": "low"}),
        ("lstm", {"feature_dim": 16, "mask_factor": 11 / 16}),
        ("gru", {"feature_dim": 24, "mask_factor": 11 / 24, "hidden_factor": 1.0}),
        ("lstm", {"feature_dim": 16, "mask_factor": 11 / 16, "harmonics": True}),
        ("gru", {"mask_factor": 2.0}),
    ],
)
def test_a_larger_model_begins_as_the_smaller_one_and_all_of_it_learns(layer, sizes, tmp_path):
    torch.manual_seed(0)
    harmonics = sizes.get("harmonics", False)
    small_config = dataclasses.replace(TINY, time_layer=layer, band_layer=layer, harmonics=harmonics)
    small = BSRNN(small_config).eval()
    for combs in small.combs:
        torch.nn.init.normal_(combs.gain, std=0.1)  # new ones let nothing through
    save_checkpoint(small, tmp_path / "small.pt", {"progress": {"audio_s": 60.0}})
    config = dataclasses.replace(
        small_config, num_repeat=3, filter_taps=3, filter_top_hz=3000.0, inputs="both", **sizes
    )
    large, provenance = start_model(config, tmp_path / "small.pt")
    assert provenance == {"progress": {"audio_s": 60.0}}
    assert large.config == config
    frames = random(2, 6, config.num_bins, 2, 2)
    torch.manual_seed(1)
    assert_begins_as(small, large, frames)
    if (times := config.feature_dim // small_config.feature_dim) > 1:  # the copies of a feature have parted
        rows = large.time_layers[0].proj.weight.unflatten(0, (times, -1))
        assert (rows[0] - rows[1]).abs().max() > 1e-3


@pytest.mark.parametrize(
    "more",
    [{}, {"hidden_factor": 3.0}, {"global_dim": 24}, {"narrow_dim": 6}, {"mask_factor": 2.0, "mask_gate": True}],
)
def test_the_global_layer_and_minimal_recurrences_take_more_of_all(tmp_path, more):
    torch.manual_seed(0)
    layers = {"time_layer": "mingru", "band_layer": "global", "mask_gate": False, "global_dim": 16, "narrow_dim": 4}
    small = BSRNN(
        dataclasses.replace(TINY, num_repeat=2, **layers | {"mask_gate": more.get("mask_gate", False)})
    ).eval()
    for layer in small.time_layers:
        torch.nn.init.normal_(layer.norm.weight)
        torch.nn.init.normal_(layer.norm.bias)
    save_checkpoint(small, tmp_path / "small.pt", {})
    filtering = {"filter_taps": 3, "filter_top_hz": 3000.0}
    wanted = dataclasses.replace(small.config, num_repeat=3, apart_bands=3, **filtering, **more)
    large, _ = start_model(wanted, tmp_path / "small.pt")
    frames = random(2, 6, TINY.num_bins, 2, 2)
    assert_begins_as(small, large, frames)
    for change in (
        {"hidden_factor": 1.0},
        {"global_dim": 8},
        {"narrow_dim": 2},
        {"feature_dim": 16},
        {"num_repeat": 1},
    ):
        with pytest.raises(TrainingError, match="no smaller one"):
            start_model(dataclasses.replace(wanted, **change), tmp_path / "small.pt")


@pytest.mark.parametrize("blocks", [3, 4, 5])
def test_blocks_are_added_before_the_look_ahead_and_behind_all(tmp_path, blocks):
    torch.manual_seed(0)
    small = BSRNN(dataclasses.replace(TINY, num_repeat=2, lookahead_frames=2, time_layer="mingru")).eval()
    torch.nn.init.normal_(small.ahead[0].proj.weight, std=0.2)
    save_checkpoint(small, tmp_path / "small.pt", {})
    large, _ = start_model(dataclasses.replace(small.config, num_repeat=blocks), tmp_path / "small.pt")
    frames = random(2, 8, TINY.num_bins, 2, 2)
    assert_begins_as(small, large, frames)


@pytest.mark.parametrize("before", [{"filter_taps": 1}, {}, {"filter_ahead": 1, "filter_top_hz": 1500.0}])
def test_a_deep_filter_takes_more_taps_of_frames_before_and_to_come_and_more_bands(tmp_path, before):
    torch.manual_seed(0)
    filtering = {"filter_taps": 3, "filter_top_hz": 3000.0, "lookahead_frames": 3, **before}
    small = BSRNN(dataclasses.replace(TINY, num_repeat=2, **filtering)).eval()
    save_checkpoint(small, tmp_path / "small.pt", {})
    more = {"filter_taps": 4, "filter_ahead": 2, "filter_top_hz": 5000.0}
    wanted = dataclasses.replace(small.config, mask_factor=2.0, **more)
    assert len(wanted.filtered_widths) > len(small.config.filtered_widths)
    large, _ = start_model(wanted, tmp_path / "small.pt")
    frames = random(2, 6, TINY.num_bins, 2, 2)
    assert_begins_as(small, large, frames)
    save_checkpoint(large, tmp_path / "large.pt", {})
    for name, value in more.items():
        with pytest.raises(TrainingError, match="no smaller one"):
            start_model(dataclasses.replace(wanted, **{name: value - 1}), tmp_path / "large.pt")


def test_real_masks_begin_as_the_real_part_of_complex_ones(tmp_path):
    torch.manual_seed(0)
    complex_ones = BSRNN(TINY).eval()
    with torch.no_grad():
        for value in (*complex_ones.mask.weights_out, *complex_ones.mask.biases_out):
            value[..., 1 : value.shape[-1] // 2 : 2] = 0  # the imaginary parts, before their gates
    save_checkpoint(complex_ones, tmp_path / "small.pt", {})
    real, _ = start_model(dataclasses.replace(TINY, num_repeat=3, mask="real"), tmp_path / "small.pt")
    frames = random(2, 6, TINY.num_bins, 2, 2)
    expected, _ = complex_ones(frames, complex_ones.initial_state(2))
    result, _ = real(frames, real.initial_state(2))
    torch.testing.assert_close(result, expected, atol=1e-6, rtol=1e-5)


def test_masks_of_middle_and_side_begin_as_those_of_left_and_right(tmp_path):
    torch.manual_seed(0)
    sides = BSRNN(dataclasses.replace(TINY, inputs="magnitudes", mask="real")).eval()
    with torch.no_grad():
        for value in (*sides.mask.weights_out, *sides.mask.biases_out):
            value[..., 1::2] = value[..., ::2]  # masks that are the same on both sides
    save_checkpoint(sides, tmp_path / "small.pt", {})
    wanted = dataclasses.replace(sides.config, mid_side=True)
    frames = random(2, 6, TINY.num_bins, 2, 2)
    expected, _ = sides(frames, sides.initial_state(2))
    for config in (wanted, dataclasses.replace(wanted, num_repeat=3)):
        model, _ = start_model(config, tmp_path / "small.pt")
        result, _ = model(frames, model.initial_state(2))
        torch.testing.assert_close(result, expected, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("change", [{}, {"pairs_from_hz": 3000.0}, {"mask_gate": False, "time_layer": "mingru"}])
@pytest.mark.parametrize("pairs_from_hz", [0.0, 3000.0])
def test_a_window_twice_as_long_begins_with_every_bin_twice(change, pairs_from_hz, tmp_path):
    """Where every two bins are alike the band features are those of the shorter window, and so are the masks."""
    torch.manual_seed(0)
    short = BSRNN(dataclasses.replace(TINY, **change)).eval()
    save_checkpoint(short, tmp_path / "small.pt", {})
    doubled = [2 * width for width in TINY.band_widths]
    doubled[-1] -= 1
    wanted = dataclasses.replace(short.config, preset="fine", band_scheme=tuple(doubled), pairs_from_hz=pairs_from_hz)
    frames = random(2, 6, TINY.num_bins, 2, 2)
    frames[:, :, -TINY.band_widths[-1] :] = 0.5  # one bin less is as loud on average then
    expected, _ = short(frames, short.initial_state(2))
    larger = [dataclasses.replace(wanted, num_repeat=2, panning=True)] * (wanted.time_layer != "mingru")
    for config in (wanted, *larger):
        model, _ = start_model(config, tmp_path / "small.pt")
        assert model.config == config
        result, _ = model(frames.repeat_interleave(2, dim=2)[:, :, :-1], model.initial_state(2))
        torch.testing.assert_close(result, expected.repeat_interleave(2, dim=3)[:, :, :, :-1], atol=1e-6, rtol=1e-5)
    masks = sum(count * masks for count, masks, _ in model.mask.groups)
    assert masks == sum(wanted.mask_widths)
    with pytest.raises(TrainingError, match="another model"):
        start_model(dataclasses.replace(wanted, band_scheme="v3"), tmp_path / "small.pt")


@pytest.mark.parametrize(
    "change",
    [
        {"feature_dim": 12},
        {"mask_factor": 1.0},
        {"num_repeat": 1},
        {"hidden_factor": 1.0},
        {"preset": "quality"},
        {"time_layer": "conv"},
        {"filter_taps": 1},
        {"filter_top_hz": 1000.0},
        {"inputs": "complex"},
        {"inputs": "magnitudes"},
        {"mid_side": True},
    ],
)
def test_a_model_that_is_no_enlargement_is_refused(change, tmp_path):
    saved = dataclasses.replace(TINY, num_repeat=2, filter_taps=2, inputs="both")
    save_checkpoint(BSRNN(saved), tmp_path / "small.pt", {})
    wanted = dataclasses.replace(saved, **change)
    with pytest.raises(TrainingError, match="no smaller one that could grow into it"):
        start_model(wanted, tmp_path / "small.pt")


@pytest.mark.parametrize(("kept", "new"), [(0.6, 0.8), (1.0, 0.0)])
def test_what_is_shrunk_is_filled_up_with_new_weights_to_the_same_power(kept, new):
    model = BSRNN(TINY)
    before = {name: value.clone() for name, value in model.named_parameters()}
    torch.manual_seed(5)
    shrink(model, kept)
    torch.manual_seed(5)
    fresh = dict(BSRNN(TINY).named_parameters())
    for name, value in model.named_parameters():
        wanted = kept * before[name] + new * fresh[name] if value.ndim > 1 else before[name]
        torch.testing.assert_close(value, wanted)


@pytest.mark.parametrize("name", [name for name in bundled_models() if name not in IN_LOW])
def test_the_recipe_of_a_bundled_model_goes_on_with_its_weights(name):
    recipe = read_recipe(Path(name))
    model, provenance = start_model(recipe.model, resolve_model(name).path)
    assert model.config == recipe.model
    progress = provenance["progress"]
    assert progress["before_audio_s"] + progress["audio_s"] > 10 * 3600
