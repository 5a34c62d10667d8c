"""The log of a run: lines on the console, `log.csv` with a row per validation, and optionally TensorBoard."""

import csv
import logging
import time
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from stemlive.errors import TrainingError
from stemlive.training.yardstick import YARDSTICK, ScoredSong, beside, in_words, silence, yardstick
from stemlive.whole_file import whole_file

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

log = logging.getLogger(__name__)

LOG_FILE = "log.csv"


def import_tensorboard() -> ModuleType:
    """Torch's TensorBoard writer. Raises TrainingError where the package is missing."""
    try:
        import torch.utils.tensorboard
    except ImportError as error:
        raise TrainingError(
            "TensorBoard is not installed: run `pip install tensorboard`, or leave out `tensorboard`"
        ) from error
    return torch.utils.tensorboard


class RunLog:
    """Log of one run in its folder. A process that is not the main one makes it with `quiet`: then it says nothing.

    `first_step` is where this session begins: what TensorBoard has from there on, of a session that was cut off before
    it saved, is hidden. `validations`: how many this session has logged.
    """

    def __init__(self, folder: Path, *, quiet: bool, tensorboard: bool, first_step: int, audio_s: float) -> None:
        self.folder, self.quiet = folder, quiet
        self._board: SummaryWriter | None = None
        if tensorboard and not quiet:
            self._board = import_tensorboard().SummaryWriter(folder / "tensorboard", purge_step=first_step + 1)
        self._reported = (time.monotonic(), audio_s)
        self.validations = 0

    def say(self, text: str) -> None:
        """One line on the console."""
        if not self.quiet:
            log.info("%s", text)

    def report(self, step: int, audio_s: float, loss: float, rate: float) -> None:
        """Log the progress: mean loss, learning rate, seconds of audio per second of wall time since last time."""
        now = time.monotonic()
        speed = (audio_s - self._reported[1]) / (now - self._reported[0])
        self._reported = (now, audio_s)
        self.say(f"step {step} loss {loss:.4f} rate {rate:.2e} {speed:.1f} s/s {audio_s / 3600:.2f} h heard")
        self._plot({"loss": loss, "rate": rate, "audio seconds per second": speed}, step)

    def validation(self, progress: dict[str, Any], loss: float, songs: list[ScoredSong]) -> None:
        """The yardstick, which the best weights are chosen by, and the means beside it, in dB: a row of the log.

        The first one of a session also says what the mixture and the oracle have, and which stems do not count.
        """
        found, means_db = yardstick(songs), beside(songs)
        self.say(f"{in_words(asdict(found))}; uSDR {', '.join(f'{name} {db:.2f}' for name, db in means_db.items())}")
        if self.validations == 0:
            for line in silence({song.name: song.silent for song in songs}):
                self.say(line)
        self.validations += 1
        if found.yardstick_db is not None:
            means_db = {YARDSTICK: found.yardstick_db, **means_db}
        if not self.quiet:
            self._add_row({**progress, "loss": loss, **{name: round(db, 2) for name, db in means_db.items()}})
        plotted = {name if name == YARDSTICK else f"uSDR/{name}": db for name, db in means_db.items()}
        self._plot(plotted, progress["step"])

    def close(self) -> None:
        """Flush TensorBoard's buffers."""
        if self._board is not None:
            self._board.close()

    def _plot(self, values: dict[str, float], step: int) -> None:
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(name, value, step)

    def _add_row(self, row: dict[str, Any]) -> None:
        """Add a row to the file; a run that an older version began may lack some of its columns."""
        path = self.folder / LOG_FILE
        rows = [row]
        try:
            if path.exists():
                with path.open(newline="", encoding="utf-8") as file:
                    rows = [*csv.DictReader(file), row]
            with whole_file(path) as part, part.open("w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, list(dict.fromkeys(name for row in rows for name in row)))
                writer.writeheader()
                writer.writerows(rows)
        except OSError as error:
            raise TrainingError(f"cannot write {path}: {error.strerror}: is there room on the disk?") from error
