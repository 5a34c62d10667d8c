"""Assemble the program: the application, the window, and the engine in a child process."""

import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from PyQt6.QtCore import QSettings, QTimer
from PyQt6.QtWidgets import QApplication

from stemlive.errors import StemliveError
from stemlive.gui.crash import CrashLog
from stemlive.gui.device_list import DeviceList
from stemlive.gui.export_job import ExportJob
from stemlive.gui.mix import Mix
from stemlive.gui.mix_model import MixModel
from stemlive.gui.player import MakeEngine, Player
from stemlive.gui.presets import OwnPresets
from stemlive.gui.remembered import Remembered
from stemlive.gui.rig import Rig
from stemlive.gui.store import Store
from stemlive.gui.window import Window
from stemlive.gui.wiring import connect
from stemlive.realtime.engine.system_engine import engine_for
from stemlive.realtime.separation.mixer import STANDARD_STEMS

NAME = "stemlive"


def application() -> QApplication:
    """Return the process's only Qt application, with its name set."""
    app = QApplication.instance() or QApplication(sys.argv[:1])
    assert isinstance(app, QApplication)
    app.setApplicationName(NAME)
    app.setOrganizationName(NAME)
    app.setDesktopFileName(NAME)
    app.setStyle("Fusion")
    return app


def build_window(
    settings: QSettings, presets_file: Path | None, *, model: str | None = None, make: MakeEngine = engine_for
) -> Window:
    """Return a window, not yet shown, with the last mix. StemliveError when the presets file is damaged."""
    remembered = Remembered(settings)
    mix_model = MixModel(remembered.mix or Mix.of(STANDARD_STEMS), remembered.cue)
    rig = Rig(Player(make), DeviceList(), mix_model, remembered, model)
    window = Window(rig, mix_model, OwnPresets(presets_file), remembered, ExportJob())
    connect(window)
    return window


def run(songs: Sequence[Path], *, model: str | None, source: str | None, target: str | None) -> int:
    """Run the window until it is closed, and return the exit code; StemliveError for a file that is unfinished.

    One song is opened, several, folders and lists make a queue. `source` and `target` are device names.
    """
    app = application()
    store = Store()
    window = build_window(store.settings, store.file("presets.json"), model=model)
    log = CrashLog(store.file("stemlive.log"), window)
    if source is not None:
        window.rig.input = source
    if target is not None:
        window.rig.output = target
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: window.close())
    window.start()
    window.show()
    if store.problem:
        window.note(f"What you set and save here is gone when the window closes, because {store.problem}")
    if songs:
        QTimer.singleShot(0, lambda: window.playlist.take(songs))
    elif source is not None:
        QTimer.singleShot(0, window.rig.listen)
    try:
        code = app.exec()
        unfinished = window.finish()
    finally:
        log.close()
    if unfinished:
        raise StemliveError(unfinished)
    return code
