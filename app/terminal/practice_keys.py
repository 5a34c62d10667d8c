"""What the keys for practising do."""

from stemlive.clock import clock
from stemlive.errors import StemliveError, UsageError
from stemlive.terminal.desk import Desk

TEMPO_STEP = 5.0


def move_tempo(desk: Desk, step_percent: float | None) -> None:
    """Move the tempo by a step, or back to the song's own with None."""
    from stemlive.realtime.audio_files.tempo import LEAST_TEMPO_PERCENT, MOST_TEMPO_PERCENT

    song, percent = desk.controls.song, 100.0
    if step_percent is not None:
        percent = TEMPO_STEP * round(song.tempo_percent / TEMPO_STEP) + step_percent
    percent = min(MOST_TEMPO_PERCENT, max(LEAST_TEMPO_PERCENT, percent))
    try:
        song.set_tempo_percent(percent)
    except StemliveError as error:
        desk.notes.append(str(error))
        return
    desk.notes.append(f"tempo {percent:.0f} %")


def step_loop(desk: Desk) -> None:
    """Begin a loop here, at the next press end it here, at the one after it play without."""
    assert desk.song_at is not None
    song, here_s = desk.controls.song, desk.song_at()
    if song.loop is not None:
        song.set_loop(None)
        desk.notes.append("no loop")
    elif desk.loop_from_s is None:
        desk.loop_from_s = here_s
        desk.notes.append(f"loop from {clock(here_s)}: l again where it shall end")
    else:
        first_s, desk.loop_from_s = desk.loop_from_s, None
        try:
            song.set_loop((first_s, here_s))
        except UsageError as error:
            desk.notes.append(str(error))
        else:
            desk.notes.append(f"loop {clock(first_s)} to {clock(here_s)}")
