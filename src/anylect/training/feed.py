"""From utterances to batches of tensors, read on the fly, the same for the same seed.

Everything random about an utterance (its augmentation) is drawn from seed, epoch and its index;
what it is joined with and the order of batches from seed and epoch. So a resumed run sees what
the uninterrupted one would have seen, however the threads were scheduled. Nothing decoded is
written to disk.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anylect.audio.augment import augment_waveform, mask_features
from anylect.audio.load import load_waveform
from anylect.data.batches import bucketed_batches, equal_length_batches, pad, share_batches
from anylect.data.prefetch import prefetch
from anylect.errors import AudioError
from anylect.models.frontend import Frontend, Rows
from anylect.training.lessons import Lesson, frames_needed
from anylect.training.options import AugmentationOptions, BatchOptions, JoiningOptions
from anylect.training.passages import Passage, draw_passages, join_labels, join_samples


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Rows (B, N) or (B, N, F) with their lengths (B,), labels (B, L) with theirs.

    `longest` is the longest passage, in seconds as heard; `unreadable` tells what had to be left
    out and why.
    """

    rows: Tensor
    lengths: Tensor
    labels: Tensor
    label_lengths: Tensor
    seconds: float
    longest: float = 0.0
    unreadable: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class _Part:
    """A readable utterance of a passage; what is still to be drawn for it; the pause before it."""

    lesson: Lesson
    samples: NDArray[np.float32]
    generator: np.random.Generator
    pause: float


@dataclass(frozen=True)
class _Heard:
    """What became of a passage; its rows are as those of one utterance."""

    rows: Rows
    labels: tuple[int, ...]
    spoken: float
    """Seconds of its utterances, as the manifest has them."""
    seconds: float
    """Of the whole, as it is heard."""


