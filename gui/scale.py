"""Decibels on screen: positions of faders and meters, and levels as text."""

import math

import numpy as np

from stemlive.errors import UsageError
from stemlive.realtime.separation.mixer import MAX_GAIN_DB

FADER_MARKS_DB = (12.0, 6.0, 0.0, -6.0, -12.0, -20.0, -30.0, -45.0)
METER_LOWEST_DB = -60.0
_OFF = "-∞"
# Most of the travel covers the range where the ear hears differences, as on a mixing desk.
_LEVELS_DB = (-75.0, -60.0, -45.0, -30.0, -20.0, -12.0, -6.0, 0.0, 6.0, 12.0)
_PLACES = (0.0, 0.04, 0.10, 0.20, 0.33, 0.48, 0.61, 0.75, 0.88, 1.0)


def fader_place(gain_db: float) -> float:
    """Return the position of a fader, 0 (-inf dB) to 1 (+12 dB), for a gain."""
    return 0.0 if gain_db == -math.inf else float(np.interp(gain_db, _LEVELS_DB, _PLACES))


def fader_db(place: float) -> float:
    """Return the gain for a fader's position, in steps of 0.1 dB; position 0 is -inf."""
    return -math.inf if place <= 0 else round(float(np.interp(place, _PLACES, _LEVELS_DB)), 1)


def meter_place(level_db: float) -> float:
    """Return the lit fraction of a meter, 0 (-60 dB or less) to 1 (full scale or more)."""
    return min(1.0, max(0.0, 1 - level_db / METER_LOWEST_DB))


def write_db(gain_db: float) -> str:
    """Return a gain as text: `-∞`, `0.0`, `+3.5`."""
    if gain_db == -math.inf:
        return _OFF
    return f"{gain_db:+.1f}" if abs(gain_db) >= 0.05 else "0.0"


def read_db(text: str) -> float:
    """Parse a gain from text, limited to +12 dB. UsageError when it is not a number."""
    cleaned = text.strip().lower().removesuffix("db").strip().replace(",", ".").replace("\u2212", "-")
    if cleaned in (_OFF, "-inf", "off"):
        return -math.inf
    try:
        gain_db = float(cleaned)
    except ValueError:
        gain_db = math.nan
    if math.isnan(gain_db):
        raise UsageError(f"'{text}' is not a gain: type a number of dB, or -inf")
    return min(gain_db, MAX_GAIN_DB) if gain_db > _LEVELS_DB[0] else -math.inf


def write_time(seconds: float) -> str:
    """Return a time as minutes, seconds and tenths."""
    tenths = max(0, math.floor(seconds * 10 + 1e-6))
    return f"{tenths // 600}:{tenths // 10 % 60:02d}.{tenths % 10}"
