"""Audio files and pipes: what is read and written, and that no half file ever stands under its name."""

import errno
import os
import resource
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from stemlive.errors import AudioFileError, UsageError
from stemlive.realtime.audio_files import files
from stemlive.realtime.audio_files.files import AudioWriter
from stemlive.realtime.audio_files.pcm import PcmFormat, wav_header
from stemlive.realtime.audio_files.pipes import PipeReader, PipeWriter, is_pipe
from stemlive.realtime.audio_files.reader import AudioReader

RATE_HZ = 44100
DATA = b"data\4\0\0\0abcd"


def noise(frames: int = 5000, channels: int = 2, level: float = 0.3) -> NDArray[np.float32]:
    return (level * np.random.default_rng(1).standard_normal((frames, channels))).astype(np.float32)


def tone(frames: int = 5000, channels: int = 2) -> NDArray[np.float32]:
    wave = 0.3 * np.sin(2 * np.pi * 440 / RATE_HZ * np.arange(frames))
    return np.repeat(wave[:, None], channels, axis=1).astype(np.float32)


def write(path: Path, *blocks: NDArray[np.float32], **options: bool) -> None:
    with AudioWriter(path, RATE_HZ, blocks[0].shape[1], **options) as writer:
        for block in blocks:
            writer.write(block)


def read_all(reader: AudioReader | PipeReader, block_frames: int = 700) -> NDArray[np.float32]:
    blocks = []
    while len(block := reader.read(block_frames)):
        blocks.append(block)
    return np.concatenate(blocks) if blocks else np.zeros((0, reader.channels), np.float32)


@contextmanager
def file_size_limit(size_bytes: int) -> Iterator[None]:
    """Make every write beyond a size fail, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(("extension", "tolerance"), [("wav", 0.0), ("WAV", 0.0), ("flac", 2**-23), ("ogg", 0.05)])
def test_what_is_written_is_read_back(tmp_path, extension, tolerance, channels):
    path, audio = tmp_path / f"a.{extension}", tone(channels=channels)
    write(path, audio[:123], audio[123:123], audio[123:])
    with AudioReader(path) as reader:
        assert (reader.frames, reader.channels, reader.sample_rate_hz) == (5000, channels, RATE_HZ)
        again = read_all(reader)
        assert again.shape == audio.shape
        assert np.abs(again - audio).max() <= tolerance
        reader.seek(1000)
        np.testing.assert_array_equal(reader.read(500), again[1000:1500])


def test_wav_keeps_what_is_louder_than_full_scale_and_flac_counts_what_it_clips(tmp_path):
    loud = np.array([[0.5, -3.0], [2.0, 1.0]], np.float32)
    write(tmp_path / "loud.wav", loud)
    np.testing.assert_array_equal(soundfile.read(tmp_path / "loud.wav", dtype="float32")[0], loud)
    with AudioWriter(tmp_path / "loud.flac", RATE_HZ, 2) as writer:
        writer.write(loud)
    assert writer.clipped_samples == 2
    clipped = soundfile.read(tmp_path / "loud.flac")[0]
    np.testing.assert_allclose(clipped, [[0.5, -1], [1, 1]], atol=1e-6)


def test_a_file_has_its_name_only_once_it_is_whole(tmp_path):
    path = tmp_path / "a.wav"
    with AudioWriter(path, RATE_HZ, 2) as writer:
        writer.write(noise())
        assert not path.exists()
        assert [part.name.startswith(".a.wav.") for part in tmp_path.iterdir()] == [True]
    assert [each.name for each in tmp_path.iterdir()] == ["a.wav"]


def test_what_a_killed_program_left_goes_when_the_same_file_is_written_again(tmp_path):
    code = f"""
