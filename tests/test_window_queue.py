"""The queue in the window, with an engine that makes no sound: filled, ordered, gone through, and remembered."""

import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile

pytest.importorskip("PyQt6", reason="the gui extra is not installed")

from gui_fakes import fake_engines
from gui_windows import windows
from PyQt6.QtCore import QMimeData, QPointF, Qt
from PyQt6.QtGui import QDropEvent
from PyQt6.QtTest import QTest

from stemlive.gui.file_names import url_of
from stemlive.gui.player import Phase
from stemlive.realtime.shared import song_requests


@pytest.fixture
def qtbot(qtbot, monkeypatch):
    monkeypatch.setattr(qtbot, "waitUntil", partial(qtbot.waitUntil, timeout=60_000))
    return qtbot


@pytest.fixture
def songs(tmp_path):
    paths = [tmp_path / f"{name}.wav" for name in "abcd"]
    for path in paths:
        soundfile.write(path, np.zeros(10 * 8000), 8000)
    return paths


@pytest.fixture
def make_window(qapp, tmp_path):
    with windows(tmp_path, fake_engines()) as make:
        yield make


@pytest.fixture
def window(make_window):
    return make_window()


def drop(widget, paths, at=(50, 50), source=None):
    data = QMimeData()
    data.setUrls([url_of(path) for path in paths])
    event = QDropEvent(
        QPointF(*at), Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    )
    event.source = lambda: source
    widget.dropEvent(event)


def engine(window):
    return window.rig.player._engine


def asked(window, name):
    """The song that the engine is asked to play at once, or next."""
    parameters = engine(window).memory.parameters
    request = song_requests.read(parameters, int(parameters[name]))
    return None if request is None else request.path.stem


def titles(window):
    return "".join(song.title for song in window.rig.queue.songs)


def rows(window):
    songs = window.playlist.panel.songs
    return [songs.item(row).text() for row in range(songs.count())]


@pytest.fixture
def live(window, qtbot, songs):
    """A window that plays the first of the songs."""
    drop(window, songs)
    qtbot.waitUntil(lambda: window.rig.player.phase == Phase.LIVE)
    qtbot.waitUntil(lambda: asked(window, "song_next") == "b")
    return window


