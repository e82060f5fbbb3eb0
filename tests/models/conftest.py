"""Tiny random checkpoints of every family, as their hub repositories are laid out."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    HubertConfig,
    HubertForCTC,
    PreTrainedModel,
    SeamlessM4TFeatureExtractor,
    Wav2Vec2BertConfig,
    Wav2Vec2BertForCTC,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForCTC,
    WavLMConfig,
    WavLMForCTC,
)

from anylect.models.checkpoints import CheckpointModel, load_model
from anylect.text.vocabulary import Vocabulary, build_vocabulary, save_vocabulary

VOCABULARY: Vocabulary = build_vocabulary(["abc de"])

SMALL: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "conv_dim": (16,) * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
    "vocab_size": len(VOCABULARY),
    "pad_token_id": VOCABULARY.blank,
}
FAMILIES: dict[str, Callable[[], PreTrainedModel]] = {
    "wav2vec2-layer": lambda: Wav2Vec2ForCTC(
        Wav2Vec2Config(**SMALL, feat_extract_norm="layer", do_stable_layer_norm=True)
    ),
    "wav2vec2-group": lambda: Wav2Vec2ForCTC(Wav2Vec2Config(**SMALL, feat_extract_norm="group")),
    "hubert": lambda: HubertForCTC(HubertConfig(**SMALL, feat_extract_norm="layer")),
    "wavlm": lambda: WavLMForCTC(WavLMConfig(**SMALL, feat_extract_norm="layer")),
    "w2v-bert": lambda: Wav2Vec2BertForCTC(
        Wav2Vec2BertConfig(
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=64,
            feature_projection_input_dim=160,
            vocab_size=len(VOCABULARY),
            pad_token_id=VOCABULARY.blank,
        )
    ),
}


@pytest.fixture(scope="session", params=list(FAMILIES))
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with config, weights, feature extractor and vocabulary."""
    folder = tmp_path_factory.mktemp(request.param)
    torch.manual_seed(0)
    FAMILIES[request.param]().save_pretrained(folder)
    if request.param == "w2v-bert":
        SeamlessM4TFeatureExtractor().save_pretrained(folder)
    else:
        Wav2Vec2FeatureExtractor().save_pretrained(folder)
    save_vocabulary(VOCABULARY, folder)
    return folder


@pytest.fixture(scope="session")
def model(checkpoint: Path) -> CheckpointModel:
    """The checkpoint as an acoustic model."""
    return load_model(checkpoint, VOCABULARY, device="cpu")
