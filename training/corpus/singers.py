"""Recordings of singers who never sang: speech from `singers_speakers` on the composer's melodies, and as it is.

``ROOT/pool/vocals/singers-<package>/<seed>-<index>-<speaker>.ogg``: about a minute of phrases each, 44.1 kHz mono, at
-20 dBFS RMS where it sounds. Recording N of a seed depends on nothing but the speakers that are there. Where the source
has no treble, ``-bandNNNN`` in the name says where it ends, in Hz, and the trainer's mixtures end there too.
``ROOT/pool/vocals/said-<package>/<speaker>.ogg``: the same people speaking, up to ten minutes each. What sings is made
by a vocoder, and a model that hears no other voices learns what vocoders sound like.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.signal import butter, oaconvolve, sosfilt

from stemlive.errors import StemliveError
from stemlive.training.corpus.files import write_ogg
from stemlive.training.corpus.render_effects import SAMPLE_RATE_HZ
from stemlive.training.corpus.singers_melody import A4_HZ, A4_PITCH, Phrase, Style, compose_phrases, draw_style, harmony
from stemlive.training.corpus.singers_speakers import list_speakers, read_speech
from stemlive.training.corpus.singers_synthesis import Timbre, draw_timbre, sing_phrase
from stemlive.training.corpus.singers_voice import Floats, Voice, VoiceError, analyse_voice

_SINGER, _SPEECH = 3, 4
"""Tags of the generators; the other kinds of jobs have 0 to 2."""
LEVEL = 0.1  # -20 dBFS
SPEECH_S = 45.0
SAID_S = 600.0
_FULL_BAND_HZ, _NARROWEST_HZ = 12000.0, 5000.0
"""A voice with less is marked, one with much less (a telephone's) is not used."""
_HARMONY_SHARE = 0.2


def render_singer(root: Path, seed: int, index: int) -> bool:
    """Render one recording into ``root/pool/vocals``; False if it is there.

    Speakers take turns, with another timbre each time. One from whom no voice can be made is passed over for the next.
    Raises StemliveError when there are no speakers, VoiceError when none will do.
    """
    name = f"{seed:03d}-{index:05d}"
    if any((root / "pool" / "vocals").glob(f"singers-*/{name}-*.ogg")):
        return False
    speakers = list_speakers(root)
    if not speakers:
        raise StemliveError(f"no speakers under {root / 'speakers'}: put folders there, <collection>/<speaker>/*.wav")
    rng = np.random.default_rng([seed, _SINGER, index])
    order = np.random.default_rng([seed, _SINGER]).permutation(len(speakers))
    refusals: list[str] = []
    for attempt in range(len(speakers)):
        speaker = speakers[order[(index + attempt) % len(order)]]
        timbre = draw_timbre(rng)
        try:
            voice = analyse_voice(read_speech(speaker, rng, SPEECH_S))
        except VoiceError as error:
            refusals.append(f"{speaker.name}: {error}")
            continue
        band_hz = voice.band_hz * timbre.formants
        if band_hz < _NARROWEST_HZ:
            refusals.append(f"{speaker.name}: nothing above {band_hz:.0f} Hz")
            continue
        folder = root / "pool" / "vocals" / f"singers-{speaker.parent.name}"
        folder.mkdir(parents=True, exist_ok=True)
        write_ogg(folder / f"{name}-{speaker.name}{marked(band_hz)}.ogg", sing(voice, timbre, rng))
        return True
    raise VoiceError(f"none of the speakers will do ({'; '.join(refusals[:3])}): add recordings of speech")


def render_speech(root: Path, speaker: Path) -> bool:
    """Join a speaker's recordings to one in ``root/pool/vocals``; False if it is there, or has no voice in it."""
    folder = root / "pool" / "vocals" / f"said-{speaker.parent.name}"
    if (folder / f"{speaker.name}.ogg").exists() or any(folder.glob(f"{speaker.name}-band*.ogg")):
        return False
    rng = np.random.default_rng([_SPEECH, *f"{speaker.parent.name}/{speaker.name}".encode()])
    try:
        band_hz = analyse_voice(read_speech(speaker, rng, SPEECH_S)).band_hz
    except VoiceError:
        return False
    if band_hz < _NARROWEST_HZ:
        return False
    parts: list[Floats] = []
    for clip in read_speech(speaker, rng, SAID_S):
        if np.abs(clip).max() > 1e-3:
            parts += [levelled(clip), np.zeros(int(rng.uniform(0.03, 0.4) * SAMPLE_RATE_HZ))]
    folder.mkdir(parents=True, exist_ok=True)
    write_ogg(folder / f"{speaker.name}{marked(band_hz)}.ogg", np.concatenate(parts))
    return True


def marked(band_hz: float) -> str:
    """Return the suffix of a recording's name that marks where its treble ends."""
    return f"-band{int(band_hz // 100 * 100)}" if band_hz < _FULL_BAND_HZ else ""


def sing(voice: Voice, timbre: Timbre, rng: np.random.Generator) -> Floats:
    """About a minute of phrases, ``[samples]``, at LEVEL; now and then two voices in harmony."""
    phrases = compose_phrases(rng, singing_pitch(voice.speaking_hz * timbre.formants, rng))
    style = draw_style(rng)
    first = int(rng.integers(len(voice.syllables)))
    parts = [(phrases, timbre, 0.0)]
    if rng.random() < _HARMONY_SHARE:
        parts.append((harmony(rng, phrases), draw_timbre(rng), float(rng.uniform(-9, -2))))
    sound = sum_aligned([sing_phrases(voice, p, first, style, t, rng) * 10 ** (db / 20) for p, t, db in parts])
    return levelled(oaconvolve(sound, _dispersion(rng)))


def sing_phrases(
    voice: Voice, phrases: Sequence[Phrase], first: int, style: Style, timbre: Timbre, rng: np.random.Generator
) -> Floats:
    """Sing all phrases with their rests, ``[samples]``; the syllables continue from phrase to phrase."""
    pieces: list[tuple[int, Floats]] = []
    at_s = 0.5
    for phrase in phrases:
        at_s += phrase.rest
        sound, zero_s = sing_phrase(voice, phrase, first, style, timbre, rng)
        pieces.append((round((at_s - zero_s) * SAMPLE_RATE_HZ), sound))
        at_s += phrase.notes[-1].end
        first += sum(not note.slurred for note in phrase.notes)
    return sum_placed(pieces, round((at_s + 1) * SAMPLE_RATE_HZ))


def singing_pitch(speaking_hz: float, rng: np.random.Generator) -> float:
    """The MIDI pitch around which somebody sings who speaks at this one."""
    speaking_pitch = A4_PITCH + 12 * np.log2(speaking_hz / A4_HZ)
    return float(np.clip(speaking_pitch + rng.uniform(2, 9), 48, 71))


def sum_placed(pieces: Sequence[tuple[int, Floats]], count: int) -> Floats:
    """The sum of sounds of which each begins at its sample, ``[count]``; what lies outside is cut off."""
    out = np.zeros(count)
    for start, sound in pieces:
        begin, end = max(0, start), min(count, start + len(sound))
        out[begin:end] += sound[begin - start : end - start]
    return out


def sum_aligned(parts: Sequence[Floats]) -> Floats:
    """The sum of sounds that begin together, ``[samples]`` of the longest."""
    return sum_placed([(0, part) for part in parts], max(map(len, parts)))


def _dispersion(rng: np.random.Generator) -> Floats:
    """An all-pass, ``[2048]``, that delays frequencies by up to 6 ms, unevenly.

    WORLD sounds all harmonics of a period at one moment, which gives peaks and a buzz that no throat and room give.
    """
    count = 1025
    delay = np.interp(np.arange(count), np.linspace(0, count, 24), rng.uniform(0, 0.006, 24)) * SAMPLE_RATE_HZ
    phase = -np.cumsum(delay) * 2 * np.pi / (2 * (count - 1))
    phase[-1] = 0.0
    return np.asarray(np.fft.irfft(np.exp(1j * phase)))


def levelled(sound: Floats) -> Floats:
    """Bring the parts that sound to LEVEL, rumble removed; peaks above 0.6 are rounded off below 0.9."""
    clean = sosfilt(butter(2, 55.0, "highpass", fs=SAMPLE_RATE_HZ, output="sos"), sound)
    blocks = clean[: len(clean) // 2205 * 2205].reshape(-1, 2205)
    power = np.square(blocks).mean(axis=1)
    sounding = power[power > 1e-3 * np.quantile(power, 0.9)]
    loud = clean * (LEVEL / np.sqrt(sounding.mean()))
    over = np.maximum(np.abs(loud) - 0.6, 0)
    return np.asarray(np.sign(loud) * (np.minimum(np.abs(loud), 0.6) + 0.3 * np.tanh(over / 0.3)))
