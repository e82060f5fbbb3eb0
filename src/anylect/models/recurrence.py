"""A gated recurrent layer that trains fast on a processor.

`torch` runs a recurrence on a CPU as one small graph per frame: going backward, every frame makes
a gradient of the recurrent matrix, as large as the matrix, and adds it to the sum. Here the
layer is one node of the graph. Its backward pass keeps what each frame contributes and forms the
matrix's gradient of all frames in one product; the products with the inputs, likewise. Same
equations (Cho et al. 2014, in the form of `torch.nn.GRU`), same weights, same results.

Axes: T frames, B batch, I inputs, H hidden. Time comes first, so that a frame is one block.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


def run_recurrent(layer: nn.RNNBase, x: Tensor) -> Tensor:
    """Run one direction of one layer over x (T, B, I): (T, B, H).

    Training a GRU in fp32 on a CPU takes the fast path; everything else is `torch`'s own.
    """
    is_fast = (
        isinstance(layer, nn.GRU)
        and x.device.type == "cpu"
        and x.dtype == layer.weight_hh_l0.dtype
        and torch.is_grad_enabled()
        and not torch.is_autocast_enabled("cpu")
        and x.numel() > 0
    )
    if not is_fast:
        hidden: Tensor = layer(x)[0]
        return hidden
    biases = (layer.bias_ih_l0, layer.bias_hh_l0) if layer.bias else (None, None)
    swept: Tensor = _Gru.apply(x, layer.weight_ih_l0, layer.weight_hh_l0, *biases)  # type: ignore[no-untyped-call]  # of torch
    return swept


class _Swept(NamedTuple):
    """What a forward pass leaves: gates (T, B, 3H) of reset, update and candidate, and the rest."""

    states: Tensor
    """(T + 1, B, H), the first of them zero."""
    gates: Tensor
    heard: Tensor
    """(T, B, H): what the candidate would take of the state, were the reset gate open."""


class _Gru(torch.autograd.Function):
    """r, z = σ(…);  n = tanh(W x + r ∘ (U h));  h' = n + z ∘ (h − n)."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401  torch's context
        x: Tensor,
        into: Tensor,
        over: Tensor,
        into_bias: Tensor | None,
        over_bias: Tensor | None,
    ) -> Tensor:
        swept = _sweep(x, into, over, into_bias, over_bias)
        ctx.save_for_backward(x, into, over, *swept)
        ctx.has_bias = into_bias is not None
        return swept.states[1:]

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any,  # noqa: ANN401  torch's context
        wanted: Tensor,
    ) -> tuple[Tensor | None, Tensor, Tensor, Tensor | None, Tensor | None]:
        x, into, over, *saved = ctx.saved_tensors
        swept = _Swept(*saved)
        slopes, candidate = _sweep_back(wanted, over, swept)
        rows = slopes.flatten(0, 1)  # (T B, 3H), for what came from the state
        over_slope = rows.t() @ swept.states[:-1].flatten(0, 1)
        over_bias = rows.sum(0) if ctx.has_bias else None
        slopes[..., 2 * over.shape[1] :] = candidate  # now for what came from the input
        into_slope = rows.t() @ x.flatten(0, 1)
        into_bias = rows.sum(0) if ctx.has_bias else None
        x_slope = (rows @ into).view_as(x) if ctx.needs_input_grad[0] else None
        return x_slope, into_slope, over_slope, into_bias, over_bias


def _sweep(
    x: Tensor, into: Tensor, over: Tensor, into_bias: Tensor | None, over_bias: Tensor | None
) -> _Swept:
    frames, batch = x.shape[:2]
    size = over.shape[1]
    gates = nn.functional.linear(x, into, into_bias)  # (T, B, 3H), turned into gates below
    if over_bias is None:
        over_bias = over.new_zeros(3 * size)
    gates[..., : 2 * size] += over_bias[: 2 * size]
    states = x.new_zeros(frames + 1, batch, size)
    heard = x.new_empty(frames, batch, size)
    to_gates, to_candidate = over[: 2 * size].t(), over[2 * size :].t()
    candidate_bias = over_bias[2 * size :]
    both, reset, update, candidate = _parts(gates)
    after = states.unbind()
    for t, echo in enumerate(heard.unbind()):
        both[t].addmm_(after[t], to_gates).sigmoid_()
        torch.addmm(candidate_bias, after[t], to_candidate, out=echo)
        candidate[t].addcmul_(reset[t], echo).tanh_()
        torch.lerp(candidate[t], after[t], update[t], out=after[t + 1])
    return _Swept(states, gates, heard)


def _sweep_back(wanted: Tensor, over: Tensor, swept: _Swept) -> tuple[Tensor, Tensor]:
    """Return the slopes of the gates before their functions, as the state and the input see them.

    The two differ in the candidate only, whose part for the input is returned by itself.
    """
    states, gates, heard = swept
    frames, batch, size = heard.shape
    reset, update, candidate = gates.chunk(3, dim=2)
    # What multiplies the slope of a frame's state is known for all frames at once.
    to_candidate = (1 - update) * (1 - candidate.square())
    slopes = gates.new_empty(frames, batch, 3, size)
    torch.mul(to_candidate * heard, reset * (1 - reset), out=slopes[:, :, 0])
    torch.mul(states[:-1] - candidate, update * (1 - update), out=slopes[:, :, 1])
    torch.mul(to_candidate, reset, out=slopes[:, :, 2])
    totals = heard.new_empty(frames, batch, size)
    flat = slopes.view(frames, batch, 3 * size).unbind()
    carried = heard.new_zeros(batch, size)
    steps = zip(
        wanted.unbind(), totals.unbind(), slopes.unbind(), flat, update.unbind(), strict=True
    )
    for want, total, slope, row, kept in reversed(list(steps)):
        torch.add(want, carried, out=total)
        slope.mul_(total.unsqueeze(1))
        torch.mul(total, kept, out=carried).addmm_(row, over)
    return slopes.flatten(2), to_candidate.mul_(totals)


def _parts(
    gates: Tensor,
) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...], tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Return views, frame by frame, of the first two gates together and of each gate."""
    reset, update, candidate = gates.chunk(3, dim=2)
    both = gates[..., : gates.shape[2] // 3 * 2]
    return both.unbind(), reset.unbind(), update.unbind(), candidate.unbind()
