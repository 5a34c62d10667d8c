"""Unexpected exceptions: logged and reported once, instead of ending the program."""

import logging
import sys
import threading
from pathlib import Path
from types import TracebackType

from PyQt6.QtCore import QStandardPaths, QTimer
from PyQt6.QtWidgets import QMessageBox, QWidget

from stemlive.gui.file_names import chosen

_LOG = logging.getLogger("stemlive.gui")


def data_folder() -> Path:
    """Return the folder of the user's presets and the log."""
    return chosen(QStandardPaths.writableLocation(QStandardPaths.StandardLocation.AppDataLocation))


class CrashLog:
    """Logs uncaught exceptions of all threads until it is closed."""

    def __init__(self, path: Path, parent: QWidget) -> None:
        self.path = path
        self._parent = parent
        self._told = False
        self._previous = (sys.excepthook, threading.excepthook)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._handler = logging.FileHandler(path, encoding="utf-8", delay=True)
        self._handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
        _LOG.addHandler(self._handler)
        sys.excepthook = self._caught
        threading.excepthook = lambda args: self._log(args.exc_type, args.exc_value, args.exc_traceback)

    def close(self) -> None:
        """Restore the previous exception hooks."""
        sys.excepthook, threading.excepthook = self._previous
        _LOG.removeHandler(self._handler)
        self._handler.close()

    def _caught(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            self._parent.close()
            return
        self._log(kind, error, trace)
        if not self._told:
            self._told = True
            QTimer.singleShot(0, lambda: self._tell(kind, error))

    def _log(self, kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
        _LOG.error("unexpected %s", kind.__name__, exc_info=(kind, error or kind(), trace))

    def _tell(self, kind: type[BaseException], error: BaseException) -> None:
        box = QMessageBox(self._parent)
        box.setIcon(QMessageBox.Icon.Warning)
        box.setText("Something unexpected happened; the sound goes on.")
        box.setInformativeText(f"{kind.__name__}: {error}\n\nDetails are in {self.path}. Please report it.")
        box.open()
