from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from transformers import AutoModelForCTC

from anylect.models.deepspeech2 import DeepSpeech2Config, DeepSpeech2ForCTC, MaskedBatchNorm

TINY: dict[str, Any] = {
    "input_bins": 20,
    "conv_channels": (3, 4),
    "conv_kernels": ((5, 7), (3, 5)),
    "conv_strides": ((2, 2), (2, 1)),
    "conv_paddings": ((0, 3), (0, 2)),
    "hidden_size": 12,
    "recurrent_layers": 2,
    "vocab_size": 7,
}


def tiny(**changes: Any) -> DeepSpeech2ForCTC:
    torch.manual_seed(0)
    module = DeepSpeech2ForCTC(DeepSpeech2Config(**(TINY | changes)))
    # Batch statistics of some training, or normalization would be the identity.
    module.train()
    with torch.no_grad():
        for _ in range(3):
            module(torch.randn(4, 50, 20) * 3 + 1)
    module.train(mode=False)
    return module


VARIANTS = [
    {},
    {"bidirectional": False},
    {"bidirectional": False, "lookahead_frames": 4},
    {"recurrent_type": "lstm"},
    {"recurrent_type": "rnn", "recurrent_layers": 1},
]


@pytest.mark.parametrize("changes", VARIANTS, ids=str)
@settings(max_examples=10, deadline=None)
@given(lengths=st.lists(st.integers(9, 80), min_size=1, max_size=5), seed=st.integers(0, 99))
def test_padding_does_not_change_what_an_utterance_emits(
    changes: dict[str, object], lengths: list[int], seed: int
) -> None:
    module = tiny(**changes)
    generator = torch.Generator().manual_seed(seed)
    # What stands in the padding must not matter either.
    features = torch.randn(len(lengths), max(lengths), 20, generator=generator)
    mask = torch.arange(max(lengths)) < torch.tensor(lengths).unsqueeze(1)
    with torch.no_grad():
        together = module(features, mask).logits
        for row, length in enumerate(lengths):
            alone = module(features[row : row + 1, :length]).logits[0]
            frames = int(module._get_feat_extract_output_lengths(torch.tensor(length)))
            assert len(alone) == frames
            torch.testing.assert_close(together[row, :frames], alone, atol=1e-5, rtol=1e-4)


def test_batch_statistics_ignore_padding() -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 5, 9)
    x[1, :, 6:] = 1e6
    mask = torch.arange(9) < torch.tensor([[9], [6]])
    norm, reference = MaskedBatchNorm(5), nn.BatchNorm1d(5)
    got = norm(torch.where(mask.unsqueeze(1), x, torch.zeros(())), mask)
    real = torch.cat([x[0], x[1, :, :6]], dim=1).T  # (15, C)
    expected = reference(real)
    torch.testing.assert_close(got[0].T, expected[:9], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(got[1, :, :6].T, expected[9:], atol=1e-5, rtol=1e-5)
    assert (got[1, :, 6:] == 0).all()
    torch.testing.assert_close(norm.running_mean, reference.running_mean)
    torch.testing.assert_close(norm.running_var, reference.running_var)


def test_one_direction_with_lookahead_never_hears_further_ahead() -> None:
    module = tiny(bidirectional=False, lookahead_frames=2)
    torch.manual_seed(1)
    features = torch.randn(1, 60, 20)
    changed = features.clone()
    changed[:, 40:] += 1.0
    with torch.no_grad():
        before, after = module(features).logits[0], module(changed).logits[0]
    # Frame t hears input up to 2 (t + lookahead + 2) + 3, by the strides and kernels above.
    same = (40 - 3) // 2 - 2 - 2
    torch.testing.assert_close(before[:same], after[:same])
    assert not torch.allclose(before[same:], after[same:])


def test_the_default_is_the_reference_listing() -> None:
    config = DeepSpeech2Config()
    assert config.recurrent_input_size == 672
    module = DeepSpeech2ForCTC(DeepSpeech2Config(hidden_size=8))
    weights = module.state_dict()
    assert weights["recurrent.0.onward.weight_ih_l0"].shape == (3 * 8, 672)
    assert module.head.bias is None


def test_it_survives_saving_through_the_auto_class(tmp_path: Path) -> None:
    module = tiny()
    module.save_pretrained(tmp_path)
    again = AutoModelForCTC.from_pretrained(tmp_path).eval()
    features = torch.randn(2, 40, 20)
    with torch.no_grad():
        torch.testing.assert_close(again(features).logits, module(features).logits)
