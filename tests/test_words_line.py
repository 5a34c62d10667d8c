"""The words on a terminal: a row above the status line that fits, whatever the words are, and the keys that move it."""

import re
import sys

import numpy as np
import pytest
import soundfile
from jack_server import RATE_HZ
from rich.cells import cell_len
from terminals import Terminal

from stemlive.errors import AudioFileError, MissingFileError, UsageError
from stemlive.realtime.audio_files.lrc import parse
from stemlive.terminal.keyboard import Screen
from stemlive.terminal.words_line import SungWords, words_of

WORDS = """[00:01.00]<00:01.00>Hello <00:02.00>you
[00:03.00]Second line
[00:05.00]
[00:06.00]Last line
"""


def seen(row):
    """A row without its escape codes."""
    return re.sub(r"\x1b\[[0-9;]*m", "", row)


def test_what_is_sung_and_what_comes_next():
    sung = SungWords(parse(WORDS))
    rows = {at_s: sung.row(at_s, 79) for at_s in (0.0, 1.5, 2.5, 3.0, 5.5, 6.0)}
    assert [seen(row) for row in rows.values()] == [
        "1   Hello you", "Hello you   Second line", "Hello you   Second line", "Second line   Last line",
        "1   Last line", "Last line",
    ]  # fmt: skip
    assert "\x1b[1;4mHello \x1b[0myou" in rows[1.5]
    assert "\x1b[2mHello \x1b[0m\x1b[1;4myou" in rows[2.5]
    assert "\x1b[1mSecond \x1b[0m\x1b[1mline" in rows[3.0]
    late = SungWords(parse("[00:10.00]Late"))
    assert [seen(late.row(at_s, 79)) for at_s in (5.0, 7.5)] == ["♪   Late", "3   2   1   Late"]
    assert seen(late.row(0.0, 79, "ascii")) == "...   Late"


def test_words_are_moved_in_time():
    sung = SungWords(parse(WORDS))
    assert sung.move(1) == "words 0.1 s later"
    assert seen(sung.row(3.05, 79)).startswith("Hello you")
    assert [sung.move(-1), sung.move(-1)] == ["words in time", "words 0.1 s earlier"]
    assert seen(sung.row(2.95, 79)).startswith("Second line")


@pytest.mark.parametrize("width", [19, 40, 79])
@pytest.mark.parametrize(
    "text",
    [
        " ".join(f"la{number}" for number in range(60)),
        "l" * 300,
        "微熱 こんにちは" * 20,
        "<00:01.00>one <00:02.00>" + "two " * 60 + "<00:03.00>three",
        "a\x1b[2Jb\tc\u200bd",
    ],
)
def test_every_row_fits_and_a_long_line_comes_in_parts(text, width):
    sung = SungWords(parse(f"[00:01.00]{text}\n[00:09.00]{text}"))
    rows = [sung.row(at_s, width) for at_s in np.arange(0, 10, 0.25)]
    assert max(cell_len(seen(row)) for row in rows) <= width
    assert not any("\x1b[2J" in row or "\n" in row for row in rows)
    if cell_len(text) > 2 * width:
        assert len({seen(row) for row in rows}) >= 3


def test_every_word_of_a_long_line_is_seen_while_it_is_sung():
    line = " ".join(f"<00:{number:02}.00>word{number}" for number in range(40))
    sung = SungWords(parse(f"[00:00.00]{line}"))
    for number in range(40):
        assert f"\x1b[1;4mword{number}" in sung.row(number + 0.5, 40)


def test_plain_words_are_a_page_that_is_asked_for():
    sung = SungWords(parse("One\n\nTwo\x07"))
    assert not sung.shown
    sung.switch()
    assert (sung.asked, sung.page()) == (True, "One\n\nTwo")


def test_the_rows_are_drawn_over_the_ones_before(monkeypatch):
    monkeypatch.setattr(
        sys, "stderr", (written := type("Tty", (list,), {"isatty": lambda _: True, "fileno": lambda _: -1})())
    )
    written.write, written.flush = written.append, lambda: None
    screen = Screen()
    screen.draw("status", "words")
    screen.draw("status")
    screen.say("text")
    assert written == [
        "\r\x1b[Jwords\x1b[K\r\nstatus\x1b[K", "\r\x1b[A\x1b[Jstatus\x1b[K", "\r\x1b[K", "text\n",
    ]  # fmt: skip


def test_where_words_come_from(tmp_path, capsys):
    song = tmp_path / "song.wav"
    soundfile.write(song, np.zeros(800), 8000)
    (tmp_path / "other.lrc").write_text(WORDS)
    assert words_of(str(song), None) is None
    assert words_of(str(song), tmp_path / "other.lrc").words.timed
    song.with_suffix(".lrc").write_text("[00:01.00]Beside")
    assert words_of(str(song), None).words.lines[0].text == "Beside"
    assert words_of(str(song), None, wanted=False) is None
    with pytest.raises(UsageError, match="name a SONG"):
        words_of(None, tmp_path / "other.lrc")
    with pytest.raises(MissingFileError, match="check the path"):
        words_of(str(song), tmp_path / "none.lrc")
    (tmp_path / "none.lrc").write_text("")
    with pytest.raises(AudioFileError, match="has no words"):
        words_of(str(song), tmp_path / "none.lrc")
    song.with_suffix(".lrc").write_bytes(bytes(32))
    assert words_of(str(song), None) is None
    assert "song.lrc is not a text" in capsys.readouterr().err


def test_the_words_follow_a_song_on_a_terminal(server, model, tmp_path):
    soundfile.write(tmp_path / "song.wav", np.zeros((60 * RATE_HZ, 2), np.float32), RATE_HZ)
    lines = "".join(f"[00:{second:02}.00]line {second} {'of many words ' * 9}\n" for second in range(0, 60, 5))
    (tmp_path / "song.lrc").write_text(lines)
    command = (sys.executable, "-m", "stemlive", "stream", str(tmp_path / "song.wav"), "--model", model, "-o")
    terminal = Terminal(*command, "device:system", environment=server.environment | {"PYTHONIOENCODING": "utf-8"})
    terminal.see("Press ? for the keys, q to quit.")
    terminal.see("\x1b[1mline \x1b[0m\x1b[1m0 ")
    terminal.send("\x1b[C\x1b[C")
    terminal.see("\x1b[1mline \x1b[0m\x1b[1m10 ")
    terminal.send(")")
    terminal.see("words 0.1 s later")
    terminal.send("w")
    terminal.see("\x1b[Jwords 0.1 s later")
    terminal.see("\x1b[K")
    terminal.send("w")
    terminal.see("\x1b[1mmany ")
    terminal.send("q")
    terminal.see("ended 0 cooked")
    terminal.close()
    rows = [
        seen(row).split("\x1b[K")[0].replace("\x1b[J", "").replace("\x1b[A", "")
        for row in re.split(r"[\r\n]", terminal.all_text)
    ]
    drawn = [row for row in rows if not row.startswith(("Space pauses", "stemlive: "))]
    assert max(map(cell_len, drawn)) < 80
