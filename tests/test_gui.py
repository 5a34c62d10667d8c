"""The window with an engine that makes no sound: what is seen, typed, clicked, remembered and undone."""

import gc
import json
import math
import os
import re
import subprocess
import sys
import threading
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote

import numpy as np
import pytest
import soundfile

pytest.importorskip("PyQt6", reason="the gui extra is not installed")

import itertools

from gui_fakes import STEMS, fake_engines
from gui_windows import NO_DEVICES, windows
from PyQt6.QtCore import QMimeData, QPoint, QPointF, QProcess, QRect, QSettings, QSize, Qt, QTimer, QUrl
from PyQt6.QtGui import QDrag, QDropEvent, QWheelEvent
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QLabel,
    QLineEdit,
    QPushButton,
    QSlider,
    QWidget,
)

from stemlive.errors import StemliveError, UsageError
from stemlive.gui import device_list
from stemlive.gui.actions import COMMANDS, STEM_COMMANDS, page_list
from stemlive.gui.command_process import CommandProcess
from stemlive.gui.crash import CrashLog
from stemlive.gui.device_list import DeviceList, DeviceName
from stemlive.gui.export_dialog import ExportDialog
from stemlive.gui.export_order import FORMATS, Order, alone, heard
from stemlive.gui.karaoke import Karaoke
from stemlive.gui.meter import HeldPeak
from stemlive.gui.mix import Channel, Mix
from stemlive.gui.mix_model import MixModel
from stemlive.gui.notices import Notice
from stemlive.gui.outline_span import Span
from stemlive.gui.player import Phase
from stemlive.gui.practice import Practice
from stemlive.gui.presets import BUILT_IN, OwnPresets
from stemlive.gui.record_dialog import RecordDialog
from stemlive.gui.remembered import Remembered
from stemlive.gui.scale import fader_db, fader_place, meter_place, read_db, write_db, write_time
from stemlive.gui.screen_fit import LEAST_SIZE, fitted
from stemlive.gui.settings_dialog import SettingsDialog
from stemlive.gui.sheets import cards_page, keys_page
from stemlive.gui.spectrogram import colour_table
from stemlive.gui.spectrogram_ring import COLUMNS, SpectrogramRing
from stemlive.gui.stem_outline import StemOutline
from stemlive.gui.theme import stem_colour, theme_for
from stemlive.gui.waveform import BARS
from stemlive.realtime.audio_files.files import AudioWriter
from stemlive.realtime.audio_files.reader import AudioReader
from stemlive.realtime.control.controls import Controls
from stemlive.realtime.model_file.provider import existing_providers
from stemlive.realtime.separation.mixer import PRESETS, Mixer
from stemlive.realtime.separation.song import separate
from stemlive.realtime.shared.memory import EngineMemory
from stemlive.realtime.shared.snapshot import Latency, State
from stemlive.tracks import Track, TrackSound

PAGE = Path(__file__).parent.parent / "docs/window.md"
ON_SERVER = [
    {"name": name, "host_interface": "PipeWire", "inputs": 2, "outputs": 0, "server_name": server_name}
    for name, server_name in (("Monitor of out", "out.monitor"), ("Monitor of stemlive", "stemlive.monitor"))
]


@pytest.fixture
def qtbot(qtbot, monkeypatch):
    """One that waits longer than its 5 s, for a machine that is busy."""
    monkeypatch.setattr(qtbot, "waitUntil", partial(qtbot.waitUntil, timeout=60_000))
    return qtbot


@pytest.fixture
def nothing_left(qapp):
    """No thread, no timer and no child process outlives a test."""
    before = set(threading.enumerate())
    gc.freeze()  # what was there before: to go through all that the tests import takes half a second
    try:
        yield
        qapp.processEvents()
        gc.collect()
        threads = set(threading.enumerate()) - before
        for thread in threads:  # one that was asked to end may take a moment
            thread.join(60)
        left = [thread.name for thread in threads if thread.is_alive()]
        assert not left, left
        # isinstance would also ask for __class__, at which objects of other libraries warn.
        busy = [thing for thing in gc.get_objects() if issubclass(type(thing), QTimer | QProcess) and _is_busy(thing)]
        assert not busy, busy
    finally:
        gc.unfreeze()


def _is_busy(thing):
    try:
        return thing.isActive() if isinstance(thing, QTimer) else thing.state() != QProcess.ProcessState.NotRunning
    except RuntimeError:  # Qt has deleted it
        return False


@pytest.fixture
def song(tmp_path):
    path = tmp_path / "A song.wav"
    t = np.arange(10 * 8000) / 8000
    soundfile.write(path, 0.5 * np.sin(2 * np.pi * 220 * t), 8000)
    return path


@pytest.fixture
def engines():
    return fake_engines()


@pytest.fixture
def settings_file(tmp_path):
    return tmp_path / "settings.ini"


@pytest.fixture
def make_window(qapp, qtbot, tmp_path, engines, settings_file, nothing_left):
    """Windows with the fake engine; what they remember is in `tmp_path`."""
    with windows(tmp_path, engines) as make:
        yield make


@pytest.fixture
def window(make_window):
    return make_window()


@pytest.fixture
def playing(window, qtbot, song):
    """A window that plays the song."""
    window.rig.open_song(song)
    qtbot.waitUntil(lambda: window.rig.player.phase == Phase.LIVE)
    qtbot.waitUntil(lambda: window.rig.waveform.complete)
    return window


def luma(colour):
    return 0.2126 * (colour >> 16 & 255) + 0.7152 * (colour >> 8 & 255) + 0.0722 * (colour & 255)


def engine(window):
    return window.rig.player._engine


class TestScale:
    def test_faders_and_texts(self):
        assert [fader_place(db) for db in (-math.inf, 0.0, 12.0)] == [0.0, 0.75, 1.0]
        for gain_db in (-40.0, -12.0, -3.5, 0.0, 2.5, 12.0):
            assert fader_db(fader_place(gain_db)) == pytest.approx(gain_db, abs=0.05)
        assert fader_db(0.0) == -math.inf
        assert [write_db(db) for db in (-math.inf, 0.0, -0.01, 3.5, -12.0)] == ["-∞", "0.0", "0.0", "+3.5", "-12.0"]
        assert [read_db(text) for text in ("-inf", "-∞", " +3,5 dB", "\u22126", "99", "-200")] == [
            -math.inf, -math.inf, 3.5, -6.0, 12.0, -math.inf,
        ]  # fmt: skip
        with pytest.raises(UsageError, match="not a gain"):
            read_db("loud")
        assert [meter_place(db) for db in (-math.inf, -60, -30, 0, 6)] == [0, 0, 0.5, 1, 1]
        assert [write_time(s) for s in (0, 9.99, 61.25, 3600)] == ["0:00.0", "0:09.9", "1:01.2", "60:00.0"]

    def test_a_peak_holds_then_falls_and_a_clip_stays(self):
        peak = HeldPeak()
        peak.show(1.1, 0.0)
        peak.show(0.1, 1.0)
        assert peak.level_db == pytest.approx(20 * math.log10(1.1))
        peak.show(0.1, 2.5)  # one second after the hold: 20 dB lower, but not lower than what sounds
        assert peak.level_db == pytest.approx(20 * math.log10(1.1) - 20, abs=1)
        peak.show(0.1, 9.0)
        assert peak.level_db == pytest.approx(-20)
        assert peak.clipped
        peak.reset()
        assert not peak.clipped


class TestMix:
    def test_presets_are_those_of_the_command_line(self):
        mix = Mix.of(STEMS).change("bass", gain_db=-9.0, pan=0.5, solo=True)
        for name in BUILT_IN:
            mixer = Mixer(STEMS)
            mixer.apply_preset(name)
            controls = Controls(STEMS, EngineMemory.local())
            mix.preset(name).write_to(controls)
            assert controls.muted == mixer.muted
            assert controls.soloed == frozenset()
            assert controls.gains_db == dict.fromkeys(STEMS, 0.0)
            assert controls.pans["bass"] == 0.5
        assert set(BUILT_IN) == set(PRESETS)

    def test_what_is_written_to_an_engine_is_read_back(self):
        mix = Mix.of(STEMS).change("bass", gain_db=-math.inf, pan=-1.0, mute=True).solo("drums", True, alone=False)
        controls = Controls(STEMS, EngineMemory.local())
        mix.write_to(controls)
        assert Mix.read_from(controls) == mix
        assert Mix.from_json(json.loads(json.dumps(mix.to_json()))) == mix
        assert [mix.heard(stem) for stem in STEMS] == [False, True, False, False]
        assert mix.solo("vocals", True, alone=True).solo("vocals", False, alone=True).heard("other")
        with pytest.raises(UsageError, match="not a mix"):
            Mix.from_json({"channels": {"bass": {"gain_db": 40, "pan": 0, "mute": False, "solo": False}}})

    def test_another_model_takes_over_what_it_can(self):
        mix = Mix.of(STEMS).change("vocals", gain_db=-3.0)
        assert mix.for_stems(("vocals", "rest")).channels == (("vocals", Channel(gain_db=-3.0)), ("rest", Channel()))

    def test_undo_merges_a_gesture_and_not_two(self, qapp):
        model = MixModel(Mix.of(STEMS))
        controls = Controls(STEMS, EngineMemory.local())
        model.attach(controls)
        for gain_db in (-1.0, -2.0, -3.0):
            model.set_gain_db("bass", gain_db)
        model.end_gesture()
        model.set_gain_db("bass", -9.0)
        model.mute("bass", True)
        assert model.undo_stack.count() == 3
        model.undo_stack.undo()
        model.undo_stack.undo()
        assert controls.gains_db["bass"] == -3.0
        assert not controls.muted
        model.undo_stack.undo()
        assert controls.gains_db["bass"] == 0.0
        model.undo_stack.redo()
        assert controls.gains_db["bass"] == -3.0

    def test_compare_keeps_two_mixes(self, qapp):
        model = MixModel(Mix.of(STEMS))
        model.preset("karaoke")
        model.compare()
        assert model.letter == "B"
        assert model.mix == Mix.of(STEMS)
        model.mute("drums", True)
        model.compare()
        assert model.letter == "A"
        assert model.mix == Mix.of(STEMS).preset("karaoke")
        model.undo_stack.undo()
        assert model.mix.channel("drums").mute

    def test_changes_by_others_are_followed(self, qapp):
        model, controls = MixModel(Mix.of(STEMS)), Controls(STEMS, EngineMemory.local())
        model.attach(controls)
        controls.set_gain_db("other", -6.0)
        controls.set_bypass(True)
        model.follow()
        assert model.mix.channel("other").gain_db == -6.0
        assert model.bypass
        assert model.undo_stack.count() == 0

    def test_own_presets_are_whole_or_not_there(self, tmp_path):
        path = tmp_path / "folder" / "presets.json"
        mix = Mix.of(STEMS).change("drums", gain_db=-math.inf)
        OwnPresets(path).save(" Practice ", mix)
        again = OwnPresets(path)
        assert again.names == ["Practice"]
        assert again.mix("Practice") == mix
        for name in ("", "karaoke"):
            with pytest.raises(UsageError, match="name of its own"):
                again.save(name, mix)
        again.delete("Practice")
        assert OwnPresets(path).names == []
        assert [child.name for child in path.parent.iterdir()] == ["presets.json"]
        path.write_text("[1, 2")
        with pytest.raises(StemliveError, match="repair"):
            OwnPresets(path)


