"""What of a model learns, and that it is the same model in whatever way it is trained."""

import builtins
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.models.conftest import FAMILIES, VOCABULARY
from transformers import Wav2Vec2FeatureExtractor, Wav2Vec2ForCTC

from anylect.errors import ConfigError
from anylect.models.build import build_model
from anylect.models.checkpoints import CheckpointModel, load_model
from anylect.models.options import LoraOptions, ModelOptions
from anylect.records import Waveform
from anylect.text.vocabulary import save_vocabulary
from anylect.training.feed import Batch
from anylect.training.loss import batch_loss


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny wav2vec2 with layer normalization, as XLS-R and MMS have it."""
    folder = tmp_path_factory.mktemp("encoder")
    torch.manual_seed(0)
    FAMILIES["wav2vec2-layer"]().save_pretrained(folder)
    Wav2Vec2FeatureExtractor(return_attention_mask=True).save_pretrained(folder)
    return folder


def build(folder: Path, **changes: Any) -> CheckpointModel:
    options = ModelOptions(checkpoint=str(folder), **changes)
    return build_model(options, VOCABULARY, device="cpu")


def learning(model: CheckpointModel) -> set[str]:
    return {name for name, weight in model.module.named_parameters() if weight.requires_grad}


def speech(seconds: float = 1.0) -> Waveform:
    generator = np.random.default_rng(0)
    return Waveform(0.1 * generator.standard_normal(int(16_000 * seconds), np.float32), 16_000)


def batch(seconds: float = 1.0) -> Batch:
    rows = torch.from_numpy(speech(seconds).samples)[None]
    return Batch(
        rows=rows,
        lengths=torch.tensor([rows.shape[1]]),
        labels=torch.tensor([[2, 3, 4]]),
        label_lengths=torch.tensor([3]),
        seconds=seconds,
    )


def move(model: CheckpointModel) -> None:
    """Change everything that learns, as training would."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in model.module.parameters():
            if weight.requires_grad:
                weight.add_(0.3 * torch.randn(weight.shape, generator=generator))


def test_only_adapters_and_the_head_learn(encoder: Path) -> None:
    model = build(encoder, adapter="tur")
    assert model.module.config.adapter_attn_dim == 16
    names = learning(model)
    assert {name for name in names if "adapter_layer" not in name} == {
        "lm_head.weight",
        "lm_head.bias",
    }
    # Two layers, each with a normalization and two linear layers.
    assert len(names) == 2 + 2 * 6
    other = build(encoder, adapter="tur", settings={"adapter_attn_dim": 4})
    assert other.module.config.adapter_attn_dim == 4


def test_the_library_loads_a_saved_adapter_into_the_checkpoint_it_grew_on(
    encoder: Path, tmp_path: Path
) -> None:
    model = build(encoder, adapter="tur")
    move(model)
    model.save(tmp_path / "bundle")
    shutil.copytree(encoder, tmp_path / "base")
    shutil.copy(tmp_path / "bundle" / "adapter.tur.safetensors", tmp_path / "base")
    stock = Wav2Vec2ForCTC.from_pretrained(
        tmp_path / "base", adapter_attn_dim=16, vocab_size=len(VOCABULARY)
    )
    stock.load_adapter("tur", force_load=True, local_files_only=True)
    stock.eval()
    model.module.eval()
    rows = torch.from_numpy(speech().samples)[None]
    with torch.inference_mode():
        torch.testing.assert_close(stock(rows).logits, model.module(rows).logits)


def test_a_bundle_with_an_adapter_is_a_whole_model(encoder: Path, tmp_path: Path) -> None:
    model = build(encoder, adapter="tur")
    move(model)
    model.save(tmp_path)
    save_vocabulary(VOCABULARY, tmp_path)
    loaded = load_model(tmp_path, VOCABULARY, device="cpu")
    np.testing.assert_allclose(
        loaded.emit(speech()).log_probs, model.emit(speech()).log_probs, atol=1e-5
    )


def test_low_rank_changes_start_as_none_and_only_they_learn(encoder: Path) -> None:
    pytest.importorskip("peft")
    plain, model = build(encoder), build(encoder, lora=LoraOptions(rank=2))
    assert all("lora_" in name or name.startswith("lm_head.") for name in learning(model))
    assert len(learning(model)) == 2 + 2 * 2 * 2  # head; layers, targets, factors
    np.testing.assert_allclose(
        model.emit(speech()).log_probs, plain.emit(speech()).log_probs, atol=1e-5
    )


def test_a_saved_model_has_the_low_rank_changes_added_and_goes_on_unchanged(
    encoder: Path, tmp_path: Path
) -> None:
    pytest.importorskip("peft")
    model = build(encoder, lora=LoraOptions(rank=2, alpha=8))
    move(model)
    before = {name: value.clone() for name, value in model.module.state_dict().items()}
    model.save(tmp_path)
    after = model.module.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    loaded = load_model(tmp_path, VOCABULARY, device="cpu")
    np.testing.assert_allclose(
        loaded.emit(speech()).log_probs, model.emit(speech()).log_probs, atol=1e-5
    )
    untouched = build(encoder).emit(speech()).log_probs
    assert np.abs(loaded.emit(speech()).log_probs - untouched).max() > 0.01


