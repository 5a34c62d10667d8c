"""Teachers: finished models whose mean answer is a part of what a run learns.

What a few minutes of songs say of a sound is told once more by models that have heard it among others: their mean knows
songs that none of them heard better than each does. A model so taught can pass its teachers, even those that are as it
is: Furlanello et al., "Born-again neural networks" (arXiv 1805.04770).
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor
from torch.nn import functional

from stemlive.errors import UsageError
from stemlive.model.bsrnn import BSRNN, reconfigured
from stemlive.model.checkpoint import load_checkpoint
from stemlive.model.framing import Framing
from stemlive.training.devices import compile_network
from stemlive.training.objective import Batch, delayed
from stemlive.training.recipe import Recipe

SILENT_POWER = 1e-4  # of a target over the mixture's: below it, the truth alone is learned


class Teachers:
    """The teachers of a run; with none, each batch is what it was."""

    def __init__(self, files: Sequence[Path], recipe: Recipe, accelerator: Accelerator) -> None:
        """Load them. Raises UsageError for one with other stems or another rate, and as `load_checkpoint` does."""
        self.student, self.share, self.accelerator = recipe.model, recipe.train.teacher_share, accelerator
        self.models: list[tuple[BSRNN, Framing]] = []
        for file in files:
            model = reconfigured(load_checkpoint(file)[0], phase_turns=1)
            config = model.config
            if (config.stems, config.sample_rate_hz) != (self.student.stems, self.student.sample_rate_hz):
                wanted = f"{', '.join(self.student.stems)} at {self.student.sample_rate_hz} Hz"
                raise UsageError(f"{file} cannot teach this model: take one that separates {wanted}")
            model.to(accelerator.device).requires_grad_(False)
            if recipe.train.compile:
                compile_network(model, accelerator.device.type == "cuda")
            self.models.append((model, Framing(config.framing).to(accelerator.device)))

    @torch.no_grad()
    def __call__(self, batches: list[Batch], step: int) -> list[Batch]:
        """The batches with a share of each target from the mean of the answers; where a target is silent, as it is.

        A teacher hears the mixture as it is in one step and inverted in the next: its answers differ a little.
        """
        return [self._taught(batch, step) for batch in batches] if self.models else batches

    def _taught(self, batch: Batch, step: int) -> Batch:
        answers = [
            self._answer(*teacher, batch.mixtures, -1 if (step + number) % 2 else 1)
            for number, teacher in enumerate(self.models)
        ]
        stems = delayed(torch.stack(answers).mean(0), self.student.lookahead_samples)
        said = torch.einsum("bgs,bscn->bgcn", batch.groups.to(stems.dtype), stems)
        least = SILENT_POWER * batch.mixtures.square().mean((-1, -2))[:, None]
        sounds = (batch.targets.square().mean((-1, -2)) > least)[..., None, None]
        return replace(batch, targets=torch.where(sounds, torch.lerp(batch.targets, said, self.share), batch.targets))

    def _answer(self, model: BSRNN, framing: Framing, mixtures: Tensor, polarity: int) -> Tensor:
        """Stems `[B, S, C, n]` of mixtures `[B, C, n]`, without the model's delay."""
        preset, count, behind = framing.preset, mixtures.shape[-1], model.config.lookahead_samples
        filling = -(count + behind) % preset.hop_samples
        padded = functional.pad(mixtures, (0, behind + filling + preset.synthesis_samples))
        frames = framing(polarity * padded).contiguous()  # of one layout: compiled once
        with self.accelerator.autocast():
            stems, _ = model(frames, model.initial_state(len(mixtures), frames.device))
        return polarity * framing.inverse(stems.float())[..., behind : behind + count]
