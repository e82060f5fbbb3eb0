"""A model to train: a pretrained encoder with a fresh head, or a DeepSpeech2 from nothing."""

import difflib
from functools import partial
from typing import Any

import torch
from transformers import PreTrainedConfig

from anylect.errors import ConfigError
from anylect.models.checkpoints import (
    FOREIGN,
    CheckpointModel,
    freeze_feature_encoder,
    load_pretrained,
)
from anylect.models.deepspeech2 import DeepSpeech2Config, DeepSpeech2ForCTC
from anylect.models.options import ModelOptions
from anylect.models.spectrogram_extractor import DeepSpeech2FeatureExtractor
from anylect.text.vocabulary import Vocabulary


def build_model(
    options: ModelOptions, vocabulary: Vocabulary, *, device: str = "auto", seed: int = 0
) -> CheckpointModel:
    """Build what `options` describe, the same for the same seed.

    Raises:
        ConfigError: For a setting the architecture does not have.
        HubError: When a pretrained checkpoint cannot be had.
    """
    torch.manual_seed(seed)
    if options.checkpoint is None:
        return _deepspeech2(options, vocabulary, device=device)
    model = load_pretrained(
        options.checkpoint,
        vocabulary,
        configure=partial(apply_settings, settings=options.settings),
        device=device,
        from_config=options.from_config,
    )
    if options.freeze_feature_encoder:
        freeze_feature_encoder(model.module)
    return model


def _deepspeech2(options: ModelOptions, vocabulary: Vocabulary, *, device: str) -> CheckpointModel:
    extractor = DeepSpeech2FeatureExtractor.from_options(options.features)
    config = DeepSpeech2Config(
        input_bins=extractor.feature_size,
        vocab_size=len(vocabulary),
        pad_token_id=vocabulary.blank,
    )
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
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            raise ConfigError(
                f"`model.settings.{name}`: a `{config.model_type}` has no such setting",
                hint=f"did you mean `{near[0]}`?" if near else f"known: {', '.join(sorted(known))}",
            )
        setattr(config, name, value)
