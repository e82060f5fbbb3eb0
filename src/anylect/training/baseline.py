"""What a model can reach without listening: the loss that learning must get below."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from anylect.training.lessons import Lesson

SAMPLE = 32
"""Utterances the baseline is computed on, evenly spread over the lengths."""

ROUNDS = 30
"""Of expectation and maximisation at most; some six are enough."""


def deaf_loss(
    lessons: Sequence[Lesson], count_frames: Callable[[float], int], *, blank: int
) -> float:
    """Compute the CTC loss of the best model that does not listen, in nats per token.

    A model that writes nothing but blanks has an infinite loss, so it is no measure. The best that
    can be done without listening is one distribution p over the tokens, blank included, for every
    frame of every utterance:

        b = min over p of  - (sum over u of ln P_p(l_u | T_u)) / (sum over u of |l_u|)
        P_p(l | T) = sum over all paths of T tokens that collapse to l of the product of p(token)

    with labels l_u and frames T_u of utterance u. The minimum is looked for by expectation and
    maximisation (Dempster et al. 1977), which starts evenly and could in theory end in another than
    the lowest: how often a token is expected on the paths, divided by
    all frames, is its next probability. Where frames are many, b is about the entropy of the
    tokens. Models fall to b at once, stay there for a while (the plateau of blanks), then learn.

    Args:
        lessons: At most 32 are used, evenly spread over their durations.
        count_frames: Of the model, by seconds.
        blank: The blank token.
    """
    ordered = sorted(lessons, key=lambda lesson: lesson.utterance.duration or 0.0)
    positions = np.unique(np.linspace(0, len(ordered) - 1, SAMPLE).round().astype(int))
    sample = [ordered[position] for position in positions]
    frames = [count_frames(each.utterance.duration or 0.0) for each in sample]
    # Tokens that are not in these transcripts get no probability, and no room either.
    used = sorted({blank, *(token for each in sample for token in each.labels)} - {blank})
    number = {token: place for place, token in enumerate(used, start=1)}
    labels = [[number[token] for token in each.labels] for each in sample]
    log_probs = torch.zeros(len(used) + 1, dtype=torch.float64).log_softmax(0)
    nats = math.inf
    for _ in range(ROUNDS):
        before, expected = nats, torch.zeros_like(log_probs)
        nats = 0.0
        for count, row in zip(frames, labels, strict=True):
            loss, on_paths = _expect(log_probs, count, row)
            nats += loss
            expected += on_paths
        log_probs = (expected / expected.sum()).clamp_min(1e-30).log()
        if before - nats <= 1e-6 * nats:
            break
    return nats / sum(map(len, labels))


def _expect(log_probs: Tensor, frames: int, labels: Sequence[int]) -> tuple[float, Tensor]:
    """Return an utterance's loss, and how often each token (V,) is expected on its paths.

    The gradient of CTC's loss with respect to a frame's logits is its softmax minus what is
    expected there (Graves et al. 2006, eq. 16).
    """
    logits = log_probs.clone().requires_grad_()
    nats = nn.functional.ctc_loss(
        logits.log_softmax(0).expand(frames, 1, -1),  # (T, 1, V)
        torch.tensor([labels]),
        torch.tensor([frames]),
        torch.tensor([len(labels)]),
        reduction="sum",
        zero_infinity=True,
    )
    (gradient,) = torch.autograd.grad(nats, logits)
    return float(nats.detach()), (log_probs.exp() * frames - gradient).clamp_min(0.0)
