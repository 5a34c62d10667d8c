"""Songs in the formats that people have, made by ffmpeg."""

import subprocess
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 44100
SECONDS = 3


def ffmpeg(*arguments: object) -> bytes:
    command = ["ffmpeg", "-v", "error", "-nostdin", "-y", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, check=True).stdout


def decoded(path: Path) -> NDArray[np.float32]:
    """The first sound track [n, 2] as ffmpeg has it."""
    return np.frombuffer(ffmpeg("-i", path, "-map", "0:a:0", "-f", "f32le", "-"), "<f4").reshape(-1, 2)


def music(seconds: float = SECONDS) -> NDArray[np.float32]:
    """Two tones and their beats, which any encoder keeps."""
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    left = 0.2 * np.sin(2 * np.pi * 220 * time_s) + 0.2 * np.sin(2 * np.pi * 331 * time_s)
    return np.stack([left, 0.5 * left[::-1]], axis=1).astype(np.float32)


KINDS = {
    "song.m4a": ("-c:a", "aac", "-b:a", "192k"),
    "song.aac": ("-c:a", "aac", "-b:a", "192k"),
    "alac.m4a": ("-c:a", "alac"),
    "song.webm": ("-c:a", "libopus", "-b:a", "192k"),
    "song.wma": ("-c:a", "wmav2", "-b:a", "192k"),
    "song.mka": ("-c:a", "ac3", "-b:a", "192k"),
    "video.mp4": ("-f", "lavfi", "-i", f"testsrc=size=64x48:rate=5:duration={SECONDS}", "-c:v", "mpeg4", "-c:a", "aac"),
    "video.mkv": ("-f", "lavfi", "-i", f"testsrc=size=64x48:rate=5:duration={SECONDS}", "-c:v", "mpeg4", "-c:a", "mp3"),
}
"""Name to what ffmpeg is told, with the song as its first input."""


def encode(song: Path, folder: Path, name: str) -> Path:
    """The song as one of the KINDS."""
    ffmpeg("-i", song, *KINDS[name], folder / name)
    return folder / name
