"""Finds the tone of a microphone that hears itself through the loudspeakers, and howls.

A loop rings at one frequency, which the room holds still, and that tone stays or grows. So a frame counts in which one
narrow peak is nearly all there is (against its neighbours, its harmonics and everything else: the ratios PNPR, PHPR and
PTPR of van Waterschoot and Moonen, Fifty years of acoustic feedback control, 2011), and a howl is a row of such frames
whose frequency does not move. What a singer or a flute sounds moves more within a third of a second, or has harmonics.
"""

import math

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]

_FRAME_S = 0.08
_LOWEST_HZ, _HIGHEST_HZ = 180.0, 18000.0
_BESIDE_DB, _HARMONIC_DB, _LEAST_SHARE = 14.0, 20.0, 0.7
_CLIPPED_DB = -9.0
"""A howl that is as loud as that may have harmonics, for something clips."""
_STILL, _LEAST_BINS, _MOST_BINS = 0.0006, 0.03, 0.25
"""How far the frequency may move, of itself, and in bins at least and at most."""
_GROWING_S, _STAYING_S, _LOUD_S = 0.25, 0.7, 0.5
_GROWS_DB, _FALLS_DB = 4.0, 1.5
_GROWING_FROM_DB, _STAYING_FROM_DB, _LOUD_FROM_DB = -45.0, -30.0, -6.0
"""Level of a tone that grows, of one that stays, and of one that stays and is loud; full scale is 0."""


class HowlFinder:
    """Finds the tone of a howl in a microphone's sound, frame by frame. For one thread."""

    def __init__(self, sample_rate_hz: int) -> None:
        self.frame = 1 << round(math.log2(_FRAME_S * sample_rate_hz))
        self.hop = self.frame // 4
        self.hop_s = self.hop / sample_rate_hz
        self._bin_hz = sample_rate_hz / self.frame
        self._first = math.ceil(_LOWEST_HZ / self._bin_hz)
        self._last = min(round(_HIGHEST_HZ / self._bin_hz), self.frame // 2 - 16)
        self._window = np.hanning(self.frame + 1)[:-1].astype(np.float32)
        self._windowed = np.zeros(self.frame, np.float32)
        self._spectrum = np.zeros(self.frame // 2 + 1, np.complex64)
        self._power = np.zeros(self.frame // 2 + 1, np.float32)
        count = round(_STAYING_S / self.hop_s) + 1
        self._bins = np.zeros(count)
        self._levels_db = np.full(count, -math.inf)
        self._tones = 0
        """Frames in a row that are tones at a frequency that does not move."""

    def look(self, samples: FloatArray) -> None:
        """Take the next frame, which begins a hop after the last one."""
        np.multiply(samples, self._window, out=self._windowed)
        np.fft.rfft(self._windowed, out=self._spectrum)  # type: ignore[arg-type]  # complex64, for float32
        np.abs(self._spectrum, out=self._power)
        np.square(self._power, out=self._power)
        peak = self._first + int(np.argmax(self._power[self._first : self._last]))
        place, level_db = self._exactly(peak)
        self._bins[:-1], self._levels_db[:-1] = self._bins[1:], self._levels_db[1:]
        self._bins[-1], self._levels_db[-1] = place, level_db
        self._tones = self._tones + 1 if self._is_tone(peak, level_db) else 0
        limit = min(_MOST_BINS, max(_LEAST_BINS, _STILL * place))
        while self._tones > 1 and np.ptp(self._bins[-min(self._tones, len(self._bins)) :]) > limit:
            self._tones -= 1

    @property
    def howl_hz(self) -> float:
        """Frequency of the howl; 0 while there is none."""
        for row_s, least_db, grows_db in (
            (_GROWING_S, _GROWING_FROM_DB, _GROWS_DB),
            (_LOUD_S, _LOUD_FROM_DB, -_FALLS_DB),
            (_STAYING_S, _STAYING_FROM_DB, -_FALLS_DB),
        ):
            row = round(row_s / self.hop_s)
            level_db = self._levels_db[-1]
            if self._tones >= row and level_db >= least_db and level_db - self._levels_db[-row] >= grows_db:
                return float(self._bins[-1] * self._bin_hz)
        return 0.0

    def level_db(self, hz: float) -> float:
        """Return the level of the tone at a frequency in the last frame."""
        at = round(hz / self._bin_hz)
        return self._decibels(float(self._power[at - 2 : at + 3].max()))

    def forget(self) -> None:
        """Begin anew with the next frame."""
        self._tones = 0

    def _exactly(self, peak: int) -> tuple[float, float]:
        """Return the place of a peak, by a parabola through its logarithm, and its level."""
        before, at, after = (self._decibels(float(self._power[peak + step])) for step in (-1, 0, 1))
        bend = before - 2 * at + after
        aside = 0.5 * (before - after) / bend if bend < 0 else 0.0
        return peak + aside, at - 0.25 * (before - after) * aside

    def _decibels(self, power: float) -> float:
        """Return the level of a sine whose peak has this power; a sine of full scale has 0 dB."""
        return 10 * math.log10(power / (self.frame / 4) ** 2 + 1e-20)

    def _is_tone(self, peak: int, level_db: float) -> bool:
        """Whether a peak is narrow, nearly all that there is, and without harmonics."""
        if level_db < _GROWING_FROM_DB - _GROWS_DB * 2:
            return False
        power, top = self._power, float(self._power[peak])
        beside = max(float(power[max(0, peak - 12) : peak - 5].max()), float(power[peak + 6 : peak + 13].max()))
        if beside * 10 ** (_BESIDE_DB / 10) > top:
            return False
        if level_db < _CLIPPED_DB:
            if float(power[peak - 3 : peak + 4].sum()) < _LEAST_SHARE * float(power[self._first :].sum()):
                return False
            for times in (0.5, 2.0, 3.0):
                at = round(peak * times)
                if at + 3 <= len(power) and float(power[at - 2 : at + 3].max()) * 10 ** (_HARMONIC_DB / 10) > top:
                    return False
        return True
