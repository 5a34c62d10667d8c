"""The network: bands, framing, causality, state, checkpoints."""

import cmath
import dataclasses
import os
import pickle

import numpy as np
import pytest
import torch
from deep_filters import let_only_a_tap_through

from stemlive.errors import ModelError, UsageError
from stemlive.model.attention import FrameAttention
from stemlive.model.bands import BAND_SCHEMES_HZ, band_widths, equal_width_groups
from stemlive.model.bsrnn import BSRNN, BandSplit, count_parameters, reconfigured
from stemlive.model.checkpoint import load_checkpoint, save_atomically, save_checkpoint
from stemlive.model.config import LAYERS, STEMS, ModelConfig
from stemlive.model.cost import SEGMENT_S, model_costs, state_numbers
from stemlive.model.detail import FAINT, TOP_HZ, DetailEncoder, heard_in
from stemlive.model.framing import PRESETS, Framing
from stemlive.model.harmonics import Combs, Pitches, pitches_hz
from stemlive.model.layers import ResidualConv
from stemlive.model.panning import Panning, cues, side_of
from stemlive.model.recurrence import GatedRecurrence, scan
from stemlive.model.state import State
from stemlive.model.stereo import TransformAverageConcatenate
from stemlive.realtime.dsp.framing import Framing as NumpyFraming
from stemlive.training.devices import fast_bfloat16

STREAMING = [name for name, preset in PRESETS.items() if preset.streaming]
TINY = ModelConfig(feature_dim=8, num_repeat=2, band_scheme="v3")
CAUSAL_CONFIGS = [
    TINY,
    dataclasses.replace(TINY, stereo="mono"),
    dataclasses.replace(TINY, stems=("vocals",)),
    dataclasses.replace(TINY, stems=("bass", "vocals", "other")),
    dataclasses.replace(TINY, band_scheme="v7", hidden_factor=2, mask_factor=4),
    *(dataclasses.replace(TINY, preset=preset) for preset in STREAMING if preset != "live"),
]
LAYER_PAIRS = [(time, band) for time in LAYERS for band in LAYERS]
EVERYTHING = {
    "time_layer": "conv",
    "band_layer": "gru",
    "stereo": "tac",
    "tac_activation": "prelu",
    "attention_heads": 2,
    "attention_window": 6,
    "residual_stem": True,
    "filter_taps": 4,
    "inputs": "both",
    "mask": "real",
    "harmonics": True,
}
CHOICES = {f"{time} {band}": {"time_layer": time, "band_layer": band} for time, band in LAYER_PAIRS} | {
    "one head": {"attention_heads": 1, "attention_window": 6},
    "two heads": {"attention_heads": 2, "attention_dim": 3, "attention_window": 6},
    "long window": {"attention_heads": 1, "attention_window": 100},
    "tac tanh": {"stereo": "tac"},
    "tac prelu": {"stereo": "tac", "tac_activation": "prelu"},
    "residual": {"residual_stem": True},
    "magnitudes": {"inputs": "magnitudes"},
    "both inputs": {"inputs": "both"},
    "real masks": {"mask": "real"},
    "magnitudes throughout": {"inputs": "magnitudes", "mask": "real", "stereo": "tac"},
    "middle and side": {"mid_side": True},
    "middle and side of magnitudes": {"mid_side": True, "inputs": "magnitudes", "mask": "real", "filter_taps": 2},
    "two taps": {"filter_taps": 2, "filter_top_hz": 22050.0},
    "three taps": {"filter_taps": 3},
    "harmonics": {"harmonics": True},
    "harmonics of middle and side": {"harmonics": True, "mid_side": True, "inputs": "magnitudes", "mask": "real"},
    "panning": {"panning": True},
    "pairs": {"pairs_from_hz": 5000.0},
    "pairs and more": {"pairs_from_hz": 5000.0, "panning": True, "filter_taps": 2, "mask": "real", "harmonics": True},
    "detail": {"detail_channels": 4},
    "detail and more": {
        "detail_channels": 4,
        "residual_stem": True,
        "filter_taps": 2,
        "harmonics": True,
        "mask": "real",
    },
    "global": {"band_layer": "global", "global_dim": 12, "narrow_dim": 3},
    "global and more": {
        "time_layer": "mingru",
        "band_layer": "global",
        "stereo": "tac",
        "harmonics": True,
        "mask_gate": False,
        "attention_heads": 1,
        "attention_window": 6,
    },
    "apart": {"apart_bands": 2, "time_layer": "mingru"},
    "apart and more": {"apart_bands": 3, "time_layer": "mingru", "stereo": "tac", "inputs": "both", "filter_taps": 2},
    "turned": {"phase_turns": 3},
    "turned and more": {
        "phase_turns": 2,
        "stereo": "tac",
        "inputs": "both",
        "filter_taps": 2,
        "attention_heads": 1,
        "attention_window": 6,
    },
    "panning and more": {"panning": True, "residual_stem": True, "filter_taps": 2, "harmonics": True, "mask": "real"},
    "everything": EVERYTHING,
}
CHOSEN = {name: dataclasses.replace(TINY, **choice) for name, choice in CHOICES.items()}
OFFLINE = {
    name: dataclasses.replace(config, causal=False, preset="offline")
    for name, config in CHOSEN.items()
    if config.band_layer != "global" and not config.apart_bands  # which go over time
}
KINDS = {"causal": CHOSEN, "offline": OFFLINE}
CAUSAL_CONFIGS += [config for config in CHOSEN.values() if config != TINY]


def make(config: ModelConfig) -> BSRNN:
    torch.manual_seed(0)
    model = BSRNN(config).eval()
    for combs in model.combs:
        torch.nn.init.normal_(combs.gain, std=0.1)  # new ones let nothing through
    for panning in model.panning:
        torch.nn.init.normal_(panning.steer, std=0.02)  # new ones change nothing
        torch.nn.init.normal_(panning.lean, std=0.02)
    for masks in model.detail_masks:
        torch.nn.init.normal_(masks.choose.weight, std=0.5)  # new ones choose nothing
    return model


def noise(seconds: float, seed: int = 0) -> torch.Tensor:
    count = int(seconds * 44100) // 1024 * 1024
    return 0.1 * torch.randn(1, 2, count, generator=torch.Generator().manual_seed(seed))


