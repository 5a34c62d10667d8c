"""Stems to outputs of their own, and the cue, in the window, with an engine that makes no sound."""

import json
import sys
from functools import partial

import numpy as np
import pytest
import soundfile

pytest.importorskip("PyQt6", reason="the gui extra is not installed")

from gui_fakes import STEMS, fake_engines
from gui_windows import settings_in, windows
from PyQt6.QtCore import Qt
from PyQt6.QtTest import QTest

from stemlive.gui.device_list import DeviceList
from stemlive.gui.player import Phase
from stemlive.realtime.shared.outputs import Outputs

BIG, SMALL = "Interface, JACK", "Speakers, JACK"


def listing(*devices):
    """A command that lists devices: name, outputs, and more fields."""
    found = [
        {"name": name, "host_interface": "JACK", "inputs": 0, "outputs": outputs} | more
        for name, outputs, more in devices
    ]
    return (sys.executable, "-c", f"print({json.dumps(json.dumps(found))})")


BOTH = listing(("Interface", 7, {}), ("Speakers", 2, {"default_output": True}))


@pytest.fixture
def qtbot(qtbot, monkeypatch):
    monkeypatch.setattr(qtbot, "waitUntil", partial(qtbot.waitUntil, timeout=60_000))
    return qtbot


@pytest.fixture
def engines():
    return fake_engines()


@pytest.fixture
def make_window(qapp, qtbot, tmp_path, engines):
    with windows(tmp_path, engines) as show:

        def make(output=BIG, command=BOTH):
            settings_in(tmp_path).setValue("devices/output", output)
            return show(command)

        yield make


@pytest.fixture
def song(tmp_path):
    path = tmp_path / "A song.wav"
    soundfile.write(path, np.zeros(10 * 8000), 8000)
    return path


@pytest.fixture
def playing(make_window, qtbot, song):
    """A window that plays the song through a device of seven outputs."""
    window = make_window()
    qtbot.waitUntil(lambda: window.rig.devices.outputs != ())
    window.rig.open_song(song)
    qtbot.waitUntil(lambda: window.rig.player.phase == Phase.LIVE)
    return window


def engine(window):
    return window.rig.player._engine


def choose(box, text):
    assert box.isEnabled()
    box.setCurrentIndex(box.findText(text))
    box.activated.emit(box.currentIndex())


def texts(box):
    return [box.itemText(index) for index in range(box.count())]


def runs_with(window, outputs):
    return engine(window) is not None and engine(window).settings.outputs == outputs


class TestRoutes:
    def test_a_stem_is_sent_to_outputs_of_its_own_and_this_is_remembered(self, playing, qtbot, make_window, song):
        drums = playing.mixer.strips["drums"].route
        assert texts(drums) == ["Main", "3 + 4", "5 + 6", "7"]
        assert runs_with(playing, Outputs())
        choose(drums, "3 + 4")
        choose(playing.mixer.strips["bass"].route, "7")
        wanted = Outputs(routes=(("drums", (3, 4)), ("bass", (7,))))
        qtbot.waitUntil(lambda: runs_with(playing, wanted))
        assert engine(playing).settings.source == str(song)
        choose(playing.mixer.strips["bass"].route, "Main")
        qtbot.waitUntil(lambda: runs_with(playing, Outputs(routes=(("drums", (3, 4)),))))
        playing.close()
        again = make_window()
        again.rig.open_song(song)  # before the devices are listed
        qtbot.waitUntil(lambda: runs_with(again, Outputs(routes=(("drums", (3, 4)),))))
        qtbot.waitUntil(lambda: texts(again.mixer.strips["drums"].route)[-1] == "7")
        assert [again.mixer.strips[stem].route.currentText() for stem in STEMS] == ["Main", "3 + 4", "Main", "Main"]

    def test_a_device_of_two_says_so_plays_everything_and_forgets_nothing(self, playing, qtbot):
        strip = playing.mixer.strips["drums"]
        choose(strip.route, "3 + 4")
        playing.rig.choose_output(SMALL)
        qtbot.waitUntil(lambda: runs_with(playing, Outputs()))
        assert (strip.route.isEnabled(), texts(strip.route)) == (False, ["Main"])
        assert "This device has 2 outputs: choose one with four or more as Output" in strip.route.toolTip()
        playing.menus["cue"].trigger()
        assert "This device has 2 outputs" in playing.cue.why_not.text()
        assert not playing.cue.output.isEnabled()
        assert not playing.cue.strips["drums"].fader.isEnabled()
        playing.rig.choose_output(BIG)
        qtbot.waitUntil(lambda: runs_with(playing, Outputs(routes=(("drums", (3, 4)),))))
        assert strip.route.currentText() == "3 + 4"

    def test_what_turns_out_to_have_fewer_outputs_plays_all_the_same(self, playing, qtbot, make_window, song):
        choose(playing.mixer.strips["drums"].route, "5 + 6")
        playing.close()
        again = make_window(command=listing(("Interface", 4, {})))
        again.rig.open_song(song)
        qtbot.waitUntil(lambda: again.rig.devices.outputs != () and runs_with(again, Outputs()))
        assert texts(again.mixer.strips["drums"].route) == ["Main", "3 + 4"]

    def test_while_no_device_is_listed_there_is_nothing_to_choose_but_what_is_wished(self, make_window, qtbot):
        window = make_window(command=listing())
        route = window.mixer.strips["drums"].route
        assert (route.isEnabled(), texts(route)) == (False, ["Main"])
        assert "known once it is listed" in route.toolTip()
        window.rig.routing.send("bass", (3, 4))
        window.show_devices()
        assert (route.isEnabled(), texts(route)) == (True, ["Main", "3 + 4"])

    def test_a_model_without_the_stem_plays_without_its_route(self, playing, qtbot, engines):
        choose(playing.mixer.strips["drums"].route, "3 + 4")
        qtbot.waitUntil(lambda: len(engines.made) == 2)
        playing.rig.routing.send("piano", (5, 6))
        qtbot.waitUntil(lambda: runs_with(playing, Outputs(routes=(("drums", (3, 4)),))))
        assert [made.stopped for made in engines.made] == [True] * (len(engines.made) - 1) + [False]


