"""The shapes of published encoders, so that a dry run or a random start needs no download.

Only what decides shapes stands here, as the `config.json` of each repository has it; dropouts
and masks are the library's defaults until `model.settings` say otherwise. Weights always come
from the repository itself.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from transformers import (
    AutoConfig,
    PreTrainedConfig,
    SeamlessM4TFeatureExtractor,
    Wav2Vec2FeatureExtractor,
)

_LAYER_NORM: dict[str, Any] = {
    "model_type": "wav2vec2",
    "feat_extract_norm": "layer",
    "do_stable_layer_norm": True,
    "conv_bias": True,
    "num_attention_heads": 16,
}
_LARGE = {**_LAYER_NORM, "hidden_size": 1024, "num_hidden_layers": 24, "intermediate_size": 4096}
_1B = {**_LAYER_NORM, "hidden_size": 1280, "num_hidden_layers": 48, "intermediate_size": 5120}
_2B = {**_LAYER_NORM, "hidden_size": 1920, "num_hidden_layers": 48, "intermediate_size": 7680}
_BERT = {
    "model_type": "wav2vec2-bert",
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
    "feature_projection_input_dim": 160,
}

SHAPES: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "facebook/wav2vec2-large-xlsr-53": _LARGE,
        "facebook/wav2vec2-xls-r-300m": _LARGE,
        "facebook/wav2vec2-xls-r-1b": _1B,
        "facebook/wav2vec2-xls-r-2b": _2B,
        "facebook/mms-300m": _LARGE,
        "facebook/mms-1b": _1B,
        "facebook/mms-1b-all": {**_1B, "adapter_attn_dim": 16},
        "facebook/w2v-bert-2.0": _BERT,
    }
)
"""What decides the number and size of weights, by hub name."""


def build_config(name: str) -> PreTrainedConfig:
    """Build the configuration of an encoder in `SHAPES`."""
    shape = dict(SHAPES[name])
    config: PreTrainedConfig = AutoConfig.for_model(shape.pop("model_type"), **shape)
    return config


def build_extractor(name: str) -> Any:  # noqa: ANN401  feature extractors share no useful base
    """Build the feature extractor of an encoder in `SHAPES`."""
    if SHAPES[name]["model_type"] == "wav2vec2-bert":
        return SeamlessM4TFeatureExtractor(feature_size=80, num_mel_bins=80, stride=2)
    return Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=True)