def separate(model: BSRNN, audio: torch.Tensor, frames_per_call: int | None = None) -> torch.Tensor:
    """`[1, C, n]` to `[S, C, n]`; sample k of the output belongs to sample k of the input."""
    framing = Framing(model.config.framing)
    frames = framing(audio)
    state = model.initial_state(1)
    parts = []
    with torch.no_grad():
        for chunk in frames.split(frames_per_call or frames.shape[1], dim=1):
            stems, state = model(chunk, state)
            parts.append(stems)
    return framing.inverse(torch.cat(parts, dim=2))[0]


BAND_COUNTS = {"v1": 22, "v2": 19, "v3": 14, "v4": 23, "v5": 28, "v6": 26, "v7": 41}
BAND_COUNTS |= {"bass": 30, "drums": 55, "joint": 57}


@pytest.mark.parametrize(("scheme", "bands"), BAND_COUNTS.items())
def test_band_counts_of_the_paper(scheme, bands):
    widths = band_widths(scheme, 1025, 44100)
    assert len(widths) == bands
    assert sum(widths) == 1025


def test_band_widths_of_v7():
    assert equal_width_groups(band_widths("v7", 1025, 44100)) == (
        (10, 4),
        (12, 11),
        (8, 23),
        (8, 46),
        (2, 92),
        (1, 117),
    )


def test_every_scheme_has_as_many_bands_in_every_preset():
    assert set(BAND_COUNTS) == set(BAND_SCHEMES_HZ)
    for preset in PRESETS:
        configs = {scheme: ModelConfig(band_scheme=scheme, preset=preset, causal=False) for scheme in BAND_COUNTS}
        assert {scheme: len(config.band_widths) for scheme, config in configs.items()} == BAND_COUNTS


@pytest.mark.parametrize("channels", [1, 2])
def test_magnitudes_know_neither_phase_nor_level_but_how_the_sides_agree(channels):
    split = BandSplit(dataclasses.replace(TINY, inputs="magnitudes"), channels)
    bins = torch.randn(1, 3, 1025, channels, 2, generator=torch.Generator().manual_seed(0))
    turned = torch.stack([-bins[..., 1], bins[..., 0]], dim=-1)
    turned[:, :, ::2] *= -1
    late = bins.clone()
    late[:, :, :, -1] = turned[:, :, :, -1]
    with torch.no_grad():
        features = split(bins)
        torch.testing.assert_close(split(7 * turned) - split(7 * bins), torch.zeros_like(features), atol=1e-5, rtol=0)
        assert features.std(1).amax(-1).min() > 0.01  # every band tells frames by their magnitudes
        assert ((split(late) - features).abs().amax() > 0.01) == (channels == 2)


