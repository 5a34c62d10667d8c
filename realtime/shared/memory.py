"""The memory that an engine shares with its front end, in one process or two.

Only the front end writes parameters and only the engine writes telemetry; there are no locks.
"""

import math
import time
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemlive.realtime.dsp.meters import COLUMN_BINS
from stemlive.realtime.shared.snapshot import Latency, Snapshot, State

MOST_STEMS = 8
COLUMNS = 256
"""Spectrogram columns (one per hop) that are kept: three seconds of `live`."""

_NAMES_BYTES, _MESSAGE_BYTES = 256, 512
_PARAMETERS = np.dtype(
    [
        ("gains", "f4", MOST_STEMS),
        ("pans", "f4", MOST_STEMS),
        ("master", "f4"),
        ("microphone_gain", "f4"),
        ("microphone_reverb", "f4"),
        ("key", "f4"),
        ("bypass", "u1"),
        ("stop", "u1"),
        ("playing", "u1"),
        ("seeks", "i8"),
        ("seek_s", "f8"),
        ("loop_from_s", "f8"),
        ("loop_to_s", "f8"),
    ],
    align=True,
)
_TELEMETRY = np.dtype(
    [
        ("sequence", "i8"),
        ("alive_s", "f8"),
        ("patience_s", "f8"),
        ("state", "i4"),
        ("message", f"S{_MESSAGE_BYTES}"),
        ("note", f"S{_MESSAGE_BYTES}"),
        ("mode", "S16"),
        ("stems", f"S{_NAMES_BYTES}"),
        ("stream_s", "f8"),
        ("input_peak", "f4"),
        ("input_rms", "f4"),
        ("mix_peak", "f4"),
        ("mix_rms", "f4"),
        ("stem_peak", "f4", MOST_STEMS),
        ("stem_rms", "f4", MOST_STEMS),
        ("load", "f4"),
        ("worst_hop_ms", "f4"),
        ("latency", "i8", len(fields(Latency))),
        ("hops", "i8"),
        ("late_hops", "i8"),
        ("input_overflows", "i8"),
        ("output_underflows", "i8"),
        ("bad_samples", "i8"),
        ("bad_frames", "i8"),
        ("worst_callback_ms", "f4"),
        ("lead_samples", "i8"),
        ("lowest_lead_samples", "i8"),
        ("drift_ppm", "f4"),
        ("reconnects", "i8"),
        ("hop_s", "f8"),
        ("song_s", "f8"),
        ("song_length_s", "f8"),
        ("song_ended", "?"),
        ("song_seeks", "i8"),
        ("microphone_peak", "f4"),
        ("microphone_rms", "f4"),
        ("microphone_samples", "i8"),
        ("microphone_late", "i8"),
        ("columns", "i8"),
    ],
    align=True,
)
_TEXTS = ("message", "note", "mode")


