"""Singing by a text-to-speech model, which a tiny one with its inner names stands in for."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import onnx
import pytest
import soundfile
from kokoro_model import SIGNS, UNIT, VOICE_LEVEL, tiny_model

from stemlive.training.corpus import build, singers_kokoro, singers_kokoro_song
from stemlive.training.corpus.singers_melody import Phrase, Style, SungNote


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "models/kokoro"
    (folder / "voices").mkdir(parents=True)
    onnx.save(tiny_model(), folder / "model.onnx")
    (folder / "vocabulary.json").write_text(json.dumps({"vocab": SIGNS}), encoding="utf-8")
    for number in range(3):
        np.full((510, 256), VOICE_LEVEL, "<f4").tofile(folder / f"voices/v{number}.bin")
    return tmp_path


def style_of(root):
    return singers_kokoro.draw_voice(root, 0, 0)[1]


def test_the_parts_in_a_row_are_the_whole_model(root):
    song, style, signs = singers_kokoro_song, style_of(root), "tˈO mˈi."
    lengths = song.lengths(root, signs, style)
    pitch, loudness, features = song.frames(root, signs, style, lengths)
    assert lengths == [3] * 10
    assert features[0, 0, ::3].tolist() == [0, *(SIGNS[sign] for sign in signs), 0]
    heard = song.sound(root, len(signs), style, pitch, loudness, features)
    np.testing.assert_array_equal(heard, singers_kokoro.say(root, signs, style))
    assert len(heard) == 30 * UNIT


def test_vowels_are_held_until_the_next_is_due(root):
    song = singers_kokoro_song
    assert song.hold_points("tˈO mˈi.", [3] * 10) == [7, 19]
    where, zero = song.lay_out([7, 19], [0, 40], 60, 30)
    assert zero == 7
    assert where[:7].tolist() == list(range(7))
    assert (where == 7).sum() == 40 - 11  # 8 to 18, as they are spoken, lie between the two
    assert where.tolist().index(19) == zero + 40
    assert where[-10:].tolist() == list(range(20, 30))
    assert (where == 19).sum() == 20
    assert set(np.diff(where)) == {0, 1}  # nothing is left out, nothing sounds backwards
    hurried, _ = song.lay_out([7, 19], [0, 5], 6, 30)
    assert hurried.tolist() == list(range(30))


def test_long_notes_are_cut_and_a_slur_stays_one():
    notes = [SungNote(0.0, 3.0, 60, 0.7), SungNote(3.0, 0.5, 62, 0.7, slurred=True)]
    pieces = singers_kokoro_song.cut_notes(notes)
    assert [(note.start, note.length, note.slurred) for note in pieces] == [
        (0.0, 1.0, False),
        (1.0, 1.0, False),
        (2.0, 1.0, False),
        (3.0, 0.5, True),
    ]
    starts = [note.start for note in singers_kokoro_song.cut_notes([SungNote(0, 5, 60, 1)])]
    assert max(after - before for before, after in pairwise(starts)) <= 1.2


def test_each_syllable_is_stressed_once_and_words_end():
    syllables = singers_kokoro_song.draw_syllables(np.random.default_rng(0), 60)
    assert len(syllables) == 60
    assert all(one.count("ˈ") == 1 and not one.startswith(" ") for one in syllables)
    assert set("".join(syllables)) <= SIGNS.keys()
    words = "".join(syllables).split()
    assert {word.count("ˈ") for word in words} == {1, 2, 3}


@pytest.mark.parametrize("formants", [1.0, 0.9])
def test_the_pitch_is_the_melodys_where_its_notes_are(root, formants):
    notes = (SungNote(0.0, 1.0, 57, 0.75), SungNote(1.0, 1.0, 69, 0.75), SungNote(2.0, 2.5, 64, 0.75))
    steady = Style(vibrato_cents=0, glide=None, drift_cents=0, jitter_cents=0, scoop=0)
    rng = np.random.default_rng(0)
    sound, zero_s = singers_kokoro_song.sing_phrase(root, style_of(root), formants, Phrase(0.3, notes), steady, rng)
    loud, silent = VOICE_LEVEL * np.exp([-9 * np.log(10) / 20, 6 * np.log(10) / 20]), 1e-9
    for note, hz in zip(notes, (220.0, 440.0, 329.63), strict=True):
        heard = sound[round((zero_s + note.start + 0.5) * 44100)]
        assert loud[0] * hz / formants - silent < heard < loud[1] * hz / formants + silent
    ratios = [sound[round((zero_s + at) * 44100)] for at in (0.9, 1.1)]
    assert ratios[1] / ratios[0] == pytest.approx(2.0, rel=0.35)  # an octave, and what the dynamics make of it


def test_a_song_is_rendered_once_and_its_voice_is_named(root):
    assert [singers_kokoro_song.render_sung(root, 0, index) for index in (1, 3, 1)] == [True, True, False]
    paths = sorted((root / "pool/vocals/sung-kokoro").iterdir())
    assert [path.name.split("-band")[0] for path in paths] == ["000-00001-v1", "000-00003-mix-000-00003"]
    for path in paths:
        sound, rate = soundfile.read(path)
        assert rate == 44100
        assert 25 < len(sound) / rate < 45
        assert 0.05 < np.sqrt(np.mean(sound**2)) <= 0.15


def test_a_build_lets_the_voices_sing_and_names_the_licence(root):
    (root / "speakers/kokoro").mkdir(parents=True)
    report = build.build_corpus(root, songs=0, accompaniment=False, voices=2)
    assert report.skipped == []
    assert (report.files["singing of a model"], report.made) == (2, 4)
    assert "sung, in pool/vocals/sung-kokoro" in (root / "LICENCES.md").read_text(encoding="utf-8")
