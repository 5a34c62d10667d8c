"""The status line of a running engine: place, levels, load, latency and dropouts, as much as fits the terminal."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from stemlive.clock import clock

if TYPE_CHECKING:
    from stemlive.realtime.control.controls import Controls
    from stemlive.realtime.recording.recorder import Recording
    from stemlive.realtime.shared.snapshot import Snapshot

_RANGE_DB = 48.0
_TROUBLE_CELLS = 40
_TOLD_DB = 0.5
_EIGHTHS = " ▏▎▍▌▋▊▉█"
# Cells of a bar, letters of a stem's name, whether to show decibels, whether to show the parts of the latency.
_LAYOUTS = (
    (8, 9, True, True),
    (6, 9, True, True),
    (6, 9, False, True),
    (5, 6, False, False),
    (4, 6, False, False),
    (4, 4, False, False),
    (3, 3, False, False),
    (2, 2, False, False),
    (1, 1, False, False),
    (0, 1, False, False),
)


def status_line(
    now: "Snapshot",
    controls: "Controls",
    *,
    selected: int | None = None,
    recording: "Recording | None" = None,
    width: int = 10_000,
    unicode: bool = True,
) -> str:
    """Return the most detailed line that fits `width` columns; if none fits, the shortest is truncated."""
    line = ""
    for layout in _LAYOUTS:
        # Without room for decibels, there is none for double spaces.
        between = "  " if layout[2] else " "
        line = between.join(_parts(now, controls, layout, selected, recording, unicode))
        if len(line) <= width:
            return line
    return line[:width]


def _parts(
    now: "Snapshot",
    controls: "Controls",
    layout: tuple[int, int, bool, bool],
    selected: int | None,
    recording: "Recording | None",
    unicode: bool,
) -> Iterator[str]:
    from stemlive.realtime.shared.memory import decibels

    cells, letters, with_db, with_parts = layout
    yield f"{clock(now.song_s)}/{clock(now.song_length_s)}" if now.song_length_s else clock(now.stream_s)
    if now.state.label != "running":
        yield f"{now.state.label}: {now.message}" if now.message else now.state.label
        return
    if now.trouble:
        yield f"FAULT: {now.trouble[:_TROUBLE_CELLS]}"
    if now.song_length_s and not controls.song.playing:
        yield "PAUSED"
    if now.song_beat:
        yield f"COUNT-IN {now.song_beat} of {max(now.song_beat, controls.song.count_in[0])}"
    if recording is not None and recording.on:
        yield f"REC {recording.seconds:.0f} s"
    yield from _changes(now, controls)
    for number, (stem, rms) in enumerate(zip(now.stems, now.stem_rms, strict=True)):
        name = f"{number + 1} {stem[:letters]}"
        name = f">{name}" if number == selected else f" {name}" if with_db else name
        level = f"{max(-99.0, decibels(rms)):4.0f}" if with_db else ""
        drawn = bar(decibels(rms), cells, unicode=unicode)
        yield f"{name}{_setting(controls, stem)}{' ' if cells else ''}{drawn}{level}"
    if with_db:
        yield f"in {max(-99.0, decibels(now.input_rms)):.0f} out {max(-99.0, decibels(now.mix_rms)):.0f} dB"
    yield f"load {100 * now.load:.0f}%"
    latency = now.latency
    total = f"{latency.ms(latency.total):.0f} ms"
    if with_parts:
        parts = [latency.device_in, latency.framing, latency.queue, latency.device_out]
        if latency.key:
            parts.insert(3, latency.key)
        sync = f", {latency.ms(latency.sync):+.0f} sync" if latency.sync else ""
        total += f" (in {'+'.join(f'{latency.ms(part):.0f}' for part in parts)} out{sync})"
    yield total
    if now.microphone_samples:
        guard = f" {now.microphone_guard_db:.0f} dB for howling" if now.microphone_guard_db < -_TOLD_DB else ""
        yield f"microphone {latency.ms(now.microphone_samples):.0f} ms{guard}"
    if with_db or now.dropouts:
        yield f"{now.dropouts} dropouts"


def _changes(now: "Snapshot", controls: "Controls") -> Iterator[str]:
    """Yield what is done to the whole music."""
    if controls.bypass:
        yield "BYPASS"
    if controls.semitones:
        yield f"key {controls.semitones:+d}"
    if now.song_tempo_percent != 100:
        yield f"tempo {now.song_tempo_percent:.0f}%"


def bar(level_db: float, cells: int, *, unicode: bool = True) -> str:
    """Return a bar of so many cells for -48 to 0 dB."""
    share = min(1.0, max(0.0, 1 + level_db / _RANGE_DB))
    if not unicode:
        return ("#" * round(share * cells)).ljust(cells, ".")
    eighths = round(share * cells * 8)
    full, part = divmod(eighths, 8)
    return ("█" * full + (_EIGHTHS[part] if part else "")).ljust(cells)


def _setting(controls: "Controls", stem: str) -> str:
    """Return a stem's settings that differ from the default: M, S, gain; else an empty text."""
    gain_db = controls.gains_db[stem]
    marks = ("M" if stem in controls.muted else "") + ("S" if stem in controls.soloed else "")
    gain = "" if gain_db == 0 else "-inf" if gain_db == -math.inf else f"{gain_db:+.0f}"
    text = ",".join(part for part in (marks, gain) if part)
    return f"[{text}]" if text else ""
