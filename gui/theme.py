"""The window's colours, dark and light, and the style of its widgets."""

from dataclasses import dataclass

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QColor, QFont, QFontDatabase, QGuiApplication, QPalette

APPEARANCES = {"system": "As the system", "light": "Light", "dark": "Dark"}
_STEMS = {"vocals": "#e5588b", "drums": "#e8963a", "bass": "#8f7ff0", "other": "#2fb3a0"}
_FURTHER = ("#4f9fe8", "#9dbb3c", "#c58bd0", "#b08d6a")


@dataclass(frozen=True)
class Theme:
    """One set of colours, as CSS."""

    dark: bool
    window: str
    panel: str
    field: str
    line: str
    text: str
    faint: str
    accent: str
    good: str
    warn: str
    bad: str

    def palette(self) -> QPalette:
        """Return the theme as a palette for Qt's own widgets."""
        palette = QPalette()
        roles = QPalette.ColorRole
        for role, colour in (
            (roles.Window, self.window),
            (roles.WindowText, self.text),
            (roles.Base, self.field),
            (roles.AlternateBase, self.panel),
            (roles.Text, self.text),
            (roles.Button, self.panel),
            (roles.ButtonText, self.text),
            (roles.ToolTipBase, self.panel),
            (roles.ToolTipText, self.text),
            (roles.PlaceholderText, self.faint),
            (roles.Highlight, self.accent),
            (roles.HighlightedText, "#ffffff"),
            (roles.Link, self.accent),
            (roles.Mid, self.line),
        ):
            palette.setColor(role, QColor(colour))
        for role in (roles.WindowText, roles.Text, roles.ButtonText):
            palette.setColor(QPalette.ColorGroup.Disabled, role, QColor(self.faint))
        return palette

    def style_sheet(self) -> str:
        """Return the style sheet for what a palette cannot express: flat buttons, thin frames, visible focus."""
        return f"""
            QWidget {{ font-size: 13px; }}
            QFrame#strip, QFrame#bar {{ background: {self.panel}; border: 1px solid {self.line}; border-radius: 6px; }}
            QPushButton, QToolButton, QComboBox, QLineEdit {{
                background: {self.field}; color: {self.text}; border: 1px solid {self.line}; border-radius: 4px;
                padding: 2px 8px; min-height: 20px; }}
            QPushButton:hover, QToolButton:hover, QComboBox:hover {{ border-color: {self.faint}; }}
            QPushButton:focus, QToolButton:focus, QComboBox:focus, QLineEdit:focus {{
                border: 1px solid {self.accent}; }}
            QPushButton:checked, QToolButton:checked {{
                background: {self.accent}; color: white; border-color: {self.accent}; }}
            QPushButton:disabled, QToolButton:disabled {{ color: {self.faint}; }}
            QToolButton#mute, QToolButton#solo {{ padding: 0; min-height: 16px; font-weight: bold; }}
            QComboBox#route {{ padding: 0 4px; min-height: 18px; max-height: 18px; }}
            QComboBox#route:disabled {{ color: {self.faint}; border-color: transparent; background: transparent; }}
            QLineEdit#gain {{ padding: 0 6px; min-height: 18px; }}
            QToolButton#flat {{ background: transparent; border-color: transparent; padding: 1px 6px; }}
            QToolButton#flat:hover, QToolButton#flat:focus {{ border-color: {self.faint}; }}
            QFrame#card, QFrame#drop {{ background: {self.panel}; border: 1px solid {self.line}; border-radius: 10px; }}
            QFrame#drop {{ border: 2px dashed {self.accent}; }}
            QPushButton#begin {{ background: {self.accent}; border-color: {self.accent}; color: white;
                font-weight: bold; padding: 5px 18px; }}
            QPushButton#begin:focus {{ border: 1px solid {self.text}; }}
            QCheckBox::indicator:unchecked, QRadioButton::indicator:unchecked {{ width: 12px; height: 12px;
                border: 1px solid {self.faint}; border-radius: 3px; background: {self.field}; }}
            QRadioButton::indicator {{ width: 12px; height: 12px; border-radius: 7px; }}
            QRadioButton::indicator:unchecked {{ border-radius: 7px; }}
            QRadioButton::indicator:checked {{ width: 6px; height: 6px; border: 4px solid {self.accent};
                background: white; }}
            QRadioButton::indicator:disabled {{ border-color: {self.line}; }}
            QRadioButton:disabled {{ color: {self.faint}; }}
            QScrollBar {{ background: transparent; border: 0; }}
            QScrollBar:vertical {{ width: 10px; }}
            QScrollBar:horizontal {{ height: 10px; }}
            QScrollBar::handle {{ background: {self.line}; border-radius: 4px; margin: 1px; }}
            QScrollBar::handle:hover {{ background: {self.faint}; }}
            QScrollBar::handle:vertical {{ min-height: 24px; }}
            QScrollBar::handle:horizontal {{ min-width: 24px; }}
            QScrollBar::add-line, QScrollBar::sub-line {{ width: 0; height: 0; }}
            QScrollBar::add-page, QScrollBar::sub-page {{ background: transparent; }}
            QScrollArea {{ background: transparent; border: none; }}
            QScrollArea > QWidget > QWidget {{ background: transparent; }}
            QToolButton#mute:checked {{ background: {self.bad}; border-color: {self.bad}; }}
            QToolButton#solo:checked {{ background: {self.warn}; border-color: {self.warn}; color: #1b1d22; }}
            QToolButton#mute:focus, QToolButton#solo:focus {{ border: 1px solid {self.accent}; }}
            QPushButton#play {{ background: {self.accent}; border-color: {self.accent}; color: white;
                font-weight: bold; }}
            QPushButton#play:focus {{ border: 1px solid {self.text}; }}
            QPushButton#play:disabled {{ background: {self.field}; border-color: {self.line}; color: {self.faint}; }}
            QPushButton#record:checked {{ background: {self.bad}; border-color: {self.bad}; color: white; }}
            QLabel#faint {{ color: {self.faint}; }}
            QLabel#counting {{ color: {self.accent}; font-weight: bold; }}
            QLabel#heading {{ color: {self.faint}; }}
            QComboBox::drop-down {{ border: none; width: 22px; }}
            QComboBox QAbstractItemView {{ background: {self.field}; color: {self.text};
                selection-background-color: {self.accent}; }}
            QDialogButtonBox {{ dialogbuttonbox-buttons-have-icons: 0; }}
            QToolTip {{ background: {self.panel}; color: {self.text}; border: 1px solid {self.line}; padding: 3px; }}
            QMenuBar, QMenu {{ background: {self.window}; color: {self.text}; }}
            QMenuBar::item:selected, QMenu::item:selected {{ background: {self.accent}; color: white; }}
            QMenu::item:disabled {{ color: {self.faint}; }}
        """


