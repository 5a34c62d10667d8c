"""Songs with singing in four stems: what a model of ours hears in the accompaniments of those taken apart in two.

``ROOT/train/answered-<source>-<song>/{drums,bass,other,vocals}.flac``: a song of `taught.py`, its voice as Spleeter has
it, and its accompaniment as the model takes it apart. A stem below FAINT_DB, and what the model takes for a voice, is
`other`. **The labels of drums, bass and other are a model's own**, which `about.txt` beside them says too: they tell it
nothing new of those, but let it hear a real voice among the stems of the song that it belongs to.

The model hears a song at several speeds, every second time inverted and with its sides exchanged; the mean is kept.
`live-free` alone has a yardstick of 2.73 dB, and at 0.89, 0.84 and 0.79 together 3.13.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soxr

from stemlive.errors import StemliveError
from stemlive.training.corpus.demixed import Teacher, heard, place
from stemlive.training.corpus.render_effects import SAMPLE_RATE_HZ, Audio
from stemlive.training.corpus.taught import PREFIX as TAUGHT
from stemlive.training.corpus.taught import read_song
from stemlive.training.peer_demucs import STEMS

PREFIX = "answered-"
SPEEDS = (0.89, 0.84, 0.79)
"""Samples that the model hears in place of one: below 1, the song is faster and higher."""


@functools.cache
def answers_of(weights: Path) -> Teacher:
    """The model of a file as a teacher of four stems, loaded once a process; what it leaves of a song is `other`.

    Raises StemliveError for one with other stems or another rate, and as `load_checkpoint` does.
    """
    import torch

    from stemlive.model.bsrnn import reconfigured
    from stemlive.model.checkpoint import load_checkpoint
    from stemlive.model.framing import Framing
    from stemlive.training.inference import separate_batch

    model = reconfigured(load_checkpoint(weights)[0], phase_turns=1).eval()
    config = model.config
    if set(config.stems) != set(STEMS) or config.sample_rate_hz != SAMPLE_RATE_HZ:
        raise StemliveError(f"{weights} cannot take songs apart: take a model that separates {', '.join(STEMS)}")
    framing, order = Framing(config.framing), [config.stems.index(stem) for stem in STEMS]
    torch.set_num_threads(1)

    def at_speed(song: Audio, speed: float, polarity: int) -> Audio:
        sides = slice(None, None, polarity)
        faster = polarity * soxr.resample(song, 1.0, speed)[:, sides]
        stems = separate_batch(model, framing, torch.from_numpy(np.ascontiguousarray(faster.T))[None])[0, order]
        plain = [soxr.resample(stem.T.numpy(), speed, 1.0)[: len(song)] for stem in stems]
        return np.stack([np.pad(stem, ((0, len(song) - len(stem)), (0, 0))) for stem in plain])[..., sides] * polarity

    def teacher(song: Audio) -> Audio:
        stems = np.zeros((len(STEMS), *song.shape), np.float32)
        for turn, speed in enumerate(SPEEDS):
            stems += at_speed(song, speed, (-1) ** turn) / np.float32(len(SPEEDS))
        stems[STEMS.index("other")] += song - stems.sum(0)
        return stems

    return teacher


def require_answers(root: Path, weights: Path | None, taught: bool) -> None:
    """Raise StemliveError as `answers_of` does, and where no song is there that was taken apart in two nor will be."""
    if weights:
        answers_of(weights)
    if weights and not taught and not any(taught_songs(root)):
        raise StemliveError(f"no song in {root} was taken apart in voice and accompaniment: build with `taught`, too")


def taught_songs(root: Path) -> Iterator[Path]:
    """The songs of a corpus that are there as voice and accompaniment."""
    yield from sorted((root / "train").glob(f"{TAUGHT}*"))


def answer_jobs(root: Path, weights: Path | None) -> Iterator[tuple[Any, ...]]:
    """`answer` and its arguments, for each of these songs; none without a model."""
    for song in taught_songs(root) if weights else ():
        yield answer, root, song, weights


def answer(root: Path, song: Path, weights: Path) -> bool:
    """Take the accompaniment of a song apart; False if that was done before."""
    name = PREFIX + song.name.removeprefix(TAUGHT)
    if (root / "train" / name).exists():
        return False
    accompaniment, voice = (read_song(song / f"{stem}.ogg") for stem in ("accompaniment", "vocals"))
    stems = heard(answers_of(weights)(accompaniment), never=("vocals",))
    about = f"{name}: drums, bass and other are the answers of {weights.name}; the voice is Spleeter's.\n"
    place(root, name, stems | {"vocals": voice}, about)
    return True