def test_both_inputs_are_the_complex_ones_the_level_and_the_magnitudes():
    both, only = (BandSplit(dataclasses.replace(TINY, inputs=name), 2) for name in ("both", "magnitudes"))
    for (_, width), one, other in zip(both.groups, both.weights, only.weights, strict=True):
        assert (one.shape[1], other.shape[1]) == (8 * width + 1, 4 * width + 1)
        with torch.no_grad():
            other.copy_(one[:, 4 * width :])
            one[:, : 4 * width] = 0
    bins = torch.randn(1, 3, 1025, 2, 2, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(both(bins), only(bins))


def test_real_masks_leave_the_phase():
    model = make(dataclasses.replace(TINY, mask="real"))
    frames = torch.randn(1, 4, 1025, 2, 2, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        stems, _ = model(frames, model.initial_state(1))
    ratio = torch.view_as_complex(stems) / torch.view_as_complex(frames).unsqueeze(1)
    assert ratio.imag.abs().max() < 1e-4
    assert ratio.real.std() > 0.01
    torch.testing.assert_close(stems.sum(1), frames, atol=1e-5, rtol=0)


def test_middle_and_side_have_masks_of_their_own():
    """Without its mask of the side a stem is the same on both sides, and what is on the side alone is not in it."""
    model = make(dataclasses.replace(TINY, mask="real", mid_side=True, stems=("vocals",)))
    with torch.no_grad():
        for value in (*model.mask.weights_out, *model.mask.biases_out):
            value.unflatten(-1, (2, -1, 2))[..., 0, :, 1] = 0  # the side's, before its gate
    frames = torch.randn(1, 4, 1025, 2, 2, generator=torch.Generator().manual_seed(0))
    opposite = torch.stack([frames[..., 0, :], -frames[..., 0, :]], dim=-2)
    with torch.no_grad():
        (stems, _), (side, _) = (model(x, model.initial_state(1)) for x in (frames, opposite))
    left, right = stems.unbind(-2)
    torch.testing.assert_close(left, right)
    assert left.abs().mean() > 1e-3
    assert side.abs().max() < 1e-6
    ratio = torch.view_as_complex(left) / torch.view_as_complex(frames.mean(-2)).unsqueeze(1)
    assert ratio.imag.abs().max() < 1e-3


def tone(hz, seconds=0.5, harmonics=12):
    """A tone with its harmonics, each half as strong as the one before the one before: `[1, 2, n]`."""
    time = torch.arange(int(seconds * 44100), dtype=torch.float64) / 44100
    waves = [torch.sin(2 * torch.pi * hz * number * time + number) / number for number in range(1, harmonics + 1)]
    return (0.1 * torch.stack(waves).sum(0)).float().expand(1, 2, -1)


@pytest.mark.parametrize("hz", [85.0, 110.0, 196.0, 330.0, 523.25, 880.0])
@pytest.mark.parametrize("gain", [1.0, 0.01])
def test_pitches_are_found_at_any_level_and_in_the_middle_only(hz, gain):
    config = dataclasses.replace(TINY, harmonics=True)
    pitches, framing = Pitches(config), Framing(config.framing)
    with torch.no_grad():
        strengths = pitches(framing(gain * (tone(hz)[..., :21504] + 0.02 * noise(0.5))))[0][8:]
        side = pitches(framing(tone(hz) * torch.tensor([[[1.0], [-1.0]]])))[0][8:]
    found = pitches_hz()[strengths.argmax(-1)]
    assert (12 * torch.log2(found / hz)).abs().max() < 0.5  # of a semitone
    assert side.abs().max() < 0.2 < strengths.amax(-1).min()


def test_a_comb_lets_the_harmonics_of_its_pitch_through():
    """Where the features choose 220 Hz, bins on its harmonics have twice the gain's worth of what the gaps have not."""
    config = dataclasses.replace(TINY, harmonics=True, stems=("vocals",))
    combs = Combs(config, 2)
    wanted = int((pitches_hz() - 220).abs().argmin())
    features = torch.zeros(1 + len(config.band_widths), 1, config.feature_dim)
    features[..., 0] = 1.0  # the first is the strongest after normalisation, the others are alike
    normed = torch.nn.functional.layer_norm(features, (config.feature_dim,))[0, 0]
    with torch.no_grad():
        combs.choose.weight.zero_()
        combs.choose.bias.zero_()
        combs.choose.bias[132 + wanted] = 10.0  # behind the weights of what was heard: what is added to it
        combs.gain[..., 0, 0] = 0.5 / normed[0]  # the left, or middle, half let through; the right not at all
        probabilities = combs.probabilities(normed.unsqueeze(0), torch.zeros(1, 132))
        mask = combs(features, torch.zeros(1, 132))[0, 0]
    assert probabilities[0, 0, wanted] > 0.999
    bins = torch.arange(1, 9) * float(pitches_hz()[wanted]) * 2048 / 44100
    torch.testing.assert_close(mask[bins.round().int(), 0], torch.full((8,), 0.5), atol=0.06, rtol=0)
    assert mask[(bins + bins[0] / 2).round().int(), 0].max() < 0.03
    assert not mask[:, 1].any()
    assert combs.teeth.shape[1] == sum(config.band_widths[: combs.bands])


def placed(left, right):
    """One frame of noise with these gains on the sides, `[1, 1, 1025, 2, 2]`."""
    bins = torch.randn(1, 1, 1025, 2, generator=torch.Generator().manual_seed(0))
    return torch.stack([left * bins, right * bins], dim=3)


def test_cues_tell_where_a_bin_lies_at_any_level():
    places = {(1, 1): (2.5, 0), (1, -1): (-1.5, 0), (1, 0): (0, 1), (0, 1): (0, -1), (1, 0.5): (np.log(9) / 4, 0.6)}
    for (left, right), (middle, balance) in places.items():
        for gain in (1.0, 1000.0):
            heard = cues(gain * placed(left, right))[0, 0]
            usual = heard[:, 1:4].median(0).values  # bins near silence know less
            torch.testing.assert_close(usual, torch.tensor([middle, middle, balance]).float(), atol=0.01, rtol=0)
    peak = placed(1, 1)
    peak[:, :, 500] *= 30
    assert cues(peak)[0, 0, :, 4].argmax() == 500
    torch.testing.assert_close(cues(50 * peak)[..., 4], cues(peak)[..., 4], atol=0.01, rtol=0)


def test_what_lies_in_the_middle_is_kept_and_the_side_is_taken_away():
    config = dataclasses.replace(TINY, panning=True, stems=("vocals",))
    panning = Panning(config)
    x = torch.cat([placed(1, 1), placed(1, -0.9)], dim=1)  # two frames: middle and side
    features = torch.zeros(len(config.band_widths), 2, config.feature_dim)
    with torch.no_grad():
        panning.lean.unflatten(-1, (2, 5))[..., 0, 2] = 0.8  # gain: by middle over side around the bin
        panning.lean.unflatten(-1, (2, 5))[..., 1, 0] = 0.025  # a quarter of the side, wherever
        gains, shares = panning(features, x)
    assert gains.shape == shares.shape == (1, 1, 2, 1025)
    assert gains[0, 0, 0].min() > 1.99
    assert gains[0, 0, 1].max() < 0.01
    torch.testing.assert_close(shares, torch.full_like(shares, 0.25))
    assert not side_of(x[:, 0]).any()
    torch.testing.assert_close(side_of(x)[:, 1, :, 0], 0.95 * placed(1, 1)[:, 0, :, 0])
    torch.testing.assert_close(side_of(x)[..., 0, :], -side_of(x)[..., 1, :])


def test_panning_keeps_the_sum_of_the_stems_and_moves_side_between_them():
    config = dataclasses.replace(TINY, panning=True)
    model = make(config)
    frames = Framing(config.framing)(noise(0.2))
    with torch.no_grad():
        stems, _ = model(frames, model.initial_state(1))
        torch.testing.assert_close(stems.sum(1), frames, atol=1e-4, rtol=1e-4)
        model.panning[0].lean.unflatten(-1, (2, 4, 5))[..., 1, 0, 0] += 0.1  # vocals lose side
        fewer, _ = model(frames, model.initial_state(1))
    moved = torch.tensor([0.75, -0.25, -0.25, -0.25]).reshape(1, 4, 1, 1, 1, 1) * side_of(frames).unsqueeze(1)
    torch.testing.assert_close(stems - fewer, moved, atol=1e-4, rtol=1e-4)


def test_detail_hears_what_is_in_the_middle_and_what_is_beside_it():
    sides = torch.tensor([[1.0, 1], [1, -1], [1, 0]])  # three frames, equal in all bins: middle, side, left alone
    x = (sides[:, None, :, None] * torch.tensor([0.6, 0.8])).expand(1, 3, 1025, 2, 2)
    heard = heard_in(x)[0]
    assert heard.shape == (5, 3, 1025)
    ratios = torch.tensor([[1.0, 1, 2, 0], [1, 1, 0, 2], [2, 0, 1, 1]])  # of left, right, middle, side over their mean
    expected = ((ratios + FAINT).log() / 4).T.unsqueeze(-1).expand(4, 3, 1025)
    torch.testing.assert_close(heard[:4], expected, atol=1e-3, rtol=0)
    silence = heard_in(torch.zeros(1, 1, 1025, 2, 2))[0, :, 0, 0]
    torch.testing.assert_close(silence, DetailEncoder(dataclasses.replace(TINY, detail_channels=4)).silence.flatten())


def test_detail_gives_the_middle_to_one_stem_and_keeps_the_sum_and_the_highest_bands():
    config = dataclasses.replace(TINY, band_scheme="v7", detail_channels=4)
    model = make(config)
    frames = Framing(config.framing)(noise(0.2))
    bins = sum(config.widths_from_below(TOP_HZ))
    assert bins == 10 * 4 + 12 * 11 + 8 * 23 + 3 * 46  # bands that begin below 10 kHz
    masks = model.detail_masks[0]
    with torch.no_grad():
        masks.choose.weight.zero_()
        masks.choose.bias.zero_()
        before, _ = model(frames, model.initial_state(1))
        masks.choose.bias.unflatten(0, (4, 2))[0, 0] = 30.0  # vocals, middle
        after, _ = model(frames, model.initial_state(1))
    torch.testing.assert_close(after.sum(1), frames, atol=1e-4, rtol=1e-4)
    middle = (frames + frames.flip(-2)) / 2
    moved = torch.tensor([0.75, -0.25, -0.25, -0.25]).reshape(1, 4, 1, 1, 1, 1) * middle.unsqueeze(1)
    moved[:, :, :, bins:] = 0
    torch.testing.assert_close(after - before, moved, atol=1e-4, rtol=1e-4)


def test_wrong_band_list_names_both_numbers():
    with pytest.raises(UsageError, match=r"sums to 1000 bins, but a frame has 1025"):
        ModelConfig(band_scheme=(500, 500))


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"stems": ("vocals", "piano")}, "stems must be"),
        ({"stems": ()}, "stems must be"),
        ({"stems": ("bass", "bass")}, "stems must be"),
        ({"preset": "fast"}, "unknown framing preset 'fast'"),
        ({"preset": "offline"}, "does not stream"),
        ({"stereo": "wide"}, "stereo 'wide' is unknown"),
        ({"panning": True, "stereo": "tac"}, "panning needs stereo 'joint' without mid_side"),
        ({"panning": True, "mid_side": True}, "panning needs stereo 'joint' without mid_side"),
        ({"detail_channels": 32, "stereo": "mono"}, "detail_channels needs stereo 'joint' without mid_side"),
        ({"detail_channels": 32, "mid_side": True}, "detail_channels needs stereo 'joint' without mid_side"),
        ({"detail_channels": 7}, "detail_channels must be even, not 7"),
        ({"pairs_from_hz": -1.0}, "pairs_from_hz must be at least 0"),
        ({"inputs": "phase"}, "inputs 'phase' is unknown: choose one of complex, magnitudes, both"),
        ({"feature_dim": 0}, "feature_dim must be at least 1"),
        ({"band_scheme": "v9"}, "unknown band scheme 'v9'"),
        ({"band_layer": "global", "causal": False}, "needs causal = true"),
        ({"apart_bands": 2, "time_layer": "mingru", "causal": False}, "apart_bands needs causal = true"),
        ({"apart_bands": 2}, "apart_bands needs causal = true and time_layer 'mingru'"),
        ({"apart_bands": 2, "time_layer": "mingru", "harmonics": True}, "no harmonics"),
        ({"apart_bands": 41, "time_layer": "mingru"}, "is at most 40 here"),
        ({"phase_turns": 0}, "phase_turns must be at least 1"),
        ({"phase_turns": 2, "panning": True}, "neither harmonics, panning nor detail_channels"),
        ({"time_layer": "rnn"}, "time_layer 'rnn' is unknown: choose one of lstm, gru, mingru, conv"),
        ({"band_layer": "attention"}, "band_layer 'attention' is unknown"),
        ({"stereo": "tac", "tac_activation": "relu"}, "tac_activation 'relu' is unknown"),
        ({"tac_factor": 0}, "tac_factor must be at least 1"),
        ({"mid_side": True, "stereo": "mono"}, "mid_side needs stereo 'joint': 'mono' takes each side for itself"),
        ({"attention_heads": 5}, "attention_heads 5 do not divide feature_dim 48"),
        ({"attention_heads": -1}, "attention_heads must be at least 0"),
        ({"attention_window": 1}, "attention_window must be at least 2"),
        ({"filter_taps": 0}, "filter_taps must be at least 1"),
        ({"filter_taps": 3, "filter_top_hz": 60.0}, "filter_top_hz 60 leaves no band .* up to 65 Hz"),
        ({"stems": ("vocals", "other"), "residual_stem": True}, "what vocals, other leave over is no stem"),
        ({"attention_heads": "two"}, "attention_heads must be a whole number, not 'two'"),
        ({"feature_dim": 48.0}, "feature_dim must be a whole number, not 48.0"),
        ({"hidden_factor": float("nan")}, "hidden_factor must be a finite number"),
        ({"residual_stem": 1}, "residual_stem must be true or false"),
        ({"stems": "vocals"}, "stems must be a list of names"),
        ({"band_scheme": 25}, "band_scheme must be a name or a list"),
    ],
)
def test_wrong_choices_are_refused(choice, message):
    with pytest.raises(UsageError, match=message):
        ModelConfig(**choice)


