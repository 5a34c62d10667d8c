"""Is it the voice that a model knows, or the middle? Voices that are the same on both sides cannot tell."""

from collections.abc import Mapping
from dataclasses import dataclass

from stemlive.errors import TrainingError
from stemlive.training.estimates import Estimator
from stemlive.training.recordings import Recording
from stemlive.training.references import load_reference
from stemlive.training.report import average, rounded
from stemlive.training.scores import usdr

TARGETS = ("vocals", "accompaniment")


@dataclass(frozen=True)
class LateVoice:
    """Mean uSDR in dB over the songs that have a voice, by target, with the voice's right side `late_ms` late."""

    late_ms: float
    usdr_db: dict[str, float]


def late_voice(
    songs: Mapping[str, Mapping[str, Recording]],
    estimator: Estimator,
    sample_rate_hz: int,
    late_ms: float,
    seconds: float | None = None,
) -> LateVoice:
    """Score the songs once more, each with a voice that is out of phase between the sides, as widened voices are.

    `seconds` limits songs to their beginning. Raises TrainingError when no song has a voice.
    """
    cells = []
    for name, song in sorted(songs.items()):
        reference = load_reference(song, name, sample_rate_hz, seconds)
        if "vocals" in reference.tracks:
            wide = reference.with_late_voice(round(late_ms / 1000 * sample_rate_hz))
            outputs = wide.outputs(estimator(name, wide.mixture))
            judged = [target for target in TARGETS if target in outputs]
            cells.append({target: {"usdr_db": usdr(wide.targets[target], outputs[target])} for target in judged})
    if not cells:
        raise TrainingError("no song has a voice: check --data and --split")
    return LateVoice(late_ms, {target: row["usdr_db"] for target, row in rounded(average(cells)).items()})
