"""The words in the window, with an engine that makes no sound: found, lit, moved in time, on a screen of their own."""

import itertools
import json
import os
import subprocess
import sys
import time
from functools import partial

import numpy as np
import pytest
import soundfile

pytest.importorskip("PyQt6", reason="the gui extra is not installed")

from gui_fakes import fake_engines
from gui_windows import settings_in, windows
from jack_server import RATE_HZ
from PyQt6.QtCore import QMimeData, QPointF, Qt
from PyQt6.QtGui import QColor, QDropEvent, QImage
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication, QFileDialog

from stemlive.gui.file_names import url_of
from stemlive.gui.player import Phase
from stemlive.gui.program import build_window
from stemlive.gui.remembered import Remembered
from stemlive.gui.theme import DARK, LIGHT

WORDS = """[00:01.00]<00:01.00>Hello <00:02.00>you
[00:03.00]Second line
[00:04.00]Third line
[00:05.00]
[00:06.00]Last line
"""
PLAIN = "\n".join(f"Plain line {number}" for number in range(80))


@pytest.fixture
def qtbot(qtbot, monkeypatch):
    monkeypatch.setattr(qtbot, "waitUntil", partial(qtbot.waitUntil, timeout=60_000))
    return qtbot


@pytest.fixture
def song(tmp_path):
    path = tmp_path / "A song.wav"
    soundfile.write(path, np.zeros(10 * 8000), 8000)
    return path


@pytest.fixture
def settings(tmp_path):
    return settings_in(tmp_path)


@pytest.fixture
def window(qapp, tmp_path):
    with windows(tmp_path, fake_engines()) as show:
        yield show()


@pytest.fixture
def play(window, qtbot):
    """Opens a song and puts it where it shall be heard."""

    def play(song, at_s=0.0, speed=0.0):
        if window.rig.song != song:
            window.rig.open_song(song)
            qtbot.waitUntil(lambda: window.rig.player.phase == Phase.LIVE and window.rig.player._engine is not None)
        engine = window.rig.player._engine
        engine.tell(song_s=at_s, song_length_s=10.0, song_at_s=time.monotonic(), song_speed=speed)
        window.show_frame()

    return play


def lit(window):
    return window.words.panel.view.lit


def colours(view):
    """How many dots of the view have each of a theme's colours."""
    image = view.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
    dots = np.frombuffer(image.constBits().asstring(image.sizeInBytes()), np.uint32) & 0xFFFFFF
    return lambda colour: int(np.count_nonzero(dots == QColor(colour).rgb() & 0xFFFFFF))


def drop(window, *paths):
    data = QMimeData()
    data.setUrls([url_of(path) for path in paths])
    button, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    window.dropEvent(QDropEvent(QPointF(9, 9), Qt.DropAction.CopyAction, data, button, none))


def test_words_beside_a_song_are_shown_and_follow_what_is_heard(window, play, song):
    song.with_suffix(".lrc").write_text(WORDS)
    panel = window.words.panel
    assert not panel.isVisible()
    play(song)
    assert panel.isVisible()
    assert window.menus["words"].isChecked()
    places = {0.5: "", 1.0: "Hello", 2.5: "you", 3.0: "Second line", 5.5: "", 9.0: "Last line", 1.5: "Hello"}
    for at_s, word in places.items():
        play(song, at_s)
        assert lit(window) == word
    # Between two snapshots the song goes on.
    play(song, 2.99, speed=1.0)
    shown = time.monotonic()
    while lit(window) != "Second line":
        assert time.monotonic() < shown + 60
        window.show_frame()


def test_the_word_is_lit_in_either_theme_and_the_next_lines_can_be_read(window, play, song):
    song.with_suffix(".lrc").write_text(WORDS)
    for appearance, theme, light in (("dark", DARK, DARK.warn), ("light", LIGHT, LIGHT.accent)):
        window.remembered.appearance = appearance
        window.show_theme()
        play(song, 1.5)
        view = window.words.panel.view
        found = colours(view)
        assert found(theme.window) > 0.5 * view.width() * view.height()
        one_word = found(light)
        assert one_word > 50
        assert found(theme.text) > one_word  # the rest of the line, and the next lines
        play(song, 3.5)
        assert colours(view)(light) > 1.5 * one_word  # a whole line


