"""The training loop: draw, separate, compare, step; now and then validate and save, so that any stop loses minutes.

Accelerate is the trainer: it brings DistributedDataParallel, mixed precision and devices, and leaves the loop readable.
"""

import csv
import dataclasses
import logging
import math
import signal
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor
from torch.utils.data import DataLoader, Sampler

from stemlive.errors import TrainingError
from stemlive.model.bsrnn import BSRNN, count_parameters
from stemlive.model.checkpoint import load_checkpoint, load_values, save_atomically, save_checkpoint
from stemlive.model.config import ModelConfig
from stemlive.model.framing import Framing
from stemlive.training.evaluate import averages, score_song
from stemlive.training.losses import loudness_weight, separation_loss
from stemlive.training.mixing import SegmentMixer, describe, restrict_groups
from stemlive.training.recipe import CLOCKS, Recipe, TrainConfig
from stemlive.training.sources import Sources

log = logging.getLogger(__name__)

STATE_FILE = "state.pt"
WEIGHTS_FILE = "weights.pt"
LOG_FILE = "log.csv"
REPORT_STEPS = 25


class FromIndex(Sampler[int]):
    """Indices of this process, without end: process r of p takes every p-th batch, starting at batch `first`."""

    def __init__(self, first: int, batch: int, rank: int, processes: int) -> None:
        self.first, self.batch, self.rank, self.processes = first, batch, rank, processes

    def __iter__(self) -> Any:
        step = self.first
        while True:
            start = (step * self.processes + self.rank) * self.batch
            yield from range(start, start + self.batch)
            step += 1


@dataclass
class Progress:
    """How far a run is; saved with it. Times are of the main process, all its sessions together."""

    step: int = 0
    audio_s: float = 0.0
    wall_s: float = 0.0
    processor_s: float = 0.0


