"""What is trained on is not in what is scored: told by the sound, whatever became of the file."""

import logging

import numpy as np
import pytest
import soundfile

from stemlive.training.fingerprint import Scored, drop_scored, overlaps
from stemlive.training.sources import scan

RATE = 44100


def tune(seed, seconds, rate=RATE):
    """Notes of three partials at random times and pitches, on both sides with another balance: `[n, 2]`."""
    rng = np.random.default_rng(seed)
    audio = np.zeros((int(seconds * rate), 2))
    for start in np.arange(0, seconds - 0.5, 0.11):
        time = np.arange(int(rng.uniform(0.15, 0.5) * rate)) / rate
        hz = 110 * 2 ** (rng.integers(0, 48) / 12)
        note = sum(np.sin(2 * np.pi * hz * k * time) / k for k in (1, 2, 3)) * np.exp(-6 * time)
        first = int((start + rng.uniform(0, 0.1)) * rate)
        audio[first : first + len(note)] += 0.1 * note[: len(audio) - first, None] * rng.uniform(0.2, 1, 2)
    return audio


def write(path, audio, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    with soundfile.SoundFile(path, "w", RATE, audio.shape[1], **options) as file:
        for start in range(0, len(audio), 65536):  # libsndfile's Vorbis encoder overflows its stack on long writes
            file.write(audio[start : start + 65536])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fingerprint")


@pytest.fixture(scope="module")
def corpus(folder):
    """One song to be scored, and recordings that hold a part of it, or nothing."""
    root = folder / "corpus"
    voice, music = tune(1, 12), tune(2, 12)
    write(root / "valid/song/vocals.wav", voice)
    write(root / "valid/song/accompaniment.wav", music)
    vorbis = {"format": "OGG", "subtype": "VORBIS"}
    joined = np.concatenate([tune(3, 20), 0.2 * voice[5 * RATE + 777 : 11 * RATE], tune(4, 15)])
    write(root / "pool/vocals/joined/01.ogg", joined, **vorbis, compression_level=0.9)
    write(root / "pool/vocals/other/01.ogg", tune(5, 60), **vorbis)
    write(root / "pool/accompaniment/game/mono.wav", -0.5 * music.mean(1, keepdims=True))
    write(root / "pool/accompaniment/game/other.wav", tune(6, 60))
    write(root / "train/renamed/vocals.wav", tune(7, 12))
    write(root / "train/renamed/other.ogg", 0.3 * music[:, ::-1] + 0.02 * tune(8, 12), **vorbis)
    write(root / "train/good/other.wav", tune(9, 12))
    return root


def test_what_is_scored_is_found_again_whatever_became_of_it(corpus, folder):
    valid = scan([corpus], folder / "cache", RATE, "valid", scoring=True)
    sources = scan([corpus], folder / "cache", RATE)
    recordings = [recording for kind in ("vocals", "accompaniment", "other") for recording in sources.recordings(kind)]
    found = {overlap.name: overlap.song for _, overlap in overlaps(Scored(valid.songs, RATE), recordings)}
    assert found == dict.fromkeys(
        ("vocals/joined/01.ogg", "accompaniment/game/mono.wav", "train/renamed/other.ogg"), "song"
    )


def test_it_is_left_out_of_training_and_named(corpus, folder, caplog):
    valid = scan([corpus], folder / "cache", RATE, "valid", scoring=True)
    sources = scan([corpus], folder / "cache", RATE)
    with caplog.at_level(logging.WARNING):
        drop_scored(sources, valid, RATE)
    assert sorted(sources.songs) == ["good"]  # a song goes whole: its stems belong together
    assert sorted(sources.pools["vocals"]) == ["other"]
    assert [recording.name for recording in sources.pools["accompaniment"]["game"]] == ["accompaniment/game/other.wav"]
    named = [record.getMessage() for record in caplog.records]
    assert len(named) == 3
    assert any(line.startswith("left out vocals/joined/01.ogg: it holds what is scored in song (") for line in named)
