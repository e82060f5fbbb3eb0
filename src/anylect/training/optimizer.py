"""Parameter groups and schedules."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

from anylect.errors import ConfigError
from anylect.training.options import OptimizerOptions


def build_optimizer(module: nn.Module, options: OptimizerOptions) -> Optimizer:
    """Build AdamW or SGD over what learns; biases and normalization weights do not decay.

    Raises:
        ConfigError: When nothing learns, or 8-bit moments cannot be had.
    """
    learning = [weight for weight in module.parameters() if weight.requires_grad]
    if not learning:
        raise ConfigError(
            "every weight of the model is frozen", hint="see `freeze_feature_encoder` and `lora`"
        )
    groups = [
        {
            "params": [weight for weight in learning if weight.ndim > 1],
            "weight_decay": options.weight_decay,
        },
        {"params": [weight for weight in learning if weight.ndim <= 1], "weight_decay": 0.0},
    ]
    if options.kind == "sgd":
        return SGD(
            groups,
            lr=options.learning_rate,
            momentum=options.momentum,
            nesterov=options.nesterov,
        )
    moving: dict[str, Any] = {
        "lr": options.learning_rate,
        "betas": options.betas,
        "eps": options.epsilon,
    }
    if options.kind == "adamw-8bit":
        return _adamw_8bit(groups, moving, device=learning[0].device)
    return AdamW(groups, fused=True, **moving)


def _adamw_8bit(
    groups: list[dict[str, Any]], moving: dict[str, Any], *, device: torch.device
) -> Optimizer:
    """Build AdamW with blockwise quantized moments (Dettmers et al. 2022)."""
    if not _has_8bit(device):
        raise ConfigError(
            f"`optimizer.kind` is `adamw-8bit` and the device `{device.type}`",
            hint="8-bit moments need a CUDA card; `adamw` runs everywhere",
        )
    try:
        import bitsandbytes
    except ImportError as error:
        raise ConfigError(
            f"`optimizer.kind = adamw-8bit` needs bitsandbytes ({error})",
            hint="pip install 'anylect[8bit]'",
        ) from error
    optimizer: Optimizer = bitsandbytes.optim.AdamW8bit(groups, **moving)
    return optimizer


def _has_8bit(device: torch.device) -> bool:
    return device.type == "cuda"


def build_schedule(
    optimizer: Optimizer,
    options: OptimizerOptions,
    *,
    updates: int,
    epoch: Callable[[], int] = lambda: 0,
) -> LambdaLR:
    """Build the learning rate's course over `updates` updates.

    Args:
        optimizer: Whose rates are set.
        options: What course they take.
        updates: How many there are.
        epoch: Tells how many epochs are over; when that changes, `scale_rates` is due.
    """
    return LambdaLR(
        optimizer, lambda update: rate_factor(update, options, updates=updates, epoch=epoch())
    )


def rate_factor(update: int, options: OptimizerOptions, *, updates: int, epoch: int = 0) -> float:
    """Share of the peak learning rate that update number `update` (from 0) takes.

    Example:
        >>> options = OptimizerOptions(warmup_updates=4, schedule="linear")
        >>> [rate_factor(update, options, updates=8) for update in range(8)]
        [0.25, 0.5, 0.75, 1.0, 1.0, 0.75, 0.5, 0.25]
    """
    warmup = count_warmup(options, updates=updates)
    if update < warmup:
        return (update + 1) / warmup
    if options.schedule == "constant":
        return 1.0
    if options.schedule == "annealed":
        return options.annealing**-epoch
    # Whole epochs may take a few updates more than their first lets one expect.
    done = min((update - warmup) / max(updates - warmup, 1), 1.0)
    remaining = 1.0 - done if options.schedule == "linear" else 0.5 + 0.5 * math.cos(math.pi * done)
    return options.final_fraction + (1.0 - options.final_fraction) * remaining


def count_warmup(options: OptimizerOptions, *, updates: int) -> int:
    """Count the updates in which the learning rate rises."""
    if options.warmup_share is None:
        return min(options.warmup_updates, updates)
    return math.ceil(options.warmup_share * updates)


def scale_rates(schedule: LRScheduler, options: OptimizerOptions, *, scale: float) -> None:
    """Let a schedule run at a share of the peak, from now on."""
    schedule.base_lrs = [options.learning_rate * scale for _ in schedule.base_lrs]
    assert isinstance(schedule, LambdaLR)  # narrows for the type checker
    rates = [
        rate * factor(schedule.last_epoch)
        for rate, factor in zip(schedule.base_lrs, schedule.lr_lambdas, strict=True)
    ]
    for group, rate in zip(schedule.optimizer.param_groups, rates, strict=True):
        group["lr"] = rate
    schedule._last_lr = rates
