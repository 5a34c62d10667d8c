"""Corpora of tones of two seconds, one pitch per stem."""

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


MUSDB_SONGS = {
    "train/First Artist - One": 0,
    "train/Second Artist - Two (Live)": 1,
    "train/Meaxic - Take A Step": 2,  # of MUSDB18's validation set
    "test/Third Artist - Three": 3,
}


def make_musdb(root):
    """A miniature MUSDB18-HQ: WAV of 16 bits, four stems and their sum per song, no `valid` folder."""
    for song, number in MUSDB_SONGS.items():
        stems = []
        for index, (stem, frequency_hz) in enumerate(TONES_HZ.items()):
            write_tone(root / song / f"{stem}.wav", frequency_hz * (1 + 0.1 * number) + index)
            stems.append(soundfile.read(root / song / f"{stem}.wav")[0])
        soundfile.write(root / song / "mixture.wav", np.sum(stems, axis=0) * 0.5, RATE)
        for stem, audio in zip(TONES_HZ, stems, strict=True):
            soundfile.write(root / song / f"{stem}.wav", audio * 0.5, RATE)
    return root