def test_without_peft_the_extra_is_named(encoder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = builtins.__import__

    def refuse(name: str, *rest: Any, **more: Any) -> Any:
        if name == "peft":
            raise ImportError("No module named 'peft'")
        return original(name, *rest, **more)

    monkeypatch.delitem(sys.modules, "peft", raising=False)
    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ConfigError, match=r"`model\.lora` needs peft") as caught:
        build(encoder, lora=LoraOptions(rank=2))
    assert caught.value.hint == "pip install 'anylect[lora]'"


def test_a_target_no_layer_has_is_refused_with_those_there_are(encoder: Path) -> None:
    pytest.importorskip("peft")
    with pytest.raises(ConfigError, match="names no layer of the model") as caught:
        build(encoder, lora=LoraOptions(rank=2, targets=("linear_q",)))
    assert "q_proj" in (caught.value.hint or "")


def gradients(model: CheckpointModel) -> dict[str, torch.Tensor]:
    model.module.train()
    torch.manual_seed(3)
    np.random.seed(3)
    batch_loss(model, batch()).nats.backward()  # type: ignore[no-untyped-call]
    return {
        name: weight.grad
        for name, weight in model.module.named_parameters()
        if weight.grad is not None
    }


@pytest.mark.parametrize("freeze", [True, False])
def test_gradient_checkpointing_changes_no_gradient(encoder: Path, *, freeze: bool) -> None:
    settings = {"layerdrop": 0.0, "mask_time_prob": 0.3, "mask_time_length": 2}
    kept = build(encoder, settings=settings, freeze_feature_encoder=freeze)
    again = build(
        encoder, settings=settings, freeze_feature_encoder=freeze, gradient_checkpointing=True
    )
    one, two = gradients(kept), gradients(again)
    assert one.keys() == two.keys()
    for name, gradient in one.items():
        torch.testing.assert_close(gradient, two[name])


def test_frozen_convolutions_learn_nothing(encoder: Path) -> None:
    assert not [name for name in learning(build(encoder)) if "feature_extractor" in name]
    free = learning(build(encoder, freeze_feature_encoder=False))
    assert [name for name in free if "feature_extractor" in name]


@pytest.mark.parametrize(
    ("settings", "message", "hint"),
    [
        ({"ctc_loss_reduction": "sum"}, "decides nothing here", "use `optimizer.loss_reduction`"),
        ({"ctc_zero_infinity": True}, "decides nothing here", "use `optimizer.zero_infinity`"),
        ({"vocab_size": 7}, "follows from the transcripts", "leave it out"),
        ({"layerdrp": 0.1}, "has no such setting", "did you mean `layerdrop`?"),
        (
            {"mask_feature_prob": 0.25, "mask_feature_length": 64},
            "`model.settings.mask_feature_length` is 64, and there are 32 features",
            "choose a shorter mask, or `mask_feature_prob = 0.0`",
        ),
    ],
)
def test_settings_that_cannot_work_are_refused(
    encoder: Path, settings: dict[str, Any], message: str, hint: str
) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        build(encoder, settings=settings)
    assert caught.value.hint == hint


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"checkpoint": None, "adapter": "tur"}, "`model.adapter` is given without"),
        ({"checkpoint": None, "gradient_checkpointing": True}, "`model.gradient_checkpointing`"),
        ({"checkpoint": "x", "adapter": "a/b"}, "`model.adapter` is `a/b`"),
        ({"checkpoint": "x", "adapter": "tur", "lora": LoraOptions(rank=1)}, "both given"),
    ],
)
def test_options_that_contradict_each_other_are_refused(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        ModelOptions(**options)


def test_an_architecture_without_adapters_says_so(tmp_path: Path) -> None:
    FAMILIES["hubert"]().save_pretrained(tmp_path)
    Wav2Vec2FeatureExtractor().save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match="a `hubert` has no attention adapters"):
        build(tmp_path, adapter="tur")


@pytest.mark.parametrize(
    ("name", "millions"),
    [
        # Of the encoder, by the papers: Conneau et al. 2020; Babu et al. 2022, table 1 (which
        # counts the pretraining heads too); Pratap et al. 2023; Barrault et al. 2023.
        ("facebook/wav2vec2-large-xlsr-53", 315),
        ("facebook/wav2vec2-xls-r-300m", 315),
        ("facebook/wav2vec2-xls-r-1b", 963),
        ("facebook/wav2vec2-xls-r-2b", 2159),
        ("facebook/mms-1b-all", 965),
        ("facebook/w2v-bert-2.0", 581),
    ],
)
def test_published_encoders_are_built_without_weights_or_download(name: str, millions: int) -> None:
    options = ModelOptions(checkpoint=name, from_config=True)
    model = build_model(options, VOCABULARY, shapes_only=True)
    assert {weight.device.type for weight in model.module.parameters()} == {"meta"}
    count = sum(weight.numel() for weight in model.module.parameters())
    assert round(count / 1e6) == millions
    assert model.count_frames(1.0) == 49
