"""`stemlive stream` and the whole program as a process: pipes, signals, terminals."""

import fcntl
import os
import pty
import select
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO

import numpy as np
import onnx_models
import pytest
import soundfile
import waiting

RATE_HZ = 44100
PROGRAM = (sys.executable, "-m", "stemlive")
PATIENCE_S = 60.0
HOP, LATENCY = 512, 1024

wait_until = partial(waiting.wait_until, patience_s=PATIENCE_S)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    info = onnx_models.metadata((2048, LATENCY, HOP))
    return str(onnx_models.write_model(tmp_path_factory.mktemp("model") / "live.onnx", info))


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("song") / "song.wav"
    samples = 0.1 * np.random.default_rng(1).standard_normal((RATE_HZ, 2))
    soundfile.write(path, samples, RATE_HZ, "PCM_16")
    return path


@contextmanager
def started(*arguments: object, **streams: object) -> Iterator[subprocess.Popen[bytes]]:
    """Start the program with all its streams piped, unless told otherwise; it does not outlive the block.

    Ctrl-C works in it even where the tests run in the background of a shell, which makes its children ignore it.
    """
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE) | streams
    heard = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = subprocess.Popen([*PROGRAM, *map(str, arguments)], **pipes)
    finally:
        signal.signal(signal.SIGINT, heard)
    with process:
        try:
            yield process
        finally:
            process.kill()


def receive(process: subprocess.Popen[bytes], size: int) -> bytes:
    data = b""
    while len(data) < size:
        assert select.select([process.stdout], [], [], PATIENCE_S)[0], f"{len(data)} of {size} bytes in {PATIENCE_S} s"
        part = os.read(process.stdout.fileno(), size - len(data))
        assert part, f"ended after {len(data)} of {size} bytes: {process.stderr.read().decode()}"
        data += part
    return data


def part_file(folder: Path) -> Path | None:
    return next(folder.glob(".*.part"), None)


def test_wav_through_pipes(song, tmp_path, model):
    process = subprocess.run(
        [*PROGRAM, "stream", "-i", "-", "-o", "-", "--model", model],
        input=song.read_bytes(),
        capture_output=True,
        check=True,
    )
    assert process.stderr == b""
    (tmp_path / "out.wav").write_bytes(process.stdout)
    assert soundfile.info(tmp_path / "out.wav").subtype == "FLOAT"
    np.testing.assert_allclose(soundfile.read(tmp_path / "out.wav")[0], soundfile.read(song)[0], atol=1e-5)


def test_headerless_audio_is_passed_on_hop_by_hop(model):
    options = ("--raw", "f32le", "--rate", RATE_HZ, "--channels", 2, "--model", model)
    audio = (0.1 * np.random.default_rng(2).standard_normal((8 * HOP + 100, 2))).astype("<f4")
    with started("stream", "-i", "-", "-o", "-", *options) as process:
        out = []
        for hop in range(8):
            process.stdin.write(audio[hop * HOP : (hop + 1) * HOP].tobytes())
            process.stdin.flush()
            # Whatever a hop completes comes out before the next one goes in.
            if hop >= LATENCY // HOP:
                out.append(receive(process, 8 * HOP))
        process.stdin.write(audio[8 * HOP :].tobytes())
        process.stdin.close()
        out.append(process.stdout.read())
        assert process.wait(PATIENCE_S) == 0
        assert process.stderr.read() == b""
    again = np.frombuffer(b"".join(out), "<f4").reshape(-1, 2)
    np.testing.assert_allclose(again, audio, atol=1e-5)


