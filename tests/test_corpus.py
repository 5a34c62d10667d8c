"""The corpus builder: composing, rendering, fetching, and what it leaves on disk."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import mido
import numpy as np
import numpy.typing as npt
import pytest
import soundfile
import torch
from click.testing import CliRunner
from processes import command_line, spawned
from waiting import wait_until

from stemlive import cli
from stemlive.errors import StemliveError
from stemlive.model.bsrnn import BSRNN
from stemlive.model.config import ModelConfig
from stemlive.training.corpus import build, debian_audio, files, render_effects, render_patches
from stemlive.training.corpus.bands import read_band
from stemlive.training.corpus.check import check_sources, summarise
from stemlive.training.corpus.compose import compose
from stemlive.training.corpus.compose_bass import LINES, bass_notes
from stemlive.training.corpus.compose_chords import PROGRESSIONS, Chord, parse_chord
from stemlive.training.corpus.compose_form import ChordSpan, Section
from stemlive.training.corpus.compose_grooves import DRUM_NOTES
from stemlive.training.corpus.compose_harmony import TEXTURES
from stemlive.training.corpus.compose_parts import Arrangement, Note, Part, midi_bytes
from stemlive.training.corpus.compose_styles import STYLES, VOICE_LIKE_PROGRAMS
from stemlive.training.corpus.licences import write_licences
from stemlive.training.corpus.midi import groove_takes, read_drums
from stemlive.training.corpus.render import STEMS, render_arrangement
from stemlive.training.corpus.render_drums import Hit, load_hydrogen_kit, play_kit
from stemlive.training.corpus.render_patches import find_patches, pick_patch, render_lmms_song, render_patch
from stemlive.training.corpus.render_patches import find_songs as find_lmms_songs
from stemlive.training.corpus.render_sounds import Sounds, find_sounds
from stemlive.training.corpus.render_synths import Patch, render_synth, synth_drum
from stemlive.training.sources import scan

RATE = 44100
NO_SOUNDS = Sounds((), (), ())
Audio = npt.NDArray[np.float32]


@pytest.fixture(scope="module")
def songs() -> list[Arrangement]:
    """One song of every style."""
    return [compose(np.random.default_rng([5, i]), style) for i, style in enumerate(STYLES)]


def song_midi(song: Arrangement) -> bytes:
    return midi_bytes(song.parts, song.tempo_bpm, song.beats)


def tone(seconds: float, hz: float = 440.0, rate: int = RATE) -> Audio:
    wave = 0.3 * np.sin(2 * np.pi * hz * np.arange(int(seconds * rate)) / rate)
    return np.stack([wave, wave], axis=1).astype(np.float32)


def write_midi(path: Path, events: list[tuple[float, mido.Message]]) -> Path:
    """Write messages at times in seconds (480 ticks a beat at 120 beats a minute: 960 ticks a second)."""
    track, now = mido.MidiTrack(), 0
    for seconds, message in events:
        tick = round(seconds * 960)
        track.append(message.copy(time=tick - now))
        now = tick
    midi = mido.MidiFile(ticks_per_beat=480)
    midi.tracks.append(track)
    path.parent.mkdir(parents=True, exist_ok=True)
    midi.save(path)
    return path


# Composing


def test_same_seed_gives_the_same_midi_and_another_seed_another_song() -> None:
    first, again, other = (song_midi(compose(np.random.default_rng([seed, 1]))) for seed in (7, 7, 8))
    assert first == again
    assert first != other


def test_songs_last_forty_to_seventy_five_seconds(songs: list[Arrangement]) -> None:
    assert [song.style for song in songs if not 40.0 <= song.seconds <= 75.0] == []


def test_drums_are_on_channel_ten_and_nothing_else_is(songs: list[Arrangement]) -> None:
    for song in songs:
        for part in song.parts:
            midi = mido.MidiFile(file=io.BytesIO(midi_bytes([part], song.tempo_bpm, song.beats)))
            channels = {m.channel for track in midi.tracks for m in track if not m.is_meta}
            assert channels == ({9} if part.stem == "drums" else {1} if part.stem == "bass" else {0}), part.name


def test_drum_notes_are_in_the_general_midi_range(songs: list[Arrangement]) -> None:
    played = {note.pitch for song in songs for part in song.of("drums") for note in part.notes}
    assert played <= set(DRUM_NOTES.values())
    assert {36, 38, 42, 49} <= played


def test_bass_stays_between_its_lowest_string_and_middle_c(songs: list[Arrangement]) -> None:
    for song in songs:
        for part in song.of("bass"):
            pitches = [note.pitch for note in part.notes]
            assert min(pitches) >= (24 if part.sound == "sub" else 28), song.style
            assert max(pitches) <= 60, song.style


def test_kick_bass_line_starts_its_notes_on_the_kick() -> None:
    span = ChordSpan(0.0, 4.0, parse_chord("I"), 0)
    section = Section("verse", 0.0, 1, 4, (span,), 0.5, frozenset({"bass"}))
    notes, _ = bass_notes(np.random.default_rng(0), [section], 4, "kick", {"verse": {"kick": "X..x..x...x....."}})
    assert {n.start for n in notes} >= {0.0, 0.75, 1.5, 2.5}
    assert notes[0].pitch == 28  # E1, the key


def test_no_instrument_imitates_a_voice(songs: list[Arrangement]) -> None:
    offered = {sound for texture in TEXTURES.values() for sound in texture.sounds}
    offered |= {sound for style in STYLES for sound in (*style.leads, *style.bass_sounds)}
    assert offered & VOICE_LIKE_PROGRAMS == set()
    assert {52, 53, 54, 78, 79, 91} <= VOICE_LIKE_PROGRAMS
    assert {part.sound for song in songs for part in song.parts} & VOICE_LIKE_PROGRAMS == set()


def test_every_name_in_the_style_tables_exists() -> None:
    for style in STYLES:
        assert set(style.comps) <= set(TEXTURES), style.name
        assert set(style.bass_lines) <= set(LINES), style.name
        assert {"minor" if t == "harmonic_minor" else t for t in style.tonalities} <= set(PROGRESSIONS), style.name
        steps = {len(pattern) for groove in style.grooves for pattern in groove.values()}
        assert steps <= ({12} if style.beats_per_bar == 3 else {12, 16}), style.name
        assert {piece for groove in style.grooves for piece in groove} <= set(DRUM_NOTES), style.name


@pytest.mark.parametrize(
    ("numeral", "chord"),
    [
        ("I", Chord(0, (0, 4, 7))),
        ("vi", Chord(9, (0, 3, 7))),
        ("bVII", Chord(10, (0, 4, 7))),
        ("ii7", Chord(2, (0, 3, 7, 10))),
        ("V7", Chord(7, (0, 4, 7, 10))),
        ("iim7b5", Chord(2, (0, 3, 6, 10))),
        ("bII5", Chord(1, (0, 7))),
    ],
)
def test_chord_numerals(numeral: str, chord: Chord) -> None:
    assert parse_chord(numeral) == chord


def test_all_progressions_can_be_read() -> None:
    assert all(parse_chord(n).intervals for table in PROGRESSIONS.values() for p in table for n in p.split())


def test_a_note_that_starts_again_is_ended_first() -> None:
    part = Part("p", "other", 0, [Note(0.0, 2.0, 60, 90), Note(1.0, 1.0, 60, 90)])
    midi = mido.MidiFile(file=io.BytesIO(midi_bytes([part], 120.0, 4.0)))
    events = [m.type for m in midi.tracks[1] if m.type in ("note_on", "note_off")]
    assert events == ["note_on", "note_off", "note_on", "note_off"]
    assert midi.length == 2.0


# Rendering


def test_stems_have_one_length_and_their_sum_does_not_clip() -> None:
    beats = [Note(float(b), 0.5, 36, 120) for b in range(4)]
    line = [Note(float(b), 0.9, 33, 110) for b in range(4)]
    chord = [Note(0.0, 3.5, pitch, 100) for pitch in (60, 64, 67)]
    parts = [Part("drums", "drums", "synth", beats), Part("pad", "other", "synth", chord, effect="hall")]
    song = Arrangement("test", 120.0, 0, "major", 6.0, [*parts, Part("bass", "bass", "synth", line)], pump=0.5)
    stems = render_arrangement(song, NO_SOUNDS, np.random.default_rng(1))
    assert {stem: audio.shape for stem, audio in stems.items()} == dict.fromkeys(STEMS, (3 * RATE, 2))
    assert all(np.abs(audio).max() > 0.05 for audio in stems.values())
    assert np.abs(np.sum(list(stems.values()), axis=0)).max() <= 10 ** (-1 / 20) + 1e-6
    song.parts = parts
    assert np.all(render_arrangement(song, NO_SOUNDS, np.random.default_rng(1))["bass"] == 0.0)


def test_synthesiser_plays_the_pitch_that_is_written() -> None:
    patch = Patch("saw", 1, 0.0, 0.005, 0.1, 0.8, 3000.0, 2.0, 0.2)
    audio = render_synth([Note(0.0, 4.0, 69, 100)], patch, 240.0, RATE, np.random.default_rng(0))
    spectrum = np.abs(np.fft.rfft(audio[:, 0]))
    assert int(np.argmax(spectrum)) == 440


@pytest.mark.parametrize("piece", ["kick", "snare", "clap", "hat", "open", "crash", "ride", "tom", "shaker", "bell"])
def test_synthesised_drums_are_sound_and_end_in_silence(piece: str) -> None:
    sound = synth_drum(piece, np.random.default_rng(2))
    assert np.abs(sound).max() == pytest.approx(1.0)
    assert abs(float(sound[-1])) < 0.01


def test_closed_hat_cuts_off_the_open_one() -> None:
    ring = [Hit(0.0, 1.0, np.ones((RATE, 2), np.float32))]
    click = [Hit(0.0, 1.0, np.zeros((10, 2), np.float32))]
    kit = {DRUM_NOTES["open"]: ring, DRUM_NOTES["hat"]: click}
    notes = [Note(0.0, 1.0, 46, 100), Note(0.5, 1.0, 42, 100)]
    audio = play_kit(notes, kit, 1.0, 2 * RATE, np.random.default_rng(0))
    assert audio[RATE // 2 - 100, 0] > 0.5
    assert np.all(audio[RATE // 2 + 901 :] == 0.0)


def test_hydrogen_kit_is_read_by_instrument_names_and_velocity_layers(tmp_path: Path) -> None:
    for name, hz in (("soft", 50.0), ("hard", 60.0), ("sd", 200.0)):
        soundfile.write(tmp_path / f"{name}.wav", tone(0.2, hz, 22050), 22050)
    layers = "".join(
        f"<layer><filename>{f}.wav</filename><min>{low}</min><max>{high}</max></layer>"
        for f, low, high in (("soft", 0, 0.5), ("hard", 0.5, 1))
    )
    (tmp_path / "drumkit.xml").write_text(
        f"<drumkit_info><instrumentList><instrument><name>Bass Drum 22</name>{layers}</instrument>"
        "<instrument><filename>sd.wav</filename><name>Snare Rock</name></instrument></instrumentList></drumkit_info>"
    )
    kit = load_hydrogen_kit(tmp_path)
    assert [(hit.lowest, hit.highest) for hit in kit[36]] == [(0.0, 0.5), (0.5, 1.0)]
    assert kit[36][0].audio.shape == (8820, 2)
    assert kit[39] is kit[38]  # no clap: the snare plays it
    assert 42 not in kit
    (tmp_path / "drumkit.xml").write_text("<drumkit_info><instrumentList/></drumkit_info>")
    with pytest.raises(StemliveError, match="leave it out"):
        load_hydrogen_kit(tmp_path)


EFFECTS: dict[str, Callable[[Audio], Audio]] = {
    "equalise": lambda x: render_effects.equalise(x, render_effects.peak(1000.0, 6.0)),
    "compress": lambda x: render_effects.compress(x, -20.0, 4.0),
    "saturate": lambda x: render_effects.saturate(x, 12.0),
    "amplifier": lambda x: render_effects.amplifier(x, 20.0),
    "reverb": lambda x: render_effects.reverb(x, np.random.default_rng(0), 0.4, 0.3),
    "echo": lambda x: render_effects.echo(x, 0.1, 0.5, 0.3),
    "chorus": lambda x: render_effects.chorus(x, 1.0, 2.0, 0.5),
    "tremolo": lambda x: render_effects.tremolo(x, 5.0, 0.5, True),
    "wah": lambda x: render_effects.wah(x, 2.0),
    "widen": lambda x: render_effects.widen(x, 1.4),
    "pan": lambda x: render_effects.pan(x, 0.5),
    "pump": lambda x: render_effects.pump(x, [0.0, 0.25], 0.6, 0.2),
}


@pytest.mark.parametrize("name", list(EFFECTS))
def test_effects_keep_shape_type_and_argument(name: str) -> None:
    audio = tone(0.5)
    before = audio.copy()
    out = EFFECTS[name](audio)
    assert out.shape == audio.shape
    assert out.dtype == np.float32
    assert np.all(np.isfinite(out))
    assert np.array_equal(audio, before)
    assert np.all(np.isfinite(EFFECTS[name](np.zeros_like(audio))))


@pytest.mark.parametrize(("hz", "gain_db"), [(50.0, 6.0), (15000.0, 0.0)])
def test_low_shelf_raises_the_lows_only(hz: float, gain_db: float) -> None:
    audio = tone(1.0, hz)
    out = render_effects.equalise(audio, render_effects.shelf(800.0, 6.0, high=False))
    ratio = np.std(out[RATE // 2 :]) / np.std(audio[RATE // 2 :])
    assert 20 * np.log10(ratio) == pytest.approx(gain_db, abs=0.1)


def test_pump_ducks_at_the_kick_and_recovers() -> None:
    out = render_effects.pump(np.ones((RATE, 2), np.float32), [0.5], 0.8, 0.25)
    assert out[RATE // 2 + 64, 0] == pytest.approx(0.2, abs=0.02)
    assert np.all(out[: RATE // 2] == 1.0)
    assert out[int(0.76 * RATE), 1] == 1.0


# MIDI that others made


def test_groove_performances_are_mapped_to_general_midi_and_grouped(tmp_path: Path) -> None:
    hits = [
        (0.5 * i, mido.Message("note_on", channel=9, note=note, velocity=80)) for i, note in enumerate((22, 26, 40))
    ]
    path = write_midi(tmp_path / "a.mid", hits)
    assert [(note.start, note.pitch) for note in read_drums(path)] == [(0.0, 42), (1.0, 46), (2.0, 38)]
    for index in range(5):
        write_midi(tmp_path / f"long{index}.mid", [(40.0, hits[0][1])])
    (tmp_path / "broken.mid").write_bytes(b"MThd\0\0")
    groups = groove_takes(tmp_path, seed=1)
    assert sorted(path.name for group in groups for path in group) == ["a.mid", *(f"long{i}.mid" for i in range(5))]
    assert groups == groove_takes(tmp_path, seed=1)
    assert all(len(group) <= 3 for group in groups)


def band_file(path: Path) -> Path:
    """Drums, a bass and a choir (program 52), three seconds."""
    events: list[tuple[float, mido.Message]] = [
        (0.0, mido.Message("program_change", channel=0, program=52)),
        (0.0, mido.Message("program_change", channel=1, program=33)),
    ]
    for beat in range(6):
        for channel, note in ((9, 36), (1, 40), (0, 64)):
            events.append((beat * 0.5, mido.Message("note_on", channel=channel, note=note, velocity=90)))
            events.append((beat * 0.5 + 0.4, mido.Message("note_off", channel=channel, note=note)))
    return write_midi(path, sorted(events, key=lambda event: event[0]))


def test_band_is_split_by_channel_and_program_and_voices_are_replaced(tmp_path: Path) -> None:
    song = read_band(band_file(tmp_path / "band.mid"), transpose=2)
    assert {part.stem: part.sound for part in song.parts} == {"drums": "acoustic", "bass": 33, "other": 48}
    assert {part.stem: part.notes[0].pitch for part in song.parts} == {"drums": 36, "bass": 42, "other": 66}
    (tmp_path / "broken.mid").write_bytes(b"no midi")
    with pytest.raises(StemliveError, match=r"broken\.mid"):
        read_band(tmp_path / "broken.mid")


# Patches


def find_sounds_here() -> Sounds:
    try:
        return find_sounds()
    except StemliveError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))


PATCH = b"<ZynAddSubFX-data><INSTRUMENT/></ZynAddSubFX-data>"


def bank_of(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / f"{name}.xiz"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(b"\n" + PATCH) if name.endswith("Pad") else PATCH)
    return folder


def test_patches_are_instruments_and_a_bass_plays_the_bass(tmp_path: Path) -> None:
    wrong = ("Choir and Voice/Pad", "Pads/Space Voice", "Pads/Ahhh", "Noises/Rain", "Collection/Hard Kick", "Misc/Wind")
    right = ("Bass/Wood", "Collection/Synth Bass", "Pads/Soft Pad", "Reed and Wind/Reed", "Plucked/Koto")
    patches = find_patches(bank_of(tmp_path, *wrong, *right))
    assert [f"{path.parent.name}/{path.stem}" for path in patches] == sorted(right)
    rng = np.random.default_rng(0)
    assert {pick_patch(patches, "bass", rng).stem for _ in range(50)} == {"Wood", "Synth Bass"}
    assert {pick_patch(patches, "other", rng).stem for _ in range(50)} == {"Soft Pad", "Reed", "Koto"}


def test_patch_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for name, content in (("cut", gzip.compress(PATCH)[:20]), ("text", b"no patch"), ("empty", b"<ZynAddSubFX-data/>")):
        path = tmp_path / f"{name}.xiz"
        path.write_bytes(content)
        with pytest.raises(StemliveError, match=rf"{name}\.xiz .*reinstall zynaddsubfx-data"):
            render_patch([Note(0, 1, 60, 100)], path, 120, 100)


def test_patch_plays_the_notes_at_their_pitch_and_time() -> None:
    patches = [path for path in find_sounds_here().patches if path.name == "0038-Reed 6.xiz"]
    if not patches:
        assert not os.environ.get("CI")
        pytest.skip("no patches: apt-get install lmms zynaddsubfx-data")
    tempo_bpm, start = 97.3, 6.0
    notes = [Note(0, 2, 57, 100), Note(start, 2, 69, 100)]  # 220 Hz, then 440 Hz
    audio = render_patch(notes, patches[0], tempo_bpm, 6 * RATE)
    assert audio.shape == (6 * RATE, 2)
    loud = np.abs(audio).max(1) > 1e-3
    gap = int(3.0 * RATE)  # the first note lasts 1.2 s
    begins_s = (gap + int(loud[gap:].argmax())) / RATE
    assert begins_s == pytest.approx(start * 60 / tempo_bpm, abs=0.02)
    for hz, at in ((220, 0.1), (440, begins_s + 0.1)):
        part = audio[int(at * RATE) :][:RATE].mean(1)
        power = np.abs(np.fft.rfft(part * np.hanning(len(part)))) ** 2  # bins of 1 Hz
        harmonic = np.abs((np.arange(len(power)) + hz / 2) % hz - hz / 2) < 8
        assert power[harmonic].sum() > 0.95 * power.sum()


def test_songs_that_come_with_lmms_are_accompaniment(tmp_path: Path) -> None:
    songs = {song.stem: song for song in find_lmms_songs()}
    if not songs:
        assert not os.environ.get("CI")
        pytest.skip("no songs: apt-get install lmms")
    assert len(songs) > 20
    assert "editing_note_volumes" not in songs
    song = songs["Surrender-Main"]  # the shortest
    assert render_lmms_song(tmp_path, song) is True
    audio, rate = soundfile.read(tmp_path / "pool" / "accompaniment" / "lmms-common" / "Surrender-Main.ogg")
    assert rate == RATE
    assert audio.shape[1] == 2
    assert 0.6 < np.abs(audio).max() < 1
    assert render_lmms_song(tmp_path, song) is False
    licences = write_licences(tmp_path).read_text()
    assert re.search(
        r"\| \[lmms-common\]\(licences/lmms-common\.txt\) \| .*CC.* \| 1: Surrender-Main\.ogg \|", licences
    )
    with pytest.raises(StemliveError, match=r"lmms failed on gone\.mmpz"):
        render_lmms_song(tmp_path, tmp_path / "gone.mmpz")


# Files


def fake_render(song: Arrangement, sounds: Sounds, rng: np.random.Generator) -> dict[str, Audio]:
    return {stem: tone(0.1) for stem in STEMS}


@pytest.fixture
def without_rendering(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "render_arrangement", fake_render)
    monkeypatch.setattr(build, "find_sounds", lambda: NO_SOUNDS)


@pytest.mark.usefixtures("without_rendering")
def test_song_that_is_there_is_not_written_again(tmp_path: Path) -> None:
    assert build.render_song(tmp_path, 0, 3) is True
    folder = tmp_path / "train" / "composed-000-00003"
    assert sorted(path.name for path in folder.iterdir()) == ["about.txt", "bass.flac", "drums.flac", "other.flac"]
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert build.render_song(tmp_path, 0, 3) is False
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before


@pytest.mark.usefixtures("without_rendering")
def test_interrupted_song_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = []

    def stop_at_the_second(path: Path, audio: Audio) -> None:
        if written:
            raise KeyboardInterrupt
        written.append(path)
        files.write_flac(path, audio)

    monkeypatch.setattr(build, "write_flac", stop_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        build.render_song(tmp_path, 0, 0)
    assert len(written) == 1
    assert list(tmp_path.rglob("*.flac")) == []
    assert list(tmp_path.iterdir()) == []


def test_leftovers_of_a_killed_build_are_removed(tmp_path: Path) -> None:
    left = tmp_path / f"{files.STAGING_PREFIX}x"
    left.mkdir()
    (left / "drums.flac").write_bytes(b"half")
    files.remove_leftovers(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_workers_end_with_a_killed_build(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "stemlive", "corpus", "build", str(tmp_path), "--songs", "1", "--no-accompaniment"]
    workers: list[int] = []

    def found() -> bool:
        workers[:] = spawned(program.pid)
        return len(workers) > 0

    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as program:
        try:
            wait_until(found, "the workers", patience_s=60)
        finally:
            program.kill()
    wait_until(lambda: not any(map(command_line, workers)), "the end of the workers", patience_s=60)


def test_lmms_may_fail_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ready = tmp_path / "ready.wav"
    soundfile.write(ready, tone(1.0), RATE, "FLOAT")
    program = tmp_path / "lmms"  # the output's name is its last argument
    program.write_text(
        f'#!/bin/sh\nif [ -e "{tmp_path}/failed" ]; then for out; do :; done; cp "{ready}" "$out"\n'
        f'else touch "{tmp_path}/failed"; exit 139; fi\n'
    )
    program.chmod(0o755)
    monkeypatch.setattr(render_patches, "PROGRAM", str(program))
    assert render_lmms_song(tmp_path, tmp_path / "song.mmpz")
    assert (tmp_path / "failed").exists()
    assert soundfile.info(next(tmp_path.rglob("song.ogg"))).frames == RATE


# Debian packages


def ogg(path: Path, seconds: float = 2.0) -> Path:
    soundfile.write(path, tone(seconds), RATE, format="OGG", subtype="VORBIS")
    return path


def test_validation_packages_are_never_fetched(tmp_path: Path) -> None:
    tracks = debian_audio.read_track_list()
    assert len(tracks) == 52
    assert sum(len(names) for names in tracks.values()) == 580
    for package in (
        "colobot-common-sounds",
        "enigma-data",
        "freedroidrpg-data",
        "openclonk-data",
        "redeclipse-data",
        "zaz-data",
    ):
        assert package not in tracks
        with pytest.raises(StemliveError, match="validation"):
            debian_audio.extract_members(package, lambda path: True, tmp_path)


def test_accompaniment_is_placed_converted_and_bad_tracks_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def extract(package: str, wanted: Callable[[PurePosixPath], bool], into: Path) -> dict[PurePosixPath, Path]:
        calls.append(package)
        soundfile.write(into / "b.flac", tone(2.0), RATE)
        (into / "c.ogg").write_bytes(b"no sound")
        inner = io.BytesIO()
        soundfile.write(inner, tone(2.0), RATE, format="OGG", subtype="VORBIS")
        with zipfile.ZipFile(into / "data.pk3", "w") as archive:
            archive.writestr("music/d.ogg", inner.getvalue())
        (into / "copyright").write_text("Files: *\nLicense: GPL-2+\nLicense: CC0-1.0\n")
        names = {
            "usr/share/g/a.ogg": ogg(into / "a.ogg"),
            "usr/share/g/b.flac": into / "b.flac",
            "usr/share/g/c.ogg": into / "c.ogg",
            "usr/share/g/data.pk3": into / "data.pk3",
            "usr/share/g/e.ogg": ogg(into / "0-e.ogg", 1.5),
            "usr/share/g/far/e.ogg": ogg(into / "1-e.ogg"),
            "usr/share/doc/game/copyright": into / "copyright",
        }
        found = {PurePosixPath(name): path for name, path in names.items()}
        assert all(wanted(path) for path in found)
        assert not wanted(PurePosixPath("usr/share/g/x.ogg"))
        return found

    monkeypatch.setattr(debian_audio, "extract_members", extract)
    names = ["a.ogg", "b.flac", "c.ogg", "d.ogg", "e.ogg", "far__e.ogg", "gone.ogg"]
    result = debian_audio.fetch_tracks(tmp_path, "game", names)
    folder = tmp_path / "pool" / "accompaniment" / "game"
    assert result.files == ["a.ogg", "b.ogg", "d.ogg", "e.ogg", "far__e.ogg"]
    assert [line.split("\t")[0] for line in result.skipped] == ["c.ogg", "gone.ogg"]
    assert (result.licences, result.made) == ("GPL-2+, CC0-1.0", 5)
    assert result.seconds == pytest.approx(9.5, abs=0.01)
    assert {path.name for path in folder.iterdir()} == {"a.ogg", "b.ogg", "d.ogg", "e.ogg", "far__e.ogg", ".skipped"}
    assert soundfile.info(folder / "e.ogg").duration == pytest.approx(1.5, abs=0.01)  # not the other folder's
    assert soundfile.info(folder / "b.ogg").format == "OGG"
    again = debian_audio.fetch_tracks(tmp_path, "game", names)
    assert calls == ["game"]
    assert (again.files, again.skipped, again.made) == (result.files, sorted(result.skipped), 0)
    text = write_licences(tmp_path).read_text(encoding="utf-8")
    assert "| [game](licences/game.txt) | GPL-2+, CC0-1.0 | 5: a.ogg, b.ogg, d.ogg, e.ogg, far__e.ogg |" in text


# The whole


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        ({"workers": 0}, "workers is 0: .* 1 or more workers"),
        ({"songs": -1}, "songs is -1, .* give 0 or more songs"),
        ({"groove": Path("nowhere")}, "leave it out"),
    ],
)
def test_wrong_use_says_what_to_do(tmp_path: Path, arguments: dict[str, object], remedy: str) -> None:
    with pytest.raises(StemliveError, match=remedy):
        build.build_corpus(tmp_path / "x", accompaniment=False, **arguments)  # type: ignore[arg-type]
    assert not (tmp_path / "x").exists()


def test_tiny_build_and_resume(tmp_path: Path) -> None:
    find_sounds_here()
    root = tmp_path / "corpus"
    band_file(tmp_path / "midi" / "tiny.mid")
    (tmp_path / "midi" / "broken.mid").write_bytes(b"no midi")
    seen: list[tuple[int, int]] = []
    report = build.build_corpus(
        root, songs=0, bands=tmp_path / "midi", accompaniment=False, progress=lambda n, of, name: seen.append((n, of))
    )
    assert report.made == 2
    assert seen == [(n, 4) for n in range(1, 5)]
    assert [line.split(":")[0] for line in sorted(report.skipped)] == ["broken 0", "broken 1"]
    for folder in (root / "train").iterdir():
        stems = [soundfile.read(folder / f"{stem}.flac", dtype="float32") for stem in STEMS]
        assert {(rate, audio.shape) for audio, rate in stems} == {(RATE, stems[0][0].shape)}
        assert all(np.abs(audio).max() > 0.01 for audio, _ in stems), folder.name
        assert np.abs(np.sum([audio for audio, _ in stems], axis=0)).max() <= 10 ** (-1 / 20) + 1e-3
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*.flac")}
    assert len(before) == 6
    assert build.build_corpus(root, songs=0, bands=tmp_path / "midi", accompaniment=False).made == 0
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*.flac")} == before
    assert "OpenMSX" in (root / "LICENCES.md").read_text(encoding="utf-8")
    assert [path.name for path in root.iterdir() if path.name.startswith(".")] == []


def test_check_measures_what_was_put_into_the_recordings(tmp_path):
    """A second of a 1 kHz sine at -6 dBFS, a second of silence; and the same sine clipped by 12 dB."""
    time_s = np.arange(44100) / 44100
    sine = 0.5 * np.sin(2 * np.pi * 1000 * time_s)
    folder = tmp_path / "pool" / "other" / "generator"
    folder.mkdir(parents=True)
    soundfile.write(folder / "half.wav", np.concatenate([sine, 0 * sine]), 44100, subtype="PCM_16")
    soundfile.write(folder / "clipped.wav", np.clip(4 * sine, -1, 1), 44100, subtype="PCM_16")
    sources = scan([tmp_path], tmp_path / "cache", 44100)
    clipped, half = check_sources(sources, 44100)
    assert half.level_db == pytest.approx(20 * np.log10(0.5 / np.sqrt(2)), abs=0.1)
    assert half.silent == pytest.approx(0.5)
    assert half.bandwidth_hz == pytest.approx(1000, abs=5)
    assert half.clipped == 0
    above = 1 - 2 / np.pi * np.arcsin(1 / 2)  # share of a period in which twice a unit sine is beyond 1
    assert clipped.clipped == pytest.approx(above, abs=0.02)
    (row,) = summarise([clipped, half])
    assert (row.recordings, row.hours) == (2, pytest.approx(3 / 3600))
    assert row.clipped == pytest.approx(above / 2, abs=0.01)
    assert row.heard is None


def test_check_lets_a_model_listen(tmp_path):
    """A model whose mask for the bass is one and the others zero hears nothing but bass."""
    torch.manual_seed(0)
    model = BSRNN(ModelConfig(feature_dim=4, num_repeat=1)).eval()

    class AllBass(torch.nn.Module):
        config, initial_state = model.config, model.initial_state

        def forward(self, frames, state):
            _, new = model(frames, state)
            return torch.stack([frames * (stem == "bass") for stem in model.config.stems], dim=1), new

    for kind in ("bass", "other", "accompaniment"):
        folder = tmp_path / "pool" / kind / "noise"
        folder.mkdir(parents=True)
        soundfile.write(folder / "a.wav", np.random.default_rng(1).normal(0, 0.1, 44100), 44100)
    checks = check_sources(scan([tmp_path], tmp_path / "cache", 44100), 44100, AllBass())
    assert {check.kind: check.heard for check in checks} == {"bass": 1.0, "other": 0.0, "accompaniment": 1.0}


def test_check_command_prints_a_table_or_every_recording(tmp_path):
    folder = tmp_path / "data" / "pool" / "drums" / "noise"
    folder.mkdir(parents=True)
    soundfile.write(folder / "a.wav", np.random.default_rng(1).normal(0, 0.1, 44100), 44100)
    arguments = ["corpus", "check", str(tmp_path / "data"), "--cache", str(tmp_path)]
    result = CliRunner().invoke(cli.main, arguments)
    assert result.exit_code == 0, result.output
    assert "| drums | noise | 1 | 0.00 | -20.0 | 0.000 | 0 | 22.0 | - |" in result.output
    (one,) = json.loads(CliRunner().invoke(cli.main, [*arguments, "--json"]).stdout)
    assert (one["kind"], one["source"], one["seconds"]) == ("drums", "noise", 1.0)
