"""All scores of a song in one table, and the averages over songs that a report shows."""

from collections.abc import Iterable, Mapping

import numpy as np
import torch
from torch import Tensor

from stemlive.errors import TrainingError
from stemlive.model.framing import Framing
from stemlive.training.oracle import ideal_ratio_mask
from stemlive.training.references import Reference
from stemlive.training.scores import chunk_sdr, leakage, median_sdr, usdr, vocal_bleed

Cells = dict[str, dict[str, float]]
"""Target, then name of the score: a number in dB. A score that has no meaning for the target is left out."""

TARGETS = ("vocals", "drums", "bass", "other", "bass+other", "accompaniment")
"""Everything that is judged, in the order of every table."""

MEDIANS = ("csdr_db", "mixture_csdr_db", "oracle_csdr_db")


def judge(reference: Reference, estimates: Mapping[str, Tensor], framing: Framing) -> Cells:
    """Every score of the stems `[C, n]` that are there, next to the unprocessed mixture and the oracle in this framing.

    Raises TrainingError when none of them can be judged in this song.
    """
    targets, mixture = reference.targets, reference.mixture
    outputs = reference.outputs(estimates)
    silent = [stem for stem in (*reference.silent, *reference.quiet) if stem in estimates]
    if not outputs and not silent:
        raise TrainingError(
            f"song {reference.name} has no stem in common with the estimates: it has {', '.join(targets)}"
        )
    contestants = {
        ("usdr_db", "csdr_db"): outputs,
        ("mixture_db", "mixture_csdr_db"): dict.fromkeys(outputs, mixture),
        ("oracle_db", "oracle_csdr_db"): ideal_ratio_mask(reference, framing),
    }
    chunk = reference.sample_rate_hz
    cells: Cells = {target: {} for target in targets if target in outputs}
    for (whole, median), signals in contestants.items():
        medians = csdr({target: targets[target] for target in outputs}, signals, chunk)
        for target, row in cells.items():
            row[whole] = usdr(targets[target], signals[target])
            if (db := medians[target]) is not None:
                row[median] = db
    nothing = torch.zeros_like(mixture)
    for target, true in [*((t, targets[t]) for t in cells), *((s, reference.tracks.get(s, nothing)) for s in silent)]:
        estimate = outputs[target] if target in outputs else estimates[target]
        if (db := leakage(true, estimate, mixture, chunk)) is not None:
            cells.setdefault(target, {})["leakage_db"] = db
    if "accompaniment" in cells and "vocals" in targets:
        vocals, music = targets["vocals"], targets["accompaniment"]
        if (db := vocal_bleed(vocals, music, outputs["accompaniment"], chunk)) is not None:
            cells["accompaniment"]["bleed_db"] = db
    return cells


def csdr(
    references: Mapping[str, Tensor], estimates: Mapping[str, Tensor], chunk_samples: int
) -> dict[str, float | None]:
    """Median over the chunks of museval's SDR by target, `[C, n]` each; None where every chunk is silent.

    As in museval, the voice and the accompaniment are judged as a pair and the other stems together with the voice: a
    chunk in which one of those that are judged together is silent counts for none of them.
    """
    medians: dict[str, float | None] = {}
    stems = [target for target in references if target != "accompaniment"]
    pair = [target for target in ("vocals", "accompaniment") if target in references]
    for together in (stems, pair if "accompaniment" in pair else []):
        if together:
            true, estimated = (torch.stack([kind[t] for t in together]) for kind in (references, estimates))
            ratios = chunk_sdr(true, estimated, chunk_samples)
            medians.update({target: median_sdr(row) for target, row in zip(together, ratios, strict=True)})
    return medians


def average(songs: Iterable[Cells]) -> Cells:
    """Over the songs that have a score: the mean, and for cSDR the median; in the order of TARGETS."""
    values: dict[str, dict[str, list[float]]] = {}
    for cells in songs:
        for target, row in cells.items():
            for score, value in row.items():
                values.setdefault(target, {}).setdefault(score, []).append(value)
    return {
        target: {
            score: float(np.median(numbers) if score in MEDIANS else np.mean(numbers)) for score, numbers in row.items()
        }
        for target, row in sorted(values.items(), key=lambda item: TARGETS.index(item[0]))
    }


def rounded(cells: Cells) -> Cells:
    """The same to 0.01 dB."""
    return {target: {score: round(value, 2) for score, value in row.items()} for target, row in cells.items()}
