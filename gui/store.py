"""Where the window keeps settings, presets and its log; in memory where the user's home cannot be written."""

from pathlib import Path
from tempfile import TemporaryFile

from PyQt6.QtCore import QDir, QSettings, QStandardPaths, QTemporaryDir

from stemlive.gui.file_names import chosen, shown


class Store:
    """`settings` are Qt's. `problem` says why something is not kept; empty if everything is."""

    def __init__(self) -> None:
        self._folder: Path | None = None
        self.problem = ""
        if QDir.homePath() == QDir.rootPath():
            self.problem = "there is no home folder"
            self._temporary = QTemporaryDir()
            self.settings = QSettings(self._temporary.filePath("stemlive.ini"), QSettings.Format.IniFormat)
            return
        self.settings = QSettings()
        folder = chosen(QStandardPaths.writableLocation(QStandardPaths.StandardLocation.AppDataLocation))
        places = [] if self.settings.isWritable() else [chosen(self.settings.fileName()).parent]
        if can_write(folder):
            self._folder = folder
        else:
            places.append(folder)
        if places:
            self.problem = f"{' and '.join(shown(place) for place in places)} cannot be written"

    def file(self, name: str) -> Path | None:
        """Return the path of a file of the user's, or None if none can be kept."""
        return None if self._folder is None else self._folder / name


def can_write(folder: Path) -> bool:
    """Return whether files can be written in a folder, which is made if it is missing."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
