"""Save, prune and resume a run to the same numbers.

A checkpoint is a folder `update-000500` of safetensors and JSON, no pickles: weights, both
moments of the optimizer, where in which epoch the run stood, and every random generator's
state. It is written beside and renamed, so a run killed at any moment keeps its last one whole.
The main process writes for all; how many processes there were decides only the generators.
"""

import contextlib
import json
import os
import random
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
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
from anylect.training.sharding import load_moments, load_weights, whole_moments, whole_weights
from anylect.training.team import Team

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
    meter: dict[str, float] = field(default_factory=dict)
    """Figures since the last journal line."""
    doctor: dict[str, Any] = field(default_factory=dict)
    """What the doctor remembers."""
    scaler: dict[str, Any] = field(default_factory=dict)
    """Of gradients in half precision."""
    rate_scale: float = 1.0
    """Share of the learning rate that is left after restarts."""
    restarts: int = 0
    """How often the doctor sent the run back."""


@dataclass(frozen=True)
class Trained:
    """Everything that changes while training."""

    module: nn.Module
    optimizer: Optimizer
    schedule: LRScheduler
    standing: Standing


def save_checkpoint(
    folder: Path, trained: Trained, *, keep: int, team: Team, sound_update: int | None = None
) -> Path:
    """Write a checkpoint into `folder` and prune what is not needed; every process must ask.

    Args:
        folder: Of the run's checkpoints.
        trained: What to write.
        keep: How many of the newest stay.
        team: The processes of the run, of which the main one writes.
        sound_update: The newest checkpoint up to this update stays, too.

    Raises:
        TrainingError: When there is no room, or no right, to write it; nothing half remains.
    """
    final = folder / f"update-{trained.standing.update:06d}"
    # Who holds a part of the weights must give it, and everyone has generators of his own.
    snapshot = _take(trained) if team.is_main or team.shards else None
    generators = team.gather(_generators())
    if team.is_main and snapshot is not None:
        _write(final, snapshot, generators)
        for old in _dispensable(folder, keep=keep, sound_update=sound_update):
            remove_checkpoint(old)
    return final


def _write(final: Path, snapshot: "_Snapshot", generators: Sequence[dict[str, Any]]) -> None:
    for leftover in final.parent.glob(".update-*"):  # of a run that was killed while saving
        shutil.rmtree(leftover, ignore_errors=True)
    partial = final.parent / f".{final.name}.partial"
    with _saving(partial):
        partial.mkdir(parents=True)
        _fill(partial, snapshot, generators)
        if final.exists():
            remove_checkpoint(final)
        partial.rename(final)
        flush(final.parent)


def remove_checkpoint(path: Path) -> None:
    """Remove a checkpoint such that no half of it can be taken for a whole one."""
    hidden = path.with_name(f".{path.name}.gone")
    shutil.rmtree(hidden, ignore_errors=True)
    path.rename(hidden)
    shutil.rmtree(hidden, ignore_errors=True)


def _dispensable(folder: Path, *, keep: int, sound_update: int | None) -> list[Path]:
    every = list_checkpoints(folder)
    kept = set(every[-keep:])
    if sound_update is not None:
        kept.update([path for path in every if update_of(path) <= sound_update][-1:])
    return [path for path in every if path not in kept]


@dataclass(frozen=True)
class _Snapshot:
    """What a checkpoint holds, on the CPU and whole."""

    weights: dict[str, Tensor]
    moments: dict[str, Tensor]
    state: dict[str, Any]


def _take(trained: Trained) -> _Snapshot:
    moments, plain = _split(whole_moments(trained.optimizer))
    return _Snapshot(
        weights=whole_weights(trained.module),
        moments=moments,
        state={
            "standing": asdict(trained.standing),
            "optimizer": plain,
            "schedule": {"last_epoch": trained.schedule.last_epoch},
        },
    )


def _fill(partial: Path, snapshot: _Snapshot, generators: Sequence[dict[str, Any]]) -> None:
    save_file(snapshot.weights, partial / "model.safetensors")
    save_file(snapshot.moments, partial / "optimizer.safetensors")
    tensors = {
        f"{rank}.{name}": value
        for rank, states in enumerate(generators)
        for name, value in states["tensors"].items()
    }
    save_file(tensors, partial / "random.safetensors")
    python = [states["python"] for states in generators]
    state = snapshot.state | {"processes": len(generators), "python_random": python}
    (partial / "state.json").write_text(json.dumps(state), encoding="utf-8")
    for path in partial.iterdir():
        flush(path)


