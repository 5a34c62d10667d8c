"""Levels and spectrogram columns, measured without copies and without allocating."""

import math

import numpy as np
from numpy.typing import NDArray

from stemlive.realtime.dsp.framing import Framing

LOWEST_HZ, HIGHEST_HZ = 40.0, 18000.0
"""Frequency range of the spectrogram columns."""
COLUMN_BINS = 96
RANGE_DB = 90.0
_FALL_DB_PER_S = 20.0
_MEAN_S = 0.3


class LevelMeter:
    """Peak (falling by 20 dB per second) and RMS (over about 0.3 s) of blocks [n, C]."""

    def __init__(self, sample_rate_hz: int, longest_block: int, channels: int) -> None:
        self._rate_hz = sample_rate_hz
        self._squares = np.zeros((longest_block, channels), np.float32)
        self._mean_square = 0.0
        self.peak = 0.0

    @property
    def rms(self) -> float:
        """Root mean square over all channels."""
        return math.sqrt(self._mean_square)

    def write(self, block: NDArray[np.float32]) -> None:
        """Measure a block."""
        if not len(block):
            return
        seconds = len(block) / self._rate_hz
        squares = self._squares[: len(block)]
        np.multiply(block, block, out=squares)
        peak = math.sqrt(float(squares.max()))
        self.peak = max(peak, self.peak * 10 ** (-_FALL_DB_PER_S * seconds / 20))
        share = min(1.0, seconds / _MEAN_S)
        mean = float(squares.mean())
        if math.isfinite(mean):
            self._mean_square += share * (mean - self._mean_square)


class SpectrumMeter:
    """Mean power of each lane's frame, by Parseval's theorem, and its levels in bands evenly spaced in pitch.

    Lanes are the stems, the input and, last, the mix.
    """

    def __init__(self, framing: Framing, sample_rate_hz: int, lanes: int) -> None:
        bins = framing.bins
        edges_hz = np.geomspace(LOWEST_HZ, min(HIGHEST_HZ, 0.45 * sample_rate_hz), COLUMN_BINS + 1)
        edges = np.rint(edges_hz * framing.analysis_samples / sample_rate_hz).astype(np.intp)
        # If a band is narrower than a bin, `reduceat` takes the bin that contains it.
        self._firsts = np.minimum(edges[:-1], bins - 1)
        self._last_bin = int(min(max(edges[-1], edges[-2] + 1), bins))
        energy = float(np.square(framing.analysis_window, dtype=np.float64).sum())
        # Both halves of the spectrum count; the result is a mean over samples.
        self._mean_power = 2 / (framing.analysis_samples * energy)
        # A full-scale sine reads 0 dB in its band.
        self._full_scale = float(framing.analysis_window.sum() / 2) ** 2
        self._power = np.zeros((lanes, bins), np.float32)
        self._parts = np.zeros((lanes - 2, bins), np.float32)
        self._bands = np.zeros((lanes, COLUMN_BINS), np.float32)
        self.powers = np.zeros(lanes, np.float32)
        """Mean square of the lanes [L], over the frame and the channels."""
        self.column = np.zeros((lanes, COLUMN_BINS), np.uint8)
        """Levels of the lanes [L, bins]: 0 is -90 dB or less, 255 is full scale."""

    def write(self, stems: NDArray[np.complex64], mixture: NDArray[np.complex64], mixed: NDArray[np.complex64]) -> None:
        """Measure the spectra of the stems [S, 1, F, C], of the mixture [1, C', F] and of the mix [1, 1, F, C]."""
        channels = stems.shape[-1]
        self._power[:] = 0
        for channel in range(channels):
            for part in (stems.real, stems.imag):
                np.square(part[:, 0, :, channel], out=self._parts)
                self._power[:-2] += self._parts
        one = self._parts[0]
        for channel in range(channels):
            for part in (mixture.real, mixture.imag):
                np.square(part[0, channel], out=one)
                self._power[-2] += one
            for part in (mixed.real, mixed.imag):
                np.square(part[0, 0, :, channel], out=one)
                self._power[-1] += one
        np.add.reduce(self._power, axis=-1, out=self.powers)
        self.powers *= self._mean_power / channels
        np.maximum.reduceat(self._power[:, : self._last_bin], self._firsts, axis=-1, out=self._bands)
        self._bands *= 1 / (channels * self._full_scale)
        np.maximum(self._bands, 1e-12, out=self._bands)
        np.log10(self._bands, out=self._bands)
        self._bands *= 10 * 255 / RANGE_DB
        self._bands += 255
        np.maximum(self._bands, 0, out=self._bands)
        np.minimum(self._bands, 255, out=self._bands)
        np.copyto(self.column, self._bands, casting="unsafe")
