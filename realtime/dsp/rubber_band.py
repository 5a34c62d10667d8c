"""Bindings for Rubber Band, a library for pitch and tempo in real time: the part of its C interface used here.

It is a system library, not a Python package (Debian: librubberband2, Homebrew: rubberband). It is under the GPL and is
loaded only when a key or a tempo is changed.
"""

import ctypes
import ctypes.util
import sys
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemlive.errors import StemliveError

FloatArray = NDArray[np.float32]

_NAMES = {"darwin": ("librubberband.2.dylib",), "win32": ("rubberband.dll", "rubberband-2.dll")}
# From rubberband-c.h. The R3 engine is within a few hundredths of a cent of the requested pitch, R2 up to thirty cents
# off on a single tone. R3's short window halves the delay.
_REAL_TIME, _THREADING_NEVER, _WINDOW_SHORT = 0x1, 0x10000, 0x100000
_PITCH_HIGH_CONSISTENCY, _CHANNELS_TOGETHER, _ENGINE_FINER = 0x4000000, 0x10000000, 0x20000000
_OPTIONS = _REAL_TIME | _THREADING_NEVER | _CHANNELS_TOGETHER | _ENGINE_FINER
_PITCH_OPTIONS = _OPTIONS | _WINDOW_SHORT | _PITCH_HIGH_CONSISTENCY

_PIECE = 64
"""Samples per call of the library, whose output depends slightly on how the sound is cut."""
_SPARE_SAMPLES = 2 * _PIECE + 16
"""Beyond two windows, the library held up to 73 samples (measured from 8 to 192 kHz); up to a piece waits for it."""
_LOWEST_RATE_HZ, _HIGHEST_RATE_HZ = 8000, 192000


@cache
def rubber_band() -> ctypes.CDLL:
    """Load the library. StemliveError, with the remedy, when it is missing or older than version 3."""
    found = ctypes.util.find_library("rubberband")
    for name in (*_NAMES.get(sys.platform, ("librubberband.so.2",)), *((found,) if found else ())):
        try:
            library = ctypes.CDLL(name)
        except OSError:
            continue
        if hasattr(library, "rubberband_get_engine_version"):
            return _declared(library)
    raise StemliveError(
        "another key or tempo needs the library Rubber Band, version 3 or newer: "
        "apt-get install librubberband2, or brew install rubberband"
    )


class _Stream:
    """One stream of the library. StemliveError as in `rubber_band`."""

    def __init__(self, sample_rate_hz: int, channels: int, longest_block: int, options: int) -> None:
        self._library = rubber_band()
        # The library chooses its window by the rate, and complains of others on standard error.
        rate_hz = min(max(sample_rate_hz, _LOWEST_RATE_HZ), _HIGHEST_RATE_HZ)
        self._state = self._library.rubberband_new(rate_hz, channels, options, 1.0, 1.0)
        self.pad_samples = int(self._library.rubberband_get_preferred_start_pad(self._state))
        """What it needs before the first sample."""
        longest = max(longest_block, self.pad_samples)
        self._library.rubberband_set_max_process_size(self._state, longest)
        self._planes = np.zeros((channels, longest), np.float32)
        self._pointers = (ctypes.c_void_p * channels)(*(plane.ctypes.data for plane in self._planes))
        self._to_drop = 0

    @property
    def ready_samples(self) -> int:
        """Samples that can be read now."""
        return 0 if self._to_drop else self._available()

    def read(self, out: FloatArray) -> None:
        """Copy the next samples to `out` [n, C]; n is at most `ready_samples`."""
        assert self.ready_samples >= len(out), f"{self.ready_samples} samples of {len(out)}"
        count = self._retrieve(len(out))
        out[:] = self._planes[:, :count].T

    def _drop(self) -> None:
        dropped = min(self._to_drop, self._available(), self._planes.shape[1])
        if dropped:
            self._to_drop -= self._retrieve(dropped)

    def _available(self) -> int:
        return max(0, int(self._library.rubberband_available(self._state)))

    def _retrieve(self, count: int) -> int:
        return int(self._library.rubberband_retrieve(self._state, self._pointers, count))

    def __del__(self) -> None:
        state = getattr(self, "_state", None)
        if state:
            self._library.rubberband_delete(state)


