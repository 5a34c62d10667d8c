"""A synthetic song of 28 seconds: drums, bass and chords, then a voice on top."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 44100
BEAT_S = 0.55
BARS = 12
VOICE_BARS = (4, 8)
CHORDS = ((57, 60, 64), (53, 57, 60), (48, 52, 55), (55, 59, 62))  # A minor, F, C, G: MIDI notes
# Four bars of melody: beat, length in beats, MIDI note, vowel.
MELODY = """
0 1.5 69 a, 1.5 0.5 72 e, 2 1.5 71 o, 3.5 0.5 69 a, 4 1 69 i, 5 1 67 e, 6 1.75 65 a, 8 1 67 o, 9 1 64 e,
10 1 67 a, 11 1 72 i, 12 2.5 71 a, 14.5 0.5 69 e, 15 0.75 67 o
"""
# Centre and bandwidth in Hz and level of four formants, roughly as Peterson and Barney measured them (1952).
VOWELS = {
    "a": ((800, 90, 1.0), (1150, 110, 0.5), (2900, 140, 0.10), (3900, 200, 0.05)),
    "e": ((400, 70, 1.0), (1600, 100, 0.25), (2700, 140, 0.15), (3800, 200, 0.05)),
    "i": ((350, 60, 1.0), (1700, 100, 0.15), (2700, 140, 0.12), (3700, 200, 0.04)),
    "o": ((450, 70, 1.0), (800, 90, 0.35), (2830, 140, 0.06), (3800, 200, 0.03)),
}

Sound = NDArray[np.float64]


def song() -> NDArray[np.float32]:
    """Return the song, float32 [n, 2] at 44.1 kHz, with a peak of -1 dB; always the same."""
    rng = np.random.default_rng(2)
    total = round((BARS * 4 * BEAT_S + 1.5) * RATE_HZ)
    dry, wet = np.zeros((total, 2)), np.zeros((total, 2))

    def add(beat: float, sound: Sound, pan: float = 0.0, room: float = 0.0) -> None:
        """Add a mono sound at a beat; pan from -1 (left) to 1 (right); `room` is the amount of reverberation."""
        start = round(beat * BEAT_S * RATE_HZ)
        stereo = sound[: total - start, None] * np.sqrt([(1 - pan) / 2, (1 + pan) / 2])
        dry[start : start + len(stereo)] += stereo
        wet[start : start + len(stereo)] += room * stereo

    for bar in range(BARS):
        chord = CHORDS[bar % 4]
        for step in range(8):
            beat = 4 * bar + step / 2
            add(beat, (0.10 if step % 2 else 0.06) * _noise(rng, 0.05, 60), pan=0.35)
            if step in (0, 3, 4):
                add(beat, 0.9 * _kick())
            if step in (2, 6):
                add(beat, 0.35 * _noise(rng, 0.18, 22) + 0.3 * _plucked(185, 0.18, 1, 25), room=0.3)
            add(beat, 0.42 * _plucked(_hz(chord[0] - 24), 0.45 * BEAT_S, 8, 4))
            if step % 2 == 0:
                for voice, note in enumerate(chord):
                    add(
                        beat + 0.02 * voice,
                        0.11 * _plucked(_hz(note), 1.4, 6, 2.5),
                        pan=0.7 * (voice - 1),
                        room=0.3,
                    )
    for text in MELODY.split(","):
        beat_text, beats, note_text, vowel = text.split()
        sung = 0.5 * _sung(rng, _hz(float(note_text)), float(beats) * BEAT_S, vowel)
        for bar in VOICE_BARS:
            add(4 * bar + float(beat_text), sung, room=0.35)
    whole = dry + _reverberate(rng, wet)
    return np.asarray(0.89 / np.abs(whole).max() * whole, np.float32)


def _hz(note: float) -> float:
    return float(440.0 * 2.0 ** ((note - 69) / 12))


def _times(seconds: float) -> Sound:
    return np.arange(round(seconds * RATE_HZ)) / RATE_HZ


def _fade(t: Sound, start_s: float, end_s: float) -> Sound:
    """Return linear fades at both ends, to avoid clicks."""
    ramps: Sound = np.clip(t / start_s, 0, 1) * np.clip((t[-1] - t) / end_s, 0, 1)
    return ramps


@cache
def _plucked(hz: float, seconds: float, harmonics: int, decay: float) -> Sound:
    """Return a plucked string: harmonics that decay with their number and with time."""
    t, number = _times(seconds), np.arange(1, harmonics + 1)
    tones = np.sin(2 * np.pi * hz * np.outer(number, t)) / number[:, None] ** 1.5
    string: Sound = _fade(t, 0.004, 0.01) * np.exp(-decay * t) * tones.sum(axis=0)
    return string


def _kick() -> Sound:
    """Return a bass drum: a sine that falls from 200 to 50 Hz."""
    t = _times(0.22)
    cycles = 48 * t + 5 * (1 - np.exp(-30 * t))
    kick: Sound = _fade(t, 0.002, 0.02) * np.exp(-14 * t) * np.sin(2 * np.pi * cycles)
    return kick


def _noise(rng: np.random.Generator, seconds: float, decay: float) -> Sound:
    """Return high-passed noise: a snare or a hi-hat."""
    t = _times(seconds)
    return _fade(t, 0.001, 0.01) * np.exp(-decay * t) * np.diff(rng.standard_normal(len(t) + 1))


def _sung(rng: np.random.Generator, hz: float, seconds: float, vowel: str) -> Sound:
    """Return a sung note: harmonics shaped by the formants of a vowel, with a glide, vibrato and a little breath."""
    t = _times(seconds)
    vibrato = 0.35 * np.clip((t - 0.2) / 0.3, 0, 1) * np.sin(2 * np.pi * 5.5 * t)
    f0 = hz * 2.0 ** ((vibrato - 1.5 * np.exp(-25 * t)) / 12)
    phase = 2 * np.pi * np.cumsum(f0) / RATE_HZ
    sound = 0.004 * rng.standard_normal(len(t))
    for number in range(1, int(5000 / hz)):
        level = np.full(len(t), 0.05)
        for centre, width, peak in VOWELS[vowel]:
            level += peak / (1 + ((number * f0 - centre) / width) ** 2)
        sound += level / number**0.4 * np.sin(number * phase)
    return _fade(t, 0.04, 0.08) * sound


def _reverberate(rng: np.random.Generator, wet: Sound) -> Sound:
    """Convolve [n, 2] with the decaying noise of a small hall."""
    t = _times(1.2)
    hall = rng.standard_normal((len(t), 2)) * np.exp(-5 * t)[:, None] * 0.02
    size = len(wet) + len(hall)
    spectrum = np.fft.rfft(wet, size, axis=0) * np.fft.rfft(hall, size, axis=0)
    return np.fft.irfft(spectrum, size, axis=0)[: len(wet)]