@dataclass(frozen=True, kw_only=True)
class Feed:
    """The training split as a stream of batches."""

    lessons: Sequence[Lesson]
    frontend: Frontend
    batches: BatchOptions
    augmentation: AugmentationOptions
    joining: JoiningOptions = field(default_factory=JoiningOptions)
    boundary: int | None = None
    """Token between joined utterances; None where words are not spaced."""
    count_frames: Callable[[float], int] | None = None
    """Of the model, by seconds; a joined passage with too few frames is taken apart again."""
    equal_lengths: bool = False
    """For models whose output padding changes: only (nearly) equal lengths share a batch."""
    seed: int = 0
    rank: int = 0
    """Which of the processes this is that share every batch, from 0."""
    processes: int = 1

    def plan(self, epoch: int) -> list[list[Passage]]:
        """Return the batches of an epoch; every lesson stands in one passage of one of them."""
        durations = np.array([lesson.utterance.duration or 0.0 for lesson in self.lessons])
        passages = [
            feasible
            for drawn in draw_passages(durations, self.joining, seed=self.seed, epoch=epoch)
            for feasible in ([drawn] if self._is_feasible(drawn, durations) else drawn.apart())
        ]
        batches = self._group([passage.duration(durations) for passage in passages], epoch)
        return [[passages[index] for index in batch] for batch in batches]

    def _group(self, lengths: Sequence[float], epoch: int) -> list[list[int]]:
        order = self.batches.order
        is_sorted = order == "sorted" or (order == "sorted-first" and epoch == 0)
        group = (
            partial(equal_length_batches, lengths)
            if self.equal_lengths
            else partial(bucketed_batches, lengths, shuffle=not is_sorted)
        )
        batches = group(
            seconds=self.batches.seconds,
            max_utterances=self.batches.max_utterances,
            seed=self.seed,
            epoch=epoch,
        )
        if is_sorted and self.equal_lengths:
            batches.sort(key=lambda batch: lengths[batch[0]])
        return batches

    def epoch(self, epoch: int, *, skip: int = 0) -> Iterator[Batch]:
        """Yield this process's share of the batches of an epoch in order, after the first `skip`.

        A share may be empty, but there is one of every batch.
        """
        yield from prefetch(
            partial(self._load_batch, epoch),
            share_batches(self.plan(epoch)[skip:], rank=self.rank, processes=self.processes),
            workers=self.batches.workers,
            ahead=2 * self.batches.workers + 1,
        )

    def count_updates(self, epochs: float) -> int:
        """Count the updates of so many epochs, as far as the first of them tell."""
        alone = min(epochs, self.joining.from_epoch) if self.joining.probability else epochs
        updates = alone * self._count_in(0)
        if epochs > alone:
            updates += (epochs - alone) * self._count_in(self.joining.from_epoch)
        return max(1, round(updates))

    def _count_in(self, epoch: int) -> int:
        return -(-len(self.plan(epoch)) // self.batches.accumulation)

    def _is_feasible(self, passage: Passage, durations: NDArray[np.float64]) -> bool:
        """Tell whether CTC can write a passage; that of one lesson was looked at before."""
        if self.count_frames is None or len(passage.positions) == 1:
            return True
        labels = join_labels(
            [self.lessons[index].labels for index in passage.positions], self.boundary
        )
        return frames_needed(labels) <= self.count_frames(passage.duration(durations))

    def _load_batch(self, epoch: int, passages: Sequence[Passage]) -> Batch:
        heard: list[_Heard] = []
        unreadable: list[tuple[str, str]] = []
        for passage in passages:
            if parts := self._load_parts(epoch, passage, unreadable):
                heard.append(self._join(parts))
        return _collate(heard, tuple(unreadable))

    def _load_parts(
        self, epoch: int, passage: Passage, unreadable: list[tuple[str, str]]
    ) -> list[_Part]:
        """Load what can be read of a passage, each utterance augmented by itself."""
        parts: list[_Part] = []
        for index, pause in zip(passage.positions, (0.0, *passage.pauses), strict=True):
            lesson = self.lessons[index]
            generator = np.random.default_rng((self.seed, epoch, index))
            try:
                waveform = load_waveform(lesson.utterance, sample_rate=self.frontend.sample_rate)
            except AudioError as error:
                unreadable.append((lesson.utterance.id, error.message))
                continue
            waveform = augment_waveform(waveform, self.augmentation.waveform, generator)
            parts.append(_Part(lesson, waveform.samples, generator, pause))
        return parts

    def _join(self, parts: Sequence[_Part]) -> _Heard:
        samples, starts = join_samples(
            [part.samples for part in parts],
            [part.pause for part in parts[1:]],
            sample_rate=self.frontend.sample_rate,
            generator=parts[-1].generator,
        )
        rows = self.frontend.prepare(samples)
        if rows.ndim == 2:
            step = self.frontend.hop * self.frontend.stack
            borders = [(self.frontend.edge + start) // step for start in starts[1:]]
            stretches = np.split(rows, borders)
            masked = [
                mask_features(stretch, self.augmentation.features, part.generator)
                for stretch, part in zip(stretches, parts, strict=True)
            ]
            rows = np.concatenate(masked)
        return _Heard(
            rows=rows,
            labels=join_labels([part.lesson.labels for part in parts], self.boundary),
            spoken=sum(part.lesson.utterance.duration or 0.0 for part in parts),
            seconds=len(samples) / self.frontend.sample_rate,
        )


def _collate(heard: Sequence[_Heard], unreadable: tuple[tuple[str, str], ...]) -> Batch:
    padded, lengths = pad([each.rows for each in heard])
    label_lengths = torch.tensor([len(each.labels) for each in heard], dtype=torch.long)
    labels = torch.zeros(len(heard), int(max(label_lengths, default=0)), dtype=torch.long)
    for row, each in zip(labels, heard, strict=True):
        row[: len(each.labels)] = torch.tensor(each.labels)
    return Batch(
        rows=torch.from_numpy(padded),
        lengths=torch.from_numpy(lengths),
        labels=labels,
        label_lengths=label_lengths,
        seconds=sum(each.spoken for each in heard),
        longest=max((each.seconds for each in heard), default=0.0),
        unreadable=unreadable,
    )
