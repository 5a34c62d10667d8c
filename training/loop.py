"""The training loop, on Accelerate: draw, separate, compare, step; at intervals validate, keep the best, save."""

import copy
import dataclasses
import math
import os
import signal
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import Tensor

from stemlive.errors import TrainingError
from stemlive.model.bsrnn import BSRNN, count_parameters
from stemlive.model.checkpoint import save_checkpoint
from stemlive.model.framing import Framing
from stemlive.training import run_state
from stemlive.training.devices import compile_network, quicker_in_bfloat16, use_gpu
from stemlive.training.grow import shrink, start_model
from stemlive.training.mixing import describe
from stemlive.training.objective import batch_loss, pieces, prepare
from stemlive.training.optimiser import OPTIMISERS, follow, freeze, meet
from stemlive.training.recipe import CLOCKS, Recipe
from stemlive.training.run_log import RunLog
from stemlive.training.run_state import Part, Progress, not_finite
from stemlive.training.schedule import rate_factor
from stemlive.training.segments import STOP_SIGNALS, Segments
from stemlive.training.sources import Sources
from stemlive.training.teaching import Teachers
from stemlive.training.validation import score_songs
from stemlive.training.yardstick import ScoredSong, yardstick

REPORT_STEPS = 25


class Trainer:
    """One run in one folder, created in every process. `run` returns when steps, time or patience are used up."""

    def __init__(
        self,
        recipe: Recipe,
        sources: Sources,
        validation: Sources,
        folder: Path,
        *,
        time_limit_s: float = math.inf,
        start_weights: Path | None = None,
        kept: float = 1.0,
        teachers: Sequence[Path] = (),
        workers: int = 0,
        tensorboard: bool = False,
    ) -> None:
        """`time_limit_s` counts from here, by the recipe's clock.

        A new run begins with `start_weights`, a checkpoint, so much of it `kept` (`shrink`); `teachers`: teaching.py.
        """
        self.started = {name: clock() for name, clock in CLOCKS.items()}
        self.recipe, self.sources, self.validation, self.folder = recipe, sources, validation, folder
        self.time_limit_s = time_limit_s
        folder.mkdir(parents=True, exist_ok=True)
        c = recipe.train
        torch.manual_seed(c.seed)
        torch.set_flush_denormal(True)
        on_gpu = use_gpu(c.precision, int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
        model, started = (
            (BSRNN(recipe.model), {}) if start_weights is None else start_model(recipe.model, start_weights)
        )
        if kept < 1:
            shrink(model, kept)
        self.progress = Progress.after(started)
        slow = c.precision == "bf16" and not on_gpu and not quicker_in_bfloat16(model)
        self.accelerator = at = Accelerator(mixed_precision="no" if slow else c.precision, cpu=not on_gpu)
        self.framing = Framing(recipe.model.framing).to(at.device)
        self.averaged = BSRNN(recipe.model).eval().to(at.device)
        self.averaged.load_state_dict(model.state_dict())
        freeze(model, c.frozen)
        optimizer = OPTIMISERS[c.optimiser](model, c.learning_rate, c.weight_decay)
        self.model, self.optimizer = self.accelerator.prepare(model, optimizer)
        self.slow = copy.deepcopy(self.averaged) if c.slow_steps else self.averaged
        uncompiled = compile_network(self.model, on_gpu) if c.compile else ""
        self.teachers = Teachers(teachers, recipe, at)
        self.stopping = False
        self._resume()
        before_s = self.progress.before_audio_s
        self.segments = Segments(sources, recipe, at.process_index, at.num_processes, workers, heard_s=before_s)
        self.run_log = RunLog(
            folder,
            quiet=not self.accelerator.is_main_process,
            tensorboard=tensorboard,
            first_step=self.progress.step,
            audio_s=self.progress.audio_s,
        )
        if slow:
            self.run_log.say("computing in float32: on this processor bf16 would take longer")
        if uncompiled:
            self.run_log.say(uncompiled)

    @property
    def network(self) -> BSRNN:
        """The model without the wrapper that spreads it over processes."""
        network: BSRNN = self.accelerator.unwrap_model(self.model)
        return network

    def _resume(self) -> None:
        path = self.folder / run_state.STATE_FILE
        found = path.exists()
        if len(set(gather_object([found]))) > 1:
            raise TrainingError(f"{path} is not there for all processes: `folder` must be one that all machines share")
        if not found:
            return
        self.progress = run_state.restore_state(self.folder, self.recipe, self._parts())
        for group in self.optimizer.param_groups:  # an old run may have been another kind of Adam
            group.update(self.optimizer.optimizer.defaults)

    def _parts(self) -> dict[str, Part]:
        """All that learns, by its name in the state."""
        parts = {"weights": self.network, "averaged": self.averaged, "optimizer": self.optimizer}
        if self.recipe.train.slow_steps:
            parts["slow"] = self.slow
        return parts if self.accelerator.scaler is None else {**parts, "scaler": self.accelerator.scaler}

    def run(self) -> None:
        """Train to the end of the steps, of the time or of the patience, then save and validate.

        Raises TrainingError at the first loss or gradient that is not finite, and leaves what was saved before.
        """
        begun = self.progress.step
        handlers = {number: signal.signal(number, self._stop) for number in STOP_SIGNALS}
        try:
            losses, validated_step = self._train()
            stopped = self._largest(float(self.stopping)) > 0  # for any process: a signal does not reach all at once
            if self.progress.step > begun:
                self.save()
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
        if self.progress.step > validated_step and not stopped:
            self.validate(float(torch.stack(losses).mean()), due=False)
        self.run_log.end(self.progress, stopped=self.stopping)

    def _train(self) -> tuple[list[Tensor], int]:
        """All steps; returns the losses since the last validation, and the step of that."""
        c, progress = self.recipe.train, self.progress
        before = dataclasses.replace(progress)
        saved_at = validated_at = time.monotonic()
        validated_step = progress.step
        losses: list[Tensor] = []
        batches = self.segments.batches(progress.step)
        self.run_log.say(
            f"{count_parameters(self.network) / 1e6:.2f} M parameters, {describe(self.sources, self._rate_hz)}"
        )
        while progress.step < c.steps and not (c.patience and progress.unimproved >= c.patience):
            share, epoch = self._share_done(), self._epoch()
            if share >= 1:
                break
            rate = c.learning_rate * rate_factor(c, progress.step, share, epoch)
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            losses.append(self._train_step([next(batches) for _ in range(c.accumulate)]))
            progress.step += 1
            progress.audio_s += self.segments.step_s
            progress.wall_s = before.wall_s + self._elapsed("wall")
            progress.processor_s = before.processor_s + self._elapsed("processor")
            reporting = progress.step % REPORT_STEPS == 0
            if reporting:
                losses = losses[-400:]
                self.run_log.report(progress, float(torch.stack(losses).mean()), rate, share)
            self.run_log.tick(progress, losses, share)
            if c.validate_epochs:
                due = self._epoch() // c.validate_epochs > epoch // c.validate_epochs
            else:
                due = reporting and self._due(validated_at, c.validate_minutes)
            if due:
                self.validate(float(torch.stack(losses).mean()))
                losses.clear()
                validated_at, validated_step = time.monotonic(), progress.step
            if reporting and self._due(saved_at, c.save_minutes):
                self.save()
                saved_at = time.monotonic()
        return losses, validated_step

    def _stop(self, number: int, frame: FrameType | None) -> None:
        """Signal handler: end the run after this step, and save it."""
        self.stopping = True

    def _train_step(self, segments: list[dict[str, Tensor]]) -> Tensor:
        """One step of the optimiser on the gradients of all batches, as if they were one; returns their mean loss."""
        c, device, framing = self.recipe.train, self.accelerator.device, self.framing
        losses = []
        batches = prepare(segments, self.recipe.model.stems, device, self.recipe.model.lookahead_samples)
        before: list[Tensor] = []  # what stems of the piece before overlap with this one
        taught = self.teachers(batches, self.progress.step)
        parts = [piece for batch in taught for piece in pieces(batch, framing.preset, c.carry)]
        for piece in parts:
            last = piece is parts[-1]
            if not piece.context:  # a batch begins
                state, before = self.network.initial_state(len(piece.mixtures), device), []
            with nullcontext() if last else self.accelerator.no_sync(self.model):
                frames = framing(piece.mixtures)[:, piece.context :].contiguous()  # of one layout: compiled once
                stems, state = self.model(frames, state)
                loss = batch_loss(torch.cat([*before, stems], dim=2) if before else stems, piece, framing, c)
                self.accelerator.backward(loss)
            state, before = state.detach(), [stems[:, :, -framing.preset.unfinished_hops :].detach()]
            losses.append(loss.detach())
        norm = self.accelerator.clip_grad_norm_(self.model.parameters(), c.gradient_clip)
        self._check_finite(losses, norm)
        self.optimizer.step()
        self.optimizer.zero_grad()
        follow(self.averaged, self.network, c.ema_decay, self.progress.steps_of_weights)
        if c.slow_steps and (self.progress.step + 1) % c.slow_steps == 0:
            meet(self.slow, self.averaged, self.network, c.slow_share)
        return torch.stack(losses).sum()

    def _check_finite(self, losses: list[Tensor], norm: Tensor | None) -> None:
        """Raise TrainingError, in all processes, when a loss or the gradient is not finite: before it is learned."""
        loss, gradient = float(torch.stack(losses).sum()), math.nan if norm is None else float(norm)
        scaled = self.accelerator.scaler is not None  # it leaves out steps whose gradient is infinite
        if self._largest(float(not math.isfinite(loss) or not (scaled or math.isfinite(gradient)))) > 0:
            files = sorted(set().union(*gather_object([self.segments.files(self.progress.step)])))
            raise not_finite(self.folder, self.progress.step + 1, loss, gradient, files)

    def validate(self, loss: float, due: bool = True) -> None:
        """Score the averaged weights on the beginning of every validation song; the best by the yardstick are kept.

        Without such songs, loss and rate go to the log alone. The processes share out the songs. One that is not `due`,
        because the run stops here, does not count for the patience.
        """
        rate = float(self.optimizer.param_groups[0]["lr"])
        if not self.validation.songs:
            self.run_log.row(self.progress, loss, rate)
            return
        names = sorted(self.validation.songs)[self.accelerator.process_index :: self.accelerator.num_processes]
        mine = {name: self.validation.songs[name] for name in names}
        c, first = self.recipe.train, self.run_log.validations == 0  # the oracle stays what it is
        listen = self.run_log.listener(names, self.progress.step, self._rate_hz)
        scores = score_songs(self.averaged, self.framing, mine, c.validation_s, oracle=first, listen=listen)
        songs: list[ScoredSong] = gather_object(scores)
        found = yardstick(songs).yardstick_db
        self.progress.unimproved += due
        if found is not None and found > self.progress.best_yardstick_db:
            self.progress.best_yardstick_db, self.progress.unimproved = found, 0
            if self.accelerator.is_main_process:
                save_checkpoint(self.averaged, self.folder / run_state.BEST_FILE, self.provenance())
        self.run_log.validation(self.progress, loss, rate, songs)
        self.save()

    def save(self) -> None:
        """Write the state to resume from, and the averaged weights as a checkpoint to export."""
        if self.accelerator.is_main_process:
            run_state.save_state(self.folder, self.recipe, self.progress, self._parts())
            save_checkpoint(self.averaged, self.folder / run_state.WEIGHTS_FILE, self.provenance())
        self.accelerator.wait_for_everyone()

    def provenance(self) -> dict[str, Any]:
        """What the weights come from."""
        return {
            "recipe": self.recipe.to_dict(),
            "progress": asdict(self.progress),
            "processes": self.accelerator.num_processes,
            "data": describe(self.sources, self._rate_hz),
            "sources": {kind: sorted(pools) for kind, pools in self.sources.pools.items() if pools},
        }

    @property
    def _rate_hz(self) -> int:
        return self.recipe.model.sample_rate_hz

    def _epoch(self) -> int:
        """Whole epochs so far."""
        return round(self.progress.audio_s / self.recipe.mix.segment_s) // self.recipe.train.epoch_segments

    def _elapsed(self, clock: str) -> float:
        """Seconds of this session by one of CLOCKS."""
        return CLOCKS[clock]() - self.started[clock]

    def _share_done(self) -> float:
        """Part of the run that is over, by steps or by time, whichever is further; 1 after a signal to stop."""
        elapsed = self._elapsed(self.recipe.train.clock) / self.time_limit_s
        share = 1.0 if self.stopping else max(elapsed, self.progress.step / self.recipe.train.steps)
        return self._largest(share)

    def _due(self, since: float, minutes: float) -> bool:
        """Whether so many minutes have passed in any process."""
        return self._largest(time.monotonic() - since) >= minutes * 60

    def _largest(self, value: float) -> float:
        """Return the largest of the processes' values, so that all decide alike."""
        if self.accelerator.num_processes == 1:
            return value
        shared = torch.tensor(value, dtype=torch.float64, device=self.accelerator.device)
        torch.distributed.all_reduce(shared, torch.distributed.ReduceOp.MAX)
        return float(shared)
