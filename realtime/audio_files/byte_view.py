"""Pieces of a file, and bytes in the place of others, read as if they were a file of their own."""

import io
from bisect import bisect_right
from collections.abc import Sequence
from typing import Any, BinaryIO

Piece = bytes | range
"""Bytes as they are, or a stretch of the file."""


class ByteView(io.RawIOBase):
    """What `pieces` of an open file give one after the other. For one thread; closing it leaves the file open.

    An error of the system reads as the end; it is kept in `error`, for libsndfile could not pass it on.
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
        """It can be read."""
        return True

    def seekable(self) -> bool:
        """It can be sought in."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a position; stay where that lies before the beginning, which libsndfile tries with some files."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._starts[-1]}[whence]
        if base + offset >= 0:
            self._position = base + offset
        return self._position

    def tell(self) -> int:
        """Where it stands."""
        return self._position

    def readinto(self, buffer: Any, /) -> int:
        """Fill the buffer, less only at the end; return how many bytes that were."""
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
        """Bytes after the last one that was asked for."""
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
