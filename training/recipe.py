"""A recipe: every choice of one training run, read from a TOML file with tables [model], [mix], [train], [card]."""

import dataclasses
import time
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stemlive.errors import MissingFileError, UsageError, did_you_mean
from stemlive.model.choices import check_types
from stemlive.model.config import ModelConfig
from stemlive.training.losses import check_loss
from stemlive.training.mixing import MixConfig
from stemlive.training.optimiser import OPTIMISERS

CLOCKS: dict[str, Callable[[], float]] = {"wall": time.monotonic, "processor": time.process_time}
SCHEDULES = ("decay-at-end", "exponential", "cosine", "constant")
PRECISIONS = ("no", "bf16", "fp16")
BUNDLED = Path(__file__).parent / "recipes"
LEAST = {
    "steps": 1,
    "seed": 0,
    "learning_rate": 0,
    "spectrum_weight": 0,
    "sdr_weight": 0,
    "decay_share": 0,
    "ema_decay": 0,
    "slow_steps": 0,
    "slow_share": 0,
    "teacher_share": 0,
    "validate_minutes": 0,
    "validation_s": 0,
    "save_minutes": 0,
    "batch": 1,
    "accumulate": 1,
    "carry": 1,
    "epoch_segments": 1,
    "patience": 0,
    "validate_epochs": 0,
    "weight_decay": 0,
    "warmup_steps": 0,
}


@dataclass(frozen=True)
class TrainConfig:
    """Optimisation.

    loss: names of losses.py joined by `+`.
    spectrum_weight: factor of the spectral part of `t+tf` (paper: 1). A frame's spectrum holds samples that the short
        synthesis window leaves out; the smaller the factor, the more counts what is heard.
    sdr_weight: factor of `sdr` among others. Beside `t` with loudness_weight, about 0.006 gives both the same gradients
        at an SDR of 6 dB.
    loudness_weight: quiet and loud segments count alike.
    batch, accumulate: segments per process at a time, and how often that before each step of the optimiser.
    frozen: parts of the network that stay as they are, by their names in BSRNN (`time_layers`, `split`, ...): what
        began with weights that suit it need not suffer from the rate that new parts want.
    carry: pieces that a segment is cut into and trained in, one after the other, before the step: each begins with the
        memory that the one before ended with, gradients end at its beginning (truncated backpropagation through time).
        So a segment may be as many times longer, on no more memory of the computer.
    learning_rate, schedule: the peak, and what follows the warm-up, of SCHEDULES (schedule.py). The original: 1e-3,
        `exponential`, no warm-up.
    decay_share: of `decay-at-end`: last part of the run, over which the learning rate falls to 0.
    ema_decay: of the mean of the weights, step by step, which is what is kept.
    slow_steps, slow_share: every so many steps the run goes on from the weights from which it went on the last time,
        moved so much of the way to their mean (`optimiser.meet`); with 0 steps it never does.
    teacher_share: so much of what is learned is the mean answer of the run's teachers, the rest is true (teaching.py).
    optimiser: of OPTIMISERS; both take the same learning rates.
    weight_decay: decoupled from the gradients, as in AdamW.
    epoch_segments: segments of all processes that make an epoch (original: 20 000).
    clock: what a time limit counts, of CLOCKS: `wall`, or `processor`: the time that a processor core spent on this
        process (its helpers that mix segments not counted), so that runs on a busy machine get equal shares.
    precision: of the network; losses and the optimiser's sums are always float32. `bf16` is float32 on processor cores
        where a few steps, timed when the run begins, are no quicker in it.
    compile: the network by torch.compile, at the run's start: a minute or two, then quicker steps. Done where there are
        a C++ compiler and Python's headers (Debian: g++, python3-dev); on a GPU it needs Triton.
    validate_epochs: validate after so many epochs; with 0 after `validate_minutes`.
    validation_s: seconds of each song that are scored.
    patience: stop after so many validations without a better score; 0 never does.
    """

    loss: str = "t+tf"
    spectrum_weight: float = 1.0
    sdr_weight: float = 1.0
    loudness_weight: bool = True
    batch: int = 3
    accumulate: int = 1
    frozen: Sequence[str] = ()
    carry: int = 1
    optimiser: str = "adam"
    learning_rate: float = 1e-3
    schedule: str = "decay-at-end"
    warmup_steps: int = 200
    decay_share: float = 0.3
    weight_decay: float = 0.0
    gradient_clip: float = 5.0
    ema_decay: float = 0.998
    slow_steps: int = 0
    slow_share: float = 0.5
    teacher_share: float = 0.7
    steps: int = 100_000
    epoch_segments: int = 20_000
    clock: str = "wall"
    seed: int = 0
    precision: str = "bf16"
    compile: bool = False
    validate_minutes: float = 15.0
    validate_epochs: int = 0
    validation_s: float = 30.0
    patience: int = 0
    save_minutes: float = 5.0

    def __post_init__(self) -> None:
        if isinstance(self.frozen, str):
            raise UsageError(f"frozen must be a list of names, not '{self.frozen}': write [\"{self.frozen}\"]")
        check_types(self, but=("frozen",))
        check_loss(self.loss)
        for name, known in (
            ("schedule", SCHEDULES),
            ("optimiser", OPTIMISERS),
            ("clock", CLOCKS),
            ("precision", PRECISIONS),
        ):
            if getattr(self, name) not in known:
                raise UsageError(f"unknown {name} '{getattr(self, name)}': choose one of {', '.join(known)}")
        for name, least in LEAST.items():
            if getattr(self, name) < least:
                raise UsageError(f"{name} must be at least {least}, not {getattr(self, name)}")
        if self.gradient_clip <= 0:
            raise UsageError(f"gradient_clip must be above 0, not {self.gradient_clip}: nothing would be learned")
        if self.ema_decay >= 1:
            raise UsageError(f"ema_decay must be below 1, not {self.ema_decay}: the mean would never follow")
        if self.slow_share > 1:
            raise UsageError(f"slow_share must be at most 1, not {self.slow_share}: there is no way beyond the mean")
        if self.teacher_share > 1:
            raise UsageError(f"teacher_share must be at most 1, not {self.teacher_share}: the rest is the truth's")


