"""The program ffmpeg, which decodes what libsndfile does not read; it is used where it is installed."""

import atexit
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from stemlive.errors import AudioFileError

INSTALL = "install ffmpeg (apt-get install ffmpeg, brew install ffmpeg, winget install ffmpeg)"
"""What to do where it is missing."""
TO_WAV = ("-map", "0:a:0", "-map_metadata", "-1", "-fflags", "+bitexact", "-c:a", "pcm_f32le", "-f", "wav", "pipe:1")
"""Arguments: decode the first sound track to WAV, 32-bit float, on the output."""

_LOG_BYTES = 1 << 16
_PATIENCE_S = 5.0
_COPY_BYTES = 1 << 16
_COMPLAINT = re.compile(r"^(?:\[[^\]]* @ [^\]]*\] )*\[(?:error|fatal|panic)\] (.*)$", re.MULTILINE)
_NO_SOUND = "matches no streams"


def program() -> str | None:
    """Return where ffmpeg is; None if it is not installed."""
    return shutil.which("ffmpeg")


class Ffmpeg:
    """A child process that runs ffmpeg; it hears no Ctrl-C and reads no terminal.

    `output` and, with `fed`, `input` are pipes. When they break, because this process has ended in whatever way, ffmpeg
    ends too. AudioFileError when it is not installed or cannot be started.
    """

    def __init__(self, *arguments: str | Path, fed: bool = False) -> None:
        path = program()
        if path is None:
            raise AudioFileError(f"this needs ffmpeg: {INSTALL}")
        self._lock = threading.Lock()
        self._said = ""
        log, name = tempfile.mkstemp(prefix="stemlive-")
        self._log_path = Path(name)
        self._log = self._log_path.open("rb")
        apart: dict[str, Any] = {"process_group": 0}
        if os.name != "posix":
            apart = {"creationflags": getattr(subprocess, "CREATE_NO_WINDOW", 0)}
        try:
            self._process = subprocess.Popen(
                [path, "-nostdin", "-hide_banner", "-nostats", "-loglevel", "level+info", *arguments],
                stdin=subprocess.PIPE if fed else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                bufsize=0,
                env=os.environ | {"AV_LOG_FORCE_NOCOLOR": "1"},
                **apart,
            )
        except OSError as error:
            self._forget()
            raise AudioFileError(f"ffmpeg cannot be started: {error.strerror}") from error
        finally:
            os.close(log)
        if os.name == "posix":  # elsewhere, an open file keeps its name
            self._log_path.unlink(missing_ok=True)
        atexit.register(self.kill)  # one that hangs does not see that its pipes break

    @property
    def output(self) -> IO[bytes]:
        """What it writes."""
        assert self._process.stdout is not None
        return self._process.stdout

    @property
    def input(self) -> IO[bytes]:
        """What it reads, if it is fed."""
        assert self._process.stdin is not None
        return self._process.stdin

    def log(self) -> str:
        """Return what it has said so far, a level such as [error] in each line; only the beginning of much."""
        with self._lock:
            if not self._log.closed:
                self._log.seek(0)
                self._said = self._log.read(_LOG_BYTES).decode(errors="replace")
            return self._said

    def complaint(self) -> str:
        """Return the first error that it has met, in its words; empty if there was none."""
        found = _COMPLAINT.search(self.log())
        if found is None:
            return ""
        return re.sub(r"^(?:file|pipe):.*: ", "", found[1]).strip().rstrip(".")

    def wait(self) -> int:
        """Wait, after the end of its output, until it has ended; return its exit code."""
        with suppress(subprocess.TimeoutExpired):
            return self._process.wait(_PATIENCE_S)
        self.end()
        return self._process.returncode

    def kill(self) -> None:
        """Kill it, with what it may have started (it may be a script); its pipes stay open."""
        if self._process.poll() is None:
            if os.name == "posix":
                with suppress(ProcessLookupError):
                    os.killpg(self._process.pid, signal.SIGKILL)
            else:
                self._process.kill()
        self._process.wait()

    def end(self) -> None:
        """End it at once, unless it has ended, and close its pipes; its log is kept."""
        self.kill()
        atexit.unregister(self.kill)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        self._forget()

    def _forget(self) -> None:
        self.log()
        with self._lock:
            self._log.close()
        self._log_path.unlink(missing_ok=True)


def undecodable(name: str, decoder: Ffmpeg) -> AudioFileError:
    """Return the error of something that ffmpeg has given nothing of."""
    why = decoder.complaint() or "nothing comes out"
    if _NO_SOUND in why:
        return AudioFileError(f"{name} has no sound in it")
    return AudioFileError(f"{name} is not audio of a known kind, or not whole (ffmpeg: {why})")


class Feeder(threading.Thread):
    """Passes `start`, and then all that comes from a file descriptor, on to a fed ffmpeg."""

    def __init__(self, start: bytes, source: int, target: Ffmpeg) -> None:
        super().__init__(name="stemlive feeder", daemon=True)
        self._start, self._source, self._target = start, source, target

    def run(self) -> None:
        """Copy until the source ends, or ffmpeg has ended."""
        part = self._start
        with suppress(OSError, ValueError), self._target.input as pipe:
            while part:
                rest = memoryview(part)
                while rest:
                    rest = rest[pipe.write(rest) :]
                part = os.read(self._source, _COPY_BYTES)
