from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tests.models.conftest import VOCABULARY
from transformers import AutoFeatureExtractor, AutoModelForCTC

from anylect.audio.features import FeatureOptions
from anylect.audio.windows import WindowOptions
from anylect.errors import BundleError, ConfigError, HubError
from anylect.models.build import build_model
from anylect.models.checkpoints import CheckpointModel, choose_device, load_model
from anylect.models.deepspeech2 import DeepSpeech2Config, DeepSpeech2ForCTC
from anylect.models.options import ModelOptions
from anylect.models.spectrogram_extractor import DeepSpeech2FeatureExtractor
from anylect.records import Waveform
from anylect.text.vocabulary import build_vocabulary


def waveform(samples: int, seed: int = 0, sample_rate: int = 16_000) -> Waveform:
    """Noise whose level wanders, so that a window's mean and variance are not the whole's."""
    generator = np.random.default_rng(seed)
    level = 0.05 + 0.2 * np.abs(np.sin(np.arange(samples) / 30_000))
    return Waveform((level * generator.standard_normal(samples)).astype(np.float32), sample_rate)


def joined(model: CheckpointModel, samples: NDArray[np.float32]) -> NDArray[np.float32]:
    pieces = list(model.emit_stream(lambda: iter(np.array_split(samples, 7))))
    times = [piece.start for piece in pieces]
    frames = np.cumsum([0, *(len(piece.log_probs) for piece in pieces[:-1])])
    np.testing.assert_allclose(times, model.start + frames * model.frame_duration, atol=1e-6)
    return np.concatenate([piece.log_probs for piece in pieces])


def test_emissions_are_log_probabilities_at_the_measured_frame_rate(
    model: CheckpointModel,
) -> None:
    emissions = model.emit(waveform(32_000))
    assert model.frame_duration == 0.02
    assert emissions.log_probs.dtype == np.float32
    assert emissions.log_probs.shape == (99, len(VOCABULARY))
    np.testing.assert_allclose(np.exp(emissions.log_probs).sum(axis=1), 1.0, atol=1e-5)
    assert model.count_frames(2.0) == len(emissions.log_probs)


def test_a_batch_gives_what_each_would_give_alone(model: CheckpointModel) -> None:
    waveforms = [waveform(samples, seed) for seed, samples in enumerate((9_000, 24_000, 16_123))]
    together = model.emit_prepared([model.prepare(each) for each in waveforms])
    for each, emissions in zip(waveforms, together, strict=True):
        alone = model.emit(each)
        assert alone.log_probs.shape == emissions.log_probs.shape
        np.testing.assert_allclose(alone.log_probs, emissions.log_probs, atol=1e-4)


def test_stock_transformers_hears_the_same(model: CheckpointModel, checkpoint: Path) -> None:
    module = AutoModelForCTC.from_pretrained(checkpoint).eval()
    extractor = AutoFeatureExtractor.from_pretrained(checkpoint)
    each = waveform(16_000)
    inputs = extractor(each.samples, sampling_rate=16_000, return_tensors="pt")
    if not model.uses_mask:
        inputs.pop("attention_mask", None)
    with torch.inference_mode():
        logits = module(**inputs).logits[0]
    expected = torch.log_softmax(logits, dim=-1).numpy()
    ours = model.emit(each).log_probs
    np.testing.assert_allclose(ours, expected[: len(ours)], atol=2e-4)


@pytest.mark.parametrize("samples", [0, 1, 200, 399])
def test_what_is_too_short_for_a_frame_has_none(model: CheckpointModel, samples: int) -> None:
    long, short = model.prepare(waveform(8_000)), model.prepare(waveform(samples))
    for batch in ([short], [long, short]):
        assert len(model.emit_prepared(batch)[-1].log_probs) == 0


def test_it_survives_saving(model: CheckpointModel, tmp_path: Path) -> None:
    model.save(tmp_path)
    again = load_model(tmp_path, VOCABULARY, device="cpu")
    each = waveform(12_000)
    np.testing.assert_allclose(again.emit(each).log_probs, model.emit(each).log_probs, atol=1e-6)


def deepspeech2(*, edge_ms: float = 0.0, **settings: Any) -> CheckpointModel:
    """A small DeepSpeech2 with random weights."""
    torch.manual_seed(0)
    options = FeatureOptions(kind="mel", bins=20, sample_rate=8_000, edge_ms=edge_ms)
    shape: dict[str, Any] = {
        "input_bins": 20,
        "conv_channels": (6, 6),
        "conv_kernels": ((5, 11), (3, 7)),
        "conv_strides": ((2, 2), (2, 1)),
        "conv_paddings": ((0, 5), (0, 3)),
        "hidden_size": 24,
        "vocab_size": len(VOCABULARY),
    }
    config = DeepSpeech2Config(**(shape | settings))
    extractor = DeepSpeech2FeatureExtractor.from_options(options)
    return CheckpointModel(DeepSpeech2ForCTC(config), extractor, VOCABULARY, device="cpu")


