from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.models.conftest import SMALL
from torch import Tensor
from transformers import AutoModelForCTC, Wav2Vec2Config, Wav2Vec2ForCTC

from anylect.models.checkpoints import CheckpointModel, freeze_feature_encoder
from anylect.models.convolutions import PIECE, quicken, without_padding


def build(**changes: object) -> Wav2Vec2ForCTC:
    torch.manual_seed(0)
    layered = {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True}
    module: Wav2Vec2ForCTC = Wav2Vec2ForCTC(Wav2Vec2Config(**(SMALL | layered | changes))).eval()
    return module


def both(module: Wav2Vec2ForCTC, samples: Tensor) -> tuple[Tensor, Tensor]:
    """Run the convolutions as the library does, then ours."""
    encoder = module.wav2vec2.feature_extractor
    with torch.no_grad():
        theirs = encoder(samples)
        quicken(module)
        return theirs, encoder(samples)


@settings(max_examples=20)
@given(
    st.lists(st.tuples(st.integers(1, 6), st.integers(1, 4)), min_size=1, max_size=4),
    st.integers(300, 3000),
    st.sampled_from([True, False]),
)
def test_any_kernels_and_strides_give_what_the_library_gives(
    layers: list[tuple[int, int]], samples: int, bias: object
) -> None:
    kernels, strides = zip(*layers, strict=True)
    module = build(
        conv_dim=(8,) * len(layers), conv_kernel=kernels, conv_stride=strides, conv_bias=bias
    )
    theirs, ours = both(module, torch.randn(2, samples))
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


def test_pieces_join_without_a_seam() -> None:
    seconds = 2 * PIECE * 0.02 + 0.5
    theirs, ours = both(build(), torch.randn(1, int(seconds * 16_000)))
    assert theirs.shape[2] > 2 * PIECE
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


def test_padding_is_not_heard() -> None:
    module, samples = build(), torch.randn(3, 16_000)
    theirs, _ = both(module, samples)
    with torch.no_grad(), without_padding(torch.tensor([16_000, 8_000, 100])):
        ours = module.wav2vec2.feature_extractor(samples)
    assert ours.shape == theirs.shape
    torch.testing.assert_close(ours[1, :, :24], theirs[1, :, :24], atol=1e-4, rtol=1e-4)
    assert not ours[1, :, 24:].any()
    assert not ours[2].any()


def test_gradients_of_what_learns_are_those_of_the_library(checkpoint: Path) -> None:
    samples, mask = torch.randn(2, 12_000), torch.ones(2, 12_000, dtype=torch.long)
    mask[1, 9_000:] = 0
    found: list[dict[str, Tensor]] = []
    for is_quick in (False, True):
        module = AutoModelForCTC.from_pretrained(checkpoint).eval()
        if not hasattr(module, "freeze_feature_encoder"):
            pytest.skip("has no convolutions")
        freeze_feature_encoder(module)
        if is_quick:
            quicken(module)
        with without_padding(mask.sum(1)):
            logits = module(input_values=samples, attention_mask=mask).logits
        logits.log_softmax(-1)[:, :20, 1].sum().backward()
        found.append({name: w.grad for name, w in module.named_parameters() if w.grad is not None})
    theirs, ours = found
    assert ours.keys() == theirs.keys() != set()
    for name, gradient in theirs.items():
        torch.testing.assert_close(ours[name], gradient, atol=1e-3, rtol=1e-3)


@settings(max_examples=20)
@given(
    st.integers(1, 3),
    st.integers(1, 400),
    st.sampled_from([64, 65, 128]),
    st.integers(0, 70),
    st.sampled_from([(2, 4, 6), (3, 3, 3), (4, 8, 4)]),
    st.booleans(),
)
def test_wide_kernels_give_what_the_library_gives(
    batch: int,
    frames: int,
    kernel: int,
    padding: int,
    shape: tuple[int, int, int],
    bias: object,
) -> None:
    frames += kernel
    groups, inputs, outputs = shape
    layer = torch.nn.Conv1d(
        inputs, outputs, kernel, padding=padding, groups=groups, bias=bool(bias)
    )
    rows = torch.randn(batch, inputs, frames, requires_grad=True)
    found: list[list[Tensor]] = []
    for is_quick in (False, True):
        if is_quick:
            quicken(layer)
        heard = layer(rows)
        weights = torch.linspace(-1, 1, heard.numel()).view_as(heard)
        found.append([heard, *torch.autograd.grad((heard * weights).sum(), [rows, layer.weight])])
    for theirs, ours in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-3, rtol=1e-3)


def test_positions_are_told_by_transforms(monkeypatch: pytest.MonkeyPatch) -> None:
    transformed: list[int] = []
    monkeypatch.setattr(torch.fft, "rfft", _counting(transformed, torch.fft.rfft))
    module = build(num_conv_pos_embeddings=128, num_conv_pos_embedding_groups=2)
    module(torch.randn(1, 160_000))
    assert not transformed
    quicken(module)
    module(torch.randn(1, 16_000))
    assert not transformed, "a second of speech is too short for it to pay"
    module(torch.randn(1, 160_000))
    assert transformed


def _counting(calls: list[int], function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def counted(*given: Tensor, **more: int) -> Tensor:
        calls.append(1)
        return function(*given, **more)

    return counted


def test_convolutions_that_learn_are_left_to_the_library() -> None:
    module = build()
    quicken(module)
    module.wav2vec2.feature_extractor(torch.randn(1, 4_000)).sum().backward()
    weight = next(module.wav2vec2.feature_extractor.parameters())
    assert weight.grad is not None
    assert weight.grad.any()


def test_weights_that_change_are_heard(model: CheckpointModel) -> None:
    encoder = getattr(model.module.base_model, "feature_extractor", None)
    if encoder is None:
        pytest.skip("has no convolutions")
    rows = torch.randn(1, 8_000)
    with torch.no_grad():
        before = encoder(rows)
        encoder.conv_layers[0].conv.weight.add_(
            torch.randn_like(encoder.conv_layers[0].conv.weight)
        )
        assert not np.allclose(before, encoder(rows))