import os, signal
from stemlive.realtime.audio_files.files import AudioWriter
AudioWriter({str(tmp_path / "a[1].wav")!r}, {RATE_HZ}, 2)
AudioWriter({str(tmp_path / "b.wav")!r}, {RATE_HZ}, 2)
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
    mine = AudioWriter(tmp_path / "a[1].wav", RATE_HZ, 2)  # of a program that runs
    with AudioWriter(tmp_path / "a[1].wav", RATE_HZ, 2):
        hidden = sorted(path.name for path in tmp_path.glob(".*"))
        assert [name.split(".")[1] for name in hidden] == ["a[1]", "a[1]", "b"]
        assert all(f"-{os.getpid()}-" in name for name in hidden[:2])
    mine.discard()


def test_an_exception_leaves_nothing_behind(tmp_path):
    with pytest.raises(KeyboardInterrupt), AudioWriter(tmp_path / "a.flac", RATE_HZ, 2) as writer:
        writer.write(noise())
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_is_replaced_only_with_force(tmp_path):
    path = tmp_path / "a.wav"
    path.write_text("precious")
    with pytest.raises(AudioFileError, match=r"a\.wav exists.*replace it with `force=True`"):
        AudioWriter(path, RATE_HZ, 2)
    with pytest.raises(ZeroDivisionError), AudioWriter(path, RATE_HZ, 2, force=True):
        raise ZeroDivisionError
    assert path.read_text() == "precious"
    write(path, noise(), force=True)
    assert soundfile.info(path).frames == 5000


def test_a_file_that_appears_meanwhile_is_not_replaced(tmp_path):
    path = tmp_path / "a.wav"
    with pytest.raises(AudioFileError, match="exists"), AudioWriter(path, RATE_HZ, 2):
        path.write_text("precious")
    assert path.read_text() == "precious"
    assert [each.name for each in tmp_path.iterdir()] == ["a.wav"]


def test_a_link_is_written_through(tmp_path):
    (tmp_path / "real.wav").write_text("old")
    (tmp_path / "link.wav").symlink_to("real.wav")
    write(tmp_path / "link.wav", noise(), force=True)
    assert (tmp_path / "link.wav").is_symlink()
    assert soundfile.info(tmp_path / "real.wav").frames == 5000


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("a.txt", UsageError, r"one of \.wav, \.flac, \.ogg"),
        ("a", UsageError, r"one of \.wav"),
        ("none/a.wav", AudioFileError, "no folder"),
        ("folder.wav", AudioFileError, "is a folder"),
        ("file/a.wav", AudioFileError, "no folder"),
    ],
)
def test_names_that_cannot_be_written(tmp_path, name, error, message):
    (tmp_path / "folder.wav").mkdir()
    (tmp_path / "file").write_text("")
    with pytest.raises(error, match=message):
        AudioWriter(tmp_path / name, RATE_HZ, 2)


def test_an_encoder_that_refuses_the_audio_leaves_nothing(tmp_path):
    with pytest.raises(AudioFileError, match=r"cannot write .*a\.flac"):
        AudioWriter(tmp_path / "a.flac", RATE_HZ, 9)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("extension", ["wav", "flac", "ogg"])
def test_a_disk_that_fills_up_is_an_error_and_leaves_nothing(tmp_path, extension):
    # The second limit is met when the encoder's last block is written, on closing.
    write(tmp_path / f"whole.{extension}", noise(60000))
    whole = (tmp_path / f"whole.{extension}").stat().st_size
    for limit in (20000, whole - 100):
        path = tmp_path / f"{limit}.{extension}"
        with file_size_limit(limit), pytest.raises(AudioFileError, match=rf"cannot write .*{path.name}"):
            write(path, *np.array_split(noise(60000), 60))
    assert [each.name for each in tmp_path.iterdir()] == [f"whole.{extension}"]


def test_a_full_file_system_is_named(tmp_path):
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(folder)]
    mounted = os.geteuid() == 0 and subprocess.run(command, check=False, capture_output=True).returncode == 0
    try:
        with file_size_limit(200_000), pytest.raises(AudioFileError) as caught:
            write(folder / "a.flac", *np.array_split(noise(200_000), 60))
        assert list(folder.iterdir()) == []
    finally:
        if mounted:
            subprocess.run(["umount", str(folder)], check=True)
    assert "the disk is full" in str(caught.value) or not mounted