@pytest.mark.parametrize("edge_ms", [0.0, 50.0])
@pytest.mark.parametrize("seed", range(6))
def test_windows_equal_one_pass_where_no_frame_hears_past_the_context(
    seed: int, edge_ms: float
) -> None:
    model = deepspeech2(recurrent_layers=0, hidden_size=18, edge_ms=edge_ms)
    model.windows = WindowOptions(seconds=2.0, context_seconds=0.25)
    samples = int(np.random.default_rng(seed).integers(8_000, 80_000))
    each = waveform(samples, seed, 8_000)
    np.testing.assert_allclose(joined(model, each.samples), model.emit(each).log_probs, atol=1e-4)


@pytest.mark.parametrize("seed", range(4))
def test_windows_of_a_recurrent_model_come_within_a_thousandth_of_one_pass(seed: int) -> None:
    model = deepspeech2(recurrent_layers=2)
    model.windows = WindowOptions(seconds=6.0, context_seconds=2.0)
    samples = int(np.random.default_rng(seed).integers(40_000, 160_000))
    each = waveform(samples, seed, 8_000)
    windows, whole = joined(model, each.samples), model.emit(each).log_probs
    assert windows.shape == whole.shape
    np.testing.assert_allclose(np.exp(windows), np.exp(whole), atol=1e-3)


@pytest.mark.parametrize("seed", range(2))
def test_windows_keep_frame_count_and_times_of_one_pass(model: CheckpointModel, seed: int) -> None:
    model.windows = WindowOptions(seconds=2.0, context_seconds=0.5)
    samples = int(np.random.default_rng(seed).integers(33_000, 100_000))
    each = waveform(samples, seed)
    assert joined(model, each.samples).shape == model.emit(each).log_probs.shape


def test_a_head_of_another_size_is_refused(checkpoint: Path) -> None:
    other = build_vocabulary(["abc def"])
    with pytest.raises(BundleError, match=r"head has 8 outputs, vocab.json 9 tokens") as caught:
        load_model(checkpoint, other, device="cpu")
    assert "same training run" in str(caught.value.hint)


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="not a model that can be loaded"):
        load_model(tmp_path, VOCABULARY, device="cpu")


def test_fine_tuning_begins_with_a_fresh_head(checkpoint: Path) -> None:
    vocabulary = build_vocabulary(["a much longer alphabet"])
    options = ModelOptions(checkpoint=str(checkpoint), settings={"layerdrop": 0.0})
    model = build_model(options, vocabulary, device="cpu")
    assert model.module.config.vocab_size == len(vocabulary)
    assert model.emit(waveform(8_000)).log_probs.shape[1] == len(vocabulary)
    frozen = [n for n, weight in model.module.named_parameters() if not weight.requires_grad]
    assert all("feature_extractor" in name for name in frozen)
    pretrained = AutoModelForCTC.from_pretrained(checkpoint).state_dict()
    kept = model.module.state_dict()
    name = next(name for name in pretrained if "encoder.layers.0" in name and "weight" in name)
    assert torch.equal(pretrained[name], kept[name])


def test_a_checkpoint_that_cannot_be_had_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(HubError, match="nobody/nothing") as caught:
        build_model(ModelOptions(checkpoint="nobody/nothing"), VOCABULARY, device="cpu")
    assert "offline" in str(caught.value.hint)


def test_a_setting_the_architecture_lacks_is_refused(checkpoint: Path) -> None:
    options = ModelOptions(checkpoint=str(checkpoint), settings={"layer_drop": 0.0})
    with pytest.raises(ConfigError, match="layer_drop") as caught:
        build_model(options, VOCABULARY, device="cpu")
    assert "did you mean `layerdrop`" in str(caught.value.hint)


def test_a_device_that_is_not_there_is_named() -> None:
    with pytest.raises(BundleError, match="device `cuda:7` cannot be used"):
        choose_device("cuda:7")
    with pytest.raises(BundleError, match="device `abacus` cannot be used"):
        choose_device("abacus")


def test_silence_around_a_recording_is_heard_before_zero() -> None:
    plain, edged = (
        deepspeech2(recurrent_layers=0, hidden_size=18),
        deepspeech2(recurrent_layers=0, hidden_size=18, edge_ms=40.0),
    )
    each = waveform(16_000, sample_rate=8_000)
    padded = Waveform(np.pad(each.samples, 320), 8_000)
    emissions = edged.emit(each)
    assert emissions.start == pytest.approx(-0.04)
    np.testing.assert_allclose(emissions.log_probs, plain.emit(padded).log_probs, atol=1e-5)
    assert edged.count_frames(2.0) == len(emissions.log_probs)
