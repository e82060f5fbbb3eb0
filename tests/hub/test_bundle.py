import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.conftest import tiny_config
from transformers import (
    AutoFeatureExtractor,
    AutoModelForCTC,
    AutoProcessor,
    Wav2Vec2Config,
    Wav2Vec2CTCTokenizer,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForCTC,
)

from anylect.audio.load import load_waveform
from anylect.audio.windows import WindowOptions
from anylect.data.manifest import read_manifest
from anylect.decoding.greedy import GreedyDecoder
from anylect.errors import BundleError, ConfigError
from anylect.hub.bundle import load_bundle
from anylect.models.checkpoints import CheckpointModel
from anylect.models.options import ModelOptions
from anylect.workflows.train import train

NEEDED = (
    "config.json",
    "model.safetensors",
    "preprocessor_config.json",
    "vocab.json",
    "normalizer.json",
)
PROMISED = {
    "README.md",
    "alphabet.json",
    "config.json",
    "decoding.json",
    "evidence",
    "model.safetensors",
    "normalizer.json",
    "preprocessor_config.json",
    "processor_config.json",
    "tokenizer_config.json",
    "vocab.json",
}


def test_a_bundle_holds_what_the_design_promises(tiny_bundle: Path) -> None:
    names = {path.name for path in tiny_bundle.iterdir()}
    assert names >= PROMISED
    evidence = json.loads((tiny_bundle / "evidence" / "training.json").read_text())
    assert evidence["train_utterances"] == 24
    assert evidence["config"]["seed"] == 0
    assert evidence["config"]["manifest"] == "manifest.jsonl"  # folders are nobody's business
    assert evidence["data"]["splits"]["train"]["speakers"] == 3
    assert evidence["data"]["leaks"] == []
    assert evidence["history"]["validations"][-1]["update"] == 12
    assert len(evidence["manifest_sha256"]) == 64
    labels = json.loads((tiny_bundle / "alphabet.json").read_text())["labels"]
    assert labels == ["", "⁇", " ", *"aeiou"]


def test_transformers_loads_a_bundle_and_hears_the_same(
    tiny_bundle: Path, tone_manifest: Path
) -> None:
    bundle = load_bundle(tiny_bundle, device="cpu")
    module = AutoModelForCTC.from_pretrained(tiny_bundle).eval()
    extractor = AutoFeatureExtractor.from_pretrained(tiny_bundle)
    tokenizer = Wav2Vec2CTCTokenizer.from_pretrained(tiny_bundle)
    waveform = load_waveform(next(read_manifest(tone_manifest)), sample_rate=8_000)
    inputs = extractor(waveform.samples, sampling_rate=8_000, return_tensors="pt")
    with torch.inference_mode():
        logits = module(**inputs).logits[0]
    emissions = bundle.model.emit(waveform)
    np.testing.assert_allclose(
        emissions.log_probs, torch.log_softmax(logits, dim=-1).numpy(), atol=1e-5
    )
    decoder = GreedyDecoder(bundle.model.vocabulary)
    assert tokenizer.decode(logits.argmax(-1)) == decoder.decode(emissions).text


@pytest.mark.parametrize("name", NEEDED)
def test_a_missing_file_is_named(tiny_bundle: Path, tmp_path: Path, name: str) -> None:
    shutil.copytree(tiny_bundle, tmp_path / "bundle")
    (tmp_path / "bundle" / name).unlink()
    with pytest.raises(BundleError, match=f"`{name}` is missing") as caught:
        load_bundle(tmp_path / "bundle", device="cpu")
    assert caught.value.hint is not None


# A torn preprocessor_config.json does no harm: processor_config.json says the same.
@pytest.mark.parametrize("name", [name for name in NEEDED if "preprocessor" not in name])
def test_a_torn_file_is_an_error_of_ours(tiny_bundle: Path, tmp_path: Path, name: str) -> None:
    shutil.copytree(tiny_bundle, tmp_path / "bundle")
    path = tmp_path / "bundle" / name
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises((BundleError, ConfigError)) as caught:
        load_bundle(tmp_path / "bundle", device="cpu")
    assert str(tmp_path / "bundle") in caught.value.message


