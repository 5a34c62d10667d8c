"""Help sheets: the keys, the models' cards, about the program."""

import html
import json
from typing import Any

from PyQt6.QtWidgets import QDialog, QDialogButtonBox, QTextBrowser, QVBoxLayout, QWidget

from stemlive import __version__
from stemlive.child import PROGRAM
from stemlive.gui.actions import COMMANDS, FADER_KEYS, STEM_COMMANDS
from stemlive.gui.command_process import CommandProcess


class Sheet(QDialog):
    """A page of text with a button to close it."""

    def __init__(self, title: str, page: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.resize(560, 620)
        self.text = QTextBrowser()
        text = self.text
        text.setAccessibleName(title)
        text.setHtml(page)
        text.setOpenExternalLinks(True)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close, self)
        buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.addWidget(text)
        column.addWidget(buttons)


def keys_page() -> str:
    """Return the table of keys as HTML."""
    rows = []
    menu = ""
    for command in COMMANDS:
        if command.menu != menu:
            menu = command.menu
            rows.append((f"<b>{menu}</b>", ""))
        rows.append((html.escape(command.keys), html.escape(command.text.rstrip("…"))))
    rows.append(("<b>Stems</b>, by number from above", ""))
    rows += [(keys.format(number="1") + ", 2 and so on", text) for _, text, keys in STEM_COMMANDS]
    rows.append(("<b>On a fader</b>", ""))
    rows += list(FADER_KEYS)
    cells = "".join(f"<tr><td style='padding-right: 24px'>{keys}</td><td>{text}</td></tr>" for keys, text in rows)
    return f"<table>{cells}</table>"


class ModelSheet(Sheet):
    """The cards of the bundled models, the one in use first. A child process reads them, which may take a second."""

    def __init__(self, model: str, parent: QWidget) -> None:
        super().__init__("About the model", "<p>Reading the models' cards…</p>", parent)
        self._model = model
        self._process = CommandProcess(self)
        self._process.finished.connect(self._read)
        self._process.start(PROGRAM[0], [*PROGRAM[1:], "models", "--json"])

    def done(self, result: int) -> None:
        """Abort the query, and close."""
        self._process.end()
        super().done(result)

    def _read(self, code: int) -> None:
        if code:
            said = self._process.readAllStandardError().data().decode(errors="replace")
            self.text.setHtml(f"<p>{html.escape(said)}</p>")
        else:
            cards = json.loads(self._process.readAllStandardOutput().data())
            self.text.setHtml(cards_page(cards, self._model))


def cards_page(cards: list[dict[str, Any]], model: str) -> str:
    """Return the output of `stemlive models --json` as HTML, the model in use first."""
    pages = []
    for card in sorted(cards, key=lambda card: card["name"] != model):
        rows = (
            ("stems", ", ".join(card["stems"])),
            ("latency", f"{card['latency_ms']:.1f} ms at {card['sample_rate_hz']} Hz (preset {card['preset']})"),
            ("size", f"{card['size_bytes'] / 1e6:.1f} MB, {card['parameters']:,} parameters"),
            ("licence", card["licence"]),
        )
        cells = "".join(f"<tr><td style='padding-right: 24px'>{a}</td><td>{html.escape(b)}</td></tr>" for a, b in rows)
        used = " (in use)" if card["name"] == model else ""
        pages.append(f"<h3>{html.escape(card['name'])}{used}</h3><p>{html.escape(card['description'])}</p>")
        pages.append(f"<table>{cells}</table>")
    return "".join(pages) or "<p>No model comes with this installation.</p>"


def about_page() -> str:
    """Return the page about the program as HTML."""
    return (
        f"<h2>stemlive {__version__}</h2><p>Separates music into vocals, drums, bass and other while it plays: take "
        "the voice out of any song and sing, or drop the drums and play them yourself.</p><p>Open a song or drop one "
        "on the window. Each row is one stem: its fader, mute and solo, and what it sounds like in colours. The last "
        "row is what you hear.</p><p>MIT licence. F1 shows all keys.</p>"
    )