DARK = Theme(
    dark=True,
    window="#16181c",
    panel="#1f2228",
    field="#2a2e36",
    line="#363b45",
    text="#e8eaee",
    faint="#9aa2b0",
    accent="#3d7be0",
    good="#41b06a",
    warn="#e2b53b",
    bad="#e0524d",
)
LIGHT = Theme(
    dark=False,
    window="#eceef1",
    panel="#f8f9fa",
    field="#ffffff",
    line="#c6cbd3",
    text="#1c1f24",
    faint="#5d6673",
    accent="#2f6bd0",
    good="#2b9a55",
    warn="#d9a21b",
    bad="#cf3f3a",
)


def theme_for(appearance: str) -> Theme:
    """Return the theme of `light`, `dark` or `system`."""
    if appearance == "system":
        hints = QGuiApplication.styleHints()
        appearance = "dark" if hints is None or hints.colorScheme() == Qt.ColorScheme.Dark else "light"
    return DARK if appearance == "dark" else LIGHT


def stem_colour(stem: str, number: int = 0) -> str:
    """Return the colour of a stem, the same everywhere in the window."""
    return _STEMS.get(stem, _FURTHER[number % len(_FURTHER)])


def number_font(size_px: int = 12) -> QFont:
    """Return a monospaced font, so that changing numbers do not jump."""
    font = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
    font.setPixelSize(size_px)
    return font