def test_letters_grow_with_the_window(window, play, song):
    song.with_suffix(".lrc").write_text(WORDS)
    play(song)
    window.resize(1000, 620)
    QApplication.processEvents()
    small = window.words.panel.view.size_px
    window.resize(1900, 1000)
    QApplication.processEvents()
    assert window.words.panel.view.size_px > 1.5 * small


def test_without_words_there_is_no_panel_until_it_is_asked_for(window, play, song, tmp_path):
    play(song)
    assert not window.words.panel.isVisible()
    QTest.keyClick(window, Qt.Key.Key_W)
    assert window.words.panel.isVisible()
    window.words.panel.shut.click()
    assert not window.words.panel.isVisible()
    # Switched off, it stays away from songs with words, too.
    other = tmp_path / "other.wav"
    other.write_bytes(song.read_bytes())
    other.with_suffix(".lrc").write_text(WORDS)
    play(other)
    assert not window.words.panel.isVisible()
    window.menus["words"].trigger()
    assert window.words.panel.isVisible()


def test_the_time_of_the_words_is_moved_and_remembered_for_the_song(window, play, song, settings, tmp_path):
    song.with_suffix(".lrc").write_text(WORDS)
    play(song, 3.05)
    assert lit(window) == "Second line"
    QTest.keyClick(window, Qt.Key.Key_Period)
    assert lit(window) == "you"
    assert window.words.panel.shift.text() == "0.1 s later"
    window.words.panel.earlier.click()
    window.words.panel.earlier.click()
    assert window.words.panel.shift.text() == "0.1 s earlier"
    play(song, 2.95)
    assert lit(window) == "Second line"
    other = tmp_path / "other.wav"
    other.write_bytes(song.read_bytes())
    other.with_suffix(".lrc").write_text(WORDS)
    play(other)
    assert window.words.panel.shift.text() == "in time"
    play(song, 2.95)
    assert lit(window) == "Second line"
    assert Remembered(settings).words_of(song) == (-0.1, None)


def test_a_file_of_words_is_dropped_or_opened_and_remembered(window, play, song, tmp_path, monkeypatch, qtbot):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    words = elsewhere / "words.lrc"
    words.write_text(WORDS + "what is this\n")
    drop(window, words)
    assert "Open a song first" in window.banner.text.text()
    play(song, 3.5)
    drop(window, words)
    assert window.rig.song == song
    assert lit(window) == "Second line"
    assert "1 line of the words could not be understood" in window.notices.state()[0]
    other = tmp_path / "other.wav"
    other.write_bytes(song.read_bytes())
    play(other, 3.5)
    assert window.words.words is None
    play(song, 3.5)
    assert lit(window) == "Second line"
    drop(window, words, other)  # a song with its words beside it
    assert window.rig.song == other
    play(song, 3.5)
    nothing = elsewhere / "nothing.lrc"
    nothing.write_text("")
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(nothing), ""))
    window.menus["words-open"].trigger()
    assert "has no words" in window.banner.text.text()
    assert lit(window) == "Second line"
    # One that is gone is not missed: what lies beside the song is taken again.
    words.unlink()
    song.with_suffix(".txt").write_text("Plain")
    play(other)
    play(song)
    assert [line.text for line in window.words.words.lines] == ["Plain"]


def test_plain_words_roll_with_the_song_and_by_hand(window, play, song):
    song.with_suffix(".txt").write_text(PLAIN)
    play(song, 0.0)
    view = window.words.panel.view
    assert view._top_px() == 0
    play(song, 5.0)
    half = view._top_px()
    play(song, 10.0)
    whole = view._top_px()
    assert whole > view.height()
    assert half == pytest.approx(whole / 2, abs=1)
    play(song, 5.0)
    QTest.keyClick(view, Qt.Key.Key_PageDown)
    assert view._top_px() == pytest.approx(half + 0.8 * view.height(), abs=1)
    for _ in range(20):
        QTest.keyClick(view, Qt.Key.Key_PageUp)
    assert view._top_px() == 0
    QTest.keyClick(view, Qt.Key.Key_Down)  # what was too much is not counted
    assert view._top_px() == pytest.approx(0.1 * view.height(), abs=1)
    assert lit(window) == ""
    assert not window.words.panel.shift.isVisible()