def test_wav_beyond_4_gib_is_rf64_when_the_length_is_known_and_an_error_when_not(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_WAV_LIMIT_BYTES", 10_000)
    with AudioWriter(tmp_path / "long.wav", RATE_HZ, 2, total_frames=5000) as writer:
        writer.write(noise())
    assert soundfile.info(tmp_path / "long.wav").format == "RF64"
    with AudioReader(tmp_path / "long.wav") as reader:
        np.testing.assert_array_equal(read_all(reader), noise())
    with pytest.raises(AudioFileError, match=r"4 GiB.*\.flac"), AudioWriter(tmp_path / "b.wav", RATE_HZ, 2) as writer:
        writer.write(noise())


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.wav", None, "no such file"),
        ("empty.wav", b"", "is empty"),
        ("text.wav", b"this is no audio", "not audio of a known kind"),
        ("head.wav", wav_header(PcmFormat("s16le", RATE_HZ, 2))[:30], "not audio of a known kind"),
    ],
)
def test_files_that_are_no_audio(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(AudioFileError, match=rf"{name}.*{message}|{message}"):
        AudioReader(tmp_path / name)
    with pytest.raises(AudioFileError, match="is not a file"):
        AudioReader(tmp_path)


def test_wav_that_is_cut_off_is_read_as_far_as_it_goes_with_a_note(tmp_path):
    soundfile.write(tmp_path / "cut.wav", noise(RATE_HZ), RATE_HZ)
    content = (tmp_path / "cut.wav").read_bytes()
    (tmp_path / "cut.wav").write_bytes(content[: len(content) // 2])
    with AudioReader(tmp_path / "cut.wav") as reader:
        assert len(read_all(reader)) == reader.frames == pytest.approx(RATE_HZ / 2, abs=20)
        assert "ends after 0.50 s of the 1.00 s" in reader.note


def test_mp3_has_its_exact_length(tmp_path):
    path = tmp_path / "a.mp3"
    soundfile.write(path, noise(3 * RATE_HZ), RATE_HZ)
    with AudioReader(path) as reader:
        assert len(read_all(reader)) == reader.frames
        assert reader.note == ""


@pytest.mark.parametrize("container", ["WAV", "WAVEX"])
@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
def test_a_wav_stream_is_read_as_libsndfile_reads_the_file(tmp_path, container, subtype):
    path = tmp_path / "a.wav"
    soundfile.write(path, noise(1001), RATE_HZ, subtype, format=container)
    with PipeReader(path) as reader:
        assert (reader.sample_rate_hz, reader.channels, reader.frames) == (RATE_HZ, 2, 1001)
        np.testing.assert_allclose(read_all(reader), soundfile.read(path, dtype="float32")[0], atol=1e-7)
        assert reader.note == ""


@pytest.mark.parametrize("announced", [0, 0x7FFFF000, 0x7FFFEFFC, 0xFFFFFFFF])
def test_lengths_that_mean_not_known(tmp_path, announced):
    path = tmp_path / "a.wav"
    soundfile.write(path, noise(1001), RATE_HZ)
    content = path.read_bytes()
    assert content[36:40] == b"data"
    path.write_bytes(content[:40] + struct.pack("<I", announced) + content[44:] + b"\1")  # half a sample too much
    with PipeReader(path) as reader:
        assert reader.frames is None
        assert len(read_all(reader)) == 1001
        assert reader.note == ""


def test_a_wav_stream_ends_where_its_header_says_and_other_chunks_are_passed_over(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, noise(1001), RATE_HZ)
    content = path.read_bytes()
    path.write_bytes(content[:12] + b"LIST\3\0\0\0abc\0" + content[12:] + b"LIST\4\0\0\0abcd")
    with PipeReader(path) as reader:
        np.testing.assert_array_equal(read_all(reader), soundfile.read(path, dtype="float32")[0])


def test_a_wav_stream_that_ends_early_is_noted(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, noise(RATE_HZ), RATE_HZ)
    path.write_bytes(path.read_bytes()[: 44 + 4 * RATE_HZ // 4])
    with PipeReader(path) as reader:
        assert len(read_all(reader)) == RATE_HZ // 4
        assert "ended after 0.25 s of the 1.00 s" in reader.note


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"fLaC and more of that", "is not audio of a known kind, or not whole \\(ffmpeg: .* when `raw` says which"),
        (b"RIFF\0\0\0\0WAVE", "damaged WAV"),
        (b"RIFF\0\0\0\0WAVEdata\4\0\0\0abcd", "before the description"),
        (b"RIFF\0\0\0\0WAVEfmt \4\0\0\0abcd" + DATA, "has 4 bytes"),
        (b"RIFF\0\0\0\0WAVEJUNK\xff\xff\xff\x7f", "damaged WAV"),
        (b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0" + struct.pack("<HHIIHH", 1, 0, RATE_HZ, 0, 0, 16) + DATA, "unknown kind"),
        (b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0" + struct.pack("<HHIIHH", 17, 2, RATE_HZ, 0, 1024, 4) + DATA, "unknown kind"),
    ],
)
def test_streams_that_are_no_wav(tmp_path, content, message):
    (tmp_path / "stream").write_bytes(content)
    with pytest.raises(AudioFileError, match=message):
        PipeReader(tmp_path / "stream")


@pytest.mark.parametrize("channels", [1, 2])
def test_the_wav_that_goes_down_a_pipe_can_be_read(tmp_path, channels):
    path, audio = tmp_path / "out", noise(1000, channels, level=2.0)
    path.touch()
    with PipeWriter(path, RATE_HZ, channels) as writer:
        writer.write(audio[:300])
        writer.write(audio[300:])
    np.testing.assert_array_equal(soundfile.read(path, dtype="float32", always_2d=True)[0], audio)
    with PipeReader(path) as reader:
        np.testing.assert_array_equal(read_all(reader), audio)


@pytest.mark.parametrize(("encoding", "tolerance"), [("f32le", 0.0), ("s16le", 0.5 / 32768)])
def test_headerless_audio_there_and_back(tmp_path, encoding, tolerance):
    path, audio = tmp_path / "out", noise(1000, level=0.2)
    path.touch()
    for _ in range(2):
        with PipeWriter(path, RATE_HZ, 2, raw=encoding) as writer:
            writer.write(audio)
        with PipeReader(path, PcmFormat(encoding, RATE_HZ, 2)) as reader:
            again = read_all(reader)
        np.testing.assert_allclose(again, audio, atol=tolerance)
        audio, tolerance = again, 0.0  # what has been rounded once does not change any more
    assert writer.clipped_samples == 0


def test_16_bits_are_clipped_and_counted(tmp_path):
    path = tmp_path / "out"
    path.touch()
    with PipeWriter(path, RATE_HZ, 1, raw="s16le") as writer:
        writer.write(np.array([[0.5], [1.5], [-1.0], [-9.0]], np.float32))
    assert writer.clipped_samples == 2
    assert np.fromfile(path, "<i2").tolist() == [16384, 32767, -32768, -32768]


def test_a_reader_that_has_gone_is_a_broken_pipe_and_a_full_device_an_error(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    ear = os.open(tmp_path / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    with PipeWriter(tmp_path / "fifo", RATE_HZ, 2) as writer:
        os.close(ear)
        with pytest.raises(BrokenPipeError):
            writer.write(noise())
    with pytest.raises(AudioFileError, match=os.strerror(errno.ENOSPC)):
        PipeWriter("/dev/full", RATE_HZ, 2)


def test_what_counts_as_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "file").touch()
    assert is_pipe("-")
    assert is_pipe(tmp_path / "fifo")
    assert is_pipe("/dev/null")
    assert not is_pipe(tmp_path)
    assert not is_pipe(tmp_path / "file")
    assert not is_pipe(tmp_path / "missing")
