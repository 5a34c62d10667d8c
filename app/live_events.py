"""Events of a live run: as sentences for people, and as JSON for programs, one object per line (see docs/json.md)."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stemlive.realtime.control.controls import Controls
    from stemlive.realtime.control.song_queue import SongQueue
    from stemlive.realtime.recording.recorder import Recorder, Recording
    from stemlive.realtime.shared.snapshot import Snapshot

_PREFIX = "microphone_"
_LOST = ("device lost", "reconnecting")


@dataclass(frozen=True)
class Moment:
    """Everything that can change, at one moment."""

    engine: "Snapshot"
    controls: dict[str, Any]
    recording: "Recording | None"

    @classmethod
    def of(cls, engine: "Snapshot", controls: "Controls", recorder: "Recorder | None") -> "Moment":
        """Record the current moment."""
        settings: dict[str, Any] = {
            "gains_db": {stem: _finite(gain) for stem, gain in controls.gains_db.items()},
            "muted": sorted(controls.muted),
            "soloed": sorted(controls.soloed),
            "bypass": controls.bypass,
            "semitones": controls.semitones,
            "tempo_percent": controls.song.tempo_percent,
            "microphone_gain_db": _finite(controls.microphone_gain_db),
            "microphone_reverb": controls.microphone_reverb,
            "guide_db": _finite(controls.guide_db),
            "sync_ms": controls.sync_ms,
        }
        return cls(engine, _with_old_names(settings), None if recorder is None else recorder.status())

    def after(self, before: "Moment") -> "Moment":
        """Return this moment; an engine that restarts to reconnect counts as still reconnecting."""
        if self.engine.state.label != "starting" or before.engine.state.label not in _LOST:
            return self
        return replace(self, engine=replace(self.engine, state=before.engine.state, message=before.engine.message))


@dataclass(frozen=True)
class Event:
    """Something that happened. `text` is empty if people see it elsewhere."""

    name: str
    values: dict[str, Any]
    text: str = ""
    urgent: bool = False
    """Whether the text is shown even with --quiet."""


def changes(before: Moment, now: Moment, *, ended: bool = False) -> Iterator[Event]:
    """Yield the events between two moments; with `ended`, also those for what was still running."""
    old, new = before.engine, now.engine
    if old.state != new.state:
        values = {"state": new.state.label, "message": new.message}
        text = f"{new.state.label}: {new.message}" if new.message else ""
        lost, was_lost = (moment.state.label in _LOST for moment in (new, old))
        if lost and not was_lost:
            restarted = new.restarts > old.restarts
            yield Event("engine lost" if restarted else "device lost", values, text, urgent=True)
        elif was_lost and new.state.label == "running":
            yield Event("running again", values, "sound runs again", urgent=True)
        elif text:
            yield Event("state", values, text, urgent=True)
    if new.trouble and new.trouble != old.trouble:
        yield Event("trouble", {"message": new.trouble}, new.trouble, urgent=True)
    counts = ("late_hops", "input_overflows", "output_underflows", "microphone_late")
    if any(getattr(new, name) > getattr(old, name) for name in counts):
        values = {name: getattr(new, name) for name in counts} | {"dropouts": new.dropouts}
        yield Event("dropout", _with_old_names(values))
    if before.controls != now.controls:
        changed = {name: value for name, value in now.controls.items() if value != before.controls[name]}
        yield Event("control changed", changed)
    if before.recording is not None and now.recording is not None:
        yield from _recorded(before.recording, now.recording, ended=ended)


def song_begins(queue: "SongQueue") -> Event:
    """Return the event that another song of a queue is on."""
    assert queue.song is not None
    place, count = queue.index + 1, len(queue.songs)
    values = {"title": queue.song.title, "path": str(queue.song.path), "place": place, "count": count}
    return Event("song", values, f"{place} of {count}: {queue.song.title}")


def _recorded(old: "Recording", new: "Recording", *, ended: bool) -> Iterator[Event]:
    values = {"folder": new.folder, "seconds": round(new.seconds, 3), "lost_blocks": new.lost_blocks}
    if new.takes > old.takes:
        yield Event("recording", values, f"recording to {new.folder}")
    if new.problem and new.problem != old.problem:
        yield Event(
            "recording stopped", values | {"problem": new.problem}, f"recording stopped: {new.problem}", urgent=True
        )
    elif new.takes and ((old.on and not new.on) or (new.on and ended)):
        yield Event("recording stopped", values, recorded_text(new), urgent=bool(new.lost_blocks))


def recorded_text(recording: "Recording") -> str:
    """Return one line on what was recorded, and on losses."""
    text = f"recorded {recording.seconds:.1f} s in {recording.folder}"
    if recording.lost_blocks:
        text += f"; {recording.lost_blocks} blocks were lost to a slow disk and are silent"
    if recording.clipped_samples:
        text += f"; {recording.clipped_samples} samples were louder than full scale and are clipped: wav keeps them"
    return text


def levels(now: "Snapshot") -> dict[str, Any]:
    """Return levels in dB (None for silence), load and counts, for JSON."""
    from stemlive.realtime.shared.memory import decibels

    values = {
        "input_db": _finite(decibels(now.input_rms)),
        "mix_db": _finite(decibels(now.mix_rms)),
        "stems_db": {s: _finite(decibels(rms)) for s, rms in zip(now.stems, now.stem_rms, strict=True)},
        "microphone_db": _finite(decibels(now.microphone_peak)),
        "latency_ms": round(now.latency.ms(now.latency.total), 3),
        "load": round(now.load, 4),
        "dropouts": now.dropouts,
    }
    return _with_old_names(values)


def started(now: "Snapshot") -> dict[str, Any]:
    """Return what does not change while an engine runs, for JSON."""
    latency = now.latency
    parts = ("device_in", "framing", "queue", "key", "device_out", "sync", "total")
    values = {
        "mode": now.mode,
        "stems": list(now.stems),
        "sample_rate_hz": latency.sample_rate_hz,
        "latency_ms": {part: round(latency.ms(getattr(latency, part)), 3) for part in parts},
        "microphone_latency_ms": round(latency.ms(now.microphone_samples), 3) if now.microphone_samples else None,
    }
    return _with_old_names(values)


class EventWriter:
    """Writes events to a stream, one JSON object per line, each flushed at once."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def write(self, name: str, stream_s: float, values: dict[str, Any]) -> None:
        """Write one event with its stream time. BrokenPipeError when the reader has closed the stream."""
        self._stream.write(json.dumps({"event": name, "stream_s": round(stream_s, 3)} | values, allow_nan=False) + "\n")
        self._stream.flush()


def _with_old_names(values: dict[str, Any]) -> dict[str, Any]:
    """Repeat values called `microphone_...` under their old names `monitor_...`, for existing programs."""
    old = {f"monitor_{name.removeprefix(_PREFIX)}": value for name, value in values.items() if name.startswith(_PREFIX)}
    return values | old


def _finite(number: float) -> float | None:
    return round(number, 2) if math.isfinite(number) else None
