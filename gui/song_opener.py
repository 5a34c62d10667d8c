"""Opens songs for the window, which never waits for the program that decodes one."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PyQt6.QtCore import QObject, pyqtSignal

from stemlive.errors import AudioFileError
from stemlive.guarded_thread import GuardedThread
from stemlive.gui.waveform import Waveform
from stemlive.realtime.audio_files.sndfile_reader import UnknownKindError


@dataclass
class _Request:
    path: Path
    opened: Callable[[Waveform], object]
    failed: Callable[[str], object]
    waveform: Waveform | None = None
    problem: str = ""


class SongOpener(QObject):
    """Opens one song after another. The newest request counts; what an older one brings is closed."""

    _ended = pyqtSignal(object)

    def __init__(self) -> None:
        super().__init__()
        self._request: _Request | None = None
        self._ended.connect(self._hand_over)

    @property
    def path(self) -> Path | None:
        """The song that is being opened; None while there is none."""
        return None if self._request is None else self._request.path

    def open(self, path: Path, opened: Callable[[Waveform], object], failed: Callable[[str], object]) -> None:
        """Open a song, and call one of both: at once, or, where ffmpeg decodes it, later on this thread."""
        self.forget()
        try:
            waveform = Waveform(path, decode=False)
        except UnknownKindError:
            self._request = request = _Request(path, opened, failed)
            GuardedThread("stemlive song", partial(self._open, request), partial(self._fail, request)).start()
        except AudioFileError as error:
            failed(str(error))
        else:
            opened(waveform)

    def forget(self) -> None:
        """Let what is being opened be unwanted."""
        self._request = None

    def _open(self, request: _Request) -> None:
        """Wait for ffmpeg. Runs on a thread of its own."""
        request.waveform = Waveform(request.path)
        self._tell(request)

    def _fail(self, request: _Request, problem: str) -> None:
        request.problem = problem
        self._tell(request)

    def _tell(self, request: _Request) -> None:
        with suppress(RuntimeError):  # the window is gone
            self._ended.emit(request)

    def _hand_over(self, request: _Request) -> None:
        wanted = request is self._request
        if wanted:
            self._request = None
        if request.waveform is None and wanted:
            request.failed(request.problem)
        elif request.waveform is not None and wanted:
            request.opened(request.waveform)
        elif request.waveform is not None:
            request.waveform.close()
