"""Heard piece by piece, a recording gives what it gives in one pass."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from anylect.audio.features import FeatureOptions
from anylect.errors import BundleError
from anylect.models.build import build_model
from anylect.models.checkpoints import CheckpointModel, load_model
from anylect.models.live import LiveEmitter
from anylect.models.options import ModelOptions
from anylect.records import Emissions, Waveform
from anylect.text.vocabulary import build_vocabulary

RATE = 8_000
VOCABULARY = build_vocabulary(["abc de"])
FEATURES: dict[str, Any] = {
    "kind": "mel",
    "bins": 20,
    "sample_rate": RATE,
    "normalization": "running",
}
LIVE: dict[str, Any] = {
    "conv_channels": (3, 4),
    "conv_kernels": ((5, 7), (3, 5)),
    "conv_strides": ((2, 2), (2, 1)),
    "conv_paddings": ((0, 3), (1, 2)),
    "hidden_size": 12,
    "recurrent_layers": 2,
    "bidirectional": False,
}


def small(features: dict[str, Any] | None = None, **changes: Any) -> CheckpointModel:
    given: dict[str, Any] = {
        "kind": "mel",
        "bins": 20,
        "sample_rate": RATE,
        "normalization": "running",
    }
    options = ModelOptions(
        settings=LIVE | changes, features=FeatureOptions(**(given | (features or {})))
    )
    model = build_model(options, VOCABULARY, device="cpu")
    # Batch statistics of some training, or normalization would be the identity.
    model.module.train()
    with torch.no_grad():
        for _ in range(3):
            model.module(torch.randn(4, 50, 20) * 2 + 1)
    model.module.eval()
    return model


VARIANTS: dict[str, CheckpointModel] = {
    "look-ahead": small(lookahead_frames=4),
    "none": small({"normalization": "none"}, recurrent_norm=False),
    "edges": small({"edge_ms": 50.0, "memory_seconds": 0.2}, lookahead_frames=1),
    "lstm": small(recurrent_type="lstm", recurrent_layers=1),
    "wide steps": small(conv_strides=((2, 3), (2, 2)), conv_paddings=((0, 0), (0, 0))),
    "convolutions": small(
        recurrent_layers=0, hidden_size=16, bidirectional=True, lookahead_frames=2
    ),
}


def noise(samples: int, seed: int = 0) -> NDArray[np.float32]:
    generator = np.random.default_rng(seed)
    loudness = np.repeat(generator.uniform(0, 0.3, samples // 400 + 1), 400)[:samples]
    return (loudness * generator.standard_normal(samples)).astype(np.float32)


def hear(model: CheckpointModel, samples: NDArray[np.float32], cuts: list[int]) -> list[Emissions]:
    emitter = LiveEmitter(model)
    pieces = np.split(samples, sorted(cuts))
    return [*(emitter.feed(piece) for piece in pieces), emitter.finish()]


@pytest.mark.parametrize("name", VARIANTS)
@settings(max_examples=12)
@given(samples=st.integers(0, 6_000), data=st.data())
def test_pieces_of_any_length_give_what_one_pass_gives(
    name: str, samples: int, data: st.DataObject
) -> None:
    cuts = data.draw(st.lists(st.integers(0, samples), max_size=12))
    model, recording = VARIANTS[name], noise(samples, seed=samples)
    whole = model.emit(Waveform(recording, RATE)).log_probs
    pieces = hear(model, recording, cuts)
    joined = np.concatenate([piece.log_probs for piece in pieces])
    assert joined.shape[0] == (whole.shape[0] if samples else 0)
    np.testing.assert_allclose(joined, whole[: len(joined)], atol=1e-5)
    heard = 0
    for piece in pieces:
        assert piece.start == pytest.approx(model.start + heard * model.frame_duration)
        heard += len(piece.log_probs)


def test_a_frame_is_out_as_soon_as_all_it_looks_at_was_heard() -> None:
    model, recording = VARIANTS["look-ahead"], noise(RATE)
    emitter = LiveEmitter(model)
    for end in range(80, RATE + 1, 80):
        emitter.feed(recording[end - 80 : end])
        heard = 0 if end < 160 else (end - 160) // 80 + 1
        # Frame t of the last layer sees frames up to t + 4 (look-ahead) + 2 (second convolution)
        # of the first, and frame u of that sees rows up to 2 u + 3.
        assert emitter.frames == max(0, (heard - 1 - 3) // 2 + 1 - 2 - 4)
        settled_from = (end - emitter.delay * RATE) / (2 * 80)
        assert emitter.frames == max(0, int(np.floor(settled_from + 1e-9)) + 1)


def test_memory_does_not_grow() -> None:
    emitter = LiveEmitter(VARIANTS["edges"])

    def held() -> int:
        tensors = [value for layer in emitter._layers for value in vars(layer).values()]
        return sum(value.untyped_storage().nbytes() for value in tensors if torch.is_tensor(value))

    sizes = set()
    for second in range(6):
        emitter.feed(noise(RATE, seed=second))
        sizes.add(held())
    assert len(sizes) == 1
    assert sizes.pop() > 0


def test_running_normalization_does_not_depend_on_gain() -> None:
    model = VARIANTS["look-ahead"]
    loud = noise(RATE) + np.float32(0.1)
    same = model.emit(Waveform(loud, RATE)).log_probs
    quiet = model.emit(Waveform(loud / np.float32(8), RATE)).log_probs
    np.testing.assert_allclose(same, quiet, atol=1e-3)


def test_the_bundle_keeps_how_it_normalizes(tmp_path: Any) -> None:
    model = VARIANTS["edges"]
    model.save(tmp_path)
    again = load_model(tmp_path, VOCABULARY, device="cpu")
    assert again.extractor.options == model.extractor.options
    recording = noise(4_000)
    joined = np.concatenate([piece.log_probs for piece in hear(again, recording, [1_000])])
    np.testing.assert_allclose(joined, model.emit(Waveform(recording, RATE)).log_probs, atol=1e-5)


def test_a_model_that_hears_from_both_ends_is_refused() -> None:
    with pytest.raises(BundleError, match="from both ends") as caught:
        LiveEmitter(small(bidirectional=True))
    assert "bidirectional = false" in str(caught.value.hint)


def test_features_of_whole_utterances_are_refused() -> None:
    with pytest.raises(BundleError, match="over the whole utterance") as caught:
        LiveEmitter(small({"normalization": "utterance"}))
    assert 'normalization = "running"' in str(caught.value.hint)


def test_encoders_are_refused(model: CheckpointModel) -> None:
    with pytest.raises(BundleError, match="hears whole recordings") as caught:
        LiveEmitter(model)
    assert "DeepSpeech2" in str(caught.value.hint)
