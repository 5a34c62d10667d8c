"""Training data: what is found and decoded, active passages, augmentation, and the segments that are mixed of it."""

import dataclasses
import json

import numpy as np
import pytest
import scipy.signal
import soundfile
import torch
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from tone_corpus import RATE, make_corpus, write_tone

from stemlive.cli import main
from stemlive.errors import AudioFileError, TrainingError, UsageError
from stemlive.model.config import STEMS
from stemlive.training.activity import ActivityConfig, active_passages, detect, draw_start
from stemlive.training.augment import (
    change_pitch_and_tempo,
    change_speed,
    double,
    echo,
    equalise_and_reverberate,
    lossy_codec,
    low_pass,
    overdrive,
    swap_and_flip,
    widen,
)
from stemlive.training.drawing import WeightedDraw, song_sources
from stemlive.training.layout import MUSDB18_VALIDATION, find_audio, song_folders
from stemlive.training.loose import LooseConfig, LooseStems
from stemlive.training.mixing import MixConfig, SegmentMixer, restrict_groups
from stemlive.training.recipe import read_recipe
from stemlive.training.recordings import decode
from stemlive.training.references import load_reference
from stemlive.training.scores import usdr
from stemlive.training.sources import Sources, scan

STEP = 1 / 32768


@pytest.fixture
def corpus(tmp_path):
    return make_corpus(tmp_path / "corpus")


@pytest.fixture
def sources(corpus, tmp_path):
    return scan([corpus], tmp_path / "cache", RATE)


def write(path, audio, rate=RATE):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, audio, rate, format="WAV", subtype="FLOAT")


def run(*arguments):
    return CliRunner().invoke(main, list(map(str, arguments)))


# What is found


def test_scan_finds_songs_and_pools_and_resamples(sources):
    assert {song: sorted(stems) for song, stems in sources.songs.items()} == {
        "full": ["bass", "drums", "other", "vocals"],
        "nobass": ["drums", "other", "vocals"],
    }
    assert sources.pools["bass"]["upright"][0].num_samples == 2 * RATE
    mono = sources.pools["vocals"]["choir"][0].read(100, 50)
    assert mono.shape == (50, 2)
    assert np.array_equal(mono[:, 0], mono[:, 1])
    past_the_end = sources.songs["full"]["bass"].read(2 * RATE - 10, 30)
    assert past_the_end[:10].any()
    assert not past_the_end[10:].any()


@pytest.fixture
def musdb(tmp_path):
    """MUSDB18-HQ as it is unpacked, three songs of it, each with a mixture that its stems do not quite add up to."""
    root = tmp_path / "musdb18hq"
    for song in ("train/ANiMAL - Rockshow", "train/Music Delta - Rock", "test/AM Contra - Heart Peripheral"):
        total = 0
        for index, stem in enumerate(STEMS):
            audio = np.random.default_rng(index).uniform(-0.1, 0.1, (RATE, 2))
            write(root / song / f"{stem}.wav", audio)
            total = total + audio
        write(root / song / "mixture.wav", total + 0.01)
    return root


def test_musdb_as_it_is_unpacked_has_three_splits(musdb, tmp_path):
    assert len(MUSDB18_VALIDATION) == 14
    names = {split: [folder.name for folder in song_folders(musdb, split)] for split in ("train", "valid", "test")}
    assert names == {
        "train": ["Music Delta - Rock"],
        "valid": ["ANiMAL - Rockshow"],
        "test": ["AM Contra - Heart Peripheral"],
    }
    (musdb / "valid/Mine").mkdir(parents=True)
    assert [folder.name for folder in song_folders(musdb, "valid")] == ["Mine"]
    assert [folder.name for folder in song_folders(musdb, "train")] == ["Music Delta - Rock"]


def test_the_mixture_file_is_what_is_separated_and_not_trained_on(musdb, tmp_path):
    cache = tmp_path / "cache"
    train = scan([musdb], cache, RATE)
    assert sorted(train.songs["Music Delta - Rock"]) == sorted(STEMS)
    assert len(list(cache.glob("*.npy"))) == 4
    song = scan([musdb], cache, RATE, "test", scoring=True).songs["AM Contra - Heart Peripheral"]
    reference = load_reference(song, "song", RATE)
    assert sorted(reference.tracks) == sorted(STEMS)
    apart = reference.mixture - torch.stack(list(reference.tracks.values())).sum(0)
    assert apart.numpy() == pytest.approx(np.full((2, RATE), 0.01), abs=5 / 32768)
    del song["mixture"]
    summed = load_reference(song, "song", RATE)
    assert torch.equal(summed.mixture, torch.stack(list(summed.tracks.values())).sum(0))


def test_musdb_songs_are_drawn_alike_and_series_by_their_root():
    assert song_sources(
        ["Music Delta - Disco", "Music Delta - Rock", "mdn-multitrack", "band-a-0", "band-b-1", "X"]
    ) == {
        "song/Music Delta - Disco": ["Music Delta - Disco"],
        "song/Music Delta - Rock": ["Music Delta - Rock"],
        "song/X": ["X"],
        "song/band": ["band-a-0", "band-b-1"],
        "song/mdn": ["mdn-multitrack"],
    }
    draw = WeightedDraw({"four": [1, 2, 3, 4], "one": [5], "never": [6]}, {"never": 0, "one": 3.0})
    drawn = [draw.draw(np.random.default_rng(seed)) for seed in range(1000)]
    assert 6 not in drawn
    assert drawn.count(5) / 1000 == pytest.approx(3 / 5, abs=0.05)
    assert not WeightedDraw({}, {})


def test_songs_of_one_name_in_two_roots_are_two_songs(corpus, tmp_path):
    other = make_corpus(tmp_path / "other")
    assert sorted(find_audio([corpus, other, corpus]).songs) == [
        "full",
        f"full ({other})",
        "nobass",
        f"nobass ({other})",
    ]


