"""The fast recurrence computes what `torch.nn.GRU` computes, forward and backward."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from anylect.models.recurrence import run_recurrent


@pytest.mark.parametrize("bias", [True, False])
@given(
    frames=st.integers(1, 9),
    batch=st.integers(1, 4),
    inputs=st.integers(1, 6),
    size=st.integers(1, 5),
    loud=st.sampled_from([1.0, 300.0]),
)
def test_it_is_the_gru_of_torch(
    *, bias: bool, frames: int, batch: int, inputs: int, size: int, loud: float
) -> None:
    torch.manual_seed(0)
    layer = nn.GRU(inputs, size, bias=bias).double()
    # Loud inputs drive gates to exactly zero and one.
    x = (torch.randn(frames, batch, inputs).double() * loud).requires_grad_()
    ours, reference = run_recurrent(layer, x), layer(x)[0]
    assert ours.grad_fn is not None
    assert ours.grad_fn.name() == "_GruBackward"
    torch.testing.assert_close(ours, reference)
    weights = torch.randn_like(reference)
    wanted = [x, *layer.parameters()]
    got = torch.autograd.grad((ours * weights).sum(), wanted)
    expected = torch.autograd.grad((reference * weights).sum(), wanted)
    for slope, other in zip(got, expected, strict=True):
        torch.testing.assert_close(slope, other)


@pytest.mark.parametrize("layer", [nn.LSTM(3, 4), nn.RNN(3, 4)])
def test_other_cells_are_left_to_torch(layer: nn.RNNBase) -> None:
    x = torch.randn(5, 2, 3)
    torch.testing.assert_close(run_recurrent(layer, x), layer(x)[0])


def test_nothing_is_kept_where_nothing_is_learnt() -> None:
    layer = nn.GRU(3, 4)
    with torch.no_grad():
        assert run_recurrent(layer, torch.randn(5, 2, 3)).grad_fn is None
