"""Models with look-ahead: how late their stems are, what those know, and what is heard where a hop is left out."""

import dataclasses

import numpy as np
import pytest
import torch
from deep_filters import let_only_a_tap_through

from stemlive.errors import UsageError
from stemlive.export.exporter import export_onnx
from stemlive.model.bsrnn import BSRNN
from stemlive.model.checkpoint import save_checkpoint
from stemlive.model.config import ModelConfig
from stemlive.model.framing import Framing
from stemlive.realtime.engine.path import LivePath
from stemlive.realtime.model_file.session import Session
from stemlive.realtime.separation.offline import separate_blocks
from stemlive.realtime.separation.separator import Separator
from stemlive.training.grow import start_model
from stemlive.training.inference import separate_batch

HOP, FRAMES = 512, 3
LATE = FRAMES * HOP
LIVE = ModelConfig(feature_dim=8, num_repeat=2, band_scheme="v3")
AHEAD = dataclasses.replace(LIVE, lookahead_frames=FRAMES)
FILTERED = dataclasses.replace(AHEAD, filter_taps=2, filter_ahead=3)
GAINS = np.ones(4, np.float32)


def model(config=AHEAD):
    torch.manual_seed(3)
    return BSRNN(config).eval()


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ahead")
    save_checkpoint(model(), folder / "m.pt", {})
    export_onnx(folder / "m.pt", folder / "m.onnx", bits=32)
    return folder / "m.onnx"


def noise(count, seed=5):
    return (0.1 * np.random.default_rng(seed).standard_normal((count, 2))).astype(np.float32)


@pytest.mark.parametrize("config", [AHEAD, FILTERED])
def test_a_frame_hears_so_many_frames_after_it_and_no_more(config):
    bsrnn, frames = model(config), torch.randn(1, 12, 1025, 2, 2)
    changed = frames.clone()
    changed[:, 8] += 1
    with torch.no_grad():
        before, after = (bsrnn(x, bsrnn.initial_state(1))[0] for x in (frames, changed))
    differs = [not torch.equal(before[:, :, t], after[:, :, t]) for t in range(12)]
    # Output t is about frame t - 3: what comes in as frame 8 is heard at once, in the stems of frame 5.
    assert differs == [False] * 8 + [True] * 4
    early = before[:, :, :FRAMES]  # due before the first
    assert early.sum(1).abs().max() < 1e-6
    assert bool(early.any()) == (config is FILTERED)  # which moves what is to come from stem to stem


@pytest.mark.parametrize("parts", [(12,), (1,) * 12, (2, 7, 3)])
def test_a_filter_takes_of_the_frames_to_come(parts):
    """Taps set by hand: voices get what comes two frames later, times 2 - i, and nothing of the frame before."""
    bsrnn, frames = model(dataclasses.replace(FILTERED, filter_top_hz=22050.0)), torch.randn(1, 12, 1025, 2, 2)
    let_only_a_tap_through(bsrnn.mask, 2, (2.0, -1.0))  # the taps: one frame before, one, two, three to come
    with torch.no_grad():
        state, results = bsrnn.initial_state(1), []
        for part in frames.split(parts, dim=1):
            stems, state = bsrnn(part, state)
            results.append(stems)
    result, x = torch.view_as_complex(torch.cat(results, dim=2)), torch.view_as_complex(frames)
    due = torch.cat([torch.zeros_like(x[:, :FRAMES]), x[:, :-FRAMES]], dim=1)
    to_come = torch.cat([torch.zeros_like(x[:, : FRAMES - 2]), x[:, : 2 - FRAMES]], dim=1) * (2 - 1j)
    expected = torch.stack([0.75 * to_come, *[-0.25 * to_come] * 3], dim=1) + 0.25 * due.unsqueeze(1)
    torch.testing.assert_close(result, expected, atol=1e-5, rtol=1e-5)


def test_a_whole_song_lines_up_and_the_stems_sum_to_it():
    audio = torch.from_numpy(noise(20000).T.copy()).unsqueeze(0)
    stems = separate_batch(model(), Framing(AHEAD.framing), audio)
    assert stems.shape == (1, 4, 2, 20000)
    assert torch.allclose(stems.sum(1), audio, atol=1e-5)


