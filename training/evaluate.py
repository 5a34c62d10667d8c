"""Separate songs whose stems are known, and score the result."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor

from stemlive.model.bsrnn import BSRNN
from stemlive.model.checkpoint import load_checkpoint
from stemlive.model.framing import PRESETS, Framing
from stemlive.training.estimates import Estimator
from stemlive.training.inference import default_method, separator
from stemlive.training.recordings import Recording
from stemlive.training.references import load_reference
from stemlive.training.report import Cells, average, judge, rounded
from stemlive.training.yardstick import ScoredSong, groups, in_words, silence, song_kind, yardstick

log = logging.getLogger(__name__)


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
) -> Iterator[ScoredSong]:
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
            if targets is not None:
                cells = {target: cells[target] for target in wanted if target in cells}
            yield ScoredSong(name, song_kind(song), cells, reference.left_out(song))


def report(songs: Sequence[ScoredSong], split: str, seconds: float | None, **about: Any) -> dict[str, Any]:
    """Return the report for JSON, in dB to 0.01.

    `yardstick`: the score that chooses (`yardstick.Yardstick`); `summary`: the same in words. `songs`: target and score
    (`report.Cells`) of each; `kinds`: which of `yardstick.KINDS` each is; `silent`: its stems that count in no average.
    `groups`: averages of the songs of each kind; `average`: of all songs.
    """
    found = asdict(yardstick(songs))
    silent = {song.name: list(song.silent) for song in songs if song.silent}
    return {
        "split": split,
        "seconds": seconds,
        **about,
        "yardstick": {key: round(value, 2) if isinstance(value, float) else value for key, value in found.items()},
        "summary": [in_words(found), *silence(silent)],
        "songs": {song.name: rounded(song.cells) for song in songs},
        "kinds": {song.name: song.kind for song in songs},
        "silent": silent,
        "groups": {kind: averaged(members) for kind, members in groups(songs).items()},
        "average": averaged(songs),
    }


def averaged(songs: Sequence[ScoredSong]) -> Cells:
    """The average of their scores, to 0.01 dB."""
    return rounded(average(song.cells for song in songs))
