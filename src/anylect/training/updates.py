"""What one update is made of: batches, and what all processes together have in them.

Each process holds its share of every batch. How a loss is to be divided depends on the tokens
and utterances of all shares, and whether a batch can be read at all on all of them; so before an
update the processes tell each other what they hold.
"""

import contextlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor

from anylect.models.checkpoints import CheckpointModel
from anylect.training.feed import Batch
from anylect.training.loss import BatchLoss
from anylect.training.options import OptimizerOptions
from anylect.training.team import Team


@dataclass(frozen=True, kw_only=True)
class Share:
    """What a process tells the others of its share of a batch."""

    utterances: int
    tokens: int
    longest: float
    unreadable: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class Update:
    """The readable batches of an update: this process's shares, and counts over all processes."""

    batches: Sequence[Batch]
    utterances: Sequence[int]
    """Of each batch, over all processes."""
    tokens: int
    """Of all batches and processes."""
    longest: float
    unreadable: Sequence[tuple[str, str]]
    processes: int

    def objective(self, loss: BatchLoss, *, batch: int, options: OptimizerOptions) -> Tensor:
        """Weigh the loss of this process's share of a batch.

        The gradients of all processes are averaged afterwards. So that the average is the
        gradient of the whole update, each share counts as many times as there are processes.

        Args:
            loss: Of the share.
            batch: Which batch of the update it is.
            options: Say what an update descends.
        """
        if options.loss_reduction == "tokens":
            return loss.nats * (self.processes / max(self.tokens, 1))
        if options.loss_reduction == "utterances":
            return loss.nats * (self.processes / max(sum(self.utterances), 1))
        weight = self.processes / len(self.batches)
        if options.loss_reduction == "sum":
            return loss.nats * weight
        part = len(self.batches[batch].lengths) / max(self.utterances[batch], 1)
        return loss.mean * (weight * part)


def gather_update(group: Sequence[Batch], team: Team) -> Update:
    """Find out what all processes hold of an update, and leave out batches nobody can read."""
    mine = [
        Share(
            utterances=len(batch.lengths),
            tokens=int(batch.label_lengths.sum()),
            longest=batch.longest,
            unreadable=batch.unreadable,
        )
        for batch in group
    ]
    # By batch, then by process.
    shares = list(zip(*team.gather(mine), strict=True))
    counts = [sum(share.utterances for share in batch) for batch in shares]
    everyone = list(itertools.chain.from_iterable(shares))
    return Update(
        batches=[batch for batch, count in zip(group, counts, strict=True) if count],
        utterances=[count for count in counts if count],
        tokens=sum(share.tokens for share in everyone),
        longest=max(share.longest for share in everyone),
        unreadable=[each for share in everyone for each in share.unreadable],
        processes=team.size,
    )


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
    shortest = (
        int(model.frame_lengths(batch.lengths).min())
        if len(batch.lengths)
        else model.count_frames(1.0)
    )
    config.mask_time_length = max(1, min(length, shortest))
    try:
        yield
    finally:
        config.mask_time_length = length
