"""Present pieces of a file, some replaced by other bytes, as one file-like object."""

import io
from bisect import bisect_right
from collections.abc import Sequence
from typing import Any, BinaryIO

Piece = bytes | range
"""Literal bytes, or a range of the file."""


class ByteView(io.RawIOBase):
    """A read-only file made of `pieces` of an open file. For one thread; closing it leaves the file open.

    An OSError reads as the end of the file and is kept in `error`, because libsndfile cannot pass it on.
    """

    def __init__(self, file: BinaryIO, pieces: Sequence[Piece]) -> None:
        super().__init__()
        self._file = file
        self._pieces = [piece for piece in pieces if len(piece)]
        self._starts = [0]
        for piece in self._pieces:
            self._starts.append(self._starts[-1] + len(piece))
        self._position = self._furthest = 0
        self.error: OSError | None = None

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a position. One before the beginning is ignored; libsndfile tries that with some files."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._starts[-1]}[whence]
        if base + offset >= 0:
            self._position = base + offset
        return self._position

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def readinto(self, buffer: Any, /) -> int:
        """Fill the buffer, partly only at the end; return the number of bytes."""
        view = memoryview(buffer).cast("B")
        done = 0
        while done < len(view) and self._position < self._starts[-1]:
            number = bisect_right(self._starts, self._position) - 1
            within = self._position - self._starts[number]
            part = self._read(self._pieces[number][within : within + len(view) - done])
            if not part:
                break
            view[done : done + len(part)] = part
            done += len(part)
            self._position += len(part)
        self._furthest = max(self._furthest, self._position)
        return done

    @property
    def unread(self) -> int:
        """Number of bytes after the last one that was read."""
        return self._starts[-1] - self._furthest

    def _read(self, piece: Piece) -> bytes:
        if isinstance(piece, bytes):
            return piece
        try:
            self._file.seek(piece.start)
            return self._file.read(len(piece))
        except OSError as error:
            self.error = error
            return b""
