"""What libsndfile does not read comes through ffmpeg: every sample in place, and nothing hangs, leaks or calls out."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import encoded
import numpy as np
import pytest
import soundfile
from click.testing import CliRunner
from encoded import KINDS, RATE_HZ, ffmpeg
from waiting import wait_until

from stemlive.cli import main
from stemlive.errors import AudioFileError
from stemlive.realtime.audio_files import ffmpeg_reader
from stemlive.realtime.audio_files.pipes import PipeReader
from stemlive.realtime.audio_files.reader import AudioReader
from stemlive.realtime.control.transport import Transport
from stemlive.realtime.devices.device import RingSource
from stemlive.realtime.devices.song_loader import LoadedSong
from stemlive.realtime.devices.song_source import SongSource
from stemlive.realtime.shared.memory import EngineMemory


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("songs")
    soundfile.write(path / "song.wav", encoded.music(), RATE_HZ)
    for name in KINDS:
        encoded.encode(path / "song.wav", path, name)
    ffmpeg("-f", "lavfi", "-i", "testsrc=size=64x48:rate=5:duration=1", path / "silent.mp4")
    return path


def alive(pid: int) -> bool:
    """Whether a process runs: a zombie has ended."""
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_is_read_to_the_sample_as_ffmpeg_decodes_it(folder, name):
    theirs = encoded.decoded(folder / name)
    with AudioReader(folder / name) as reader:
        assert reader.channels == 2
        assert abs(reader.frames / reader.sample_rate_hz - encoded.SECONDS) < 0.2
        blocks = []
        while len(block := reader.read(1000)):
            blocks.append(block)
        ours = np.concatenate(blocks)
        assert reader.frames == len(ours)
        assert reader.note == reader.missing == ""
        np.testing.assert_allclose(ours, theirs, atol=2e-5)
        for place in (0, len(ours) // 2, len(ours) - 300, 7, len(ours)):
            reader.seek(place)
            np.testing.assert_array_equal(reader.read(500), ours[place : place + 500])
    second = np.abs(np.fft.rfft(ours[reader.sample_rate_hz :][: reader.sample_rate_hz, 0]))
    assert set(np.argsort(second)[-2:]) == {220, 331}, "it is the song"


def test_the_length_is_exact_once_all_is_decoded(folder):
    with AudioReader(folder / "song.aac") as reader:  # a kind that does not say how long it is
        assert reader.settle()
        assert reader.frames == len(encoded.decoded(folder / "song.aac"))
    with AudioReader(folder / "song.wav") as reader:
        assert reader.settle(0.0)


def test_what_libsndfile_reads_needs_no_ffmpeg_and_the_rest_says_how_to_get_it(folder, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with AudioReader(folder / "song.wav") as reader:
        assert reader.frames == encoded.SECONDS * RATE_HZ
    with pytest.raises(AudioFileError, match=r"song.m4a is not audio of a known kind .*apt-get install ffmpeg, brew"):
        AudioReader(folder / "song.m4a")
    with pytest.raises(AudioFileError, match=r"is not WAV: install ffmpeg .*brew install ffmpeg"):
        PipeReader(folder / "song.m4a")


@pytest.mark.parametrize("name", ["-i", "-", "concat:a|b", "a%03d.m4a", 'it\'s "a".m4a', "https:", "file:x.m4a"])
def test_a_name_is_nothing_but_a_name(folder, tmp_path, monkeypatch, name):
    shutil.copy(folder / "song.m4a", tmp_path / name)
    monkeypatch.chdir(tmp_path)
    with AudioReader(name) as reader:
        np.testing.assert_allclose(reader.read(2 * RATE_HZ), encoded.decoded(folder / "song.m4a")[: 2 * RATE_HZ])


def test_addresses_are_answered_with_the_pipe_that_works(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    message = (
        r"https://example\.org/watch\?v=1&t=2 is an address, and stemlive downloads nothing: "
        r"yt-dlp -f ba -o - 'https://example\.org/watch\?v=1&t=2' \| stemlive separate -$"
    )
    for name in ("https://example.org/watch?v=1&t=2", Path("https://example.org/watch?v=1&t=2")):
        with pytest.raises(AudioFileError, match=message):
            AudioReader(name)


@pytest.mark.parametrize("kind", ["hls", "concat", "reference"])
def test_a_file_that_names_an_address_makes_nobody_call_there(tmp_path, folder, kind):
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}/a.ts"
        content = {
            "hls": f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:5,\n{address}\n",
            "concat": f"ffconcat version 1.0\nfile {address}\n",
            "reference": f'<?xml version="1.0"?><MPD><BaseURL>{address}</BaseURL></MPD>',
        }[kind]
        (tmp_path / "song.m4a").write_text(content)
        with pytest.raises(AudioFileError, match=r"song\.m4a is (not audio of a known|a list of sounds, not a sound)"):
            AudioReader(tmp_path / "song.m4a")
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("text.mp4", b"this is no video", r"is not audio of a known kind, or not whole \(ffmpeg: [\w ]+\)$"),
        ("noise.webm", np.random.default_rng(1).bytes(5000), r"is not audio of a known kind, or not whole \(ffmpeg: "),
        ("cut.m4a", None, r"is not audio of a known kind, or not whole \(ffmpeg: moov atom not found\)$"),
        ("silent.mp4", None, r"silent\.mp4 has no sound in it$"),
    ],
)
def test_what_is_broken_is_refused_in_ffmpegs_own_words(folder, tmp_path, name, content, message):
    path = tmp_path / name
    if content is None:
        whole = (folder / ("silent.mp4" if name == "silent.mp4" else "song.m4a")).read_bytes()
        content = whole if name == "silent.mp4" else whole[: len(whole) // 2]
    path.write_bytes(content)
    with pytest.raises(AudioFileError, match=message) as refused:
        AudioReader(path)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_what_is_cut_off_is_read_as_far_as_it_goes_and_the_rest_is_missed(folder, tmp_path):
    ffmpeg("-i", folder / "song.m4a", "-c", "copy", "-movflags", "+faststart", tmp_path / "fast.m4a")
    whole = (tmp_path / "fast.m4a").read_bytes()
    (tmp_path / "cut.m4a").write_bytes(whole[: len(whole) * 2 // 3])
    with AudioReader(tmp_path / "cut.m4a") as reader:
        audio = reader.read(10 * RATE_HZ)
        assert len(audio) == reader.frames
        lost_s = encoded.SECONDS - len(audio) / RATE_HZ
        assert 0.3 < lost_s < 2
        assert reader.missing.startswith(
            f"{lost_s:.2f} s of the 3.00 s of {tmp_path / 'cut.m4a'} could not be read (ff"
        )
    whole_song = encoded.decoded(folder / "song.m4a")
    np.testing.assert_allclose(audio[: len(audio) - 3000], whole_song[: len(audio) - 3000], atol=1e-6)


def test_the_sound_of_a_video_that_is_longer_than_its_sound_is_whole(folder, tmp_path):
    video = ("-f", "lavfi", "-i", "testsrc=size=64x48:rate=5:duration=8", "-c:v", "mpeg4")
    ffmpeg("-i", folder / "song.wav", *video, "-c:a", "aac", tmp_path / "long.mp4")
    with AudioReader(tmp_path / "long.mp4") as reader:
        assert reader.settle()
        assert abs(reader.frames / RATE_HZ - encoded.SECONDS) < 0.1
        assert reader.note == ""


def test_of_several_sound_tracks_the_first_is_read_and_a_note_says_so(folder, tmp_path):
    silence = ("-f", "lavfi", "-i", "anullsrc=channel_layout=5.1", "-t", 2)
    ffmpeg("-i", folder / "song.wav", *silence, "-map", "0:a", "-map", "1:a", "-c:a", "aac", tmp_path / "two.mkv")
    with AudioReader(tmp_path / "two.mkv") as reader:
        assert np.abs(reader.read(RATE_HZ)).max() > 0.2
        assert reader.note == f"{tmp_path / 'two.mkv'} has 2 sound tracks, of which the first is read"


def test_surround_is_mixed_down_as_ffmpeg_does(tmp_path):
    tones = "|".join(f"0.1*sin(2*PI*{200 * (k + 1)}*t)" for k in range(6))
    ffmpeg("-f", "lavfi", "-i", f"aevalsrc={tones}:c=5.1:d=1", "-c:a", "aac", "-b:a", "512k", tmp_path / "a.m4a")
    theirs = np.frombuffer(ffmpeg("-i", tmp_path / "a.m4a", "-ac", 2, "-f", "f32le", "-"), "<f4").reshape(-1, 2)
    with AudioReader(tmp_path / "a.m4a") as reader:
        ours = reader.read(10 * RATE_HZ)
        assert reader.note == f"{tmp_path / 'a.m4a'} has 6 channels, which are mixed down to stereo"
    np.testing.assert_allclose(ours, theirs, atol=1e-3)


def test_the_window_s_player_plays_and_seeks_in_it(folder):
    theirs = encoded.decoded(folder / "song.m4a")
    memory = EngineMemory.local()
    source, transport = SongSource(LoadedSong(AudioReader(folder / "song.m4a")), RATE_HZ, memory), Transport(memory)
    transport.seek(1.0)
    transport.play()
    source.start()
    try:
        ring = RingSource(source.input)
        block = np.zeros((3000, 2), np.float32)
        wait_until(lambda: ring.available() >= len(block), "sound")
        ring.read(block)
        assert source.problem == ""
    finally:
        source.close()
    begun = next(place for place in range(len(block) - 1000) if np.abs(block[place + 500]).max() > 0.05)
    at = [k for k in range(RATE_HZ - 1000, RATE_HZ + 3000) if np.array_equal(theirs[k], block[begun + 900])]
    np.testing.assert_array_equal(block[begun + 900 :][:500], theirs[at[0] : at[0] + 500])
    assert abs(memory.telemetry["song_length_s"] - encoded.SECONDS) < 0.1


# The child


def test_a_decoder_that_says_nothing_is_given_up(folder, tmp_path, monkeypatch):
    for name, says in (("silent", ""), ("stops", "head -c 40 /dev/zero; ")):
        program = tmp_path / name / "ffmpeg"
        program.parent.mkdir()
        program.write_text(f"#!/bin/sh\n{says}sleep 1000 & echo $! > {tmp_path}/{name}.pid\nwait\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
        monkeypatch.setattr(ffmpeg_reader, "_PATIENCE_S", 2.0)
        with pytest.raises(AudioFileError, match=r"song\.m4a.*(gave nothing for 2 s|nothing comes out)"):
            AudioReader(folder / "song.m4a")
        child = int((tmp_path / f"{name}.pid").read_text())
        wait_until(lambda pid=child: not alive(pid), "the end of what a script has started")


_HOLD = """
import sys, time
from stemlive.realtime.audio_files import ffmpeg_reader
from stemlive.realtime.audio_files.reader import AudioReader
ffmpeg_reader._AHEAD_S = 0
reader = AudioReader(sys.argv[1])
print(reader._source._ffmpeg._process.pid, flush=True)
time.sleep(100)
"""


def long_song(folder: Path) -> Path:
    """More than fits into a pipe, so that its decoder waits until it is taken."""
    ffmpeg("-f", "lavfi", "-i", "anullsrc=duration=60", "-c:a", "pcm_s16le", folder / "long.mka")
    return folder / "long.mka"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_ffmpeg_never_outlives_who_started_it(tmp_path, number):
    command = [sys.executable, "-c", _HOLD, str(long_song(tmp_path))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        child = int(process.stdout.readline())
        assert alive(child)
        process.send_signal(number)
        process.wait()
    wait_until(lambda: not alive(child), "the end of ffmpeg")


def test_closing_ends_ffmpeg_and_leaves_no_file_open(tmp_path, monkeypatch):
    monkeypatch.setattr(ffmpeg_reader, "_AHEAD_S", 0)
    song = long_song(tmp_path)
    before = set(Path("/proc/self/fd").iterdir())
    reader = AudioReader(song)
    assert not reader.settle(0.0)
    child = reader._source._ffmpeg._process.pid
    assert alive(child)
    reader.close()
    assert not alive(child)
    assert set(Path("/proc/self/fd").iterdir()) == before


def test_a_disk_that_is_full_is_told(tmp_path):
    code = (
        "import resource, sys\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))\n"
        "from stemlive.realtime.audio_files.reader import AudioReader\n"
        "reader = AudioReader(sys.argv[1])\n"
        "reader.read(10_000_000)\n"
    )
    command = [sys.executable, "-c", code, str(long_song(tmp_path))]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stderr
    assert said.rstrip().endswith("long.mka cannot be decoded into a temporary file: File too large")


# Pipes


@pytest.mark.parametrize("name", ["song.webm", "song.aac", "video.mkv", "song.wma", "song.wav"])
def test_pipes_carry_what_files_hold(folder, name):
    source, target = os.pipe()
    feed = subprocess.Popen(["cat", folder / name], stdout=target)
    os.close(target)
    with PipeReader(f"/dev/fd/{source}") as pipe, AudioReader(folder / name) as file:
        os.close(source)
        blocks = []
        while len(block := pipe.read(1000)):
            blocks.append(block)
        file.settle()
        np.testing.assert_array_equal(np.concatenate(blocks), file.read(file.frames))
        assert pipe.note == ""
    assert feed.wait() == 0


def test_an_mp4_that_a_pipe_cannot_carry_is_told(folder):
    """The index of an MP4 stands behind its sound unless it is asked to the front."""
    feed = subprocess.Popen(["cat", folder / "song.m4a"], stdout=subprocess.PIPE)
    told = pytest.raises(AudioFileError, match=r"nothing of .* can be decoded \(ffmpeg: .*\): .* name the file")
    with feed, PipeReader(f"/dev/fd/{feed.stdout.fileno()}") as pipe, told:
        pipe.read(1000)


@pytest.mark.parametrize(
    ("command", "options", "pipe"),
    [
        (["separate"], [], "separate -"),
        (["stream", "-i"], ["-o", "my out.wav"], "stream -i - -o 'my out.wav'"),
        (["stream"], [], "stream -i - -o device:default"),
    ],
)
def test_the_command_line_answers_an_address_with_the_pipe(command, options, pipe):
    result = CliRunner().invoke(main, [*command, "https://example.org/song", "--model", "live-free", *options])
    assert result.exit_code == 2
    assert result.stderr == (
        "stemlive: error: https://example.org/song is an address, and stemlive downloads nothing: "
        f"yt-dlp -f ba -o - 'https://example.org/song' | stemlive {pipe}\n"
    )


_AWAIT = """
import sys, threading
from stemlive.realtime.audio_files.reader import AudioReader
threading.Thread(target=AudioReader, args=sys.argv[1:], daemon=True).start()
sys.stdin.readline()
"""


def test_one_that_hangs_ends_with_the_program_that_waits_for_it(folder, tmp_path):
    program = tmp_path / "ffmpeg"
    program.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid.new\nmv {tmp_path}/pid.new {tmp_path}/pid\nsleep 1000\n")
    program.chmod(0o755)
    command = [sys.executable, "-c", _AWAIT, str(folder / "song.m4a")]
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    with subprocess.Popen(command, stdin=subprocess.PIPE, text=True, env=environment) as process:
        wait_until((tmp_path / "pid").exists, "ffmpeg")
        process.communicate("\n")
    child = int((tmp_path / "pid").read_text())
    wait_until(lambda: not alive(child), "the end of ffmpeg")