def test_the_words_on_a_screen_of_their_own(window, play, song, qtbot):
    song.with_suffix(".lrc").write_text(WORDS)
    play(song, 3.5)
    window.menus["words-screen"].trigger()
    screen = window.words.screen
    qtbot.waitUntil(screen.isActiveWindow)
    assert screen.isFullScreen()
    assert window.menus["words-screen"].isChecked()
    play(song, 4.5)
    assert screen.view.lit == lit(window) == "Third line"
    assert screen.view.size_px > window.words.panel.view.size_px
    # The keys of the window are those of the screen.
    assert window.menus["play"] in screen.actions()
    QTest.keyClick(screen, Qt.Key.Key_Period)
    assert window.words.panel.shift.text() == "0.1 s later"
    QTest.keyClick(screen, Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: window.words.screen is None)
    assert not window.menus["words-screen"].isChecked()
    window.menus["words-screen"].trigger()
    assert window.words.screen.view.lit == "Third line"
    window.close()
    assert window.words.screen is None


def test_the_words_take_the_screen_that_the_window_is_not_on(tmp_path):
    screens = [{"name": name, "x": x, "y": 0, "width": 800, "height": 600} for name, x in (("one", 0), ("two", 800))]
    (tmp_path / "screens.json").write_text(json.dumps({"screens": screens}))
    code = """
from PyQt6.QtWidgets import QApplication, QWidget
from stemlive.gui.words_panel import WordsScreen
app = QApplication([])
window = QWidget()
window.show()
words = WordsScreen([])
words.show_beside(window)
print(window.screen().name(), words.screen().name(), words.isFullScreen(), words.geometry().getRect())
"""
    environment = os.environ | {"QT_QPA_PLATFORM": "offscreen:configfile=screens.json"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "one two True (800, 0, 800, 600)\n", done.stderr


def test_a_live_input_has_no_words(window, play, song, qtbot):
    song.with_suffix(".lrc").write_text(WORDS)
    play(song, 3.5)
    window.rig.listen()
    qtbot.waitUntil(lambda: window.rig.player.phase == Phase.LIVE)
    assert window.words.words is None
    assert not window.words.panel.isVisible()


def test_words_that_cannot_be_read_do_not_keep_the_song_from_playing(window, play, song):
    song.with_suffix(".lrc").write_bytes(bytes(range(32)))
    play(song)
    assert "is not a text" in window.banner.text.text().replace("\u200b", "")
    assert window.rig.player.plays


def test_with_a_real_engine_the_words_follow_seek_loop_and_pause(
    qapp, qtbot, server, model, tmp_path, settings, monkeypatch
):
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    song = tmp_path / "song.wav"
    soundfile.write(song, np.zeros((60 * RATE_HZ, 2), np.float32), RATE_HZ)
    song.with_suffix(".lrc").write_text("".join(f"[00:{second:02}.00]{second}\n" for second in range(60)))
    window = build_window(settings, tmp_path / "presets.json", model=model)
    window.rig.devices._command = (sys.executable, "-c", "print('[]')")
    window.outline._command = (sys.executable, "-c", "")
    window.rig.output = "system"
    rig, seen = window.rig, []

    def lit_from(at_s, to_s):
        """Wait until what is lit lies there, and remember all that was."""
        if rig.player.phase == Phase.MISSING:  # a busy server gave no sound in time
            print(rig.player.message)
            rig.retry()
        word = window.words.panel.view.lit
        seen.append(int(word) if word else -1)
        return at_s <= seen[-1] <= to_s

    try:
        window.start()
        window.show()
        rig.open_song(song)
        qtbot.waitUntil(lambda: lit_from(1, 50))
        rig.seek(40.2)
        qtbot.waitUntil(lambda: lit_from(40, 55))
        rig.set_loop((20.5, 22.5))
        rig.seek(20.6)
        qtbot.waitUntil(lambda: lit_from(20, 22))
        seen.clear()
        qtbot.waitUntil(lambda: not lit_from(0, 19) and sum(b < a for a, b in itertools.pairwise(seen)) == 2)
        assert set(seen) == {20, 21, 22}
        rig.play(False)
        qtbot.waitUntil(lambda: window.rig.player.now.song_speed == 0)
        qtbot.waitUntil(lambda: lit_from(20, 22))
        # The place that is told and the word that is lit agree.
        assert seen[-1] == int(rig.player.heard_s)
    finally:
        window.close()
        window.finish()
        window.deleteLater()
