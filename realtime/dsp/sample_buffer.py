"""A window of a stream, addressed by sample number."""

import numpy as np
from numpy.typing import NDArray


class SampleBuffer:
    """Float32 samples of several lanes: appended at the end, dropped at the front, never reallocated.

    Sample numbers count from the start of the stream and may be negative (silence before it). A view is valid until
    the next `append`, which may move samples within the buffer.
    """

    def __init__(self, lanes: int, capacity: int) -> None:
        self._data = np.zeros((lanes, capacity), np.float32)
        self._offset = 0
        self.first = 0
        self.end = 0

    def reset(self, first: int, zeros: int) -> None:
        """Clear the buffer to `zeros` samples of silence from number `first` on."""
        self._offset, self.first, self.end = 0, first, first
        self.append(zeros)[:] = 0

    def append(self, count: int) -> NDArray[np.float32]:
        """Return the next `count` samples [lanes, count], for the caller to write."""
        held = self.end - self.first
        capacity = self._data.shape[1]
        assert held + count <= capacity, f"{held} + {count} samples do not fit into {capacity}"
        if self._offset + held + count > capacity:
            # Lane by lane, numpy sees that source and target do not overlap, and makes no temporary copy.
            for lane in self._data:
                lane[:held] = lane[self._offset : self._offset + held]
            self._offset = 0
        start = self._offset + held
        self.end += count
        return self._data[:, start : start + count]

    def view(self, first: int, count: int) -> NDArray[np.float32]:
        """Return a view [lanes, count] of the samples from number `first` on."""
        assert self.first <= first and first + count <= self.end, (
            f"samples {first} to {first + count} are not among {self.first} to {self.end}"
        )
        start = self._offset + first - self.first
        return self._data[:, start : start + count]

    def forget(self, before: int) -> None:
        """Drop the samples before number `before`."""
        dropped = min(before, self.end) - self.first
        if dropped > 0:
            self._offset += dropped
            self.first += dropped