@dataclass(frozen=True)
class Recipe:
    """Model, data and optimisation of one run; `card` goes onto the model's card as it is (name, description, ...)."""

    model: ModelConfig = field(default_factory=ModelConfig)
    mix: MixConfig = field(default_factory=MixConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    card: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        carry, framing = self.train.carry, self.model.framing
        if carry > 1 and not self.model.causal:
            raise UsageError(f"carry = {carry} needs a causal model: another one has nothing to carry on")
        hops = round(self.mix.segment_s * self.model.sample_rate_hz) // framing.hop_samples
        if hops // carry <= framing.unfinished_hops:
            raise UsageError(
                f"segment_s {self.mix.segment_s} is too short: each of its pieces (carry = {carry}) "
                f"must be longer than the {framing.synthesis_samples} samples of the synthesis window"
            )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as they go into checkpoints."""
        return dataclasses.asdict(self)


def bundled_recipes() -> list[str]:
    """Names of the recipes that come with the program."""
    return sorted(path.stem for path in BUNDLED.glob("*.toml"))


def find_recipe(name: Path) -> Path:
    """The file of a recipe that comes with the program, by its name, or any file, by its path.

    Raises MissingFileError, a UsageError, where there is neither.
    """
    known = bundled_recipes()
    if str(name) in known:
        return BUNDLED / f"{name}.toml"
    if not name.exists():
        meant = did_you_mean(name.stem, known)
        raise MissingFileError(f"{name} does not exist: {meant}give the path of a recipe or one of {', '.join(known)}")
    return name


def run_of(recipe: Path) -> Path:
    """The folder in which a recipe's run is, unless another is named."""
    return Path("runs") / recipe.stem


def read_recipe(name: Path) -> Recipe:
    """The recipe of that name or in that file. Raises UsageError for a file, a table or a name that does not fit."""
    path = find_recipe(name)
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
