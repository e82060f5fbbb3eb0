"""The loop: step, validate, keep the best, stop.

One update takes `accumulation` batches, divides their summed loss by their summed tokens, clips,
steps. Several processes share every batch and pass their gradients round; the numbers are those
of one process, up to rounding, dropout and masks.
"""

import contextlib
import itertools
import math
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel

from anylect.errors import ConfigError, TrainingError
from anylect.models.checkpoints import CheckpointModel
from anylect.training.feed import Batch, Feed
from anylect.training.loss import batch_loss, idle_loss
from anylect.training.memory import enough_memory
from anylect.training.meter import Meter
from anylect.training.optimizer import build_optimizer, build_schedule, count_warmup, scale_rates
from anylect.training.options import OptimizerOptions, ScheduleOptions
from anylect.training.pace import Pace
from anylect.training.state import (
    Standing,
    Trained,
    list_checkpoints,
    load_best,
    load_checkpoint,
    remove_checkpoint,
    save_best,
    save_checkpoint,
    update_of,
)
from anylect.training.team import Team
from anylect.training.updates import Update, clamped_masks, gather_update
from anylect.training.watch import Watch

Validate = Callable[[CheckpointModel, Team], dict[str, Any]]
"""Scores the dev split; its result has at least `wer`, and whatever the journal should keep."""

HALVES = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What decides how a run goes."""

    optimizer: OptimizerOptions
    schedule: ScheduleOptions


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a run ended."""

    updates: int
    best_update: int
    best_wer: float
    seconds: float