@pytest.mark.parametrize("turns", [2, 3, 4])
@pytest.mark.parametrize(
    "choices",
    [{}, {"filter_taps": 3, "inputs": "both"}, {"time_layer": "mingru", "band_layer": "global", "mask": "real"}],
)
def test_turned_phases_are_heard_apart_and_their_answers_averaged(turns, choices):
    """Two routes: the network of one phase on spectra that are turned by hand, and the network that does it all."""
    once = make(dataclasses.replace(TINY, **choices))
    model = reconfigured(once, phase_turns=turns)
    frames = torch.randn(2, 9, TINY.num_bins, 2, 2, generator=torch.Generator().manual_seed(1))

    def turned(x, parts):
        return torch.view_as_real(torch.view_as_complex(x) * cmath.exp(2j * cmath.pi * parts))

    with torch.no_grad():
        stems, _ = model(frames, model.initial_state(2))
        each = [turned(once(turned(frames, k / turns), once.initial_state(2))[0], -k / turns) for k in range(turns)]
        again, _ = model(turned(frames, 1 / turns), model.initial_state(2))
    assert torch.allclose(stems, torch.stack(each).mean(0), atol=1e-5)
    assert torch.allclose(turned(again, -1 / turns), stems, atol=1e-5)
    assert not torch.allclose(each[0], each[1], atol=1e-3)  # otherwise the mean would be no news


def test_config_survives_the_way_through_plain_values():
    config = ModelConfig(stems=("vocals", "bass"), band_scheme=(25, 1000), stereo="mono")
    assert ModelConfig.from_dict(config.to_dict()) == config
    with pytest.raises(UsageError, match="unknown model choice depth"):
        ModelConfig.from_dict({"depth": 3})


