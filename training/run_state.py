"""The files of a run in its folder, and what of it is saved to go on from: how far it is, weights, optimiser."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from stemlive.errors import TrainingError
from stemlive.model.checkpoint import check_finite, load_values, save_atomically
from stemlive.model.config import ModelConfig
from stemlive.training.recipe import Recipe, TrainConfig

STATE_FILE = "state.pt"
WEIGHTS_FILE = "weights.pt"
BEST_FILE = "best.pt"


@dataclass
class Progress:
    """How far a run is; saved with it. Times are of the main process, all its sessions together.

    best_yardstick_db: best yardstick so far. unimproved: validations since then. before_audio_s, before_wall_s: what
        the weights that it began with had taken.
    """

    step: int = 0
    audio_s: float = 0.0
    wall_s: float = 0.0
    processor_s: float = 0.0
    best_yardstick_db: float = -math.inf
    unimproved: int = 0
    before_audio_s: float = 0.0
    before_wall_s: float = 0.0

    @property
    def steps_of_weights(self) -> float:
        """Steps that made the weights; without end where the run began with weights, whose steps nobody knows."""
        return math.inf if self.before_audio_s > 0 else self.step

    @classmethod
    def after(cls, provenance: Mapping[str, Any]) -> "Progress":
        """That of a run that begins with weights of this provenance."""
        spent = provenance.get("progress", {})

        def total(what: str) -> float:
            return float(spent.get(what, 0.0) + spent.get(f"before_{what}", 0.0))

        return cls(before_audio_s=total("audio_s"), before_wall_s=total("wall_s"))


class Part(Protocol):
    """What is saved as it is and goes on from there: a network, an optimiser, a scaler of gradients."""

    def state_dict(self) -> dict[str, Any]:
        """All of it, in tensors and plain values."""
        ...

    def load_state_dict(self, state_dict: dict[str, Any]) -> Any:
        """Become that."""
        ...


def save_state(folder: Path, recipe: Recipe, progress: Progress, parts: Mapping[str, Part]) -> None:
    """Write the state to resume from, whole or not at all. Raises ModelError for weights that are not finite."""
    state = {name: part.state_dict() for name, part in parts.items()}
    for name in ("weights", "averaged"):
        check_finite(state[name], folder / STATE_FILE)
    save_atomically({"recipe": recipe.to_dict(), "progress": asdict(progress), **state}, folder / STATE_FILE)


def restore_state(folder: Path, recipe: Recipe, parts: Mapping[str, Part]) -> Progress:
    """Bring the parts back to where the run in this folder saved them.

    Raises TrainingError for what is no state, or that of another model or optimiser, and ModelError for weights that
    are not finite.
    """
    path = folder / STATE_FILE
    saved = load_values(path)
    if missing := {"recipe", "progress", "weights", "averaged", "optimizer"} - set(saved):
        raise TrainingError(
            f"{path} is no state of a run: it lacks {', '.join(sorted(missing))}: put the run's own back, or "
            "choose another `folder`"
        )
    if ModelConfig.from_dict(saved["recipe"]["model"]) != recipe.model:  # an old run lacks newer choices
        raise TrainingError(f"{folder} holds a run of another model: choose another `folder`")
    before = saved["recipe"]["train"].get("optimiser", TrainConfig.optimiser)
    if before != recipe.train.optimiser:
        raise TrainingError(
            f"{folder} holds a run by the optimiser {before}, not {recipe.train.optimiser}: keep it, or choose another "
            "`folder`"
        )
    for name in ("weights", "averaged"):
        check_finite(saved[name], path)
    try:
        for name, part in parts.items():
            if name in saved:
                part.load_state_dict(saved[name])
            elif name == "slow":  # the run had none until now
                part.load_state_dict(saved["averaged"])
    except (RuntimeError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise TrainingError(f"{path} does not fit the recipe: {reason}: choose another `folder`") from error
    known = {field.name for field in dataclasses.fields(Progress)}  # an old run chose by another score: not kept
    return Progress(**{name: value for name, value in saved["progress"].items() if name in known})


def not_finite(folder: Path, step: int, loss: float, gradient: float, files: list[str]) -> TrainingError:
    """What a run ends with whose step had a loss or gradient that is not finite, mixed from these files."""
    state = folder / STATE_FILE
    kept = f"{state} holds what was learned before" if state.exists() else "nothing was saved before"
    return TrainingError(
        f"step {step}: loss {loss:g}, gradient {gradient:g}: the run ends, {kept}. Try a lower learning_rate, or look "
        f"at what the step was mixed from: {', '.join(files)}"
    )