class Training:
    """One run: a model, a feed, and where it stands."""

    def __init__(
        self,
        model: CheckpointModel,
        feed: Feed,
        validate: Validate,
        *,
        settings: Settings,
        watch: Watch,
        team: Team,
    ) -> None:
        self.model, self.feed, self.validate, self.team = model, feed, validate, team
        self.options, self.optimizer = settings.schedule, settings.optimizer
        self.watch, self.journal, self.doctor = watch, watch.journal, watch.doctor
        self.unreadable: dict[str, str] = {}
        """Utterances that had to be left out of their batches, by id, and why."""
        self._went_back = False
        if not feed.lessons:
            raise TrainingError(
                "the training split has no usable utterance",
                hint="`anylect prepare` lists what it dropped and why",
            )
        if team.shards and self.options.precision == "fp16":
            raise ConfigError(
                "`schedule.precision` is `fp16` and the weights are divided among processes",
                hint="use `bf16`, or launch without FSDP",
            )
        self.updates = self.options.updates or feed.count_updates(self.options.epochs)
        self.pace = Pace(self.options, self.updates)
        warmup = count_warmup(self.optimizer, updates=self.updates)
        self.doctor.begin(updates=self.updates, warmup=warmup)
        # Sharding replaces weights, so it comes before the optimizer that moves them.
        self.module = team.wrap(model.module)
        self.adam = build_optimizer(model.module, self.optimizer)
        standing = Standing()
        rates = build_schedule(
            self.adam, self.optimizer, updates=self.updates, epoch=lambda: standing.epoch
        )
        self.trained = Trained(model.module, self.adam, rates, standing)
        is_half = self.options.precision == "fp16"
        self.scaler = torch.amp.GradScaler(team.device.type, enabled=is_half)
        self.meter = Meter(team.device)
        team.scatter_seeds(feed.seed)

    @property
    def standing(self) -> Standing:
        """Where the run stands."""
        return self.trained.standing

    def run(self, checkpoints: Path, *, resume: bool = False) -> Outcome:
        """Train to the end; `best_model` then has the best weights.

        Args:
            checkpoints: Folder for checkpoints and the best weights.
            resume: Continue from the newest checkpoint, if there is one.

        Raises:
            TrainingError: When no recording of an epoch can be read.
        """
        self.checkpoints = checkpoints
        if resume:
            self._resume(checkpoints)
        began = time.monotonic() - self.standing.seconds
        weights = list(self.trained.module.parameters())
        self.journal.write(
            "start",
            updates=self.updates,
            update=self.standing.update,
            parameters=sum(weight.numel() for weight in weights),
            trainable=sum(weight.numel() for weight in weights if weight.requires_grad),
            lessons=len(self.feed.lessons),
            labels=len(self.model.vocabulary),
            processes=self.team.size,
        )
        if self.doctor.options.restarts and not self.standing.update:
            self._save()  # to come back to
        for update in self._updates():
            with enough_memory():
                self._step(update)
            self.standing.longest_heard = max(self.standing.longest_heard, update.longest)
            self.model.longest_heard = self.standing.longest_heard
            self.standing.update += 1
            self.standing.seconds = time.monotonic() - began
            self._look()
        self.standing.seconds = time.monotonic() - began
        self.watch.write_page(self.standing)
        outcome = Outcome(
            updates=self.standing.update,
            best_update=self.standing.best_update,
            best_wer=self.standing.best_wer if self.standing.best_wer is not None else 1.0,
            seconds=self.standing.seconds,
        )
        self.journal.write("finish", **vars(outcome))
        return outcome

    def best_model(self, build: Callable[[], CheckpointModel]) -> CheckpointModel:
        """Return the model with its best weights; where they are divided, one of its own.

        To be called after `run`, in the main process.
        """
        model = build() if self.team.shards else self.model
        model.longest_heard = self.standing.longest_heard
        load_best(self.checkpoints, model.module)
        return model

    def _resume(self, checkpoints: Path) -> None:
        """Go on from the newest checkpoint, if there is one; all processes must see the same."""
        found = [path.name for path in list_checkpoints(checkpoints)[-1:]]
        if self.team.agree(found, what=f"{checkpoints}: newest checkpoint"):
            self._load(checkpoints / found[0])

    def _load(self, path: Path) -> None:
        load_checkpoint(path, self.trained, team=self.team, seed=self.feed.seed)
        self.model.longest_heard = self.standing.longest_heard or None
        self.meter.restore(self.standing.meter)
        self.doctor.restore(self.standing.doctor)
        if self.standing.scaler:
            self.scaler.load_state_dict(self.standing.scaler)
        self._set_rates()

    def _set_rates(self) -> None:
        """Set the learning rate anew, after the epoch or the share of the peak has changed."""
        scale_rates(self.trained.schedule, self.optimizer, scale=self.standing.rate_scale)

    def _updates(self) -> Iterator[Update]:
        """Yield each remaining update that can be read, epoch after epoch."""
        while not self.pace.is_over(self.standing):
            if not self.standing.batch:
                self.journal.write("epoch", epoch=self.standing.epoch, update=self.standing.update)
            batches = self.feed.epoch(self.standing.epoch, skip=self.standing.batch)
            has_heard = self.standing.batch > 0
            with contextlib.closing(batches):  # type: ignore[type-var]  # a generator
                while group := self._next_batches(batches):
                    self.standing.batch += len(group)
                    update = gather_update(group, self.team)
                    self._note_unreadable(update)
                    if update.batches:
                        has_heard = True
                        yield update
                    if self.pace.is_over(self.standing):
                        return
                    if self._went_back:
                        break
            if self._went_back:
                self._went_back = False
                continue
            if not has_heard:
                raise TrainingError(
                    f"none of the {len(self.feed.lessons):,} training recordings can be read, "
                    f"e.g. {next(iter(self.unreadable.values()), 'an unknown one')}",
                    hint="`journal.jsonl` says why of each",
                )
            self._end_epoch()

    def _next_batches(self, batches: Iterator[Batch]) -> list[Batch]:
        with enough_memory():
            return list(itertools.islice(batches, self.feed.batches.accumulation))

    def _note_unreadable(self, update: Update) -> None:
        for name, reason in update.unreadable:
            self.unreadable[name] = reason
            self.journal.write("skipped", id=name, reason=reason)

    def _step(self, update: Update) -> None:
        self.module.train()
        last = len(update.batches) - 1
        for index, batch in enumerate(update.batches):
            with self._apart() if index < last else contextlib.nullcontext():
                self._learn(update, index, batch)
        self.scaler.unscale_(self.adam)
        norm = self._clip()
        self.meter.note_update(norm)
        self.doctor.note_update(is_finite=norm is not None)
        if norm is not None or self.scaler.is_enabled():
            self.scaler.step(self.adam)  # which leaves the weights alone where they overflowed
            self.scaler.update()
        with warnings.catch_warnings():
            # An update that was skipped is no mistake in the order of things.
            warnings.filterwarnings("ignore", message="Detected call of `lr_scheduler.step")
            self.trained.schedule.step()
        self.adam.zero_grad()

    def _learn(self, update: Update, index: int, batch: Batch) -> None:
        """Take one batch of an update forward and backward."""
        half = HALVES.get(self.options.precision)
        device = self.team.device.type
        with (
            torch.autocast(device, half, enabled=half is not None),
            clamped_masks(self.model, batch),
        ):
            if len(batch.lengths):
                zero = self.optimizer.zero_infinity
                loss = batch_loss(self.model, batch, zero_infinity=zero, through=self.module)
                self.meter.add(loss, utterances=len(batch.lengths), seconds=batch.seconds)
                objective = update.objective(loss, batch=index, options=self.optimizer)
            else:
                objective = idle_loss(self.model, through=self.module)
        self.scaler.scale(objective).backward()  # type: ignore[no-untyped-call]  # of torch

    def _apart(self) -> contextlib.AbstractContextManager[None]:
        """Keep gradients to oneself until the last batch of an update."""
        if isinstance(self.module, DistributedDataParallel):
            return self.module.no_sync()
        return contextlib.nullcontext()

    def _clip(self) -> float | None:
        """Shorten the gradient; return how long it was, None where it is not finite."""
        norm = nn.utils.clip_grad_norm_(self.model.module.parameters(), self.optimizer.clip_norm)
        length = float(norm.full_tensor() if isinstance(norm, DTensor) else norm)
        return length if math.isfinite(length) else None

    def _look(self) -> None:
        """Log, validate and save when it is time; go back when it must be."""
        if self.pace.wants_log(self.standing):
            self._log()
        if self._is_to_go_back():
            self._go_back()
            return
        if self.pace.wants_validation(self.standing):
            self._validate()
        if self.pace.wants_checkpoint(self.standing):
            self._save()

    def _end_epoch(self) -> None:
        """Go over to the next epoch, after what is due at the end of one."""
        self.journal.write("epoch_end", epoch=self.standing.epoch, update=self.standing.update)
        self.standing.epoch += 1
        self.standing.batch = 0
        self._set_rates()
        if self.options.validate_each_epoch:
            if self.meter.tally.updates:
                self._log()
            self._validate()
            self._save()

    def _log(self) -> None:
        rate = self.trained.schedule.get_last_lr()[0]
        figures = self.meter.read(self.team)
        self.journal.write("update", update=self.standing.update, learning_rate=rate, **figures)
        self.watch.examine(self.standing, figures)

    def _is_to_go_back(self) -> bool:
        """Tell whether the rate is too high and the run may go back.

        Raises:
            TrainingError: When it may not, and nothing is learnt any more.
        """
        may = self.standing.restarts < self.doctor.options.restarts
        if self.doctor.gives_up and not may:
            raise TrainingError(
                f"the gradients of the last {self.doctor.options.patience} updates were not finite",
                hint="the newest checkpoint is from before or holds the same weights; lower "
                "`optimizer.learning_rate`, or try `schedule.precision` `bf16` or `fp32`; "
                "doctor.md says more",
            )
        return may and (self.doctor.gives_up or self.doctor.verdict == "learning rate too high")

    def _go_back(self) -> None:
        """Continue from a checkpoint before the trouble, with a lower rate.

        Later checkpoints go first, newest first: killed at any moment, the run comes to the same
        point again and decides the same.
        """
        update, sound = self.standing.update, self.doctor.memory.sound_update
        every = list_checkpoints(self.checkpoints)
        target = [path for path in every if update_of(path) <= sound][-1]
        self.team.agree(target.name, what=f"{self.checkpoints}: checkpoint to go back to")
        before, reason = self.standing, self.doctor.verdict
        kept = {
            "best_wer": before.best_wer,
            "best_update": before.best_update,
            "seconds": before.seconds,
            "restarts": before.restarts + 1,
            "rate_scale": before.rate_scale * self.doctor.options.restart_factor,
        }
        if self.team.is_main:
            for path in reversed(every[every.index(target) + 1 :]):
                remove_checkpoint(path)
        self._load(target)
        self.doctor.look_afresh()
        vars(self.standing).update(kept)
        self._set_rates()
        self._save()
        self._went_back = True
        self.journal.write(
            "restart",
            update=self.standing.update,
            from_update=update,
            reason=reason,
            learning_rate=self.trained.schedule.get_last_lr()[0],
            rate_scale=self.standing.rate_scale,
        )
        self.watch.write_page(self.standing)

    def _save(self) -> None:
        self.standing.meter = self.meter.state(self.team)
        self.standing.scaler = self.scaler.state_dict()
        self.standing.doctor = self.doctor.state()
        can_go_back = self.standing.restarts < self.doctor.options.restarts
        path = save_checkpoint(
            self.checkpoints,
            self.trained,
            keep=self.options.keep_checkpoints,
            team=self.team,
            sound_update=self.doctor.memory.sound_update if can_go_back else None,
        )
        self.journal.write("checkpoint", update=self.standing.update, path=path.name)

    def _validate(self) -> None:
        self.journal.write("validating", update=self.standing.update)
        figures = self.validate(self.model, self.team)
        wer, standing = float(figures["wer"]), self.standing
        is_best = standing.best_wer is None or wer <= standing.best_wer
        if is_best or self.options.ship == "last":
            standing.best_wer, standing.best_update = wer, standing.update
            save_best(self.checkpoints, self.trained.module, team=self.team)
        self.doctor.note_validation(standing.update, wer)
        self.journal.write(
            "validation", update=standing.update, best_wer=standing.best_wer, **figures
        )
        self.watch.write_page(self.standing)