def test_a_configuration_of_before_a_choice_means_the_same():
    old = ("stems", "preset", "sample_rate_hz", "band_scheme", "feature_dim", "num_repeat", "hidden_factor")
    old += ("mask_factor", "time_layer", "band_layer", "stereo", "causal")
    values = {name: value for name, value in TINY.to_dict().items() if name in old}
    assert ModelConfig.from_dict(values) == TINY
    names = set(BSRNN(TINY).state_dict())
    assert {name.split(".")[0] for name in names} == {"split", "time_layers", "band_layers", "mask"}
    assert "time_layers.1.rnn.weight_hh_l0" in names


@pytest.mark.parametrize("name", PRESETS)
def test_framing_reconstructs_perfectly(name):
    framing = Framing(PRESETS[name])
    audio = noise(0.6)
    complete = framing.complete_samples(audio.shape[-1])
    assert complete > 20000
    assert (framing.inverse(framing(audio)) - audio)[..., :complete].abs().max() < 1e-6


@pytest.mark.parametrize("name", STREAMING)
def test_framing_in_torch_and_numpy_are_one(name):
    preset = PRESETS[name]
    streaming = NumpyFraming(preset.analysis_samples, preset.synthesis_samples, preset.hop_samples)
    analysis, synthesis = preset.windows()
    np.testing.assert_allclose(analysis.numpy(), streaming.analysis_window, atol=1e-7)
    tail = streaming.synthesis_window[-preset.synthesis_samples :]
    np.testing.assert_allclose(synthesis.numpy()[-preset.synthesis_samples :], tail, atol=1e-7)
    assert not synthesis[: preset.analysis_samples - preset.synthesis_samples].any()


def test_frame_holds_the_samples_up_to_the_end_of_its_hop():
    framing = Framing(PRESETS["live"])
    audio = noise(0.3)
    frames = framing(audio)
    expected = torch.fft.rfft(audio[0, 1, 11 * 512 - 2048 : 11 * 512] * framing.analysis)
    assert torch.allclose(torch.view_as_complex(frames[0, 10, :, 1].contiguous()), expected, atol=1e-5)


@pytest.mark.parametrize("config", CAUSAL_CONFIGS, ids=str)
def test_chunks_give_what_the_whole_gives(config):
    model = make(config)
    audio = noise(0.5)
    whole = separate(model, audio)
    for frames_per_call in (1, 3, 16):
        assert (separate(model, audio, frames_per_call) - whole).abs().max() < 1e-5, frames_per_call


@pytest.mark.parametrize("config", CAUSAL_CONFIGS, ids=str)
def test_the_future_changes_nothing_earlier(config):
    model = make(config)
    audio = noise(0.5)
    changed = audio.clone()
    start = 10 * 1024 + 300
    changed[..., start:] = noise(0.5, seed=1)[..., start:]
    unchanged = start - config.framing.synthesis_samples
    before, after = separate(model, audio), separate(model, changed)
    assert torch.equal(before[..., :unchanged], after[..., :unchanged])
    assert (before - after)[..., start:].abs().max() > 1e-3


def test_a_model_that_is_not_causal_hears_the_future():
    config = dataclasses.replace(TINY, causal=False, preset="offline")
    model = make(config)
    audio = noise(0.5)
    changed = audio.clone()
    changed[..., 12000:] = 0
    difference = (separate(model, audio) - separate(model, changed)).abs()
    assert difference[..., : 12000 - config.framing.synthesis_samples].max() > 1e-6
    assert model.state_specs == ()


@pytest.mark.parametrize(
    "config",
    [
        TINY,
        *(
            CHOSEN[name]
            for name in ("tac tanh", "residual", "two taps", "harmonics", "panning", "detail", "everything")
        ),
    ],
    ids=str,
)
def test_four_stems_sum_to_the_mixture(config):
    audio = noise(0.5)
    framing = Framing(config.framing)
    complete = framing.complete_samples(audio.shape[-1])
    assert (separate(make(config), audio).sum(0) - audio[0])[:, :complete].abs().max() < 1e-5


@pytest.mark.parametrize(
    "name",
    ["lstm lstm", "residual", "three taps", "harmonics", "panning and more", "detail", "detail and more", "everything"],
)
def test_silence_gives_silence_in_any_state(name):
    model = make(CHOSEN[name])
    _, state = model(Framing(TINY.framing)(noise(0.3)), model.initial_state(1))
    stems, _ = model(torch.zeros(1, 5, TINY.num_bins, 2, 2), state)
    reach = CHOSEN[name].filter_taps - 1  # frames in which a filter still hears what was
    assert [bool(frame.any()) for frame in stems.unbind(2)] == [frame < reach for frame in range(5)]


@pytest.mark.parametrize("stereo", ["mono", "tac"])
def test_folded_channels_are_treated_alike_and_meet_in_tac_only(stereo):
    model = make(dataclasses.replace(TINY, stereo=stereo))
    audio = noise(0.3)
    swapped = separate(model, audio.flip(1))
    assert torch.allclose(separate(model, audio), swapped.flip(1), atol=1e-6)
    other = audio.clone()
    other[:, 1] = 0
    left_changes = (separate(model, audio) - separate(model, other))[:, 0].abs().max()
    assert left_changes > 1e-4 if stereo == "tac" else left_changes < 1e-7


def test_tac_is_its_definition():
    torch.manual_seed(0)
    tac = TransformAverageConcatenate(4, 3, "prelu")
    x = torch.randn(2, 3, 4)  # [C, T, N]
    each = [tac.transform(channel) for channel in x]
    average = tac.average((each[0] + each[1]) / 2)
    expected = [a + tac.concatenate(torch.cat([b, average], -1)) for a, b in zip(x, each, strict=True)]
    assert torch.allclose(tac(x), torch.stack(expected), atol=1e-6)


def test_the_recurrence_is_its_formula_and_its_gradients_are_right():
    generator = torch.Generator().manual_seed(0)
    keep, new = (torch.rand(5, 2, 3, generator=generator, dtype=torch.float64) for _ in range(2))
    before = torch.rand(2, 3, generator=generator, dtype=torch.float64)
    states, state = [], before
    for kept, added in zip(keep, new, strict=True):
        state = kept * state + added
        states.append(state)
    assert torch.allclose(scan(keep, new, before), torch.stack(states), rtol=0, atol=1e-12)
    inputs = tuple(tensor.requires_grad_() for tensor in (keep, new, before))
    assert torch.autograd.gradcheck(scan, inputs)


