"""A model to train: a pretrained encoder with a fresh head, or a DeepSpeech2 from nothing."""

import contextlib
import difflib
from functools import partial
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedConfig

from anylect.errors import ConfigError
from anylect.models.adapters import ADAPTER_SIZE, add_lora, train_adapter
from anylect.models.checkpoints import (
    FOREIGN,
    CheckpointModel,
    freeze_feature_encoder,
    load_pretrained,
)
from anylect.models.deepspeech2 import DeepSpeech2Config, DeepSpeech2ForCTC
from anylect.models.deepspeech2_variants import variant_settings
from anylect.models.options import ModelOptions
from anylect.models.spectrogram_extractor import DeepSpeech2FeatureExtractor
from anylect.text.vocabulary import Vocabulary

ELSEWHERE = {
    "ctc_loss_reduction": "optimizer.loss_reduction",
    "ctc_zero_infinity": "optimizer.zero_infinity",
    "gradient_checkpointing": "model.gradient_checkpointing",
}
"""Fields of architectures that decide nothing here, and the settings that do."""

DERIVED = ("vocab_size", "pad_token_id", "model_type")
"""Fields that follow from the transcripts or the checkpoint."""


def build_model(
    options: ModelOptions,
    vocabulary: Vocabulary,
    *,
    device: str = "auto",
    seed: int = 0,
    shapes_only: bool = False,
) -> CheckpointModel:
    """Build what `options` describe, the same for the same seed.

    With `shapes_only` it has shapes but no weights, on torch's device `meta`: enough to count and
    to estimate.

    Raises:
        ConfigError: For a setting the architecture does not have.
        HubError: When a pretrained checkpoint cannot be had.
    """
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)  # the library draws SpecAugment's masks from it
    with torch.device("meta") if shapes_only else contextlib.nullcontext():
        if options.checkpoint is None:
            return _deepspeech2(options, vocabulary, device=device)
        model = load_pretrained(
            options.checkpoint,
            vocabulary,
            configure=partial(_configure, options=options),
            device=device,
            from_config=options.from_config,
        )
        _choose_what_learns(model, options)
    return model


def _choose_what_learns(model: CheckpointModel, options: ModelOptions) -> None:
    if options.freeze_feature_encoder:
        freeze_feature_encoder(model.module)
    if options.adapter is not None:
        train_adapter(model.module)
        model.adapter = options.adapter
    if options.lora.rank:
        add_lora(model.module, options.lora)
        model.module.to(model.device)
    if options.gradient_checkpointing:
        # The library renamed it; the old name warns, the new one is not in its 5.0.
        enable = (
            getattr(model.module, "activation_checkpointing_enable", None)
            or model.module.gradient_checkpointing_enable
        )
        try:
            enable({"use_reentrant": False})
        except ValueError as error:
            raise ConfigError(
                f"`model.gradient_checkpointing`: {str(error).splitlines()[0]}",
                hint="this architecture cannot; leave the setting out",
            ) from error


def _configure(config: PreTrainedConfig, *, options: ModelOptions) -> None:
    apply_settings(config, options.settings)
    if options.adapter is not None and getattr(config, "adapter_attn_dim", 0) is None:
        config.adapter_attn_dim = ADAPTER_SIZE
    length, size = (getattr(config, name, 0) for name in ("mask_feature_length", "hidden_size"))
    if getattr(config, "mask_feature_prob", 0.0) and length > size:
        raise ConfigError(
            f"`model.settings.mask_feature_length` is {length}, and there are {size} features",
            hint="choose a shorter mask, or `mask_feature_prob = 0.0`",
        )


def _deepspeech2(options: ModelOptions, vocabulary: Vocabulary, *, device: str) -> CheckpointModel:
    extractor = DeepSpeech2FeatureExtractor.from_options(options.features)
    config = DeepSpeech2Config(
        input_bins=extractor.feature_size,
        vocab_size=len(vocabulary),
        pad_token_id=vocabulary.blank,
    )
    if options.variant is not None:
        apply_settings(config, variant_settings(options.variant))
    apply_settings(config, options.settings)
    try:
        module = _build_module(config)
    except FOREIGN as error:
        raise ConfigError(
            f"`model.settings` make no model: {str(error).splitlines()[0]}",
            hint="kernels, strides and paddings are a pair per convolution; sizes are 1 or more",
        ) from error
    return CheckpointModel(module, extractor, vocabulary, device=device)


def _build_module(config: DeepSpeech2Config) -> DeepSpeech2ForCTC:
    if config.recurrent_input_size <= 0:
        raise ConfigError(
            f"`model.settings`: no frequency is left of {config.input_bins} bins "
            f"after kernels {config.conv_kernels}",
            hint="choose smaller `conv_kernels` or more `features.bins`",
        )
    return DeepSpeech2ForCTC(config)


def apply_settings(config: PreTrainedConfig, settings: dict[str, Any]) -> None:
    """Set fields of an architecture's configuration, refusing those it does not have."""
    known = [name for name in config.to_dict() if not name.startswith("_")]
    for name, value in settings.items():
        if name in ELSEWHERE:
            raise ConfigError(
                f"`model.settings.{name}` decides nothing here", hint=f"use `{ELSEWHERE[name]}`"
            )
        if name in DERIVED:
            raise ConfigError(
                f"`model.settings.{name}` follows from the transcripts and the checkpoint",
                hint="leave it out",
            )
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            raise ConfigError(
                f"`model.settings.{name}`: a `{config.model_type}` has no such setting",
                hint=f"did you mean `{near[0]}`?" if near else f"known: {', '.join(sorted(known))}",
            )
        setattr(config, name, value)
