"""Test whether a model recognises the voice or only the middle of the stereo image, by moving the voice."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from stemlive.errors import TrainingError
from stemlive.training.estimates import Estimator
from stemlive.training.recordings import Recording
from stemlive.training.references import Reference, load_reference
from stemlive.training.report import average, rounded
from stemlive.training.scores import usdr

TARGETS = ("vocals", "accompaniment")

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