def test_a_unit_that_forgets_nothing_adds_up_and_one_that_forgets_all_remembers_nothing():
    layer = GatedRecurrence(1, 2, 2)
    with torch.no_grad():
        layer.into.weight.zero_()
        layer.into.weight[2:4] = 1  # the candidates are the input
        layer.into.bias.copy_(torch.tensor([-50.0, 50, 0, 0, 50, 50]))  # unit 0 keeps, unit 1 takes
        layer.out.weight.copy_(torch.eye(2) / 50)
        layer.out.bias.zero_()
    x = torch.tensor([1.0, 2, 3]).reshape(3, 1, 1)
    y, after = layer(x, torch.tensor([[[5.0, 5.0]]]))
    assert torch.allclose(y.squeeze(1), torch.tensor([[5.0, 1], [5, 2], [5, 3]]))
    assert torch.allclose(after, torch.tensor([[[5.0, 3.0]]]))


def test_convolution_over_time_sees_three_steps():
    layer = ResidualConv(4, 6, bidirectional=False)
    x = torch.randn(9, 5, 4)
    changed = x.clone()
    changed[4] += torch.randn(5, 4)
    memory = (torch.zeros(1, 5, 4, 2),)
    differs = (layer(x, memory)[0] != layer(changed, memory)[0]).any(-1).any(-1)
    assert differs.tolist() == [step in (4, 5, 6) for step in range(9)]
    wide = ResidualConv(4, 6, bidirectional=True)
    differs = (wide(x, ())[0] != wide(changed, ())[0]).any(-1).any(-1)
    assert differs.tolist() == [step in (3, 4, 5) for step in range(9)]


@pytest.mark.parametrize("window", [3, 50, None])
def test_attention_is_its_definition_frame_by_frame(window):
    torch.manual_seed(0)
    layer = FrameAttention(feature_dim=6, bands=4, heads=2, key_dim=3, window=window)
    x = torch.randn(2, 10, 4, 6)  # [B, T, K, N]
    memory = tuple(torch.zeros(1, 2, *size) for size in layer.memory_sizes.values())
    queries, keys, values = (project(x) for project in (layer.query, layer.key, layer.value))
    for item in range(2):
        for frame in range(10):
            seen = slice(0 if window is None else max(0, frame + 1 - window), 10 if window is None else frame + 1)
            heads = []
            for head in range(2):
                query, key, value = (part[item, head] for part in (queries, keys, values))
                weights = torch.softmax((query[frame] * key[seen]).sum((1, 2)) / 12**0.5, 0)
                heads.append((weights[:, None, None] * value[seen]).sum(0))
            expected = x[item, frame] + layer.merge(torch.cat(heads, -1)[None, None])[0, 0, 0]
            assert torch.allclose(layer(x, memory)[0][item, frame], expected, atol=1e-5)


def test_a_deep_filter_works_in_the_bands_below_its_limit():
    """V3 has eight bands of 46 bins, four of 92: the highest bin of the fifth is 229 * 44100 / 2048 = 4931.1 Hz."""
    for top_hz, bins in ((4931.0, 4 * 46), (4932.0, 5 * 46), (5000.0, 5 * 46), (22050.0, 1025)):
        config = dataclasses.replace(TINY, filter_taps=2, filter_top_hz=top_hz)
        assert sum(config.filtered_widths) == bins
    assert dataclasses.replace(TINY, filter_top_hz=10.0).filtered_widths == ()
    model, plain = make(CHOSEN["three taps"]), make(TINY)
    plain.load_state_dict({name: value for name, value in model.state_dict().items() if ".tap_" not in name})
    frames = Framing(TINY.framing)(noise(0.3))
    with torch.no_grad():
        stems, masked = (one(frames, one.initial_state(1))[0] for one in (model, plain))
    assert torch.equal(stems[..., 230:, :, :], masked[..., 230:, :, :])
    change = (stems - masked)[..., :230, :, :].square().mean() / masked[..., :230, :, :].square().mean()
    assert 1e-5 < change < 1e-2  # a new filter is nearly a mask
    with torch.no_grad():
        for values in (*model.mask.tap_weights, *model.mask.tap_biases):
            values.zero_()
        assert torch.equal(model(frames, model.initial_state(1))[0], masked)


@pytest.mark.parametrize(("stems", "causal"), [(("vocals",), True), (("vocals",), False), (STEMS, True)])
def test_a_filter_does_what_no_mask_can(stems, causal):
    """Coefficients set by hand: what is heard is the sound of two frames before, times 2 - i, on top of the masks."""
    config = dataclasses.replace(TINY, stems=stems, filter_taps=3, filter_top_hz=22050.0, causal=causal)
    model = make(config)
    let_only_a_tap_through(model.mask, 1, (2.0, -1.0))
    with torch.no_grad():
        frames = Framing(config.framing)(noise(0.3))
        result = torch.view_as_complex(model(frames, model.initial_state(1))[0])
    x = torch.view_as_complex(frames)
    late = torch.cat([torch.zeros_like(x[:, :2]), x[:, :-2]], dim=1) * (2 - 1j)
    if stems == STEMS:  # taps that sum to zero over the stems, masks to one
        expected = torch.stack([0.75 * late, *[-0.25 * late] * 3], dim=1) + 0.25 * x.unsqueeze(1)
    else:
        expected = late.unsqueeze(1)
    torch.testing.assert_close(result, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("name", "rounding"),
    [("lstm lstm", 1e-6), ("everything", 3e-6)],  # up to 5 and 15 in size: a few units of the last place of float32
)
def test_batch_items_do_not_touch_each_other(name, rounding):
    model = make(CHOSEN[name])
    first, other, second = (Framing(TINY.framing)(noise(0.3, seed=seed)) for seed in (0, 2, 1))
    both, _ = model(torch.cat([first, second]), model.initial_state(2))
    beside_other, _ = model(torch.cat([other, second]), model.initial_state(2))
    alone, _ = model(second, model.initial_state(1))
    assert torch.equal(both[1:], beside_other[1:])
    assert not torch.equal(both[:1], beside_other[:1])
    assert torch.allclose(both[1:], alone, atol=rounding)


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("lstm lstm", {"h": (2, 14, 11), "c": (2, 14, 11)}),
        ("gru conv", {"h": (2, 14, 11)}),
        ("conv lstm", {"conv": (2, 14, 8, 2)}),
        ("mingru gru", {"h": (2, 14, 11)}),
        ("global", {"h": (2, 14, 11), "c": (2, 14, 11), "global": (2, 1, 12)}),
        (
            "global and more",
            {
                "h": (2, 30, 11),
                "global": (2, 2, 256),
                "attn_k": (2, 2, 1, 5, 15 * 8),
                "attn_v": (2, 2, 1, 5, 15 * 8),
                "attn_valid": (2, 2, 5),
            },
        ),
        ("tac tanh", {"h": (2, 28, 11), "c": (2, 28, 11)}),
        ("three taps", {"h": (2, 14, 11), "c": (2, 14, 11), "spectra": (1, 1, 2, 230, 2, 2)}),
        (
            "everything",
            {
                "conv": (2, 30, 8, 2),
                "attn_k": (2, 2, 2, 5, 15 * 8),
                "attn_v": (2, 2, 2, 5, 15 * 4),
                "attn_valid": (2, 2, 5),
                "spectra": (1, 2, 3, 230, 1, 2),
            },
        ),
    ],
)
def test_state_has_one_tensor_of_a_kind_and_flattens(name, shapes):
    model = make(CHOSEN[name])
    assert {spec.name: spec.shape for spec in model.state_specs} == shapes
    _, state = model(Framing(TINY.framing)(noise(0.2)), model.initial_state(1))
    assert {name: tuple(tensor.shape) for name, tensor in state.tensors.items()} == shapes
    again = State.unflatten(model.state_specs, state.flatten())
    assert all(torch.equal(again.tensors[name], state.tensors[name]) for name in shapes)
    assert state_numbers(model.config) == sum(tensor.numel() for tensor in state.flatten())