class Trainer:
    """One run in one folder. Every process makes one; `run` returns when the steps or the time are used up."""

    def __init__(
        self,
        recipe: Recipe,
        sources: Sources,
        validation: Sources,
        folder: Path,
        *,
        time_limit_s: float = math.inf,
        start_weights: Path | None = None,
        workers: int = 0,
    ) -> None:
        """`time_limit_s` counts from here, by the recipe's clock.

        `start_weights` is a checkpoint to begin from if the folder holds no run.
        """
        self.started = {name: clock() for name, clock in CLOCKS.items()}
        self.recipe, self.sources, self.validation, self.folder = recipe, sources, validation, folder
        self.time_limit_s, self.workers = time_limit_s, workers
        folder.mkdir(parents=True, exist_ok=True)
        c = recipe.train
        torch.manual_seed(c.seed)
        torch.set_flush_denormal(True)
        self.accelerator = Accelerator(mixed_precision=c.precision, cpu=not torch.cuda.is_available())
        model = BSRNN(recipe.model)
        if start_weights is not None:
            model = load_checkpoint(start_weights)[0].train()
            if model.config != recipe.model:
                raise TrainingError(f"{start_weights} holds another model than the recipe: use its [model] table")
        self.framing = Framing(recipe.model.framing).to(self.accelerator.device)
        self.averaged = BSRNN(recipe.model)
        self.averaged.load_state_dict(model.state_dict())
        optimizer = torch.optim.Adam(model.parameters(), lr=c.learning_rate)
        self.model, self.optimizer = self.accelerator.prepare(model, optimizer)
        self.averaged.to(self.accelerator.device)
        self.progress = Progress()
        self.stopping = False
        self._resume()

    @property
    def network(self) -> BSRNN:
        """The model without the wrapper that spreads it over processes."""
        network: BSRNN = self.accelerator.unwrap_model(self.model)
        return network

    def _resume(self) -> None:
        path = self.folder / STATE_FILE
        if not path.exists():
            return
        saved = load_values(path)
        if ModelConfig.from_dict(saved["recipe"]["model"]) != self.recipe.model:  # an old run lacks newer choices
            raise TrainingError(f"{self.folder} holds a run of another model: choose another folder with --run")
        self.network.load_state_dict(saved["weights"])
        self.averaged.load_state_dict(saved["averaged"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.progress = Progress(**saved["progress"])

    def run(self) -> None:
        """Train to the end of the steps or of the time, then validate and save."""
        c = self.recipe.train
        first, before = self.progress.step, dataclasses.replace(self.progress)
        saved_at = validated_at = time.monotonic()
        losses: list[Tensor] = []
        handlers = {number: signal.signal(number, self._stop) for number in (signal.SIGINT, signal.SIGTERM)}
        loader = iter(self._loader(first))
        self._reported = (time.monotonic(), self.progress.audio_s)
        self._say(f"{count_parameters(self.network) / 1e6:.2f} M parameters, {describe(self.sources, self._rate)}")
        while self.progress.step < c.steps:
            share = self._share_done()
            if share >= 1:
                break
            rate = c.learning_rate * rate_factor(self.progress.step, share, c)
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            losses.append(self._train_step(next(loader)))
            self.progress.step += 1
            self.progress.wall_s = before.wall_s + self._elapsed("wall")
            self.progress.processor_s = before.processor_s + self._elapsed("processor")
            if self.progress.step % REPORT_STEPS == 0:
                self._say(
                    f"step {self.progress.step} loss {torch.stack(losses).mean():.4f} rate {rate:.2e} "
                    f"{self._speed():.1f} s/s {self.progress.audio_s / 3600:.2f} h heard"
                )
                if self._due(validated_at, c.validate_minutes):
                    validated_at = time.monotonic()
                    self.validate(float(torch.stack(losses).mean()))
                    losses.clear()
                if self._due(saved_at, c.save_minutes):
                    saved_at = time.monotonic()
                    self.save()
                losses = losses[-400:]
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if self.progress.step > first:
            self.save()
            if not self.stopping:
                self.validate(float(torch.stack(losses).mean()) if losses else math.nan)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        """Signal handler: the run ends after this step, with all that it has learnt saved."""
        self.stopping = True

    def _train_step(self, batch: dict[str, Tensor]) -> Tensor:
        c = self.recipe.train
        device = self.accelerator.device
        targets, groups = restrict_groups(
            batch["targets"].to(device), batch["groups"].to(device), self.recipe.model.stems
        )
        mixture = batch["targets"].to(device).sum(1)  # [B, C, n]
        frames = self.framing(mixture)
        batch_size = frames.shape[0]
        stems, _ = self.model(frames, self.network.initial_state(batch_size, device))
        spectra = torch.bmm(groups, stems.flatten(2)).unflatten(2, stems.shape[2:])  # [B, G, T, F, C, 2]
        complete = self.framing.complete_samples(mixture.shape[-1])
        waveforms = self.framing.inverse(spectra)[..., :complete]
        with torch.no_grad():
            target_spectra = self.framing(targets.flatten(0, 1)).unflatten(0, targets.shape[:2])
        weight = groups.any(-1).float()
        if c.loudness_weight:
            weight = weight * loudness_weight(mixture).unsqueeze(1)
        loss = separation_loss(
            c.loss, (waveforms, targets[..., :complete]), (spectra, target_spectra), weight, c.spectrum_weight
        )
        self.accelerator.backward(loss)
        self.accelerator.clip_grad_norm_(self.model.parameters(), c.gradient_clip)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self._average()
        self.progress.audio_s += self._segment_s
        return loss.detach()

    @torch.no_grad()
    def _average(self) -> None:
        """Exponential moving average of the weights, quicker at the start of a run."""
        decay = min(self.recipe.train.ema_decay, (1 + self.progress.step) / (10 + self.progress.step))
        pairs = zip(self.averaged.parameters(), self.network.parameters(), strict=True)
        for average, current in pairs:
            average.lerp_(current, 1 - decay)

    def validate(self, loss: float) -> None:
        """Score the averaged weights on the beginning of every validation song; adds a line to the log."""
        if self.accelerator.is_main_process and self.validation.songs:
            self.averaged.eval()
            seconds = self.recipe.train.validation_s
            scores = [
                score_song(self.averaged, self.framing, song, name, seconds)
                for name, song in sorted(self.validation.songs.items())
            ]
            means = {name: round(mean, 2) for name, (mean, _) in averages(scores).items()}
            self._say(f"validation uSDR {means}")
            self._log({**asdict(self.progress), "loss": loss, **means})
        self.accelerator.wait_for_everyone()

    def save(self) -> None:
        """Write the state to resume from, and the averaged weights as a checkpoint to export."""
        if self.accelerator.is_main_process:
            state = {
                "recipe": self.recipe.to_dict(),
                "weights": self.network.state_dict(),
                "averaged": self.averaged.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "progress": asdict(self.progress),
            }
            save_atomically(state, self.folder / STATE_FILE)
            save_checkpoint(self.averaged, self.folder / WEIGHTS_FILE, self.provenance())
        self.accelerator.wait_for_everyone()

    def provenance(self) -> dict[str, Any]:
        """What the weights come from."""
        return {
            "recipe": self.recipe.to_dict(),
            "progress": asdict(self.progress),
            "processes": self.accelerator.num_processes,
            "data": describe(self.sources, self._rate),
            "sources": {kind: sorted(pools) for kind, pools in self.sources.pools.items() if pools},
        }

    @property
    def _rate(self) -> int:
        return self.recipe.model.sample_rate_hz

    @property
    def _segment_s(self) -> float:
        """Seconds of audio in one step of all processes."""
        return self.recipe.mix.segment_s * self.recipe.train.batch * int(self.accelerator.num_processes)

    def _loader(self, first: int) -> DataLoader[dict[str, Tensor]]:
        c = self.recipe.train
        mixer = SegmentMixer(self.sources, self.recipe.mix, self._rate, self.recipe.model.framing.hop_samples, c.seed)
        sampler = FromIndex(first, c.batch, self.accelerator.process_index, self.accelerator.num_processes)
        return DataLoader(
            mixer, c.batch, sampler=sampler, num_workers=self.workers, drop_last=True, worker_init_fn=_leave_signals
        )

    def _elapsed(self, clock: str) -> float:
        """Seconds of this session by one of CLOCKS."""
        return CLOCKS[clock]() - self.started[clock]

    def _share_done(self) -> float:
        """Part of the run that is over, by steps or by time, whichever is further; 1 after a signal to stop."""
        elapsed = self._elapsed(self.recipe.train.clock) / self.time_limit_s
        share = 1.0 if self.stopping else max(elapsed, self.progress.step / self.recipe.train.steps)
        return self._largest(share)

    def _due(self, since: float, minutes: float) -> bool:
        """Whether so many minutes have passed for any process."""
        return self._largest(time.monotonic() - since) >= minutes * 60

    def _largest(self, value: float) -> float:
        """The largest of the processes' values: what all of them decide by."""
        if self.accelerator.num_processes == 1:
            return value
        shared = torch.tensor(value, dtype=torch.float64, device=self.accelerator.device)
        torch.distributed.all_reduce(shared, torch.distributed.ReduceOp.MAX)
        return float(shared)

    def _speed(self) -> float:
        """Seconds of audio per second since the last call."""
        now, heard = time.monotonic(), self.progress.audio_s
        speed = (heard - self._reported[1]) / (now - self._reported[0])
        self._reported = (now, heard)
        return speed

    def _say(self, text: str) -> None:
        if self.accelerator.is_main_process:
            log.info("%s", text)

    def _log(self, row: dict[str, Any]) -> None:
        """Add a row to the log; a run that an older version began may lack some of its columns."""
        path = self.folder / LOG_FILE
        rows = [row]
        if path.exists():
            with path.open(newline="", encoding="utf-8") as file:
                rows = [*csv.DictReader(file), row]
        partial = path.with_suffix(".partial")
        with partial.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(dict.fromkeys(name for row in rows for name in row)))
            writer.writeheader()
            writer.writerows(rows)
        partial.replace(path)


def _leave_signals(worker: int) -> None:
    """Signals to stop are for the process that trains: it needs its data until it has saved."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def rate_factor(step: int, share_done: float, config: TrainConfig) -> float:
    """Learning rate over its peak: linear warm-up, constant, linear fall over the last `decay_share` of the run."""
    warm = min(1.0, (step + 1) / max(1, config.warmup_steps))
    left = (1 - share_done) / config.decay_share if config.decay_share > 0 else 1.0
    return warm * min(1.0, left)