def test_windows_are_as_long_as_what_the_model_was_trained_on(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    shutil.copytree(tiny_bundle, tmp_path / "bundle")
    path = tmp_path / "bundle" / "decoding.json"
    content = json.loads(path.read_text())
    assert 1.0 < content["longest_heard_seconds"] < 5.0
    for decoding, expected in (
        ({"longest_heard_seconds": 1.0}, WindowOptions(seconds=10.0, context_seconds=2.5)),
        ({"longest_heard_seconds": 17.5}, WindowOptions(seconds=17.5, context_seconds=3.0)),
        ({"longest_heard_seconds": 99}, WindowOptions(seconds=30.0, context_seconds=3.0)),
        ({"decoder": "greedy"}, WindowOptions()),  # bundles of old
    ):
        path.write_text(json.dumps(decoding))
        model = load_bundle(tmp_path / "bundle", device="cpu").model
        assert isinstance(model, CheckpointModel)
        assert model.windows == expected
        assert model.longest_pass == expected.seconds
    path.unlink()
    assert load_bundle(tmp_path / "bundle", device="cpu").model.longest_pass == 30.0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"longest_heard_seconds": -1}', "`longest_heard_seconds` is -1"),
        ('{"longest_heard_seconds": NaN}', "`longest_heard_seconds` is nan"),
        ('{"longest_heard_seconds": "long"}', "cannot be read"),
        ("[]", "cannot be read"),
        ('{"longest', "cannot be read"),
    ],
)
def test_a_broken_decoding_file_is_named(
    tiny_bundle: Path, tmp_path: Path, content: str, message: str
) -> None:
    shutil.copytree(tiny_bundle, tmp_path / "bundle")
    (tmp_path / "bundle" / "decoding.json").write_text(content)
    with pytest.raises(BundleError, match=f"decoding.json: {message}") as caught:
        load_bundle(tmp_path / "bundle", device="cpu")
    assert caught.value.hint is not None


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no such folder"):
        load_bundle(tmp_path / "nothing")


def test_a_fine_tuned_bundle_is_a_stock_repository(tone_manifest: Path, tmp_path: Path) -> None:
    tiny = Wav2Vec2Config(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        conv_dim=(8,) * 7,
        num_conv_pos_embeddings=8,
        num_conv_pos_embedding_groups=2,
        feat_extract_norm="layer",
        do_stable_layer_norm=True,
        mask_time_length=50,
    )
    Wav2Vec2ForCTC(tiny).save_pretrained(tmp_path / "pretrained")
    Wav2Vec2FeatureExtractor(return_attention_mask=True).save_pretrained(tmp_path / "pretrained")
    config = tiny_config(tone_manifest, tmp_path / "run", schedule={"updates": 2})
    config = replace(config, model=ModelOptions(checkpoint=str(tmp_path / "pretrained")))
    bundle = train(config).bundle
    processor = AutoProcessor.from_pretrained(bundle)
    module = AutoModelForCTC.from_pretrained(bundle).eval()
    waveform = load_waveform(next(read_manifest(tone_manifest)), sample_rate=16_000)
    inputs = processor(waveform.samples, sampling_rate=16_000, return_tensors="pt")
    with torch.inference_mode():
        logits = module(**inputs).logits
    emissions = load_bundle(bundle, device="cpu").model.emit(waveform)
    np.testing.assert_allclose(
        emissions.log_probs, torch.log_softmax(logits[0], dim=-1).numpy(), atol=1e-4
    )
    text = GreedyDecoder(load_bundle(bundle, device="cpu").model.vocabulary).decode(emissions).text
    # Theirs prints what the vocabulary cannot spell.
    assert processor.batch_decode(logits.argmax(-1))[0].replace("<unk>", "") == text
