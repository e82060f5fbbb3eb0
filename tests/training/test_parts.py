"""Runs in which only a part of a large encoder learns resume like any other."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tests.conftest import tiny_config
from tests.training.test_loop import KilledError, kill_at
from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2ForCTC

from anylect.hub.bundle import load_bundle
from anylect.workflows.train import train

SETTINGS: dict[str, Any] = {"mask_time_prob": 0.2, "mask_time_length": 200, "layerdrop": 0.1}
"""Masks are longer than any of these utterances: they are shortened, not refused."""


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("encoder")
    torch.manual_seed(0)
    config = Wav2Vec2Config(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        conv_dim=(16,) * 7,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2,
        feat_extract_norm="layer",
        do_stable_layer_norm=True,
    )
    Wav2Vec2ForCTC(config).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(return_attention_mask=True).save_pretrained(folder)
    return folder


@pytest.mark.parametrize(
    "model",
    [
        pytest.param({"lora": {"rank": 2, "dropout": 0.1}}, id="lora"),
        pytest.param({"adapter": "und"}, id="adapter"),
        pytest.param({"gradient_checkpointing": True}, id="checkpointing"),
    ],
)
def test_a_part_learns_and_a_killed_run_goes_on_to_the_same_numbers(
    model: dict[str, Any], encoder: Path, tone_manifest: Path, tmp_path: Path
) -> None:
    if "lora" in model:
        pytest.importorskip("peft")

    def config(name: str) -> Any:
        given = {"checkpoint": str(encoder), "settings": SETTINGS, "features": {}, **model}
        return tiny_config(
            tone_manifest,
            tmp_path / name,
            model=given,
            schedule={"updates": 4, "save_every": 2, "validate_every": 4},
            augmentation={"waveform": {}},
        )

    report = train(config("whole"))
    with pytest.raises(KilledError):
        train(config("killed"), listeners=[kill_at(3)])
    train(config("killed"), resume=True)
    whole, resumed = (
        load_file(tmp_path / name / "checkpoints" / "update-000004" / "model.safetensors")
        for name in ("whole", "killed")
    )
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    bundle = load_bundle(report.bundle, device="cpu")
    assert not [name for name in bundle.model.module.state_dict() if "lora" in name]  # type: ignore[attr-defined]  # a checkpoint
