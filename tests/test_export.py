"""From checkpoint to ONNX: the file says the same, says what it is, and is never half there."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from click.testing import CliRunner

from stemlive.cli import main
from stemlive.errors import ModelError, UsageError
from stemlive.export import exporter
from stemlive.export.exporter import export_onnx
from stemlive.export.stored import rounded
from stemlive.model.bsrnn import BSRNN
from stemlive.model.checkpoint import load_checkpoint, save_checkpoint
from stemlive.model.config import LAYERS, ModelConfig
from stemlive.model.framing import Framing
from stemlive.model.onnx_weights import PREFIX
from stemlive.model_card import markdown
from stemlive.realtime.model_file.session import Session
from stemlive.realtime.separation.separator import Separator
from stemlive.training.grow import start_model
from stemlive.training.recipe import read_recipe

TINY = ModelConfig(feature_dim=8, num_repeat=2, band_scheme="v3")
CONFIGS = {
    "joint": TINY,
    "mono": dataclasses.replace(TINY, stereo="mono"),
    "one stem": dataclasses.replace(TINY, stems=("vocals",)),
    "low": dataclasses.replace(TINY, preset="low"),
    "quality": dataclasses.replace(TINY, preset="quality"),
    "balanced": dataclasses.replace(TINY, preset="balanced", stems=("drums", "vocals")),
    "one head": dataclasses.replace(TINY, attention_heads=1, attention_window=6),
    "two heads": dataclasses.replace(TINY, attention_heads=2, attention_dim=3, attention_window=100),
    "tac tanh": dataclasses.replace(TINY, stereo="tac"),
    "tac prelu": dataclasses.replace(TINY, stereo="tac", tac_activation="prelu"),
    "three taps": dataclasses.replace(TINY, filter_taps=3),
    "two taps, mono": dataclasses.replace(TINY, filter_taps=2, filter_top_hz=1e5, stereo="mono", residual_stem=True),
    "residual": dataclasses.replace(TINY, residual_stem=True),
    "magnitudes": dataclasses.replace(TINY, inputs="magnitudes", mask="real"),
    "middle and side": dataclasses.replace(TINY, inputs="magnitudes", mask="real", mid_side=True),
    "harmonics": dataclasses.replace(TINY, inputs="magnitudes", mask="real", mid_side=True, harmonics=True),
    "harmonics, tac": dataclasses.replace(TINY, stereo="tac", harmonics=True, residual_stem=True),
    "panning": dataclasses.replace(TINY, panning=True),
    "pairs": dataclasses.replace(TINY, preset="fine", pairs_from_hz=5000.0),
    "global": dataclasses.replace(TINY, time_layer="mingru", band_layer="global", mask_gate=False),
    "global of each side": dataclasses.replace(TINY, band_layer="global", stereo="tac", harmonics=True),
    "look-ahead": dataclasses.replace(TINY, lookahead_frames=3),
    "look-ahead of one stem": dataclasses.replace(TINY, lookahead_frames=1, stems=("vocals",), num_repeat=3),
    "look-ahead, three taps": dataclasses.replace(TINY, lookahead_frames=3, filter_taps=3),
    "look-ahead, taps ahead": dataclasses.replace(TINY, lookahead_frames=3, filter_taps=2, filter_ahead=2),
    "apart": dataclasses.replace(TINY, apart_bands=2, time_layer="mingru", band_layer="global", inputs="both"),
    "turned": dataclasses.replace(TINY, phase_turns=2),
    "turned, look-ahead": dataclasses.replace(
        TINY, phase_turns=3, time_layer="mingru", band_layer="global", lookahead_frames=2, filter_taps=2, filter_ahead=1
    ),
    "detail": dataclasses.replace(TINY, detail_channels=4),
    "detail of one stem": dataclasses.replace(TINY, detail_channels=4, stems=("vocals",)),
    "both inputs, mono": dataclasses.replace(TINY, inputs="both", stereo="mono"),
    "gru and all": dataclasses.replace(
        TINY, time_layer="gru", stereo="tac", attention_heads=2, attention_window=6, residual_stem=True
    ),
} | {
    f"{time} {band}": dataclasses.replace(TINY, time_layer=time, band_layer=band)
    for time, band in zip(LAYERS, (*LAYERS[1:], LAYERS[0]), strict=True)  # all pairs: test_model.py
}
PROVENANCE = {
    "recipe": {"card": {"name": "tiny", "description": "for tests", "licence": "CC0-1.0"}},
    "progress": {"wall_s": 7200.0, "audio_s": 3600.0},
}


@pytest.fixture(autouse=True)
def a_quarter_of_a_second(monkeypatch):
    """A file is compared with its model over less than two seconds; no model here but one remembers longer."""
    monkeypatch.setattr(exporter, "PARITY_S", 0.25)


def checkpoint(folder, config):
    torch.manual_seed(3)
    model = BSRNN(config).eval()
    for combs in model.combs:
        torch.nn.init.normal_(combs.gain, std=0.1)  # new ones let nothing through
    for panning in model.panning:
        torch.nn.init.normal_(panning.steer, std=0.02)  # new ones change nothing
    for masks in model.detail_masks:
        torch.nn.init.normal_(masks.choose.weight, std=0.5)  # new ones choose nothing
    save_checkpoint(model, folder / "m.pt", PROVENANCE)
    return model, folder / "m.pt"


@pytest.mark.parametrize("name", CONFIGS)
def test_onnx_equals_torch_at_any_cutting(name, tmp_path, monkeypatch):
    config = CONFIGS[name]
    if config.attention_heads and config.attention_window == 100:
        monkeypatch.setattr(exporter, "PARITY_S", 2.0)
    model, path = checkpoint(tmp_path, config)
    parity = export_onnx(path, tmp_path / "m.onnx", bits=32)
    assert max(parity.frame_by_frame, parity.onnx) < 1e-5
    assert parity.state_change > 0
    audio = 0.1 * torch.randn(2, 20480, generator=torch.Generator().manual_seed(5))
    framing = Framing(config.framing)
    with torch.no_grad():
        whole = framing.inverse(model(framing(audio.unsqueeze(0)), model.initial_state(1))[0])[0]
    hidden = 512 * config.lookahead_frames  # samples that torch's stems are late
    session = Session(tmp_path / "m.onnx")
    for blocks in ([20480], [512] * 40, [1, 333, 4096, 0, 16050]):
        session.reset()
        separator = Separator(session)
        assert separator.latency_samples == config.framing.synthesis_samples + hidden
        pieces = np.split(audio.T.numpy(), np.cumsum(blocks)[:-1])
        stems = np.concatenate([separator.process(piece) for piece in pieces], axis=1)
        late = separator.latency_samples
        expected = whole.numpy().transpose(0, 2, 1)[:, hidden : 20480 - late + hidden]
        assert np.abs(stems[: len(config.stems), late:] - expected).max() < 1e-4


@pytest.mark.parametrize("name", ["live", "quality"])
def test_the_graph_of_a_bundled_network_computes_no_sizes(name, tmp_path):
    """They are constants to the tracer: computing them in each hop took a seventh of its time."""
    smaller = {"feature_dim": 8, "num_repeat": 2, "global_dim": 8, "narrow_dim": 2}
    _, path = checkpoint(tmp_path, dataclasses.replace(read_recipe(Path(name)).model, **smaller))
    export_onnx(path, tmp_path / "m.onnx", bits=32)
    assert "Shape" not in {node.op_type for node in onnx.load(tmp_path / "m.onnx").graph.node}


def test_the_file_says_what_it_is(tmp_path):
    model, path = checkpoint(tmp_path, TINY)
    export_onnx(path, tmp_path / "m.onnx", scores={"average": {"vocals": 4.5}}, speed={"threads": 1})
    info = Session(tmp_path / "m.onnx").info
    assert (info.sample_rate_hz, info.preset, info.stems) == (44100, "live", ("vocals", "drums", "bass", "other"))
    assert (info.analysis_samples, info.synthesis_samples, info.hop_samples) == (2048, 1024, 512)
    assert info.licence == "CC0-1.0"
    assert info.card["hours"] == {"trained": 2.0, "audio_heard": 1.0}
    assert info.card["scores"] == {"average": {"vocals": 4.5}}
    assert info.card["speed"] == {"threads": 1}
    assert ModelConfig.from_dict(info.config) == TINY
    assert info.parameters == sum(p.numel() for p in model.parameters())


def test_weights_in_another_framing_say_of_each_frame_what_they_said(tmp_path):
    """The file of `live` weights in `low` is that of a `low` model with the same weights, and says so."""
    model, path = checkpoint(tmp_path, TINY)
    assert (
        CliRunner()
        .invoke(main, ["export", str(path), "-o", str(tmp_path / "low.onnx"), "--framing", "low", "--bits", "32"])
        .exit_code
        == 0
    )
    session = Session(tmp_path / "low.onnx")
    assert (session.info.preset, session.info.hop_samples, session.info.synthesis_samples) == ("low", 256, 512)
    assert (session.info.card["name"], session.info.config["preset"]) == ("low", "low")
    frames = torch.randn(1, 5, TINY.num_bins, 2, 2, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected, _ = model(frames, model.initial_state(1))
    stems = session.run(torch.view_as_complex(frames[0]).numpy().transpose(0, 2, 1))
    wanted = torch.view_as_complex(expected[0].contiguous()).numpy().transpose(0, 1, 3, 2)
    np.testing.assert_allclose(stems, wanted, atol=1e-5)


def test_turns_are_given_to_finished_weights_and_taken_again(tmp_path):
    """The file is that of the mean over both polarities; training goes on from it with one, and has means with it."""
    once, path = checkpoint(tmp_path, TINY)
    file, mean = tmp_path / "m.onnx", tmp_path / "mean.pt"
    done = CliRunner().invoke(main, ["export", str(path), "-o", str(file), "--turns", "2", "--bits", "32"])
    assert done.exit_code == 0, done.stderr
    session = Session(file)
    assert session.info.config["phase_turns"] == 2
    assert "the mean of 2 phases" in markdown(session.info, 1)
    frames = torch.randn(1, 5, TINY.num_bins, 2, 2, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        upright, inverted = (once(sign * frames, once.initial_state(1))[0] for sign in (1, -1))
    wanted = torch.view_as_complex((upright - inverted)[0] / 2).numpy().transpose(0, 1, 3, 2)
    stems = session.run(torch.view_as_complex(frames[0]).numpy().transpose(0, 2, 1))
    np.testing.assert_allclose(stems, wanted, atol=1e-5)
    again, _ = start_model(TINY, file)
    assert again.config == TINY
    assert CliRunner().invoke(main, ["average", str(path), str(file), "-o", str(mean)]).exit_code == 0
    assert load_checkpoint(mean)[0].config == TINY
    for name, values in once.state_dict().items():
        assert torch.equal(again.state_dict()[name], values)
        torch.testing.assert_close(load_checkpoint(mean)[0].state_dict()[name], values)
    done = CliRunner().invoke(main, ["export", str(path), "-o", str(tmp_path / "none.onnx"), "--turns", "0"])
    assert (done.exit_code, done.stderr) == (2, "stemlive: error: phase_turns must be at least 1, not 0\n")


@pytest.mark.parametrize("framing", ["quality", "offline", "lower"])
def test_a_framing_that_does_not_fit_the_weights_is_refused(framing, tmp_path):
    _, path = checkpoint(tmp_path, TINY)
    done = CliRunner().invoke(main, ["export", str(path), "-o", str(tmp_path / "m.onnx"), "--framing", framing])
    assert done.exit_code == 2
    assert f"framing '{framing}' does not fit these weights: choose one of live, low" in done.stderr
    assert not (tmp_path / "m.onnx").exists()


def test_an_existing_file_stays_unless_forced(tmp_path):
    _, path = checkpoint(tmp_path, TINY)
    output = tmp_path / "m.onnx"
    output.write_text("mine")
    with pytest.raises(UsageError, match="exists"):
        export_onnx(path, output)
    assert output.read_text() == "mine"
    export_onnx(path, output, force=True)
    assert Session(output).info.preset == "live"


def test_a_model_that_cannot_stream_is_refused(tmp_path):
    _, path = checkpoint(tmp_path, dataclasses.replace(TINY, causal=False))
    with pytest.raises(UsageError, match="not causal"):
        export_onnx(path, tmp_path / "m.onnx")


def test_a_graph_that_differs_is_not_written(tmp_path, monkeypatch):
    _, path = checkpoint(tmp_path, TINY)
    write = exporter.write_graph

    def damaged(model, target, info, **options):
        write(model, target, info, **options)
        graph = onnx.load(str(target))
        weights = next(t for t in graph.graph.initializer if t.name == "model.time_layers.0.rnn.weight_ih_l0")
        weights.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(weights) * 1.5, weights.name))
        onnx.save(graph, str(target))

    monkeypatch.setattr(exporter, "write_graph", damaged)
    with pytest.raises(ModelError, match="it was not written"):
        export_onnx(path, tmp_path / "m.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["m.pt"]


def test_metadata_is_json_with_the_contract_s_keys(tmp_path):
    _, path = checkpoint(tmp_path, TINY)
    export_onnx(path, tmp_path / "m.onnx")
    properties = {p.key: p.value for p in onnx.load(str(tmp_path / "m.onnx")).metadata_props}
    assert properties["stemlive_format"] == "1"
    assert json.loads(properties["stemlive"])["state"] == [
        {"name": "h", "shape": [2, 14, 11]},
        {"name": "c", "shape": [2, 14, 11]},
    ]


LARGER = dataclasses.replace(
    TINY, feature_dim=32, time_layer="mingru", band_layer="global", mask_gate=False, pairs_from_hz=6000.0
)


@pytest.mark.parametrize("config", [LARGER, dataclasses.replace(TINY, feature_dim=24)], ids=["mingru", "lstm"])
def test_a_file_holds_the_weights_by_name_half_as_large_and_they_come_back(config, tmp_path):
    model, path = checkpoint(tmp_path, config)
    parity = export_onnx(path, tmp_path / "m.onnx")
    assert parity.bits == 16
    assert -100 < parity.rounding_db < exporter.ROUNDING_LIMITS_DB[16]
    again, provenance = load_checkpoint(tmp_path / "m.onnx")
    assert again.config == config
    assert provenance == PROVENANCE
    weights, wanted = again.state_dict(), model.state_dict()
    assert weights.keys() == wanted.keys()
    for name, values in wanted.items():
        halved = values.numel() >= 1024 and "bias" not in name
        assert torch.equal(weights[name], values.half().float() if halved else values), name
    export_onnx(tmp_path / "m.onnx", tmp_path / "again.onnx")
    assert (tmp_path / "again.onnx").read_bytes() == (tmp_path / "m.onnx").read_bytes()


@pytest.mark.parametrize("config", [LARGER, dataclasses.replace(TINY, feature_dim=24)], ids=["mingru", "lstm"])
def test_8_bits_are_whole_numbers_times_a_scale_a_quarter_as_large_and_they_come_back(config, tmp_path):
    model, path = checkpoint(tmp_path, config)
    parity = export_onnx(path, tmp_path / "m.onnx", bits=8)
    assert parity.bits == 8
    assert -60 < parity.rounding_db < exporter.ROUNDING_LIMITS_DB[8]
    weights, wanted = (each.state_dict() for each in (load_checkpoint(tmp_path / "m.onnx")[0], model))
    assert weights.keys() == wanted.keys()
    for name, values in wanted.items():
        if values.numel() < 1024 or "bias" in name:
            assert torch.equal(weights[name], values), name
            continue
        step = values.abs().amax(-1 if values.ndim == 2 else -2, keepdim=True) / 127
        assert ((weights[name] - values).abs() <= 0.501 * step).all(), name
        assert ((weights[name] / step - (weights[name] / step).round()).abs() < 0.01).all(), name
    export_onnx(path, tmp_path / "whole.onnx", bits=32)
    large = sum(4 * values.numel() for name, values in wanted.items() if values.numel() >= 1024 and "bias" not in name)
    saved = (tmp_path / "whole.onnx").stat().st_size - (tmp_path / "m.onnx").stat().st_size
    assert 0.6 * large < saved < 0.75 * large
    export_onnx(tmp_path / "m.onnx", tmp_path / "again.onnx", bits=8)
    assert (tmp_path / "again.onnx").read_bytes() == (tmp_path / "m.onnx").read_bytes()


def test_weights_are_stored_in_more_bits_where_few_would_be_heard(tmp_path, monkeypatch):
    _, path = checkpoint(tmp_path, LARGER)
    export_onnx(path, tmp_path / "16.onnx", bits=16)
    monkeypatch.setitem(exporter.ROUNDING_LIMITS_DB, 8, -70.0)
    assert export_onnx(path, tmp_path / "8.onnx", bits=8).bits == 16
    assert (tmp_path / "8.onnx").read_bytes() == (tmp_path / "16.onnx").read_bytes()


@pytest.mark.parametrize(
    ("asked", "limits", "said"),
    [
        (["--int8"], {8: -70.0}, "not stored in nor computed in 8 bits: that changes the audio by more than -70 dB\n"),
        (["--bits", "8"], {8: -70.0}, "not stored in 8 bits: that changes the audio by more than -70 dB\n"),
        ([], {16: -120.0}, "not stored in 16 bits: that changes the audio by more than -120 dB\n"),
        (["--int8"], {}, ""),
        (
            ["--int8", "--bits", "5"],
            {5: -70.0, 8: -70.0},
            "not stored in nor computed in 5 bits: that changes the audio by more than -70 dB\n",
        ),
        (["--int8", "--bits", "5"], {}, ""),
    ],
)
def test_the_command_says_that_weights_are_not_stored_as_was_asked(asked, limits, said, tmp_path, monkeypatch):
    _, path = checkpoint(tmp_path, LARGER)
    for bits, limit_db in limits.items():
        monkeypatch.setitem(exporter.ROUNDING_LIMITS_DB, bits, limit_db)
    done = CliRunner().invoke(main, ["export", str(path), "-o", str(tmp_path / "m.onnx"), *asked])
    assert (done.exit_code, done.stderr) == (0, said)
    assert Session(tmp_path / "m.onnx").info.integers == (not said)


def test_the_command_says_when_8_bits_are_stored_in_place_of_5_in_which_it_computes_all_the_same(tmp_path, monkeypatch):
    _, path = checkpoint(tmp_path, LARGER)
    monkeypatch.setitem(exporter.ROUNDING_LIMITS_DB, 5, -70.0)
    asked = ["export", str(path), "-o", str(tmp_path / "m.onnx"), "--int8", "--bits", "5"]
    done = CliRunner().invoke(main, asked)
    said = "not stored in 5 bits: that changes the audio by more than -70 dB\n"
    assert (done.exit_code, done.stderr) == (0, said)
    assert Session(tmp_path / "m.onnx").info.integers


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["--bits", "5"], "--bits 5 is for models that compute in 8 bits: give --int8, too"),
        (["--bits", "16", "--int8"], "--int8 computes in 8 bits, and --bits 16 stores more: give one"),
    ],
)
def test_bits_that_do_not_go_with_the_products_are_refused(asked, said, tmp_path):
    _, path = checkpoint(tmp_path, LARGER)
    done = CliRunner().invoke(main, ["export", str(path), "-o", str(tmp_path / "m.onnx"), *asked])
    assert done.exit_code == 2
    assert said in done.stderr
    assert not (tmp_path / "m.onnx").exists()


def test_weights_stay_in_32_bits_on_request_and_where_16_would_be_heard(tmp_path, monkeypatch):
    model, path = checkpoint(tmp_path, LARGER)
    export_onnx(path, tmp_path / "half.onnx")
    asked = export_onnx(path, tmp_path / "asked.onnx", bits=32)
    monkeypatch.setitem(exporter.ROUNDING_LIMITS_DB, 16, -120.0)
    heard = export_onnx(path, tmp_path / "heard.onnx")
    assert (asked.bits, asked.rounding_db, heard.bits) == (32, None, 32)
    assert heard.rounding_db > -120
    assert (tmp_path / "asked.onnx").read_bytes() == (tmp_path / "heard.onnx").read_bytes()
    assert (tmp_path / "half.onnx").stat().st_size < 0.65 * (tmp_path / "asked.onnx").stat().st_size
    weights = load_checkpoint(tmp_path / "heard.onnx")[0].state_dict()
    assert all(torch.equal(values, weights[name]) for name, values in model.state_dict().items())


def test_the_card_may_come_from_another_recipe(tmp_path):
    _, path = checkpoint(tmp_path, TINY)
    (tmp_path / "other.toml").write_text(
        '[card]\nname = "other"\nlicence = "CC BY-NC-SA 4.0"\nterms = "for non-commercial use"\n'
    )
    arguments = ["export", path, "-o", tmp_path / "m.onnx", "--card", tmp_path / "other.toml"]
    done = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.stderr
    info = Session(tmp_path / "m.onnx").info
    assert (info.card["name"], info.licence, info.card["terms"]) == (
        "other",
        "CC BY-NC-SA 4.0",
        "for non-commercial use",
    )
    assert info.card["description"] == ""


def test_what_is_no_exported_model_is_refused(tmp_path):
    _, path = checkpoint(tmp_path, LARGER)
    export_onnx(path, tmp_path / "nameless.onnx")
    graph = onnx.load(str(tmp_path / "nameless.onnx"))
    for tensor in graph.graph.initializer:
        tensor.name = tensor.name.removeprefix(PREFIX)
    onnx.save(graph, str(tmp_path / "nameless.onnx"))
    with pytest.raises(ModelError, match="does not hold its weights by name"):
        load_checkpoint(tmp_path / "nameless.onnx")
    with pytest.raises(ModelError, match="no checkpoint at"):
        load_checkpoint(tmp_path / "nosuch.onnx")
    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(ModelError, match="is not a model of `stemlive export`"):
        load_checkpoint(tmp_path / "text.onnx")


INTEGERS = {
    "mingru": LARGER,
    "lstm": dataclasses.replace(TINY, feature_dim=24),
    "global": dataclasses.replace(
        LARGER, band_layer="global", narrow_dim=30, num_repeat=2, lookahead_frames=2, filter_taps=3, filter_ahead=1
    ),
}


@pytest.mark.parametrize("config", INTEGERS.values(), ids=INTEGERS)
def test_products_of_8_bits_say_nearly_the_same_whatever_the_number_of_hops_at_once(config, tmp_path):
    _, path = checkpoint(tmp_path, config)
    export_onnx(path, tmp_path / "whole.onnx", bits=32)
    parity = export_onnx(path, tmp_path / "small.onnx", bits=8, int8=True)
    whole, small = (Session(tmp_path / name) for name in ("whole.onnx", "small.onnx"))
    assert small.info == dataclasses.replace(whole.info, integers=True)
    assert (tmp_path / "small.onnx").stat().st_size < 0.5 * (tmp_path / "whole.onnx").stat().st_size
    graph = onnx.load(str(tmp_path / "small.onnx")).graph
    numbers = {tensor.name: tensor.data_type for tensor in graph.initializer}
    products = [node for node in graph.node if node.op_type == "MatMulInteger"]
    large = [n for n, kind in numbers.items() if n.startswith(PREFIX) and kind == onnx.TensorProto.UINT8]
    assert len(products) == len(large) > 5
    floats = [node.input[1] for node in graph.node if node.op_type == "MatMul"]
    assert not [name for name in floats if name.startswith(PREFIX) and numbers[name] != onnx.TensorProto.FLOAT]
    assert 1e-4 < parity.onnx < exporter.INT8_LIMIT  # rounded, and not by much
    assert parity.state_change > 0
    mixture = 0.1 * np.random.default_rng(0).standard_normal((20 * 512, 2)).astype(np.float32)
    stems = [Separator(session).process(mixture) for session in (whole, small)]
    error = np.square(stems[0] - stems[1]).sum() / np.square(stems[0]).sum()
    assert 10 * np.log10(error) < -35
    one = Separator(Session(tmp_path / "small.onnx"))
    single = np.concatenate([one.process(block) for block in np.split(mixture, 20)], axis=1)
    np.testing.assert_array_equal(single, stems[1])
    assert not [name for name in tmp_path.iterdir() if name.name.startswith(".")]


@pytest.mark.parametrize("int8", [False, True])
def test_values_between_the_nodes_are_numbered_and_only_what_is_asked_for_has_a_name(int8, tmp_path):
    model, path = checkpoint(tmp_path, LARGER)
    export_onnx(path, tmp_path / "m.onnx", bits=8, int8=int8)
    graph = onnx.load(str(tmp_path / "m.onnx")).graph
    asked = [value.name for value in graph.output]
    made = [name for node in graph.node for name in node.output if name and name not in asked]
    assert made == [f"v{number}" for number in range(len(made))]
    weights = {PREFIX + name for name in model.state_dict()}
    assert weights <= {tensor.name for tensor in graph.initializer}
    assert not [node.name for node in graph.node if node.name]


def test_weights_of_products_of_8_bits_are_read_back(tmp_path):
    model, path = checkpoint(tmp_path, LARGER)
    export_onnx(path, tmp_path / "small.onnx", bits=8, int8=True)
    again, _ = load_checkpoint(tmp_path / "small.onnx")
    expected = rounded(model, 8).state_dict()
    for name, values in again.state_dict().items():
        torch.testing.assert_close(values, expected[name], atol=0, rtol=0)
    export_onnx(tmp_path / "small.onnx", tmp_path / "again.onnx", bits=8, int8=True)
    assert (tmp_path / "again.onnx").read_bytes() == (tmp_path / "small.onnx").read_bytes()


@pytest.mark.parametrize("config", INTEGERS.values(), ids=INTEGERS)
def test_three_weights_in_16_bits_say_the_same_in_two_thirds_of_the_space_and_come_back(config, tmp_path, monkeypatch):
    model, path = checkpoint(tmp_path, config)
    assert export_onnx(path, tmp_path / "small.onnx", bits=5, int8=True).bits == 5
    expected = rounded(model, 5).state_dict()
    again, provenance = load_checkpoint(tmp_path / "small.onnx")
    assert (again.config, provenance) == (config, PROVENANCE)
    for name, values in again.state_dict().items():
        torch.testing.assert_close(values, expected[name], atol=0, rtol=0)
    large = [values for name, values in expected.items() if values.numel() >= 1024 and "bias" not in name]
    assert all(len(row.unique()) <= 39 for values in large if values.ndim == 2 for row in values)
    export_onnx(tmp_path / "small.onnx", tmp_path / "again.onnx", bits=5, int8=True)
    assert (tmp_path / "again.onnx").read_bytes() == (tmp_path / "small.onnx").read_bytes()

    monkeypatch.setattr(exporter, "pack_threes", lambda graph: None)
    export_onnx(path, tmp_path / "bytes.onnx", bits=5, int8=True)
    size, whole = ((tmp_path / name).stat().st_size for name in ("small.onnx", "bytes.onnx"))
    tensors = onnx.load(str(tmp_path / "bytes.onnx")).graph.initializer
    packed = [np.prod(tensor.dims) for tensor in tensors if tensor.data_type == onnx.TensorProto.UINT8 and tensor.dims]
    assert len(packed) > 5
    assert sum(packed) / 3 - 300 * len(packed) - 1000 < whole - size < sum(packed) / 3  # shapes and nodes take a little
    sessions = [Session(tmp_path / name) for name in ("small.onnx", "bytes.onnx")]
    assert sessions[0].info == sessions[1].info
    mixture = 0.1 * np.random.default_rng(0).standard_normal((20 * 512, 2)).astype(np.float32)
    stems = [Separator(session).process(mixture) for session in sessions]
    assert np.abs(stems[0]).max() > 1e-3
    np.testing.assert_array_equal(*stems)


def test_a_hop_does_not_take_weights_apart(tmp_path):
    _, path = checkpoint(tmp_path, LARGER)
    export_onnx(path, tmp_path / "m.onnx", bits=5, int8=True)
    asked = ort.SessionOptions()
    asked.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    asked.optimized_model_filepath = str(tmp_path / "as-run.onnx")
    ort.InferenceSession(tmp_path / "m.onnx", asked)
    stored, run = ([n.op_type for n in onnx.load(str(tmp_path / f"{f}.onnx")).graph.node] for f in ("m", "as-run"))
    assert (stored.count("Range"), stored.count("Mod")) == (1, 1)
    assert not {"Range", "Mod"}.intersection(run)
    assert run.count("MatMulInteger") + run.count("MatMulIntegerToFloat") > 5


def test_weights_of_8_bits_that_say_something_else_are_not_written(tmp_path, monkeypatch):
    _, path = checkpoint(tmp_path, TINY)
    monkeypatch.setattr(exporter, "INT8_LIMIT", 1e-9)
    with pytest.raises(ModelError, match="off, more than 1e-09: it was not written"):
        export_onnx(path, tmp_path / "small.onnx", bits=8, int8=True)
    assert not list(tmp_path.glob("*.onnx"))
