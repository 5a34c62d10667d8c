"""Effects on rendered stems: equalising, compression, saturation, amplifiers, echo, reverberation, width, pumping.

Every function takes and returns float32 audio of shape ``[samples, 2]`` at 44.1 kHz, the same length, and never changes
its argument. The filters are the second-order sections of the RBJ Audio EQ Cookbook.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.signal import butter, lfilter, oaconvolve, sosfilt

Audio = npt.NDArray[np.float32]
Sections = npt.NDArray[np.float64]
SAMPLE_RATE_HZ = 44100
_FLOOR = 1e-15 * np.random.default_rng(0).standard_normal(4096)


def shelf(frequency_hz: float, gain_db: float, *, high: bool) -> Sections:
    """Raise or lower everything above (`high`) or below a frequency by `gain_db`; second-order sections ``[1, 6]``."""
    amplitude = 10.0 ** (gain_db / 40.0)
    omega = 2 * np.pi * frequency_hz / SAMPLE_RATE_HZ
    cos, alpha = np.cos(omega), np.sin(omega) / np.sqrt(2.0)
    sign = 1.0 if high else -1.0
    root = 2 * np.sqrt(amplitude) * alpha
    plus, minus = amplitude + 1, amplitude - 1
    top, bottom = plus + sign * minus * cos, plus - sign * minus * cos
    b = amplitude * np.array([top + root, -sign * 2 * (minus + sign * plus * cos), top - root])
    a = np.array([bottom + root, sign * 2 * (minus - sign * plus * cos), bottom - root])
    return np.concatenate([b / a[0], a / a[0]])[None]


def peak(frequency_hz: float, gain_db: float, q: float = 0.9) -> Sections:
    """Raise or lower a band around a frequency by `gain_db`; second-order sections ``[1, 6]``."""
    amplitude = 10.0 ** (gain_db / 40.0)
    omega = 2 * np.pi * frequency_hz / SAMPLE_RATE_HZ
    alpha = np.sin(omega) / (2 * q)
    b = np.array([1 + alpha * amplitude, -2 * np.cos(omega), 1 - alpha * amplitude])
    a = np.array([1 + alpha / amplitude, -2 * np.cos(omega), 1 - alpha / amplitude])
    return np.concatenate([b / a[0], a / a[0]])[None]


def high_pass(frequency_hz: float, order: int = 2) -> Sections:
    """Butterworth high-pass as second-order sections ``[K, 6]``."""
    return np.asarray(butter(order, frequency_hz, "highpass", fs=SAMPLE_RATE_HZ, output="sos"))


def low_pass(frequency_hz: float, order: int = 2) -> Sections:
    """Butterworth low-pass as second-order sections ``[K, 6]``."""
    return np.asarray(butter(order, frequency_hz, "lowpass", fs=SAMPLE_RATE_HZ, output="sos"))


def equalise(audio: Audio, *filters: Sections) -> Audio:
    """Run the audio through all filters in one pass.

    Inaudible noise keeps the filters' decaying state out of the denormal numbers, which cost thirty times the time.
    """
    fed = audio + np.resize(_FLOOR, (len(audio), 1))
    return np.asarray(sosfilt(np.concatenate(filters), fed, axis=0), dtype=np.float32)


def compress(audio: Audio, threshold_db: float, ratio: float, release_ms: float = 120.0) -> Audio:
    """Compress by the level of the loudest samples of 64-sample blocks; the threshold is relative to the peak."""
    hop = 64
    level = np.max(np.abs(audio), axis=1)
    padded = np.pad(level, (0, -len(level) % hop)).reshape(-1, hop).max(axis=1)
    if padded.max(initial=0.0) < 1e-6:
        return audio.copy()
    over_db = np.maximum(0.0, 20 * np.log10(np.maximum(padded / padded.max(), 1e-6)) - threshold_db)
    decay = np.exp(-hop / (release_ms * 1e-3 * SAMPLE_RATE_HZ))
    smooth = np.maximum(over_db, lfilter([1 - decay], [1, -decay], over_db))
    gain_db = -smooth * (1.0 - 1.0 / ratio)
    points = np.arange(len(gain_db)) * hop + hop / 2
    gain = 10.0 ** (np.interp(np.arange(len(audio)), points, gain_db) / 20.0)
    return np.asarray(audio * gain[:, None], dtype=np.float32)


def saturate(audio: Audio, drive_db: float) -> Audio:
    """Soft saturation (tanh) of audio scaled to its peak; the peak stays."""
    top = float(np.max(np.abs(audio), initial=0.0))
    drive = 10.0 ** (drive_db / 20.0)
    if top < 1e-6:
        return audio.copy()
    return np.asarray(np.tanh(audio * (drive / top)) * (top / np.tanh(drive)), dtype=np.float32)


def amplifier(audio: Audio, drive_db: float) -> Audio:
    """A guitar amplifier: tightened lows, saturation, and the narrow band of a loudspeaker cabinet."""
    driven = saturate(equalise(audio, high_pass(110.0)), drive_db)
    return equalise(driven, peak(2600.0, 4.0), high_pass(80.0), low_pass(5200.0, 4))


def reverb(audio: Audio, rng: np.random.Generator, decay_s: float, mix: float, predelay_ms: float = 12.0) -> Audio:
    """Convolve with exponentially decaying noise, different per channel, whose high frequencies die sooner."""
    length = int(decay_s * SAMPLE_RATE_HZ * 1.1)
    time = np.arange(length) / SAMPLE_RATE_HZ
    noise = rng.standard_normal((length, 2))
    dark = lfilter([0.12], [1, -0.88], noise, axis=0)
    response = (
        dark * np.exp(-6.9 * time / decay_s)[:, None] + 0.25 * noise * np.exp(-6.9 * time / (decay_s * 0.45))[:, None]
    )
    response *= 1.0 / np.sqrt(np.sum(response**2, axis=0))
    delay = int(predelay_ms * 1e-3 * SAMPLE_RATE_HZ)
    wet = oaconvolve(equalise(audio, high_pass(150.0)), response.astype(np.float32), axes=0)[: len(audio)]
    wet = np.pad(wet, ((delay, 0), (0, 0)))[: len(audio)]
    return np.asarray(audio + mix * wet, dtype=np.float32)


def echo(audio: Audio, delay_s: float, feedback: float, mix: float) -> Audio:
    """Four echoes, darker than the sound, from side to side, each `feedback` times the one before."""
    delay = max(1, int(delay_s * SAMPLE_RATE_HZ))
    dark = equalise(audio, high_pass(200.0, 1), low_pass(4000.0, 1))
    out = audio.copy()
    for repeat in range(1, 5):
        shift = min(repeat * delay, len(audio))
        crossed = dark[:, ::-1] if repeat % 2 else dark
        out[shift:] += np.float32(mix * feedback ** (repeat - 1)) * crossed[: len(audio) - shift]
    return out


def chorus(audio: Audio, rate_hz: float, depth_ms: float, mix: float) -> Audio:
    """Add a copy read at a slowly swinging delay, opposite in the two channels."""
    time = np.arange(len(audio), dtype=np.float64)
    out = audio.copy()
    for channel, phase in ((0, 0.0), (1, np.pi)):
        delay = (8.0 + depth_ms * np.sin(2 * np.pi * rate_hz * time / SAMPLE_RATE_HZ + phase)) * 1e-3 * SAMPLE_RATE_HZ
        out[:, channel] += np.float32(mix) * np.interp(time - delay, time, audio[:, channel]).astype(np.float32)
    return out


def tremolo(audio: Audio, rate_hz: float, depth: float, opposite: bool) -> Audio:
    """Swing the level, the two channels in step or opposite (rotary loudspeaker, electric piano)."""
    time = np.arange(len(audio)) / SAMPLE_RATE_HZ
    swing = np.sin(2 * np.pi * rate_hz * time)
    gains = np.stack([1 - depth * (0.5 + 0.5 * swing), 1 - depth * (0.5 + (-0.5 if opposite else 0.5) * swing)], axis=1)
    return np.asarray(audio * gains, dtype=np.float32)


def wah(audio: Audio, rate_hz: float) -> Audio:
    """Fade between a dark and a bright band-pass, as a wah pedal moves."""
    time = np.arange(len(audio)) / SAMPLE_RATE_HZ
    blend = (0.5 + 0.5 * np.sin(2 * np.pi * rate_hz * time))[:, None].astype(np.float32)
    dark = equalise(audio, high_pass(350.0), low_pass(900.0))
    bright = equalise(audio, high_pass(900.0), low_pass(2600.0))
    return np.asarray((dark * (1 - blend) + bright * blend) * 1.6, dtype=np.float32)


def widen(audio: Audio, width: float) -> Audio:
    """Scale the side signal: 0 is mono, 1 leaves the audio, more is wider."""
    middle, side = audio.mean(axis=1), (audio[:, 0] - audio[:, 1]) * np.float32(0.5 * width)
    return np.stack([middle + side, middle - side], axis=1).astype(np.float32)


def pan(audio: Audio, position: float) -> Audio:
    """Balance between left (-1) and right (1) with constant power, unity in the middle."""
    angle = (position + 1.0) * np.pi / 4.0
    return np.asarray(audio * (np.sqrt(2.0) * np.array([np.cos(angle), np.sin(angle)])), dtype=np.float32)


def pump(audio: Audio, onsets_s: Sequence[float], depth: float, recovery_s: float) -> Audio:
    """Side-chain: duck by `depth` (0..1) at every onset and come back within `recovery_s`."""
    gain = np.ones(len(audio), dtype=np.float32)
    length = max(2, int(recovery_s * SAMPLE_RATE_HZ))
    shape = (1.0 - depth * (1.0 - np.sin(np.linspace(0, np.pi / 2, length)) ** 1.5)).astype(np.float32)
    shape[:64] = np.linspace(1.0, shape[64], 64) if length > 64 else shape[:64]
    for onset in onsets_s:
        start = int(onset * SAMPLE_RATE_HZ)
        stop = min(len(audio), start + length)
        if 0 <= start < stop:
            gain[start:stop] = np.minimum(gain[start:stop], shape[: stop - start])
    return np.asarray(audio * gain[:, None], dtype=np.float32)
