"""Test what a model takes for the voice, by moving it and by adding others, and where in the spectrum it errs."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from stemlive.errors import TrainingError
from stemlive.training.estimates import Estimator
from stemlive.training.recordings import Recording
from stemlive.training.references import Reference, load_reference
from stemlive.training.report import TARGETS as TABLE
from stemlive.training.report import average, rounded
from stemlive.training.scores import ratio_db, usdr

TARGETS = ("vocals", "accompaniment")
BACKING_DB = -6.0
BACKING_PAN = 0.1
"""Of a backing voice: how loud both are together against the lead, and how much of one is on its other side."""

LOWEST_HZ = 100.0
"""Top of the lowest octave that `by_frequency` tells apart."""
WINDOW = 4096
"""Samples of its windows."""
NOTHING = 1e-12
"""Energy that stands for none, where a target has 1: an octave may be empty."""

Songs = Mapping[str, Mapping[str, Recording]]


@dataclass(frozen=True)
class LateVoice:
    """Mean uSDR in dB over the songs that have a voice, by target, with the voice's right side `late_ms` late."""

    late_ms: float
    usdr_db: dict[str, float]


def late_voice(
    songs: Songs, estimator: Estimator, sample_rate_hz: int, late_ms: float, seconds: float | None = None
) -> LateVoice:
    """Score the songs once more, each with a voice that is out of phase between the sides, as widened voices are.

    `seconds` limits songs to their beginning. Raises TrainingError when no song has a voice.
    """
    samples = round(late_ms / 1000 * sample_rate_hz)
    return LateVoice(
        late_ms, _mean_usdr(songs, estimator, sample_rate_hz, lambda song: song.with_late_voice(samples), seconds)
    )


def mono(songs: Songs, estimator: Estimator, sample_rate_hz: int, seconds: float | None = None) -> dict[str, float]:
    """Mean uSDR in dB by target over the songs that have a voice, each mixed down to mono: all of it in the middle.

    `seconds` limits songs to their beginning. Raises TrainingError when no song has a voice.
    """
    return _mean_usdr(songs, estimator, sample_rate_hz, Reference.in_mono, seconds)


@dataclass(frozen=True)
class BackingVoices:
    """How much of lead and backing voices is left in the accompaniment, in dB: means over the songs with a voice."""

    lead_db: float
    backing_db: float


def backing_voices(
    songs: Songs, estimator: Estimator, sample_rate_hz: int, seconds: float | None = None
) -> BackingVoices:
    """Give each song two backing voices, those of the next songs, one to the left and one to the right.

    What is left of lead and backing is the least-squares share of each in the accompaniment, as karaoke has it.
    `seconds` limits songs to their beginning. Raises TrainingError where not three songs have a voice.
    """
    loaded = (load_reference(song, name, sample_rate_hz, seconds) for name, song in sorted(songs.items()))
    sung = [reference for reference in loaded if "vocals" in reference.targets]
    if len(sung) < 3:
        raise TrainingError(f"backing voices are those of two other songs, and {len(sung)} have a voice: give more")
    shares = []
    for number, reference in enumerate(sung):
        lead = reference.tracks["vocals"]
        one, other = (sung[(number + step) % len(sung)].tracks["vocals"] for step in (1, 2))
        left = _fitted(one.mean(0), lead.shape[-1])
        right = _fitted(other.mean(0), lead.shape[-1])
        backing = torch.stack([left + BACKING_PAN * right, right + BACKING_PAN * left])
        backing = backing * (10 ** (BACKING_DB / 20) * lead.square().mean().sqrt() / backing.square().mean().sqrt())
        mixture = reference.mixture + backing
        left_over = mixture - estimator(reference.name, mixture)["vocals"]
        parts = torch.stack([part.flatten() for part in (lead, backing, reference.mixture - lead)], 1).double()
        share = torch.linalg.lstsq(parts, left_over.flatten()[:, None].double()).solution[:2, 0]
        shares.append(20 * share.abs().clamp_min(1e-6).log10())
    lead_db, backing_db = torch.stack(shares).mean(0).tolist()
    return BackingVoices(round(lead_db, 2), round(backing_db, 2))


@dataclass(frozen=True)
class Octave:
    """Frequencies below `top_hz` and from that of the octave before: by target, means over the songs.

    `error_share`: of all of the target's error, how much lies there; `usdr_db`: ratio of the target's energy there to
    that of the error there, summed over songs of equal loudness of the target.
    """

    top_hz: float
    error_share: dict[str, float]
    usdr_db: dict[str, float]


def by_frequency(songs: Songs, estimator: Estimator, sample_rate_hz: int, seconds: float | None = None) -> list[Octave]:
    """Where in the spectrum the errors are, octave by octave. `seconds` limits songs to their beginning."""
    tops_hz = [LOWEST_HZ * 2**octave for octave in range(math.ceil(math.log2(sample_rate_hz / 2 / LOWEST_HZ)))]
    window = torch.hann_window(WINDOW)
    octaves = torch.bucketize(
        torch.arange(WINDOW // 2 + 1) * sample_rate_hz / WINDOW, torch.tensor(tops_hz), right=True
    )

    def energies(signal: Tensor) -> Tensor:
        bins = torch.stft(signal, WINDOW, WINDOW // 4, window=window, return_complex=True).abs().square().sum((0, 2))
        return torch.zeros(len(tops_hz) + 1, dtype=torch.float64).index_add_(0, octaves, bins.double())

    sums: dict[str, list[Tensor]] = {}
    for name, song in sorted(songs.items()):
        reference = load_reference(song, name, sample_rate_hz, seconds)
        for target, output in reference.outputs(estimator(name, reference.mixture)).items():
            true = energies(reference.targets[target])
            error = energies(output - reference.targets[target])
            sums.setdefault(target, []).append(torch.stack([error, true]) / true.sum())
    means = {target: torch.stack(sums[target]).mean(0) for target in TABLE if target in sums}
    return [
        Octave(
            top_hz,
            {target: round(float(error[row] / error.sum()), 3) for target, (error, _) in means.items()},
            {
                target: round(ratio_db(true[row] + NOTHING, error[row] + NOTHING), 2)
                for target, (error, true) in means.items()
            },
        )
        for row, top_hz in enumerate([*tops_hz, sample_rate_hz / 2])
    ]


def _fitted(voice: Tensor, count: int) -> Tensor:
    """A voice `[n]` at length `count`, repeated where it is shorter."""
    return voice.repeat(-(-count // len(voice)))[:count]


def _mean_usdr(
    songs: Songs,
    estimator: Estimator,
    sample_rate_hz: int,
    changed: Callable[[Reference], Reference],
    seconds: float | None,
) -> dict[str, float]:
    cells = []
    for name, song in sorted(songs.items()):
        reference = load_reference(song, name, sample_rate_hz, seconds)
        if "vocals" in reference.targets:
            probe = changed(reference)
            outputs = probe.outputs(estimator(name, probe.mixture))
            judged = [target for target in TARGETS if target in outputs]
            cells.append({target: {"usdr_db": usdr(probe.targets[target], outputs[target])} for target in judged})
    if not cells:
        raise TrainingError("no song has a voice: check `roots` and `split`")
    return {target: row["usdr_db"] for target, row in rounded(average(cells)).items()}
