"""Separators for one song after another, or several at a time, with a model that is loaded and checked once."""

import copy
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from stemlive.errors import UsageError
from stemlive.options import check_passes
from stemlive.terminal.stopping import StopRequest
from stemlive.whole_song import WholeSong

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from stemlive.realtime.model_file.session import Session
    from stemlive.realtime.separation.passes import Passes

_HOPS_PER_BLOCK = 64


class Separators:
    """Makes separators of an exported model, or with `checkpoint` of its weights (`method`, `hop_s` as in WholeSong).

    `model` None is the default for songs. An exported model goes through each song `passes` times (1 to 4).

    ModelError when it cannot be used, UsageError for options that do not belong together. Create it on the main thread;
    any thread may call `open`.
    """

    def __init__(
        self,
        model: str | None,
        threads: int,
        *,
        checkpoint: Path | None,
        method: str | None,
        hop_s: float,
        passes: int = 1,
    ) -> None:
        check_passes(passes, checkpoint)
        if checkpoint is not None and model is not None:
            raise UsageError("name one of --model and --checkpoint")
        if checkpoint is None and method is not None:
            raise UsageError("--inference is for --checkpoint: an exported model streams")
        self._whole: WholeSong | None = None
        self.terms = ""
        """The conditions on using the model; empty if there are none."""
        if checkpoint is not None:
            self._whole = WholeSong(checkpoint, method, hop_s, sample_rate_hz=44100, channels=2)
            self.stems = self._whole.stems
            return
        from stemlive.realtime.model_file.bundled import model_for
        from stemlive.realtime.model_file.session import Session
        from stemlive.realtime.separation.separator import Separator

        self._model, self._threads, self._passes = model_for(model, song=True), threads, passes
        session = Session(self._model, threads=threads, frame_by_frame=False)
        self._idle = [session]
        self.terms = session.info.terms_line
        self.stems = Separator(session, max_frames=1).stems

    @contextmanager
    def open(self, sample_rate_hz: int, channels: int) -> "Iterator[tuple[Passes | WholeSong, int]]":
        """Yield a separator for a song, for the `with` block, and a suitable length in samples of its blocks."""
        if self._whole is not None:
            whole = copy.copy(self._whole)
            whole.sample_rate_hz, whole.channels = sample_rate_hz, channels
            yield whole, sample_rate_hz
            return
        from stemlive.realtime.separation.passes import Passes

        sessions = [self._session() for _ in range(self._passes)]
        try:
            song = Passes(sessions, sample_rate_hz=sample_rate_hz, channels=channels, max_frames=_HOPS_PER_BLOCK)
            info = sessions[0].info
            yield song, _HOPS_PER_BLOCK * info.hop_samples * sample_rate_hz // info.sample_rate_hz
        finally:
            self._idle += sessions

    def _session(self) -> "Session":
        """One that no other song has, or a new one."""
        from stemlive.realtime.model_file.session import Session

        try:
            return self._idle.pop()
        except IndexError:
            return Session(self._model, threads=self._threads, frame_by_frame=False)


def separated(
    separator: "Passes | WholeSong", blocks: "Iterable[NDArray[np.float32]]", stop: StopRequest
) -> "Iterable[NDArray[np.float32]]":
    """Yield the stems [S, n, C] of the blocks [n, C], piece by piece or all at once; none after a stop request."""
    if not isinstance(separator, WholeSong):
        return separator.separate(blocks)
    song = list(blocks)
    stems = stop.wait_for(lambda: separator.separate(song))
    return [] if stems is None else [stems]