class Stretcher(_Stream):
    """Shifts the pitch of a stream, keeping its length. One thread at a time; StemliveError as in `rubber_band`.

    Output sample k is input sample k, shifted, `shift_samples` later. It is available once `held_samples` more were
    written, however the input is cut and the pitch changes.
    """

    def __init__(self, sample_rate_hz: int, channels: int, longest_block: int) -> None:
        super().__init__(sample_rate_hz, channels, max(longest_block, _PIECE), _PITCH_OPTIONS)
        self.held_samples = 2 * self.pad_samples + _SPARE_SAMPLES
        self._usual_delay = int(self._library.rubberband_get_start_delay(self._state))
        self._piece = np.zeros((channels, _PIECE), np.float32)
        self._piece_pointers = (ctypes.c_void_p * channels)(*(plane.ctypes.data for plane in self._piece))
        self._waiting = 0
        self.reset()

    @property
    def delay_samples(self) -> int:
        """Delay from input to output at the current pitch."""
        return self.held_samples + self.shift_samples

    @property
    def shift_samples(self) -> int:
        """Delay relative to the unshifted pitch; negative for a higher pitch."""
        return int(self._library.rubberband_get_start_delay(self._state)) - self._usual_delay

    def reset(self) -> None:
        """Return to the state before the first sample, at the original pitch."""
        self._library.rubberband_reset(self._state)
        self._library.rubberband_set_pitch_scale(self._state, 1.0)
        self._planes[:] = 0
        self._library.rubberband_process(self._state, self._pointers, self.pad_samples, 0)
        self._waiting, self._to_drop = 0, self._usual_delay

    def set_semitones(self, semitones: float) -> None:
        """Change the pitch for what is written from now on, without a gap."""
        self._library.rubberband_set_pitch_scale(self._state, 2.0 ** (semitones / 12))

    def write(self, block: FloatArray) -> None:
        """Take a block [n, C]."""
        first = 0
        while first < len(block):
            last = min(len(block), first + _PIECE - self._waiting)
            self._piece[:, self._waiting : self._waiting + last - first] = block[first:last].T
            self._waiting, first = self._waiting + last - first, last
            if self._waiting == _PIECE:
                self._library.rubberband_process(self._state, self._piece_pointers, _PIECE, 0)
                self._waiting = 0
        self._drop()


class TimeStretcher(_Stream):
    """Makes a stream so many times as long, keeping its pitch. One thread; StemliveError as in `rubber_band`.

    First write the `pad_samples` that precede sample 0, which is then the first to come out. For another place or ratio
    make another: the library keeps phases beyond a reset, and a change of the ratio moves what comes out by tens of ms.
    It has the long window, as there is time.
    """

    def __init__(self, sample_rate_hz: int, channels: int, longest_block: int, ratio: float) -> None:
        super().__init__(sample_rate_hz, channels, longest_block, _OPTIONS)
        self._library.rubberband_set_time_ratio(self._state, ratio)
        self._to_drop = int(self._library.rubberband_get_start_delay(self._state))

    def write(self, block: FloatArray) -> None:
        """Take a block [n, C], as long as the longest or the pad at most."""
        self._planes[:, : len(block)] = block.T
        self._library.rubberband_process(self._state, self._pointers, len(block), 0)
        self._drop()


def _declared(library: ctypes.CDLL) -> ctypes.CDLL:
    """Declare the functions' argument and result types for ctypes."""
    state, pointer, count = ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint
    declarations: dict[str, tuple[Any, list[Any]]] = {
        "new": (state, [count, count, ctypes.c_int, ctypes.c_double, ctypes.c_double]),
        "delete": (None, [state]),
        "reset": (None, [state]),
        "set_max_process_size": (None, [state, count]),
        "set_pitch_scale": (None, [state, ctypes.c_double]),
        "set_time_ratio": (None, [state, ctypes.c_double]),
        "get_preferred_start_pad": (count, [state]),
        "get_start_delay": (count, [state]),
        "available": (ctypes.c_int, [state]),
        "process": (None, [state, pointer, count, ctypes.c_int]),
        "retrieve": (count, [state, pointer, count]),
    }
    for name, (result, arguments) in declarations.items():
        function = getattr(library, f"rubberband_{name}")
        function.restype, function.argtypes = result, arguments
    return library