def test_what_cannot_be_used_is_named_once_and_the_rest_goes_on(tmp_path, caplog):
    root = tmp_path / "data"
    song, pool = root / "train/song", root / "pool/vocals/choir"
    tone = 0.1 * np.sin(np.arange(RATE) / 10)
    write(song / "vocals.wav", np.stack([tone] * 8, axis=1))
    write(song / "drums.wav", np.where(np.arange(RATE) == 5, np.nan, tone))
    write(song / "bass.wav", np.zeros(RATE))
    write(song / "other.WAV", tone[: RATE // 2])
    write(song / "guitar.wav", tone)
    write(root / "train/mute/vocals.wav", np.zeros(RATE))
    write(pool / "good.wav", tone)
    write(pool / "short.wav", np.zeros((0, 2)))
    write(root / "pool/cowbell/1.wav", tone)
    write(root / "pool/accompaniment/openclonk-data/1.wav", tone)
    (pool / "empty.flac").touch()
    (pool / "text.ogg").write_text("no audio")
    (pool / "song.mp3").write_text("no audio")
    (pool / "LICENCE.txt").write_text("free")
    (pool / "gone.wav").symlink_to(tmp_path / "nowhere")
    (pool / "cut.flac").write_bytes(b"")
    soundfile.write(pool / "whole.flac", np.random.default_rng(0).uniform(-0.5, 0.5, RATE), RATE)
    (pool / "cut.flac").write_bytes((pool / "whole.flac").read_bytes()[:20000])
    found = scan([root], tmp_path / "cache", RATE)
    assert {kind: r.num_samples for kind, r in found.songs["song"].items()} == {
        "vocals": RATE,
        "bass": RATE,
        "other": RATE // 2,
    }
    assert list(found.songs) == ["song"]
    assert [r.name for r in found.pools["vocals"]["choir"]] == ["vocals/choir/good.wav", "vocals/choir/whole.flac"]
    reasons = {path.relative_to(root).as_posix(): reason.split(":")[0] for path, reason in found.skipped.items()}
    assert reasons == {
        "train/song/drums.wav": "holds samples that are not numbers (NaN or infinite)",
        "train/song/bass.wav": "silent",
        "train/song/guitar.wav": "no stem of that name",
        "train/mute/vocals.wav": "silent",
        "train/mute": "no stem in which there is sound",
        "pool/cowbell": "no stem of that name",
        "pool/accompaniment/openclonk-data": "kept for validation",
        "pool/vocals/choir/cut.flac": "not whole",
        "pool/vocals/choir/empty.flac": "cannot be read",
        "pool/vocals/choir/gone.wav": "cannot be read",
        "pool/vocals/choir/short.wav": "cannot be read",
        "pool/vocals/choir/song.mp3": "neither WAV, FLAC nor OGG",
        "pool/vocals/choir/text.ogg": "cannot be read",
    }
    assert [record.message.split(":")[0] for record in caplog.records] == [f"skipped {path}" for path in found.skipped]
    caplog.clear()
    scan([root], tmp_path / "cache", RATE, quiet=True)
    assert not caplog.records
    mixer = SegmentMixer(found, MixConfig(segment_s=0.5), RATE, 512, 0)
    assert all(torch.isfinite(mixer[index]["targets"]).all() for index in range(10))


def test_a_root_without_anything_usable_is_one_error(tmp_path):
    write(tmp_path / "mute/train/song/vocals.wav", np.zeros(RATE))
    with pytest.raises(TrainingError, match=r"mute can be used: .*vocals.wav: silent"):
        scan([tmp_path / "mute"], tmp_path / "cache", RATE)
    with pytest.raises(TrainingError, match="check `roots`"):
        scan([tmp_path / "cache"], tmp_path / "cache", RATE)
    with pytest.raises(AudioFileError, match="No such file"):
        decode(tmp_path / "none.wav", tmp_path / "cache", RATE)


def test_a_song_is_scored_only_when_all_of_it_can_be_read(corpus, tmp_path, caplog):
    write_tone(corpus / "valid/broken/vocals.wav", 440.0)
    (corpus / "valid/broken/drums.wav").write_text("no audio")
    found = scan([corpus], tmp_path / "cache", RATE, "valid", scoring=True)
    assert list(found.songs) == ["unseen"]
    assert "valid/broken: not scored" in caplog.text


def test_a_silent_bass_is_known_to_be_silent_and_a_missing_one_is_not(tmp_path):
    for song in ("mute", "missing"):
        write_tone(tmp_path / "train" / song / "vocals.wav", 440.0)
        write_tone(tmp_path / "train" / song / "other.wav", 1000.0)
    write(tmp_path / "train/mute/bass.wav", np.zeros(2 * RATE))
    songs = scan([tmp_path], tmp_path / "cache", RATE).songs
    mute, missing = (load_reference(songs[name], name, RATE) for name in ("mute", "missing"))
    assert (sorted(mute.tracks), mute.silent) == (["other", "vocals"], ("drums", "bass"))
    assert (sorted(missing.tracks), missing.silent) == (["bass+other", "vocals"], ("drums",))
    config = MixConfig(segment_s=0.5, share_accompaniment=0, share_random=0, share_song=1)
    groups = [SegmentMixer(Sources({"it": songs[n]}), config, RATE, 512, 0)[0]["groups"] for n in ("mute", "missing")]
    assert torch.equal(groups[0], torch.eye(4))
    assert groups[1].tolist() == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 1, 1]]


# What becomes of the samples


def test_a_stem_beyond_full_scale_is_scored_by_its_own_samples(tmp_path):
    """Clipped at full scale it would score 13.7 dB against itself."""
    loud = np.random.default_rng(1).uniform(-1, 1, (RATE, 2)).astype(np.float32) * np.float32(10 ** (3 / 20))
    write(tmp_path / "valid/loud/vocals.wav", loud)
    write(tmp_path / "valid/loud/mixture.wav", 1.1 * loud)
    song = scan([tmp_path], tmp_path / "cache", RATE, "valid", scoring=True).songs["loud"]
    reference = load_reference(song, "loud", RATE)
    assert torch.equal(reference.tracks["vocals"], torch.from_numpy(loud.T.copy()))
    assert torch.equal(reference.mixture, torch.from_numpy(np.float32(1.1 * loud).T.copy()))
    assert usdr(torch.from_numpy(loud.T.copy()), reference.tracks["vocals"]) > 100


