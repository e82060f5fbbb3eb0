"""Learning a small part of a large encoder: attention adapters as in MMS, and LoRA.

Either way the encoder's own weights stay as they are; what learns is small enough for a laptop's
memory, and the head is fresh. A bundle is a whole model all the same: low-rank changes are added
to the weights they change, and adapters are weights of the architecture.
"""

from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor, nn

from anylect.errors import ConfigError
from anylect.models.options import LoraOptions

ADAPTER_SIZE = 16
"""Inner size of an adapter where neither checkpoint nor settings name one, as in MMS."""

_LORA = "lora"


def train_adapter(module: Any) -> None:  # noqa: ANN401  each architecture has methods of its own
    """Start the attention adapters afresh and let only them and the head learn.

    Raises:
        ConfigError: When the architecture has no attention adapters.
    """
    if not hasattr(module, "init_adapter_layers") or module.config.adapter_attn_dim is None:
        raise ConfigError(
            f"a `{module.config.model_type}` has no attention adapters",
            hint="`model.adapter` is for wav2vec2 checkpoints such as `facebook/mms-1b-all`",
        )
    module.init_adapter_layers()
    module.freeze_base_model()
    for weight in module._get_adapters().values():
        weight.requires_grad_(True)


def save_adapter(module: Any, folder: Path, *, language: str) -> Path:  # noqa: ANN401  as above
    """Write adapters and head as `transformers` loads them with `load_adapter(language)`."""
    path = folder / f"adapter.{language}.safetensors"
    weights = {
        name: weight.detach().cpu().contiguous() for name, weight in module._get_adapters().items()
    }
    save_file(weights, path, metadata={"format": "pt"})
    return path


def add_lora(module: Any, options: LoraOptions) -> None:  # noqa: ANN401  as above
    """Add low-rank changes to a module in place; they and the head alone learn.

    Raises:
        ConfigError: When peft is not installed or no layer has such a name.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise ConfigError(
            f"`model.lora` needs peft ({error})", hint="pip install 'anylect[lora]'"
        ) from error
    config = LoraConfig(
        r=options.rank,
        lora_alpha=options.alpha,
        lora_dropout=options.dropout,
        target_modules=list(options.targets),
    )
    try:
        inject_adapter_in_model(config, module, adapter_name=_LORA)
    except ValueError as error:
        linear = {
            name.rpartition(".")[2]
            for name, layer in module.named_modules()
            if isinstance(layer, nn.Linear)
        }
        raise ConfigError(
            f"`model.lora.targets` {list(options.targets)} names no layer of the model",
            hint=f"its linear layers end in {', '.join(sorted(linear))}",
        ) from error
    for weight in module.lm_head.parameters():
        weight.requires_grad_(True)


def merged_weights(module: nn.Module) -> dict[str, Tensor] | None:
    """Return the weights with low-rank changes added, under the architecture's own names.

    The module stays as it is, so that a run saved half-way goes on to the same numbers.

    Returns:
        None where there are no low-rank changes.
    """
    changed = {
        name: layer for name, layer in module.named_modules() if hasattr(layer, "get_delta_weight")
    }
    if not changed:
        return None
    merged: dict[str, Tensor] = {}
    for name, value in module.state_dict().items():
        owner, inside, rest = name.partition(".base_layer.")
        if inside:
            delta: Any = changed[owner]
            merged[f"{owner}.{rest}"] = (
                value + delta.get_delta_weight(_LORA).to(value) if rest == "weight" else value
            )
        elif not any(name.startswith(f"{owner}.") for owner in changed):
            merged[name] = value
    return merged
