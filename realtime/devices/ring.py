"""Lock-free rings between the device's thread and the engine's: neither end ever waits for the other."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]


def ring_frames(at_least: int) -> int:
    """Round a ring's length up to a power of two, which PortAudio's ring buffer requires."""
    return 1 << max(1, at_least - 1).bit_length()


class Memory:
    """Frames float32 [capacity, C], addressed by position: frames since the start of the stream, modulo capacity."""

    def __init__(self, capacity: int, channels: int) -> None:
        assert capacity & (capacity - 1) == 0, f"{capacity} is not a power of two"
        self.frames = np.zeros((capacity, channels), np.float32)
        self.capacity = capacity
        self.channels = channels

    def put(self, position: int, block: FloatArray) -> None:
        """Write a block [n, C] at a position; n is at most the capacity."""
        first = position & (self.capacity - 1)
        fitting = min(len(block), self.capacity - first)
        self.frames[first : first + fitting] = block[:fitting]
        if fitting < len(block):
            self.frames[: len(block) - fitting] = block[fitting:]

    def get(self, position: int, out: FloatArray) -> None:
        """Read into `out` [n, C] from a position; n is at most the capacity."""
        first = position & (self.capacity - 1)
        fitting = min(len(out), self.capacity - first)
        out[:fitting] = self.frames[first : first + fitting]
        if fitting < len(out):
            out[fitting:] = self.frames[: len(out) - fitting]

    def clear(self, position: int, count: int) -> None:
        """Write `count` frames of silence at a position."""
        first = position & (self.capacity - 1)
        fitting = min(count, self.capacity - first)
        self.frames[first : first + fitting] = 0
        self.frames[: count - fitting] = 0


class InputRing(Protocol):
    """A ring that a device or file writes and the engine reads."""

    memory: Memory

    @property
    def written(self) -> int:
        """Frames written since the start."""
        ...

    def advance_read(self, count: int) -> None:
        """Free the oldest `count` frames, which the engine has read."""
        ...


class OutputRing(Protocol):
    """A ring that the engine writes and a device or file reads.

    The reader never waits: the engine keeps silence ahead of it, and overwrites the silence with sound. Any position
    from `read` to `read` + capacity may be written at any time.
    """

    memory: Memory

    @property
    def read(self) -> int:
        """Frames read since the start."""
        ...

    def advance_write(self, count: int) -> None:
        """Let the reader read `count` frames further; they hold silence so far."""
        ...


class PlainInputRing:
    """An input ring for a writer in Python. Only one thread changes each position."""

    def __init__(self, capacity: int, channels: int) -> None:
        self.memory = Memory(capacity, channels)
        self.written = 0
        self.taken = 0

    @property
    def room(self) -> int:
        """Frames that can be written without overwriting unread ones."""
        return self.memory.capacity - (self.written - self.taken)

    def write(self, block: FloatArray) -> None:
        """Writer: append a block [n, C]. A full ring overwrites its oldest frames; the reader detects that."""
        self.memory.put(self.written, block)
        self.written += len(block)

    def advance_read(self, count: int) -> None:
        """Reader: free `count` frames."""
        self.taken += count


class PlainOutputRing:
    """An output ring for a reader in Python. Only one thread changes each position."""

    def __init__(self, capacity: int, channels: int) -> None:
        self.memory = Memory(capacity, channels)
        self.read = 0

    def take(self, out: FloatArray) -> None:
        """Reader: copy the next frames to `out` [n, C]."""
        self.memory.get(self.read, out)
        self.read += len(out)

    def advance_write(self, count: int) -> None:
        """Do nothing: this reader does not check how far the writer is."""


class PortAudioInputRing:
    """An input ring that rtmixer's C callback writes; `handle` is rtmixer's `RingBuffer` on this memory."""

    def __init__(self, ring_buffer: Any, capacity: int, channels: int) -> None:
        self.memory = Memory(capacity, channels)
        self.handle = ring_buffer(4 * channels, buffer=self.memory.frames)
        self._taken = 0

    @property
    def written(self) -> int:
        """Frames written since the start."""
        return self._taken + int(self.handle.read_available)

    def advance_read(self, count: int) -> None:
        """Free `count` frames for the callback."""
        self.handle.advance_read_index(count)
        self._taken += count


class PortAudioOutputRing:
    """An output ring that rtmixer's C callback reads. It starts full of silence and is kept full."""

    def __init__(self, ring_buffer: Any, capacity: int, channels: int) -> None:
        self.memory = Memory(capacity, channels)
        self.handle = ring_buffer(4 * channels, buffer=self.memory.frames)
        self.handle.advance_write_index(capacity)
        self._allowed = capacity

    @property
    def read(self) -> int:
        """Frames read since the start."""
        return self._allowed - int(self.handle.read_available)

    def advance_write(self, count: int) -> None:
        """Let the callback read `count` frames further."""
        self.handle.advance_write_index(count)
        self._allowed += count