class TestSpectrogram:
    def test_the_view_is_the_newest_columns_wherever_the_ring_is(self):
        rng = np.random.default_rng(1)
        ring, all_columns = SpectrogramRing(8, 8), np.zeros((COLUMNS, 8), np.uint8)
        for count in (3, 700, 1, 2000, 513, 0):
            new = rng.integers(0, 256, (count, 8), dtype=np.uint8)
            ring.add(new[-COLUMNS:])
            all_columns = np.concatenate([all_columns, new])
            # As high as there are bins, a row is a bin; the highest is on top.
            np.testing.assert_array_equal(ring.view(600), all_columns[-600:, ::-1].T)
            assert ring.view(600).base is not None

    def test_other_heights_lie_between_the_bins_and_keep_the_past(self):
        ring = SpectrogramRing(4, 4)
        ring.add(np.array([[0, 100, 200, 40]], np.uint8))
        ring.resize(8)
        column = ring.view(1)[::-1, 0]
        assert list(column) == [0, 25, 75, 125, 175, 160, 80, 40]

    def test_colours_get_brighter_with_the_level(self):
        brightness = [luma(colour) for colour in colour_table(True)]
        assert brightness[0] < 1
        assert all(b >= a - 0.5 for a, b in itertools.pairwise(brightness))
        assert luma(colour_table(True, True)[255]) < 0.5 * brightness[255]

    def test_on_light_silence_is_white_and_colours_get_darker_with_the_level(self):
        brightness = [luma(colour) for colour in colour_table(False)]
        assert brightness[0] > 254
        assert all(b <= a + 0.5 for a, b in itertools.pairwise(brightness))
        assert brightness[255] < 60
        assert luma(colour_table(False, True)[255]) > 150


class TestStrips:
    def test_a_fader_moves_by_key_mouse_and_text(self, playing, qtbot):
        strip, controls = playing.mixer.strips["drums"], engine(playing).controls
        QTest.keyClick(strip.fader, Qt.Key.Key_Down)
        assert controls.gains_db["drums"] == -0.5
        QTest.keyClick(strip.fader, Qt.Key.Key_PageUp)
        assert controls.gains_db["drums"] == 2.5
        assert strip.field.text() == "+2.5"
        QTest.keyClick(strip.fader, Qt.Key.Key_Home)
        assert controls.gains_db["drums"] == 0.0
        x = round(strip.fader.x_of(fader_place(-12.0)))
        QTest.mouseClick(strip.fader, Qt.MouseButton.LeftButton, pos=strip.fader.rect().topLeft() + _point(x, 9))
        assert controls.gains_db["drums"] == pytest.approx(-12, abs=0.5)
        QTest.mouseDClick(strip.fader, Qt.MouseButton.LeftButton)
        assert controls.gains_db["drums"] == 0.0
        QTest.keyClick(strip.fader, Qt.Key.Key_End)
        assert controls.gains_db["drums"] == -math.inf
        assert strip.field.text() == "-∞"
        strip.field.selectAll()
        QTest.keyClicks(strip.field, "-7")
        QTest.keyClick(strip.field, Qt.Key.Key_Return)
        assert controls.gains_db["drums"] == -7.0
        assert strip.field.text() == "-7.0"
        strip.field.selectAll()
        QTest.keyClicks(strip.field, "x")
        QTest.keyClick(strip.field, Qt.Key.Key_Return)
        assert controls.gains_db["drums"] == -7.0
        assert strip.field.text() == "-7.0"

    def test_mute_solo_and_pan(self, playing):
        controls, strips = engine(playing).controls, playing.mixer.strips
        QTest.mouseClick(strips["vocals"].mute, Qt.MouseButton.LeftButton)
        assert controls.muted == {"vocals"}
        QTest.mouseClick(strips["bass"].solo, Qt.MouseButton.LeftButton)
        QTest.mouseClick(strips["drums"].solo, Qt.MouseButton.LeftButton)
        assert controls.soloed == {"bass", "drums"}
        QTest.keyClick(strips["drums"].pan, Qt.Key.Key_Left)
        assert controls.pans["drums"] == -0.05
        strips["other"].solo_switched.emit(True, True)
        assert controls.soloed == {"other"}

    def test_the_mix_has_a_fader_of_its_own(self, playing):
        QTest.keyClick(playing.mixer.strips[None].fader, Qt.Key.Key_PageDown)
        assert engine(playing).controls.master_db == -3.0
        assert float(engine(playing).memory.parameters["master"]) == pytest.approx(10 ** (-3 / 20))

    def test_meters_and_spectrograms_show_what_the_engine_tells(self, playing, qtbot):
        fake = engine(playing)
        fake.tell(stem_peak=[0.5, 0, 0, 0, 0, 0, 0, 0], mix_peak=1.5, hop_s=0.01)
        fake.add_columns((10, 20, 30, 40, 50, 200), 5)
        meters = {stem: strip.meter for stem, strip in playing.mixer.strips.items()}
        qtbot.waitUntil(lambda: meters[None].held.clipped)
        assert meters["vocals"].held.level_db == pytest.approx(-6.02, abs=0.01)
        assert meters["drums"].held.level_db == -math.inf
        for stem, level in (("vocals", 10), ("other", 40), (None, 200)):
            spectrogram = playing.mixer.strips[stem].spectrogram
            qtbot.waitUntil(lambda ring=spectrogram._ring, level=level: (ring.view(5) == level).all())
            image = spectrogram.grab().toImage()
            assert image.pixel(image.width() - 3, 20) == colour_table(playing.theme.dark)[level]
        QTest.mouseClick(meters[None], Qt.MouseButton.LeftButton)
        assert not meters[None].held.clipped

    def test_another_models_stems_make_other_strips(self, playing):
        playing.model.attach(Controls(("vocals", "rest"), EngineMemory.local()))
        assert list(playing.mixer.strips) == ["vocals", "rest", None]
        assert not playing.preset_bar.presets["no-drums"].isEnabled()
        assert playing.preset_bar.presets["karaoke"].isEnabled()


class TestPresets:
    def test_built_in_ones_light_up_and_are_undone(self, playing, qtbot):
        QTest.mouseClick(playing.preset_bar.presets["karaoke"], Qt.MouseButton.LeftButton)
        assert engine(playing).controls.muted == {"vocals"}
        assert playing.preset_bar.presets["karaoke"].isChecked()
        assert not playing.preset_bar.presets["original"].isChecked()
        playing.menus["undo"].trigger()
        assert engine(playing).controls.muted == frozenset()

    def test_own_ones_are_saved_taken_and_deleted(self, playing, monkeypatch):
        monkeypatch.setattr(playing.dialogs, "confirm", lambda question: True)
        playing.model.set_gain_db("bass", -4.0)
        playing.dialogs.keep_preset("Practice")
        playing.model.preset("original")
        own = playing.preset_bar.own
        own.setCurrentIndex(own.findText("Practice"))
        own.activated.emit(own.currentIndex())
        assert engine(playing).controls.gains_db["bass"] == -4.0
        assert own.currentText() == "Practice"
        own.activated.emit(own.findText("Delete Practice"))
        assert own.findText("Practice") == -1
        playing.dialogs.keep_preset("Karaoke")
        assert "name of its own" in playing.banner.said

    def test_bypass_leaves_the_faders_alone(self, playing):
        playing.model.set_gain_db("bass", -4.0)
        playing.menus["bypass"].trigger()
        assert engine(playing).memory.parameters["bypass"] == 1
        assert playing.menus["bypass"].isChecked()
        assert playing.preset_bar.bypass.isChecked()
        playing.menus["bypass"].trigger()
        assert engine(playing).memory.parameters["bypass"] == 0
        assert engine(playing).controls.gains_db["bass"] == -4.0