@pytest.mark.parametrize("rate_hz", [44100, 48000])
def test_the_stream_lines_up_at_the_latency(path, rate_hz):
    separator = Separator(Session(path), sample_rate_hz=rate_hz)
    seconds = separator.latency_samples / rate_hz
    assert 0 <= seconds - (1024 + LATE) / 44100 < 0.004  # what the resampling filters look ahead
    audio = noise(3 * rate_hz // 2)
    if rate_hz != 44100:  # nothing near the filters' edge
        spectrum = np.fft.rfft(audio, axis=0)
        spectrum[len(spectrum) // 2 :] = 0
        audio = np.fft.irfft(spectrum, len(audio), axis=0).astype(np.float32)
    blocks = np.split(audio, np.arange(700, len(audio), 700))
    stems = np.concatenate(list(separate_blocks(separator, blocks)), axis=1)
    assert stems.shape == (4, *audio.shape)
    inner = slice(rate_hz // 10, -rate_hz // 10)
    assert np.abs(stems.sum(0) - audio)[inner].max() < 2e-4


def test_whole_song_and_stream_are_alike(path):
    audio = noise(20 * HOP)
    whole = separate_batch(model(), Framing(AHEAD.framing), torch.from_numpy(audio.T.copy()).unsqueeze(0))[0]
    stems = np.concatenate(list(separate_blocks(Separator(Session(path)), np.split(audio, 10))), axis=1)
    assert np.abs(stems - whole.numpy().transpose(0, 2, 1)).max() < 1e-4


def live_mix(path, audio, *, unseparated=()):
    """The mix of a live path, hop by hop, from the hop on that gives the first sample."""
    live = LivePath(Session(path), sample_rate_hz=44100, channels=2, block_samples=HOP)
    parts = []
    for number, block in enumerate(np.split(audio, len(audio) // HOP)):
        for _ in range(live.write(block)):
            live.run(GAINS, separated=number not in unseparated)
        parts.append(live.read()[0].copy())
    return live, np.concatenate(parts)


def test_a_hop_that_is_left_out_moves_nothing(path):
    audio = noise(30 * HOP)
    live, mix = live_mix(path, audio)
    assert live.behind_samples == 1024 + LATE
    assert len(mix) == len(audio) - live.behind_samples + HOP
    assert np.abs(mix - audio[: len(mix)]).max() < 1e-5
    _, with_gaps = live_mix(path, audio, unseparated=(1, 9, 10, 20))
    assert np.abs(with_gaps - audio[: len(mix)]).max() < 1e-5  # all stems at unity: the mixture, where it was


def test_after_a_jump_what_was_held_back_is_heard(path):
    audio = noise(30 * HOP)
    live = LivePath(Session(path), sample_rate_hz=44100, channels=2, block_samples=HOP)
    parts = []
    for number, block in enumerate(np.split(audio, 30)):
        if number == 12:
            live.forget()
        for _ in range(live.write(block)):
            live.run(GAINS)
        parts.append(live.read()[0].copy())
    mix = np.concatenate(parts)
    assert np.abs(mix - audio[: len(mix)]).max() < 1e-5


@pytest.mark.parametrize("blocks", [2, 4])
def test_a_model_without_grows_into_one_with_it(tmp_path, blocks):
    save_checkpoint(model(LIVE), tmp_path / "m.pt", {})
    grown, _ = start_model(dataclasses.replace(AHEAD, num_repeat=blocks), tmp_path / "m.pt")
    audio = torch.from_numpy(noise(44100).T.copy()).unsqueeze(0)
    framing = Framing(LIVE.framing)
    before, after = separate_batch(model(LIVE), framing, audio), separate_batch(grown.eval(), framing, audio)
    error_db = 10 * torch.log10((before - after).square().sum() / before.square().sum())
    assert error_db < -20  # the second half of the blocks begins a few frames of silence earlier
    assert all(not p.any() for p in grown.ahead[0].proj.parameters())


@pytest.mark.parametrize("other", [{"panning": True}, {"causal": False}, {"num_repeat": 1}, {"stereo": "mono"}])
def test_what_it_cannot_be_with_is_told(other):
    with pytest.raises(UsageError, match="lookahead_frames needs causal = true"):
        dataclasses.replace(AHEAD, **other)


@pytest.mark.parametrize("other", [{"filter_taps": 1}, {"filter_ahead": 4}, {"lookahead_frames": 0}])
def test_taps_to_come_need_frames_to_come(other):
    with pytest.raises(UsageError, match="needs filter_taps of 2 or more, and lookahead_frames"):
        dataclasses.replace(FILTERED, **other)
