"""The renderer: an arrangement in, its stems drums, bass and other as audio out.

Each part is rendered by itself, treated with effects and summed into its stem.
"""

from __future__ import annotations

import numpy as np

from stemlive.training.corpus import render_effects as fx
from stemlive.training.corpus.compose_parts import Arrangement, Part, midi_bytes
from stemlive.training.corpus.render_effects import SAMPLE_RATE_HZ, Audio
from stemlive.training.corpus.render_patches import pick_patch, render_patch
from stemlive.training.corpus.render_sounds import Sounds, pick_font, render_drum_part, render_font
from stemlive.training.corpus.render_synths import random_patch, render_synth
from stemlive.training.corpus.render_treatment import at_level, treat

STEMS = ("drums", "bass", "other")
PEAK_OF_SUM = 10.0 ** (-1.0 / 20.0)
PATCH_SHARE = 0.5  # of the parts that are not drums, where there are patches
_TARGET_DB = {"drums": -18.5, "bass": -19.5, "other": -18.5}


def render_arrangement(song: Arrangement, sounds: Sounds, rng: np.random.Generator) -> dict[str, Audio]:
    """Render a song; returns drums, bass and other, each ``[samples, 2]``; a stem that nobody plays is silent.

    The stems have plausible relative levels (4 dB either way) and their sum peaks at -1 dBFS at most.
    """
    beat_s = 60.0 / song.tempo_bpm
    samples = int(song.seconds * SAMPLE_RATE_HZ)
    stems = {stem: np.zeros((samples, 2), dtype=np.float32) for stem in STEMS}
    kicks = [n.start * beat_s for p in song.of("drums") for n in p.notes if n.pitch in (35, 36)]
    room_s = float(rng.uniform(0.3, 1.8))
    for part in song.parts:
        dry = at_level(_render_part(part, song, sounds, samples, rng), -20.0)
        wet = fx.pan(treat(dry, part, song.tempo_bpm, room_s, rng), part.pan)
        if song.pump and part.stem != "drums" and kicks:
            depth = min(0.9, song.pump + float(rng.uniform(-0.1, 0.1)))
            wet = fx.pump(wet, kicks, depth, recovery_s=0.8 * beat_s)
        stems[part.stem] += at_level(wet, -20.0 + part.level_db)
    for stem, audio in stems.items():
        glued = fx.compress(audio, -12.0, float(rng.uniform(1.2, 2.5)))
        stems[stem] = at_level(glued, _TARGET_DB[stem] + float(rng.uniform(-4, 4)))
    total = np.sum(list(stems.values()), axis=0)
    top = max(float(np.max(np.abs(audio), initial=0.0)) for audio in (total, *stems.values()))
    scale = min(1.0, PEAK_OF_SUM / top) if top > 0 else 1.0
    fade = np.ones((samples, 1), dtype=np.float32)
    fade[-SAMPLE_RATE_HZ // 2 :] = np.linspace(1, 0, SAMPLE_RATE_HZ // 2, dtype=np.float32)[:, None]
    return {stem: audio * fade * np.float32(scale) for stem, audio in stems.items()}


def _render_part(part: Part, song: Arrangement, sounds: Sounds, samples: int, rng: np.random.Generator) -> Audio:
    if part.stem == "drums":
        return render_drum_part(part.notes, str(part.sound), song.tempo_bpm, song.beats, samples, sounds, rng)
    if sounds.patches and rng.random() < PATCH_SHARE:
        return render_patch(part.notes, pick_patch(sounds.patches, part.stem, rng), song.tempo_bpm, samples)
    if isinstance(part.sound, str):
        patch = random_patch(rng, _synth_role(part))
        return render_synth(part.notes, patch, song.tempo_bpm, samples, rng)
    return render_font(midi_bytes([part], song.tempo_bpm, song.beats), pick_font(sounds, rng), samples)


def _synth_role(part: Part) -> str:
    if part.stem == "bass":
        return "sub" if part.sound == "sub" else "bass"
    return "lead" if part.name.startswith("lead") else "pad" if part.name == "pad" else "pluck"
