"""The terminal during a live run: single key presses, and a status line that is redrawn in place."""

import os
import signal
import sys
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any, Self

_ESCAPES = {
    "\x1b[A": "up",
    "\x1b[B": "down",
    "\x1b[C": "right",
    "\x1b[D": "left",
    "\x1bOA": "up",
    "\x1bOB": "down",
    "\x1bOC": "right",
    "\x1bOD": "left",
    "\x1b[H": "home",
    "\x1bOH": "home",
    "\x1b[1~": "home",
}
_WINDOWS_ARROWS = {"H": "up", "P": "down", "M": "right", "K": "left", "G": "home"}


class Keyboard:
    """Reads keys without Enter and echo, from standard input or, if that is a pipe, from the terminal itself.

    It changes the terminal's mode only within its `with` block and only in the foreground: Ctrl-Z restores the mode,
    `fg` changes it again. Ctrl-C and Ctrl-Z still send signals. For the main thread.
    """

    def __init__(self) -> None:
        self._fd: int | None = None
        self._own = False
        self._before: Any = None
        self._handlers: dict[int, Any] = {}
        self._rest = ""

    @property
    def available(self) -> bool:
        """Whether there is a terminal to read keys from."""
        return self._fd is not None or (sys.platform == "win32" and sys.stdin is not None and sys.stdin.isatty())

    def read(self) -> list[str]:
        """Return the keys since the last call, without waiting: characters, or up, down, left, right, home."""
        if sys.platform == "win32":
            return _windows_keys() if self.available else []
        if self._fd is None or not self._take():
            return []
        import select

        text = self._rest
        with suppress(OSError):
            while select.select([self._fd], [], [], 0)[0] and (data := os.read(self._fd, 256)):
                text += data.decode(errors="ignore")
        keys, self._rest = _split(text)
        return keys

    def _take(self) -> bool:
        """Switch the terminal to single keys if this process is in the foreground; return whether it is."""
        import termios
        import tty

        assert self._fd is not None
        if os.tcgetpgrp(self._fd) != os.getpgrp():
            return False
        if self._before is None:
            self._before = termios.tcgetattr(self._fd)
            tty.setcbreak(self._fd, termios.TCSANOW)
        return True

    def _give_back(self) -> None:
        import termios

        if self._before is not None and self._fd is not None:
            before, self._before = self._before, None
            with suppress(termios.error):
                if os.tcgetpgrp(self._fd) == os.getpgrp():
                    termios.tcsetattr(self._fd, termios.TCSANOW, before)

    def _on_stop(self, number: int, _: FrameType | None) -> None:
        """Handle Ctrl-Z: restore the terminal, and suspend as usual."""
        self._give_back()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
        # Execution resumes here after `fg` or `bg`; `read` switches the terminal again if it may.
        signal.signal(number, self._on_stop)

    def __enter__(self) -> Self:
        if sys.platform == "win32":
            return self
        if sys.stdin is not None and not sys.stdin.closed and sys.stdin.isatty():
            self._fd = sys.stdin.fileno()
        elif sys.stderr is not None and sys.stderr.isatty():
            with suppress(OSError):
                self._fd = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
                self._own = True
        if self._fd is not None:
            with suppress(OSError):  # not the controlling terminal of this session
                os.tcgetpgrp(self._fd)
                if signal.getsignal(signal.SIGTSTP) == signal.SIG_DFL:
                    self._handlers[signal.SIGTSTP] = signal.signal(signal.SIGTSTP, self._on_stop)
                self._take()
                return self
            self._close()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        if sys.platform != "win32":
            self._give_back()
            self._close()

    def _close(self) -> None:
        if self._own and self._fd is not None:
            os.close(self._fd)
        self._fd, self._own = None, False


class Screen:
    """A status line at the bottom of the terminal, on standard error; other text goes above it.

    If standard error is not a terminal, there is no status line and no escape code.
    """

    def __init__(self, *, shown: bool = True) -> None:
        self.shown = shown and sys.stderr is not None and sys.stderr.isatty()
        self._rows = 0

    @property
    def width(self) -> int:
        """Most columns of a line."""
        try:
            return max(20, os.get_terminal_size(sys.stderr.fileno()).columns or 80) - 1
        except OSError:
            return 79

    @property
    def unicode(self) -> bool:
        """Whether the terminal can show block characters, for bars."""
        return "utf" in self.encoding.lower()

    @property
    def encoding(self) -> str:
        """The encoding of the terminal."""
        return getattr(sys.stderr, "encoding", "") or "ascii"

    def draw(self, line: str, above: str | None = None) -> None:
        """Replace the status line, and the row above it if there shall be one, which fits the width as it is."""
        if self.shown:
            rows = [*([] if above is None else [above]), line[: self.width]]
            erase = "" if len(rows) == self._rows else "\x1b[J"
            self._write(self._top() + erase + "\r\n".join(f"{row}\x1b[K" for row in rows))
            self._rows = len(rows)

    def say(self, text: str) -> None:
        """Print text above the status line."""
        self.leave()
        self._write(f"{text}\n")

    def leave(self) -> None:
        """Erase the status line, and the row above it."""
        if self._rows:
            self._write(f"{self._top()}\x1b[K" if self._rows == 1 else f"{self._top()}\x1b[J")
            self._rows = 0

    def _top(self) -> str:
        """Return what moves the cursor to where the first row begins."""
        return "\r" + "\x1b[A" * (self._rows - 1)

    def _write(self, text: str) -> None:
        if sys.stderr is not None:
            with suppress(OSError):  # the terminal was closed
                sys.stderr.write(text)
                sys.stderr.flush()


def _split(text: str) -> tuple[list[str], str]:
    """Split terminal input into keys, and a rest that may be the start of an escape sequence."""
    keys: list[str] = []
    while text:
        if text[0] == "\x1b" and len(text) > 1 and text[1] in "[O":
            end = next((at for at in range(2, len(text)) if "@" <= text[at] <= "~"), None)
            if end is None:
                return keys, text if len(text) < 16 else ""
            name = _ESCAPES.get(text[: end + 1])
            keys += [name] if name else []
            text = text[end + 1 :]
        else:
            keys.append(text[0])
            text = text[1:]
    return keys, ""


def _windows_keys() -> list[str]:
    keys: list[str] = []
    if sys.platform == "win32":
        import msvcrt

        while msvcrt.kbhit():
            key = msvcrt.getwch()
            if key in "\0\xe0":
                name = _WINDOWS_ARROWS.get(msvcrt.getwch())
                keys += [name] if name else []
            else:
                keys.append(key)
    return keys
