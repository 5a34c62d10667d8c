"""A recipe: every choice of one training run, read from a TOML file with tables [model], [mix], [train], [card]."""

import dataclasses
import time
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stemlive.errors import UsageError
from stemlive.model.config import ModelConfig
from stemlive.training.losses import LOSSES
from stemlive.training.mixing import MixConfig

CLOCKS: dict[str, Callable[[], float]] = {"wall": time.monotonic, "processor": time.process_time}


@dataclass(frozen=True)
class TrainConfig:
    """Optimisation.

    spectrum_weight: factor of the spectral part of `t+tf` (paper: 1). A frame's spectrum holds samples that the short
        synthesis window leaves out; the smaller the factor, the more counts what is heard.
    loudness_weight: quiet and loud segments count alike.
    batch: segments per process and step.
    decay_share: last part of the run, over which the learning rate falls to 0.
    clock: what a time limit counts, of CLOCKS: `wall`, or `processor`: the time that a processor core spent on this
        process (its helpers that mix segments not counted), so that runs on a busy machine get equal shares.
    """

    loss: str = "t+tf"
    spectrum_weight: float = 1.0
    loudness_weight: bool = True
    batch: int = 3
    learning_rate: float = 1e-3
    warmup_steps: int = 200
    decay_share: float = 0.3
    gradient_clip: float = 5.0
    ema_decay: float = 0.998
    steps: int = 100_000
    clock: str = "wall"
    seed: int = 0
    precision: str = "bf16"
    validate_minutes: float = 15.0
    save_minutes: float = 5.0
    validation_s: float = 30.0

    def __post_init__(self) -> None:
        if self.loss not in LOSSES:
            raise UsageError(f"unknown loss '{self.loss}': choose one of {', '.join(LOSSES)}")
        if self.precision not in ("no", "bf16", "fp16"):
            raise UsageError(f"unknown precision '{self.precision}': choose no, bf16 or fp16")
        if self.clock not in CLOCKS:
            raise UsageError(f"unknown clock '{self.clock}': choose one of {', '.join(CLOCKS)}")


@dataclass(frozen=True)
class Recipe:
    """Model, data and optimisation of one run; `card` goes onto the model's card as it is (name, description, ...)."""

    model: ModelConfig = field(default_factory=ModelConfig)
    mix: MixConfig = field(default_factory=MixConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    card: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as they go into checkpoints."""
        return dataclasses.asdict(self)


def read_recipe(path: Path) -> Recipe:
    """The recipe in a TOML file. Raises UsageError for a file, a table or a name that does not fit."""
    return parse_recipe(read_toml(path, "recipe"), str(path))


def read_toml(path: Path, kind: str) -> dict[str, Any]:
    """The tables of a TOML file. Raises UsageError for one that cannot be read, named as what `kind` says."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"cannot read the {kind} {path}: {error}") from error


def parse_recipe(tables: dict[str, Any], source: str) -> Recipe:
    """The recipe in tables as TOML gives them; `source` names it in the UsageError for what does not fit."""
    unknown = sorted(set(tables) - {"model", "mix", "train", "card"})
    if unknown:
        raise UsageError(f"{source}: unknown table [{unknown[0]}]: a recipe has [model], [mix], [train] and [card]")
    try:
        return Recipe(
            ModelConfig.from_dict(tables.get("model", {})),
            MixConfig(**tables.get("mix", {})),
            TrainConfig(**tables.get("train", {})),
            tables.get("card", {}),
        )
    except TypeError as error:
        raise UsageError(f"{source}: {str(error).split('__init__() ')[-1]}") from error