class TestQueue:
    def test_many_dropped_files_play_one_after_another_in_one_engine(self, live, qtbot):
        window = live
        assert window.playlist.panel.isVisible()
        assert rows(window) == ["▶ a", "b", "c", "d"]
        assert window.rig.title == "a.wav"
        fake = engine(window)
        number = int(fake.memory.parameters["song_next"])
        fake.tell(song_number=number, song_s=2.0, song_length_s=10.0)
        qtbot.waitUntil(lambda: window.rig.title == "b.wav")
        qtbot.waitUntil(lambda: rows(window) == ["a", "▶ b", "c", "d"])
        qtbot.waitUntil(lambda: asked(window, "song_next") == "c")
        qtbot.waitUntil(lambda: window.rig.player.song.position_s == 2.0)
        assert window.windowTitle() == "b.wav - stemlive"
        assert engine(window) is fake
        assert len(fake.made) == 1

    def test_songs_of_the_command_line_make_a_queue(self, qapp, qtbot, songs, tmp_path, monkeypatch):
        from stemlive.gui import program

        for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"):
            monkeypatch.setenv(name, str(tmp_path / name))
        seen = []
        build = program.build_window

        def watched(*arguments, **others):
            window = build(*arguments, **others, make=fake_engines())
            window.rig.devices._command = (sys.executable, "-c", "print('[]')")
            window.outline._command = (sys.executable, "-c", "")

            def look():
                if window.rig.player.phase == Phase.LIVE and not seen:
                    seen.append((titles(window), window.rig.title))
                    window.close()

            window._pace.frames.timeout.connect(look)
            return window

        monkeypatch.setattr(program, "build_window", watched)
        monkeypatch.setattr(program.signal, "signal", lambda *_: None)
        assert program.run(songs[1:], model=None, source=None, target=None) == 0
        assert seen == [("bcd", "b.wav")]

    def test_next_previous_and_a_double_click_switch_without_another_engine(self, live, qtbot):
        window, fake = live, engine(live)
        window.transport.next.click()
        assert (window.rig.title, asked(window, "song_now")) == ("b.wav", "b")
        fake.tell(song_number=1, song_s=9.0)  # still of the song before
        window.show_frame()
        assert window.rig.player.song.position_s == 0
        fake.tell(song_number=int(fake.memory.parameters["song_now"]), song_s=1.0)
        window.show_frame()
        assert window.rig.player.song.position_s == 1.0
        window.menus["previous"].trigger()
        assert (window.rig.title, asked(window, "song_now")) == ("a.wav", "a")
        songs = window.playlist.panel.songs
        songs.itemDoubleClicked.emit(songs.item(3))
        assert (window.rig.title, asked(window, "song_now")) == ("d.wav", "d")
        qtbot.waitUntil(lambda: not window.transport.next.isEnabled())
        fake.tell(song_number=int(fake.memory.parameters["song_now"]), song_s=7.0)
        window.show_frame()
        seeks = int(fake.memory.parameters["seeks"])
        window.menus["previous"].trigger()
        assert (window.rig.title, int(fake.memory.parameters["seeks"])) == ("d.wav", seeks + 1)
        assert len(fake.made) == 1

    def test_songs_are_dragged_and_removed(self, live, qtbot):
        window, songs = live, live.playlist.panel.songs
        songs.item(3).setSelected(True)
        below_first = songs.visualItemRect(songs.item(0)).bottom() - 1
        drop(songs, [], at=(20, below_first), source=songs)
        assert titles(window) == "adbc"
        qtbot.waitUntil(lambda: asked(window, "song_next") == "d")
        songs.clearSelection()
        songs.item(1).setSelected(True)
        songs.item(2).setSelected(True)
        QTest.keyClick(songs, Qt.Key.Key_Delete)
        assert titles(window) == "ac"
        qtbot.waitUntil(lambda: asked(window, "song_next") == "c")
        songs.item(0).setSelected(True)
        QTest.keyClick(songs, Qt.Key.Key_Delete)
        qtbot.waitUntil(lambda: window.rig.title == "c.wav")
        songs.item(0).setSelected(True)
        QTest.keyClick(songs, Qt.Key.Key_Delete)
        qtbot.waitUntil(lambda: not window.rig.player.plays)
        assert rows(window) == []

    def test_files_folders_and_lists_are_dropped_where_they_shall_be(self, live, tmp_path, songs):
        window = live
        more = tmp_path / "more"
        more.mkdir()
        for name in ("x 10.wav", "x 9.wav"):
            soundfile.write(more / name, np.zeros(800), 8000)
        (tmp_path / "list.m3u").write_text("d.wav\n")
        drop(window.playlist.panel.songs, [more, tmp_path / "list.m3u"], at=(20, 1))
        assert [song.title for song in window.rig.queue.songs] == ["x 9", "x 10", "d", *"abcd"]
        assert window.rig.queue.song.title == "a"
        drop(window, [songs[1]])
        assert window.rig.queue.songs[-1].title == "b"
        assert window.rig.title == "a.wav"

    def test_one_song_after_another_is_opened_as_ever(self, window, qtbot, songs):
        for path in songs[:2]:
            drop(window, [path])
            qtbot.waitUntil(lambda: window.rig.player.phase == Phase.LIVE)
        assert titles(window) == "b"
        assert window.playlist.panel.isHidden()

    def test_what_cannot_be_played_is_told_and_passed_over(self, window, qtbot, songs, tmp_path):
        bad = tmp_path / "bad.wav"
        bad.write_text("no sound")
        drop(window, [songs[0], bad, songs[1]])
        qtbot.waitUntil(lambda: window.rig.player.phase == Phase.LIVE)
        qtbot.waitUntil(lambda: asked(window, "song_next") == "bad")
        fake = engine(window)
        fake.memory.set_song_problem(int(fake.memory.parameters["song_next"]), "bad.wav is not audio")
        fake.memory.publish()
        qtbot.waitUntil(lambda: asked(window, "song_next") == "b")
        qtbot.waitUntil(lambda: window.banner.isVisible() and "bad.wav is not audio" in window.banner.text.text())
        window.playlist.go(1)  # the window finds out by itself
        qtbot.waitUntil(lambda: window.rig.title == "b.wav")
        assert "not audio" in window.playlist.panel.songs.item(1).toolTip()

    def test_without_autoplay_it_stands_at_the_end(self, live, qtbot):
        window = live
        window.playlist.panel.autoplay.click()
        qtbot.waitUntil(lambda: asked(window, "song_next") is None)
        assert not window.remembered.autoplay
        engine(window).tell(song_number=1, song_s=10.0, song_ended=True)
        qtbot.waitUntil(lambda: not window.rig.player.plays)
        window.show_frame()
        assert window.rig.title == "a.wav"
        window.playlist.panel.autoplay.click()
        qtbot.waitUntil(lambda: window.rig.title == "b.wav")

    def test_the_queue_and_the_place_are_offered_the_next_time(self, live, qtbot, make_window):
        engine(live).tell(song_number=1)
        live.playlist.go(2)
        engine(live).tell(song_number=int(engine(live).memory.parameters["song_now"]), song_s=4.5, song_length_s=10.0)
        qtbot.waitUntil(lambda: live.rig.player.song.position_s == 4.5)
        live.close()
        again = make_window()
        assert again.welcome.resume.isVisible()
        assert again.welcome.resume.text() == "Go on with c.wav, 3 of 4, at 0:04.5"
        assert titles(again) == ""
        again.welcome.resume.click()
        qtbot.waitUntil(lambda: again.rig.player.phase == Phase.LIVE)
        assert (titles(again), again.rig.title) == ("abcd", "c.wav")
        assert float(engine(again).memory.parameters["seek_s"]) == 4.5
        qtbot.waitUntil(lambda: asked(again, "song_next") == "d")

    def test_songs_are_made_equally_loud_if_one_wishes(self, live, qtbot, songs):
        for path in songs:
            soundfile.write(path, 0.5 * np.sin(np.arange(10 * 8000)), 8000)
        parameters = engine(live).memory.parameters

        def gains():
            numbers = [int(parameters[name]) for name in ("song_now", "song_next")]
            return [song_requests.gain_of(parameters, number) for number in numbers]

        assert gains() == [1.0, 1.0]
        live.playlist.panel.loudness.click()
        qtbot.waitUntil(lambda: max(gains()) < 0.6)
        assert live.remembered.match_loudness
        live.playlist.panel.loudness.click()
        qtbot.waitUntil(lambda: gains() == [1.0, 1.0])

    def test_another_thread_may_change_the_queue(self, live, qtbot):
        import threading

        thread = threading.Thread(target=lambda: (live.rig.queue.next(), live.rig.queue.remove([3])))
        thread.start()
        thread.join()
        qtbot.waitUntil(lambda: live.rig.title == "b.wav")
        qtbot.waitUntil(lambda: rows(live) == ["a", "▶ b", "c"])

    def test_an_input_interrupts_the_queue_and_a_double_click_goes_on(self, live, qtbot):
        live.rig.listen()
        qtbot.waitUntil(lambda: live.rig.player.phase == Phase.LIVE)
        assert titles(live) == "abcd"
        live.playlist.go(0)
        assert not live.rig.live
        qtbot.waitUntil(lambda: live.rig.player.phase == Phase.LIVE and live.rig.player.source is not None)
        assert Path(engine(live).settings.source).stem == "a"
        qtbot.waitUntil(lambda: asked(live, "song_next") == "b")


