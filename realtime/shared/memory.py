"""The memory that an engine shares with its front end, in one process or two.

Only the front end writes parameters; only the engine writes telemetry, or its parent once the engine has ended. There
are no locks.
"""

import math
import time
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemlive.realtime.dsp.meters import COLUMN_BINS
from stemlive.realtime.shared import song_requests
from stemlive.realtime.shared.record import SharedRecord
from stemlive.realtime.shared.snapshot import Latency, Snapshot, State
from stemlive.realtime.shared.texts import pack, unpack

MOST_STEMS = 8
COLUMNS = 256
"""Spectrogram columns (one per hop) that are kept: three seconds of `live`."""

_NAMES_BYTES, _MESSAGE_BYTES = 256, 512
_PARAMETERS = np.dtype(
    [
        ("gains", "f4", MOST_STEMS),
        ("pans", "f4", MOST_STEMS),
        ("cue_gains", "f4", MOST_STEMS),
        ("master", "f4"),
        ("microphone_gain", "f4"),
        ("microphone_reverb", "f4"),
        ("guide", "f4"),
        ("key", "f4"),
        ("sync_ms", "f4"),
        ("howling_guard", "u1"),
        ("bypass", "u1"),
        ("stop", "u1"),
        ("playing", "u1"),
        ("seeks", "i8"),
        ("seek_s", "f8"),
        ("seek_song", "i8"),
        ("loop_from_s", "f8"),
        ("loop_to_s", "f8"),
        ("loop_song", "i8"),
        ("tempos", "i8"),
        ("tempo_percent", "f8"),
        ("tempo_song", "i8"),
        ("round_percent", "f8"),
        ("round_most_percent", "f8"),
        ("count_beats", "i8"),
        ("count_bpm", "f8"),
        *song_requests.FIELDS,
    ],
    align=True,
)
_TELEMETRY = np.dtype(
    [
        ("state", "i4"),
        ("message", f"S{_MESSAGE_BYTES}"),
        ("note", f"S{_MESSAGE_BYTES}"),
        ("trouble", f"S{_MESSAGE_BYTES}"),
        ("terms", f"S{_MESSAGE_BYTES}"),
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
        ("hop_s", "f8"),
        ("song_s", "f8"),
        ("song_at_s", "f8"),
        ("song_speed", "f4"),
        ("song_length_s", "f8"),
        ("song_ended", "?"),
        ("song_beat", "i8"),
        ("song_seeks", "i8"),
        ("song_tempos", "i8"),
        ("song_tempo_percent", "f4"),
        ("song_number", "i8"),
        ("song_failed", "i8"),
        ("song_problem", f"S{_MESSAGE_BYTES}"),
        ("microphone_peak", "f4"),
        ("microphone_rms", "f4"),
        ("microphone_samples", "i8"),
        ("microphone_late", "i8"),
        ("microphone_howls", "i8"),
        ("microphone_guard_db", "f4"),
        ("microphone_howl_hz", "f4"),
    ],
    align=True,
)
_SINGLE = np.dtype([("alive_s", "f8"), ("patience_s", "f8"), ("columns", "i8")], align=True)
_TEXTS = ("message", "note", "trouble", "terms", "mode", "song_problem")


