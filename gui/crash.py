"""Unexpected exceptions: logged and reported once, instead of ending the program."""

import logging
import sys
import threading
from pathlib import Path
from types import TracebackType

from PyQt6.QtCore import QTimer
from PyQt6.QtWidgets import QMessageBox, QWidget

from stemlive.gui.file_names import shown

_LOG = logging.getLogger("stemlive.gui")


class CrashLog:
    """Logs uncaught exceptions of all threads until it is closed."""

    def __init__(self, path: Path | None, parent: QWidget) -> None:
        """Log to a file, or without one to standard error."""
        self.path = path
        self._parent = parent
        self._told = False
        self._previous = (sys.excepthook, threading.excepthook)
        self._handler: logging.Handler = logging.StreamHandler()
        if path is not None:
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
        details = "on standard error" if self.path is None else f"in {shown(self.path)}"
        box.setInformativeText(f"{kind.__name__}: {error}\n\nDetails are {details}. Please report it.")
        box.open()
