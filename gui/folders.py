"""Where recordings and exports go, and how a folder is shown in the file manager."""

from pathlib import Path

from PyQt6.QtCore import QDir, QStandardPaths
from PyQt6.QtGui import QDesktopServices

from stemlive.gui.file_names import chosen, url_of

_NAME = "stemlive"


def music_folder() -> Path:
    """Return the folder for recordings and exports, which need not exist: `stemlive` in the user's music."""
    music = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.MusicLocation)
    return chosen(music or QDir.homePath()) / _NAME


def open_folder(folder: Path) -> None:
    """Show a folder in the file manager, which is started for it."""
    QDesktopServices.openUrl(url_of(folder))


def free_folder(folder: Path) -> Path:
    """Return this folder, or the first of `NAME 2`, `NAME 3` ... that does not exist yet."""
    names = (folder if number == 1 else folder.with_name(f"{folder.name} {number}") for number in range(1, 10_000))
    return next(name for name in names if not name.exists())