@pytest.mark.parametrize("peak", [0.001, 0.5, 1.0, 1.413, 30.0])
def test_to_train_on_samples_are_rounded_to_steps_and_none_is_clipped(tmp_path, peak):
    audio = np.random.default_rng(1).uniform(-1, 1, (RATE, 2))
    audio = (audio * peak / audio.max()).astype(np.float32)
    write(tmp_path / "a.wav", audio)
    recording = decode(tmp_path / "a.wav", tmp_path, RATE)
    assert recording.numbers().dtype == np.int16
    assert recording.step == pytest.approx(max(1 / 32768, audio.max() / 32767, -audio.min() / 32768), rel=1e-6)
    apart = np.abs(recording.read(0, RATE).astype(np.float64) - audio)
    assert apart.max() <= 0.51 * recording.step
    assert recording.rms == pytest.approx(np.sqrt(np.mean(np.square(audio.astype(np.float64)))), rel=0.01)


def test_16_bits_are_kept_as_they_are(tmp_path):
    numbers = np.arange(-32768, 32768, dtype=np.int16).reshape(-1, 2)
    soundfile.write(tmp_path / "a.wav", numbers, RATE, subtype="PCM_16")
    recording = decode(tmp_path / "a.wav", tmp_path, RATE)
    assert recording.step == 1 / 32768
    assert np.array_equal(recording.numbers(), numbers)
    exact = decode(tmp_path / "a.wav", tmp_path, RATE, exact=True)
    assert np.array_equal(exact.read(0, 32768), recording.read(0, 32768))
    assert exact.rms == recording.rms