def test_the_desktops_media_keys_steer_the_window_over_the_bus(make_window, monkeypatch, qtbot, songs):
    pytest.importorskip("dbus_fast", reason="only on Linux")
    from desktop_bus import desktop_bus

    with desktop_bus(monkeypatch) as desktop:
        window = make_window()
        window.playlist.take(songs)
        qtbot.waitUntil(lambda: window.rig.player.phase == Phase.LIVE)
        desktop.meet()
        qtbot.waitUntil(lambda: desktop.see("PlaybackStatus") == "Playing")
        qtbot.waitUntil(lambda: desktop.see("Metadata").get("xesam:title") == "a")
        desktop.press("PlayPause")
        qtbot.waitUntil(lambda: not window.rig.player.plays)
        assert not engine(window).controls.song.playing
        qtbot.waitUntil(lambda: desktop.see("PlaybackStatus") == "Paused")
        desktop.press("Play")
        qtbot.waitUntil(lambda: window.rig.player.plays)
        desktop.press("Next")
        qtbot.waitUntil(lambda: window.rig.title == "b.wav")
        qtbot.waitUntil(lambda: desktop.see("Metadata").get("xesam:title") == "b")
        desktop.press("Previous")
        qtbot.waitUntil(lambda: asked(window, "song_now") == "a")
        desktop.press("Seek", "x", 4_000_000)
        qtbot.waitUntil(lambda: float(engine(window).memory.parameters["seek_s"]) == 4.0)
        window.close()
        window.finish()
        qtbot.waitUntil(lambda: desktop.names() == [])
