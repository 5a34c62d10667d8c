"""Tracker music in stems: a module written here, byte by byte, whose instruments are known."""

import struct
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
import soundfile

from stemlive.errors import StemliveError
from stemlive.training.corpus import build, modules
from stemlive.training.corpus.debian_audio import read_track_list
from stemlive.training.corpus.licences import write_licences
from stemlive.training.layout import VALIDATION_PACKAGES
from stemlive.training.sources import scan

RATE = 44100
NOTES = (428, 381, 340, 320)  # C, D, E, F: periods as a .mod has them; the first plays a sample at 8287 Hz
DRUM, BASS, LEAD = 1, 2, 3


def samples(name=""):
    """A burst of noise, a sine of 129 Hz at C, one of 1036 Hz: names, 8-bit samples, looped or not."""
    noise = np.random.default_rng(0).uniform(-100, 100, 1000) * np.exp(-np.arange(1000) / 200)
    low, high = (np.sin(2 * np.pi * np.arange(64) / length) * 90 for length in (64, 8))
    return [("hit", noise, False), ("low", low, True), (name or "high", high, True)]


def module(instruments=(DRUM, BASS, LEAD), patterns=3, name=""):
    """A .mod of four channels: a drum on every fourth row, a bass and a high line of four notes, 7.68 s a pattern."""
    heads, sounds = b"", b""
    for text, wave, looped in samples(name):
        words = len(wave) // 2
        loop = (0, words) if looped else (0, 1)
        heads += text.encode().ljust(22, b"\0") + struct.pack(">HBBHH", words, 0, 64, *loop)
        sounds += np.round(wave).astype(np.int8).tobytes()
    heads += (b"\0" * 22 + struct.pack(">HBBHH", 0, 0, 0, 0, 1)) * 28
    rows = []
    for row in range(64):
        for instrument in (DRUM, BASS, LEAD, 0):
            plays = instrument in instruments and row % 4 == 0
            period = NOTES[0] if instrument == DRUM else NOTES[row // 4 % 4]
            rows.append(struct.pack(">HBB", period, instrument << 4, 0) if plays else b"\0" * 4)
    order = bytes(patterns) + b"\0" * (128 - patterns)
    return b"song".ljust(20, b"\0") + heads + bytes([patterns, 127]) + order + b"M.K." + b"".join(rows) + sounds


def level_db(audio):
    return 10 * np.log10(np.square(audio, dtype=np.float64).mean() + 1e-20)


def test_stems_are_what_their_instruments_play_alone():
    """Two routes: an instrument kept from the others while all play, and a module in which nobody else plays."""
    stems, lines = modules.split_module(module())
    assert set(stems) == {"drums", "bass", "other"}
    assert lines == ["drums: 1 hit", "bass: 2 low", "other: 3 high"]
    for stem, instrument in (("drums", DRUM), ("bass", BASS), ("other", LEAD)):
        alone, _ = modules.split_module(module((instrument,)))
        assert set(alone) == {stem}
        assert stems[stem].shape == (int(3 * 7.68 * RATE), 2)
        assert level_db(stems[stem] - alone[stem]) < level_db(stems[stem]) - 60


def test_a_low_line_is_heard_where_it_was_written():
    stems, _ = modules.split_module(module())
    spectrum = np.abs(np.fft.rfft(stems["bass"].sum(1)[: int(0.48 * RATE)]))  # four rows: the first note
    assert np.argmax(spectrum) / 0.48 == pytest.approx(8287 / 64, abs=2.1)


def test_channels_of_a_mod_are_brought_nearer_to_the_middle():
    wide, near = (modules.split_module(module(), wide=wide)[0]["drums"] for wide in (True, False))
    louder, fainter = (sorted((level_db(side) for side in audio.T), reverse=True) for audio in (wide, near))
    assert louder[0] - louder[1] > 2 * (fainter[0] - fainter[1]) > 0


@pytest.mark.parametrize(
    ("name", "sound", "stem"),
    [
        ("Kick 01", {"notes": 9, "most_played": 0.3}, "drums"),
        ("slap bass", {"low": 0.1}, "bass"),
        ("bass:*", {"notes": 2, "most_played": 0.98, "length_s": 0.19}, "drums"),  # a bass drum
        ("", {"notes": 1, "most_played": 1.0, "length_s": 0.2}, "drums"),
        ("", {"notes": 1, "most_played": 1.0, "flat": 0.1, "length_s": 1.0}, "drums"),  # a cymbal
        ("", {"notes": 1, "most_played": 1.0, "length_s": 2.0}, "other"),  # a chord
        ("", {"low": 0.9}, "bass"),
        ("", {}, "other"),
        ("boys choir", {}, "vocals"),
        ("brasschoir", {}, "other"),
    ],
)
def test_the_stem_of_an_instrument(name, sound, stem):
    played = {"notes": 8, "most_played": 0.3, "low": 0.1, "flat": 0.001, "length_s": 2.0} | sound
    assert modules.stem_of(name, modules.Sound(**played)) == stem


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"no module at all" * 100, "libopenmpt does not read it"),
        (b"", "libopenmpt does not read it"),
        (module(patterns=2), "lasts 15 s, and 20 s at least"),
        (module(name="female voice"), "has a voice"),
        (module(()), "not the sum"),
    ],
)
def test_what_is_not_taken(content, why):
    with pytest.raises(StemliveError, match=why):
        modules.split_module(content)