def test_what_a_kill_left_of_the_cache_is_decoded_again(tmp_path):
    write_tone(tmp_path / "a.wav", 440.0)
    first = decode(tmp_path / "a.wav", tmp_path, RATE)
    audio = first.read(0, RATE)
    for suffix in (".npy", ".json"):
        first.cache_file.with_suffix(suffix).unlink()
        again = decode(tmp_path / "a.wav", tmp_path, RATE)
        assert again == first
        assert np.array_equal(again.read(0, RATE), audio)
    for suffix in (".npy", ".json", ".sad"):
        passages = active_passages(first, RATE)
        damaged = first.cache_file.with_suffix(suffix)
        whole = damaged.read_bytes()
        for rest in (b"", whole[: len(whole) // 2]):
            damaged.write_bytes(rest)
            assert decode(tmp_path / "a.wav", tmp_path, RATE) == first
            assert active_passages(first, RATE).tolist() == passages.tolist()
            assert damaged.read_bytes() == whole


# prepare


def test_prepare_fills_the_cache_once_and_says_what_there_is(corpus, tmp_path):
    (corpus / "train/full/drums.wav").write_text("no audio")
    cache = tmp_path / "cache"
    printed = run("prepare", "--data", corpus, "--cache", cache, "--sad", "--workers", "2")
    assert printed.exit_code == 0, printed.output
    assert "skipped" in printed.stderr
    assert [line.split() for line in printed.stdout.splitlines()[:3]] == [
        ["train:", "2", "songs", "h", "in", "songs", "h", "in", "pool", "active"],
        ["vocals", "0.00", "0.00", "100%"],
        ["drums", "0.00", "0.00", "100%"],
    ]
    made = {path: path.stat().st_mtime_ns for path in cache.iterdir()}
    assert {path.suffix for path in made} == {".npy", ".json", ".sad"}
    report = json.loads(run("prepare", "--data", corpus, "--cache", cache, "--sad", "--json").stdout)
    assert report["splits"]["train"]["hours"]["vocals"] == {
        "songs": pytest.approx(4 / 3600),
        "pool": pytest.approx(2 / 3600),
    }
    assert list(report["splits"]) == ["train", "valid"]
    assert list(report["skipped"]) == [str(corpus / "train/full/drums.wav")]
    scan([corpus], cache, RATE)
    scan([corpus], cache, RATE, "valid", scoring=True)
    assert {path: path.stat().st_mtime_ns for path in cache.iterdir()} == made


def test_prepare_refuses_what_it_cannot_do(corpus, tmp_path):
    (tmp_path / "bare").mkdir()
    (tmp_path / "full").write_text("a file where the cache should be")
    for arguments, code, message in (
        (["--data", tmp_path / "none"], 2, "does not exist: check the path"),
        (["--data", corpus, "--data", tmp_path / "bare"], 1, "bare has no audio in train or valid or test"),
    ):
        refused = run("prepare", *arguments, "--cache", tmp_path / "cache")
        assert refused.exit_code == code
        assert message in refused.stderr


# Active passages


def test_active_passages_of_a_signal_with_known_silences():
    """At 100 Hz a window is 600 samples, of chunks of 60, every 300. A rising signal where it says, else silence."""
    rising = np.repeat(np.arange(3000, 6000, dtype=np.int16)[:, None], 2, axis=1)
    loud = np.zeros_like(rising)
    loud[360:900] = rising[360:900]  # 9 chunks of 10 in the window at 300; 4 in the first; 5 in the one at 600
    loud[1800:2700] = rising[1800:2700]
    assert detect(loud, STEP, 100).tolist() == [[300, 900], [1800, 2700]]
    loud[2700:2760] = rising[2700:2760]  # now 6 chunks of the window at 2400, which only then counts
    assert detect(loud, STEP, 100).tolist() == [[300, 900], [1800, 3000]]
    loud[:, 1] = 0
    assert detect(loud, STEP, 100).tolist() == []  # both channels must sound
    quiet = np.full((600, 1), 32, np.int16)  # RMS 0.00098
    assert detect(quiet, STEP, 100).tolist() == []
    quiet[240:] = 33  # RMS 0.00101 in 6 chunks
    assert detect(quiet, STEP, 100).tolist() == [[0, 600]]
    quiet[240:300] = 32
    assert detect(quiet, STEP, 100).tolist() == []


def test_the_threshold_is_a_quantile_of_the_window():
    """Of ten chunks at 1 to 10 the 15 % quantile lies at 2.35: eight are above."""
    steps = np.repeat(np.arange(1, 11, dtype=np.int16) * 1000, 60)[:, None]
    for share, kept in ((0.79, [[0, 600]]), (0.8, [])):
        assert detect(steps, STEP, 100, ActivityConfig(active_share=share)).tolist() == kept


def test_active_passages_are_kept_beside_the_audio_with_the_numbers_that_made_them(tmp_path):
    samples = np.zeros(12 * RATE)
    samples[: 5 * RATE] = 0.1
    write(tmp_path / "a.wav", samples)
    (tmp_path / "cache").mkdir()
    recording = decode(tmp_path / "a.wav", tmp_path, RATE)
    assert active_passages(recording, RATE).tolist() == [[0, 6 * RATE]]
    kept = recording.cache_file.with_suffix(".sad")
    kept.write_text(kept.read_text().replace("[[0, 264600]]", "[[7, 264600]]"))
    assert active_passages(recording, RATE)[0, 0] == 7
    assert active_passages(recording, RATE, ActivityConfig(active_share=0.9)).tolist() == []
    assert active_passages(recording, RATE).tolist() == [[0, 6 * RATE]]


def test_starts_are_drawn_within_passages_all_places_alike():
    passages = np.array([[100, 110], [200, 205], [300, 330]])
    drawn = [draw_start(passages, 9, np.random.default_rng(seed)) for seed in range(3000)]
    assert set(drawn) == {100, 101, *range(300, 322)}
    assert drawn.count(101) / 3000 == pytest.approx(1 / 24, abs=0.015)
    assert {draw_start(passages, 50, np.random.default_rng(seed)) for seed in range(50)} == {100, 200, 300}


def test_with_sad_loose_stems_come_from_active_passages(tmp_path):
    samples = np.zeros(30 * RATE)
    samples[12 * RATE : 18 * RATE] = np.linspace(0.1, 0.2, 6 * RATE)
    write(tmp_path / "pool/bass/a/1.wav", samples)
    write(tmp_path / "pool/bass/a/2.wav", np.where(np.arange(30 * RATE) < RATE, 0.1, 0))
    found = scan([tmp_path], tmp_path / "cache", RATE)
    config = MixConfig(tries=1, drop_stem_p=0, speed_p=0, effect_p=0)
    levels = {}
    for sad in (True, False):
        loose = LooseStems(found, dataclasses.replace(config, sad=sad), RATE, RATE)
        levels[sad] = [np.abs(loose.draw("bass", np.random.default_rng(seed))[0]).min() for seed in range(40)]
    assert min(levels[True]) > 0.01
    assert sum(level == 0 for level in levels[False]) > 20


# Segments


def test_segments_are_a_function_of_seed_and_index(sources):
    first, again, other = (SegmentMixer(sources, MixConfig(segment_s=0.5), RATE, 512, seed) for seed in (1, 1, 2))
    for index in (0, 7, 12345678):
        assert torch.equal(first[index]["targets"], again[index]["targets"])
    assert not torch.equal(first[3]["targets"], other[3]["targets"])
    assert not torch.equal(first[3]["targets"], first[4]["targets"])


def test_segments_hold_what_their_groups_say(sources):
    mixer = SegmentMixer(sources, MixConfig(segment_s=0.5), RATE, 512, 0)
    kinds = set()
    for index in range(60):
        item = mixer[index]
        targets, groups = item["targets"], item["groups"]
        assert targets.shape == (4, 2, 22016)
        assert groups.sum(0).max() <= 1
        assert float(targets.sum(0).abs().max()) <= 1 + 1e-5
        assert not targets[groups.sum(1) == 0].any()
        assert torch.isfinite(targets).all()
        kinds.add(tuple(map(tuple, groups.int().tolist())))
    accompaniment = ((1, 0, 0, 0), (0, 1, 1, 1), (0, 0, 0, 0), (0, 0, 0, 0))
    no_bass = ((1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 0, 0), (0, 0, 1, 1))
    assert kinds == {tuple(map(tuple, np.eye(4, dtype=int).tolist())), accompaniment, no_bass}


def test_low_band_recordings_end_the_whole_mixture(corpus, tmp_path):
    (corpus / "pool/vocals/choir").rename(corpus / "pool/vocals/choir-lowband")
    sources = scan([corpus], tmp_path / "cache", RATE)
    config = MixConfig(
        segment_s=0.5, share_song=0, share_random=0, drop_vocals_p=0, source_weights={"choir-lowband": 1e6}
    )
    targets = SegmentMixer(sources, dataclasses.replace(config, effect_p=1), RATE, 512, 0)[0]["targets"]
    spectrum = torch.fft.rfft(targets, dim=-1).abs()
    cut = int(5300 / RATE * targets.shape[-1])
    assert spectrum[:, :, cut + 2 :].max() < 1e-3 * spectrum.max()


def test_groups_are_restricted_to_what_a_model_can_be_asked():
    targets = torch.ones(2, 4, 2, 8)
    groups = torch.stack([torch.eye(4), torch.tensor([[1.0, 0, 0, 0], [0, 1, 1, 1], [0] * 4, [0] * 4])])
    vocals, asked = restrict_groups(targets, groups, ("vocals",))
    assert asked[..., 0].tolist() == [[1, 0, 0, 0], [1, 0, 0, 0]]
    assert vocals.sum((2, 3)).tolist() == [[16, 0, 0, 0], [16, 0, 0, 0]]
    assert torch.equal(restrict_groups(targets, groups, STEMS)[1], groups)


def test_a_song_with_accompaniment_is_mixed_as_two_groups(tmp_path):
    write_tone(tmp_path / "train/karaoke/vocals.wav", 440.0)
    write_tone(tmp_path / "train/karaoke/accompaniment.wav", 1500.0)
    config = MixConfig(segment_s=0.5, share_accompaniment=0, share_random=0, share_song=1, drop_stem_p=0, speed_p=0)
    item = SegmentMixer(scan([tmp_path], tmp_path / "cache", RATE), config, RATE, 512, 0)[0]
    assert item["groups"].tolist() == [[1, 0, 0, 0], [0, 1, 1, 1], [0, 0, 0, 0], [0, 0, 0, 0]]
    peaks = [peak_hz(item["targets"][row].T.numpy()) for row in (0, 1)]
    assert peaks == pytest.approx([440, 1500], abs=3)


@pytest.mark.parametrize("centre", [1.0, 0.8])
@pytest.mark.parametrize("kind", ["song", "loose"])
def test_all_recordings_play_around_one_speed(tmp_path, kind, centre):
    place = {"song": "train/song/{}.wav", "loose": "pool/{}/tones/1.wav"}[kind]
    tones = dict(zip(STEMS, (440.0, 880.0, 110.0, 1760.0), strict=True))
    for stem, hz in tones.items():
        write_tone(tmp_path / place.format(stem), hz)
    plain = {"drop_stem_p": 0, "drop_vocals_p": 0, "second_voice_p": 0, "effect_p": 0, "low_pass_p": 0}
    shares = {"share_accompaniment": 0, "share_random": float(kind == "loose"), "share_song": float(kind == "song")}
    sources = scan([tmp_path], tmp_path / "cache", RATE)

    def played(speed_p):
        config = MixConfig(segment_s=0.5, speed_p=speed_p, speed_centre=centre, **plain, **shares)
        mixer = SegmentMixer(sources, config, RATE, 512, 0)
        heard = [[peak_hz(target.T.numpy()) for target in mixer[index]["targets"]] for index in range(12)]
        return np.array(heard) / list(tones.values())

    np.testing.assert_allclose(played(0.0), centre, rtol=0.02)
    some = played(1.0) / centre
    assert some.min() < 0.95
    assert some.max() > 1.05
    assert np.abs(np.log(some)).max() < 0.22


def test_a_songs_stems_get_sides_and_polarity_each_by_itself(tmp_path):
    for kind, hz in {"vocals": 400.0, "drums": 800.0, "bass": 100.0, "other": 1600.0}.items():
        write_tone(tmp_path / f"train/song/{kind}.wav", hz)
        audio, _ = soundfile.read(tmp_path / f"train/song/{kind}.wav")
        audio[:, 1] *= 0.5
        soundfile.write(tmp_path / f"train/song/{kind}.wav", audio, RATE)
    sources = scan([tmp_path], tmp_path / "cache", RATE)
    plain = {"speed_p": 0, "drop_stem_p": 0, "low_pass_p": 0}
    shares = {"share_accompaniment": 0, "share_random": 0, "share_song": 1}

    def mix(swap_p, flip_p):
        mixer = SegmentMixer(sources, MixConfig(**plain, **shares, swap_p=swap_p, flip_p=flip_p), RATE, 512, 0)
        return torch.stack([mixer[index]["targets"] for index in range(8)])

    as_recorded = mix(0, 0)
    quieter = as_recorded[:, :, 1].square().mean(-1) / as_recorded[:, :, 0].square().mean(-1)
    assert quieter.numpy() == pytest.approx(np.full((8, 4), 0.25), abs=1e-3)
    both = mix(0.5, 0.5)
    swapped = both[:, :, 1].square().mean(-1) > both[:, :, 0].square().mean(-1)
    flipped = (both * torch.where(swapped[:, :, None, None], as_recorded.flip(2), as_recorded)).mean((2, 3)) < 0
    for changed in (swapped, flipped):
        assert 0.2 < changed.float().mean() < 0.8
        assert (changed.any(1) & ~changed.all(1)).any()
    assert torch.allclose(mix(1, 0).flip(2), as_recorded)
    assert torch.allclose(-mix(0, 1), as_recorded)


# Augmentation


def test_augmentations_do_what_they_say():
    rng = np.random.default_rng(0)
    time = np.arange(RATE) / RATE
    tone = np.repeat(np.sin(2 * np.pi * 1000 * time)[:, None], 2, axis=1).astype(np.float32)
    faster = change_speed(tone, 1.25)
    assert abs(len(faster) - RATE / 1.25) <= 1
    peak = np.argmax(np.abs(np.fft.rfft(faster[:, 0])))
    assert peak * RATE / len(faster) == pytest.approx(1250, abs=2)
    assert np.abs(low_pass(tone, 500, RATE)).max() < 1e-3
    assert np.abs(low_pass(tone, 2000, RATE) - tone).max() < 1e-3
    left_only = tone * np.array([1, 0], np.float32)
    sides = {tuple((np.abs(swap_and_flip(left_only, rng)).max(0) > 0.5).tolist()) for _ in range(20)}
    assert sides == {(True, False), (False, True)}
    click = np.zeros((RATE, 2), np.float32)
    click[100] = 1
    room = equalise_and_reverberate(click, rng, RATE, -3.0)
    assert np.abs(room[RATE // 10 : RATE // 4]).max() > 1e-4
    dry = equalise_and_reverberate(click, np.random.default_rng(0), RATE, None)
    assert np.abs(dry[RATE // 10 :]).max() < 1e-4
    for bend_db in (0.0, 3.0, 12.0):
        bent = equalise_and_reverberate(click, np.random.default_rng(0), RATE, None, bend_db)
        gain_db = 20 * np.log10(np.abs(np.fft.rfft(bent[:, 0])))
        assert np.abs(gain_db).max() == pytest.approx(bend_db, rel=0.15, abs=0.01)


@pytest.mark.parametrize("seed", range(8))
def test_a_widened_voice_keeps_its_levels_and_loses_its_phase(seed):
    rng = np.random.default_rng(99)
    voice = np.repeat(rng.standard_normal((RATE, 1)), 2, axis=1).astype(np.float32)
    wide = widen(voice, np.random.default_rng(seed), RATE)
    assert wide.dtype == np.float32
    moved = [not np.array_equal(wide[:, side], voice[:, side]) for side in range(2)]
    assert sorted(moved) == [False, True]
    side = moved.index(True)
    before, after = (np.abs(np.fft.rfft(audio[:, side])).reshape(-1)[: RATE // 2 - 50] for audio in (voice, wide))
    levels = [np.sqrt(np.square(x).reshape(-1, 50).mean(1)) for x in (before, after)]
    assert np.median(np.abs(20 * np.log10(levels[1] / levels[0]))) < 1
    assert np.corrcoef(wide.T)[0, 1] < 0.5
    click = np.zeros((RATE, 2), np.float32)
    click[100] = 1
    late = np.abs(widen(click, np.random.default_rng(seed), RATE)[:, side])
    begin, end = 100, 100 + int(0.026 * RATE)
    assert np.square(late[begin:end]).sum() > 0.9 * np.square(late).sum()


@pytest.mark.parametrize("seed", range(4))
def test_a_doubled_voice_is_wide_late_and_as_loud(seed):
    rng = np.random.default_rng(99)
    voice = np.repeat(rng.standard_normal((RATE, 1)), 2, axis=1).astype(np.float32) * 0.1
    voice[: RATE // 2] = 0
    doubled = double(voice, np.random.default_rng(seed), RATE)
    assert doubled.dtype == np.float32
    assert np.mean(np.square(doubled)) == pytest.approx(np.mean(np.square(voice)), rel=1e-3)
    side, middle = doubled[:, 0] - doubled[:, 1], doubled.sum(1)
    assert np.square(side).sum() > 0.05 * np.square(middle).sum()
    assert np.abs(doubled[: RATE // 2]).max() == 0
    click = np.zeros((RATE, 2), np.float32)
    click[100] = 1
    late = np.flatnonzero(np.abs(double(click, np.random.default_rng(seed), RATE)[101:]).max(1)) / RATE
    assert late.min() >= 0.008 - 1e-3
    assert late.max() <= 0.035 + 0.02 + 1e-3  # the latest, and the most that drifting adds


def test_doubling_takes_the_likeness_of_the_sides_widening_only_the_phase():
    voice = np.repeat(np.random.default_rng(99).standard_normal((2 * RATE, 1)), 2, axis=1).astype(np.float32)

    def likeness(audio):
        return scipy.signal.coherence(audio[:, 0], audio[:, 1], RATE, nperseg=4096)[1].mean()

    doubled = [likeness(double(voice, np.random.default_rng(seed), RATE)) for seed in range(12)]
    widened = [likeness(widen(voice, np.random.default_rng(seed), RATE)) for seed in range(12)]
    assert np.median(doubled) < 0.3
    assert np.median(widened) > 0.75
    assert max(doubled) < 0.8


def test_drifting_copies_stay_within_twenty_cents():
    tone = sine(1000).astype(np.float32)
    for seed in range(6):
        spectrum = np.abs(np.fft.rfft(double(tone, np.random.default_rng(seed), RATE)[RATE // 4 :, 0]))
        away = np.abs(np.arange(len(spectrum)) * RATE / (len(tone) - RATE // 4) - 1000) > 25  # 20 cents are 12 Hz
        assert np.square(spectrum[away]).sum() < 0.01 * np.square(spectrum).sum()


def test_an_echo_repeats_ever_more_softly():
    click = np.zeros((3 * RATE, 2), np.float32)
    click[0] = 1
    crossed = 0
    for seed in range(10):
        heard = echo(click, np.random.default_rng(seed), RATE)
        places = np.flatnonzero(heard.max(1))
        assert len(places) == 5
        assert len(set(np.diff(places))) == 1
        assert 0.08 * RATE - 1 <= places[1] <= 0.5 * RATE
        assert (np.diff(heard[places].max(1)) < 0).all()
        crossed += heard[places[1], 0] > heard[places[1], 1] and heard[places[2], 0] < heard[places[2], 1]
    assert 0 < crossed < 10


def test_overdrive_adds_harmonics_at_the_same_level():
    tone = sine(440).astype(np.float32)
    third = []
    for seed in range(8):
        bent = overdrive(tone, np.random.default_rng(seed))
        assert np.mean(np.square(bent)) == pytest.approx(np.mean(np.square(tone)), rel=1e-3)
        spectrum = np.abs(np.fft.rfft(bent[:, 0]))
        third.append(20 * np.log10(spectrum[1320] / spectrum[440]))
    assert min(third) < -25
    assert max(third) > -15


def test_effects_of_voices_are_for_voices_alone(tmp_path):
    for kind in ("vocals", "other"):
        write_tone(tmp_path / f"pool/{kind}/anyone/000.wav", 440.0)
    effects = {"drive_p": 1, "double_p": 1, "echo_p": 1}
    plain = {"drop_vocals_p": 0, "drop_stem_p": 0, "effect_p": 0, "speed_p": 0, "second_voice_p": 0, "max_pan": 0}
    sources = scan([tmp_path], tmp_path / "cache", RATE)
    draws = [LooseStems(sources, LooseConfig(**plain, **more), RATE, RATE) for more in ({}, effects)]
    for kind, width in (("vocals", True), ("other", False)):
        without, with_effects = (draw.draw(kind, np.random.default_rng(3))[0] for draw in draws)
        assert np.abs(without[:, 0] - without[:, 1]).max() == 0
        assert (np.abs(with_effects[:, 0] - with_effects[:, 1]).max() > 0.01) == width


def test_narrow_music_has_no_sides_and_voices_keep_theirs(tmp_path):
    for kind in ("vocals", "other"):
        write_tone(tmp_path / f"pool/{kind}/anyone/000.wav", 440.0)
    config = LooseConfig(narrow_p=1, drop_vocals_p=0, drop_stem_p=0, second_voice_p=0, effect_p=0, max_pan=1.0)
    loose = LooseStems(scan([tmp_path], tmp_path / "cache", RATE), config, RATE, RATE)
    voice, music = (loose.draw(kind, np.random.default_rng(3))[0] for kind in ("vocals", "other"))
    assert np.array_equal(music[:, 0], music[:, 1])
    assert np.abs(music).max() > 0.01
    assert np.abs(voice[:, 0] - voice[:, 1]).max() > 1e-3


@pytest.mark.parametrize("share", ["share_random", "share_song"])
def test_a_widened_voice_is_out_of_phase_in_songs_too_and_nothing_else_changes(tmp_path, share):
    for kind in ("vocals", "drums", "bass", "other"):
        for folder in (f"pool/{kind}/anyone/000.wav", f"train/song/{kind}.wav"):
            write_tone(tmp_path / folder, 440.0)
    sources = scan([tmp_path], tmp_path / "cache", RATE)
    shares = {"share_random": 0, "share_song": 0, "share_accompaniment": 0} | {share: 1}
    config = MixConfig(**shares, segment_s=1.0, level_mixture=False, drop_stem_p=0, drop_vocals_p=0, low_pass_p=0)
    plain, wide = (SegmentMixer(sources, dataclasses.replace(config, widen_p=p), RATE, 512, 0) for p in (0.0, 1.0))
    for index in range(5):
        before, after = (mixer[index]["targets"] for mixer in (plain, wide))
        voice, late = (targets[0] for targets in (before, after))
        assert (late - voice).abs().max() > 0.01
        assert torch.equal(after[1:], before[1:])
        steady = slice(2000, -2000)  # of each side, one is as it was
        assert min((late - voice)[side, steady].abs().max() for side in (0, 1)) < 1e-6


def test_music_that_no_segment_is_made_of_is_not_read(corpus, tmp_path):
    write_tone(corpus / "pool/accompaniment/band/000.wav", 440.0)
    config = MixConfig(segment_s=0.5, share_accompaniment=0)
    assert (config.undrawn, MixConfig().undrawn) == (("accompaniment",), ())
    whole = scan([corpus], tmp_path / "whole", RATE)
    less = scan([corpus], tmp_path / "less", RATE, left_out=config.undrawn)
    left_out = len(whole.recordings("accompaniment"))
    assert left_out > 0
    assert less.recordings("accompaniment") == []
    assert len(list((tmp_path / "whole").glob("*.npy"))) - len(list((tmp_path / "less").glob("*.npy"))) == left_out
    one, other = (SegmentMixer(sources, config, RATE, 512, 0) for sources in (whole, less))
    for index in range(5):
        assert torch.equal(one[index]["targets"], other[index]["targets"])


def test_a_mono_segment_is_the_middle_of_what_it_was(tmp_path):
    for kind in ("vocals", "drums", "bass", "other"):
        write_tone(tmp_path / f"pool/{kind}/anyone/000.wav", 440.0)
    sources = scan([tmp_path], tmp_path / "cache", RATE)
    config = MixConfig(share_random=1, share_song=0, share_accompaniment=0, segment_s=1.0, level_mixture=False)
    wide, mono = (SegmentMixer(sources, dataclasses.replace(config, mono_p=p), RATE, 512, 0) for p in (0.0, 1.0))
    for index in range(5):
        stereo, narrow = (mixer[index]["targets"] for mixer in (wide, mono))
        assert (stereo[:, 0] - stereo[:, 1]).abs().max() > 0.01
        torch.testing.assert_close(narrow, stereo.mean(1, keepdim=True).expand_as(stereo))


def peak_hz(audio):
    spectrum = np.abs(np.fft.rfft(audio[:, 0] * np.hanning(len(audio))))
    return np.argmax(spectrum) * RATE / len(audio)


def sine(frequency_hz, seconds=1.0):
    return np.repeat(0.3 * np.sin(2 * np.pi * frequency_hz * np.arange(int(seconds * RATE)) / RATE)[:, None], 2, axis=1)


@settings(deadline=None, max_examples=12, derandomize=True)
@given(st.floats(-3, 3, allow_subnormal=False), st.floats(0.85, 1.15), st.floats(200, 2000), st.booleans())
def test_pitch_and_tempo_move_apart_by_what_is_asked(semitones, tempo, frequency_hz, mono):
    tone = (sine(frequency_hz) * np.array([1, 1 if mono else 0.5])).astype(np.float32)
    moved = change_pitch_and_tempo(tone, semitones, tempo, RATE)
    assert moved.dtype == np.float32
    assert abs(len(moved) - len(tone) / tempo) <= 1
    assert peak_hz(moved) == pytest.approx(frequency_hz * 2 ** (semitones / 12), abs=5)
    levels = np.sqrt(np.mean(np.square(moved), axis=0)) / np.sqrt(np.mean(np.square(tone), axis=0))
    assert levels == pytest.approx([1, 1], abs=0.1)
    assert np.array_equal(moved, change_pitch_and_tempo(tone, semitones, tempo, RATE))


@pytest.mark.parametrize("tempo", [0.9, 1.1])
def test_tempo_moves_clicks_apart(tempo):
    clicks = np.zeros((4 * RATE, 2), np.float32)
    clicks[RATE // 2 :: RATE] = 1
    moved = np.abs(change_pitch_and_tempo(clicks, 0.0, tempo, RATE)[:, 0])
    places = [int((k + 0.5) * RATE / tempo) for k in range(4)]
    found = [place - 4000 + int(np.argmax(moved[place - 4000 : place + 4000])) for place in places]
    assert np.diff(found) == pytest.approx(RATE / tempo, abs=100)


def test_a_lossy_codec_keeps_place_length_and_what_is_heard():
    rng = np.random.default_rng(0)
    tone = (sine(440) + 0.01 * rng.standard_normal((RATE, 2))).astype(np.float32)
    for seed in range(3):
        decoded = lossy_codec(tone, np.random.default_rng(seed), RATE)
        assert decoded.shape == tone.shape
        assert 1e-4 < np.sqrt(np.mean(np.square(decoded - tone))) < 0.02


def test_every_transform_leaves_segments_sound_and_repeatable(sources):
    config = MixConfig(
        segment_s=0.5, pitch_p=1, tempo_p=1, band_limit_p=1, codec_p=1, effect_p=1, gain_scale="linear", drop_stem_p=0
    )
    first, again = (SegmentMixer(sources, config, RATE, 512, 3) for _ in range(2))
    for index in range(6):
        targets = first[index]["targets"]
        assert torch.equal(targets, again[index]["targets"])
        assert torch.isfinite(targets).all()
        assert 0.01 < float(targets.abs().sum(0).max()) < 10


def test_a_new_transform_leaves_old_recipes_as_they_were(sources):
    """Those of probability 0 draw no numbers, so a run that goes on hears what it would have heard."""
    segments = [
        SegmentMixer(sources, MixConfig(segment_s=0.5, **more), RATE, 512, 0) for more in ({}, {"codec_p": 1e-9})
    ]
    assert any(not torch.equal(segments[0][index]["targets"], segments[1][index]["targets"]) for index in range(8))
    explicit = MixConfig(segment_s=0.5, pitch_p=0, tempo_p=0, band_limit_p=0, codec_p=0, sad=False)
    again = SegmentMixer(sources, explicit, RATE, 512, 0)
    assert all(torch.equal(segments[0][index]["targets"], again[index]["targets"]) for index in range(8))


def test_gains_and_channels_follow_the_recipe(tmp_path):
    write(tmp_path / "pool/bass/a/1.wav", np.repeat([[0.2, 0.1]], 2 * RATE, axis=0))
    found = scan([tmp_path], tmp_path / "cache", RATE)
    bare = MixConfig(drop_stem_p=0, speed_p=0, effect_p=0, max_pan=0, flip_p=0, swap_p=0, level_stems=False)

    def ends(**changes):
        loose = LooseStems(found, dataclasses.replace(bare, **changes), RATE, 1000)
        drawn = np.array([loose.draw("bass", np.random.default_rng(seed))[0][500] for seed in range(300)])
        return drawn.min(0), drawn.max(0)

    low, high = ends(gain_scale="linear")
    assert low / [0.2, 0.1] == pytest.approx([0.25, 0.25], abs=0.02)
    assert high / [0.2, 0.1] == pytest.approx([1.25, 1.25], abs=0.02)
    low, high = ends(min_gain_db=-10, max_gain_db=10)
    assert 20 * np.log10(low / [0.2, 0.1]) == pytest.approx([-10, -10], abs=0.3)
    assert 20 * np.log10(high / [0.2, 0.1]) == pytest.approx([10, 10], abs=0.3)
    fixed = {"min_gain_db": 0, "max_gain_db": 0}
    assert np.allclose(ends(**fixed), [[0.2, 0.1], [0.2, 0.1]], atol=1e-4)
    assert np.allclose(ends(**fixed, swap_p=1), [[0.1, 0.2], [0.1, 0.2]], atol=1e-4)
    assert np.allclose(ends(**fixed, flip_p=1), [[-0.2, -0.1], [-0.2, -0.1]], atol=1e-4)
    assert np.allclose(ends(**fixed, drop_stem_p=1), 0)


def test_the_original_recipe_mixes_as_the_original_did(request, tmp_path):
    """Chunks of 3 s of different songs, gain within +-10 dB and nothing else: no level, no filter, no polarity."""
    levels = dict(zip(STEMS, (0.1, 0.15, 0.2, 0.25), strict=True))
    rise = np.repeat(np.linspace(1, 1.01, 7 * RATE)[:, None], 2, axis=1)  # or no chunk would stand out to the SAD
    for song in ("A - x", "B - y"):
        for stem, level in levels.items():
            write(tmp_path / "train" / song / f"{stem}.wav", level * rise)
    recipe = read_recipe(request.config.rootpath / "training/recipes/musdb18-original.toml")
    assert recipe.model.framing.streaming is False
    mixer = SegmentMixer(scan([tmp_path], tmp_path / "cache", RATE), recipe.mix, RATE, 512, 0)
    gains = []
    for index in range(40):
        targets = mixer[index]["targets"]
        assert targets.shape == (4, 2, 258 * 512)
        assert torch.allclose(targets.amin(-1), targets.amax(-1), rtol=0.01)
        gains.append((targets[..., 0].mean(1) / torch.tensor(list(levels.values()))).tolist())
    gains = np.array(gains)
    assert (gains == 0).mean() == pytest.approx(0.1, abs=0.06)
    heard_db = 20 * np.log10(gains[gains > 0])
    assert (heard_db.min(), heard_db.max()) == pytest.approx((-10, 10), abs=0.6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"swap_p": 1.5}, "swap_p must be a probability"),
        ({"gain_scale": "log"}, "unknown gain_scale 'log'"),
        ({"min_gain": 2.0}, "smallest gain is above the largest"),
        ({"share_random": 0, "share_song": 0, "share_accompaniment": 0}, "must be weights"),
        ({"segment_s": 0}, "segment_s must be above 0"),
        ({"tries": 0}, "tries must be at least 1"),
        ({"bend_db": -1.0}, "bend_db must be 0 or more, not -1.0"),
        ({"speed_centre": 0.3}, "speed_centre must be from 0.5 to 2, not 0.3"),
        ({"source_weights": {"a": -1.0}}, "a must be a finite number of 0 or more, not -1.0"),
    ],
)
def test_wrong_mixes_are_refused(change, message):
    with pytest.raises(UsageError, match=message):
        MixConfig(**change)
