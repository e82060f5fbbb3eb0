"""What a run will cost, before it is run: operations, memory, and how fast the machine is.

The model is built without weights, on torch's device `meta`, and run there: every operation
knows its shapes, so operations and kept activations are counted, not guessed. What is assumed is
said in `Cost`; expect the truth within a third.
"""

import time
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from anylect.models.checkpoints import CheckpointModel, choose_device
from anylect.training.options import OptimizerOptions

UTILISATION = {"cuda": 0.35, "cpu": 0.6}
"""Share of a device's matrix speed that training gets out of it; a third on others."""

MOMENT_BYTES = {"adamw": 8, "adamw-8bit": 2, "sgd": 4}
"""Of both moments of a weight, or of its momentum."""

HALF = 0.6
"""Bytes of activations under half precision against single: some layers stay in single."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Operations of one second of audio, forward, and bytes of memory."""

    operations_per_second: float
    weights: int
    gradients: int
    moments: int
    activations: int
    """What the largest batch keeps for going backward."""
    passing: int
    """Twice the largest tensor that comes and goes: convolutions over samples make them."""

    @property
    def memory(self) -> int:
        """Bytes of it all."""
        kept = self.weights + self.gradients + self.moments
        return kept + self.activations + self.passing


def count_weights(model: CheckpointModel) -> tuple[int, int]:
    """Return how many weights a model has, and how many of them learn."""
    weights = list(model.module.parameters())
    learning = sum(weight.numel() for weight in weights if weight.requires_grad)
    return sum(weight.numel() for weight in weights), learning


def estimate_cost(
    model: CheckpointModel,
    *,
    typical: float,
    largest: tuple[int, float],
    optimizer: OptimizerOptions,
    precision: Literal["fp32", "bf16", "fp16"] = "fp32",
) -> Cost:
    """Estimate what training a model on the device `meta` costs.

    Args:
        model: Built on `meta`.
        typical: Seconds of an utterance to count operations of.
        largest: Utterances and seconds of the longest in the batch that takes most memory.
        optimizer: Its kind decides what the moments take.
        precision: Half precision keeps a copy of the weights and smaller activations.
    """
    total, learning = count_weights(model)
    operations, _, _ = _run(model, 1, typical)
    frames = model.count_frames(typical)
    _, kept, biggest = _run(model, *largest)
    is_half = precision != "fp32"
    return Cost(
        operations_per_second=max(operations, 2.0 * total * frames) / typical,
        weights=total * (6 if is_half else 4),
        gradients=learning * 4,
        moments=learning * MOMENT_BYTES[optimizer.kind],
        passing=int(2 * biggest * (HALF if is_half else 1.0)),
        activations=int(_kept_activations(model, kept, largest) * (HALF if is_half else 1.0)),
    )


def passes(model: CheckpointModel) -> float:
    """Count how many times the operations of a forward pass an update takes.

    Once forward; once backward for the activations; once more for the weights that learn; and
    again forward where activations are not kept.
    """
    total, learning = count_weights(model)
    return 2.0 + learning / max(total, 1) + _is_checkpointed(model)


def measure_speed(device: str, *, precision: Literal["fp32", "bf16", "fp16"] = "fp32") -> float:
    """Measure how many operations a second a device does in matrix products."""
    place = choose_device(device)
    size = 4096 if place.type == "cuda" else 512
    kinds = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
    # Processors have no fast half precision to speak of.
    kind = kinds[precision] if place.type == "cuda" else torch.float32
    matrix = torch.ones(size, size, device=place, dtype=kind)
    rounds = 20
    for warm in (True, False):
        began = time.perf_counter()
        for _ in range(2 if warm else rounds):
            product = matrix @ matrix
        float(product[0, 0])  # waits for the device
    return rounds * 2.0 * size**3 / (time.perf_counter() - began)


def utilisation(device: str) -> float:
    """Return which share of its matrix speed a device is assumed to train at."""
    return UTILISATION.get(choose_device(device).type, 1 / 3)


def name_device(device: str) -> str:
    """Say which device is meant: the card's name, or the kind."""
    place = choose_device(device)
    return torch.cuda.get_device_name(place) if place.type == "cuda" else place.type


def _run(model: CheckpointModel, utterances: int, seconds: float) -> tuple[float, int, int]:
    """Run the shapes of a batch; return operations, bytes kept, and those of the largest tensor."""
    if model.module.config.model_type == "deepspeech2":
        return _run_recurrent(model, utterances * model.count_frames(seconds))
    rows = model.frontend.count_rows(int(seconds * model.sample_rate))
    width = () if model.frontend.input_name == "input_values" else (_features(model),)
    inputs = torch.zeros(utterances, rows, *width, device="meta")
    kept: dict[int, tuple[Any, int]] = {}

    # Without weights attention is computed the plain way; with them no T x T scores are kept.
    frames = model.count_frames(seconds)
    is_fused = getattr(model.module.config, "_attn_implementation", None) == "sdpa"

    def keep(tensor: Tensor) -> Tensor:
        if is_fused and tensor.ndim >= 3 and tensor.shape[-1] == tensor.shape[-2] == frames:
            return tensor
        storage = tensor.untyped_storage()
        kept[storage._cdata] = storage, tensor.numel() * tensor.element_size()
        return tensor

    biggest = 0

    def look(_: nn.Module, __: Any, output: Any) -> None:  # noqa: ANN401  what layers take and give
        nonlocal biggest
        if isinstance(output, Tensor):
            biggest = max(biggest, output.numel() * output.element_size())

    watching = nn.modules.module.register_module_forward_hook(look)
    model.module.eval()  # masks and dropped layers are drawn from numbers, of which there are none
    counter = FlopCounterMode(display=False)
    try:
        with counter, torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            model.module(**{model.frontend.input_name: inputs})
    finally:
        watching.remove()
    held = {weight.untyped_storage()._cdata for weight in model.module.parameters()}
    size = sum(size for key, (_, size) in kept.items() if key not in held)
    return float(counter.get_total_flops()), size, biggest


def _run_recurrent(model: CheckpointModel, frames: int) -> tuple[float, int, int]:
    """Count for recurrent layers, which without weights would run frame by frame.

    A gated layer keeps its input, three gates and its state in each direction.
    """
    config = model.module.config
    total, _ = count_weights(model)
    directions = 2 if config.bidirectional else 1
    floats = config.recurrent_layers * directions * 6 * config.hidden_size
    floats += 3 * config.recurrent_input_size * len(config.conv_channels)
    biggest = 2 * frames * config.recurrent_input_size * 4
    return 2.0 * total * frames, frames * floats * 4, biggest


def _features(model: CheckpointModel) -> int:
    return int(model.module.config.feature_projection_input_dim)


def _is_checkpointed(model: CheckpointModel) -> bool:
    names = ("is_activation_checkpointing", "is_gradient_checkpointing")  # since 5.x; before
    return bool(next(getattr(model.module, name) for name in names if hasattr(model.module, name)))


def _kept_activations(model: CheckpointModel, kept: int, largest: tuple[int, float]) -> float:
    """Of all activations keep one layer's, and the input of every layer, when checkpointing."""
    if not _is_checkpointed(model):
        return kept
    config = model.module.config
    layers = config.num_hidden_layers
    utterances, seconds = largest
    inputs = layers * utterances * model.count_frames(seconds) * config.hidden_size * 4
    return float(kept / layers + inputs)
