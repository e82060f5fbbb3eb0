"""The loop: step, validate, keep the best, stop.

One update takes `accumulation` batches, divides their summed loss by their summed tokens, clips,
steps. `accelerate` brings devices, mixed precision and several processes; the loop is the same.
"""

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import Tensor, nn

from anylect.errors import TrainingError
from anylect.models.checkpoints import CheckpointModel
from anylect.training.feed import Batch, Feed
from anylect.training.journal import Journal
from anylect.training.loss import BatchLoss, batch_loss
from anylect.training.optimizer import build_optimizer, build_schedule
from anylect.training.options import OptimizerOptions, ScheduleOptions
from anylect.training.state import (
    Standing,
    Trained,
    list_checkpoints,
    load_best,
    load_checkpoint,
    save_best,
    save_checkpoint,
)

Validate = Callable[[CheckpointModel], dict[str, Any]]
"""Scores the dev split; its result has at least `wer`, and whatever the journal should keep."""


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
        optimizer: OptimizerOptions,
        schedule: ScheduleOptions,
        journal: Journal,
    ) -> None:
        self.model, self.feed, self.validate = model, feed, validate
        self.options, self.journal = schedule, journal
        self.unreadable: dict[str, str] = {}
        """Utterances that had to be left out of their batches, by id, and why."""
        if not feed.lessons:
            raise TrainingError(
                "the training split has no usable utterance",
                hint="`anylect prepare` lists what it dropped and why",
            )
        self.optimizer = optimizer
        # What an earlier run of this process chose must not decide for this one.
        AcceleratorState._reset_state()
        # Accelerate keeps its state for the process; an earlier run's precision is not ours.
        AcceleratorState._reset_state(reset_partial_state=True)
        self.accelerator = Accelerator(
            mixed_precision={"fp32": "no"}.get(schedule.precision, schedule.precision),
            cpu=model.device.type == "cpu",
        )
        self.updates = schedule.updates or feed.count_updates(schedule.epochs)
        adam = build_optimizer(model.module, optimizer)
        rates = build_schedule(adam, optimizer, updates=self.updates)
        self.trained = Trained(model.module, adam, rates, Standing())
        prepared = self.accelerator.prepare(model.module, adam)
        self.module: nn.Module = prepared[0]
        self.adam: torch.optim.Optimizer = prepared[1]

    @property
    def standing(self) -> Standing:
        """Where the run stands."""
        return self.trained.standing

    def run(self, checkpoints: Path, *, resume: bool = False) -> Outcome:
        """Train to the end, leaving the best weights in the model.

        Args:
            checkpoints: Folder for checkpoints and the best weights.
            resume: Continue from the newest checkpoint, if there is one.

        Raises:
            TrainingError: When no recording of an epoch can be read.
        """
        if resume and (found := list_checkpoints(checkpoints)):
            load_checkpoint(found[-1], self.trained)
        began = time.monotonic() - self.standing.seconds
        self.journal.write(
            "start",
            updates=self.updates,
            update=self.standing.update,
            parameters=sum(weight.numel() for weight in self.trained.module.parameters()),
            trainable=sum(
                weight.numel()
                for weight in self.trained.module.parameters()
                if weight.requires_grad
            ),
            lessons=len(self.feed.lessons),
        )
        meter = _Meter()
        for group in self._groups():
            self._step(group, meter)
            self._note_longest(group)
            self.standing.update += 1
            self.standing.seconds = time.monotonic() - began
            self._look(checkpoints, meter)
        self.standing.seconds = time.monotonic() - began
        load_best(checkpoints, self.trained.module)
        outcome = Outcome(
            updates=self.standing.update,
            best_update=self.standing.best_update,
            best_wer=self.standing.best_wer if self.standing.best_wer is not None else 1.0,
            seconds=self.standing.seconds,
        )
        self.journal.write("finish", **vars(outcome))
        return outcome

    def _groups(self) -> Iterator[list[Batch]]:
        """Yield the readable batches of each remaining update, epoch after epoch."""
        while self.standing.update < self.updates:
            batches = self.feed.epoch(self.standing.epoch, skip=self.standing.batch)
            has_heard = self.standing.batch > 0
            with contextlib.closing(batches):  # type: ignore[type-var]  # a generator
                while group := list(itertools.islice(batches, self.feed.batches.accumulation)):
                    self.standing.batch += len(group)
                    self._note_unreadable(group)
                    if readable := [batch for batch in group if len(batch.lengths)]:
                        has_heard = True
                        yield readable
                    if self.standing.update >= self.updates:
                        return
            if not has_heard:
                raise TrainingError(
                    f"none of the {len(self.feed.lessons):,} training recordings can be read, "
                    f"e.g. {next(iter(self.unreadable.values()), 'an unknown one')}",
                    hint="`journal.jsonl` says why of each",
                )
            self.standing.epoch += 1
            self.standing.batch = 0

    def _note_longest(self, group: list[Batch]) -> None:
        longest = max(self.standing.longest_heard, *(batch.longest for batch in group))
        self.standing.longest_heard = self.model.longest_heard = longest

    def _note_unreadable(self, group: list[Batch]) -> None:
        for name, reason in itertools.chain.from_iterable(each.unreadable for each in group):
            self.unreadable[name] = reason
            self.journal.write("skipped", id=name, reason=reason)

    def _step(self, group: list[Batch], meter: "_Meter") -> None:
        self.module.train()
        tokens = max(sum(int(batch.label_lengths.sum()) for batch in group), 1)
        for batch in group:
            with self.accelerator.autocast(), clamped_masks(self.model, batch):
                loss = batch_loss(self.model, batch, zero_infinity=self.optimizer.zero_infinity)
            self.accelerator.backward(self._objective(loss, tokens=tokens, batches=len(group)))
            meter.add(loss, seconds=batch.seconds)
        norm = self.accelerator.clip_grad_norm_(self.module.parameters(), self.optimizer.clip_norm)
        if norm is not None and not torch.isfinite(norm):
            meter.non_finite += 1
            if self.options.precision != "fp16":  # fp16 skips by itself and lowers its scale
                self.adam.zero_grad()
                self.trained.schedule.step()
                return
        meter.gradient_norm = float(norm) if norm is not None else 0.0
        self.adam.step()
        self.trained.schedule.step()
        self.adam.zero_grad()

    def _objective(self, loss: BatchLoss, *, tokens: int, batches: int) -> Tensor:
        """Weigh one batch of an update of so many batches with so many tokens."""
        if self.optimizer.loss_reduction == "tokens":
            return loss.nats / tokens
        return (loss.mean if self.optimizer.loss_reduction == "mean" else loss.nats) / batches

    def _look(self, checkpoints: Path, meter: "_Meter") -> None:
        """Log, validate and save when it is time."""
        update, options = self.standing.update, self.options
        last = update >= self.updates
        if update % options.log_every == 0 or last:
            rate = self.trained.schedule.get_last_lr()[0]
            figures = meter.read()
            self.journal.write("update", update=update, learning_rate=rate, **figures)
        if update % options.validate_every == 0 or last:
            self._validate(checkpoints)
        if update % options.save_every == 0 or last:
            path = save_checkpoint(checkpoints, self.trained, keep=options.keep_checkpoints)
            self.journal.write("checkpoint", update=update, path=path.name)

    def _validate(self, checkpoints: Path) -> None:
        figures = self.validate(self.model)
        wer, standing = float(figures["wer"]), self.standing
        is_best = standing.best_wer is None or wer <= standing.best_wer
        if is_best or self.options.ship == "last":
            standing.best_wer, standing.best_update = wer, standing.update
            save_best(checkpoints, self.trained.module)
        self.journal.write(
            "validation", update=standing.update, best_wer=standing.best_wer, **figures
        )


