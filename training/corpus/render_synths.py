"""A small subtractive synthesiser for basses, leads, plucks and pads, and synthesised electronic drum sounds.

All audio is float32 at 44.1 kHz. Oscillators are band-limited by PolyBLEP (Valimaki and Huovilainen 2007).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.signal import butter, lfilter, sosfilt

from stemlive.training.corpus.compose_parts import Note
from stemlive.training.corpus.render_effects import SAMPLE_RATE_HZ, Audio

Mono = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Patch:
    """Settings of the synthesiser.

    `detune_cents` spreads the voices; the filter falls from `cutoff_hz` times `sweep` to `cutoff_hz` within `sweep_s`;
    `glide_s` is portamento, `sub` the level of a sine at the same pitch.
    """

    wave: str
    voices: int
    detune_cents: float
    attack_s: float
    release_s: float
    sustain: float
    cutoff_hz: float
    sweep: float
    sweep_s: float
    glide_s: float = 0.0
    vibrato_cents: float = 0.0
    sub: float = 0.0


def random_patch(rng: np.random.Generator, role: str) -> Patch:
    """Draw a patch for the role: ``bass``, ``sub``, ``lead``, ``pad`` or ``pluck``."""

    def between(low: float, high: float) -> float:
        return float(rng.uniform(low, high))

    wave = str(rng.choice(["saw", "square", "saw", "triangle"]))
    if role == "sub":
        sustain, glide_s = between(0.5, 0.9), float(rng.choice([0.0, 0.06, 0.12]))
        return Patch("sine", 1, 0, 0.004, 0.08, sustain, cutoff_hz=400, sweep=1, sweep_s=0.1, glide_s=glide_s)
    voices = int(rng.choice({"bass": [1, 2, 3], "lead": [1, 2, 3, 5], "pluck": [1, 2, 3]}.get(role, [3, 4])))
    detune_cents = between(*{"bass": (2, 14), "lead": (4, 22), "pluck": (3, 15)}.get(role, (8, 25)))
    if role == "bass":
        envelope, filters = (0.003, 0.05, between(0.4, 0.9)), (between(200, 900), between(2, 12), between(0.05, 0.4))
        glide_s, sub = float(rng.choice([0.0, 0.0, 0.05])), float(rng.choice([0.0, 0.5, 0.8]))
        return Patch(wave, voices, detune_cents, *envelope, *filters, glide_s=glide_s, sub=sub)
    if role == "lead":
        envelope, filters = (between(0.003, 0.05), 0.12, 0.8), (between(900, 4000), between(1, 4), between(0.1, 0.6))
        glide_s, vibrato_cents = float(rng.choice([0.0, 0.04, 0.09])), between(0, 35)
        return Patch(wave, voices, detune_cents, *envelope, *filters, glide_s=glide_s, vibrato_cents=vibrato_cents)
    if role == "pluck":
        envelope, filters = (0.002, between(0.1, 0.5), 0.0), (between(300, 1200), between(4, 14), between(0.05, 0.25))
        return Patch(wave, voices, detune_cents, *envelope, *filters)
    envelope, filters = (
        (between(0.05, 0.6), between(0.3, 1.0), 0.9),
        (between(500, 2500), between(1, 3), between(0.5, 2)),
    )
    return Patch(wave, voices, detune_cents, *envelope, *filters)


def _oscillator(wave: str, frequency_hz: npt.NDArray[np.float64], start: float) -> npt.NDArray[np.float64]:
    step = frequency_hz / SAMPLE_RATE_HZ
    phase = (start + np.cumsum(step)) % 1.0
    if wave == "sine":
        return np.asarray(np.sin(2 * np.pi * phase))
    if wave == "triangle":
        return np.asarray(1.0 - 4.0 * np.abs(phase - 0.5))
    saw = 2.0 * phase - 1.0 - _blep(phase, step)
    if wave == "saw":
        return saw
    shifted = (phase + 0.5) % 1.0
    return np.asarray(saw - (2.0 * shifted - 1.0 - _blep(shifted, step)))


def _blep(phase: npt.NDArray[np.float64], step: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    after, before = phase / step, (phase - 1.0) / step
    return np.where(
        phase < step,
        after + after - after * after - 1.0,
        np.where(phase > 1.0 - step, before * before + before + before + 1.0, 0.0),
    )


def render_synth(
    notes: Sequence[Note], patch: Patch, tempo_bpm: float, samples: int, rng: np.random.Generator
) -> Audio:
    """Play notes with a patch; returns ``[samples, 2]``. The stereo width comes from the detuned voices."""
    out = np.zeros((samples, 2), dtype=np.float32)
    seconds = 60.0 / tempo_bpm
    previous = None
    low = butter(2, min(patch.cutoff_hz, 18000), "lowpass", fs=SAMPLE_RATE_HZ, output="sos")
    high = butter(2, min(patch.cutoff_hz * max(patch.sweep, 1.01), 18000), "lowpass", fs=SAMPLE_RATE_HZ, output="sos")
    for note in notes:
        start = int(note.start * seconds * SAMPLE_RATE_HZ)
        held = note.length * seconds
        count = min(int((held + patch.release_s) * SAMPLE_RATE_HZ), samples - start)
        if count < 64:
            continue
        time = np.arange(count) / SAMPLE_RATE_HZ
        hz = 440.0 * 2.0 ** ((note.pitch - 69) / 12.0)
        curve = np.full(count, hz)
        if patch.glide_s and previous is not None:
            curve = hz * (previous / hz) ** np.exp(-time / (patch.glide_s * 0.4))
        if patch.vibrato_cents and held > 0.3:
            depth = patch.vibrato_cents / 1200.0 * np.clip((time - 0.2) * 3, 0, 1)
            curve = curve * 2.0 ** (depth * np.sin(2 * np.pi * 5.5 * time))
        if patch.wave == "sine":
            curve = curve * (1.0 + 1.5 * np.exp(-time / 0.012))
        previous = hz
        envelope = np.minimum(1.0, time / patch.attack_s) * (
            patch.sustain + (1 - patch.sustain) * np.exp(-time / max(patch.sweep_s, 0.15))
        )
        envelope *= np.where(time < held, 1.0, np.exp(-(time - held) * 5.0 / patch.release_s)) * np.minimum(
            1.0, (count - np.arange(count)) / 64
        )
        bright = np.exp(-time / patch.sweep_s)[:, None]
        tone = np.zeros((count, 2))
        for voice in range(patch.voices):
            offset = (voice / max(patch.voices - 1, 1) - 0.5) * 2 if patch.voices > 1 else 0.0
            wave = _oscillator(patch.wave, curve * 2.0 ** (offset * patch.detune_cents / 1200.0), float(rng.random()))
            tone += wave[:, None] * np.array([1.0 - 0.5 * offset, 1.0 + 0.5 * offset]) / np.sqrt(patch.voices)
        if patch.wave != "sine":
            tone = sosfilt(low, tone, axis=0) * (1 - bright) + sosfilt(high, tone, axis=0) * bright
        if patch.sub:
            tone += patch.sub * _oscillator("sine", curve, 0.0)[:, None]
        out[start : start + count] += (tone * envelope[:, None] * (note.velocity / 127.0) * 0.3).astype(np.float32)
    return out


def synth_drum(piece: str, rng: np.random.Generator) -> Mono:
    """Synthesise one electronic drum sound, in the manner of analogue rhythm machines; mono, peak about 1."""
    length = {"kick": 0.7, "open": 0.5, "crash": 1.6, "ride": 0.9, "tom": 0.5}.get(piece, 0.3)
    time = np.arange(int(length * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    noise = rng.standard_normal(len(time))
    if piece == "kick":
        base, sweep = rng.uniform(42, 62), rng.uniform(2.0, 6.0)
        phase = 2 * np.pi * np.cumsum(base * (1 + sweep * np.exp(-time / rng.uniform(0.01, 0.035)))) / SAMPLE_RATE_HZ
        sound = np.sin(phase) * np.exp(-time / rng.uniform(0.08, 0.3)) + 0.15 * noise * np.exp(-time / 0.004)
    elif piece == "snare":
        tone = np.sin(2 * np.pi * rng.uniform(160, 230) * time) * np.exp(-time / 0.06)
        sound = rng.uniform(0.4, 1.0) * tone + _bright(noise, 1200) * np.exp(-time / rng.uniform(0.05, 0.14))
    elif piece == "clap":
        bursts = sum(np.where(time >= t, np.exp(-(time - t) / 0.007), 0.0) for t in (0.0, 0.011, 0.022))
        sound = _bright(noise, 900) * (
            bursts + np.where(time > 0.03, np.exp(-(time - 0.03) / rng.uniform(0.05, 0.12)), 0.0)
        )
    elif piece in ("hat", "open", "crash", "ride"):
        metal = sum(np.sign(np.sin(2 * np.pi * f * time)) for f in rng.uniform(300, 900, size=6)) / 6
        decay = {"hat": rng.uniform(0.02, 0.06), "open": rng.uniform(0.12, 0.3), "crash": 0.5, "ride": 0.25}[piece]
        sound = _bright(0.6 * noise + 1.5 * metal, 6500 if piece != "crash" else 3500) * np.exp(-time / decay)
    elif piece == "tom":
        phase = 2 * np.pi * np.cumsum(rng.uniform(80, 180) * (1 + 0.6 * np.exp(-time / 0.05))) / SAMPLE_RATE_HZ
        sound = np.sin(phase) * np.exp(-time / rng.uniform(0.1, 0.25))
    elif piece == "shaker":
        sound = _bright(noise, 5000) * np.minimum(1, time / 0.015) * np.exp(-time / 0.03)
    else:
        first, second = rng.uniform(500, 1800), rng.uniform(1.3, 1.6)
        sound = (np.sin(2 * np.pi * first * time) + np.sin(2 * np.pi * first * second * time)) * np.exp(
            -time / rng.uniform(0.02, 0.08)
        )
    sound *= np.minimum(1.0, (len(time) - np.arange(len(time))) / 256)
    return np.asarray(sound / max(np.max(np.abs(sound)), 1e-9), dtype=np.float32)


def _bright(noise: npt.NDArray[np.float64], cutoff_hz: float) -> npt.NDArray[np.float64]:
    b, a = butter(2, cutoff_hz, "highpass", fs=SAMPLE_RATE_HZ)
    return np.asarray(lfilter(b, a, noise))
