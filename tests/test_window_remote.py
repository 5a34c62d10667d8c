"""A phone as remote of the window, with an engine that makes no sound: off unless asked for, and what it moves."""

import json
import sys
import urllib.request
from functools import partial

import numpy as np
import pytest
import soundfile

pytest.importorskip("PyQt6", reason="the gui extra is not installed")
pytest.importorskip("aiohttp", reason="the remote extra is not installed")

import segno
from gui_fakes import fake_engines
from gui_windows import windows

from stemlive.gui import remote_corner
from stemlive.gui.player import Phase
from stemlive.gui.remote_sheet import RemoteSheet, qr_code
from stemlive.realtime.control import remote_address


@pytest.fixture
def qtbot(qtbot, monkeypatch):
    monkeypatch.setattr(qtbot, "waitUntil", partial(qtbot.waitUntil, timeout=60_000))
    return qtbot


@pytest.fixture
def window(qapp, qtbot, tmp_path):
    with windows(tmp_path, fake_engines()) as show:
        window = show()
        yield window
    assert window.remote.remote is None


@pytest.fixture
def songs(tmp_path):
    paths = [tmp_path / f"{name}.wav" for name in "abc"]
    for path in paths:
        soundfile.write(path, np.zeros(10 * 8000), 8000)
    return paths


def engine(window):
    return window.rig.player._engine


def state(window):
    return window.remote.remote._desk.state()


def test_it_is_off_until_it_is_asked_for_and_then_tells_how_to_get_there(window, qtbot, monkeypatch):
    action = window.menus["remote"]
    assert (window.remote.remote, action.isChecked()) == (None, False)
    action.trigger()
    remote, sheet = window.remote.remote, window.findChild(RemoteSheet)
    assert (sheet.address.text(), sheet.code.text().replace(" ", "")) == (remote.url, remote.code)
    assert sheet.picture.isVisible()
    image, matrix = qr_code(remote), segno.make(remote.link, error="l").matrix
    side = image.width() // (len(matrix) + 8)
    dark = [
        [image.pixelColor((x + 4) * side, (y + 4) * side).value() == 0 for x in range(len(matrix))] for y in range(21)
    ]
    assert dark == [[bool(module) for module in row] for row in matrix[:21]]
    address = f"http://127.0.0.1:{remote.port}"
    with urllib.request.urlopen(address, timeout=60) as page:
        assert b"stemlive" in page.read()
    headers = {"Origin": address, "Content-Type": "application/json"}
    pairing = urllib.request.Request(f"{address}/pair", json.dumps(remote.code).encode(), headers)
    with urllib.request.urlopen(pairing, timeout=60) as answer:
        assert answer.status == 204
    assert (state(window)["stems"], state(window)["song"]) == ([], None)
    sheet.reject()
    assert action.isChecked()
    action.trigger()  # to see the code again
    assert window.remote.remote is remote
    window.findChildren(RemoteSheet)[-1].stop.click()
    assert (window.remote.remote, action.isChecked()) == (None, False)
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(address, timeout=60)
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    action.trigger()
    assert "needs the package aiohttp" in window.banner.said
    assert not action.isChecked()


def test_where_the_port_is_taken_it_has_another(window, monkeypatch):
    with remote_address.listen("0.0.0.0", 0) as taken:
        monkeypatch.setattr(remote_corner, "_PORT", taken.getsockname()[1])
        window.remote.start()
        assert window.remote.remote.port != taken.getsockname()[1]


def test_what_a_phone_moves_is_seen_and_remembered_in_the_window_in_every_engine(window, qtbot, songs):
    window.remote.start()
    window.playlist.take(songs)
    qtbot.waitUntil(lambda: window.rig.player.phase == Phase.LIVE)
    qtbot.waitUntil(lambda: len(state(window)["stems"]) == 4)
    assert state(window)["song"]["title"] == "a"

    def obey(name, **more):
        window.remote.remote._desk.obey({"do": name} | more)

    obey("preset", value="karaoke")
    obey("play", value=False)
    obey("key by", value=-2)
    qtbot.waitUntil(lambda: not window.rig.player.plays and window.transport.play.text().endswith("Play"))
    qtbot.waitUntil(window.mixer.strips["vocals"].mute.isChecked)
    qtbot.waitUntil(lambda: window.microphone.key.currentText() == "−2")
    assert window.remembered.karaoke.semitones == -2
    last = next(song["id"] for song in state(window)["queue"]["songs"] if song["title"] == "c")
    window.rig.queue.move([2], 0)
    obey("go", value=last)
    qtbot.waitUntil(lambda: window.rig.title == "c.wav" and window.rig.player.plays)
    before = engine(window)
    window.rig.choose_microphone("Mic")
    qtbot.waitUntil(lambda: engine(window) not in (None, before) and state(window)["microphone"] is not None)
    obey("microphone gain", value=-6)
    qtbot.waitUntil(lambda: window.microphone.field.text() == "-6.0")
    assert engine(window).controls.semitones == -2
    window.rig.listen()
    qtbot.waitUntil(lambda: engine(window) is not None and not engine(window).settings.song)
    qtbot.waitUntil(lambda: (state(window)["song"], state(window)["queue"]) == (None, None))
