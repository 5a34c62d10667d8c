"""The connections between the signals of the window's parts and what they do."""

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QGuiApplication

from stemlive.gui.notices import Notice
from stemlive.gui.window import Window


def connect(window: Window) -> None:
    """Connect the parts of a window with each other, with its rig and with its mix."""
    _connect_sources(window)
    _connect_song(window)
    _connect_mix(window)
    hints = QGuiApplication.styleHints()
    if hints is not None:
        hints.colorSchemeChanged.connect(window.show_theme)


def _connect_sources(window: Window) -> None:
    rig, source, microphone, menus = window.rig, window.source, window.microphone, window.menus
    rig.plugged.connect(window.show_rig)
    rig.karaoke_changed.connect(window.show_karaoke)
    rig.problem.connect(lambda text: window.tell(Notice(text)))
    rig.devices.changed.connect(window.show_listed)
    rig.devices.players_changed.connect(window.show_devices)
    source.open.clicked.connect(menus["open"].trigger)
    source.live.clicked.connect(menus["live"].trigger)
    source.input.chosen.connect(rig.choose_input)
    source.output.chosen.connect(rig.choose_output)
    window.banner.closed.connect(window.close_notice)
    window.welcome.open.clicked.connect(menus["open"].trigger)
    window.welcome.players.clicked.connect(rig.listen_to_players)
    window.welcome.listen.clicked.connect(menus["live"].trigger)
    window.welcome.chosen.connect(rig.open_song)
    microphone.device_chosen.connect(rig.choose_microphone)
    microphone.channels_chosen.connect(rig.choose_channels)
    microphone.gain_moved.connect(lambda gain_db: rig.set_microphone(gain_db=gain_db))
    microphone.reverb_moved.connect(lambda amount: rig.set_microphone(reverb=amount))
    microphone.guide_chosen.connect(lambda guide_db: rig.set_microphone(guide_db=guide_db))
    microphone.key_chosen.connect(rig.set_key)
    microphone.tempo.chosen.connect(rig.set_tempo)


def _bring_up(window: Window) -> None:
    window.setWindowState(window.windowState() & ~Qt.WindowState.WindowMinimized)
    window.raise_()
    window.activateWindow()


def _connect_song(window: Window) -> None:
    rig, transport, menus = window.rig, window.transport, window.menus
    playlist = window.playlist
    playlist.panel.add.clicked.connect(menus["queue-add"].trigger)
    playlist.window_wanted.connect(lambda front: _bring_up(window) if front else window.close())
    playlist.shown.connect(menus["queue"].setChecked)
    playlist.problem.connect(lambda text: window.tell(Notice(text, lasts=True)))
    playlist.news.connect(window.note)
    playlist.changed.connect(lambda: transport.show_queue(rig.queue))
    window.welcome.resume.clicked.connect(playlist.resume)
    words, panel = window.words, window.words.panel
    rig.plugged.connect(words.follow)
    words.shown.connect(menus["words"].setChecked)
    words.apart.connect(menus["words-screen"].setChecked)
    words.problem.connect(lambda text: window.tell(Notice(text)))
    words.news.connect(window.note)
    for button, name in (
        (panel.earlier, "words-earlier"),
        (panel.later, "words-later"),
        (panel.open, "words-open"),
        (panel.apart, "words-screen"),
        (panel.shut, "words"),
    ):
        button.clicked.connect(menus[name].trigger)
    window.remote.changed.connect(menus["remote"].setChecked)
    window.remote.complained.connect(lambda text: window.tell(Notice(text)))
    transport.play.clicked.connect(menus["play"].trigger)
    transport.previous.clicked.connect(menus["previous"].trigger)
    transport.next.clicked.connect(menus["next"].trigger)
    transport.stop.clicked.connect(menus["stop"].trigger)
    transport.record.clicked.connect(menus["record"].trigger)
    transport.overview.sought.connect(rig.seek)
    transport.overview.marked.connect(lambda first, last: rig.set_loop((first, last)))
    window.outline.changed.connect(lambda: transport.overview.show_stems(window.outline.stems))
    window.export.progressed.connect(window.state.show_export)
    window.export.ended.connect(window.exports.ended)
    window.mixer.dragged.connect(window.exports.drag)
    window.state.cancel.clicked.connect(window.export.cancel)


def _connect_mix(window: Window) -> None:
    preset_bar, dialogs, model = window.preset_bar, window.dialogs, window.model
    preset_bar.own_chosen.connect(dialogs.take_preset)
    preset_bar.own_deleted.connect(dialogs.delete_preset)
    preset_bar.save_wanted.connect(dialogs.save_preset)
    stack = model.undo_stack
    for name, signal in (("undo", stack.canUndoChanged), ("redo", stack.canRedoChanged)):
        window.menus[name].setEnabled(False)
        signal.connect(window.menus[name].setEnabled)
    model.changed.connect(window.show_mix)
    window.mixer.routed.connect(window.rig.routing.send)
    window.cue.sent.connect(window.rig.routing.send_cue)
    window.cue.shut.clicked.connect(window.menus["cue"].trigger)
