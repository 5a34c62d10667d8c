"""The image of a scrolling spectrogram: every column is stored twice, so that scrolling moves no memory."""

import numpy as np
from numpy.typing import NDArray

COLUMNS = 4096
"""Columns that are kept, one pixel each: 48 s of `live`, and as wide as a large screen."""


class SpectrogramRing:
    """Levels uint8 [height, 2 * COLUMNS], highest frequency on top; any `width` newest columns are one view.

    Columns come with `bins` levels, lowest frequency first, and are scaled to `height` when they are added.
    """

    def __init__(self, bins: int, height: int) -> None:
        self._bins = bins
        self._raw = np.zeros((COLUMNS, bins), np.uint8)
        self._next = 0
        self.resize(height)

    @property
    def height(self) -> int:
        """Rows of the picture."""
        return len(self._picture)

    def resize(self, height: int) -> None:
        """Redraw the kept columns at another height."""
        # Row r of the picture lies between two bins.
        place = np.clip((np.arange(height)[::-1] + 0.5) * self._bins / height - 0.5, 0, self._bins - 1)
        self._lower = np.minimum(place.astype(np.intp), self._bins - 2)
        self._share = np.rint(256 * (place - self._lower)).astype(np.uint16)
        self._picture = np.zeros((height, 2 * COLUMNS), np.uint8)
        self._picture[:, :COLUMNS] = self._stretched(self._raw).T
        self._picture[:, COLUMNS:] = self._picture[:, :COLUMNS]

    def add(self, columns: NDArray[np.uint8]) -> None:
        """Append columns [n, bins], the oldest first; n is at most COLUMNS."""
        numbers = (self._next + np.arange(len(columns))) % COLUMNS
        self._raw[numbers] = columns
        rows = self._stretched(columns).T
        self._picture[:, numbers] = rows
        self._picture[:, numbers + COLUMNS] = rows
        self._next = (self._next + len(columns)) % COLUMNS

    def clear(self) -> None:
        """Clear all columns."""
        self._raw[:] = 0
        self._picture[:] = 0

    def view(self, width: int) -> NDArray[np.uint8]:
        """Return a view [height, width] of the `width` newest columns, valid until the next `add`."""
        end = self._next + COLUMNS
        return self._picture[:, end - width : end]

    def _stretched(self, columns: NDArray[np.uint8]) -> NDArray[np.uint8]:
        lower, upper = columns[:, self._lower].astype(np.uint16), columns[:, self._lower + 1].astype(np.uint16)
        return ((lower * (256 - self._share) + upper * self._share) >> 8).astype(np.uint8)
