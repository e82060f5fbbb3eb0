"""The CTC loss of a batch, and what is worth knowing about it.

Graves et al. 2006, sec. 4. Losses are nats per token, pooled over everything one update sees:
a batch of one long utterance and a batch of fifty short ones weigh their tokens alike.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from anylect.models.checkpoints import CheckpointModel
from anylect.training.feed import Batch


@dataclass(frozen=True)
class BatchLoss:
    """Summed loss in nats, and counts to divide or report it by."""

    nats: Tensor
    mean: Tensor
    """Nats per token of each utterance, averaged over the utterances."""
    tokens: int
    infeasible: int
    """Utterances whose labels do not fit their frames: they add nothing to the loss."""
    blank_rate: Tensor
    """Share of frames whose likeliest token is the blank."""


def batch_loss(model: CheckpointModel, batch: Batch, *, zero_infinity: bool = True) -> BatchLoss:
    """Compute the loss of one batch on the model's device.

    Args:
        model: What learns.
        batch: Rows and labels.
        zero_infinity: Utterances with more labels than frames lose nothing, instead of infinitely
            much.
    """
    device = model.device
    lengths = batch.lengths.to(device, non_blocking=True)
    logits = model.logits(batch.rows.to(device, non_blocking=True), lengths)  # (B, T, V)
    frames = model.frame_lengths(lengths).clamp_max(logits.shape[1])
    log_probs = nn.functional.log_softmax(logits.float(), dim=-1)
    nats = nn.functional.ctc_loss(
        log_probs.transpose(0, 1),
        batch.labels.to(device),
        frames,
        batch.label_lengths.to(device),
        blank=model.vocabulary.blank,
        reduction="none",
        zero_infinity=zero_infinity,
    )
    with torch.no_grad():
        needed = needed_frames(batch.labels, batch.label_lengths)
        real = torch.arange(logits.shape[1], device=device) < frames.unsqueeze(1)
        blanks = (log_probs.argmax(-1) == model.vocabulary.blank) & real
    return BatchLoss(
        nats=nats.sum(),
        mean=(nats / batch.label_lengths.to(device).clamp_min(1)).mean(),
        tokens=int(batch.label_lengths.sum()),
        infeasible=int((needed > frames.cpu()).sum()),
        blank_rate=blanks.sum() / real.sum().clamp_min(1),
    )


def needed_frames(labels: Tensor, label_lengths: Tensor) -> Tensor:
    """Count the frames each utterance needs: its labels, and a blank between equal neighbours.

    Args:
        labels: (B, L), padded.
        label_lengths: (B,).

    Example:
        >>> needed_frames(torch.tensor([[1, 1, 2], [3, 0, 0]]), torch.tensor([3, 1]))
        tensor([4, 1])
    """
    if labels.shape[1] < 2:
        return label_lengths
    pairs = torch.arange(1, labels.shape[1]) < label_lengths.unsqueeze(1)
    repeats = (labels[:, 1:] == labels[:, :-1]) & pairs
    return label_lengths + repeats.sum(1)
