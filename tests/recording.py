"""The engine's side of a recording, here or in a process of its own (which has to import what it runs)."""

import numpy as np
from waiting import wait_until

from stemlive.realtime.recording.recorder import Recorder

RATE_HZ = 8000
STEMS = ("vocals", "drums")
BLOCK = 160
BEHIND = 480


def noise(samples: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-0.9, 0.9, (samples, 2)).astype(np.float32)


def feed(recorder: Recorder, sound: np.ndarray, first: int = 0, last: int | None = None) -> None:
    """Be the engine: the mix is half of the input, BEHIND samples later; the stems are an eighth and a quarter."""
    for start in range(first, len(sound) if last is None else last, BLOCK):
        recorder.heard(sound[start : start + BLOCK])
        if start >= BEHIND:
            block = sound[start - BEHIND : start - BEHIND + BLOCK]
            recorder.played(block / 2, np.stack([block / 8, block / 4]))


def in_another_process(recorder: Recorder, ready) -> None:
    recorder.begin(RATE_HZ, 2, STEMS)
    ready.set()
    wait_until(lambda: recorder.status().takes, "a take")
    feed(recorder, noise(RATE_HZ))
    recorder.end()