@pytest.mark.parametrize(
    "config",
    [pytest.param(config, id=f"{name}-{kind}") for kind, configs in KINDS.items() for name, config in configs.items()],
)
def test_every_parameter_learns(config):
    model = make(config).train()
    audio = noise(0.2)
    stems, _ = model(Framing(config.framing)(audio), model.initial_state(1))
    assert stems.shape == (1, 4, audio.shape[-1] // 512, 1025, 2, 2)
    (stems * torch.randn_like(stems)).sum().backward()
    assert [key for key, p in model.named_parameters() if p.grad is None or not p.grad.abs().max() > 1e-7] == []
    assert count_parameters(model) == sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize(
    "name",
    ["lstm lstm", "gru gru", "conv conv", "mingru mingru", "global and more", "one head", "three taps", "everything"],
)
def test_a_step_in_bfloat16(name, monkeypatch):
    model = make(CHOSEN[name]).train()
    frames = Framing(TINY.framing)(noise(0.2))
    whole = model(frames, model.initial_state(1))[0]
    # PyTorch's own kernels where oneDNN has none
    monkeypatch.setattr("torch.backends.mkldnn.enabled", fast_bfloat16(on_gpu=False))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        stems, state = model(frames, model.initial_state(1))
    assert stems.dtype == torch.float32
    assert (stems - whole).norm() < 0.03 * whole.norm()
    stems.square().sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())
    assert all(torch.isfinite(tensor).all() for tensor in state.flatten())


COSTS = {
    "lstm and attention": (
        {"attention_heads": 2, "attention_dim": 3, "attention_window": 5},
        {
            "band split": (25 * 4 + 1) * 4 + (1000 * 4 + 1) * 4,
            "time layers": 2 * (4 * 4 * (4 + 4) + 4 * 4),
            "band layers": 2 * (2 * 4 * 4 * (4 + 4) + 8 * 4),
            "attention": 2 * (4 * 6 + 4 * 6 + 4 * 4 + 4 * 4) + 2 * 5 * (2 * 3 + 2 * 2),
            "mask heads": 2 * (4 * 4 + 4 * 4) + 4 * 8 * 1025,
        },
    ),
    "gru, conv and tac": (
        {"time_layer": "gru", "band_layer": "conv", "stereo": "tac"},
        {
            "band split": 2 * ((25 * 2 + 1) * 4 + (1000 * 2 + 1) * 4),
            "time layers": 4 * (3 * 4 * (4 + 4) + 4 * 4),
            "band layers": 4 * (3 * 4 * 8 + 8 * 4),
            "stereo exchange": 2 * (2 * 4 * 12 + 12 * 12 + 2 * 24 * 4),
            "mask heads": 2 * (2 * (4 * 4 + 4 * 4) + 4 * 4 * 1025),
        },
    ),
    "three taps": (
        {"filter_taps": 3, "filter_top_hz": 600.0},
        {
            "band split": (25 * 4 + 1) * 4 + (1000 * 4 + 1) * 4,
            "time layers": 2 * (4 * 4 * (4 + 4) + 4 * 4),
            "band layers": 2 * (2 * 4 * 4 * (4 + 4) + 8 * 4),
            "mask heads": 2 * (4 * 4 + 4 * 4) + 4 * 8 * (1025 + 2 * 25),
        },
    ),
    "harmonics": (
        {"harmonics": True},
        {
            "band split": (25 * 4 + 1) * 4 + (1000 * 4 + 1) * 4,
            "pitches": 279 * 132 + 132 * 96 + 96 * 4,  # up to 6 kHz
            "time layers": 3 * (4 * 4 * (4 + 4) + 4 * 4),
            "band layers": 3 * (2 * 4 * 4 * (4 + 4) + 8 * 4),
            "mask heads": 2 * (4 * 4 + 4 * 4) + 4 * 8 * 1025,
            "harmonics": 4 * 265 + 132 * 1025 + 2 * 4 * 2,
        },
    ),
    "panning": (
        {"panning": True},
        {
            "band split": (25 * 4 + 1) * 4 + (1000 * 4 + 1) * 4,
            "time layers": 2 * (4 * 4 * (4 + 4) + 4 * 4),
            "band layers": 2 * (2 * 4 * 4 * (4 + 4) + 8 * 4),
            "mask heads": 2 * (4 * 4 + 4 * 4) + 4 * 8 * 1025,
            "panning": 2 * 4 * 2 * 5 + 2 * 5 * 1025,
        },
    ),
    "apart": (
        {"apart_bands": 1, "time_layer": "mingru"},
        {
            "band split": (25 * 4 + 1) * 4 + (1000 * 4 + 1) * 4,
            "time layers": 2 * (4 * 3 * 4 + 4 * 4),
            "band layers": 2 * (2 * 4 * 4 * (4 + 4) + 8 * 4),
            "mask heads": 2 * (4 * 4 + 4 * 4) + 4 * 8 * 1025,
        },
    ),
    "detail": (
        {"detail_channels": 4},
        {
            "band split": (25 * 4 + 1) * 4 + (1000 * 4 + 1) * 4,
            "time layers": 2 * (4 * 4 * (4 + 4) + 4 * 4),
            "band layers": 2 * (2 * 4 * 4 * (4 + 4) + 8 * 4),
            "mask heads": 2 * (4 * 4 + 4 * 4) + 4 * 8 * 1025,
            "detail": 5 * 4 * 7 * 2 * 1025 + 2 * 5 * 4 * 513 + 4 * 5 * 8 * 257 + 2 * 257 * 8 + 2 * 8 * 4,
            "masks of detail": 2 * 4 * (4 + 2 + 2)
            + 2 * (257 * 4 + 513 * 2 + 1025 * 2)
            + 8 * 5 * 4 * 257
            + (4 + 4) * 5 * 2 * 513
            + (2 + 2) * 5 * 2 * 1025
            + 2 * (1 + 1) * 2 * 1025,
        },
    ),
}