class TestKeys:
    def test_every_command_has_a_handler_a_key_and_a_tip(self, window):
        assert set(window.menus.actions) == {command.name for command in COMMANDS}
        keys = [command.keys for command in COMMANDS]
        keys += [key.format(number=n) for _, _, key in STEM_COMMANDS for n in range(1, 9)]
        assert len(keys) == len(set(keys))
        for command in COMMANDS:
            action = window.menus[command.name]
            assert action.shortcut().toString() == command.keys
            assert command.keys in action.toolTip()

    def test_the_readme_and_the_help_sheet_list_them_all(self):
        assert page_list() in PAGE.read_text("utf-8")
        text = re.sub("<[^>]+>", " ", keys_page())
        for command in COMMANDS:
            assert command.keys in text
            assert command.text.rstrip("…") in text

    def test_keys_reach_the_mix_from_anywhere(self, playing, qtbot):
        controls = engine(playing).controls
        with qtbot.waitActive(playing):
            playing.activateWindow()
        playing.transport.overview.setFocus()
        QTest.keyClick(playing, Qt.Key.Key_2)
        assert controls.muted == {"drums"}
        QTest.keyClick(playing, Qt.Key.Key_3, Qt.KeyboardModifier.AltModifier)
        assert controls.soloed == {"bass"}
        QTest.keyClick(playing, Qt.Key.Key_4, Qt.KeyboardModifier.ControlModifier)
        assert QApplication.focusWidget() is playing.mixer.strips["other"].fader
        QTest.keyClick(QApplication.focusWidget(), Qt.Key.Key_Up, Qt.KeyboardModifier.ControlModifier)
        assert controls.semitones == 1
        assert controls.gains_db["other"] == 0
        QTest.keyClick(playing, Qt.Key.Key_F3)
        assert controls.muted == {"vocals"}
        assert controls.soloed == frozenset()
        QTest.keyClick(playing, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
        assert controls.soloed == {"bass"}
        QTest.keyClick(playing, Qt.Key.Key_B)
        assert controls.bypass

    def test_digits_that_are_typed_are_not_commands(self, playing, qtbot):
        with qtbot.waitActive(playing):
            playing.activateWindow()
        field = playing.mixer.strips["bass"].field
        field.setFocus()
        field.selectAll()
        QTest.keyClicks(field, "-12")
        assert engine(playing).controls.muted == frozenset()
        assert field.text() == "-12"

    def test_every_control_says_what_it_is_and_is_reached_by_tab(self, playing):
        window = playing
        kinds = (QAbstractButton, QSlider, QComboBox, QLineEdit)
        controls = [child for kind in kinds for child in window.findChildren(kind) if child.isVisibleTo(window)]
        assert len(controls) > 30
        for control in controls:
            text = control.text() if isinstance(control, QAbstractButton) else ""
            assert control.accessibleName() or text, control
            assert control.toolTip(), control.accessibleName() or text
        order: list[QWidget] = []
        widget = window.nextInFocusChain()
        while widget is not window:
            if widget.focusPolicy() & Qt.FocusPolicy.TabFocus and widget.isVisibleTo(window):
                order.append(widget)
            widget = widget.nextInFocusChain()
        places = [(widget.mapTo(window, widget.rect().topLeft()).y()) for widget in order]
        strips = window.mixer.strips
        assert order.index(window.source.open) < order.index(window.transport.play)
        assert order.index(window.transport.play) < order.index(strips["vocals"].fader)
        assert order.index(strips["vocals"].fader) < order.index(strips[None].fader)
        assert places[0] < places[-1]


class TestSong:
    def test_open_play_pause_stop(self, playing, qtbot, song):
        parameters = engine(playing).memory.parameters
        assert engine(playing).settings.source == str(song)
        assert engine(playing).settings.song
        assert parameters["playing"] == 1
        assert playing.windowTitle() == "A song.wav - stemlive"
        QTest.mouseClick(playing.transport.play, Qt.MouseButton.LeftButton)
        assert parameters["playing"] == 0
        qtbot.waitUntil(lambda: playing.transport.play.accessibleName() == "Play")
        playing.menus["play"].trigger()
        assert parameters["playing"] == 1
        playing.menus["stop"].trigger()
        assert parameters["playing"] == 0
        assert parameters["seek_s"] == 0.0

    def test_a_click_seeks_a_drag_loops(self, playing, qtbot):
        fake, overview = engine(playing), playing.transport.overview
        y = overview.height() // 2
        QTest.mouseClick(overview, Qt.MouseButton.LeftButton, pos=_point(overview.width() // 2, y))
        assert fake.memory.parameters["seek_s"] == pytest.approx(5.0, abs=0.05)
        assert fake.memory.parameters["seeks"] == 2
        start, end = _point(overview.width() // 10, y), _point(overview.width() // 5, y)
        QTest.mousePress(overview, Qt.MouseButton.LeftButton, pos=start)
        QTest.mouseMove(overview, end)
        QTest.mouseRelease(overview, Qt.MouseButton.LeftButton, pos=end)
        assert fake.controls.song.loop == pytest.approx((1.0, 2.0), abs=0.05)
        playing.menus["loop-off"].trigger()
        assert fake.controls.song.loop is None
        fake.tell(song_s=3.0)
        qtbot.waitUntil(lambda: playing.transport.position.text() == "0:03.0")
        playing.menus["loop-from"].trigger()
        assert fake.controls.song.loop == (3.0, 10.0)
        qtbot.waitUntil(lambda: playing.rig.player.goal_s == 3.0)
        for goal_s in (8.0, 10.0):  # before the first jump is heard, the second one adds to it
            playing.menus["forward"].trigger()
            assert fake.memory.parameters["seek_s"] == goal_s

    def test_play_at_the_end_begins_anew(self, playing, qtbot):
        fake = engine(playing)
        fake.tell(song_s=10.0, song_ended=True)
        qtbot.waitUntil(lambda: playing.transport.play.accessibleName() == "Play")
        playing.menus["play"].trigger()
        assert fake.memory.parameters["seek_s"] == 0.0
        assert fake.memory.parameters["playing"] == 1

    def test_the_outline_is_the_songs(self, playing):
        waveform = playing.rig.waveform
        assert waveform.length_s == 10.0
        assert waveform.done == len(waveform.peaks)
        # A bar is shorter than half a period of its tone, two are not.
        np.testing.assert_allclose(waveform.peaks.reshape(-1, 2).max(1), 0.5, atol=0.01)

    def test_drop_and_recent(self, window, qtbot, song):
        data = QMimeData()
        data.setUrls([QUrl.fromLocalFile(str(song))])
        actions, keys = Qt.DropAction.CopyAction, Qt.KeyboardModifier.NoModifier
        window.dropEvent(QDropEvent(QPointF(5, 5), actions, data, Qt.MouseButton.LeftButton, keys))
        assert window.rig.song == song
        assert window.remembered.recent == [song]

    def test_what_is_no_song_is_a_line_and_the_old_one_goes_on(self, playing, qtbot, tmp_path, song):
        folder = tmp_path / ("a folder whose name is so long that no more of the message is shown, " * 3)
        folder.mkdir()
        (folder / "text.wav").write_text("no audio")
        playing.rig.open_song(folder / "text.wav")
        qtbot.waitUntil(lambda: "not audio of a known kind" in playing.banner.said)  # ffmpeg was asked
        playing.rig.open_song(folder / "nothing.wav")
        assert "no such file" in playing.banner.said
        assert playing.rig.song == song

    @pytest.mark.parametrize("kind", ["2 kHz", "no samples", "damaged at once", "a folder", "not a song"])
    def test_what_is_refused_does_not_touch_what_plays(self, playing, qtbot, engines, song, tmp_path, kind):
        odd = tmp_path / f"{kind}.flac"
        if kind == "a folder":
            odd.mkdir()
        elif kind == "not a song":
            odd.write_bytes(bytes(range(256)))
        else:
            sound = np.random.default_rng(0).uniform(-0.5, 0.5, 0 if kind == "no samples" else 20000)
            soundfile.write(odd, sound, 2000 if kind == "2 kHz" else 44100)
        if kind == "damaged at once":
            content = bytearray(odd.read_bytes())
            content[100:9000] = bytes(8900)
            odd.write_bytes(content)
        engine(playing).tell(song_s=2.5)
        playing.rig.set_loop((1.0, 4.0))
        data = QMimeData()
        data.setUrls([QUrl.fromLocalFile(str(odd))])
        drop, keys = Qt.DropAction.CopyAction, Qt.KeyboardModifier.NoModifier
        playing.dropEvent(QDropEvent(QPointF(5, 5), drop, data, Qt.MouseButton.LeftButton, keys))
        qtbot.waitUntil(lambda: kind in playing.banner.said)
        playing.show_frame()
        assert (playing.rig.song, playing.rig.player.phase, len(engines.made)) == (song, Phase.LIVE, 1)
        assert engine(playing).running
        assert (playing.rig.player.song.position_s, playing.rig.player.song.loop) == (2.5, (1.0, 4.0))
        assert playing.remembered.recent == [song]

    def test_a_song_of_which_a_part_is_missing_is_played_and_the_line_says_so(self, playing, qtbot, song, tmp_path):
        cut = tmp_path / "cut.wav"
        cut.write_bytes(song.read_bytes()[: 44 + 2 * 8000 * 4])
        playing.rig.open_song(cut)
        qtbot.waitUntil(lambda: "cut.wav ends after 4.00 s of the 10.00 s" in playing.banner.said)
        assert playing.rig.song == cut
        assert playing.rig.waveform.length_s == 4
        assert playing.rig.waveform.news() == ""  # it is told once
        damaged = tmp_path / "damaged.flac"
        soundfile.write(damaged, np.random.default_rng(0).uniform(-0.5, 0.5, 20000), 8000)
        content = bytearray(damaged.read_bytes())
        content[20000:22000] = bytes(2000)
        damaged.write_bytes(content)
        playing.rig.open_song(damaged)
        qtbot.waitUntil(lambda: "damaged.flac is damaged: only" in playing.banner.said)


SCREENS = ((1280, 720), (1366, 768), (1920, 1080))


class TestScreen:
    @pytest.mark.parametrize("size", SCREENS)
    @pytest.mark.parametrize(
        "wanted", [QRect(0, 0, 1280, 800), QRect(1800, 900, 2000, 1300), QRect(-500, -90, 300, 200)]
    )
    def test_it_opens_within_the_screen_with_room_for_its_frame(self, size, wanted):
        place = fitted(wanted, QRect(0, 0, *size))
        assert QRect(0, 0, *size).contains(place.adjusted(-8, -40, 8, 8))
        assert place.size().expandedTo(QSize(*LEAST_SIZE)) == place.size()

    def test_on_a_screen_that_is_too_small_it_begins_at_its_corner(self):
        assert fitted(QRect(50, 50, 1280, 800), QRect(0, 0, 800, 600)) == QRect(0, 0, *LEAST_SIZE)

    def test_at_its_smallest_nothing_is_cut_and_what_grows_are_the_spectrograms(self, playing, qapp):
        playing.menus["microphone"].trigger()
        playing.tell(Notice("What is wrong, at a length that needs two lines, is said in two lines. " * 2))
        sizes: dict[tuple[int, int], tuple[QSize, int]] = {}
        for size in (LEAST_SIZE, (1900, 1000)):
            playing.resize(*size)
            qapp.processEvents()
            qapp.processEvents()
            assert (playing.width(), playing.height()) == size
            for part in (playing.microphone, playing.state, playing.banner, playing.transport, playing.preset_bar):
                place = QRect(part.mapTo(playing, QPoint()), part.size())
                assert playing.rect().contains(place)
                assert part.width() >= part.minimumSizeHint().width(), part
            text = playing.banner.text
            assert text.height() >= text.heightForWidth(text.width())
            strip = playing.mixer.strips["drums"]
            sizes[size] = strip.spectrogram.size(), strip.width() - strip.spectrogram.width()
        (small, beside), (large, still_beside) = sizes.values()
        assert beside == still_beside
        assert large.width() - small.width() >= 1900 - LEAST_SIZE[0]
        assert large.height() > 2 * small.height()

    def test_at_its_smallest_words_queue_and_strips_are_side_by_side(self, playing, qapp):
        playing.playlist.switch()
        playing.words.switch()
        playing.resize(*LEAST_SIZE)
        qapp.processEvents()
        parts = (playing.pages, playing.words.panel, playing.playlist.panel)
        for part in parts:
            assert part.width() >= part.minimumSizeHint().width() or part is playing.pages
        alone = playing.pages.width()
        playing.show_cue(on=True)
        qapp.processEvents()
        qapp.processEvents()
        cue, queue = playing.cue, playing.playlist.panel
        assert cue.width() >= cue.minimumSizeHint().width()
        assert cue.mapTo(playing, QPoint()).y() + cue.height() <= queue.mapTo(playing, QPoint()).y()
        assert abs(playing.pages.width() - alone) < 50
        spectrogram = playing.mixer.strips["drums"].spectrogram
        assert (
            spectrogram.mapTo(playing, spectrogram.rect().topRight()).x()
            < parts[0].mapTo(playing, QPoint()).x() + parts[0].width()
        )
        for left, right in pairwise(parts):
            assert left.mapTo(playing, QPoint()).x() + left.width() <= right.mapTo(playing, QPoint()).x()

    def test_the_songs_name_is_shortened_in_its_middle_as_far_as_it_must(self, playing, qapp):
        title, text = playing.source.title, "A song whose name is long, and which goes on and on, and ends.flac"
        playing.source.show_source(text, live=False)
        for size in ((1900, 1000), LEAST_SIZE):
            playing.resize(*size)
            qapp.processEvents()
            assert title.fontMetrics().horizontalAdvance(title.text()) <= title.width()
            assert (title.text() == text) == (size != LEAST_SIZE)
            assert title.text().endswith(".flac")


class TestBanner:
    def test_what_cannot_be_opened_is_said_in_full_and_closed(self, playing, tmp_path, qtbot):
        name = "a song whose name is so long that one line is not enough for it " * 3
        playing.rig.open_song(tmp_path / name)
        assert playing.banner.isVisible()
        assert playing.banner.said.startswith(f"{tmp_path / name}: there is no such file")
        assert playing.banner.text.text().replace("\u200b", "") == playing.banner.said
        QTest.mouseClick(playing.banner.shut, Qt.MouseButton.LeftButton)
        assert not playing.banner.isVisible()
        playing.rig.open_song(tmp_path / name)
        with qtbot.waitActive(playing):
            playing.activateWindow()
        QTest.keyClick(playing, Qt.Key.Key_Escape)
        assert not playing.banner.isVisible()

    def test_the_error_goes_when_another_song_is_opened(self, playing, tmp_path, song):
        playing.rig.open_song(tmp_path / "nothing.wav")
        assert playing.banner.isVisible()
        playing.rig.open_song(song)
        playing.show_texts()
        assert not playing.banner.isVisible()

    def test_a_lasting_problem_that_is_closed_comes_back_only_if_it_is_another_one(self, playing, qtbot):
        engine(playing).memory.set_state(State.RECONNECTING, "unplugged")
        qtbot.waitUntil(lambda: "unplugged" in playing.banner.said)
        playing.banner.shut.click()
        playing.show_texts()
        assert not playing.banner.isVisible()
        assert playing.state.message.text() == "No sound: waiting for the device"
        engine(playing).memory.set_state(State.RECONNECTING, "busy")
        qtbot.waitUntil(lambda: "busy" in playing.banner.said)

    def test_escape_while_typing_a_gain_is_for_the_gain(self, playing, qtbot):
        with qtbot.waitActive(playing):
            playing.activateWindow()
        playing.tell(Notice("a message"))
        field = playing.mixer.strips["bass"].field
        field.setFocus()
        field.selectAll()
        QTest.keyClicks(field, "-12")
        QTest.keyClick(field, Qt.Key.Key_Escape)
        assert field.text() == "0.0"
        assert playing.banner.isVisible()
        QTest.keyClick(field, Qt.Key.Key_Escape)
        assert not playing.banner.isVisible()


class TestWelcome:
    def test_nothing_open_shows_three_ways_to_begin(self, window, qtbot, song, monkeypatch):
        assert window.welcome.isVisible()
        assert not window.mixer.isVisible()
        assert not window.transport.isVisible()
        texts = " ".join(label.text() for label in window.welcome.findChildren(QLabel))
        assert all(way in texts for way in ("Drop a song here", "Open a song", "Listen to an input"))
        monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(song), ""))
        QTest.mouseClick(window.welcome.open, Qt.MouseButton.LeftButton)
        assert window.rig.song == song
        assert window.mixer.isVisible()
        assert window.transport.isVisible()
        assert not window.welcome.isVisible()

    def test_listening_is_one_click(self, window):
        QTest.mouseClick(window.welcome.listen, Qt.MouseButton.LeftButton)
        assert window.rig.live
        assert window.mixer.isVisible()

    def test_the_last_songs_are_offered(self, playing, make_window, song):
        playing.close()
        again = make_window()
        (button,) = [b for b in again.welcome.findChildren(QPushButton) if b.text() == "A song.wav"]
        button.click()
        assert again.rig.song == song


class TestStateLine:
    def test_it_is_in_words_a_musician_knows_and_hovering_tells_the_details(self, playing, qtbot):
        state = playing.state
        engine(playing).tell(hops=10, late_hops=2, output_underflows=1)
        qtbot.waitUntil(lambda: state.dropouts.text() == "3 dropouts")
        assert state.latency.text() == "delay  50 ms"
        assert state.latency.toolTip() == (
            "A fader is heard 50 ms after it moves: "
            "23 ms for the separation, 20 ms in buffers and 6 ms in the sound card"
        )
        assert state.load.text() == "processor  25 %"
        assert "2 times the separation came too late" in state.dropouts.toolTip()
        assert "1 times there was a gap" in state.dropouts.toolTip()
        engine(playing).tell(late_hops=0, output_underflows=0)
        qtbot.waitUntil(lambda: state.dropouts.text() == "no dropouts")
        for label in (state.latency, state.load, state.dropouts, state.model):
            assert not any(word in label.text() for word in ("hop", "rtmixer", "fake", "buffer", "="))
        playing.rig.listen()
        qtbot.waitUntil(lambda: state.latency.toolTip().startswith("You hear the input 50 ms later"))
        assert state.message.text() == "Live"


class TestLight:
    def test_spectrograms_follow_the_appearance(self, playing, qapp):
        ground = {}
        for appearance in ("dark", "light"):
            playing.dialogs._set_appearance(appearance)
            qapp.processEvents()
            image = playing.mixer.strips["drums"].spectrogram.grab().toImage()
            ground[appearance] = luma(image.pixel(image.width() - 3, 20))
        assert ground["dark"] < 5
        assert ground["light"] > 250

    def test_the_systems_scheme_is_followed_unless_one_was_chosen(self, monkeypatch):
        class Hints:
            def colorScheme(self):  # noqa: N802
                return self.scheme

        hints = Hints()
        monkeypatch.setattr("stemlive.gui.theme.QGuiApplication.styleHints", lambda: hints)
        for scheme, dark in ((Qt.ColorScheme.Dark, True), (Qt.ColorScheme.Light, False)):
            hints.scheme = scheme
            assert theme_for("system").dark == dark
            assert theme_for("dark").dark
            assert not theme_for("light").dark


class TestOutline:
    def test_the_stems_ahead_of_the_music_are_shown_once_they_are_known(self, window, qtbot, song, engines):
        """A third of the song is known: vocals in its first half, drums in its second."""
        code = f"""
import json
print(json.dumps(["vocals", "drums", "bass", "other"]), flush=True)
for bar in range({BARS} // 3):
    print(json.dumps([[255, 0, 0, 0] if bar < {BARS} // 6 else [0, 255, 0, 0]]), flush=True)
"""
        window.outline._command = (sys.executable, "-c", code)
        window.rig.open_song(song)
        qtbot.waitUntil(lambda: window.outline.stems is not None and window.outline.stems.done == BARS // 3)
        qtbot.waitUntil(lambda: window.rig.waveform.complete)
        engine(window).tell(song_s=1.0)
        qtbot.waitUntil(lambda: window.transport.position.text() == "0:01.0")
        overview = window.transport.overview

        def colours(share):
            image, x = overview.grab().toImage(), round(share * overview.width())
            return {image.pixelColor(x, y).name() for y in range(4, overview.height() - 4)}

        vocals, drums = stem_colour("vocals"), stem_colour("drums")
        assert vocals in colours(0.14)
        assert drums in colours(0.3)
        assert not {vocals, drums} & colours(0.7)  # not known: the waveform
        assert window.theme.faint in colours(0.7)
        assert vocals not in colours(0.05)  # played: paler
        window.menus["stem-outline"].trigger()
        assert window.outline.stems is None
        assert not {vocals, drums} & colours(0.14)
        assert not window.remembered.stem_outline

    def test_what_was_made_is_kept_and_another_song_has_its_own(self, qapp, qtbot, tmp_path, nothing_left):
        code = f"import json; print(json.dumps(['a'])); print(json.dumps([[7]] * {BARS}))"
        outline = StemOutline((sys.executable, "-c", code))
        outline.want(tmp_path / "one", None)
        first = outline.stems
        qtbot.waitUntil(lambda: first.complete)
        outline.want(tmp_path / "two", None)
        assert outline.stems is not first
        assert not outline.stems.complete
        outline.want(tmp_path / "one", None)
        assert outline.stems is first
        assert (first.peaks == 7).all()
        outline.want(tmp_path / "one", "another model")
        assert not outline.stems.complete
        outline.close()
        outline.finish()

    def test_the_real_process_tells_the_peaks_of_the_stems(self, tmp_path):
        sound = np.random.default_rng(0).uniform(-0.5, 0.5, (66150, 2)) * np.linspace(0, 1, 66150)[:, None]
        soundfile.write(tmp_path / "song.wav", sound, 44100, subtype="FLOAT")
        command = [sys.executable, "-P", "-m", "stemlive.window_outline", quote(str(tmp_path / "song.wav")), "50"]
        lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
        names, *bars = (json.loads(line) for line in lines)
        told = np.array([bar for line in bars for bar in line])
        stems = separate(tmp_path / "song.wav")
        assert names == list(stems)
        edges = np.linspace(0, 66150, 51).astype(int)
        for number, stem in enumerate(stems.values()):
            peaks = [np.abs(stem[first:last]).max() for first, last in itertools.pairwise(edges)]
            np.testing.assert_allclose(told[:, number], 255 * np.array(peaks), atol=1)

    def test_the_zoom_keeps_the_place_stays_within_the_song_and_turns_the_page(self):
        span = Span()
        span.set_length(100.0)
        assert span.whole
        assert span.zoom(4, 40.0)
        assert (span.first_s, span.last_s) == (30.0, 55.0)
        assert span.place(40.0) == pytest.approx(0.4)
        assert span.position(0.4) == pytest.approx(40.0)
        assert not span.follow(40.0)
        assert span.follow(53.0)  # nine tenths are past: the next page begins a little before it
        assert (span.first_s, span.last_s) == (50.5, 75.5)
        assert span.scroll(-10)
        assert span.first_s == 0.0
        assert not span.follow(54.0)  # whoever looks elsewhere is left alone
        span.zoom(1000, 10.0)
        assert span.last_s - span.first_s == pytest.approx(4.0)
        span.zoom(1e-9, 10.0)
        assert span.whole
        assert not span.zoom(0.5, 10.0)

    def test_keys_and_wheel_zoom_and_a_click_goes_to_what_is_seen(self, playing, qtbot):
        overview = playing.transport.overview
        with qtbot.waitActive(playing):
            playing.activateWindow()
        QTest.keyClick(playing, Qt.Key.Key_Plus)
        assert (overview.span.first_s, overview.span.last_s) == (0.0, 5.0)
        y = overview.height() // 2
        QTest.mouseClick(overview, Qt.MouseButton.LeftButton, pos=_point(overview.width() // 2, y))
        assert engine(playing).memory.parameters["seek_s"] == pytest.approx(2.5, abs=0.05)
        wheel(overview, 120, Qt.KeyboardModifier.ShiftModifier)
        assert overview.span.first_s == 0.0
        wheel(overview, -120, Qt.KeyboardModifier.ShiftModifier)
        assert overview.span.first_s == pytest.approx(0.75)
        QTest.keyClick(playing, Qt.Key.Key_0)
        assert overview.span.whole
        wheel(overview, 120)
        assert overview.span.last_s - overview.span.first_s == pytest.approx(8.0)
        QTest.keyClick(playing, Qt.Key.Key_Minus)
        assert overview.span.whole


def wheel(widget, turn, modifiers=Qt.KeyboardModifier.NoModifier):
    """Turn the wheel by this angle over the middle of a widget."""
    place = QPointF(widget.width() / 2, widget.height() / 2)
    nothing, phase = Qt.MouseButton.NoButton, Qt.ScrollPhase.NoScrollPhase
    widget.wheelEvent(QWheelEvent(place, place, QPoint(), QPoint(0, turn), nothing, modifiers, phase, False))


class TestIdle:
    def test_a_paused_window_looks_seldom_and_wakes_with_the_song(self, playing, qtbot, monkeypatch):
        fake, frames = engine(playing), playing._pace.frames
        snapshot, load = fake.snapshot, [0.2]
        monkeypatch.setattr(fake, "snapshot", lambda: replace(snapshot(), load=load[0]))
        fake.tell(mix_peak=0.5)
        qtbot.waitUntil(lambda: not playing.mixer.settled)
        assert frames.interval() == 40
        playing.menus["play"].trigger()
        fake.tell(mix_peak=0.0)
        qtbot.waitUntil(lambda: playing.mixer.settled)
        assert frames.interval() == 40  # the engine still works
        load[0] = 0.0
        qtbot.waitUntil(lambda: frames.interval() == 250)
        assert playing._pace.texts.interval() == 500
        playing.menus["play"].trigger()
        qtbot.waitUntil(lambda: frames.interval() == 40)
        assert playing._pace.texts.interval() == 200

    def test_with_a_microphone_or_a_recording_it_stays_awake(self, playing, qtbot, monkeypatch):
        fake = engine(playing)
        snapshot = fake.snapshot
        monkeypatch.setattr(fake, "snapshot", lambda: replace(snapshot(), load=0.0))
        playing.menus["play"].trigger()
        qtbot.waitUntil(lambda: playing.rig.idle)
        playing.rig.player.karaoke = replace(playing.rig.player.karaoke, device="Mic")
        assert not playing.rig.idle
        playing.rig.player.karaoke = replace(playing.rig.player.karaoke, device="")
        playing.rig.recorder._status["wanted"] = True
        assert not playing.rig.idle
        playing.rig.recorder.stop()


class TestNeverWaits:
    """What may take its time happens elsewhere; each of these froze the window."""

    @pytest.fixture
    def gate(self):
        """Closed until a test opens it, or gives up."""
        gate = threading.Event()
        timer = threading.Timer(20, gate.set)
        timer.start()
        yield gate
        gate.set()
        timer.cancel()
        timer.join()

    def test_an_engine_that_does_not_stop(self, playing, monkeypatch, gate):
        fake, stopped = engine(playing), []
        stop = fake.stop
        monkeypatch.setattr(fake, "stop", lambda: (gate.wait(), stop(), stopped.append(True)))
        playing.close()
        assert not gate.is_set()
        assert not playing.isVisible()
        gate.set()
        assert playing.finish() == ""
        assert stopped

    def test_an_engine_that_is_still_being_opened(self, window, qtbot, monkeypatch, engines, song, gate):
        start = engines.start
        monkeypatch.setattr(engines, "start", lambda engine: (gate.wait(), start(engine)))
        window.rig.open_song(song)
        qtbot.waitUntil(lambda: len(engines.made) == 1)
        window.close()
        assert not gate.is_set()
        gate.set()
        window.finish()
        assert engines.made[0].stopped

    def test_what_an_engine_could_not_complete_is_handed_on(self, playing, monkeypatch):
        whole = engine(playing).stop

        def stop():
            whole()
            raise StemliveError("the disk is full: the recording ends after 3.0 s")

        monkeypatch.setattr(engine(playing), "stop", stop)
        playing.close()
        assert playing.finish() == "the disk is full: the recording ends after 3.0 s"

    def test_a_list_of_devices_that_does_not_come(self, window, qtbot, monkeypatch):
        qtbot.waitUntil(lambda: not window.rig.devices._process.running)
        monkeypatch.setattr(device_list, "_PATIENCE_MS", 200)
        window.rig.devices._command = (sys.executable, "-c", "import time; time.sleep(60)")
        window.rig.devices.refresh()
        qtbot.waitUntil(lambda: "the list of devices has not come" in window.banner.said)
        assert not window.rig.devices._process.running
        monkeypatch.setattr(device_list, "_PATIENCE_MS", 20_000)
        window.rig.devices._command = NO_DEVICES
        window.rig.devices.refresh()
        qtbot.waitUntil(lambda: window.rig.devices.problem == "")

    def test_where_a_program_cannot_be_asked_to_end_it_is_ended(self, qapp, qtbot, monkeypatch, nothing_left):
        """On Windows, QProcess.terminate asks for a window, and the command line has none."""
        process = CommandProcess(qapp)
        stubborn = (
            "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(60)"
        )
        process.start(sys.executable, ["-c", stubborn])
        assert process.waitForReadyRead(20_000)
        monkeypatch.setattr(sys, "platform", "win32")
        process.ask_to_end()
        qtbot.waitUntil(lambda: not process.running)

    def test_an_outline_whose_process_ends_late(self, window, qtbot, song, monkeypatch):
        window.outline._command = (sys.executable, "-c", "import time; time.sleep(60)")
        window.rig.open_song(song)
        qtbot.waitUntil(lambda: window.outline._process.running)
        process = window.outline._process
        monkeypatch.setattr(process, "waitForFinished", lambda _: pytest.fail("it was waited for"))
        window.close()
        assert not window.isVisible()
        monkeypatch.undo()
        window.finish()
        assert not process.running

    def test_an_export_that_does_not_end(self, window, qtbot, song, tmp_path):
        stubborn = (
            "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(60)"
        )
        window.export._command = (sys.executable, "-c", stubborn)
        heard = []
        window.export._process.readyReadStandardOutput.disconnect()
        window.export._process.readyReadStandardOutput.connect(lambda: heard.append(True))
        window.export.start(Order(song, (alone(Mix.of(STEMS), "bass"),)).into(tmp_path))
        qtbot.waitUntil(lambda: len(heard) > 0)
        window.close()
        assert window.export.running, "it was waited for"
        window.finish()
        assert not window.export.running


class TestDevices:
    def test_a_missing_output_is_told_and_tried_again(self, window, qtbot, engines, song):
        engines.missing.add("device:Speakers")
        window.rig.output = "Speakers"
        window.rig.open_song(song)
        qtbot.waitUntil(window.banner.isVisible)
        assert window.banner.said == "no device 'device:Speakers': connect one"
        assert window.rig.player.phase == Phase.MISSING
        assert window.source.output.currentText() == "Speakers (missing)"
        assert engines.made[-1].stopped
        engines.missing.clear()
        QTest.mouseClick(window.banner.button, Qt.MouseButton.LeftButton)
        qtbot.waitUntil(lambda: window.rig.player.phase == Phase.LIVE)
        qtbot.waitUntil(lambda: not window.banner.isVisible())

    def test_a_device_that_goes_is_waited_for(self, playing, qtbot):
        engine(playing).tell(mix_peak=0.5)
        meter = playing.mixer.strips[None].meter
        qtbot.waitUntil(lambda: meter._shown[0] > 0)
        engine(playing).memory.set_state(State.RECONNECTING, "unplugged")
        qtbot.waitUntil(lambda: "Waiting for the device" in playing.banner.said)
        assert "unplugged" in playing.banner.said
        qtbot.waitUntil(lambda: meter._shown[0] == 0)
        engine(playing).memory.set_state(State.RUNNING)
        qtbot.waitUntil(lambda: not playing.banner.isVisible())

    def test_another_output_goes_on_with_song_and_mix(self, playing, qtbot, engines):
        fake = engine(playing)
        playing.model.set_gain_db("bass", -4.0)
        playing.rig.set_loop((1.0, 4.0))
        fake.tell(song_s=2.5)
        qtbot.waitUntil(lambda: playing.rig.player.song.position_s == 2.5)
        playing.rig.choose_output("Headphones")
        qtbot.waitUntil(lambda: len(engines.made) == 2 and engine(playing) is engines.made[1])
        other = engine(playing)
        assert fake.stopped
        assert other.settings.target == "device:Headphones"
        assert other.memory.parameters["seek_s"] == 2.5
        assert other.memory.parameters["playing"] == 1
        assert other.controls.song.loop == (1.0, 4.0)
        assert other.controls.gains_db["bass"] == -4.0

    def test_live_input_and_back_to_the_song(self, playing, qtbot, engines):
        playing.rig.input = "Line 3"
        playing.menus["live"].trigger()
        qtbot.waitUntil(lambda: engine(playing) is not None and engine(playing).settings.source == "device:Line 3")
        assert not engine(playing).settings.song
        assert not playing.transport.play.isEnabled()
        playing.menus["live"].trigger()
        qtbot.waitUntil(lambda: engine(playing) is not None and engine(playing).settings.song)
        assert engine(playing).memory.parameters["playing"] == 0

    def test_the_model_is_that_of_the_source_until_one_is_chosen(self, playing, qtbot, engines):
        def in_use(name):
            return lambda: engine(playing) is not None and engine(playing).settings.used_model == name

        choices = {action.text(): action for action in playing.dialogs._models.actions()}
        by_source = choices["quality for songs, live for inputs"]
        assert by_source.isChecked()
        assert playing.rig.model_name == "quality"
        assert in_use("quality")()
        playing.menus["live"].trigger()
        qtbot.waitUntil(in_use("live"))
        assert playing.rig.model_name == "live"
        choices["low"].trigger()
        qtbot.waitUntil(in_use("low"))
        assert not by_source.isChecked()
        playing.menus["live"].trigger()
        qtbot.waitUntil(lambda: engine(playing) is not None and engine(playing).settings.song)
        assert in_use("low")()
        by_source.trigger()
        qtbot.waitUntil(in_use("quality"))

    def test_what_the_computer_plays_is_an_input(self, window, qtbot, engines):
        assert not window.welcome.players.isVisibleTo(window)
        inputs, devices = window.source.input, window.rig.devices
        assert inputs.findText("What the computer plays") < 0
        assert "For what the computer plays" in inputs.toolTip(), "what to do where there is no sound server"
        qtbot.waitUntil(lambda: not devices._process.running)
        devices._command = (sys.executable, "-c", f"print({json.dumps(json.dumps(ON_SERVER))})")
        devices.refresh()
        qtbot.waitUntil(lambda: inputs.findText("What the computer plays") > 0)
        assert [inputs.itemText(i) for i in range(inputs.count())] == [
            *("Default", "Monitor of out, PipeWire", "What the computer plays")
        ], "without the sink of our own"
        devices._playing.emit(["Firefox"])
        qtbot.waitUntil(lambda: inputs.findText("What Firefox plays") > 0)
        QTest.mouseClick(window.welcome.players, Qt.MouseButton.LeftButton)
        qtbot.waitUntil(lambda: engine(window) is not None and engine(window).settings.source == "device:players:")
        assert (window.rig.title, inputs.currentText()) == ("What the computer plays",) * 2
        inputs.setCurrentIndex(inputs.findText("What Firefox plays"))
        inputs.activated.emit(inputs.currentIndex())
        qtbot.waitUntil(lambda: engine(window) is not None and engine(window).settings.source.endswith(":Firefox"))
        assert engines.made[0].stopped
        assert window.rig.title == "What Firefox plays"
        devices._playing.emit([])
        qtbot.waitUntil(lambda: inputs.currentText() == "What Firefox plays")
        inputs.view = lambda: SimpleNamespace(isVisible=lambda: True)  # an open list cannot be drawn here
        devices._playing.emit(["Music"])
        qtbot.wait(50)
        assert inputs.findText("What Music plays") < 0, "an open list does not change"
        del inputs.view
        inputs.hidePopup()
        qtbot.waitUntil(lambda: inputs.findText("What Music plays") > 0)

    def test_a_broken_model_is_told(self, window, qtbot, tmp_path, song):
        broken = song.with_name("broken")
        song.rename(broken)
        window.rig.open_song(broken)
        qtbot.waitUntil(lambda: window.rig.player.phase == Phase.FAILED)
        qtbot.waitUntil(lambda: window.banner.said == "the model is broken")

    def test_long_names_never_widen_the_window(self, window):
        width = window.minimumSizeHint().width()
        window.rig.output = "Focusrite Scarlett 18i20 USB 3rd Generation " * 4
        window.show_devices()
        window.source.show_source("A very long name of a song " * 9, live=False)
        window.note("What is wrong, at length " * 20)
        assert window.minimumSizeHint().width() <= width

    def test_the_list_comes_from_another_process(self, qtbot, nothing_left):
        found = [{"name": "Mic", "host_interface": "ALSA", "inputs": 1, "outputs": 0}]
        devices = DeviceList((sys.executable, "-c", f"print({json.dumps(json.dumps(found))})"))
        with qtbot.waitSignal(devices.changed):
            devices.refresh()
        assert [device.name for device in devices.inputs] == ["Mic, ALSA"]
        assert devices.outputs == ()
        failing = DeviceList((sys.executable, "-c", "import sys; sys.exit('stemlive: error: no PortAudio')"))
        with qtbot.waitSignal(failing.changed):
            failing.refresh()
        assert failing.problem == "no PortAudio"


class TestMemory:
    def test_mix_devices_size_and_appearance_come_back(self, make_window):
        first = make_window()
        first.model.set_gain_db("drums", -5.0)
        first.rig.choose_output("Headphones")
        first.remembered.appearance = "light"
        first.resize(1111, 777)
        geometry = first.saveGeometry()
        first.close()
        second = make_window()
        assert second.model.mix.channel("drums").gain_db == -5.0
        assert second.rig.output == "Headphones"
        assert not second.theme.dark
        assert second.remembered.geometry == geometry

    def test_what_is_damaged_reads_as_not_there(self, settings_file, qapp):
        settings_file.write_text(
            "[files]\nrecent={\n[engine]\nmode=warp\nblock=9999999\nthreads=x\n[window]\ngeometry=5\n[General]\nmix=[\n"
        )
        remembered = Remembered(QSettings(str(settings_file), QSettings.Format.IniFormat))
        assert remembered.recent == []
        assert remembered.mix is None
        assert remembered.engine() == {}
        assert remembered.geometry.isEmpty()

    def test_only_processors_that_exist_are_offered(self, playing, monkeypatch):
        for existing in (("cpu",), ("cpu", "cuda")):
            monkeypatch.setattr("stemlive.gui.settings_dialog.existing_providers", lambda existing=existing: existing)
            monkeypatch.setattr("stemlive.gui.remembered.existing_providers", lambda existing=existing: existing)
            dialog = SettingsDialog(playing.remembered, playing.rig, playing)
            assert [dialog.provider.itemData(row) for row in range(dialog.provider.count())] == list(existing)
            dialog.provider.setCurrentIndex(len(existing) - 1)
            dialog.accept()
            assert playing.remembered.engine()["provider"] == existing[-1]
        monkeypatch.undo()  # the card is gone
        assert existing_providers()[0] == "cpu"
        monkeypatch.setattr("stemlive.gui.remembered.existing_providers", lambda: ("cpu",))
        assert playing.remembered.engine()["provider"] == "cpu"

    @pytest.fixture
    def settings_dialog(self, playing, monkeypatch):
        """Open the dialog of settings, do something in it, and accept or cancel."""

        def open_it(act, *, accepts=True):
            def do(dialog):
                act(dialog)
                dialog.accept() if accepts else dialog.reject()
                return dialog.result()

            monkeypatch.setattr(SettingsDialog, "exec", do)
            playing.menus["settings"].trigger()

        return open_it

    def test_the_sync_is_that_of_the_output_is_heard_at_once_and_remembered(
        self, playing, qtbot, engines, settings_dialog
    ):
        rig, first, seen = playing.rig, engines.made[0], []

        def turn(dialog):
            dialog.sync.setValue(-40)
            seen.append(first.controls.sync_ms)

        settings_dialog(turn, accepts=False)
        assert seen == [-40]
        assert (first.controls.sync_ms, playing.remembered.sync_ms("default")) == (0, 0)
        settings_dialog(lambda dialog: dialog.sync.setValue(210))
        assert first.controls.sync_ms == 210
        assert float(first.memory.parameters["sync_ms"]) == 210
        assert len(engines.made) == 1  # nothing is interrupted
        first.memory.set_latency(Latency(44100, 100, 1024, 900, 181, sync=9261))
        first.memory.publish()
        qtbot.waitUntil(lambda: "delay 260 ms" in playing.state.latency.text())
        assert "and 210 ms by `Sync` in Settings (Ctrl+,)" in playing.state.latency.toolTip()
        for output, later_ms in (("headset", 0), ("default", 210)):
            count = len(engines.made)
            rig.choose_output(output)
            qtbot.waitUntil(lambda count=count: len(engines.made) > count and rig.player.phase == Phase.LIVE)
            assert engines.made[-1].controls.sync_ms == later_ms
        rig.choose_output("headset")
        playing.remembered.keep_sync("headset", -1000)
        assert (playing.remembered.sync_ms("headset"), playing.remembered.sync_ms("default")) == (-1000, 210)
        playing.remembered._settings.setValue("devices/sync", '{"headset": 1001, "default": "x"}')
        assert (playing.remembered.sync_ms("headset"), playing.remembered.sync_ms("default")) == (0, 0)

    def test_the_guard_against_howling_is_switched_in_the_settings_and_remembered(
        self, playing, make_window, engines, settings_dialog
    ):
        parameters = engines.made[0].memory.parameters
        settings_dialog(lambda dialog: dialog.howling_guard.setChecked(False), accepts=False)
        assert parameters["howling_guard"]
        settings_dialog(lambda dialog: dialog.howling_guard.setChecked(False))
        assert not parameters["howling_guard"]
        assert len(engines.made) == 1  # nothing is interrupted
        playing.close()
        assert make_window().remembered.karaoke.howling_guard is False

    def test_the_sound_can_be_delayed_by_a_latency_in_milliseconds(self, playing, qtbot, engines, settings_dialog):
        settings_dialog(lambda dialog: dialog.latency.setCurrentIndex(dialog.latency.findData("400")))
        qtbot.waitUntil(lambda: len(engines.made) == 2)
        assert engines.made[1].settings.latency == 400.0
        again = SettingsDialog(playing.remembered, playing.rig, playing)
        assert again.latency.currentData() == "400"

    def test_engine_settings_reach_the_engine(self, playing, qtbot, engines):
        playing.remembered.set_engine(block_samples=256, latency="high", mode="callback", threads=2, provider="cpu")
        playing.rig.connect_engine()
        qtbot.waitUntil(lambda: len(engines.made) == 2)
        settings = engines.made[1].settings
        assert (settings.block_samples, settings.latency, settings.mode, settings.threads) == (
            256,
            "high",
            "callback",
            2,
        )


class TestExport:
    @pytest.fixture(autouse=True)
    def music(self, tmp_path, monkeypatch):
        """The user's folder for music."""
        monkeypatch.setattr("stemlive.gui.folders.QStandardPaths.writableLocation", lambda _: str(tmp_path / "Music"))
        return tmp_path / "Music"

    @pytest.fixture
    def exporter(self, playing):
        """A command that does as the export process does, slowly if it is to be cancelled."""
        code = """
import json, pathlib, sys, time
from stemlive.gui.export_order import Order
order = Order.from_text(sys.argv[1])
for done in range(1, 4):
    print(json.dumps({"done": done, "total": 4}), flush=True)
    time.sleep(60 if pathlib.Path("slow").exists() else 0)
if pathlib.Path("refused").exists():
    sys.exit("stemlive: error: the disk is full")
print(json.dumps({"note": "a remark"}))
order.folder.mkdir(parents=True, exist_ok=True)
for path in order.paths:
    path.write_text(order.to_text())
"""
        playing.export._command = (sys.executable, "-P", "-c", code)
        return playing

    @pytest.fixture
    def answer(self, monkeypatch):
        """Answer the dialog as a test says."""

        def answer_with(act):
            def do(dialog):
                act(dialog)
                return QDialog.DialogCode.Accepted

            monkeypatch.setattr(ExportDialog, "exec", do)

        return answer_with

    def test_what_is_heard_goes_to_the_music_folder_and_nothing_is_replaced(
        self, exporter, qtbot, answer, music, monkeypatch
    ):
        opened = []
        monkeypatch.setattr("stemlive.gui.folders.QDesktopServices.openUrl", opened.append)
        exporter.model.preset("karaoke")
        exporter.rig.player.karaoke = replace(exporter.rig.player.karaoke, semitones=2)
        answer(lambda dialog: None)
        for folder in (music / "stemlive" / "A song", music / "stemlive" / "A song 2"):
            with qtbot.waitSignals([exporter.export.progressed, exporter.export.ended]):
                exporter.menus["export"].trigger()
            (written,) = folder.iterdir()
            assert written.name == "A song - karaoke +2.wav"
            assert f"Written in {folder}: {written.name}; a remark" in exporter.banner.said
            assert not exporter.banner.notice.bad
            order = Order.from_text(written.read_text())
            assert (order.title, order.part, order.outputs[0].semitones) == ("WAV, 24 bit", None, 2)
            QTest.mouseClick(exporter.banner.button, Qt.MouseButton.LeftButton)
            assert opened.pop() == QUrl.fromLocalFile(str(folder))

    def test_stems_part_fades_format_and_folder_are_chosen_and_the_last_two_remembered(
        self, exporter, qtbot, answer, tmp_path, make_window
    ):
        def choose(dialog):
            assert dialog.marked.isChecked()  # for there is one
            assert not dialog.whole.isChecked()
            assert "0:01.0 to 0:03.0" in dialog.marked.text()
            dialog.mix.click()
            dialog.stems["vocals"].click()
            dialog.stems["bass"].click()
            dialog.fade_in.setValue(0.5)
            dialog.format.setCurrentText("FLAC, 24 bit")
            dialog.root = tmp_path / "elsewhere"

        exporter.rig.set_loop((1.0, 3.0))
        answer(choose)
        with qtbot.waitSignal(exporter.export.ended):
            exporter.menus["export"].trigger()
        order = exporter.export.order
        assert [path.name for path in order.paths] == ["A song - vocals.flac", "A song - bass.flac"]
        assert (order.part, order.fades_s) == ((1.0, 3.0), (0.5, 0.0))
        assert order.folder == tmp_path / "elsewhere" / "A song"
        assert order.outputs[1].gains == (("vocals", 0, 0), ("drums", 0, 0), ("bass", 1, 1), ("other", 0, 0))
        exporter.close()
        again = make_window()
        assert again.remembered.export_format == "FLAC, 24 bit"
        assert again.remembered.export_folder == tmp_path / "elsewhere"

    def test_without_a_tick_or_a_song_there_is_nothing_to_export(self, playing, monkeypatch):
        def untick(dialog):
            ok = dialog.buttons.button(QDialogButtonBox.StandardButton.Ok)
            assert ok.isEnabled()
            dialog.mix.click()
            assert not ok.isEnabled()
            dialog.stems["other"].click()
            assert ok.isEnabled()
            return QDialog.DialogCode.Rejected

        monkeypatch.setattr(ExportDialog, "exec", untick)
        playing.menus["export"].trigger()
        assert not playing.export.running
        playing.rig.listen()
        playing.exports.ask()
        assert playing.banner.said == "There is nothing to export: open a song"

    def test_the_real_process_writes_what_was_heard(self, playing, qtbot, tmp_path):
        """Faders, pan, mute and the mix's fader, of a part in stereo: as the engine's gains have it."""
        t = np.arange(3 * 44100) / 44100
        sound = np.stack([0.3 * np.sin(2 * np.pi * 220 * t), 0.2 * np.sin(2 * np.pi * 1760 * t)], axis=1)
        soundfile.write(tmp_path / "stereo.wav", sound, 44100, subtype="FLOAT")
        playing.rig.open_song(tmp_path / "stereo.wav")
        mix = Mix.of(STEMS).change("vocals", gain_db=-6.0, pan=0.5).change("bass", mute=True)
        mix = replace(mix.change("other", pan=-1.0), master_db=-3.0)
        outputs = (heard(mix, 0, bypass=False), alone(mix, "drums"))
        order = Order(tmp_path / "stereo.wav", outputs, "WAV, 32 bit float", (1.0, 2.5)).into(tmp_path)
        with qtbot.waitSignals([playing.export.progressed, playing.export.ended], timeout=180_000):
            playing.exports.begin(order)
        assert "stereo - mix.wav, stereo - drums.wav" in playing.banner.said
        stems = separate(sound[44100 : round(2.5 * 44100)].astype(np.float32), sample_rate_hz=44100)
        controls = Controls(STEMS, EngineMemory.local())
        mix.write_to(controls)
        left, right = np.zeros((2, round(1.5 * 44100)))
        for stem, gain in zip(STEMS, controls._mixer.gains(), strict=True):
            pan = controls.pans[stem]
            left += 10 ** (-3 / 20) * gain * min(1, 1 - pan) * stems[stem][:, 0]
            right += 10 ** (-3 / 20) * gain * min(1, 1 + pan) * stems[stem][:, 1]
        written, rate_hz = soundfile.read(order.paths[0])
        assert rate_hz == 44100
        np.testing.assert_allclose(written, np.stack([left, right], axis=1), atol=1e-5)
        np.testing.assert_allclose(soundfile.read(order.paths[1])[0], stems["drums"], atol=1e-5)

    def test_the_key_is_that_of_the_stream(self, tmp_path, song):
        """Another key, by `stream` and by the export: the same sound, but for where the blocks are cut."""
        sound, rate_hz = soundfile.read(song, stop=32000)
        soundfile.write(song, sound, rate_hz)
        mix = Mix.of(STEMS).preset("karaoke")
        order = Order(song, (heard(mix, -3, bypass=False),), "WAV, 32 bit float").into(tmp_path)
        command = [sys.executable, "-P", "-m", "stemlive.window_export", order.to_text()]
        subprocess.run(command, check=True, capture_output=True)
        stream = [sys.executable, "-P", "-m", "stemlive", "stream", "-i", str(song), "-o", str(tmp_path / "stream.wav")]
        subprocess.run([*stream, "--preset", "karaoke", "--key", "-3"], check=True, capture_output=True)
        ours, theirs = soundfile.read(order.paths[0])[0], soundfile.read(tmp_path / "stream.wav")[0]
        assert len(ours) == len(theirs) == 32000
        assert np.sqrt(np.square(ours - theirs).mean()) < 0.01 * np.sqrt(np.square(theirs).mean())

    def test_bypass_is_the_song_as_it_is(self):
        mix = replace(Mix.of(STEMS).preset("karaoke"), master_db=6.0)
        output = heard(mix, 3, bypass=True)
        assert output.semitones == 0
        assert output.gains == tuple((stem, 10 ** (6 / 20), 10 ** (6 / 20)) for stem in STEMS)

    def test_fades_begin_and_end_in_silence_and_are_as_long_as_they_say(self):
        track = Track("mix", np.ones(1, np.float32))
        sound = TrackSound(track, 1000, 2, 2000, (500, 250))
        pieces = [sound.process(np.ones((1, count, 2), np.float32)) for count in (1, 499, 1300, 200)]
        level = np.concatenate(pieces)[:, 0]
        assert level[0] < 1e-4
        assert level[-1] < 1e-4
        assert level[250] == pytest.approx(0.5, abs=0.01)
        assert level[2000 - 125] == pytest.approx(0.5, abs=0.02)
        np.testing.assert_array_equal(level[500:1750], 1)
        assert (np.diff(level[:500]) > 0).all()
        assert (np.diff(level[1750:]) < 0).all()

    @pytest.mark.parametrize("title", FORMATS)
    def test_every_format_is_written_as_its_name_says(self, title, tmp_path):
        extension, bits = FORMATS[title]
        sound = 0.5 * np.sin(np.arange(48000)[:, None] / 20).astype(np.float32)
        with AudioWriter(tmp_path / f"x.{extension}", 48000, 1, bits=bits) as writer:
            writer.write(sound)
        with AudioReader(tmp_path / f"x.{extension}") as reader:
            read = reader.read(50000)
        assert 0 <= len(read) - 48000 < (1024 if extension == "m4a" else 1)  # AAC fills its last frame
        assert np.sqrt(np.square(read[:48000] - sound).mean()) < 0.02
        if bits is not None:
            subtype = soundfile.info(tmp_path / f"x.{extension}").subtype
            assert subtype == {16: "PCM_16", 24: "PCM_24", 32: "FLOAT"}[bits]

    def test_a_song_whose_name_is_not_utf_8_is_dropped_remembered_and_exported(self, playing, qtbot, song, tmp_path):
        odd = tmp_path / os.fsdecode(b"s\xffng.wav")
        song.rename(odd)
        data = QMimeData()
        data.setUrls([QUrl.fromEncoded(b"file://" + quote(os.fsencode(odd)).encode())])
        drop, keys = Qt.DropAction.CopyAction, Qt.KeyboardModifier.NoModifier
        playing.dropEvent(QDropEvent(QPointF(5, 5), drop, data, Qt.MouseButton.LeftButton, keys))
        assert playing.rig.song == odd
        playing.remembered.flush()
        again = Remembered(QSettings(playing.remembered._settings.fileName(), QSettings.Format.IniFormat))
        assert again.recent == [odd, song]
        order = Order(odd, (alone(playing.model.mix, "vocals"),)).into(tmp_path)
        with qtbot.waitSignals([playing.export.progressed, playing.export.ended], timeout=60_000):
            playing.exports.begin(order)
        assert "Written in" in playing.banner.said
        assert (tmp_path / os.fsdecode(b"s\xffng") / os.fsdecode(b"s\xffng - vocals.wav")).exists()

    def test_what_an_export_warns_of_is_told_too(self, playing, qtbot, song, tmp_path):
        loud = tmp_path / "loud.wav"
        sound, rate_hz = soundfile.read(song)
        soundfile.write(loud, 4 * sound[:rate_hz], rate_hz, subtype="FLOAT")
        playing.rig.open_song(loud)
        order = Order(loud, (heard(playing.model.mix, 0, bypass=False),)).into(tmp_path)
        with qtbot.waitSignals([playing.export.progressed, playing.export.ended], timeout=60_000):
            playing.exports.begin(order)
        assert playing.banner.said.startswith("Written in")
        assert "samples were louder than full scale and are clipped" in playing.banner.said

    def test_cancel_and_failure_are_told(self, exporter, qtbot, answer, tmp_path, monkeypatch, music):
        monkeypatch.chdir(tmp_path)
        answer(lambda dialog: None)
        (tmp_path / "slow").touch()
        with qtbot.waitSignal(exporter.export.progressed) as told:
            exporter.menus["export"].trigger()
        assert told.args == [0.25]
        assert exporter.state.progress.isVisible()
        exporter.exports.drag("vocals")
        assert exporter.banner.said == "A file is being written: drag again when it is done"
        with qtbot.waitSignal(exporter.export.ended):
            QTest.mouseClick(exporter.state.cancel, Qt.MouseButton.LeftButton)
        assert "cancelled" in exporter.banner.said
        assert not exporter.state.progress.isVisible()
        (tmp_path / "slow").unlink()
        (tmp_path / "refused").touch()
        with qtbot.waitSignal(exporter.export.ended):
            exporter.menus["export"].trigger()
        assert exporter.banner.said == "the disk is full"
        assert not music.exists()

    def test_a_stem_and_the_mix_are_dragged_out_as_files(self, exporter, qtbot, music, monkeypatch):
        dragged = []
        monkeypatch.setattr(QDrag, "exec", lambda drag, action: dragged.append(drag.mimeData().urls()))
        folder = music / "stemlive" / "A song"

        def drag(stem):
            name = exporter.mixer.strips[stem].name
            QTest.mousePress(name, Qt.MouseButton.LeftButton, pos=QPoint(5, 5))
            QTest.mouseMove(name, QPoint(8, 5))
            assert not dragged
            QTest.mouseMove(name, QPoint(60, 40))
            QTest.mouseRelease(name, Qt.MouseButton.LeftButton)

        for stem, file in (("vocals", "A song - vocals.wav"), (None, "A song - original.wav")):
            with qtbot.waitSignal(exporter.export.ended):
                drag(stem)
                assert "drag it again when it is done" in exporter.banner.said
            assert "Drag" in exporter.banner.said
            drag(stem)
            assert [[url.toLocalFile() for url in urls] for urls in dragged] == [[str(folder / file)]]
            dragged.clear()
        exporter.model.mute("drums", True)  # another mix is another file
        with qtbot.waitSignal(exporter.export.ended):
            drag(None)
        assert (folder / "A song - no-drums.wav").exists()


class TestMicrophone:
    def test_it_is_plugged_in_sounds_as_set_and_is_remembered(self, playing, make_window, qtbot, engines):
        assert not playing.microphone.isVisible()
        playing.menus["microphone"].trigger()
        assert playing.microphone.isVisible()
        playing.microphone.device.chosen.emit("Mic 1")
        qtbot.waitUntil(lambda: len(engines.made) == 2 and engine(playing) is engines.made[1])
        fake = engine(playing)
        assert fake.settings.microphone == "device:Mic 1"
        QTest.keyClick(playing.microphone.fader, Qt.Key.Key_PageDown)
        QTest.keyClick(playing.microphone.reverb, Qt.Key.Key_Right)
        assert fake.controls.microphone_gain_db == -3.0
        assert fake.controls.microphone_reverb == 0.25
        fake.tell(microphone_peak=0.5, microphone_rms=0.25, microphone_samples=441)
        qtbot.waitUntil(lambda: playing.microphone.delay.text() == "delay  10 ms")
        meter = playing.microphone.meter
        assert meter.held.level_db == pytest.approx(-6.02, abs=0.01)
        assert 0 < meter._shown[1] < meter._shown[0]  # the mean is below the peak
        playing.close()
        again = make_window()
        assert again.microphone.isVisible()
        assert again.microphone.field.text() == "-3.0"
        again.menus["microphone"].trigger()
        assert again.rig.player.karaoke.device == ""

    def test_its_channel_is_chosen_and_remembered(self, playing, make_window, qtbot, engines):
        devices, bar = playing.rig.devices, playing.microphone
        qtbot.waitUntil(lambda: not devices._process.running)
        devices.inputs = (DeviceName("Interface", "Interface", 4), DeviceName("Mic", "Mic", 1))
        playing.menus["microphone"].trigger()
        assert not bar.channel.isVisible()  # there is no microphone
        bar.device.chosen.emit("Interface")
        assert bar.channel.isVisible()
        assert [bar.channel.itemText(i) for i in range(bar.channel.count())] == ["1", "2", "3", "4", "1 + 2", "3 + 4"]
        for text, channels in (("3", (3,)), ("3 + 4", (3, 4))):
            bar.channel.setCurrentText(text)
            bar.channel.activated.emit(bar.channel.currentIndex())
            qtbot.waitUntil(lambda channels=channels: engines.made[-1].settings.microphone_channels == channels)
            assert bar.channel.currentText() == text
        playing.close()
        again = make_window()
        assert again.rig.player.karaoke.channels == (3, 4)
        again.rig.devices.inputs = devices.inputs
        again.microphone.device.chosen.emit("Mic")
        assert again.rig.player.karaoke.channels == (1,)
        assert not again.microphone.channel.isVisible()

    def test_the_guide_is_chosen_heard_remembered_and_ends_with_the_corner(self, playing, make_window, qtbot):
        playing.menus["microphone"].trigger()
        guide, controls = playing.microphone.guide, engine(playing).controls
        assert [guide.itemText(i) for i in range(guide.count())] == [
            "0 dB",
            "−6 dB",
            "−12 dB",
            "−18 dB",
            "−24 dB",
            "Off",
        ]
        assert (guide.currentText(), controls.guide_db) == ("Off", -math.inf)
        guide.setCurrentIndex(2)
        guide.activated.emit(2)
        assert controls.guide_db == -12.0
        playing.rig.connect_engine()
        qtbot.waitUntil(lambda: engine(playing) is not None and engine(playing).controls is not controls)
        assert engine(playing).controls.guide_db == -12.0
        playing.close()
        again = make_window()
        assert (again.microphone.isVisible(), again.microphone.guide.currentText()) == (True, "−12 dB")
        again.menus["microphone"].trigger()
        assert again.remembered.karaoke.guide_db == -math.inf

    def test_settings_of_before_there_were_channels_are_read(self):
        assert Karaoke.from_json(["Mic", -3.0, 0.5, 2]) == Karaoke("Mic", -3.0, 0.5, 2, (1,))
        karaoke = Karaoke("Mic", -math.inf, 0.5, 0, (3, 4))
        assert Karaoke.from_json(json.loads(json.dumps(karaoke.to_json()))) == karaoke
        with pytest.raises(ValueError, match="Mic"):
            Karaoke.from_json(["Mic", 0.0, 0.5, 0, []])

    def test_the_key_is_changed_by_keys_and_list_shown_and_remembered(self, playing, make_window, qtbot, engines):
        assert not playing.microphone.isVisible()
        for _ in range(8):
            playing.menus["key-up"].trigger()
        fake = engine(playing)
        assert fake.controls.semitones == 6
        assert playing.microphone.isVisible()
        assert playing.microphone.key.currentText() == "+6"
        QTest.keyClick(playing.microphone.key, Qt.Key.Key_Down)
        assert fake.controls.semitones == 5
        fake.tell(latency=(44100, 100, 1024, 900, 181, 2558, 0))
        qtbot.waitUntil(lambda: playing.microphone.key_delay.text() == "+58 ms")
        assert playing.state.latency.text() == "delay 108 ms"
        assert playing.state.latency.toolTip().endswith(" and 58 ms for the other key")
        assert len(engines.made) == 1  # nothing began anew
        playing.close()
        again = make_window()
        assert again.microphone.isVisible()
        assert again.rig.player.karaoke.semitones == 5
        again.menus["key-own"].trigger()
        assert again.microphone.key.currentText() == "Original"
        again.menus["key-down"].trigger()
        again.menus["microphone"].trigger()  # without the corner, the song is in its own key
        assert again.rig.player.karaoke.semitones == 0

    def test_the_tempo_is_changed_by_keys_and_field_and_belongs_to_the_song(self, playing, song, qtbot, engines):
        bar, fake = playing.microphone, engine(playing)
        playing.menus["tempo-down"].trigger()
        playing.menus["tempo-down"].trigger()
        assert fake.controls.song.tempo_percent == 90
        assert bar.isVisible()
        qtbot.waitUntil(lambda: bar.tempo.field.value() == 90)
        bar.tempo.field.setValue(72)
        assert fake.controls.song.tempo_percent == 72
        playing.menus["tempo-up"].trigger()
        assert fake.controls.song.tempo_percent == 75
        playing.rig.choose_output("Speakers")
        qtbot.waitUntil(lambda: len(engines.made) == 2 and playing.rig.player.phase == Phase.LIVE)
        assert engine(playing).controls.song.tempo_percent == 75  # another device plays it as it was
        qtbot.mouseClick(bar.tempo.own, Qt.MouseButton.LeftButton)
        assert engine(playing).controls.song.tempo_percent == 100
        qtbot.waitUntil(lambda: not bar.tempo.own.isVisible())
        playing.menus["tempo-up"].trigger()
        playing.rig.open_song(song)
        assert playing.rig.player.song.tempo_percent == 100
        playing.rig.listen()
        qtbot.waitUntil(lambda: not bar.tempo.isVisible())

    def test_rounds_and_count_in_are_asked_for_and_remembered(self, playing, make_window, monkeypatch):
        def fill(dialog):
            for field, value in ((dialog.faster, 5), (dialog.most, 110), (dialog.beats, 4), (dialog.bpm, 96)):
                field.setValue(value)
            return QDialog.DialogCode.Accepted

        monkeypatch.setattr("stemlive.gui.practice.PracticeDialog.exec", fill)
        playing.menus["practice"].trigger()
        song = engine(playing).controls.song
        assert (song.rounds, song.count_in) == ((5, 110), (4, 96))
        playing.close()
        again = make_window()
        assert again.rig.player.practice == Practice(5, 110, 4, 96)
        for wrong in ([5, 160, 0, 0], [5, 100, 4, 20], [5, 100, 17, 96]):
            with pytest.raises(ValueError, match=str(wrong[1])):
                Practice.from_json(wrong)

    def test_the_count_in_is_shown_in_place_of_the_time(self, playing, qtbot):
        transport, fake = playing.transport, engine(playing)
        playing.rig.set_practice(Practice(beats=4))
        fake.tell(song_beat=2, song_s=3.0)
        qtbot.waitUntil(lambda: (transport.position.text(), transport.length.text()) == ("2 / 4", "count-in"))
        lit = transport.position.palette().color(transport.position.foregroundRole())
        fake.tell(song_beat=0)
        qtbot.waitUntil(lambda: (transport.position.text(), transport.length.text()) == ("0:03.0", "0:10.0"))
        assert transport.position.palette().color(transport.position.foregroundRole()) != lit

    def test_a_key_without_its_library_is_a_line_in_the_window(self, playing, monkeypatch):
        def missing():
            raise StemliveError("a key change needs the library Rubber Band")

        monkeypatch.setattr("stemlive.gui.rig.check_key_change", missing)
        playing.menus["key-up"].trigger()
        assert "Rubber Band" in playing.banner.said
        assert engine(playing).controls.semitones == 0
        assert playing.microphone.key.currentText() == "Original"


class TestRecording:
    @pytest.fixture(autouse=True)
    def music(self, tmp_path, monkeypatch):
        """The user's music folder."""
        monkeypatch.setattr("stemlive.gui.folders.QStandardPaths.writableLocation", lambda _: str(tmp_path / "Music"))
        return tmp_path / "Music"

    def test_it_starts_at_once_in_the_music_folder_without_a_dialog_or_another_engine(
        self, playing, qtbot, music, monkeypatch, engines
    ):
        opened = []
        monkeypatch.setattr("stemlive.gui.folders.QDesktopServices.openUrl", opened.append)
        monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: pytest.fail("a dialog"))
        assert not music.exists()  # nothing is made before it is needed
        (music / "stemlive" / "take-001").mkdir(parents=True)
        (music / "stemlive" / "take-001" / "mix.flac").write_text("mine")
        fake = engine(playing)
        fake.add_columns((10, 20, 30, 40, 50, 200), 5)
        ring = playing.mixer.strips[None].spectrogram._ring
        qtbot.waitUntil(lambda ring=ring: (ring.view(5) == 200).all())
        playing.menus["record"].trigger()
        (recorder,) = fake.taps
        record(recorder, qtbot)
        qtbot.waitUntil(lambda: playing.transport.taken.text() == "0:00.1")
        assert playing.transport.record.isChecked()
        QTest.mouseClick(playing.transport.record, Qt.MouseButton.LeftButton)
        take = music / "stemlive" / "take-002"
        qtbot.waitUntil(lambda: playing.banner.said == f"Recorded 0:00.1 in {take}")
        assert {path.name for path in take.iterdir()} == {f"{name}.flac" for name in ("input", "mix", *STEMS)}
        mix, _ = soundfile.read(take / "mix.flac")
        np.testing.assert_allclose(mix, 0.25, atol=1e-4)
        assert (music / "stemlive" / "take-001" / "mix.flac").read_text() == "mine"
        assert not playing.transport.record.isChecked()
        assert engines.made == [fake]
        assert (ring.view(5) == 200).all()
        QTest.mouseClick(playing.banner.button, Qt.MouseButton.LeftButton)
        assert opened == [QUrl.fromLocalFile(str(take))]

    def test_stems_that_are_not_wanted_are_left_out_from_the_next_take_on(
        self, playing, make_window, qtbot, music, monkeypatch, engines
    ):
        def untick(dialog):
            assert list(dialog.boxes) == list(STEMS)
            dialog.boxes["drums"].click()
            dialog.boxes["other"].click()
            return QDialog.DialogCode.Accepted

        monkeypatch.setattr(RecordDialog, "exec", untick)
        playing.menus["record-stems"].trigger()
        playing.menus["record"].trigger()
        (recorder,) = engine(playing).taps
        record(recorder, qtbot)
        playing.menus["record"].trigger()
        qtbot.waitUntil(lambda: "Recorded" in playing.banner.said)
        take = music / "stemlive" / "take-001"
        assert {path.stem for path in take.iterdir()} == {"input", "mix", "vocals", "bass"}
        bass, _ = soundfile.read(take / "bass.flac")
        np.testing.assert_allclose(bass, 0.0625, atol=1e-4)
        assert len(engines.made) == 1
        playing.close()
        assert make_window().remembered.unrecorded == ("drums", "other")

    def test_another_folder_is_remembered_and_taken_for_the_next(
        self, playing, make_window, qtbot, tmp_path, monkeypatch, music, engines
    ):
        takes = tmp_path / "takes"
        takes.mkdir()
        monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(takes))
        playing.menus["record-folder"].trigger()
        playing.menus["record"].trigger()
        record(engine(playing).taps[0], qtbot)
        playing.menus["record"].trigger()
        qtbot.waitUntil(lambda: str(takes / "take-001") in playing.banner.said)
        assert len(engines.made) == 1
        assert not music.exists()
        playing.close()
        assert make_window().rig.record_folder == takes

    def test_a_folder_that_cannot_be_made_and_nothing_to_record_are_said(self, window, qtbot, song, music, monkeypatch):
        window.menus["record"].trigger()
        assert "nothing to record" in window.banner.said
        window.rig.open_song(song)
        music.write_text("a file where the folder should be")
        window.menus["record"].trigger()
        assert "cannot record in" in window.banner.said
        assert not window.menus["record"].isChecked()
        asked = []
        monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: asked.append(True))
        window.banner.button.click()
        assert asked


def record(recorder, qtbot):
    """Be an engine that plays a tenth of a second, once the take is open."""
    qtbot.waitUntil(lambda: recorder.status().folder != "")
    block = np.full((4410, 2), 0.25, np.float32)
    recorder.heard(block)
    recorder.played(block, np.stack([number / 8 * block for number in range(4)]))
    qtbot.waitUntil(lambda: recorder.status().seconds > 0)


class TestTheRest:
    def test_what_nobody_expected_is_logged_and_told_once(self, window, qtbot, tmp_path):
        log = CrashLog(tmp_path / "log" / "stemlive.log", window)
        try:
            for number in range(2):
                sys.excepthook(ValueError, ValueError(f"number {number}"), None)
        finally:
            log.close()
        text = log.path.read_text()
        assert "number 0" in text
        assert "number 1" in text
        qtbot.waitUntil(lambda: QApplication.activeModalWidget() is not None)
        assert "number 0" in QApplication.activeModalWidget().informativeText()
        QApplication.activeModalWidget().close()

    def test_what_fails_while_the_sound_goes_on_is_shown(self, playing, qtbot):
        engine(playing).tell(trouble=b"the microphone is not heard any more: a bug")
        qtbot.waitUntil(lambda: playing.banner.said == "the microphone is not heard any more: a bug")
        engine(playing).tell(trouble=b"")
        qtbot.waitUntil(lambda: not playing.banner.isVisible())

    def test_conditions_on_using_the_model_are_shown_first(self, playing, qtbot):
        engine(playing).memory.set_terms("model live is for non-commercial use only")
        qtbot.waitUntil(lambda: playing.state.message.toolTip() == "model live is for non-commercial use only")
        qtbot.waitUntil(lambda: playing.state.message.toolTip() == "Playing", timeout=60_000)

    def test_advice_when_the_load_is_high(self, playing, qtbot, monkeypatch):
        snapshot = engine(playing).snapshot
        monkeypatch.setattr(engine(playing), "snapshot", lambda: replace(snapshot(), load=0.8))
        qtbot.waitUntil(lambda: "processor is busy (80%)" in playing.state.message.toolTip())
        assert playing.state.load.text() == "processor  80 %"
        assert playing.state.latency.text() == "delay  50 ms"

    def test_cards_name_the_model_in_use_first(self):
        card = {
            "name": "small", "description": "A <b>", "stems": ["vocals"], "latency_ms": 23.2, "sample_rate_hz": 44100,
            "preset": "live", "size_bytes": 1e6, "parameters": 12345, "licence": "MIT",
        }  # fmt: skip
        page = cards_page([card, card | {"name": "large"}], "large")
        assert page.index("large (in use)") < page.index("small")
        assert "A &lt;b&gt;" in page

    def test_without_the_extra_or_a_display_it_says_how(self, tmp_path):
        code = "import sys; sys.modules['PyQt6'] = None; from stemlive.cli import main; main(['gui'])"
        result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert result.returncode == 1
        assert "install.sh gui" in result.stderr
        bare = {"PATH": "/usr/bin", "PYTHONPATH": ":".join(sys.path)}
        command = [sys.executable, "-m", "stemlive", "gui"]
        result = subprocess.run(command, capture_output=True, text=True, check=False, env=bare)
        assert result.returncode == 1
        assert "needs a display" in result.stderr


def _point(x, y):
    return QPoint(int(x), int(y))
