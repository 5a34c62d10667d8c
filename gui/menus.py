"""Menus and keys, made from the table of `actions`."""

from collections.abc import Callable, Mapping

from PyQt6.QtGui import QAction, QKeySequence, QShortcut
from PyQt6.QtWidgets import QMainWindow, QMenu

from stemlive.gui.actions import COMMANDS, MOST_STEM_KEYS, STEM_COMMANDS

Handlers = Mapping[str, Callable[[], object]]


class Menus:
    """The actions of a window by name, each in its menu. KeyError when one has no handler."""

    def __init__(
        self, window: QMainWindow, handlers: Handlers, stem_handlers: Mapping[str, Callable[[int], object]]
    ) -> None:
        self.actions: dict[str, QAction] = {}
        self.menus: dict[str, QMenu] = {}
        bar = window.menuBar()
        assert bar is not None
        for command in COMMANDS:
            if command.menu not in self.menus:
                menu = bar.addMenu(f"&{command.menu}")
                assert menu is not None
                self.menus[command.menu] = menu
            action = QAction(command.text, window)
            action.setShortcut(QKeySequence(command.keys))
            action.setCheckable(command.checkable)
            action.setToolTip(f"{command.text} ({command.keys})")
            handler = handlers[command.name]
            action.triggered.connect(lambda _=False, handler=handler: handler())
            if command.separated:
                self.menus[command.menu].addSeparator()
            self.menus[command.menu].addAction(action)
            self.actions[command.name] = action
        for name, _, keys in STEM_COMMANDS:
            for number in range(1, MOST_STEM_KEYS + 1):
                shortcut = QShortcut(QKeySequence(keys.format(number=number)), window)
                shortcut.activated.connect(lambda number=number, name=name: stem_handlers[name](number))

    def __getitem__(self, name: str) -> QAction:
        """Return an action by its name."""
        return self.actions[name]
