"""Separates validation songs with a torch model and scores the stems."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from stemlive.errors import TrainingError
from stemlive.model.bsrnn import BSRNN
from stemlive.model.checkpoint import load_checkpoint
from stemlive.model.config import STEMS
from stemlive.model.framing import Framing
from stemlive.training.scores import usdr
from stemlive.training.sources import Recording, scan

CHUNK_FRAMES = 256


@dataclass(frozen=True)
class SongScore:
    """uSDR in dB per stem of one song: of the estimate, and of the mixture taken for the stem."""

    song: str
    estimate_db: dict[str, float]
    mixture_db: dict[str, float]


@torch.no_grad()
def separate_whole(model: BSRNN, framing: Framing, mixture: Tensor) -> Tensor:
    """Stems `[S, C, n]` of a mixture `[C, n]`, latency removed; a causal model goes through it in chunks."""
    preset = framing.preset
    count = mixture.shape[-1]
    padded = functional.pad(mixture, (0, preset.synthesis_samples + -count % preset.hop_samples))
    frames = framing(padded.unsqueeze(0))
    state = model.initial_state(1, mixture.device)
    if not model.config.causal:
        return framing.inverse(model(frames, state)[0])[0, ..., :count]
    parts = []
    for chunk in frames.split(CHUNK_FRAMES, dim=1):
        stems, state = model(chunk, state)
        parts.append(stems)
    return framing.inverse(torch.cat(parts, dim=2))[0, ..., :count]


def score_song(
    model: BSRNN, framing: Framing, song: Mapping[str, Recording], name: str, seconds: float | None = None
) -> SongScore:
    """Scores every stem that the song has; stems that it lacks are left out.

    A song without a bass file has its bass inside `other`: there the two are scored together, as `bass+other`. With an
    `accompaniment` file all but the voice are scored together. `seconds` limits the song to its beginning.
    Raises TrainingError for a song without any stem that the model has.
    """
    rate = model.config.sample_rate_hz
    longest = max(recording.num_samples for recording in song.values())
    count = longest if seconds is None else min(longest, int(seconds * rate))
    tracks = {stem: torch.from_numpy(recording.read(0, count).T.copy()) for stem, recording in song.items()}
    mixture = torch.stack(list(tracks.values())).sum(0)
    estimates = dict(zip(model.config.stems, separate_whole(model, framing, mixture), strict=True))
    references, outputs = {}, {}
    for target, members in _scored_groups(song).items():
        if all(stem in estimates for stem in members):
            references[target] = tracks[target] if target in tracks else sum_of(tracks, target)
            outputs[target] = sum_of(estimates, "+".join(members))
    if not references:
        raise TrainingError(f"song {name} has no stem of this model: check the data")
    return SongScore(
        name,
        {target: usdr(references[target], outputs[target]) for target in references},
        {target: usdr(references[target], mixture) for target in references},
    )


def _scored_groups(song: Mapping[str, Recording]) -> dict[str, tuple[str, ...]]:
    """Name of each score and the stems whose sum it judges."""
    rest = tuple(stem for stem in STEMS if stem != "vocals")
    groups: dict[str, tuple[str, ...]] = {stem: (stem,) for stem in STEMS if stem in song}
    if "other" in song and "bass" not in song:
        del groups["other"]
        groups["bass+other"] = ("bass", "other")
    groups["accompaniment"] = rest
    return groups


def sum_of(tracks: Mapping[str, Tensor], names: str) -> Tensor:
    """Sum of the tracks that are named; `accompaniment` is everything but the voice."""
    wanted = [s for s in STEMS if s != "vocals"] if names == "accompaniment" else names.split("+")
    return torch.stack([tracks[name] for name in wanted if name in tracks]).sum(0)


def averages(scores: list[SongScore]) -> dict[str, tuple[float, float]]:
    """Mean over songs per stem: (estimate, mixture), in dB."""
    names = sorted({name for score in scores for name in score.estimate_db})
    means = {}
    for name in names:
        having = [score for score in scores if name in score.estimate_db]
        means[name] = (
            sum(score.estimate_db[name] for score in having) / len(having),
            sum(score.mixture_db[name] for score in having) / len(having),
        )
    return means


def evaluate_checkpoint(
    checkpoint: Path, roots: list[Path], split: str, cache: Path, seconds: float | None
) -> dict[str, Any]:
    """Scores of every song of a split: `songs` and `average`, each with `usdr_db` and `mixture_db` to 0.01."""
    model, _ = load_checkpoint(checkpoint)
    framing = Framing(model.config.framing)
    songs = scan(roots, cache, model.config.sample_rate_hz, split).songs
    scores = [score_song(model, framing, song, name, seconds) for name, song in sorted(songs.items())]

    def cells(estimates: Mapping[str, float], mixtures: Mapping[str, float]) -> dict[str, dict[str, float]]:
        return {
            name: {"usdr_db": round(db, 2), "mixture_db": round(mixtures[name], 2)} for name, db in estimates.items()
        }

    means = averages(scores)
    return {
        "split": split,
        "seconds": seconds,
        "songs": {score.song: cells(score.estimate_db, score.mixture_db) for score in scores},
        "average": cells({n: m[0] for n, m in means.items()}, {n: m[1] for n, m in means.items()}),
    }
