"""A corpus of two-second tones, one pitch per stem."""

import numpy as np
import soundfile

RATE = 44100
TONES_HZ = {"vocals": 440.0, "drums": 3000.0, "bass": 60.0, "other": 1000.0}


def write_tone(path, frequency_hz, seconds=2.0, rate=RATE, channels=2):
    path.parent.mkdir(parents=True, exist_ok=True)
    time = np.arange(int(seconds * rate)) / rate
    tone = 0.3 * np.sin(2 * np.pi * frequency_hz * time) * (1 + 0.5 * np.sin(2 * np.pi * 3 * time))
    soundfile.write(path, np.repeat(tone[:, None], channels, axis=1), rate)


def make_corpus(root):
    """A song with four stems, one without bass, pools of all kinds, and a song to validate on."""
    for song in ("train/full", "valid/unseen"):
        for stem, frequency_hz in TONES_HZ.items():
            write_tone(root / song / f"{stem}.wav", frequency_hz)
    for stem in ("vocals", "drums", "other"):
        write_tone(root / "train/nobass" / f"{stem}.flac", TONES_HZ[stem])
    write_tone(root / "pool/vocals/choir/001.ogg", 523.0, channels=1)
    write_tone(root / "pool/bass/upright/001.wav", 80.0, rate=48000)
    write_tone(root / "pool/accompaniment/game/001.wav", 1500.0)
    return root
