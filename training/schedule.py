"""Learning-rate schedules: each is a function that returns the rate relative to its peak, 0 to 1."""

import math

from stemlive.training.recipe import TrainConfig


def rate_factor(config: TrainConfig, step: int, share_done: float, epoch: int) -> float:
    """The recipe's schedule after a linear warm-up.

    `step` counts from 0; `share_done` is the part of the run that is over, 0 to 1; `epoch` counts whole epochs.
    """
    warm = min(1.0, (step + 1) / max(1, config.warmup_steps))
    match config.schedule:
        case "decay-at-end":
            return warm * decay_at_end(share_done, config.decay_share)
        case "exponential":
            return warm * exponential(epoch)
        case "cosine":
            return warm * cosine(share_done)
        case _:
            return warm


def decay_at_end(share_done: float, decay_share: float) -> float:
    """Constant, then a linear fall to 0 over the last `decay_share` of the run."""
    return min(1.0, (1 - share_done) / decay_share) if decay_share > 0 else 1.0


def exponential(epoch: int, decay: float = 0.98, every: int = 2) -> float:
    """Times `decay` after every second epoch, as the original trains (arXiv 2209.15174)."""
    return float(decay ** (epoch // every))


def cosine(share_done: float) -> float:
    """Half a cosine, from 1 to 0 (arXiv 1608.03983, without restarts)."""
    return 0.5 * (1 + math.cos(math.pi * min(1.0, share_done)))