class EngineMemory:
    """Parameters, telemetry and spectrogram columns in one buffer of `SIZE` bytes.

    `parameters` holds linear gains, switches and song requests. Each is one aligned number, and the newest value wins.
    `telemetry` is the engine's draft of what it reports: readers see it after `publish`, all of it at once.
    `single` holds numbers that readers see at once, each by itself.
    `columns` is uint8 [COLUMNS, lanes, COLUMN_BINS], a ring: column number k is at k % COLUMNS.
    """

    LANES = MOST_STEMS + 2
    _ENDS = tuple(
        int(end)
        for end in np.cumsum(
            [size + 63 & ~63 for size in (_PARAMETERS.itemsize, _SINGLE.itemsize, SharedRecord.size(_TELEMETRY))]
        )
    )
    SIZE = _ENDS[-1] + COLUMNS * LANES * COLUMN_BINS

    def __init__(self, buffer: Any) -> None:
        initial = np.zeros((), _TELEMETRY)
        initial["latency"] = (44100, 0, 0, 0, 0, 0, 0)
        initial["song_tempo_percent"] = 100.0
        self._record = SharedRecord(_TELEMETRY, buffer, self._ENDS[1], initial)
        self._map(buffer)

    def _map(self, buffer: Any) -> None:
        self._buffer = buffer
        self.parameters: Any = np.ndarray((), _PARAMETERS, buffer)
        self.single: Any = np.ndarray((), _SINGLE, buffer, self._ENDS[0])
        shape = (COLUMNS, self.LANES, COLUMN_BINS)
        self.columns: NDArray[np.uint8] = np.ndarray(shape, np.uint8, buffer, self._ENDS[2])

    @classmethod
    def local(cls) -> "EngineMemory":
        """Return a memory that is private to this process."""
        memory = cls(bytearray(cls.SIZE))
        memory.parameters["master"] = 1.0
        return memory

    def detach(self) -> None:
        """Switch to a private copy, so that the shared memory can be closed. Other threads may read meanwhile."""
        own = bytearray(self._buffer[: self.SIZE])
        self._record.map(own, self._ENDS[1])
        self._map(own)

    @property
    def telemetry(self) -> Any:
        """Engine: what the next `publish` will show."""
        return self._record.draft

    def publish(self) -> None:
        """Engine, one thread at a time: show readers all of `telemetry`, and record a heartbeat."""
        self.beat()
        self._record.publish()

    def take_over(self) -> None:
        """Parent of an engine that has ended: become the writer, starting from what the engine published last."""
        self._record.take_over()

    def beat(self) -> None:
        """Engine: record a heartbeat."""
        self.single["alive_s"] = time.monotonic()

    def expect(self, patience_s: float) -> None:
        """Engine: announce the longest time between heartbeats from now on."""
        self.single["patience_s"] = patience_s
        self.beat()

    def set_state(self, state: State, message: str = "") -> None:
        """Engine: publish the state and the reason for it."""
        self.telemetry["state"] = state
        self.telemetry["message"] = pack(message, _MESSAGE_BYTES)
        self.publish()

    def set_note(self, note: str) -> None:
        """Engine: publish what the user should know of the source."""
        self.telemetry["note"] = pack(note, _MESSAGE_BYTES)
        self.publish()

    def set_terms(self, terms: str) -> None:
        """Engine: publish the conditions on using the model."""
        self.telemetry["terms"] = pack(terms, _MESSAGE_BYTES)
        self.publish()

    def set_trouble(self, trouble: str) -> None:
        """Engine: set what has failed while the sound goes on, for the next `publish`."""
        self.telemetry["trouble"] = pack(trouble, _MESSAGE_BYTES)

    def set_latency(self, latency: Latency) -> None:
        """Engine: set the parts of the latency, for the next `publish`."""
        self.telemetry["latency"] = [getattr(latency, field.name) for field in fields(Latency)]

    def set_mode(self, mode: str) -> None:
        """Engine: set where the model runs, for the next `publish`."""
        self.telemetry["mode"] = mode.encode()

    def set_stems(self, stems: tuple[str, ...]) -> None:
        """Engine: set the stems, in the order of the gains, for the next `publish`."""
        self.telemetry["stems"] = " ".join(stems).encode()

    def add_column(self, column: NDArray[np.uint8]) -> None:
        """Engine: append a spectrogram column [lanes, COLUMN_BINS]."""
        number = int(self.single["columns"])
        self.columns[number % COLUMNS, : len(column)] = column
        self.single["columns"] = number + 1

    def set_song_problem(self, number: int, problem: str) -> None:
        """Engine: set which song could not be opened or read on, and why, for the next `publish`."""
        self.telemetry["song_problem"] = pack(problem, _MESSAGE_BYTES)
        self.telemetry["song_failed"] = number

    @property
    def song_number(self) -> int:
        """Number of the song that is heard."""
        return int(self._record.read()["song_number"])

    def tempo_percent_of(self, song: int) -> float:
        """Reader: the tempo of a song that is heard, or was requested for it and is not heard yet."""
        record, parameters = self._record.read(), self.parameters
        if int(parameters["tempo_song"]) == song and int(record["song_tempos"]) != int(parameters["tempos"]):
            return float(parameters["tempo_percent"])
        return float(record["song_tempo_percent"]) if int(record["song_number"]) == song else 100.0

    @property
    def state(self) -> State:
        """The engine's state."""
        return State(int(self._record.read()["state"]))

    def snapshot(self, *, restarts: int = 0, reconnects: int = 0) -> Snapshot:
        """Reader: return a consistent copy of the telemetry."""
        record = self._record.read()
        stems = tuple(record["stems"].item().decode().split())
        lists = ("stem_peak", "stem_rms")
        values: dict[str, Any] = {name: tuple(float(level) for level in record[name][: len(stems)]) for name in lists}
        for field in fields(Snapshot):
            if field.name in (_TELEMETRY.names or ()) and field.name not in ("state", "latency", "stems", *lists):
                value = record[field.name].item()
                values[field.name] = unpack(value) if field.name in _TEXTS else value
        return Snapshot(
            **values,
            state=State(int(record["state"])),
            stems=stems,
            latency=Latency(*(int(value) for value in record["latency"])),
            restarts=restarts,
            reconnects=reconnects,
        )

    def columns_since(self, number: int) -> tuple[int, NDArray[np.uint8]]:
        """Reader: return the count of columns so far, and those from `number` on that are still kept [n, lanes, bins].

        Lanes are the stems before their gains, the input and the mix. Values are levels from -90 dB (0) to 0 dB (255)
        of full scale.
        """
        newest = int(self.single["columns"])
        # The engine may be overwriting the oldest one.
        first = max(number, newest - COLUMNS + 2, 0)
        lanes = len(self._record.read()["stems"].item().split()) + 2
        return newest, self.columns[np.arange(first, newest) % COLUMNS, :lanes]


def decibels(level: float) -> float:
    """Return a linear level in dB; -inf for silence."""
    return 20 * math.log10(level) if level > 0 else -math.inf
