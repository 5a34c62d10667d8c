"""The network: bands, framing, causality, state, checkpoints."""

import dataclasses
import os
import pickle

import numpy as np
import pytest
import torch

from stemlive.errors import ModelError, UsageError
from stemlive.model.bands import BAND_SCHEMES_HZ, band_widths, equal_width_groups
from stemlive.model.bsrnn import BSRNN, count_parameters
from stemlive.model.checkpoint import load_checkpoint, save_atomically, save_checkpoint
from stemlive.model.config import STEMS, ModelConfig
from stemlive.model.framing import PRESETS, Framing
from stemlive.model.state import State
from stemlive.realtime.framing import Framing as NumpyFraming

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


def make(config: ModelConfig) -> BSRNN:
    torch.manual_seed(0)
    return BSRNN(config).eval()


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


def test_every_scheme_fits_every_preset():
    for scheme in BAND_SCHEMES_HZ:
        for preset in PRESETS:
            ModelConfig(band_scheme=scheme, preset=preset, causal=False)


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
        ({"feature_dim": 0}, "feature_dim must be at least 1"),
        ({"band_scheme": "v9"}, "unknown band scheme 'v9'"),
    ],
)
def test_wrong_choices_are_refused(choice, message):
    with pytest.raises(UsageError, match=message):
        ModelConfig(**choice)


def test_config_survives_the_way_through_plain_values():
    config = ModelConfig(stems=("vocals", "bass"), band_scheme=(25, 1000), stereo="mono")
    assert ModelConfig.from_dict(config.to_dict()) == config
    with pytest.raises(UsageError, match="unknown model choice depth"):
        ModelConfig.from_dict({"depth": 3})


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
@pytest.mark.parametrize("frames_per_call", [1, 3, 16])
def test_chunks_give_what_the_whole_gives(config, frames_per_call):
    model = make(config)
    audio = noise(0.5)
    whole = separate(model, audio)
    assert (separate(model, audio, frames_per_call) - whole).abs().max() < 1e-5


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


@pytest.mark.parametrize("config", [TINY, dataclasses.replace(TINY, stereo="mono")], ids=["joint", "mono"])
def test_four_stems_sum_to_the_mixture(config):
    audio = noise(0.5)
    framing = Framing(config.framing)
    complete = framing.complete_samples(audio.shape[-1])
    assert (separate(make(config), audio).sum(0) - audio[0])[:, :complete].abs().max() < 1e-5


def test_silence_gives_silence_in_any_state():
    model = make(TINY)
    _, state = model(Framing(TINY.framing)(noise(0.3)), model.initial_state(1))
    stems, _ = model(torch.zeros(1, 5, TINY.num_bins, 2, 2), state)
    assert not stems.any()


def test_mono_treats_the_channels_alike_and_apart():
    model = make(dataclasses.replace(TINY, stereo="mono"))
    audio = noise(0.3)
    swapped = separate(model, audio.flip(1))
    assert torch.allclose(separate(model, audio), swapped.flip(1), atol=1e-6)


def test_batch_items_do_not_touch_each_other():
    model = make(TINY)
    frames = Framing(TINY.framing)(torch.cat([noise(0.3), noise(0.3, seed=1)]))
    both, _ = model(frames, model.initial_state(2))
    second, _ = model(frames[1:], model.initial_state(1))
    assert torch.allclose(both[1:], second, atol=1e-6)


def test_state_flattens_and_comes_back():
    model = make(TINY)
    _, state = model(Framing(TINY.framing)(noise(0.2)), model.initial_state(1))
    assert [spec.name for spec in model.state_specs] == ["h", "c"]
    assert [tuple(t.shape) for t in state.flatten()] == [spec.shape for spec in model.state_specs]
    again = State.unflatten(model.state_specs, state.flatten())
    assert all(torch.equal(again.tensors[name], state.tensors[name]) for name in ("h", "c"))


def test_every_parameter_learns():
    model = make(TINY).train()
    stems, _ = model(Framing(TINY.framing)(noise(0.2)), model.initial_state(1))
    stems.square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in model.parameters())
    assert count_parameters(model) == sum(p.numel() for p in model.parameters())


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
    for content in (b"", b"hello", b"PK\x03\x04 cut short"):
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
