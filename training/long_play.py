"""Test whether a model stays as good over a long time: its recurrent state must neither drift nor saturate."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import cycle

import torch
from torch import Tensor

from stemlive.errors import TrainingError
from stemlive.training.estimates import Estimator
from stemlive.training.recordings import Recording
from stemlive.training.references import Reference, load_reference
from stemlive.training.scores import usdr

LAST_S = 60.0
TARGETS = ("vocals", "accompaniment")


@dataclass(frozen=True)
class LongPlay:
    """uSDR in dB by stem of the last minute: after `minutes` without a pause, and begun with a state of zeros."""

    minutes: float
    last_db: dict[str, float]
    afresh_db: dict[str, float]


def long_play(
    songs: Mapping[str, Mapping[str, Recording]], estimator: Estimator, sample_rate_hz: int, minutes: float
) -> LongPlay:
    """Separate the songs that have a voice one after another, again and again, for so long, without a pause.

    Raises TrainingError when no song has a voice, or less than a minute is asked for.
    """
    count, last = round(60 * minutes * sample_rate_hz), round(LAST_S * sample_rate_hz)
    if count < last:
        raise TrainingError(f"{minutes:g} minutes are less than the last one, which is scored: ask for more")
    references = [load_reference(song, name, sample_rate_hz) for name, song in sorted(songs.items())]
    sung = [reference for reference in references if "vocals" in reference.targets]
    if not sung:
        raise TrainingError("no song has a voice: check `roots` and `split`")
    whole = _joined(sung, sample_rate_hz, count)
    ending = Reference("last minute", sample_rate_hz, {name: t[:, -last:] for name, t in whole.tracks.items()}, ())
    played = {stem: sound[:, -last:] for stem, sound in estimator("long play", whole.mixture).items()}
    return LongPlay(minutes, _scores(ending, played), _scores(ending, estimator("last minute", ending.mixture)))


def _joined(references: list[Reference], sample_rate_hz: int, count: int) -> Reference:
    """Voice and accompaniment of the songs in a row, `count` samples."""
    parts: dict[str, list[Tensor]] = {target: [] for target in TARGETS}
    missing = count
    for reference in cycle(references):
        voice = reference.tracks["vocals"][:, :missing]
        parts["vocals"].append(voice)
        parts["accompaniment"].append(reference.mixture[:, :missing] - voice)
        missing -= voice.shape[-1]
        if missing == 0:
            break
    return Reference("long play", sample_rate_hz, {target: torch.cat(row, dim=-1) for target, row in parts.items()}, ())


def _scores(reference: Reference, estimates: Mapping[str, Tensor]) -> dict[str, float]:
    outputs = reference.outputs(estimates)
    return {target: round(usdr(reference.targets[target], outputs[target]), 2) for target in outputs}
