"""The processes that share one run: one alone, or as many as a launcher has started.

`accelerate launch` and `torchrun` start the same program several times and tell each its number.
Here the processes find each other, wrap the model so that gradients are averaged, and pass
figures round. One process alone needs none of it: every function then does nothing.
"""

import os
import random
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import numpy as np
import torch
from accelerate import PartialState
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from anylect.errors import ConfigError, TrainingError
from anylect.models.checkpoints import choose_device
from anylect.training.sharding import shard_module

T = TypeVar("T")

SIZES = ("WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE")
"""Where launchers say how many processes they start: torchrun and accelerate, MPI's two kinds."""

PATIENCE = timedelta(minutes=60)
"""How long processes wait for one another: the main one may have a bundle to write."""


@dataclass(frozen=True)
class Team:
    """The processes of a run as one of them sees them."""

    device: torch.device
    rank: int = 0
    """Which of them this is; 0 is the main one, which alone writes to the run folder."""
    size: int = 1
    shards: bool = False
    """Whether weights and moments are divided among the processes (FSDP)."""

    @property
    def is_main(self) -> bool:
        """Whether this process keeps journal, checkpoints and bundle."""
        return self.rank == 0

    def wrap(self, module: nn.Module) -> nn.Module:
        """Return the module whose forward and backward passes the processes share.

        To be called before the optimizer is built, for sharding replaces weights.
        """
        if self.size == 1:
            return module
        if self.shards:
            return shard_module(module, self.device, size=self.size)
        return DistributedDataParallel(
            module,
            device_ids=[self.device] if self.device.type == "cuda" else None,
            # Encoders drop layers and draw masks, or not, in each process by itself; nobody must
            # wait for a gradient that will not come. A DeepSpeech2 always uses every weight.
            find_unused_parameters=getattr(module, "base_model_prefix", "") != "deepspeech2",
        )

    def gather(self, value: T) -> list[T]:
        """Return what each process has, in their order."""
        if self.size == 1:
            return [value]
        gathered: list[Any] = [None] * self.size
        distributed.all_gather_object(gathered, value)
        return gathered

    def agree(self, value: T, *, what: str) -> T:
        """Return a value that all processes have.

        Raises:
            TrainingError: When one has another; `what` it is about.
        """
        for rank, other in enumerate(self.gather(value)):
            if other != value:
                raise TrainingError(
                    f"{what}: process {self.rank} has {value}, process {rank} has {other}",
                    hint="all machines must see the same run folder, manifest and recordings",
                )
        return value

    def scatter_seeds(self, seed: int, *, update: int = 0) -> None:
        """Give each process but the main one generators of its own, for dropout and masks."""
        if self.rank:
            drawn = int(np.random.SeedSequence([seed, self.rank, update]).generate_state(1)[0])
            torch.manual_seed(drawn)
            np.random.seed(drawn)
            random.seed(drawn)

    def leave(self) -> None:
        """Part from the other processes when all have done their work.

        Who waits here leaves the interpreter to gloo's threads, which have to give back the
        tensors of the last exchange: a group that is destroyed before that waits for them forever,
        and they for the interpreter.
        """
        if self.size > 1 and distributed.is_initialized():
            PartialState().wait_for_everyone()
            distributed.destroy_process_group()


def join_team(device: str = "auto") -> Team:
    """Find the other processes of this run, if a launcher started any.

    Args:
        device: `auto`, or what all processes shall use: `cpu`, `cuda`; each takes its own card.

    Raises:
        ConfigError: When one card is named for several processes, or none can be used.
    """
    size = max(int(os.environ.get(name, "1")) for name in SIZES)
    if size == 1:
        _refuse_lonely_launch()
        return Team(choose_device(device))
    if ":" in device:
        raise ConfigError(
            f"`device` is `{device}` and there are {size} processes",
            hint="with `cuda` each process takes a card of its own",
        )
    state = PartialState(cpu=device == "cpu", timeout=PATIENCE)
    return Team(
        device=choose_device(str(state.device)),
        rank=state.process_index,
        size=state.num_processes,
        shards=os.environ.get("ACCELERATE_USE_FSDP", "").lower() in ("1", "true"),
    )


def _refuse_lonely_launch() -> None:
    """Refuse to train alone where a launcher was asked for more.

    `accelerate launch --cpu --num_processes 2` starts one process unless MPI starts them; it sets
    an address to meet at all the same.
    """
    is_launched = os.environ.get("ACCELERATE_USE_CPU", "").lower() == "true"
    if is_launched and "MASTER_ADDR" in os.environ:
        raise ConfigError(
            "the launcher was asked for several processes and started one",
            hint="on processors: `torchrun --nproc_per_node 2 -m anylect train … --device cpu`",
        )
