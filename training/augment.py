"""Augmentations of a single stem before it is mixed: each takes float32 `[n, 2]` and a seeded generator."""

import io

import numpy as np
import numpy.typing as npt
import scipy.fft
import soundfile
import soxr

from stemlive.errors import TrainingError

Audio = npt.NDArray[np.float32]


def chance(probability: float, rng: np.random.Generator) -> bool:
    """Return True with this probability. 0 draws no number, so that new transforms keep the data of old recipes."""
    return probability > 0 and rng.random() < probability


def db_to_gain(db: float) -> float:
    """Amplitude factor of a level in dB."""
    return float(10.0 ** (db / 20.0))


def swap_and_flip(audio: Audio, rng: np.random.Generator, swap_p: float = 0.5, flip_p: float = 0.5) -> Audio:
    """Swaps the channels with `swap_p`, inverts the polarity with `flip_p`."""
    if rng.random() < swap_p:
        audio = audio[:, ::-1]
    return audio * np.float32(-1.0 if rng.random() < flip_p else 1.0)


def change_speed(audio: Audio, speed: float) -> Audio:
    """Plays faster (speed > 1) or slower: pitch, tempo and formants move together."""
    out: Audio = soxr.resample(audio, 44100.0 * speed, 44100.0, quality="LQ")
    return out


def change_pitch_and_tempo(audio: Audio, semitones: float, tempo: float, sample_rate_hz: int) -> Audio:
    """Moves pitch (and formants with it) by semitones and, apart from that, plays `tempo` times as fast.

    A phase vocoder in blocks of 0.1 s (Signalsmith Stretch): attacks soften a little. About as dear as mixing a whole
    segment without it; half of that where both channels are the same, which is done once. Raises TrainingError where
    the library is missing.
    """
    try:
        from python_stretch import Signalsmith
    except ImportError as error:
        raise TrainingError("pitch_p and tempo_p need python-stretch: pip install python-stretch") from error
    mono = np.array_equal(audio[:, 0], audio[:, 1])
    stretch = Signalsmith.Stretch(0)
    stretch.preset(1 if mono else 2, sample_rate_hz, True)
    stretch.setTransposeSemitones(semitones)
    stretch.timeFactor = tempo
    channels = np.asarray(stretch.process(np.ascontiguousarray(audio.T[: 1 if mono else 2])), np.float32)
    return np.repeat(channels.T, 2, axis=1) if mono else channels.T


def pan(audio: Audio, rng: np.random.Generator, width: float) -> Audio:
    """Pans the stem by a random balance of at most `width` (1 = one channel only)."""
    balance = rng.uniform(-width, width)
    return audio * np.array([min(1.0, 1 - balance), min(1.0, 1 + balance)], np.float32)


