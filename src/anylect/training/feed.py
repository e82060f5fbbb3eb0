"""From utterances to batches of tensors, read on the fly, the same for the same seed.

Everything random about an utterance (its augmentation) is drawn from seed, epoch and its index,
and the order of batches from seed and epoch, so a resumed run sees what the uninterrupted one
would have seen, however the threads were scheduled. Nothing decoded is written to disk.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from anylect.audio.augment import augment_waveform, mask_features
from anylect.audio.load import load_waveform
from anylect.data.batches import bucketed_batches, equal_length_batches, pad
from anylect.data.prefetch import prefetch
from anylect.errors import AudioError
from anylect.models.frontend import Frontend, Rows
from anylect.records import Utterance
from anylect.training.lessons import Lesson
from anylect.training.options import AugmentationOptions, BatchOptions


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Rows (B, N) or (B, N, F) with their lengths (B,), labels (B, L) with theirs.

    `unreadable` tells what had to be left out and why.
    """

    rows: Tensor
    lengths: Tensor
    labels: Tensor
    label_lengths: Tensor
    seconds: float
    unreadable: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Feed:
    """The training split as a stream of batches."""

    lessons: Sequence[Lesson]
    frontend: Frontend
    batches: BatchOptions
    augmentation: AugmentationOptions
    equal_lengths: bool = False
    """For models whose output padding changes: only (nearly) equal lengths share a batch."""
    seed: int = 0

    def plan(self, epoch: int) -> list[list[int]]:
        """Return the batches of an epoch as indices into the lessons."""
        durations = np.array([lesson.utterance.duration or 0.0 for lesson in self.lessons])
        group = equal_length_batches if self.equal_lengths else bucketed_batches
        return group(
            durations,
            seconds=self.batches.seconds,
            max_utterances=self.batches.max_utterances,
            seed=self.seed,
            epoch=epoch,
        )

    def epoch(self, epoch: int, *, skip: int = 0) -> Iterator[Batch]:
        """Yield the batches of an epoch in order, leaving out the first `skip`."""
        yield from prefetch(
            partial(self._load_batch, epoch),
            self.plan(epoch)[skip:],
            workers=self.batches.workers,
            ahead=2 * self.batches.workers + 1,
        )

    def _load_batch(self, epoch: int, indices: Sequence[int]) -> Batch:
        rows: list[Rows] = []
        kept: list[Lesson] = []
        unreadable: list[tuple[str, str]] = []
        for index in indices:
            lesson = self.lessons[index]
            try:
                rows.append(self._load_rows(lesson.utterance, (self.seed, epoch, index)))
                kept.append(lesson)
            except AudioError as error:
                unreadable.append((lesson.utterance.id, error.message))
        return _collate(rows, kept, tuple(unreadable))

    def _load_rows(self, utterance: Utterance, seed: tuple[int, int, int]) -> Rows:
        generator = np.random.default_rng(seed)
        waveform = load_waveform(utterance, sample_rate=self.frontend.sample_rate)
        waveform = augment_waveform(waveform, self.augmentation.waveform, generator)
        rows = self.frontend.prepare(waveform.samples)
        if rows.ndim == 2:
            rows = mask_features(rows, self.augmentation.features, generator)
        return rows


def _collate(
    rows: list[Rows], lessons: list[Lesson], unreadable: tuple[tuple[str, str], ...]
) -> Batch:
    padded, lengths = pad(rows)
    label_lengths = torch.tensor([len(lesson.labels) for lesson in lessons], dtype=torch.long)
    labels = torch.zeros(len(lessons), int(max(label_lengths, default=0)), dtype=torch.long)
    for row, lesson in zip(labels, lessons, strict=True):
        row[: len(lesson.labels)] = torch.tensor(lesson.labels)
    return Batch(
        rows=torch.from_numpy(padded),
        lengths=torch.from_numpy(lengths),
        labels=labels,
        label_lengths=label_lengths,
        seconds=sum(lesson.utterance.duration or 0.0 for lesson in lessons),
        unreadable=unreadable,
    )