@pytest.mark.parametrize("name", COSTS)
def test_cost_is_what_one_counts_by_hand(name):
    choice, macs_per_frame = COSTS[name]
    sizes = {"feature_dim": 4, "hidden_factor": 1, "mask_factor": 1, "num_repeat": 1}
    config = ModelConfig(stems=("vocals",), band_scheme=(25, 1000), **sizes, **choice)
    costs = model_costs(config)
    frames_per_s = 44100 / 512
    assert {part: round(cost.gmac_per_s * 1e9 / frames_per_s) for part, cost in costs.items()} == macs_per_frame
    assert sum(cost.parameters for cost in costs.values()) == count_parameters(BSRNN(config))


def test_cost_of_looking_at_a_whole_segment():
    choice = {"attention_heads": 1, "attention_dim": 4, "num_repeat": 1, "band_scheme": "v3", "feature_dim": 8}
    config = ModelConfig(preset="offline", causal=False, **choice)
    frames = round(SEGMENT_S * 44100 / 512)
    expected = 14 * (2 * 8 * 4 + 2 * 8 * 8) + frames * 14 * (4 + 8)
    assert model_costs(config)["attention"].gmac_per_s == pytest.approx(expected * 44100 / 512 / 1e9)


def test_checkpoint_comes_back_whole(tmp_path):
    model = make(TINY)
    save_checkpoint(model, tmp_path / "m.pt", {"hours": 1.5})
    loaded, provenance = load_checkpoint(tmp_path / "m.pt")
    assert loaded.config == TINY
    assert provenance == {"hours": 1.5}
    audio = noise(0.2)
    assert torch.equal(separate(model, audio), separate(loaded, audio))
    assert [path.name for path in tmp_path.iterdir()] == ["m.pt"]


class _Bomb:
    def __reduce__(self):
        return os.mkdir, (os.environ["BOMB"],)


def test_checkpoint_never_runs_code(tmp_path, monkeypatch):
    monkeypatch.setenv("BOMB", str(tmp_path / "exploded"))
    for name, write in (("a.pt", lambda p: torch.save(_Bomb(), p)), ("b.pt", lambda p: _pickle(_Bomb(), p))):
        write(tmp_path / name)
        with pytest.raises(ModelError, match="is not a checkpoint"):
            load_checkpoint(tmp_path / name)
    assert not (tmp_path / "exploded").exists()


def _pickle(value, path):
    path.write_bytes(pickle.dumps(value))


def test_bad_checkpoints_are_named(tmp_path):
    path = tmp_path / "m.pt"
    with pytest.raises(ModelError, match="no checkpoint at"):
        load_checkpoint(path)
    song, cover = b"RIFF\x24\x00\x00\x00WAVEfmt ", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
    others = [bytes([first]) + song for first in range(256)]  # each reaches another instruction of a pickle
    for content in (b"", b"hello", b"PK\x03\x04 cut short", song, song + bytes(200), cover, *others):
        path.write_bytes(content)
        with pytest.raises(ModelError, match="is not a checkpoint"):
            load_checkpoint(path)
    torch.save({"weights": {}}, path)
    with pytest.raises(ModelError, match="lacks config, format, provenance"):
        load_checkpoint(path)
    save_checkpoint(make(TINY), path, {})
    values = torch.load(path, weights_only=True)
    torch.save({**values, "format": 99}, path)
    with pytest.raises(ModelError, match="format 99"):
        load_checkpoint(path)
    torch.save({**values, "config": {**values["config"], "feature_dim": 12}}, path)
    with pytest.raises(ModelError, match="does not fit"):
        load_checkpoint(path)


def test_failed_save_leaves_the_old_file(tmp_path):
    path = tmp_path / "m.pt"
    save_atomically({"value": 1}, path)
    with pytest.raises((pickle.PicklingError, AttributeError, TypeError)):
        save_atomically({"value": lambda: None}, path)
    assert torch.load(path, weights_only=True) == {"value": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["m.pt"]


def test_stem_order_is_the_configuration_s():
    assert make(TINY).config.stems == STEMS
    assert separate(make(dataclasses.replace(TINY, stems=("bass",))), noise(0.2)).shape[0] == 1


def test_bins_share_a_mask_two_and_two_from_a_frequency_on():
    """V3 has eight bands of 46 bins, four of 92, one of 185, whose last bin has its own mask, and 104 that are left."""
    config = dataclasses.replace(TINY, band_scheme="v3", pairs_from_hz=7000.0)
    assert config.mask_widths == (46,) * 8 + (46,) * 4 + (93, 52)
    model = make(config)
    masks, _ = model.mask(torch.randn(14, 3, config.feature_dim, generator=torch.Generator().manual_seed(0)))
    low, high, last, top = masks.detach().unflatten(-1, (1025, 2, 2)).split([368, 368 + 184, 1, 104], dim=2)
    for paired in (high, top):
        assert torch.equal(paired[:, :, ::2], paired[:, :, 1::2])
    assert (low[:, :, ::2] != low[:, :, 1::2]).all()
    assert (high[:, :, 1:-1:2] != high[:, :, 2::2]).all()
    assert (last[:, :, 0] != high[:, :, -1]).all()
    assert sum(bands * each for bands, each, _ in model.mask.groups) == 368 + 184 + 93 + 52
