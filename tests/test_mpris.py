"""Media keys by MPRIS, on a bus of the test's own: what the desktop sees, and what its keys do, in the terminal."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from waiting import wait_until

from stemlive.media_session import MediaSession
from stemlive.realtime.control.mpris import MediaKeys
from stemlive.realtime.control.song_queue import QueuedSong

pytest.importorskip("dbus_fast", reason="only on Linux")
from desktop_bus import NAME, PATH, desktop_bus


@pytest.fixture
def desktop(monkeypatch):
    with desktop_bus(monkeypatch) as desktop:
        yield desktop


def test_the_desktop_sees_what_plays_and_its_keys_are_passed_on(desktop, tmp_path):
    song = tmp_path / "a song.flac"
    with soundfile.SoundFile(song, "w", 8000, 1) as file:
        file.title, file.artist = "The title", "Somebody"
        file.write(np.zeros(800))
    queued = QueuedSong(song)
    with MediaSession(raises=True) as media:
        desktop.meet()

        def show(position_s=1.0, plays=True, on=queued, has_next=True):
            media.show(on, plays=plays, position_s=position_s, length_s=90.0, has_next=has_next)

        def shown(name, wanted):
            def there():
                show()
                return desktop.see(name) == wanted

            wait_until(there, f"{name} {wanted}", patience_s=60)

        assert desktop.see("PlaybackStatus") == "Stopped"
        assert desktop.see("Identity", "org.mpris.MediaPlayer2") == "stemlive"
        assert desktop.see("CanRaise", "org.mpris.MediaPlayer2")
        shown("PlaybackStatus", "Playing")
        wait_until(lambda: show() or desktop.see("Metadata")["xesam:title"] == "The title", "the tags", patience_s=60)
        assert desktop.see("Metadata") == {
            "mpris:trackid": "/stemlive/song/1",
            "mpris:length": 90_000_000,
            "xesam:title": "The title",
            "xesam:artist": ["Somebody"],
            "xesam:url": song.as_uri(),
        }
        assert desktop.see("CanGoNext")
        wait_until(lambda: any("PlaybackStatus" in changed for changed in desktop.changes), "news", patience_s=60)
        show(50.0)
        wait_until(lambda: desktop.seeked == [50_000_000], "the jump", patience_s=60)
        for press in ("Next", "Previous", "Pause", "PlayPause", "Stop", "Play"):
            desktop.press(press)
        desktop.press("Seek", "x", -5_000_000)
        desktop.press("Seek", "x", 80_000_000)
        desktop.press("SetPosition", "ox", "/stemlive/song/1", 30_000_000)
        desktop.press("SetPosition", "ox", "/stemlive/song/7", 30_000_000)
        desktop.press("SetPosition", "ox", "/stemlive/song/1", 91_000_000)
        wanted = [(request.act, request.value_s) for request in media.requests()]
        acts = ("next", "previous", "pause", "play-pause", "stop", "play")
        assert wanted == [*((act, 0.0) for act in acts), ("seek", -5.0), ("next", 0.0), ("go-to", 30.0)]
        second = MediaKeys()
        wait_until(lambda: len(desktop.names()) == 2, "a second program", patience_s=60)
        second.close()
    wait_until(lambda: desktop.names() == [], "its end", patience_s=60)


def test_without_a_bus_there_is_no_thread_and_with_a_wrong_one_no_word(monkeypatch, capfd, tmp_path):
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    assert not MediaKeys().listens
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", f"unix:path={tmp_path}/nothing")
    keys = MediaKeys()
    wait_until(lambda: not keys.listens, "the end of the thread", patience_s=60)
    assert keys._thread.problem == ""
    keys.close()
    assert capfd.readouterr() == ("", "")


def test_play_is_steered_by_media_keys(desktop, server, model, tmp_path):
    for name in ("one", "two"):
        soundfile.write(tmp_path / f"{name}.wav", np.full(300 * 8000, 0.1), 8000)  # more than a busy machine takes
    command = [sys.executable, "-m", "stemlive", "play", "--model", model, "-o", "device:system", "--json"]
    environment = server.environment | {"DBUS_SESSION_BUS_ADDRESS": os.environ["DBUS_SESSION_BUS_ADDRESS"]}
    songs = [str(tmp_path / f"{name}.wav") for name in ("one", "two")]
    with subprocess.Popen([*command, *songs], env=environment, stdout=subprocess.PIPE, text=True) as program:
        desktop.meet()
        wait_until(lambda: desktop.see("PlaybackStatus") == "Playing", "the music", patience_s=60)
        wait_until(lambda: desktop.see("Metadata").get("mpris:length") == 300_000_000, "the length", patience_s=60)
        desktop.press("PlayPause")
        wait_until(lambda: desktop.see("PlaybackStatus") == "Paused", "the pause", patience_s=60)
        desktop.press("Next")
        wait_until(lambda: desktop.see("Metadata")["xesam:title"] == "two", "the next song", patience_s=60)
        desktop.press("Play")
        desktop.press("Seek", "x", 30_000_000)
        wait_until(lambda: desktop.see("Position") > 29_000_000, "the seek", patience_s=60)
        desktop._call(NAME, PATH, "org.mpris.MediaPlayer2", "Quit")
        out, _ = program.communicate(timeout=60)
    assert program.returncode == 0
    titles = [event["title"] for event in map(json.loads, out.splitlines()) if event["event"] == "song"]
    assert titles == ["one", "two"]
