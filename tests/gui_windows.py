"""Windows with an engine that makes no sound, for tests of the window."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from PyQt6.QtCore import QSettings

from stemlive.gui.program import build_window
from stemlive.gui.window import Window

NO_DEVICES = (sys.executable, "-c", "print('[]')")
"""A command that lists no devices."""


def settings_in(folder: Path) -> QSettings:
    """What the windows of a folder remember."""
    return QSettings(str(folder / "settings.ini"), QSettings.Format.IniFormat)


@contextmanager
def windows(folder: Path, engines: Callable[..., object]) -> Iterator[Callable[..., Window]]:
    """Give a function that shows a window, with the devices that a command lists; at the end all are closed."""
    shown: list[Window] = []

    def show(devices: tuple[str, ...] = NO_DEVICES) -> Window:
        window = build_window(settings_in(folder), folder / "presets.json", make=engines)
        window.rig.devices._command = devices
        window.outline._command = (sys.executable, "-c", "")
        window.start()
        window.show()
        shown.append(window)
        return window

    yield show
    for window in shown:
        window.close()
        window.finish()
        window.deleteLater()
