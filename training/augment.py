"""What is done to one stem before it is mixed: each transform takes float32 `[n, 2]` and a seeded generator."""

import numpy as np
import numpy.typing as npt
import scipy.fft
import soxr

Audio = npt.NDArray[np.float32]


def db_to_gain(db: float) -> float:
    """Amplitude factor of a level in dB."""
    return float(10.0 ** (db / 20.0))


def swap_and_flip(audio: Audio, rng: np.random.Generator) -> Audio:
    """Swaps the channels with p 0.5, inverts the polarity with p 0.5."""
    if rng.random() < 0.5:
        audio = audio[:, ::-1]
    return audio * np.float32(rng.choice((-1.0, 1.0)))


def change_speed(audio: Audio, speed: float) -> Audio:
    """Plays faster (speed > 1) or slower: pitch, tempo and formants move together."""
    out: Audio = soxr.resample(audio, 44100.0 * speed, 44100.0, quality="LQ")
    return out


def pan(audio: Audio, rng: np.random.Generator, width: float) -> Audio:
    """Moves the stem off the centre by a random balance of at most `width` (1 = one channel only)."""
    balance = rng.uniform(-width, width)
    return audio * np.array([min(1.0, 1 - balance), min(1.0, 1 + balance)], np.float32)


def equalise_and_reverberate(
    audio: Audio, rng: np.random.Generator, sample_rate_hz: int, max_wet_db: float | None
) -> Audio:
    """Bends the spectrum by up to 6 dB either way and, if asked for, adds a room that decays by 60 dB in 0.2 to 2 s."""
    count = len(audio)
    size = scipy.fft.next_fast_len(count + sample_rate_hz // 2, real=True)
    spectrum = scipy.fft.rfft(audio, size, axis=0)
    nodes_hz = np.array([0, 100, 250, 600, 1500, 3500, 8000, sample_rate_hz / 2])
    curve_db = np.interp(np.linspace(0, sample_rate_hz / 2, len(spectrum)), nodes_hz, rng.uniform(-6, 6, len(nodes_hz)))
    spectrum *= (10 ** (curve_db / 20)).astype(np.float32)[:, None]
    if max_wet_db is not None:
        spectrum *= scipy.fft.rfft(_room(rng, sample_rate_hz, max_wet_db), size, axis=0)
    out: Audio = scipy.fft.irfft(spectrum, size, axis=0)[:count].astype(np.float32)
    return out


def _room(rng: np.random.Generator, sample_rate_hz: int, max_wet_db: float) -> Audio:
    decay_s = rng.uniform(0.2, 2.0)
    count = int(min(decay_s, 0.5) * sample_rate_hz)
    tail = rng.standard_normal((count, 2), dtype=np.float32)
    tail *= np.exp(-6.9 * np.arange(count, dtype=np.float32) / (decay_s * sample_rate_hz))[:, None]
    tail[: int(rng.uniform(0.002, 0.03) * sample_rate_hz)] = 0  # pre-delay
    tail *= db_to_gain(rng.uniform(max_wet_db - 15, max_wet_db)) / np.sqrt(np.square(tail).sum(0).mean() + 1e-12)
    tail[0] = 1
    return tail


def low_pass(audio: Audio, cut_hz: float, sample_rate_hz: int) -> Audio:
    """Removes everything above `cut_hz`, as a lossy codec or an old recording does."""
    spectrum = scipy.fft.rfft(audio, axis=0)
    cut = int(cut_hz / (sample_rate_hz / 2) * (len(spectrum) - 1))
    spectrum[cut:] = 0
    out: Audio = scipy.fft.irfft(spectrum, len(audio), axis=0).astype(np.float32)
    return out
