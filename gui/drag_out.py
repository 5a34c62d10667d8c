"""Stems and the mix as files that are dragged out of the window, into a file manager or a DAW."""

from dataclasses import replace
from pathlib import Path

from PyQt6.QtCore import QMimeData, QPoint, Qt, pyqtSignal
from PyQt6.QtGui import QDrag, QMouseEvent
from PyQt6.QtWidgets import QApplication, QLabel, QWidget

from stemlive.gui.export_job import ExportJob
from stemlive.gui.export_order import Order
from stemlive.gui.file_names import url_of


class DragName(QLabel):
    """The name of a strip, which can be dragged; `dragged` is emitted when the mouse has moved far enough."""

    dragged = pyqtSignal()

    def __init__(self, title: str) -> None:
        super().__init__(title)
        self.setCursor(Qt.CursorShape.OpenHandCursor)
        self.setToolTip(f"Drag {title.lower()} into a folder or another program: it becomes a file (or Ctrl+E)")
        self._pressed: QPoint | None = None

    def mousePressEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802
        """Remember where a drag may begin."""
        assert event is not None
        self._pressed = event.position().toPoint() if event.button() == Qt.MouseButton.LeftButton else None

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802
        """Begin a drag once the mouse has moved far enough."""
        assert event is not None
        if self._pressed is None:
            return
        if (event.position().toPoint() - self._pressed).manhattanLength() >= QApplication.startDragDistance():
            self._pressed = None
            self.dragged.emit()


class DragOut:
    """Makes the files that are dragged. They stay where they were written, for programs that only note their places."""

    def __init__(self, export: ExportJob, parent: QWidget) -> None:
        self._export, self._parent = export, parent
        self._ready: dict[Order, Path] = {}

    def drag(self, order: Order, root: Path) -> str:
        """Drag the only output of an order, whose folder does not count; if there is no file yet, begin to write it.

        Return what the user should know, empty if the file was dragged.
        """
        path = self._ready.get(_key(order))
        if path is not None and path.exists():
            data = QMimeData()
            data.setUrls([url_of(path)])
            drag = QDrag(self._parent)
            drag.setMimeData(data)
            drag.exec(Qt.DropAction.CopyAction)
            return ""
        if self._export.running:
            return "A file is being written: drag again when it is done"
        order = order.into(root)
        self._export.start(order)
        return f"Writing {order.outputs[0].name} as a file: drag it again when it is done"

    def take(self, order: Order) -> bool:
        """Keep what an export has written for later drags; return whether it is one file, to be dragged now."""
        for output, path in zip(order.outputs, order.paths, strict=True):
            self._ready[_key(replace(order, outputs=(output,)))] = path
        return len(order.outputs) == 1


def _key(order: Order) -> Order:
    return replace(order, folder=Path())