def widen(audio: Audio, rng: np.random.Generator, sample_rate_hz: int) -> Audio:
    """One side no longer in phase with the other: late by 0.1 to 25 ms, or, half of the time, unevenly over frequency.

    The level at each frequency stays as it was. Loose recordings are never like this; voices in songs are oftener
    as `double` makes them.
    """
    count, side = len(audio), int(rng.integers(2))
    longest = 10 ** rng.uniform(-4, np.log10(0.025)) * sample_rate_hz  # samples
    size = scipy.fft.next_fast_len(count + int(longest) + 1, real=True)
    radians = np.linspace(0, np.pi, size // 2 + 1)
    delay = np.interp(radians, np.linspace(0, np.pi, 24), rng.uniform(0, longest, 24)) if chance(0.5, rng) else longest
    phase = np.cumsum(np.broadcast_to(delay, radians.shape)) * (np.pi / (size // 2))
    shifted = scipy.fft.rfft(audio[:, side], size) * np.exp(-1j * phase).astype(np.complex64)
    out = audio.copy()
    out[:, side] = scipy.fft.irfft(shifted, size)[:count]
    return out


def double(audio: Audio, rng: np.random.Generator, sample_rate_hz: int) -> Audio:
    """A voice sung again for each side: one to three takes, 8 to 35 ms late, up to 20 cents off; as loud as before.

    Half of the time nothing is left in the middle. What songs do to voices, and what makes them wide: the sides are as
    alike as two takes (coherence 0.1 to 0.5), where `widen` leaves them coherent.
    """
    at = np.arange(len(audio), dtype=np.float32)
    out = audio * np.float32(0.0 if rng.random() < 0.5 else db_to_gain(rng.uniform(-12, 0)))
    middle = audio.mean(1)
    for side in range(2):
        for _ in range(rng.integers(1, 4)):
            rate = 2 * np.pi * rng.uniform(0.2, 1.5) / sample_rate_hz  # radians per sample
            depth = rng.uniform(0.0, 0.012) / rate  # samples: 0.012 is 20 cents
            late = at - np.float32(rng.uniform(0.008, 0.035) * sample_rate_hz)
            late -= (depth * (1 + np.sin(rate * at + rng.uniform(0, 2 * np.pi)))).astype(np.float32)
            out[:, side] += np.interp(late, at, middle, left=0.0) * db_to_gain(rng.uniform(-9, 0))
    return as_loud(out, audio)


def echo(audio: Audio, rng: np.random.Generator, sample_rate_hz: int) -> Audio:
    """Up to four repeats, 80 to 500 ms apart and ever softer; in half of the cases from side to side."""
    delay = int(rng.uniform(0.08, 0.5) * sample_rate_hz)
    gain, decay = db_to_gain(rng.uniform(-16, -5)), db_to_gain(rng.uniform(-9, -3))
    crossing = rng.random() < 0.5
    balance = np.array([1.0, 0.3 if crossing else 1.0], np.float32)
    out = audio.copy()
    for repeat in range(1, 5):
        if repeat * delay >= len(audio):
            break
        out[repeat * delay :] += audio[: -repeat * delay] * np.float32(gain) * balance
        gain *= decay
        balance = balance[::-1]
    return out


def overdrive(audio: Audio, rng: np.random.Generator, least_db: float = -9.0, most_db: float = 18.0) -> Audio:
    """Bends loud samples, by a random drive: -9 dB does hardly anything, 18 distorts; as loud as before."""
    level = float(np.sqrt(np.mean(np.square(audio)))) + 1e-9
    return as_loud(np.tanh(audio * np.float32(db_to_gain(rng.uniform(least_db, most_db)) / level)), audio)


def as_loud(audio: Audio, reference: Audio) -> Audio:
    """Scale to the root mean square of the reference."""
    power, wanted = (float(np.mean(np.square(x))) for x in (audio, reference))
    return audio * np.float32(np.sqrt(wanted / (power + 1e-12)))


def equalise_and_reverberate(
    audio: Audio, rng: np.random.Generator, sample_rate_hz: int, max_wet_db: float | None, bend_db: float = 6.0
) -> Audio:
    """Bends the spectrum by up to `bend_db` either way and, if asked for, adds a room of 0.2 to 2 s (60 dB)."""
    count = len(audio)
    size = scipy.fft.next_fast_len(count + sample_rate_hz // 2, real=True)
    spectrum = scipy.fft.rfft(audio, size, axis=0)
    nodes_hz = np.array([0, 100, 250, 600, 1500, 3500, 8000, sample_rate_hz / 2])
    bends_db = rng.uniform(-bend_db, bend_db, len(nodes_hz))
    curve_db = np.interp(np.linspace(0, sample_rate_hz / 2, len(spectrum)), nodes_hz, bends_db)
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


def lossy_codec(audio: Audio, rng: np.random.Generator, sample_rate_hz: int) -> Audio:
    """Goes through Vorbis and back at a random quality, about 60 to 230 kbit/s in stereo; place and length stay."""
    file = io.BytesIO()
    quality = rng.uniform(0.3, 1.0)  # libsndfile's scale: 0 is the best
    soundfile.write(file, audio, sample_rate_hz, format="OGG", subtype="VORBIS", compression_level=quality)
    file.seek(0)
    decoded: Audio = soundfile.read(file, dtype="float32", always_2d=True)[0]
    return decoded
