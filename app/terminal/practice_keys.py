"""What the keys for practising do."""

from stemlive.errors import StemliveError
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
