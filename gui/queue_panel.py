"""The queue as a list beside the rows: dragged into order, removed, chosen; files are dropped where they shall be."""

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtGui import QColor, QDragEnterEvent, QDragMoveEvent, QDropEvent, QKeyEvent
from PyQt6.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QToolButton,
    QVBoxLayout,
)

from stemlive.gui.file_names import dropped_files, shown
from stemlive.gui.theme import DARK, Theme
from stemlive.realtime.control.song_queue import SongQueue


class SongList(QListWidget):
    """The songs. It changes nothing itself: `moved` and `removed` carry places, `filled` paths and a place."""

    moved = pyqtSignal(list, int)
    removed = pyqtSignal(list)
    chosen = pyqtSignal(int)
    filled = pyqtSignal(list, int)

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("Queue")
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setDragDropMode(QAbstractItemView.DragDropMode.DragDrop)
        self.setDefaultDropAction(Qt.DropAction.MoveAction)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.itemDoubleClicked.connect(lambda item: self.chosen.emit(self.row(item)))

    @property
    def places(self) -> list[int]:
        """The selected places, in order."""
        return sorted(index.row() for index in self.selectedIndexes())

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802
        """Delete removes the selected songs, Enter plays one."""
        assert event is not None
        if event.key() == Qt.Key.Key_Delete and self.places:
            self.removed.emit(self.places)
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.currentRow() >= 0:
            self.chosen.emit(self.currentRow())
        else:
            super().keyPressEvent(event)

    def dragEnterEvent(self, event: QDragEnterEvent | None) -> None:  # noqa: N802
        """Accept songs of this list, and files."""
        self._accept(event)

    def dragMoveEvent(self, event: QDragMoveEvent | None) -> None:  # noqa: N802
        """Show where they would come."""
        super().dragMoveEvent(event)
        self._accept(event)

    def dropEvent(self, event: QDropEvent | None) -> None:  # noqa: N802
        """Move songs here, or add files here."""
        assert event is not None
        item = self.itemAt(event.position().toPoint())
        to = self.count() if item is None else self.row(item)
        if item is not None and event.position().y() > self.visualItemRect(item).center().y():
            to += 1
        if event.source() is self:
            places = self.places
            event.setDropAction(Qt.DropAction.CopyAction)  # else the view would remove what it takes for moved
            event.accept()
            self.moved.emit(places, to)
        elif paths := dropped_files(event.mimeData()):
            event.acceptProposedAction()
            self.filled.emit(paths, to)

    def _accept(self, event: QDragMoveEvent | None) -> None:
        assert event is not None
        if event.source() is self or dropped_files(event.mimeData()):
            event.acceptProposedAction()


class QueuePanel(QFrame):
    """The list with its heading, and whether it goes on by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("bar")
        self.songs = SongList()
        self.heading = QLabel("Queue")
        self.heading.setObjectName("heading")
        self.add = _button("+", "Add songs to the queue")
        self.shut = _button("✕", "Hide the queue")
        self.autoplay = QCheckBox("Next song by itself")
        self.autoplay.setToolTip("At the end of a song the next one begins, without a gap")
        self.loudness = QCheckBox("Songs equally loud")
        self.loudness.setToolTip("Each song at -18 LUFS (EBU R128), or as near as it does not clip")
        self.theme: Theme = DARK
        top = QHBoxLayout()
        top.addWidget(self.heading, 1)
        top.addWidget(self.add)
        top.addWidget(self.shut)
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 4, 8, 6)
        column.setSpacing(4)
        column.addLayout(top)
        column.addWidget(self.songs, 1)
        column.addWidget(self.autoplay)
        column.addWidget(self.loudness)

    def show_queue(self, queue: SongQueue) -> None:
        """Show the songs, which of them is on, and which cannot be played."""
        songs = queue.songs
        self.heading.setText(f"Queue: {queue.index + 1} of {len(songs)}" if queue.index >= 0 else "Queue")
        self.autoplay.setChecked(queue.autoplay)
        while self.songs.count() > len(songs):
            self.songs.takeItem(self.songs.count() - 1)
        while self.songs.count() < len(songs):
            self.songs.addItem(QListWidgetItem())
        for place, song in enumerate(songs):
            item = self.songs.item(place)
            assert item is not None
            problem = queue.problem(song)
            on = place == queue.index
            item.setText(f"{'▶ ' if on else ''}{shown(song.path.with_suffix('')).rpartition('/')[2]}")
            item.setToolTip(problem or shown(song.path))
            font = item.font()
            font.setBold(on)
            item.setFont(font)
            item.setForeground(QColor(self.theme.bad if problem else self.theme.text))
        self.songs.clearSelection()

    def show_theme(self, theme: Theme, queue: SongQueue) -> None:
        """Apply a theme."""
        self.theme = theme
        self.show_queue(queue)


def _button(text: str, tip: str) -> QToolButton:
    button = QToolButton()
    button.setObjectName("flat")
    button.setText(text)
    button.setAccessibleName(tip)
    button.setToolTip(tip)
    return button
