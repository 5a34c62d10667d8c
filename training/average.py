"""The mean of several trainings of one model, which began with the same weights.

Runs that part from there learn what is common and forget it differently; the mean of their weights is often better
than each, above all on songs unlike those of training, and can be trained on in the same way. Sources: Wortsman et al.,
"Model soups" (arXiv 2203.05482); Stich, "Local SGD converges fast" (arXiv 1805.09767).
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from stemlive.errors import TrainingError, check_exists
from stemlive.model.bsrnn import BSRNN
from stemlive.model.checkpoint import load_checkpoint, save_checkpoint
from stemlive.whole_file import refuse_existing


def average_checkpoints(checkpoints: list[Path], output: Path, *, half: bool = False, force: bool = False) -> BSRNN:
    """Write the mean of the weights to `output`, and return it; with `half` in 16 bits, also of one checkpoint alone.

    Its provenance is that of the first checkpoint, but for the time and the audio, which are those of all since they
    began, beside the most that any of them began with (what others began with is not counted twice); and for the
    sources, which are those of any.

    Raises UsageError for an output that exists, TrainingError for models of different kinds and fewer than two,
    ModelError for what is no checkpoint.
    """
    check_exists(*checkpoints)
    if len(checkpoints) < 2 and not half:
        raise TrainingError("give two checkpoints or more: one is its own mean")
    refuse_existing(output, force)
    models, provenances = zip(*(load_checkpoint(path) for path in checkpoints), strict=True)
    mean: BSRNN = models[0]
    for path, model in zip(checkpoints, models, strict=True):
        if replace(model.config, phase_turns=mean.config.phase_turns) != mean.config:
            raise TrainingError(f"{path} is another kind of model than {checkpoints[0]}: only equal ones have a mean")
    others = [dict(model.named_parameters()) for model in models[1:]]
    with torch.no_grad():
        for name, parameter in mean.named_parameters():
            parameter.copy_(torch.stack([parameter, *(other[name] for other in others)]).mean(0))
    save_checkpoint(mean, output, _provenance(list(provenances)), half)
    return mean


def _provenance(each: list[dict[str, Any]]) -> dict[str, Any]:
    if len(each) == 1:
        return each[0]
    progress = [provenance.get("progress", {}) for provenance in each]
    before = {what: max(p.get(what, 0) for p in progress) for what in ("before_audio_s", "before_wall_s")}
    since = [p for p in progress if p.get("before_audio_s", 0) + p.get("audio_s", 0) > before["before_audio_s"]]
    spent = {what: sum(p.get(what, 0) for p in since) for what in ("step", "audio_s", "wall_s", "processor_s")}
    kinds = sorted({kind for provenance in each for kind in provenance.get("sources", {})})
    sources = {kind: sorted({s for p in each for s in p.get("sources", {}).get(kind, [])}) for kind in kinds}
    return each[0] | {"progress": progress[0] | spent | before, "sources": sources, "averaged": len(each)}
