"""A display that nobody looks at, for tests and pictures of the window: Xvfb, and xdotool for its keyboard."""

import os
import shutil
import subprocess

import pytest


class Display:
    """An X server of its own; `environment` is for programs that shall draw there."""

    def __init__(self, width: int = 1280, height: int = 800) -> None:
        for tool in ("Xvfb", "xdotool"):
            if shutil.which(tool) is None:
                pytest.skip(f"{tool} is not installed (Debian: apt-get install xvfb xdotool)")
        read, write = os.pipe()
        command = ["Xvfb", "-displayfd", str(write), "-screen", "0", f"{width}x{height}x24", "-nolisten", "tcp"]
        # Else it starts anew whenever xdotool was its only client, and a program that comes just then is thrown out.
        command.append("-noreset")
        self._process = subprocess.Popen(
            command, pass_fds=[write], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        os.close(write)
        with os.fdopen(read) as numbers:
            self.name = f":{numbers.readline().strip()}"
        assert self.name != ":", "Xvfb does not start"
        self.environment = {"DISPLAY": self.name, "QT_QPA_PLATFORM": "xcb"}

    def do(self, *command: str) -> str:
        """Run xdotool; return what it prints."""
        environment = os.environ | self.environment
        done = subprocess.run(["xdotool", *command], env=environment, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(10)
