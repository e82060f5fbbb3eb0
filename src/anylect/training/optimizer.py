"""Parameter groups and schedules."""

import math

from torch import nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR

from anylect.training.options import OptimizerOptions


def build_optimizer(module: nn.Module, options: OptimizerOptions) -> AdamW:
    """Build AdamW over what learns; biases and normalization weights do not decay."""
    learning = [weight for weight in module.parameters() if weight.requires_grad]
    groups = [
        {
            "params": [weight for weight in learning if weight.ndim > 1],
            "weight_decay": options.weight_decay,
        },
        {"params": [weight for weight in learning if weight.ndim <= 1], "weight_decay": 0.0},
    ]
    return AdamW(
        groups,
        lr=options.learning_rate,
        betas=options.betas,
        eps=options.epsilon,
        fused=True,
    )


def build_schedule(optimizer: AdamW, options: OptimizerOptions, *, updates: int) -> LambdaLR:
    """Build the learning rate's course over `updates` updates."""
    return LambdaLR(optimizer, lambda update: rate_factor(update, options, updates=updates))


def rate_factor(update: int, options: OptimizerOptions, *, updates: int) -> float:
    """Share of the peak learning rate that update number `update` (from 0) takes.

    Example:
        >>> options = OptimizerOptions(warmup_updates=4, schedule="linear")
        >>> [rate_factor(update, options, updates=8) for update in range(8)]
        [0.25, 0.5, 0.75, 1.0, 1.0, 0.75, 0.5, 0.25]
    """
    warmup = min(options.warmup_updates, updates)
    if update < warmup:
        return (update + 1) / warmup
    done = (update - warmup) / max(updates - warmup, 1)
    if options.schedule == "constant":
        return 1.0
    remaining = 1.0 - done if options.schedule == "linear" else 0.5 + 0.5 * math.cos(math.pi * done)
    return options.final_fraction + (1.0 - options.final_fraction) * remaining
