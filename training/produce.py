"""Process tracks like a mixing engineer, voices above all.

Loose recordings are dry and equal on both sides; records are not. Here a voice goes through equaliser, compressor and
saturation, is doubled or harmonised, and is sent to rooms and delays whose sides differ. Filters,
dynamics and reverberation are those of pedalboard (JUCE's); signals are float32 `[n, 2]`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.ndimage

from stemlive.errors import TrainingError
from stemlive.training.augment import (
    Audio,
    as_loud,
    change_pitch_and_tempo,
    db_to_gain,
    double,
    echo,
    overdrive,
    pan,
)

LEVEL_RMS = 0.1  # what the thresholds of the dynamics are set against: -20 dBFS
HARMONIES_SEMITONES = (-12, -5, -4, -3, 3, 4, 5, 7)
LIMITER_BLOCK = 64  # samples over which peaks are taken, 1.5 ms
LIMITER_BLOCKS = 24  # over which the gain is held and smoothed, 35 ms

Effect = Callable[[Audio, np.random.Generator, int], Audio]


def produce_voice(audio: Audio, rng: np.random.Generator, sample_rate_hz: int, dry_p: float = 0.08) -> Audio:
    """Produce a voice as on a record, keeping its level; with probability `dry_p`, both sides stay equal.

    A voice whose sides differ was produced before: it only gets an equaliser and sometimes a compressor.
    """
    if not np.array_equal(audio[:, 0], audio[:, 1]):
        return as_loud(_channel_strip(audio, rng, sample_rate_hz, compress_p=0.3), audio)
    lead = _channel_strip(audio, rng, sample_rate_hz, compress_p=0.85)
    if rng.random() < 0.35:
        lead = overdrive(lead, rng, least_db=-9, most_db=6 if rng.random() < 0.8 else 18)
    if rng.random() < 0.3:
        lead = ride(lead, rng)
    if rng.random() < dry_p:
        return as_loud(lead, audio)
    wide = pan(lead, rng, 0.6 if rng.random() < 0.12 else 0.08)
    if rng.random() < 0.25:
        wide = double(wide, rng, sample_rate_hz)
    if rng.random() < 0.06:
        wide = wide + _harmony(lead, rng, sample_rate_hz)
    if rng.random() < 0.1:
        wide = wide + chorus(lead, rng, sample_rate_hz) * np.float32(db_to_gain(rng.uniform(-12, -3)))
    out = wide
    if rng.random() < 0.3:
        out = _slap(out, rng, sample_rate_hz)
    if rng.random() < 0.2:
        out = echo(out, rng, sample_rate_hz)
    out = out + room(wide, rng, sample_rate_hz, rng.uniform(-26, -8))
    return as_loud(out, audio)


def produce_music(audio: Audio, rng: np.random.Generator, sample_rate_hz: int, kind: str) -> Audio:
    """Produce another stem as on a record, at its level: equaliser, compressor, width and, except for bass, a room."""
    out = _channel_strip(audio, rng, sample_rate_hz, compress_p=0.4, low_cut=False)
    low = kind == "bass"
    if rng.random() < (0.1 if low else 0.35):
        middle, side = out.mean(1, keepdims=True), (out[:, :1] - out[:, 1:]) / 2
        side = side * np.float32(db_to_gain(rng.uniform(-9, 4)))
        out = np.concatenate([middle + side, middle - side], axis=1)
    if rng.random() < (0.08 if low else 0.45):
        out = out + room(out, rng, sample_rate_hz, rng.uniform(-28, -10))
    return as_loud(out, audio)


def _channel_strip(
    audio: Audio, rng: np.random.Generator, sample_rate_hz: int, compress_p: float, low_cut: bool = True
) -> Audio:
    """Equaliser (high-pass, two bells, shelf, de-esser's cut) and a compressor or two."""
    board = _pedalboard()
    chain: list[Any] = [board.HighpassFilter(rng.uniform(60, 160))] if low_cut and rng.random() < 0.7 else []
    chain += [
        board.LowShelfFilter(rng.uniform(120, 300), rng.uniform(-5, 5)),
        board.PeakFilter(rng.uniform(300, 1200), rng.uniform(-5, 4), rng.uniform(0.5, 1.5)),
        board.PeakFilter(rng.uniform(1800, 5000), rng.uniform(-4, 6), rng.uniform(0.5, 1.5)),
        board.HighShelfFilter(rng.uniform(5000, 11000), rng.uniform(-8, 8)),
    ]
    if low_cut and rng.random() < 0.4:
        chain.append(board.PeakFilter(rng.uniform(5500, 9000), rng.uniform(-8, -1), 2.0))
    for _ in range(2):
        if rng.random() < compress_p:
            chain.append(
                board.Compressor(rng.uniform(-34, -14), rng.uniform(1.5, 8), rng.uniform(0.5, 25), rng.uniform(30, 300))
            )
            compress_p *= 0.3
    return _play(chain, at_level(audio), sample_rate_hz)


def room(audio: Audio, rng: np.random.Generator, sample_rate_hz: int, wet_db: float) -> Audio:
    """The reverberation alone, `wet_db` against the signal: from a small room to a hall, with a pre-delay."""
    board = _pedalboard()
    reverb = board.Reverb(
        room_size=rng.uniform(0.05, 0.95), damping=rng.uniform(0.1, 0.9), wet_level=1.0, dry_level=0.0, width=1.0
    )
    ahead = int(rng.uniform(0.0, 0.06) * sample_rate_hz)
    send = np.concatenate([np.zeros((ahead, 2), np.float32), audio[: len(audio) - ahead]])
    wet = _play([board.HighpassFilter(rng.uniform(100, 400)), reverb], send, sample_rate_hz)
    return as_loud(wet, audio) * np.float32(db_to_gain(wet_db))


def chorus(audio: Audio, rng: np.random.Generator, sample_rate_hz: int) -> Audio:
    """Each side modulated on its own: a voice that is spread."""
    board = _pedalboard()
    sides = [
        _play(
            [board.Chorus(rng.uniform(0.3, 2), rng.uniform(0.1, 0.5), rng.uniform(5, 12), 0.0, 1.0)],
            audio[:, side : side + 1],
            sample_rate_hz,
        )
        for side in range(2)
    ]
    return np.concatenate(sides, axis=1)


def ride(audio: Audio, rng: np.random.Generator, most_db: float = 3.0) -> Audio:
    """The fader moved by hand: up to so many dB either way, about once a second."""
    nodes = max(2, len(audio) // 44100 + 1)
    curve_db = np.interp(np.linspace(0, nodes - 1, len(audio)), np.arange(nodes), rng.uniform(-most_db, most_db, nodes))
    return audio * (10 ** (curve_db / 20)).astype(np.float32)[:, None]


def limit(mixture: Audio, threshold: float) -> Audio:
    """Gain `[n, 1]` of a limiter that keeps the mixture's peaks about at the threshold: the same for all its stems."""
    blocks = -(-len(mixture) // LIMITER_BLOCK)
    peaks = np.zeros(blocks * LIMITER_BLOCK, np.float32)
    peaks[: len(mixture)] = np.abs(mixture).max(1)
    peaks = peaks.reshape(blocks, LIMITER_BLOCK).max(1)
    held = scipy.ndimage.maximum_filter1d(peaks, 2 * LIMITER_BLOCKS + 1)
    gain = scipy.ndimage.uniform_filter1d(np.minimum(1.0, threshold / np.maximum(held, 1e-9)), LIMITER_BLOCKS)
    at = (np.arange(blocks) + 0.5) * LIMITER_BLOCK
    smooth: Audio = np.interp(np.arange(len(mixture)), at, gain).astype(np.float32)[:, None]
    return smooth


def at_level(audio: Audio) -> Audio:
    """Scale to LEVEL_RMS, for which the thresholds are set; silence stays silent."""
    rms = float(np.sqrt(np.mean(np.square(audio))))
    return audio * np.float32(LEVEL_RMS / rms) if rms > 1e-7 else audio


def _harmony(audio: Audio, rng: np.random.Generator, sample_rate_hz: int) -> Audio:
    """The voice again at another pitch, softer, to one side."""
    shifted = change_pitch_and_tempo(audio, float(rng.choice(HARMONIES_SEMITONES)), 1.0, sample_rate_hz)
    out = np.zeros_like(audio)
    count = min(len(audio), len(shifted))
    out[:count] = shifted[:count]
    return pan(as_loud(out, audio), rng, 0.9) * np.float32(db_to_gain(rng.uniform(-12, -4)))


def _slap(audio: Audio, rng: np.random.Generator, sample_rate_hz: int) -> Audio:
    """One echo, 50 to 140 ms late, on both sides or more on one."""
    late = int(rng.uniform(0.05, 0.14) * sample_rate_hz)
    out = audio.copy()
    out[late:] += pan(audio[:-late], rng, 0.8) * np.float32(db_to_gain(rng.uniform(-20, -8)))
    return out


def _play(chain: list[Any], audio: Audio, sample_rate_hz: int) -> Audio:
    out: Audio = _pedalboard().Pedalboard(chain)(np.ascontiguousarray(audio.T), sample_rate_hz).T
    return out


def _pedalboard() -> Any:
    """Raises TrainingError where the library is missing."""
    try:
        import pedalboard
    except ImportError as error:
        raise TrainingError("produce_p and produce_music_p need pedalboard: pip install pedalboard") from error
    return pedalboard
