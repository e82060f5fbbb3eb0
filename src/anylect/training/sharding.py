"""Weights and moments divided among processes, and whole again: FSDP in torch's second form.

Whoever saves or loads sees whole tensors, so checkpoints do not tell how they were trained.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.optim import Optimizer


def shard_module(module: nn.Module, device: torch.device, *, size: int) -> nn.Module:
    """Divide a module's weights among `size` processes in place, layer by layer.

    Layers in a list, such as those of an encoder, are gathered one at a time when they are needed.
    """
    mesh = init_device_mesh(device.type, (size,))
    for part in module.modules():
        if isinstance(part, nn.ModuleList):
            for layer in part:
                fully_shard(layer, mesh=mesh)
    fully_shard(module, mesh=mesh)
    return module


def whole(tensor: Tensor) -> Tensor:
    """Return a copy of all of a tensor on the CPU; where it is divided, every process must ask."""
    tensor = tensor.detach()
    return (tensor.full_tensor() if isinstance(tensor, DTensor) else tensor).cpu().clone()


def whole_weights(module: nn.Module) -> dict[str, Tensor]:
    """Return all weights of a module; where they are divided, every process must ask."""
    return {name: whole(value) for name, value in module.state_dict().items()}


def whole_moments(optimizer: Optimizer) -> dict[str, Any]:
    """Return an optimizer's state with whole tensors; every process must ask."""
    state = optimizer.state_dict()
    entries = {
        index: {
            name: whole(value) if isinstance(value, Tensor) else value
            for name, value in entry.items()
        }
        for index, entry in state["state"].items()
    }
    return {"state": entries, "param_groups": state["param_groups"]}


def load_weights(module: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Put whole weights into a module, divided or not."""
    if not any(isinstance(weight, DTensor) for weight in module.parameters()):
        module.load_state_dict(weights)
        return
    with torch.no_grad():
        for name, present in module.state_dict().items():
            present.copy_(_like(present, weights[name]))


def load_moments(optimizer: Optimizer, moments: Mapping[str, Any]) -> None:
    """Put an optimizer's whole state back, divided as its weights are."""
    learning = [weight for group in optimizer.param_groups for weight in group["params"]]
    entries = {
        index: {
            name: _like(learning[index], value)
            if isinstance(value, Tensor) and value.shape == learning[index].shape
            else value
            for name, value in entry.items()
        }
        for index, entry in moments["state"].items()
    }
    optimizer.load_state_dict({"state": entries, "param_groups": moments["param_groups"]})


def _like(present: Tensor, full: Tensor) -> Tensor:
    if not isinstance(present, DTensor):
        return full
    return distribute_tensor(full.to(present.device), present.device_mesh, present.placements)
