"""What a run validates on: the songs of `valid`, scored quickly by the averaged weights."""

from collections.abc import Callable, Iterator, Mapping
from itertools import groupby

import torch

from stemlive.model.bsrnn import BSRNN
from stemlive.model.framing import Framing
from stemlive.training.inference import separate_batch
from stemlive.training.oracle import ideal_ratio_mask
from stemlive.training.recordings import Recording
from stemlive.training.references import Reference, load_reference, song_samples
from stemlive.training.scores import usdr
from stemlive.training.yardstick import ScoredSong, song_kind

BATCH = 8
"""Songs of one length that are separated together: several times as quick as one by one on a processor core."""

Song = Mapping[str, Recording]


def score_songs(
    model: BSRNN,
    framing: Framing,
    songs: Mapping[str, Song],
    seconds: float | None = None,
    *,
    oracle: bool = False,
    listen: Callable[[str, Mapping[str, torch.Tensor]], None] | None = None,
) -> list[ScoredSong]:
    """Score every song by uSDR, the mixture taken for each stem too, and with `oracle` the ideal ratio mask.

    `seconds` limits songs to their beginning; `references` says what is judged. A song without any stem that the model
    has gives no scores. `listen` gets the estimates of each song by stem.
    """
    rate_hz = model.config.sample_rate_hz
    masking = Framing(framing.preset) if oracle else None
    scored = []
    for names in _of_one_length(songs, rate_hz, seconds):
        references = [load_reference(songs[name], name, rate_hz, seconds) for name in names]
        mixtures = torch.stack([reference.mixture for reference in references])
        separated = separate_batch(model, framing, mixtures.to(framing.analysis.device)).cpu()
        for reference, stems in zip(references, separated, strict=True):
            estimates = dict(zip(model.config.stems, stems, strict=True))
            if listen is not None:
                listen(reference.name, estimates)
            scored.append(_score(reference, songs[reference.name], estimates, masking))
    return sorted(scored, key=lambda song: song.name)


def _score(
    reference: Reference, song: Song, estimates: Mapping[str, torch.Tensor], masking: Framing | None
) -> ScoredSong:
    outputs = reference.outputs(estimates)
    contestants = {"usdr_db": outputs, "mixture_db": dict.fromkeys(outputs, reference.mixture)}
    if masking is not None:
        contestants["oracle_db"] = ideal_ratio_mask(reference, masking)
    cells = {
        target: {score: usdr(reference.targets[target], signals[target]) for score, signals in contestants.items()}
        for target in outputs
    }
    return ScoredSong(reference.name, song_kind(song), cells, reference.left_out(song))


def _of_one_length(songs: Mapping[str, Song], rate_hz: int, seconds: float | None) -> Iterator[list[str]]:
    """Names of the songs, at most BATCH together, all of one length."""

    def length(name: str) -> int:
        return song_samples(songs[name], rate_hz, seconds)

    for _, group in groupby(sorted(songs, key=length), length):
        names = list(group)
        yield from (names[start : start + BATCH] for start in range(0, len(names), BATCH))