class EngineMemory:
    """Parameters, telemetry and spectrogram columns in one buffer of `SIZE` bytes.

    `parameters` holds linear gains, switches and song requests. Each is one aligned number, and the newest value wins.
    `telemetry` is written between `begin` and `end`, so that a reader can detect a half-written record.
    `columns` is uint8 [COLUMNS, lanes, COLUMN_BINS], a ring: column number k is at k % COLUMNS.
    """

    LANES = MOST_STEMS + 2
    SIZE = _PARAMETERS.itemsize + _TELEMETRY.itemsize + COLUMNS * LANES * COLUMN_BINS + 128

    def __init__(self, buffer: Any) -> None:
        self._map(buffer)
        if not self.telemetry["latency"][0]:
            self.telemetry["latency"] = (44100, 0, 0, 0, 0, 0)

    def _map(self, buffer: Any) -> None:
        self._buffer = buffer
        ends = np.cumsum([0, _PARAMETERS.itemsize + 63 & ~63, _TELEMETRY.itemsize + 63 & ~63])
        self.parameters: Any = np.ndarray((), _PARAMETERS, buffer, int(ends[0]))
        self.telemetry: Any = np.ndarray((), _TELEMETRY, buffer, int(ends[1]))
        shape = (COLUMNS, self.LANES, COLUMN_BINS)
        self.columns: NDArray[np.uint8] = np.ndarray(shape, np.uint8, buffer, int(ends[2]))

    @classmethod
    def local(cls) -> "EngineMemory":
        """Return a memory that is private to this process."""
        memory = cls(bytearray(cls.SIZE))
        memory.parameters["master"] = 1.0
        return memory

    def detach(self) -> None:
        """Switch to a private copy, so that the shared memory can be closed. Other threads may read meanwhile."""
        self._map(bytearray(self._buffer[: self.SIZE]))

    def beat(self) -> None:
        """Engine: record a heartbeat."""
        self.telemetry["alive_s"] = time.monotonic()

    def expect(self, patience_s: float) -> None:
        """Engine: announce the longest time between heartbeats from now on."""
        self.telemetry["patience_s"] = patience_s
        self.beat()

    def begin(self) -> None:
        """Engine: start changing telemetry."""
        self.telemetry["sequence"] += 1

    def end(self) -> None:
        """Engine: telemetry is consistent again."""
        self.telemetry["alive_s"] = time.monotonic()
        self.telemetry["sequence"] += 1

    def set_state(self, state: State, message: str = "") -> None:
        """Engine: publish the state and the reason for it."""
        self.begin()
        self.telemetry["state"] = state
        self.telemetry["message"] = _fitting(message)
        self.end()

    def set_note(self, note: str) -> None:
        """Engine: say what the user should know of the source."""
        self.begin()
        self.telemetry["note"] = _fitting(note)
        self.end()

    def set_latency(self, latency: Latency) -> None:
        """Engine: publish the parts of the latency."""
        self.begin()
        self.telemetry["latency"] = [getattr(latency, field.name) for field in fields(Latency)]
        self.end()

    def set_mode(self, mode: str) -> None:
        """Engine: publish where the model runs."""
        self.telemetry["mode"] = mode.encode()

    def set_stems(self, stems: tuple[str, ...]) -> None:
        """Engine: publish the stems, in the order of the gains."""
        self.begin()
        self.telemetry["stems"] = " ".join(stems).encode()
        self.end()

    def add_column(self, column: NDArray[np.uint8]) -> None:
        """Engine: append a spectrogram column [lanes, COLUMN_BINS]."""
        number = int(self.telemetry["columns"])
        self.columns[number % COLUMNS, : len(column)] = column
        self.telemetry["columns"] = number + 1

    @property
    def state(self) -> State:
        """The engine's state."""
        return State(int(self.telemetry["state"]))

    def snapshot(self, *, restarts: int = 0) -> Snapshot:
        """Reader: return a consistent copy of the telemetry."""
        record = self._whole_record()
        stems = tuple(record["stems"].item().decode().split())
        lists = ("stem_peak", "stem_rms")
        values: dict[str, Any] = {name: tuple(float(level) for level in record[name][: len(stems)]) for name in lists}
        for field in fields(Snapshot):
            if field.name in (_TELEMETRY.names or ()) and field.name not in ("state", "latency", "stems", *lists):
                value = record[field.name].item()
                values[field.name] = value.decode(errors="surrogateescape") if field.name in _TEXTS else value
        return Snapshot(
            **values,
            state=State(int(record["state"])),
            stems=stems,
            latency=Latency(*(int(value) for value in record["latency"])),
            restarts=restarts,
        )

    def columns_since(self, number: int) -> tuple[int, NDArray[np.uint8]]:
        """Reader: return the count of columns so far, and those from `number` on that are still kept [n, lanes, bins].

        Lanes are the stems before their gains, the input and the mix. Values are levels from -90 dB (0) to 0 dB (255)
        of full scale.
        """
        newest = int(self.telemetry["columns"])
        # The engine may be overwriting the oldest one.
        first = max(number, newest - COLUMNS + 2, 0)
        lanes = len(self.telemetry["stems"].item().split()) + 2
        return newest, self.columns[np.arange(first, newest) % COLUMNS, :lanes]

    def _whole_record(self) -> Any:
        deadline = time.monotonic() + 0.1
        while True:
            before = int(self.telemetry["sequence"])
            record = self.telemetry.copy()
            # A writer that died within a change leaves an odd number for ever.
            if (before % 2 == 0 and before == int(self.telemetry["sequence"])) or time.monotonic() > deadline:
                return record
            time.sleep(0)


def _fitting(text: str) -> bytes:
    """As much of a text as there is room for; names of files may hold bytes that are no text."""
    while len(data := text.encode(errors="surrogateescape")) > _MESSAGE_BYTES:
        text = text[:-1]
    return data


def decibels(level: float) -> float:
    """Return a linear level in dB; -inf for silence."""
    return 20 * math.log10(level) if level > 0 else -math.inf
