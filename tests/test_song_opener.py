"""The window goes on while ffmpeg is awaited, however long it takes."""

import shutil
import threading
from functools import partial

import numpy as np
import pytest
import soundfile

pytest.importorskip("PyQt6", reason="the gui extra is not installed")

from encoded import ffmpeg
from gui_fakes import fake_engines
from gui_windows import windows

from stemlive.gui.player import Phase
from stemlive.realtime.audio_files import ffmpeg_reader


@pytest.fixture
def songs(tmp_path):
    """Two that libsndfile reads, and between them one that ffmpeg decodes."""
    for name in "ac":
        soundfile.write(tmp_path / f"{name}.wav", np.zeros(10 * 8000), 8000)
    ffmpeg("-i", tmp_path / "a.wav", "-c:a", "aac", tmp_path / "b.m4a")
    return [tmp_path / "a.wav", tmp_path / "b.m4a", tmp_path / "c.wav"]


@pytest.fixture
def go_on(tmp_path, monkeypatch):
    """An ffmpeg that does nothing before this file is there."""
    go_on, program = tmp_path / "go on", tmp_path / "bin/ffmpeg"
    program.parent.mkdir()
    program.write_text(
        f"#!/bin/sh\nwhile [ ! -e '{go_on}' ]; do sleep 0.1; done\nexec {shutil.which('ffmpeg')} \"$@\"\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    monkeypatch.setattr(ffmpeg_reader, "_PATIENCE_S", 300.0)
    return go_on


@pytest.fixture
def window(qapp, qtbot, tmp_path, songs, monkeypatch):
    """A window that plays the first song."""
    monkeypatch.setattr(qtbot, "waitUntil", partial(qtbot.waitUntil, timeout=60_000))
    with windows(tmp_path, fake_engines()) as show:
        window = show()
        window.rig.open_song(songs[0])
        qtbot.waitUntil(lambda: window.rig.player.phase == Phase.LIVE)
        yield window


def awaited():
    return [thread for thread in threading.enumerate() if thread.name == "stemlive song"]


def test_the_song_plays_on_until_the_next_one_is_there(window, qtbot, songs, go_on):
    window.rig.open_song(songs[1])
    assert window.rig.opener.path == songs[1]
    qtbot.waitUntil(lambda: window.state.message.text() == "Opening b.m4a…")
    assert window.rig.title == "a.wav"
    assert window.rig.player.plays
    go_on.touch()
    qtbot.waitUntil(lambda: window.rig.title == "b.m4a")
    assert window.rig.opener.path is None
    assert window.rig.queue.song.path == songs[1]


def test_what_was_opened_since_stays(window, qtbot, songs, go_on):
    window.rig.open_song(songs[1])
    window.rig.open_song(songs[2])
    assert window.rig.title == "c.wav"
    go_on.touch()
    qtbot.waitUntil(lambda: not awaited())
    qtbot.wait(1)  # what the thread has told is handed over
    assert window.rig.title == "c.wav"


def test_a_song_of_the_queue_that_never_comes_is_passed_over(window, qtbot, songs, go_on, monkeypatch):
    monkeypatch.setattr(ffmpeg_reader, "_PATIENCE_S", 1.0)
    window.playlist.add(songs[1:])
    window.playlist.go(1)
    assert window.rig.opener.path == songs[1]
    qtbot.waitUntil(lambda: window.rig.title == "c.wav")
    assert "b.m4a cannot be decoded: ffmpeg gave nothing for 1 s" in window.banner.said
