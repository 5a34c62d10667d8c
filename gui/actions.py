"""All keyboard commands in one table: menus, tool tips, the help sheet and docs/window.md are made from it."""

from dataclasses import dataclass

from stemlive.gui.presets import BUILT_IN

MOST_STEM_KEYS = 8


@dataclass(frozen=True)
class Command:
    """One action. `name` identifies it in the code; `keys` is its shortcut."""

    name: str
    menu: str
    text: str
    keys: str
    checkable: bool = False
    separated: bool = False
    """Whether a separator precedes it in its menu."""


_PRESETS = tuple(
    Command(f"preset-{name}", "Mix", title, f"F{number}", separated=number == 2)
    for number, (name, title) in enumerate(BUILT_IN.items(), start=2)
)

COMMANDS = (
    Command("open", "File", "Open a song…", "Ctrl+O"),
    Command("words-open", "File", "Open the words of this song…", "Ctrl+Shift+O"),
    Command("queue-add", "File", "Add songs to the queue…", "Ctrl+Shift+A"),
    Command("live", "File", "Listen to an input device", "Ctrl+I"),
    Command("export", "File", "Export the mix, stems or a part…", "Ctrl+E", separated=True),
    Command("retry", "File", "Look for devices and try again", "Ctrl+R", separated=True),
    Command("settings", "File", "Settings of the engine…", "Ctrl+,"),
    Command("remote", "File", "A phone as remote…", "Ctrl+T", checkable=True),
    Command("quit", "File", "Quit", "Ctrl+Q", separated=True),
    Command("play", "Playback", "Play or pause", "Space"),
    Command("stop", "Playback", "Stop, back to the start", "Backspace"),
    Command("next", "Playback", "Next song", "N", separated=True),
    Command("previous", "Playback", "Song before, or back to the start", "P"),
    Command("back", "Playback", "5 seconds back", "Ctrl+Left", separated=True),
    Command("forward", "Playback", "5 seconds on", "Ctrl+Right"),
    Command("loop-from", "Playback", "Loop from here", "[", separated=True),
    Command("loop-to", "Playback", "Loop to here", "]"),
    Command("loop-off", "Playback", "No loop", "L"),
    Command("tempo-up", "Playback", "Tempo: 5 % faster", "Ctrl+Shift+Up", separated=True),
    Command("tempo-down", "Playback", "Tempo: 5 % slower", "Ctrl+Shift+Down"),
    Command("tempo-own", "Playback", "Tempo: original", "Ctrl+Shift+0"),
    Command("practice", "Playback", "Practice: faster rounds, count-in…", "Ctrl+P"),
    Command("record", "Playback", "Record the input, the mix and stems", "R", checkable=True, separated=True),
    Command("record-folder", "Playback", "Folder for recordings…", "Ctrl+Shift+R"),
    Command("record-stems", "Playback", "Stems to record…", "Ctrl+Alt+R"),
    Command("zoom-in", "Playback", "Outline: closer", "+", separated=True),
    Command("zoom-out", "Playback", "Outline: further away", "-"),
    Command("zoom-whole", "Playback", "Outline: the whole song", "0"),
    Command("undo", "Mix", "Undo", "Ctrl+Z"),
    Command("redo", "Mix", "Redo", "Ctrl+Shift+Z"),
    *_PRESETS,
    Command("preset-save", "Mix", "Save as a preset…", "Ctrl+S"),
    Command("bypass", "Mix", "Bypass: the music as it is", "B", checkable=True, separated=True),
    Command("compare", "Mix", "Compare mix A with mix B", "X"),
    Command("key-up", "Mix", "Key: a semitone higher", "Ctrl+Up", separated=True),
    Command("key-down", "Mix", "Key: a semitone lower", "Ctrl+Down"),
    Command("key-own", "Mix", "Key: original", "Ctrl+0"),
    Command("focus-mix", "Mix", "To the fader of the mix", "M", separated=True),
    Command("microphone", "View", "Karaoke corner: microphone, key and tempo", "Ctrl+K", checkable=True),
    Command("cue", "View", "Cue: a second mix, for headphones or the stage", "C", checkable=True),
    Command("stem-outline", "View", "Stems in the outline, made while it plays", "Ctrl+L", checkable=True),
    Command("queue", "View", "Queue", "Q", checkable=True),
    Command("words", "View", "Words of the song", "W", checkable=True, separated=True),
    Command("words-screen", "View", "Words on another screen (Esc closes it)", "Shift+W", checkable=True),
    Command("words-earlier", "View", "Words 0.1 s earlier", ","),
    Command("words-later", "View", "Words 0.1 s later", "."),
    Command("close-message", "View", "Close the message", "Esc"),
    Command("full-screen", "View", "Full screen", "F11", checkable=True),
    Command("keys", "Help", "Keys", "F1"),
    Command("model", "Help", "About the model", "Ctrl+F1"),
    Command("about", "Help", "About stemlive", "Shift+F1"),
)
"""In the order of the menus."""

STEM_COMMANDS = (
    ("mute", "Mute", "{number}"),
    ("solo", "Solo", "Alt+{number}"),
    ("focus", "To the fader of", "Ctrl+{number}"),
)
"""Name, text and key of the commands that exist once per stem; stems are numbered from 1."""

FADER_KEYS = (
    ("Arrows", "0.5 dB"),
    ("Page up, page down", "3 dB"),
    ("Home, or a double click", "0 dB, or the middle"),
    ("End", "off"),
    ("Ctrl and a click on S", "solo this one only"),
)
"""Keys of a fader that has the focus."""


def page_list() -> str:
    """Return the list of keys for docs/window.md: a line for each menu."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for command in COMMANDS:
        groups.setdefault(command.menu, []).append((command.keys, command.text.rstrip("…")))
    groups["Stem 1, 2 and so on"] = [(keys.format(number=1), text) for _, text, keys in STEM_COMMANDS]
    groups["On a fader"] = list(FADER_KEYS)
    lines = [f"* {group}: " + "; ".join(f"`{keys}` {text}" for keys, text in rows) for group, rows in groups.items()]
    return "\n".join(lines) + "\n"
