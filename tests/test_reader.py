"""Audio files are read to their real end, whatever their header says; and what is missing is said."""

import os
import re
import struct
import subprocess
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from stemlive.errors import AudioFileError
from stemlive.realtime.audio_files.pipes import PipeReader
from stemlive.realtime.audio_files.reader import AudioReader
from stemlive.realtime.audio_files.sndfile_reader import SndfileReader

RATE_HZ = 44100


def music(seconds: float, seed: int = 1) -> NDArray[np.float32]:
    """Loud in parts and silent in others, so that a variable bit rate varies."""
    count = round(seconds * RATE_HZ)
    noise = 0.3 * np.random.default_rng(seed).standard_normal((count, 2))
    return (noise * (np.arange(count) % RATE_HZ < RATE_HZ // 2)[:, None]).astype(np.float32)


def ffmpeg(*arguments: object) -> bytes:
    command = ["ffmpeg", "-v", "error", "-y", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, check=True).stdout


def decoded_by_ffmpeg(path: Path) -> NDArray[np.float32]:
    return np.frombuffer(ffmpeg("-i", path, "-f", "f32le", "-"), "<f4").reshape(-1, 2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`song.wav` of 5 s and `short.wav` of 2 s: loud at first, where a length is guessed from, and often silent."""
    path = tmp_path_factory.mktemp("songs")
    soundfile.write(path / "song.wav", music(5), RATE_HZ)
    soundfile.write(path / "short.wav", music(2, seed=2), RATE_HZ)
    return path


def encoded(folder: Path, name: str, *options: object, song: str = "song.wav") -> bytes:
    """The song as `name` says, in bytes."""
    ffmpeg("-i", folder / song, *options, folder / name)
    return (folder / name).read_bytes()


def reading(path: Path, content: bytes) -> AudioReader:
    path.write_bytes(content)
    return AudioReader(path)


def read_all(reader: AudioReader, block_frames: int = 1000) -> NDArray[np.float32]:
    blocks = []
    while len(block := reader.read(block_frames)):
        blocks.append(block)
    return np.concatenate(blocks)


def seconds(reader: AudioReader) -> float:
    """The length that is read, which is the one that was promised."""
    promised = reader.frames
    sound = read_all(reader)
    assert len(sound) == promised == reader.frames
    reader.seek(promised // 2)
    np.testing.assert_allclose(reader.read(500), sound[promised // 2 :][:500], atol=1e-5)
    return promised / reader.sample_rate_hz


# MP3


def test_mp3_of_a_variable_bit_rate_without_a_header_is_read_to_its_end(folder, tmp_path, capfd):
    content = encoded(folder, "vbr.mp3", "-q:a", 9, "-write_xing", 0)
    with soundfile.SoundFile(folder / "vbr.mp3") as libsndfile:
        assert libsndfile.frames < 4 * RATE_HZ
    with reading(tmp_path / "vbr.mp3", content) as reader:
        assert seconds(reader) == pytest.approx(5, abs=0.06)
        assert reader.note == ""
        reader.seek(0)
        ours = read_all(reader)
    theirs = decoded_by_ffmpeg(folder / "vbr.mp3")[-len(ours) :]  # the delay of the decoder is taken out here
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("options", [("-b:a", "128k"), ("-b:a", "128k", "-write_xing", 0), ("-q:a", 4, "-ac", 1)])
@pytest.mark.parametrize("rate_hz", [44100, 22050])
def test_other_mp3_is_what_it_was(folder, tmp_path, options, rate_hz):
    with reading(tmp_path / "a.mp3", encoded(folder, "a.mp3", "-ar", rate_hz, *options)) as reader:
        assert seconds(reader) == pytest.approx(5, abs=0.11)
        assert reader.note == ""


def test_mp3_sounds_the_same_however_it_is_read(folder, tmp_path):
    """libsndfile, left alone, plays the wrong frames for a moment after it was asked to go to where it is."""
    with reading(tmp_path / "vbr.mp3", encoded(folder, "vbr.mp3", "-q:a", 4)) as reader:
        whole = reader.read(reader.frames)
        np.testing.assert_allclose(whole, decoded_by_ffmpeg(folder / "vbr.mp3"), atol=1e-5)
        for block_frames in (1000, 1024, 4410):
            reader.seek(0)
            np.testing.assert_allclose(read_all(reader, block_frames), whole, atol=1e-5)
        for place in range(0, 3 * RATE_HZ, 4999):
            reader.seek(place)
            np.testing.assert_allclose(reader.read(3000), whole[place : place + 3000], atol=1e-5)


def test_mp3_files_that_were_joined_are_read_as_one(folder, tmp_path, capfd):
    first, second = encoded(folder, "a.mp3", "-q:a", 4), encoded(folder, "b.mp3", "-b:a", "64k", song="short.wav")
    hole = np.random.default_rng(3).bytes(50_000)
    for between in (b"", b"ID3\4\0\0\0\0\x40\x00" + bytes(8192), hole):
        with reading(tmp_path / "joined.mp3", first + between + second) as reader:
            assert seconds(reader) == pytest.approx(7, abs=0.11)
            assert reader.note == ""
    assert capfd.readouterr().err == ""


def test_mp3_that_is_cut_off_is_read_as_far_as_it_goes_and_the_rest_is_missed(folder, tmp_path, capfd):
    content = encoded(folder, "a.mp3", "-b:a", "128k")
    with reading(tmp_path / "cut.mp3", content[: len(content) // 2]) as reader:
        assert seconds(reader) == pytest.approx(2.5, abs=0.05)
        assert reader.note.startswith(f"{tmp_path / 'cut.mp3'} ends after 2.")
        assert re.search(r"of the (4\.9|5\.0)\d s that its header announces$", reader.note)
    assert capfd.readouterr().err == ""


def test_mp3_that_goes_on_otherwise_is_not_lost_without_a_word(folder, tmp_path):
    other = encoded(folder, "b.mp3", "-ar", 48000, "-b:a", "128k")
    with reading(tmp_path / "a.mp3", encoded(folder, "a.mp3", "-b:a", "128k") + other) as reader:
        assert seconds(reader) == pytest.approx(5, abs=0.06)
        assert "the last 50% of" in reader.note


def test_a_layer_whose_length_is_only_guessed_ends_where_it_ends(folder, tmp_path):
    with reading(tmp_path / "a.mp2", encoded(folder, "a.mp2")) as reader:
        promised = reader.frames
        assert len(read_all(reader)) == reader.frames == pytest.approx(5 * RATE_HZ, abs=1200)
        assert promised - 1200 < reader.frames < promised
        assert reader.note == ""


@pytest.mark.parametrize("options", [("-b:a", "128k"), ("-q:a", 9)])
def test_mp3_in_wav(folder, tmp_path, options):
    content = encoded(folder, "mp3.wav", "-c:a", "libmp3lame", *options)
    with reading(tmp_path / "mp3.wav", content) as reader:
        assert seconds(reader) == pytest.approx(5, abs=0.06)
        assert reader.note == ""


# Ogg


@pytest.mark.parametrize("codec", ["libvorbis", "libopus"])
def test_chained_ogg_is_read_as_one(folder, tmp_path, codec):
    first = encoded(folder, "a.ogg", "-c:a", codec)
    second = encoded(folder, "b.ogg", "-c:a", codec, song="short.wav")
    with AudioReader(folder / "a.ogg") as a, AudioReader(folder / "b.ogg") as b:
        parts = np.concatenate([read_all(a), read_all(b)])
    with reading(tmp_path / "chain.ogg", first + second) as reader:
        assert seconds(reader) == pytest.approx(7, abs=0.001)
        assert reader.note == ""
        reader.seek(0)
        np.testing.assert_array_equal(read_all(reader), parts)
        for place in (6 * reader.sample_rate_hz, 10):
            reader.seek(place)
            np.testing.assert_allclose(reader.read(100), parts[place : place + 100], atol=1e-5)


def test_a_chain_that_changes_its_rate_is_read_as_far_as_that(folder, tmp_path):
    second = encoded(folder, "b.ogg", "-ar", 48000)
    with reading(tmp_path / "chain.ogg", encoded(folder, "a.ogg") + second) as reader:
        assert seconds(reader) == pytest.approx(5, abs=0.001)
        assert "only the first 1 of the 2 pieces" in reader.note
        assert "(5.00 s)" in reader.note


@pytest.mark.parametrize("extra_bytes", [0, 100])
def test_ogg_that_is_cut_off_says_so(folder, tmp_path, extra_bytes):
    content = encoded(folder, "a.ogg")
    page = content.rindex(b"OggS", 0, content.rindex(b"OggS"))  # the last but one
    with reading(tmp_path / "cut.ogg", content[: page + extra_bytes]) as reader:
        length_s = seconds(reader)
        assert 1 < length_s < 5
        assert f"has no end and may be cut off: {length_s:.2f} s are there" in reader.note


# WAV and its kin


def wav(folder: Path) -> bytearray:
    content = bytearray((folder / "short.wav").read_bytes())
    assert content[36:40] == b"data"
    return content


@pytest.mark.parametrize("riff_bytes", [0, 8, 36, 0xFFFFFFFF])
@pytest.mark.parametrize("data_bytes", [0, 1000, 4 * RATE_HZ, 0x7FFFF000, 0xFFFFFFFF])
def test_wav_whose_header_was_never_completed_is_read_to_its_end(folder, tmp_path, riff_bytes, data_bytes):
    content = wav(folder)
    content[4:8], content[40:44] = struct.pack("<I", riff_bytes), struct.pack("<I", data_bytes)
    with reading(tmp_path / "killed.wav", bytes(content)) as reader:
        assert seconds(reader) == 2
        assert reader.note == ""
        reader.seek(0)
        np.testing.assert_array_equal(read_all(reader), soundfile.read(folder / "short.wav", dtype="float32")[0])


def test_rf64_that_went_down_a_pipe_is_read_to_its_end(folder, tmp_path):
    content = ffmpeg("-i", folder / "short.wav", "-f", "wav", "-rf64", "always", "-")
    with reading(tmp_path / "pipe.wav", content) as reader:
        assert seconds(reader) == 2
        assert reader.note == ""


@pytest.mark.parametrize("after", [b"LIST\4\0\0\0abcd", b"TAG" + bytes(125), b"\0", b"\0LIST\4\0\0\0abcd", b"id3 "])
def test_what_follows_the_samples_is_not_heard(folder, tmp_path, after):
    content = wav(folder)
    content[40:44] = struct.pack("<I", 8 * RATE_HZ)
    with reading(tmp_path / "tagged.wav", bytes(content + after)) as reader:
        assert seconds(reader) == 2
        assert reader.note == ""


def test_wav_files_that_were_joined_are_read_as_one(folder, tmp_path):
    content = bytes(wav(folder))
    with reading(tmp_path / "joined.wav", content + content[:-4] + content[-4:]) as reader:
        assert seconds(reader) == 4
        assert reader.note == ""


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.wav", ()),
        ("a.wav", ("-c:a", "pcm_alaw")),
        ("a.wav", ("-c:a", "adpcm_ms")),
        ("a.wav", ("-rf64", "always")),
        ("a.aiff", ()),
        ("a.w64", ()),
        ("a.au", ()),
    ],
)
def test_what_is_cut_off_is_read_as_far_as_it_goes_and_the_rest_is_missed(folder, tmp_path, name, options):
    content = encoded(folder, name, *options)
    with AudioReader(folder / name) as reader:
        assert seconds(reader) == pytest.approx(5, abs=0.02)
        assert reader.note == ""
    with reading(tmp_path / name, content[: len(content) // 2]) as reader:
        assert seconds(reader) == pytest.approx(2.5, abs=0.05)
        assert "ends after 2." in reader.note
        assert reader.note.endswith("s that its header announces")


@pytest.mark.parametrize("kind", ["aiff", "w64", "au"])
def test_other_kinds_that_went_down_a_pipe(folder, tmp_path, kind):
    with reading(tmp_path / f"pipe.{kind}", ffmpeg("-i", folder / "short.wav", "-f", kind, "-")) as reader:
        assert seconds(reader) == 2
        assert reader.note == ""


# FLAC


def flac_of(folder: Path, song: str = "song.wav") -> bytes:
    return ffmpeg("-i", folder / song, "-f", "flac", "-")


def test_flac_that_went_down_a_pipe_is_read_to_its_end(folder, tmp_path):
    content = flac_of(folder)
    assert not any(content[22:26])  # the number of samples is not known
    with reading(tmp_path / "pipe.flac", content) as reader:
        assert seconds(reader) == 5
        assert reader.note == ""
        reader.seek(0)
        np.testing.assert_array_equal(read_all(reader), soundfile.read(folder / "song.wav", dtype="float32")[0])


@pytest.mark.parametrize("options", [(), ("-frame_size", 1000), ("-sample_fmt", "s32"), ("-ar", 96000), ("-ac", 1)])
def test_flac_of_all_kinds_that_is_cut_off(folder, tmp_path, options):
    content = encoded(folder, "a.flac", *options)
    with reading(tmp_path / "cut.flac", content[: 3 * len(content) // 4]) as reader:
        length_s = seconds(reader)
        assert 2.5 < length_s < 5
        assert f"ends after {length_s:.2f} s of the 5.00 s" in reader.note


def test_flac_files_that_were_joined_are_read_as_one(folder, tmp_path):
    first, second = flac_of(folder), encoded(folder, "b.flac", song="short.wav")
    for content in (first + second, second + first):
        with reading(tmp_path / "joined.flac", content) as reader:
            assert seconds(reader) == 7
            assert reader.note == ""
    with reading(tmp_path / "twice.flac", second + second) as reader:
        assert seconds(reader) == 2
        assert re.search(r"the last [45]\d% of .*, after 2\.00 s, are not read", reader.note)


def test_flac_that_is_damaged_is_an_error_with_the_length_that_was_read(tmp_path):
    soundfile.write(tmp_path / "a.flac", music(2), RATE_HZ)
    content = bytearray((tmp_path / "a.flac").read_bytes())
    middle = len(content) // 2
    content[middle : middle + 2000] = bytes(2000)
    with (
        reading(tmp_path / "damaged.flac", bytes(content)) as reader,
        pytest.raises(AudioFileError, match=r"damaged\.flac is damaged: only [01]\.\d\d s of 2\.00 s could be read"),
    ):
        read_all(reader)


# more than two channels


LAYOUTS = {3: "3.0", 4: "quad", 5: "5.0(back)", 6: "5.1(back)", 7: "6.1", 8: "7.1"}


def speakers(channels: int) -> NDArray[np.float32]:
    """A tone of its own for each channel."""
    time_s = np.arange(RATE_HZ) / RATE_HZ
    return np.stack([0.1 * np.sin(2 * np.pi * 200 * (k + 1) * time_s) for k in range(channels)], axis=1)


@pytest.mark.parametrize("channels", LAYOUTS)
@pytest.mark.parametrize(("name", "options"), [("a.wav", ()), ("a.flac", ()), ("a.ogg", ("-q:a", 10))])
def test_more_than_two_channels_are_mixed_down_as_players_do(tmp_path, channels, name, options):
    soundfile.write(tmp_path / "all.wav", speakers(channels), RATE_HZ)
    ffmpeg("-channel_layout", LAYOUTS[channels], "-i", tmp_path / "all.wav", *options, tmp_path / name)
    theirs = np.frombuffer(ffmpeg("-i", tmp_path / name, "-ac", 2, "-f", "f32le", "-c:a", "pcm_f32le", "-"), "<f4")
    with AudioReader(tmp_path / name) as reader:
        ours = read_all(reader)
        assert reader.note == f"{tmp_path / name} has {channels} channels, which are mixed down to stereo"
    assert ours.shape == (RATE_HZ, 2)
    theirs = theirs.reshape(-1, 2)[: len(ours)]  # of Ogg it may leave out the last packet
    assert len(theirs) > RATE_HZ - 200
    np.testing.assert_allclose(ours[: len(theirs)], theirs, atol=1e-3)


def test_the_mask_says_which_speakers_the_channels_are_for(tmp_path):
    content = bytearray()
    soundfile.write(tmp_path / "all.wav", speakers(3), RATE_HZ, format="WAVEX")
    content += (tmp_path / "all.wav").read_bytes()
    assert content[12:20] == b"fmt \x28\0\0\0"
    left, right, third = speakers(3).T
    half = np.sqrt(0.5)
    for mask, expected in (
        (0x7, (left + half * third, right + half * third)),
        (0xB, (left, right)),  # 2.1: the third is the LFE
        (0x103, (left + third / 2, right + third / 2)),  # behind
        (0x3, (left + third / np.sqrt(3), right + third / np.sqrt(3))),  # for no speaker
    ):
        content[40:44] = struct.pack("<I", mask)
        with reading(tmp_path / "masked.wav", bytes(content)) as reader:
            np.testing.assert_allclose(read_all(reader), np.stack(expected, axis=1), atol=1e-4)
        with PipeReader(tmp_path / "masked.wav") as reader:
            assert reader.channels == 2
            np.testing.assert_allclose(read_all(reader), np.stack(expected, axis=1), atol=1e-4)
            assert reader.note.endswith("masked.wav has 3 channels, which are mixed down to stereo")
    tagged = encoded(tmp_path, "tagged.flac", "-channel_layout", "2.1", song="all.wav")
    with reading(tmp_path / "tagged.flac", tagged) as reader:
        np.testing.assert_allclose(read_all(reader), np.stack([left, right], axis=1), atol=1e-4)


def test_channels_for_no_speaker_are_heard_on_both_sides(tmp_path):
    sound = np.zeros((1000, 16))
    sound[:, 11] = 0.4
    soundfile.write(tmp_path / "tracks.wav", sound, RATE_HZ, "FLOAT")
    with AudioReader(tmp_path / "tracks.wav") as reader:
        np.testing.assert_allclose(read_all(reader), 0.1, atol=1e-6)


# whatever it is


@pytest.mark.parametrize("name", ["a.mp3", "a.ogg", "a.flac", "a.wav", "a.aiff", "a.w64", "a.au"])
def test_no_stump_of_a_file_is_more_than_an_error(folder, tmp_path, name):
    content = encoded(folder, name, song="short.wav")
    for size in [*range(1, 60, 4), *range(60, 5000, 1000)]:  # each takes a tenth of a second
        (tmp_path / name).write_bytes(content[:size])
        try:
            with AudioReader(tmp_path / name) as reader:
                assert len(read_all(reader)) == reader.frames
        except AudioFileError as error:
            assert str(tmp_path / name) in str(error)


@pytest.mark.parametrize("name", ["a.mp3", "a.ogg", "a.flac", "a.wav", "a.aiff"])
def test_damage_anywhere_is_an_error_at_most(folder, tmp_path, name):
    whole = encoded(folder, name, song="short.wav")
    rng = np.random.default_rng(4)
    for _ in range(40):
        content = bytearray(whole)
        for place in rng.integers(0, min(len(whole), 6000), 8):
            content[place] = rng.integers(256)
        (tmp_path / name).write_bytes(content)
        try:
            with AudioReader(tmp_path / name) as reader:
                assert len(reader.read(3 * RATE_HZ)) <= reader.frames
        except AudioFileError as error:
            assert str(tmp_path / name) in str(error)


def test_a_tag_before_another_kind_is_passed_over(folder, tmp_path):
    tag = b"ID3\4\0\0\0\0\x01\x00" + bytes(128)
    with reading(tmp_path / "tagged.flac", tag + encoded(folder, "a.flac")) as reader:
        assert seconds(reader) == 5


def test_a_disk_that_fails_is_an_error(folder, monkeypatch):
    reader = SndfileReader(folder / "song.wav", "song.wav")
    reader.read(1000)
    descriptor = os.open(folder, os.O_RDONLY)  # a folder cannot be read as a file
    os.dup2(descriptor, reader._stream.fileno())
    os.close(descriptor)
    with closing(reader), pytest.raises(AudioFileError, match=r"cannot read song\.wav: Is a directory"):
        read_all(reader, 100_000)
