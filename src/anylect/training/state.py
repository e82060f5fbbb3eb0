"""Save, prune and resume a run to the same numbers.

A checkpoint is a folder `update-000500` of safetensors and JSON, no pickles: weights, both
moments of the optimizer, where in which epoch the run stood, and every random generator's
state. It is written beside and renamed, so a run killed at any moment keeps its last one whole.
"""

import contextlib
import json
import random
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from anylect.errors import TrainingError

BEST = "best"


@dataclass
class Standing:
    """Where a run stands; counted from zero, so it is also what comes next."""

    update: int = 0
    epoch: int = 0
    batch: int = 0
    """Batches of this epoch already used."""
    best_wer: float | None = None
    best_update: int = 0
    seconds: float = 0.0
    """Training time so far, validation included, over all sittings."""
    longest_heard: float = 0.0
    """Seconds of the longest utterance or joined passage so far."""


@dataclass(frozen=True)
class Trained:
    """Everything that changes while training."""

    module: nn.Module
    optimizer: Optimizer
    schedule: LRScheduler
    standing: Standing


def save_checkpoint(folder: Path, trained: Trained, *, keep: int) -> Path:
    """Write a checkpoint into `folder` and prune all but the `keep` newest.

    Raises:
        TrainingError: When there is no room, or no right, to write it; nothing half remains.
    """
    final = folder / f"update-{trained.standing.update:06d}"
    partial = folder / f".{final.name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    with _saving(partial):
        partial.mkdir(parents=True)
        _fill(partial, trained)
        shutil.rmtree(final, ignore_errors=True)
        partial.rename(final)
    for old in list_checkpoints(folder)[:-keep]:
        shutil.rmtree(old)
    return final


def _fill(partial: Path, trained: Trained) -> None:
    save_file(_weights(trained.module), partial / "model.safetensors")
    tensors, plain = _split(trained.optimizer.state_dict())
    save_file(tensors, partial / "optimizer.safetensors")
    save_file(_generators(), partial / "random.safetensors")
    state = {
        "standing": asdict(trained.standing),
        "optimizer": plain,
        "schedule": {"last_epoch": trained.schedule.last_epoch},
        "python_random": _jsonable(random.getstate()),
    }
    (partial / "state.json").write_text(json.dumps(state), encoding="utf-8")


def load_checkpoint(path: Path, trained: Trained) -> None:
    """Put a run back where it stood when `path` was written.

    Raises:
        TrainingError: When the checkpoint is incomplete or belongs to another model.
    """
    try:
        state = json.loads((path / "state.json").read_text(encoding="utf-8"))
        trained.module.load_state_dict(load_file(path / "model.safetensors"))
        tensors = load_file(path / "optimizer.safetensors")
        trained.optimizer.load_state_dict(_join(tensors, state["optimizer"]))
        _restore_generators(load_file(path / "random.safetensors"))
        random.setstate(_hashable(state["python_random"]))
        trained.schedule.last_epoch = state["schedule"]["last_epoch"]
        vars(trained.standing).update(state["standing"])
    except (OSError, LookupError, TypeError, RuntimeError, ValueError, SafetensorError) as error:
        raise TrainingError(
            f"{path}: not a checkpoint of this run ({str(error).splitlines()[0]})",
            hint="remove that folder to resume from the one before it",
        ) from error


def list_checkpoints(folder: Path) -> list[Path]:
    """Return the whole checkpoints of a run, oldest first."""
    return sorted(path for path in folder.glob("update-*") if path.is_dir())


def save_best(folder: Path, module: nn.Module) -> None:
    """Keep the weights of the best validation so far."""
    partial = folder / f".{BEST}.partial.safetensors"
    with _saving(partial):
        folder.mkdir(parents=True, exist_ok=True)
        save_file(_weights(module), partial)
        partial.rename(folder / f"{BEST}.safetensors")


def load_best(folder: Path, module: nn.Module) -> None:
    """Take the weights of the best validation."""
    module.load_state_dict(load_file(folder / f"{BEST}.safetensors"))


@contextlib.contextmanager
def _saving(partial: Path) -> Iterator[None]:
    """Turn a full disk into an error that says so, and free what was written in vain."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        if partial.is_dir():
            shutil.rmtree(partial, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                partial.unlink()
        raise TrainingError(
            f"{partial.parent}: cannot be written to ({error})",
            hint="make room on that disk; `--resume` continues from the last checkpoint",
        ) from error


def _weights(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().cpu().clone() for name, value in module.state_dict().items()}


def _split(state: dict[str, Any]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Take the tensors of an optimizer's state apart from what JSON can hold."""
    tensors: dict[str, Tensor] = {}
    plain: dict[str, dict[str, Any]] = {}
    for index, entry in state["state"].items():
        for name, value in entry.items():
            if isinstance(value, Tensor):
                tensors[f"{index}.{name}"] = value.detach().cpu().clone()
            else:
                plain.setdefault(str(index), {})[name] = value
    return tensors, {"state": plain, "param_groups": state["param_groups"]}


def _join(tensors: dict[str, Tensor], plain: dict[str, Any]) -> dict[str, Any]:
    state: dict[int, dict[str, Any]] = {
        int(index): dict(entry) for index, entry in plain["state"].items()
    }
    for key, value in tensors.items():
        index, _, name = key.partition(".")
        state.setdefault(int(index), {})[name] = value
    return {"state": state, "param_groups": plain["param_groups"]}


def _generators() -> dict[str, Tensor]:
    legacy: Any = np.random.get_state(legacy=True)
    states = {
        "torch": torch.get_rng_state(),
        "numpy_keys": torch.from_numpy(np.asarray(legacy[1]).astype(np.int64)),
        "numpy_position": torch.tensor([int(legacy[2])]),
    }
    for device in range(torch.cuda.device_count()):
        states[f"cuda_{device}"] = torch.cuda.get_rng_state(device)
    return states


def _restore_generators(states: dict[str, Tensor]) -> None:
    torch.set_rng_state(states["torch"])
    keys = states["numpy_keys"].numpy().astype(np.uint32)
    np.random.set_state(("MT19937", keys, int(states["numpy_position"][0]), 0, 0.0))
    for device in range(torch.cuda.device_count()):
        if f"cuda_{device}" in states:
            torch.cuda.set_rng_state(states[f"cuda_{device}"], device)


def _jsonable(state: tuple[Any, ...]) -> list[Any]:
    return [state[0], list(state[1]), state[2]]


def _hashable(state: list[Any]) -> tuple[Any, ...]:
    return (state[0], tuple(state[1]), state[2])