class _Meter:
    """Figures between two journal lines."""

    def __init__(self) -> None:
        self.gradient_norm = 0.0
        self.non_finite = 0
        self._clear()

    def _clear(self) -> None:
        self.began = time.monotonic()
        self.nats, self.tokens, self.infeasible, self.seconds = 0.0, 0, 0, 0.0
        self.blank_rates: list[float] = []

    def add(self, loss: BatchLoss, *, seconds: float) -> None:
        self.nats += float(loss.nats.detach())
        self.tokens += loss.tokens
        self.infeasible += loss.infeasible
        self.seconds += seconds
        self.blank_rates.append(float(loss.blank_rate))

    def read(self) -> dict[str, float]:
        elapsed = max(time.monotonic() - self.began, 1e-9)
        figures = {
            "loss": self.nats / max(self.tokens, 1),
            "blank_rate": sum(self.blank_rates) / max(len(self.blank_rates), 1),
            "gradient_norm": self.gradient_norm,
            "infeasible": self.infeasible,
            "non_finite": self.non_finite,
            "audio_seconds_per_second": self.seconds / elapsed,
        }
        self._clear()
        return figures


@contextlib.contextmanager
def clamped_masks(model: CheckpointModel, batch: Batch) -> Iterator[None]:
    """Shorten SpecAugment's time masks to the batch's shortest utterance.

    `transformers` refuses a mask longer than the sequence it is laid on.
    """
    config = model.module.config
    length = getattr(config, "mask_time_length", None)
    if length is None:
        yield
        return
    shortest = int(model.frame_lengths(batch.lengths).min())
    config.mask_time_length = max(1, min(length, shortest))
    try:
        yield
    finally:
        config.mask_time_length = length
