"""The CTC loss of a batch, and what is worth knowing about it.

Graves et al. 2006, sec. 4. Losses are nats per token, pooled over everything one update sees:
a batch of one long utterance and a batch of fifty short ones weigh their tokens alike.
"""

from dataclasses import dataclass

import numpy as np
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
    blanks: Tensor
    """Frames whose likeliest token is the blank."""
    frames: Tensor
    """All frames, padding apart."""

    @property
    def blank_rate(self) -> Tensor:
        """Share of frames whose likeliest token is the blank."""
        return self.blanks / self.frames.clamp_min(1)


def batch_loss(
    model: CheckpointModel,
    batch: Batch,
    *,
    zero_infinity: bool = True,
    through: nn.Module | None = None,
) -> BatchLoss:
    """Compute the loss of one batch on the model's device.

    Args:
        model: What learns.
        batch: Rows and labels.
        zero_infinity: Utterances with more labels than frames lose nothing, instead of infinitely
            much.
        through: The model's module as several processes share it; by default the module itself.
    """
    device = model.device
    lengths = batch.lengths.to(device, non_blocking=True)
    rows = batch.rows.to(device, non_blocking=True)
    logits = model.logits(rows, lengths, through=through)  # (B, T, V)
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
        blanks=blanks.sum(),
        frames=real.sum(),
    )


def idle_loss(model: CheckpointModel, *, through: nn.Module) -> Tensor:
    """Take part in an update without having anything to learn from: a loss of zero.

    Where several processes share an update, all must run forward and backward together. One whose
    share of a batch is empty hears a second of silence. To a DeepSpeech2 it is padding throughout,
    so that it counts in no batch statistic; an encoder cannot attend to nothing.
    """
    silence = model.frontend.prepare(np.zeros(model.sample_rate, dtype=np.float32))
    rows = torch.from_numpy(silence).unsqueeze(0).to(model.device)
    heard = 0 if model.module.base_model_prefix == "deepspeech2" else len(silence)
    lengths = torch.tensor([heard], device=model.device)
    return model.logits(rows, lengths, through=through).sum() * 0.0


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
