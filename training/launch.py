"""Starts a run: in this process when it is one of several, otherwise by starting as many as are asked for."""

import logging
import os
import subprocess
import sys
from pathlib import Path

from stemlive.errors import TrainingError

# What training on a CPU takes (measured): one thread a process, and a C library that keeps its memory.
CPU_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "MALLOC_MMAP_THRESHOLD_": str(2**33),
    "MALLOC_TRIM_THRESHOLD_": str(2**34),
    "MALLOC_TOP_PAD_": str(2**28),
}


def is_worker() -> bool:
    """Whether this process is one of a run already."""
    return "RANK" in os.environ


def launch(arguments: list[str], processes: int) -> None:
    """Run `stemlive train ARGUMENTS` in so many processes and wait. Raises TrainingError when one of them fails."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    command += ["-m", "--", "stemlive", "train", *arguments]
    try:
        code = subprocess.run(command, env={**CPU_ENVIRONMENT, **os.environ}, check=False).returncode
    except KeyboardInterrupt:
        code = 0
    if code:
        raise TrainingError(f"a training process ended with code {code}: see its message above")


def train(
    recipe_file: Path,
    roots: list[Path],
    validation_roots: list[Path],
    folder: Path,
    cache: Path,
    *,
    time_limit_s: float,
    start_weights: Path | None,
    workers: int,
) -> None:
    """One process of a run: read the recipe, scan the data, train. Arguments as in `stemlive train --help`."""
    import torch

    from stemlive.training.loop import Trainer
    from stemlive.training.recipe import read_recipe
    from stemlive.training.sources import Sources, scan

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    recipe = read_recipe(recipe_file)
    if not torch.cuda.is_available():
        torch.set_num_threads(1)
    rate = recipe.model.sample_rate_hz
    sources = scan(roots, cache, rate)
    validation = scan(validation_roots, cache, rate, "valid") if validation_roots else Sources()
    trainer = Trainer(
        recipe,
        sources,
        validation,
        folder,
        time_limit_s=time_limit_s,
        start_weights=start_weights,
        workers=workers,
    )
    trainer.run()