class TestCue:
    def test_its_faders_are_its_own_undone_and_remembered(self, playing, qtbot, make_window):
        assert playing.cue.isHidden()
        QTest.keyClick(playing, Qt.Key.Key_C)
        assert playing.cue.isVisible()
        choose(playing.cue.output, "3 + 4")
        qtbot.waitUntil(lambda: runs_with(playing, Outputs(cue=(3, 4))))
        playing.model.preset("karaoke")
        controls, drums = engine(playing).controls, playing.cue.strips["drums"]
        QTest.keyClick(drums.fader, Qt.Key.Key_PageDown)
        QTest.mouseClick(drums.mute, Qt.MouseButton.LeftButton)
        QTest.mouseClick(playing.cue.strips["vocals"].solo, Qt.MouseButton.LeftButton)
        assert controls.cue.gains_db == {"vocals": 0, "drums": -3, "bass": 0, "other": 0}
        assert (controls.cue.muted, controls.cue.soloed) == ({"drums"}, {"vocals"})
        assert (controls.muted, controls.soloed, controls.gains_db["drums"]) == ({"vocals"}, frozenset(), 0.0)
        for _ in range(3):
            playing.menus["undo"].trigger()
        assert (controls.cue.gains_db["drums"], controls.cue.muted, controls.cue.soloed) == (
            0,
            frozenset(),
            frozenset(),
        )
        choose(playing.cue.preset, "No bass")
        controls.cue.set_gain_db("other", -9.0)  # by OSC
        qtbot.waitUntil(lambda: playing.cue.strips["other"].field.text() == "-9.0")
        assert playing.cue.preset.currentText() == "Own mix"
        playing.close()
        again = make_window()
        assert again.cue.isVisible()
        assert again.cue.strips["other"].field.text() == "-9.0"
        assert again.cue.strips["bass"].mute.isChecked()
        assert again.mixer.strips["vocals"].mute.isChecked()

    def test_another_engine_begins_with_it(self, playing, qtbot, engines):
        playing.model.set_cue(playing.model.cue.preset("acapella"), "preset")
        choose(playing.cue.output, "5 + 6")
        qtbot.waitUntil(lambda: len(engines.made) == 2)
        assert engines.made[1].controls.cue.muted == {"drums", "bass", "other"}


@pytest.mark.parametrize(
    ("device", "count"),
    [
        (("Card", 8, {"default_output": True}), 8),
        (("pulse", 32, {"plays_to": "speakers", "host_interface": "ALSA", "default_output": True}), 6),
        (("default", 128, {"host_interface": "ALSA", "default_output": True}), 2),
        (("Card", 8, {}), None),
    ],
)
def test_the_default_has_as_many_outputs_as_are_heard(qtbot, device, count):
    devices = DeviceList(listing(device, ("Speakers", 6, {"server_name": "speakers"}), ("Other", 4, {})))
    with qtbot.waitSignal(devices.changed, timeout=60_000):
        devices.refresh()
    assert devices.output_channels("default") == count
    assert devices.output_channels("Other, JACK") == 4
    assert devices.output_channels("Gone") is None
