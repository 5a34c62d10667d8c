"""The real program: it plays a song through JACK, a fader is moved with the keyboard, and the output is recorded."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from jack_neighbour import Listener, beside
from jack_server import wait_until
from processes import spawned
from x_server import Display

pytest.importorskip("PyQt6", reason="the gui extra is not installed")


@contextmanager
def window(
    folder: Path, *arguments: object, environment: dict[str, str] | None = None, size: tuple[int, int] = (1280, 800)
) -> Iterator[tuple[subprocess.Popen[str], Display]]:
    """The program on a display of its own, with a home in `folder`; neither outlives the block."""
    display = Display(*size)
    homes = {name: str(folder / name) for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME")}
    command = [sys.executable, "-m", "stemlive", "gui", *map(str, arguments)]
    environment = os.environ | (environment or {}) | display.environment | homes
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as program:
        try:
            yield program, display
        finally:
            program.kill()
            display.close()


def test_a_fader_that_is_moved_is_heard(server, tmp_path):
    from stemlive.demo_song import RATE_HZ, song
    from stemlive.realtime.audio_files.files import AudioWriter

    path = tmp_path / "song.wav"
    with AudioWriter(path, RATE_HZ, 2) as writer:
        for _ in range(4):  # longer than a busy machine takes for all that follows
            writer.write(song())
    with (
        beside(Listener, server.name) as listener,
        window(tmp_path, path, "-o", "device:system", environment=server.environment) as (program, display),
    ):
        listener.connect()
        found = []
        seen = ("search", "--onlyvisible", "--name", "stemlive")
        wait_until(lambda: found.append(display.do(*seen)) or found[-1], "the window")
        display.do("windowfocus", "--sync", found[-1].split()[0])
        wait_until(lambda: listener.level() > 0.02, "the song")
        display.do("key", "m")
        display.do("key", "End")
        wait_until(lambda: listener.level() < 1e-6, "silence: the mix's fader is down")
        display.do("key", "Home")
        wait_until(lambda: listener.level() > 0.02, "the song again")
        display.do("key", "space")
        wait_until(lambda: listener.level() < 1e-6, "silence: it is paused")
        display.do("key", "ctrl+q")
        code = program.wait(60)
        said = program.stderr.read()
        assert (code, said) == (0, "")
        wait_until(lambda: not listener.outputs(), "the end of the engine's process")


def test_with_a_sound_server_that_hangs_it_ends_when_it_is_closed(server, tmp_path):
    ends = ("-i", "device:system", "-o", "device:system")
    with (
        beside(Listener, server.name) as listener,
        window(tmp_path, *ends, environment=server.environment) as (program, _),
    ):
        wait_until(listener.outputs, "the program's ports")
        wait_until(lambda: listener.level() >= 0, "sound to run")
        first = spawned(program.pid)
        with server.hanging():
            wait_until(lambda: set(spawned(program.pid)) - set(first), "the device to be given up, and the next engine")
            program.send_signal(signal.SIGTERM)
            assert program.wait(60) == 0
            assert program.stderr.read() == ""


@pytest.mark.parametrize("size", [(1280, 720), (1366, 768), (1920, 1080)])
def test_it_opens_within_the_screen_and_takes_the_most_of_it(tmp_path, size):
    width, height = size
    with window(tmp_path, size=size) as (program, display):
        wait_until(lambda: display.do("search", "--onlyvisible", "--name", "stemlive"), "the window")
        (shown, *_) = display.do("search", "--onlyvisible", "--name", "stemlive").split()
        lines = display.do("getwindowgeometry", "--shell", shown).splitlines()
        place = {name: int(value) for name, _, value in (line.partition("=") for line in lines)}
        assert place["X"] >= 0
        assert place["Y"] >= 30  # room for a title bar
        assert place["X"] + place["WIDTH"] <= width
        assert place["Y"] + place["HEIGHT"] <= height
        assert place["WIDTH"] * place["HEIGHT"] > 0.7 * width * height
        program.send_signal(signal.SIGTERM)
        assert program.wait(60) == 0


def test_without_any_device_it_says_so_and_ends_as_asked(tmp_path):
    none = {"JACK_DEFAULT_SERVER": "stemlive-none", "JACK_NO_START_SERVER": "1"}
    with window(tmp_path, "-i", "device:default", environment=none) as (program, display):
        wait_until(lambda: display.do("search", "--name", "Live input - stemlive"), "the window")
        time.sleep(1)
        program.send_signal(signal.SIGTERM)
        assert program.wait(60) == 0
