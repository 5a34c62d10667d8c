"""What a mixing engineer does to a dry part: equalising, compression, amplifiers, rooms; drawn by chance."""

from __future__ import annotations

import numpy as np

from stemlive.training.corpus import render_effects as fx
from stemlive.training.corpus.compose_parts import Part
from stemlive.training.corpus.render_effects import SAMPLE_RATE_HZ, Audio


def active_rms(audio: Audio) -> float:
    """Root mean square over the 100 ms blocks that lie within 40 dB of the loudest block; 0 for silence."""
    size = SAMPLE_RATE_HZ // 10
    usable = len(audio) // size * size
    if usable == 0:
        return float(np.sqrt(np.mean(audio**2))) if len(audio) else 0.0
    power = np.mean(audio[:usable].reshape(-1, size * 2) ** 2, axis=1)
    loud = power[power > power.max() * 1e-4]
    return float(np.sqrt(np.mean(loud))) if len(loud) else 0.0


def at_level(audio: Audio, level_db: float) -> Audio:
    """Scale to an active level (`active_rms`) in dBFS; silence stays silent."""
    rms = active_rms(audio)
    return np.asarray(audio * (10.0 ** (level_db / 20.0) / rms), dtype=np.float32) if rms > 1e-6 else audio


def treat_drums(audio: Audio, room_s: float, rng: np.random.Generator) -> Audio:
    """Equalise, compress, saturate and place drums in a room, by chance and within what is usual."""
    low = fx.shelf(float(rng.uniform(60, 150)), float(rng.uniform(-3, 5)), high=False)
    high = fx.shelf(float(rng.uniform(4000, 9000)), float(rng.uniform(-4, 4)), high=True)
    out = fx.equalise(audio, low, high, fx.peak(float(rng.uniform(250, 3500)), float(rng.uniform(-4, 4))))
    if rng.random() < 0.6:
        out = fx.compress(out, float(rng.uniform(-20, -10)), float(rng.uniform(1.5, 5)), float(rng.uniform(40, 200)))
    if rng.random() < 0.35:
        out = fx.saturate(out, float(rng.uniform(0, 12)))
    if rng.random() < 0.6:
        out = fx.reverb(out, rng, min(room_s, 1.2), float(rng.uniform(0.03, 0.3)))
    return fx.widen(out, float(rng.uniform(0.3, 1.2)))


def treat(audio: Audio, part: Part, tempo_bpm: float, room_s: float, rng: np.random.Generator) -> Audio:
    """Treat a dry part ``[samples, 2]`` as its stem and its `effect` ask; `room_s` is the decay of the song's room."""
    if part.stem == "drums":
        return treat_drums(audio, room_s, rng)
    low = fx.shelf(float(rng.uniform(100, 300)), float(rng.uniform(-4, 3)), high=False)
    high = fx.shelf(float(rng.uniform(2500, 8000)), float(rng.uniform(-5, 4)), high=True)
    middle = fx.peak(float(rng.uniform(300, 3000)), float(rng.uniform(-4, 4)))
    rumble = fx.high_pass(28.0 if part.stem == "bass" else float(rng.uniform(40, 160)))
    out = fx.equalise(audio, low, high, middle, rumble)
    if part.stem == "bass":
        if rng.random() < 0.4:
            out = fx.saturate(out, float(rng.uniform(2, 18)))
        out = fx.compress(out, float(rng.uniform(-18, -8)), float(rng.uniform(2, 6)))
        if rng.random() < 0.2:
            out = fx.chorus(out, float(rng.uniform(0.3, 1.0)), float(rng.uniform(0.5, 2)), 0.4)
        return fx.widen(out, float(rng.choice([0.0, 0.0, 0.5])))
    beat_s = 60.0 / tempo_bpm
    if part.effect == "amp":
        out = fx.amplifier(out, float(rng.uniform(8, 30)))
    elif part.effect == "drive":
        out = fx.saturate(out, float(rng.uniform(3, 15)))
    elif part.effect == "wah":
        out = fx.wah(out, 1.0 / (beat_s * float(rng.choice([0.5, 1, 2])))) if rng.random() < 0.6 else out
    elif part.effect == "rotary":
        out = fx.tremolo(out, float(rng.choice([0.8, 6.2])), float(rng.uniform(0.1, 0.5)), opposite=True)
    elif part.effect == "chorus":
        out = fx.chorus(out, float(rng.uniform(0.2, 1.5)), float(rng.uniform(0.5, 3)), float(rng.uniform(0.3, 0.8)))
    elif part.effect == "wide":
        out = fx.widen(fx.chorus(out, 0.4, 3.0, 0.6), float(rng.uniform(0.8, 1.5)))
    elif part.effect in ("echo", "lead"):
        out = fx.echo(
            out,
            beat_s * float(rng.choice([0.5, 0.75, 1.0])),
            float(rng.uniform(0.2, 0.55)),
            float(rng.uniform(0.1, 0.4)),
        )
    decay = room_s * (1.8 if part.effect == "hall" else 1.0)
    return fx.reverb(
        out,
        rng,
        decay,
        float(rng.uniform(0.2, 0.6) if part.effect in ("hall", "lead") else rng.uniform(0.03, 0.3)),
    )
