"""Singers made from speech: a synthetic vowel stands in for the speaker, so nothing is fetched."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt
import pytest
import pyworld
import soundfile
from scipy.signal import lfilter

from stemlive.errors import StemliveError
from stemlive.training.corpus import singers, singers_speakers
from stemlive.training.corpus.licences import write_licences
from stemlive.training.corpus.singers_melody import Phrase, Style, SungNote, compose_phrases, harmony, pitch_hz
from stemlive.training.corpus.singers_synthesis import Timbre, sing_phrase
from stemlive.training.corpus.singers_voice import FRAME_S, Voice, VoiceError, analyse_voice
from stemlive.training.layout import VALIDATION_PACKAGES
from stemlive.training.loose import band_limit_hz

RATE = 44100
STRAIGHT = Style(vibrato_cents=0, glide=None, drift_cents=0, jitter_cents=0, scoop=0)
PLAIN = Timbre(breathing=0)
Floats = npt.NDArray[np.float64]


def spoken_vowels(formants_hz: tuple[float, ...] = (700, 1200, 2600, 3500), count: int = 10) -> Floats:
    """`count` syllables of one vowel at about 130 Hz: pulses through resonances, with a little noise."""
    rng = np.random.default_rng(0)
    length = int(0.3 * RATE)
    time_s = np.arange(length) / RATE
    phase = np.cumsum(130 * (1 - 0.2 * time_s)) / RATE
    source = np.diff(np.floor(phase), prepend=0) + 0.002 * rng.standard_normal(length)
    for hz in formants_hz:
        radius, angle = np.exp(-np.pi * 90 / RATE), 2 * np.pi * hz / RATE
        source = lfilter([1 - radius], [1, -2 * radius * np.cos(angle), radius**2], source)
    syllable = source * np.sin(np.pi * time_s / 0.3) ** 0.5
    syllable /= np.abs(syllable).max()
    syllable[: RATE // 50] += 0.05 * rng.standard_normal(RATE // 50)  # the consonant has all the treble
    return np.concatenate([np.concatenate([syllable, np.zeros(RATE // 10)])] * count)


@pytest.fixture(scope="module")
def voice() -> Voice:
    return analyse_voice([spoken_vowels()])


def pitch_of(sound: Floats) -> Floats:
    """Pitch of the frames of 5 ms, 0 where there is none, by another analysis than the one under test has."""
    hz, _ = pyworld.harvest(sound, RATE, f0_floor=70, f0_ceil=800)
    return np.asarray(hz)


def cents(hz: Floats, of_hz: float) -> Floats:
    return np.asarray(1200 * np.log2(hz / of_hz))


def held(pitch: float, style: Style, voice: Voice, timbre: Timbre = PLAIN, seconds: float = 2.0) -> Floats:
    """The middle of one long note."""
    phrase = Phrase(0.0, (SungNote(0.0, seconds, pitch, 0.75),))
    sound, zero_s = sing_phrase(voice, phrase, 0, style, timbre, np.random.default_rng(1))
    return sound[int((zero_s + 0.2 * seconds) * RATE) : int((zero_s + 0.85 * seconds) * RATE)]


def test_speech_is_cut_into_its_syllables(voice):
    assert len(voice.syllables) == 10
    assert voice.speaking_hz == pytest.approx(126, abs=5)
    assert all(s.voiced[s.begin : s.end].all() for s in voice.syllables)


def test_no_voice_in_noise():
    with pytest.raises(VoiceError, match="add recordings of speech"):
        analyse_voice([0.1 * np.random.default_rng(0).standard_normal(RATE)])


def test_notes_have_the_pitch_and_the_time_that_are_asked(voice):
    notes = tuple(SungNote(0.5 * i, 0.5, pitch, 0.75) for i, pitch in enumerate((55, 59, 62, 57)))
    sound, zero_s = sing_phrase(voice, Phrase(0.0, notes), 0, STRAIGHT, PLAIN, np.random.default_rng(1))
    hz = pitch_of(sound)
    for note in notes:
        frames = slice(int((zero_s + note.start + 0.12) / 0.005), int((zero_s + note.end - 0.15) / 0.005))
        sung = hz[frames][hz[frames] > 0]
        assert abs(np.median(cents(sung, 440 * 2 ** ((note.pitch - 69) / 12)))) < 10
    before, after = sound[: int((zero_s - 0.2) * RATE)], sound[int((zero_s + 2.2) * RATE) :]
    assert max(np.abs(before).max(), np.abs(after).max()) < 0.01 * np.abs(sound).max()


@pytest.mark.parametrize("rate_hz", [4.6, 6.4])
def test_vibrato_has_the_rate_and_depth_that_are_asked(voice, rate_hz):
    style = dataclasses.replace(STRAIGHT, vibrato_hz=rate_hz, vibrato_cents=60, vibrato_delay_s=0.1)
    deviation = cents(pitch_of(held(57, style, voice, seconds=4.0))[20:-20], 220)
    spectrum = np.abs(np.fft.rfft(deviation * np.hanning(len(deviation)), 8192))
    assert np.argmax(spectrum) * 200 / 8192 == pytest.approx(rate_hz, rel=0.06)  # a singer's own spread is 5 %
    assert np.std(deviation) * np.sqrt(2) == pytest.approx(60, rel=0.15)


def first_formant_hz(sound: Floats) -> float:
    """Peak of the envelope between 350 and 1000 Hz."""
    hz = pitch_of(sound)
    power = pyworld.cheaptrick(sound, hz, np.arange(len(hz)) * 0.005, RATE, fft_size=2048).mean(axis=0)
    low, high = int(350 / (RATE / 2048)), int(1000 / (RATE / 2048))
    return float((low + np.argmax(power[low:high])) * RATE / 2048)


def test_formants_stay_when_the_pitch_moves_and_move_with_the_singer(voice):
    low, high = (first_formant_hz(held(pitch, STRAIGHT, voice)) for pitch in (45, 57))
    assert low == pytest.approx(700, abs=80)
    assert high == pytest.approx(low, abs=110)  # an octave of pitch; the harmonics lie 220 Hz apart
    shifted = first_formant_hz(held(45, STRAIGHT, voice, dataclasses.replace(PLAIN, formants=1.2)))
    assert shifted / low == pytest.approx(1.2, abs=0.06)


def test_a_glide_overshoots_and_settles_and_a_corrector_steps():
    notes = [SungNote(0.0, 1.0, 57, 0.7), SungNote(1.0, 1.0, 64, 0.7)]
    rng = np.random.default_rng(0)
    smooth = pitch_hz(notes, dataclasses.replace(STRAIGHT, glide=(35, 0.6)), 400, 0.0, rng)
    steps = pitch_hz(notes, STRAIGHT, 400, 0.0, rng)
    assert set(np.round(steps, 2)) == {220.0, 329.63}
    assert 10 < cents(smooth, 329.63).max() < 100  # of 700
    assert np.abs(np.diff(np.log2(smooth))).max() < 1 / 12
    assert smooth[-1] == pytest.approx(329.63, rel=1e-3)


def test_melodies_stay_in_range_and_harmonies_on_the_melodys_scale():
    for seed in range(8):
        rng = np.random.default_rng(seed)
        phrases = compose_phrases(rng, 60.0)
        pitches = [note.pitch for phrase in phrases for note in phrase.notes]
        assert min(pitches) >= 48
        assert max(pitches) <= 72
        assert 30 < sum(phrase.rest + phrase.notes[-1].end for phrase in phrases) < 100
        second = [note.pitch for phrase in harmony(rng, phrases) for note in phrase.notes]
        assert {pitch % 12 for pitch in second} <= {pitch % 12 for pitch in pitches}


def test_a_fifth_of_what_is_sung_is_notes_of_seconds():
    """A model that heard none takes a singer's long straight note for an instrument's."""
    melodies = [compose_phrases(np.random.default_rng(seed), 60.0) for seed in range(40)]
    lengths = np.array([note.length for phrases in melodies for phrase in phrases for note in phrase.notes])
    assert 0.1 < lengths[lengths > 2].sum() / lengths.sum() < 0.35
    assert lengths.max() < 10
    medians = [np.median([note.length for phrase in phrases for note in phrase.notes]) for phrases in melodies]
    assert 4 < sum(median > 0.8 for median in medians) < 24  # slow songs; the others stay as fast as they were


@pytest.fixture
def short_songs(monkeypatch: pytest.MonkeyPatch) -> None:
    notes = tuple(SungNote(0.4 * i, 0.4, 55 + 2 * i, 0.75) for i in range(4))
    monkeypatch.setattr(singers, "compose_phrases", lambda rng, center: [Phrase(0.3, notes)])


def add_speaker(root: Path, collection: str, name: str, sound: Floats) -> None:
    folder = root / "speakers" / collection / name
    folder.mkdir(parents=True)
    soundfile.write(folder / "speech.wav", 0.5 * sound, RATE)


@pytest.mark.usefixtures("short_songs")
def test_recordings_are_level_the_same_again_and_not_made_twice(tmp_path):
    for root in (tmp_path / "a", tmp_path / "b"):
        add_speaker(root, "mine", "anna", spoken_vowels())
        add_speaker(root, "mine", "noise", 0.1 * np.random.default_rng(0).standard_normal(RATE))
        assert [singers.render_singer(root, 7, index) for index in range(2)] == [True, True]
    files = sorted((tmp_path / "a/pool/vocals").rglob("*.ogg"))
    assert [path.name.split("-band")[0].removesuffix(".ogg") for path in files] == ["007-00000-anna", "007-00001-anna"]
    (first, rate), (second, _) = (soundfile.read(path) for path in files)
    assert (rate, first.ndim) == (RATE, 1)
    again, _ = soundfile.read(tmp_path / "b" / files[0].relative_to(tmp_path / "a"))
    assert np.array_equal(first, again)
    assert len(first) != len(second) or not np.array_equal(first, second)
    blocks = np.square(first[: len(first) // 2205 * 2205].reshape(-1, 2205)).mean(axis=1)
    level_db = 10 * np.log10(blocks[blocks > 1e-3 * np.quantile(blocks, 0.9)].mean())
    assert level_db == pytest.approx(-20, abs=1)
    assert np.abs(first).max() < 1
    before = [path.stat().st_mtime_ns for path in files]
    assert singers.render_singer(tmp_path / "a", 7, 0) is False
    assert [path.stat().st_mtime_ns for path in files] == before


def test_speech_is_joined_as_it_is_once_and_only_where_there_is_a_voice(tmp_path):
    add_speaker(tmp_path, "mine", "anna", spoken_vowels())
    add_speaker(tmp_path, "mine", "noise", 0.1 * np.random.default_rng(0).standard_normal(RATE))
    soundfile.write(tmp_path / "speakers/mine/anna/silence.wav", np.zeros(RATE), RATE)
    anna, noise = singers_speakers.list_speakers(tmp_path)
    assert [singers.render_speech(tmp_path, folder) for folder in (anna, noise, anna)] == [True, False, False]
    (path,) = (tmp_path / "pool/vocals/said-mine").iterdir()
    sound, rate = soundfile.read(path)
    assert (rate, sound.ndim) == (RATE, 1)
    assert 0 < len(sound) - len(spoken_vowels()) < 0.5 * RATE  # with the pause behind it; silence is no speech
    voiced = pitch_of(sound)
    assert abs(np.median(cents(voiced[voiced > 0], 126))) < 60


@pytest.mark.usefixtures("short_songs")
def test_a_source_without_treble_is_marked_and_a_telephone_is_not_used(tmp_path):
    spectrum = np.fft.rfft(spoken_vowels())
    for name, limit_hz in (("radio", 8000), ("telephone", 3400)):
        cut = spectrum.copy()
        cut[int(limit_hz / RATE * 2 * (len(cut) - 1)) :] = 0
        add_speaker(tmp_path / name, "mine", name, np.fft.irfft(cut))
    singers.render_singer(tmp_path / "radio", 0, 0)
    (path,) = (tmp_path / "radio").rglob("*.ogg")
    limit = band_limit_hz(f"vocals/{path.parent.name}/{path.name}")
    assert 0.83 * 5000 < limit < 1.2 * 8500
    with pytest.raises(StemliveError, match=r"nothing above .* add recordings"):
        singers.render_singer(tmp_path / "telephone", 0, 0)
    with pytest.raises(StemliveError, match="no speakers under"):
        singers.render_singer(tmp_path / "empty", 0, 0)


@pytest.mark.parametrize(
    ("name", "limit_hz"),
    [
        ("vocals/choir-lowband/0.ogg", 5300.0),
        ("vocals/singers-x/000-1-anna-band7500.ogg", 7500.0),
        ("vocals/singers-x-band6000/0.ogg", 6000.0),
        ("vocals/singers-x/bandage-2.ogg", np.inf),
    ],
)
def test_names_say_where_a_band_ends(name, limit_hz):
    assert band_limit_hz(name) == limit_hz


@pytest.mark.parametrize(
    ("package", "path", "speaker"),
    [
        ("tuxpaint-stamps-default", "tuxpaint/stamps/animals/birds/owl_desc_be.ogg", "be"),
        ("tuxpaint-stamps-default", "tuxpaint/stamps/symbols/math/8_en_GB.ogg", "en_GB"),
        ("tuxpaint-stamps-default", "tuxpaint/stamps/symbols/math/8_be.ogg", ""),
        ("tuxpaint-stamps-default", "tuxpaint/stamps/animals/birds/owl_desc_bg.ogg", ""),
        ("tuxpaint-stamps-default", "tuxpaint/stamps/animals/birds/owl.ogg", ""),
        ("kajongg", "kajongg/voices/female1/b1.ogg", "female1"),
        ("kajongg", "kajongg/voices/de/female1/b1.ogg", "female1"),
        ("kajongg", "kajongg/voices/de/male2/b1.ogg", ""),
        ("qabcs-data", "qabcs/abcs/en/sounds/words/frog.ogg", "en"),
        ("qabcs-data", "qabcs/abcs/fr/sounds/words/marin.ogg", ""),
    ],
)
def test_which_files_are_whose_speech(tmp_path, monkeypatch, package, path, speaker):
    member = PurePosixPath(f"./usr/share/{path}")

    def extract(_, wanted, into):
        (into / "0").write_bytes(b"sound")
        return {member: into / "0"} if wanted(member) else {}

    monkeypatch.setattr(singers_speakers, "extract_members", extract)
    singers_speakers.fetch_speakers(tmp_path, package)
    assert [folder.name for folder in singers_speakers.list_speakers(tmp_path)] == ([speaker] if speaker else [])


def test_speech_of_a_package_is_sorted_by_speaker_and_its_licence_listed(tmp_path, monkeypatch):
    calls = []

    def extract(package, wanted, into):
        calls.append(package)
        members = {}
        names = [f"./usr/share/klettres/{who}/{part}/a.ogg" for who in ("da", "en_GB") for part in ("alpha", "syllab")]
        for index, name in enumerate([*names, f"./usr/share/doc/{package}/copyright"]):
            path = PurePosixPath(name)
            assert wanted(path)
            members[path] = into / f"{index}-{path.name}"
            members[path].write_bytes(io.BytesIO(b"License: GPL-2+\n").read())
        assert not wanted(PurePosixPath("./usr/share/klettres/icons/a.png"))
        return members

    monkeypatch.setattr(singers_speakers, "extract_members", extract)
    for _ in range(2):
        result = singers_speakers.fetch_speakers(tmp_path, "klettres-data")
    assert calls == ["klettres-data"]
    assert result.licences == "GPL-2+"
    found = {folder.name: len(list(folder.iterdir())) for folder in singers_speakers.list_speakers(tmp_path)}
    assert found == {"da": 2, "en_GB": 2}
    (tmp_path / "pool/vocals/singers-klettres-data").mkdir(parents=True)
    text = write_licences(tmp_path).read_text(encoding="utf-8")
    assert "| [klettres-data](licences/klettres-data.txt) | GPL-2+ |" in text
    assert "pool/vocals/singers-klettres-data" in text
    assert singers_speakers.SPEAKER_FILES.keys() & VALIDATION_PACKAGES == set()
    assert FRAME_S == 0.005
