"""The switches of a stem: mute and solo."""

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QGuiApplication
from PyQt6.QtWidgets import QSizePolicy, QToolButton


def mute_and_solo(title: str, mute_key: str = "", solo_key: str = "") -> tuple[QToolButton, QToolButton]:
    """Return both buttons for a stem of this name, whose tool tips tell the keys."""
    mute, solo = _switch("M", "Mute", title, mute_key), _switch("S", "Solo", title, solo_key)
    solo.setToolTip(f"{solo.toolTip()}; with Ctrl this one alone")
    return mute, solo


def wants_alone() -> bool:
    """Whether a click on solo, just now, means this stem alone."""
    return bool(QGuiApplication.keyboardModifiers() & Qt.KeyboardModifier.ControlModifier)


def _switch(letter: str, what: str, title: str, key: str) -> QToolButton:
    button = QToolButton()
    button.setObjectName(what.lower())
    button.setText(letter)
    button.setCheckable(True)
    button.setFixedWidth(30)
    button.setMinimumHeight(20)
    button.setMaximumHeight(24)
    button.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Expanding)
    button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    button.setAccessibleName(f"{title}: {what.lower()}")
    button.setAccessibleDescription(f"{what} {title.lower()}")
    button.setToolTip(f"{what} {title.lower()}" + (f" ({key})" if key else ""))
    return button