def test_modules_of_packages_are_fetched_rendered_and_named(tmp_path, monkeypatch):
    calls = []

    def extract(package, wanted, into):
        calls.append(package)
        names = {
            "usr/share/g/one.mod": module(),
            "usr/share/g/two.mod": module(patterns=1),
            "usr/share/doc/game/copyright": b"License: GPL-2+\n",
        }
        found = {PurePosixPath(name): into / PurePosixPath(name).name for name in names}
        for path, target in found.items():
            assert wanted(path)
            target.write_bytes(names[str(path)])
        assert not wanted(PurePosixPath("usr/share/g/three.mod"))
        return found

    monkeypatch.setattr(modules, "extract_members", extract)
    result = modules.fetch_modules(tmp_path, "game", ["one.mod", "two.mod"])
    assert (result.files, result.licences, result.made) == (["one.mod"], "GPL-2+", 1)
    assert result.skipped == ["two.mod\tit lasts 8 s, and 20 s at least are taken"]
    folder = tmp_path / "train" / "module-game-one"
    assert {path.name for path in folder.iterdir()} == {"drums.ogg", "bass.ogg", "other.ogg", "about.txt"}
    total = sum(soundfile.read(path)[0] for path in folder.glob("*.ogg"))
    assert 0.5 < np.abs(total).max() < 1
    again = modules.fetch_modules(tmp_path, "game", ["one.mod", "two.mod"])
    assert (again.files, again.skipped, again.made, calls) == (result.files, result.skipped, 0, ["game"])
    assert set(scan([tmp_path], tmp_path / "cache", RATE, "train").songs) == {"module-game-one"}


def test_a_build_fetches_them_and_says_where_they_are_from(tmp_path, monkeypatch):
    def extract(package, wanted, into):
        names = read_track_list(modules.TRACKS)[package]
        (into / names[0]).write_bytes(module())
        (into / "copyright").write_text("License: GPL-3+\n")
        return {
            PurePosixPath("usr/share/g", names[0]): into / names[0],
            PurePosixPath("usr/share/doc", package, "copyright"): into / "copyright",
        }

    monkeypatch.setattr(modules, "extract_members", extract)
    report = build.build_corpus(tmp_path, songs=0, accompaniment=False, modules=True)
    packages = list(read_track_list(modules.TRACKS))
    assert report.files["tracker music"] == report.made == len(packages)
    assert report.hours["tracker music"] * 3600 == pytest.approx(len(packages) * 23.04, abs=0.1)
    text = write_licences(tmp_path).read_text(encoding="utf-8")
    assert (
        "| [tuxmath-data](licences/tuxmath-data.txt) | GPL-3+ | 1: tuxmath-data-game (its instruments apart) |" in text
    )


def test_without_libopenmpt_it_is_said_what_to_do(tmp_path, monkeypatch):
    modules._library.cache_clear()
    monkeypatch.setattr(modules, "find_library", lambda name: None)
    with pytest.raises(StemliveError, match="apt-get install libopenmpt0, or leave the modules out"):
        build.build_corpus(tmp_path / "corpus", songs=0, accompaniment=False, modules=True)
    assert not Path(tmp_path / "corpus").exists()


def test_listed_modules_are_of_no_package_that_is_kept_for_validation():
    lines = modules.TRACKS.read_text(encoding="utf-8").splitlines()[1:]
    assert not {line.partition("\t")[0] for line in lines} & set(VALIDATION_PACKAGES)
    assert len(lines) == len(set(lines)) > 40
