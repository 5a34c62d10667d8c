"""Start a run: directly if this process is already one of several, otherwise by starting the requested processes."""

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from stemlive.child import PROGRAM, ask_to_end, start_apart
from stemlive.errors import TrainingError, UsageError
from stemlive.training import bar

# What training on a CPU takes (measured): one thread a process, and a C library that keeps its memory, in large pages.
CPU_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "MALLOC_MMAP_THRESHOLD_": str(2**33),
    "MALLOC_TRIM_THRESHOLD_": str(2**34),
    "MALLOC_TOP_PAD_": str(2**28),
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
}
ERROR_PREFIX = "stemlive: error: "


def is_worker() -> bool:
    """Whether this process is already a worker of a run."""
    return "RANK" in os.environ


def launch(
    arguments: list[str],
    processes: int,
    *,
    say: Callable[[str], None] | None = None,
    show: Callable[[float, str], None] | None = None,
) -> None:
    """Run `stemlive train ARGUMENTS` in so many processes and wait for them.

    `say` gets what they print on standard error, line by line (by default it is printed there), and `show`, where there
    is a bar, how much of the run is done and a text: one call at a time, from any thread.

    Ctrl-C and SIGTERM are passed on: the run saves and ends. If one process fails, the others are stopped, and the
    error that was printed first is raised, because errors of the others follow from it: UsageError or TrainingError.
    For several machines, start `stemlive train` with torchrun instead.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    workers = []
    for rank in range(processes):
        place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": processes, "LOCAL_WORLD_SIZE": processes}
        place[bar.ENVIRONMENT] = int(show is not None and rank == 0)
        environment = {**CPU_ENVIRONMENT, **os.environ, **{key: str(value) for key, value in place.items()}}
        workers.append(
            start_apart(
                [*PROGRAM, "train", *arguments],
                env={**environment, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)},
                stderr=subprocess.PIPE,
                encoding="utf-8",
                errors="replace",
            )
        )
    messages: list[str] = []
    lock = threading.Lock()

    def pass_on_line(line: str) -> None:
        with lock:
            if line.startswith(ERROR_PREFIX):
                messages.append(line.removeprefix(ERROR_PREFIX).strip())
            elif (told := bar.told(line)) and show is not None:
                show(*told)
            else:
                (say or _print)(line.rstrip("\n"))

    readers = [threading.Thread(target=_pass_on_lines, args=(worker, pass_on_line)) for worker in workers]
    for reader in readers:
        reader.start()

    def pass_on(number: int, _: FrameType | None) -> None:
        for worker in workers:
            ask_to_end(worker, number)

    handlers = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        while None in (codes := [worker.poll() for worker in workers]):
            if any(codes):
                pass_on(signal.SIGTERM, None)
                break
            time.sleep(0.2)
        codes = [worker.wait() for worker in workers]
        for reader in readers:
            reader.join()
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    if any(codes):
        error = UsageError if UsageError.exit_code in codes else TrainingError
        raise error(messages[0] if messages else "a training process ended without a message: is there enough memory?")


def _print(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _pass_on_lines(worker: "subprocess.Popen[str]", pass_on: Callable[[str], None]) -> None:
    """Pass on each line of the standard error of a process."""
    assert worker.stderr is not None
    with worker.stderr as said:
        for line in said:
            pass_on(line)


def train(
    recipe_file: Path,
    roots: list[Path],
    validation_roots: list[Path],
    folder: Path,
    cache: Path,
    *,
    time_limit_s: float,
    start_weights: Path | None,
    kept: float,
    teachers: list[Path],
    workers: int,
    tensorboard: bool = False,
) -> None:
    """One process of a run: read the recipe, scan the data, train. Arguments as in `stemlive train --help`."""
    import torch

    from stemlive.training.fingerprint import drop_scored
    from stemlive.training.loop import Trainer
    from stemlive.training.recipe import read_recipe
    from stemlive.training.sources import Sources, scan

    first = os.environ.get("RANK", "0") == "0"  # the others would print the same
    logging.basicConfig(
        level=logging.INFO if first else logging.ERROR, format="%(asctime)s %(message)s", datefmt="%H:%M:%S"
    )
    recipe = read_recipe(recipe_file)
    if not torch.cuda.is_available():
        torch.set_num_threads(1)
    rate = recipe.model.sample_rate_hz
    quiet = os.environ.get("RANK", "0") != "0"  # the first process names what is skipped
    bar.tell(0, "reading the data")
    sources = scan(roots, cache, rate, quiet=quiet, left_out=recipe.mix.undrawn)
    validation = Sources()
    if validation_roots:
        validation = scan(validation_roots, cache, rate, "valid", scoring=True, quiet=quiet)
        bar.tell(0, "looking for recordings that are scored")
        if not bar.has_bar():
            logging.info("comparing the recordings with the songs that are scored; new ones take a while")
        drop_scored(sources, validation, rate, quiet=quiet)
    bar.tell(0, "making the model and the first segments")
    trainer = Trainer(
        recipe,
        sources,
        validation,
        folder,
        time_limit_s=time_limit_s,
        start_weights=start_weights,
        kept=kept,
        teachers=teachers,
        workers=workers,
        tensorboard=tensorboard,
    )
    try:
        trainer.run()
    except BaseException as error:
        _let_go(error)
        raise


def _let_go(error: BaseException | None) -> None:
    """Clear what the ended calls of an error hold: helpers that mix, which leave signals alone, end when nothing does.

    Otherwise the process waits for them for ever when it ends.
    """
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__context__
