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
