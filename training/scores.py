"""Scores of separated stems. Signals are `[C, n]`; everything is in dB.

| score | what it says | best | unprocessed mixture |
|---|---|---|---|
| uSDR | energy of the stem over energy of the error, whole song | high | baseline |
| cSDR | the same per second, median over the seconds: museval's SDR | high | baseline |
| leakage | energy of the estimate where the true stem is silent, over that of the mixture there | low | 0 |
| vocal bleed | energy of the voice left in the accompaniment, over that of the voice, where it sings | low | 0 |
"""

import math

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

EPSILON = 1e-8
HIGHEST_DB = 200.0  # stands for infinity: an estimate without any error
SILENCE_DBFS = -60.0
SINGING_RANGE_DB = 30.0
BLEED_WINDOW_SAMPLES = 2048
BLEED_BAND_BINS = 16


def is_silent(signal: Tensor) -> bool:
    """Whether the root mean square of the whole signal is below SILENCE_DBFS."""
    return float(signal.double().square().mean()) < 10 ** (SILENCE_DBFS / 10)


def usdr(reference: Tensor, estimate: Tensor) -> float:
    """Global signal-to-distortion ratio of one track: energy of the reference over energy of the error.

    Source: Music Demixing Challenge 2021 (arXiv 2108.13559), equation 1. The mean of it over tracks is the uSDR.
    """
    signal = reference.double().square().sum() + EPSILON
    error = (reference - estimate).double().square().sum() + EPSILON
    return float(10 * torch.log10(signal / error))


def chunk_sdr(references: Tensor, estimates: Tensor, chunk_samples: int) -> npt.NDArray[np.float64]:
    """SDR `[S, chunks]` of stems `[S, C, n]` that are judged together, per chunk, as museval (BSSEval v4) computes it.

    museval splits the error of an estimate into a spatial, an interference and an artefact part by filters of 512
    taps. Its SDR divides by the energy of the sum of the three, in which the filters cancel and the plain error is
    left, so no filter is needed here. A chunk in which any reference or estimate is silent is NaN for all stems
    (museval calls a chunk silent when the sum of the channels is zero throughout); an incomplete last chunk is left
    out; a signal shorter than a chunk is one chunk. Where museval says infinity, this says HIGHEST_DB.
    Source: Stöter, Liutkus, Ito, "The 2018 Signal Separation Evaluation Campaign" (arXiv 1804.06267).
    """
    size = min(chunk_samples, references.shape[-1])
    signal, error, silent = [], [], []
    for true, estimate in zip(references, estimates, strict=True):
        signal.append(_energy(true, size))
        error.append(_energy(true - estimate, size))
        silent += [(_chunks(x.sum(0), size) == 0).all(-1) for x in (true, estimate)]
    signals, errors = torch.stack(signal), torch.stack(error)
    ratio = 10 * torch.log10(signals / errors.clamp(min=signals * 10 ** (-HIGHEST_DB / 10)))
    ratio[:, torch.stack(silent).any(0)] = math.nan
    return np.asarray(ratio)


def median_sdr(chunks: npt.NDArray[np.float64]) -> float | None:
    """Median of one stem's chunks without the NaN; None when there is nothing else."""
    finite = chunks[~np.isnan(chunks)]
    return float(np.median(finite)) if len(finite) else None


def leakage(reference: Tensor, estimate: Tensor, mixture: Tensor, chunk_samples: int) -> float | None:
    """Energy of the estimate over that of the mixture, in the chunks where the stem is silent and the mixture is not.

    Silent is below SILENCE_DBFS (root mean square over the chunk). None when there is no such chunk. An incomplete
    last chunk is left out.
    """
    energies = [_energy(signal, chunk_samples) for signal in (reference, estimate, mixture)]
    floor = 10 ** (SILENCE_DBFS / 10) * chunk_samples * reference.shape[0]
    chosen = (energies[0] < floor) & (energies[2] >= floor)
    if not chosen.any():
        return None
    return ratio_db(energies[1][chosen].sum(), energies[2][chosen].sum())


def vocal_bleed(vocals: Tensor, accompaniment: Tensor, estimate: Tensor, chunk_samples: int) -> float | None:
    """Energy of the voice in an estimated accompaniment over that of the voice, where it sings: what a singer hears.

    Per chunk, channel and band of 16 bins (345 Hz) the spectrum of the estimate is written as g * vocals +
    h * accompaniment + rest, with complex g and h of least squares; |g|^2 times the energy of the vocals is the bleed.
    Distortion of the music is not bleed, whatever it has in common with the voice by chance. It sings in the
    chunks within SINGING_RANGE_DB of its loudest one and above SILENCE_DBFS. None when it never does.
    The estimate g = h = 1 (the mixture) has 0 dB, a perfect one no bleed: then -HIGHEST_DB.
    """
    energy = _energy(vocals, chunk_samples)
    floor = 10 ** (SILENCE_DBFS / 10) * chunk_samples * vocals.shape[0]
    if not len(energy) or energy.max() < floor:
        return None
    sings = energy >= max(floor, float(energy.max()) * 10 ** (-SINGING_RANGE_DB / 10))
    bleed = total = torch.zeros((), dtype=torch.float64)
    for index in torch.nonzero(sings).flatten().tolist():
        part = slice(index * chunk_samples, (index + 1) * chunk_samples)
        v, a, e = (_bands(signal[:, part]) for signal in (vocals, accompaniment, estimate))  # [C, bands, points]
        vv, aa, av = v.abs().square().sum(-1), a.abs().square().sum(-1), (a.conj() * v).sum(-1)
        ve, ae = (v.conj() * e).sum(-1), (a.conj() * e).sum(-1)
        determinant = vv * aa - av.abs().square()
        apart = determinant > 1e-9 * vv * aa  # else the two are one signal, or one is silent: all that fits is voice
        gain = torch.where(apart, (aa * ve - av.conj() * ae) / determinant, ve / vv.clamp(min=1e-30))
        bleed = bleed + (gain.abs().square() * vv).sum()
        total = total + vv.sum()
    return ratio_db(bleed, total)


def _chunks(signal: Tensor, size: int) -> Tensor:
    """`[..., n]` to `[..., chunks, size]`, without what is left over."""
    count = signal.shape[-1] // size if size else 0
    return signal[..., : count * size].reshape(*signal.shape[:-1], count, size)


def _energy(signal: Tensor, chunk_samples: int) -> Tensor:
    """Energy `[chunks]` of `[C, n]`."""
    chunks = _chunks(signal, min(chunk_samples, signal.shape[-1]))
    energy: Tensor = chunks.double().square().sum((0, 2))
    return energy


def _bands(signal: Tensor) -> Tensor:
    """Spectrum `[C, bands, points]` of `[C, n]`, bins of a band and frames in one axis; the last bin is left out."""
    window = torch.hann_window(BLEED_WINDOW_SAMPLES, dtype=torch.float64)
    spectrum = torch.stft(
        signal.double(),
        BLEED_WINDOW_SAMPLES,
        BLEED_WINDOW_SAMPLES // 4,
        window=window,
        pad_mode="constant",
        return_complex=True,
    )
    bands: Tensor = spectrum[:, :-1].unflatten(1, (-1, BLEED_BAND_BINS)).flatten(2)
    return bands


def ratio_db(numerator: Tensor, denominator: Tensor) -> float:
    """Ratio of energies in dB, no less than -HIGHEST_DB."""
    return max(-HIGHEST_DB, float(10 * torch.log10(numerator / denominator)))
