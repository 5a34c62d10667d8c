"""The log of a run: a bar or lines on the console, `log.csv` with a row per validation, and optionally TensorBoard."""

import csv
import logging
import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from stemlive.clock import clock
from stemlive.errors import TrainingError
from stemlive.training.bar import has_bar, tell
from stemlive.training.run_state import BEST_FILE, WEIGHTS_FILE, Progress
from stemlive.training.yardstick import YARDSTICK, ScoredSong, beside, in_words, silence, yardstick
from stemlive.whole_file import whole_file

if TYPE_CHECKING:
    from torch import Tensor
    from torch.utils.tensorboard import SummaryWriter

log = logging.getLogger(__name__)

LOG_FILE = "log.csv"
_FIRST_S = 10.0
_RECENT = 30
"""Steps that the loss of a bar is the mean of, and seconds that its speed is the mean of."""
_HEARD_SONGS = 2
_HEARD_S = 6


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
        self._reported = self._begun = (time.monotonic(), audio_s)
        self._recent: deque[tuple[float, float]] = deque([self._begun], maxlen=_RECENT)
        self._share_before: float | None = None
        self._told = False
        """Whether a line has told how quick it is; without a bar the first one does not wait for the first report."""
        self.validations = 0

    def say(self, text: str) -> None:
        """One line on the console."""
        if not self.quiet:
            log.info("%s", text)

    def tick(self, progress: Progress, losses: "list[Tensor]", share: float) -> None:
        """After a step: move the bar, once a second; without a bar, say one line after ten seconds.

        `share`: part of the run that is done.
        """
        self._share_before = share if self._share_before is None else self._share_before
        now = time.monotonic()
        wait_s = _FIRST_S if not has_bar() else 1.0
        if self.quiet or (self._told and not has_bar()) or now - self._recent[-1][0] < wait_s:
            return
        before_s, before_audio_s = self._recent[0]
        self._recent.append((now, progress.audio_s))
        speed = (progress.audio_s - before_audio_s) / (now - before_s)
        loss = float(sum(losses[-_RECENT:])) / len(losses[-_RECENT:])
        text = f"step {progress.step}  loss {loss:.4f}  {speed:.1f} s/s{self._left(share)}"
        tell(share, text)
        if not has_bar():
            self.say(text)
            self._told = True

    def _left(self, share: float) -> str:
        """How long the run goes on, as far as it has gone in this session; empty where that is not known yet."""
        before = share if self._share_before is None else self._share_before
        if share <= before:
            return ""
        left_s = (time.monotonic() - self._begun[0]) * (1 - share) / (share - before)
        return f"  {clock(left_s)} left"

    def report(self, progress: Progress, loss: float, rate: float, share: float) -> None:
        """Log the progress: mean loss, learning rate, seconds of audio per second of wall time since last time.

        Lines that a bar makes needless are not said. `share`: part of the run that is done.
        """
        now, step, audio_s = time.monotonic(), progress.step, progress.audio_s
        speed = (audio_s - self._reported[1]) / (now - self._reported[0])
        self._reported = (now, audio_s)
        self._told = True
        if not has_bar():
            heard = f"{audio_s / 3600:.2f} h heard"
            self.say(f"step {step} loss {loss:.4f} rate {rate:.2e} {speed:.1f} s/s {heard}{self._left(share)}")
        self._plot({"loss": loss, "rate": rate, "audio seconds per second": speed}, step)

    def validation(self, progress: Progress, loss: float, rate: float, songs: list[ScoredSong]) -> None:
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
        self.row(progress, loss, rate, means_db)
        plotted = {name if name == YARDSTICK else f"uSDR/{name}": db for name, db in means_db.items()}
        self._plot(plotted, progress.step)

    def row(self, progress: Progress, loss: float, rate: float, scores: Mapping[str, float] | None = None) -> None:
        """Add a row to the log; without scores for a run that has no songs to validate by."""
        if not self.quiet:
            scored = {name: round(db, 2) for name, db in (scores or {}).items()}
            self._add_row({**asdict(progress), "loss": loss, "rate": rate, **scored})

    def listener(
        self, names: Iterable[str], step: int, rate_hz: int
    ) -> Callable[[str, "Mapping[str, Tensor]"], None] | None:
        """What puts the stems of the first of these songs into TensorBoard, to be listened to; None without it."""
        board, chosen = self._board, sorted(names)[:_HEARD_SONGS]
        if board is None:
            return None

        def hear(name: str, stems: "Mapping[str, Tensor]") -> None:
            if name in chosen:
                for stem, audio in stems.items():
                    mono = audio[:, : _HEARD_S * rate_hz].mean(0).clamp(-1, 1)
                    board.add_audio(f"{name}/{stem}", mono, step, rate_hz)

        return hear

    def end(self, progress: Progress, *, stopped: bool) -> None:
        """Close the log, and say the last line of the session: what was reached, and where it is."""
        if self._board is not None:
            self._board.close()
        said = f"{'stopped' if stopped else 'done'}: {progress.step} steps, {progress.audio_s / 3600:.2f} h heard"
        if math.isfinite(progress.best_yardstick_db):
            said += f"; best yardstick {progress.best_yardstick_db:.2f} dB: {self.folder / BEST_FILE}"
        if (self.folder / WEIGHTS_FILE).exists():
            said += f"; last weights: {self.folder / WEIGHTS_FILE}"
        self.say(said + "; the same command goes on" * stopped)

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
