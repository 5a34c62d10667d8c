"""A terminal for a program under test, with something like a shell around it."""

import os
import pty
import select
import sys
import termios
import time
from collections.abc import Mapping

_SHELL = """
import os, signal, subprocess, sys, termios, time
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
child = subprocess.Popen(sys.argv[1:], process_group=0)
os.tcsetpgrp(0, child.pid)
while True:
    _, status = os.waitpid(child.pid, os.WUNTRACED)
    os.tcsetpgrp(0, os.getpgrp())
    mode = "cooked" if termios.tcgetattr(0)[3] & termios.ICANON and termios.tcgetattr(0)[3] & termios.ECHO else "raw"
    if not os.WIFSTOPPED(status):
        print("ended", os.waitstatus_to_exitcode(status), mode, flush=True)
        break
    print("stopped", mode, flush=True)
    input()
    os.tcsetpgrp(0, child.pid)
    os.killpg(child.pid, signal.SIGCONT)
input()
"""


class Terminal:
    """A program with a terminal of its own, as a shell starts it."""

    def __init__(self, *command: str, environment: Mapping[str, str] | None = None) -> None:
        self.text = self.all_text = ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            # The session's leader cannot be stopped, so the program is its child, in the foreground.
            os.execve(sys.executable, [sys.executable, "-c", _SHELL, *command], environment or os.environ)
        self.before = termios.tcgetattr(self.fd)

    def see(self, text: str) -> None:
        end = time.monotonic() + 20
        while text not in self.text:
            assert time.monotonic() < end, self.text[-2000:]
            if select.select([self.fd], [], [], 0.05)[0]:
                try:
                    data = os.read(self.fd, 4096).decode(errors="replace")
                    self.text += data
                    self.all_text += data
                except OSError:
                    assert text in self.text, self.text[-2000:]
        self.text = self.text.split(text, 1)[1]

    def send(self, keys: str) -> None:
        os.write(self.fd, keys.encode())

    @property
    def is_raw(self) -> bool:
        return not termios.tcgetattr(self.fd)[3] & termios.ICANON

    def close(self) -> None:
        self.send("\n")
        os.waitpid(self.pid, 0)
        os.close(self.fd)
