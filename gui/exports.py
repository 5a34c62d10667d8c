"""Exports of a window: asked for in the dialog, or by dragging a stem or the mix out of it."""

from functools import partial

from PyQt6.QtWidgets import QDialog

from stemlive.gui.drag_out import DragOut
from stemlive.gui.export_dialog import ExportDialog
from stemlive.gui.export_order import FORMAT, FORMATS, Order, Output, alone, heard
from stemlive.gui.folders import music_folder, open_folder
from stemlive.gui.notices import Notice
from stemlive.gui.window_parts import WindowParts


class Exports:
    """What a window exports of its song, and what it says about it."""

    def __init__(self, window: WindowParts) -> None:
        self._window = window
        self._out = DragOut(window.export, window)

    def ask(self) -> None:
        """Ask what to export, and do it."""
        window, song = self._window, self._window.rig.song
        if song is None:
            window.tell(Notice("There is nothing to export: open a song"))
            return
        if window.export.running:
            window.tell(Notice("An export is running: wait for its end, or cancel it"))
            return
        remembered, mix = window.remembered, window.model.mix
        dialog = ExportDialog(
            song,
            self._heard,
            tuple(alone(mix, stem) for stem in mix.stems),
            window,
            title=self._format,
            root=remembered.export_folder or music_folder(),
            loop=window.rig.player.song.loop,
            model=window.rig.model_file,
        )
        if dialog.exec() == QDialog.DialogCode.Accepted:
            remembered.export_format, remembered.export_folder = dialog.format.currentText(), dialog.root
            self.begin(dialog.order)

    def begin(self, order: Order) -> None:
        """Begin an export."""
        self._window.state.show_export(0.0)
        self._window.export.start(order)

    def drag(self, stem: str | None) -> None:
        """Drag a stem, or the mix as it is set for None, out of the window."""
        window, song = self._window, self._window.rig.song
        if song is None:
            window.tell(Notice("Only of a song can a file be dragged: record (R) what you listen to"))
            return
        output = self._heard if stem is None else alone(window.model.mix, stem)
        order = Order(song, (output,), self._format, model=window.rig.model_file)
        news = self._out.drag(order, window.remembered.export_folder or music_folder())
        if news:
            window.tell(Notice(news, bad=False))

    def ended(self, text: str, done: bool) -> None:
        """Say how an export ended, and offer its folder."""
        window, order = self._window, self._window.export.order
        window.state.show_export(None)
        if not done or order is None:
            window.tell(Notice(text, bad=True))
            return
        if self._out.take(order):
            text += f". Drag {order.outputs[0].name} now by its name"
        window.tell(Notice(text, False, "Open folder", partial(open_folder, order.folder)))

    @property
    def _heard(self) -> Output:
        window = self._window
        return heard(window.model.mix, window.rig.player.karaoke.semitones, bypass=window.model.bypass)

    @property
    def _format(self) -> str:
        title = self._window.remembered.export_format
        return title if title in FORMATS else FORMAT
