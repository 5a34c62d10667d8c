"""Turn termination signals into a stop request, so that files are completed."""

import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar

import click

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Result = TypeVar("Result")

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")


class Stopped(Exception):  # noqa: N818 - it is no error
    """A stop request has ended some work before it was complete."""


class BlockReader(Protocol):
    """A source of audio: a file or pipe."""

    def read(self, frames: int) -> "NDArray[np.float32]":
        """Next block [frames, C]; shorter at the end only, empty from then on."""
        ...


class StopRequest:
    """Within its `with` block, Ctrl-C, SIGTERM and SIGHUP only set `requested`; a second signal ends the program.

    A signal that the parent process has ignored (`nohup`) stays ignored. For the main thread.
    """

    def __init__(self) -> None:
        self._signal_number: int | None = None
        self._waiting = False
        self._previous: dict[int, Any] = {}

    @property
    def requested(self) -> bool:
        """Whether a signal has come."""
        return self._signal_number is not None

    @property
    def exit_code(self) -> int:
        """128 plus the signal number, as in a shell: 130 for Ctrl-C, 143 for SIGTERM; 0 without a signal."""
        return 128 + self._signal_number if self._signal_number is not None else 0

    def wait_for(self, call: Callable[[], Result]) -> Result | None:
        """Return the result of a call that may block, or None when a signal interrupted it: on the main thread only."""
        if threading.current_thread() is not threading.main_thread():
            return None if self.requested else call()
        self._waiting = True
        try:
            return None if self.requested else call()
        except KeyboardInterrupt:
            return None
        finally:
            self._waiting = False

    def read_blocks(
        self, reader: BlockReader, block_frames: int, limit_frames: int | None = None
    ) -> "Iterator[NDArray[np.float32]]":
        """Yield blocks [n, C] until the reader's end, the limit, or a signal."""
        left = limit_frames
        while left is None or left > 0:
            wanted = block_frames if left is None else min(block_frames, left)
            block = self.wait_for(lambda size=wanted: reader.read(size))  # type: ignore[misc]
            if block is None or not len(block):
                return
            left = None if left is None else left - len(block)
            yield block

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        again, self._signal_number = self.requested, number
        if again or self._waiting:
            self._waiting = False
            raise KeyboardInterrupt

    def __enter__(self) -> Self:
        for name in _NAMES:
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) not in (signal.SIG_IGN, None):
                self._previous[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        if kind is not None and issubclass(kind, KeyboardInterrupt) and self.requested:
            click.echo("stemlive: interrupted", err=True)
            raise click.exceptions.Exit(self.exit_code)