def test_named_pipes(song, tmp_path, model):
    os.mkfifo(tmp_path / "in")
    with started("stream", "-i", tmp_path / "in", "-o", tmp_path / "out.flac", "--model", model) as process:
        (tmp_path / "in").write_bytes(song.read_bytes())
        assert process.wait(PATIENCE_S) == 0
    np.testing.assert_allclose(soundfile.read(tmp_path / "out.flac")[0], soundfile.read(song)[0], atol=1e-5)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_while_the_input_pauses_leaves_a_whole_file(song, tmp_path, model, number, code):
    with started("stream", "-i", "-", "-o", tmp_path / "out.wav", "--model", model) as process:
        process.stdin.write(song.read_bytes()[: 44 + 4 * RATE_HZ // 2])
        process.stdin.flush()
        read_frames = RATE_HZ // 2 // HOP * HOP
        written = 8 * (read_frames - LATENCY)
        wait_until(lambda: part_file(tmp_path) and part_file(tmp_path).stat().st_size > written, "all the output")
        process.send_signal(number)
        assert process.wait(PATIENCE_S) == code
        assert process.stderr.read() == b"stemlive: stopped after 0.50 s\n"
    assert [path.name for path in tmp_path.iterdir()] == ["out.wav"]
    out = soundfile.read(tmp_path / "out.wav")[0]
    assert len(out) == read_frames
    np.testing.assert_allclose(out, soundfile.read(song)[0][: len(out)], atol=1e-5)


@contextmanager
def endless_silence(model: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start a stream whose input never ends, and wait for its first output."""
    options = ("--raw", "s16le", "--rate", RATE_HZ, "--channels", 2, "--model", model)
    with (
        Path("/dev/zero").open("rb") as zeros,
        started("stream", "-i", "-", "-o", "-", *options, stdin=zeros) as process,
    ):
        assert receive(process, 4 * HOP) == bytes(4 * HOP)
        yield process


def unread_bytes(pipe: IO[bytes]) -> int:
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)


def test_a_signal_while_nobody_reads_the_output(model):
    with endless_silence(model) as process:
        wait_until(lambda: unread_bytes(process.stdout) > 60_000, "the pipe to be full")
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 130


def test_a_reader_that_leaves_ends_it_quietly(model):
    with endless_silence(model) as process:
        process.stdout.close()
        assert process.wait(PATIENCE_S) == 141
        assert process.stderr.read() == b""


def test_separate_leaves_nothing_on_a_signal_and_no_file_under_its_name_when_killed(tmp_path, model):
    soundfile.write(tmp_path / "long.wav", np.zeros((1200 * 8000, 1)), 8000)
    folder = tmp_path / "out" / "long"
    for number, code in ((signal.SIGTERM, 143), (signal.SIGKILL, -signal.SIGKILL)):
        with started("separate", tmp_path / "long.wav", "-o", tmp_path / "out", "--model", model) as process:
            wait_until(lambda: folder.exists() and part_file(folder), "output")
            process.send_signal(number)
            assert process.wait(PATIENCE_S) == code
            assert process.stdout.read() == b""
        if number == signal.SIGTERM:
            assert not (tmp_path / "out").exists()
    left = list(folder.iterdir())
    assert left
    assert left == list(folder.glob(".*.part"))


@pytest.mark.parametrize(
    ("stdin", "message"),
    [
        (b"", "standard input is empty"),
        (b"fLaC and so on", "standard input is not audio of a known kind, or not whole (ffmpeg: "),
        (bytes(1000), "standard input is not audio of a known kind, or not whole (ffmpeg: Invalid data found"),
    ],
)
def test_input_that_is_no_audio(tmp_path, model, stdin, message):
    command = [*PROGRAM, "stream", "-i", "-", "-o", str(tmp_path / "out.wav"), "--model", model]
    process = subprocess.run(command, input=stdin, capture_output=True, check=False)
    assert process.returncode == 1
    assert process.stderr.decode().startswith(f"stemlive: error: {message}")
    assert process.stderr.count(b"\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_behind_standard_output(song, model):
    with Path("/dev/full").open("wb") as full:
        process = subprocess.run(
            [*PROGRAM, "stream", "-i", song, "-o", "-", "--model", model],
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert process.returncode == 1
    assert process.stderr == b"stemlive: error: cannot write to standard output: No space left on device\n"


def run_in_terminal(*arguments: object) -> tuple[int, str]:
    """Run the program with a terminal for its input, output and errors; return its exit code and what it shows."""
    ours, theirs = pty.openpty()
    with subprocess.Popen([*PROGRAM, *map(str, arguments)], stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        while True:
            try:
                part = os.read(ours, 4096)
            except OSError:  # what Linux gives when the other end is closed
                break
            if not part:
                break
            shown += part
    os.close(ours)
    return process.returncode, shown.decode().replace("\r\n", "\n")


def test_a_terminal_is_no_place_for_audio(song, tmp_path):
    code, shown = run_in_terminal("stream", "-i", "-", "-o", tmp_path / "out.wav")
    assert (code, shown.count("\n")) == (2, 1)
    assert "--input - reads a pipe" in shown
    code, shown = run_in_terminal("stream", "-i", song, "-o", "-")
    assert (code, shown.count("\n")) == (2, 1)
    assert "--output - would write audio to the terminal" in shown


def test_the_progress_bar_shows_on_a_terminal_only(song, tmp_path, model):
    arguments = ("separate", song, "-o", tmp_path, "--model", model, "--stems", "bass")
    code, shown = run_in_terminal(*arguments)
    assert code == 0
    assert "100%" in shown
    assert shown.endswith(f"\x1b[?25h{tmp_path / 'song' / 'bass.wav'}\n"), "the cursor is back, and the path a line"
    code, shown = run_in_terminal(*arguments, "--force", "--quiet")
    assert (code, shown) == (0, "")