def flush(path: Path) -> None:
    """See that a file, or the names in a folder, reach the disk before anything later does."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def load_checkpoint(path: Path, trained: Trained, *, team: Team, seed: int = 0) -> None:
    """Put a run back where it stood when `path` was written; every process must ask.

    Args:
        path: A checkpoint.
        trained: What is put back.
        team: With as many processes as before, each gets its own generators back; otherwise all
            but the main one draw dropout and masks anew.
        seed: Of those drawn anew.

    Raises:
        TrainingError: When the checkpoint is incomplete or belongs to another model.
    """
    try:
        state = json.loads((path / "state.json").read_text(encoding="utf-8"))
        load_weights(trained.module, load_file(path / "model.safetensors"))
        tensors = load_file(path / "optimizer.safetensors")
        load_moments(trained.optimizer, _join(tensors, state["optimizer"]))
        trained.schedule.last_epoch = state["schedule"]["last_epoch"]
        vars(trained.standing).update(state["standing"])
        if team.is_main or state["processes"] == team.size:
            _restore_generators(load_file(path / "random.safetensors"), rank=team.rank)
            random.setstate(_hashable(state["python_random"][team.rank]))
        else:
            team.scatter_seeds(seed, update=trained.standing.update)
    except (OSError, LookupError, TypeError, RuntimeError, ValueError, SafetensorError) as error:
        raise TrainingError(
            f"{path}: not a checkpoint of this run ({str(error).splitlines()[0]})",
            hint="remove that folder to resume from the one before it",
        ) from error


def list_checkpoints(folder: Path) -> list[Path]:
    """Return the whole checkpoints of a run, oldest first."""
    return sorted(path for path in folder.glob("update-*") if path.is_dir())


def update_of(path: Path) -> int:
    """Read off a checkpoint's name after how many updates it was written."""
    return int(path.name.rpartition("-")[2])


def save_best(folder: Path, module: nn.Module, *, team: Team) -> None:
    """Keep the weights of the best validation so far; every process must ask."""
    weights = whole_weights(module) if team.is_main or team.shards else {}
    if not team.is_main:
        return
    partial = folder / f".{BEST}.partial.safetensors"
    with _saving(partial):
        folder.mkdir(parents=True, exist_ok=True)
        save_file(weights, partial)
        flush(partial)
        partial.rename(folder / f"{BEST}.safetensors")


def load_best(folder: Path, module: nn.Module) -> None:
    """Take the weights of the best validation.

    Raises:
        TrainingError: When they cannot be read.
    """
    path = folder / f"{BEST}.safetensors"
    try:
        module.load_state_dict(load_file(path))
    except (OSError, RuntimeError, SafetensorError) as error:
        raise TrainingError(
            f"{path}: not the best weights of this run ({str(error).splitlines()[0]})",
            hint="`update-…/model.safetensors` beside it are the newest; copy these to that name",
        ) from error


def write_whole(path: Path, text: str) -> None:
    """Replace a text file as a whole or not at all.

    Raises:
        TrainingError: When there is no room, or no right, to write it.
    """
    partial = path.with_name(f".{path.name}.partial")
    with _saving(partial):
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)


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


def _generators() -> dict[str, Any]:
    legacy: Any = np.random.get_state(legacy=True)
    tensors = {
        "torch": torch.get_rng_state(),
        "numpy_keys": torch.from_numpy(np.asarray(legacy[1]).astype(np.int64)),
        "numpy_position": torch.tensor([int(legacy[2])]),
    }
    if torch.cuda.is_available():
        tensors["cuda"] = torch.cuda.get_rng_state()
    return {"tensors": tensors, "python": _jsonable(random.getstate())}


def _restore_generators(states: dict[str, Tensor], *, rank: int) -> None:
    torch.set_rng_state(states[f"{rank}.torch"])
    keys = states[f"{rank}.numpy_keys"].numpy().astype(np.uint32)
    np.random.set_state(("MT19937", keys, int(states[f"{rank}.numpy_position"][0]), 0, 0.0))
    if torch.cuda.is_available() and f"{rank}.cuda" in states:
        torch.cuda.set_rng_state(states[f"{rank}.cuda"])


def _jsonable(state: tuple[Any, ...]) -> list[Any]:
    return [state[0], list(state[1]), state[2]]


def _hashable(state: list[Any]) -> tuple[Any, ...]:
    return (state[0], tuple(state[1]), state[2])
