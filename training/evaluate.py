"""Separate songs whose stems are known, and score the result."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from stemlive.model.bsrnn import BSRNN
from stemlive.model.checkpoint import load_checkpoint
from stemlive.model.framing import PRESETS, Framing
from stemlive.training.estimates import Estimator
from stemlive.training.inference import default_method, separate_whole, separator
from stemlive.training.recordings import Recording
from stemlive.training.references import load_reference
from stemlive.training.report import Cells, average, judge, rounded
from stemlive.training.scores import usdr

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SongScore:
    """uSDR in dB per target of one song: of the estimate, and of the mixture taken for the target."""

    song: str
    estimate_db: dict[str, float]
    mixture_db: dict[str, float]


def score_song(
    model: BSRNN, framing: Framing, song: Mapping[str, Recording], name: str, seconds: float | None = None
) -> SongScore:
    """The uSDR of one song, quickly, for the training loop; `references` says what is judged.

    `seconds` limits the song to its beginning. A song without any stem that the model has gives no scores.
    """
    reference = load_reference(song, name, model.config.sample_rate_hz, seconds)
    mixture, targets = reference.mixture, reference.targets
    stems = separate_whole(model, framing, mixture.to(framing.analysis.device)).cpu()
    outputs = reference.outputs(dict(zip(model.config.stems, stems, strict=True)))
    return SongScore(
        name,
        {target: usdr(targets[target], output) for target, output in outputs.items()},
        {target: usdr(targets[target], mixture) for target in outputs},
    )


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


def torch_estimator(checkpoint: Path, method: str | None, hop_s: float) -> tuple[Estimator, BSRNN, str]:
    """A checkpoint as an Estimator, its model, and the method of inference (one of METHODS) that was taken.

    Raises ModelError for what is no checkpoint and UsageError for a method that the model does not allow.
    """
    model, _ = load_checkpoint(checkpoint)
    separate = separator(model, Framing(model.config.framing), method, hop_s)

    def estimate(_: str, mixture: Tensor) -> dict[str, Tensor]:
        return dict(zip(model.config.stems, separate(mixture), strict=True))

    return estimate, model, method or default_method(model)


def judge_songs(
    songs: Mapping[str, Mapping[str, Recording]],
    estimator: Estimator,
    sample_rate_hz: int,
    *,
    preset: str = "offline",
    seconds: float | None = None,
    targets: tuple[str, ...] | None = None,
) -> Iterator[tuple[str, Cells]]:
    """Score song after song, in the order of their names. Targets without an estimate are logged and left out.

    `preset` is the framing of the oracle, `seconds` limits songs to their beginning, `targets` what is reported.
    """
    framing = Framing(PRESETS[preset])
    for name, song in sorted(songs.items()):
        reference = load_reference(song, name, sample_rate_hz, seconds)
        estimates = estimator(name, reference.mixture)
        wanted = [target for target in reference.targets if targets is None or target in targets]
        if missing := [target for target in wanted if target not in reference.outputs(estimates)]:
            log.warning("%s: no estimate of %s, left out", name, ", ".join(missing))
        if estimates:
            cells = judge(reference, estimates, framing)
            yield name, cells if targets is None else {target: cells[target] for target in wanted if target in cells}


def report(songs: Mapping[str, Cells], split: str, seconds: float | None, **about: Any) -> dict[str, Any]:
    """Return the report for JSON: `songs` and `average`, by target and score (`report.Cells`), to 0.01 dB."""
    return {
        "split": split,
        "seconds": seconds,
        **about,
        "songs": {name: rounded(cells) for name, cells in songs.items()},
        "average": rounded(average(songs.values())),
    }
