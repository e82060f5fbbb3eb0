"""The convolutions of an encoder, on processors.

wav2vec 2.0 and its kin hear through seven convolutions, each normalized over its channels
(Baevski et al. 2020, sec. 4.2). Frozen, they are most of what fine-tuning a small encoder costs
on a processor. `transformers` runs them channels first over a whole padded batch: every
normalization transposes an array that fits no cache. Here time comes first, so that a
convolution is one or two matrix products over the samples as they lie, and an utterance goes
through all layers in short pieces, without its padding. Same numbers up to rounding (tested).

Encoders with group normalization need the whole utterance at once; they are left as they are.

Above them one wide convolution tells positions: a kernel of 128 frames in 16 groups of channels.
It learns; forward and backward it is computed by Fourier transform (`_correlate`).
"""

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

Layers = list[tuple[Any, Tensor]]
"""Each convolutional layer with its weights as a matrix (K * C, O)."""

PIECE = 32
"""Frames that go through all layers at a time: 0.64 s, whose activations stay in a cache."""

WIDE = 64
"""Frames of a kernel from which on transforms may be quicker than products."""

WORTH = 20
"""Frames for each channel of a group, below which transforming the kernels takes longer than that
saves (measured with 16 to 64 channels)."""

_lengths: ContextVar[Tensor | None] = ContextVar("lengths", default=None)


def quicken(module: nn.Module) -> None:
    """Let a model run its convolutions quickly wherever that is possible."""
    encoder = getattr(getattr(module, "base_model", None), "feature_extractor", None)
    if encoder is not None and _is_known(encoder) and not isinstance(encoder.forward, partial):
        encoder.forward = partial(_forward, encoder, encoder.forward)
    for layer in module.modules():
        if _is_wide(layer) and not isinstance(layer.forward, partial):
            layer.forward = partial(_forward_wide, layer, layer.forward)


@contextlib.contextmanager
def without_padding(lengths: Tensor) -> Iterator[None]:
    """Tell the convolutions how many samples of each row (B,) are no padding."""
    token = _lengths.set(lengths)
    try:
        yield
    finally:
        _lengths.reset(token)


def _is_known(encoder: nn.Module) -> bool:
    layers = getattr(encoder, "conv_layers", ())
    return len(layers) > 0 and all(
        type(getattr(layer, "conv", None)) is nn.Conv1d
        and type(getattr(layer, "layer_norm", None)) is nn.LayerNorm
        and layer.conv.padding == (0,)
        and layer.conv.dilation == (1,)
        and layer.conv.groups == 1
        for layer in layers
    )


def _forward(encoder: Any, otherwise: Callable[[Tensor], Tensor], samples: Tensor) -> Tensor:  # noqa: ANN401  no common type
    """Run the layers on samples (B, S): (B, C, T), zeros where there is only padding."""
    frames, step, sees = _frames(encoder, samples.shape[1])
    if frames < 1 or not _is_possible(encoder, samples):
        return otherwise(samples)
    lengths = _lengths.get()
    known = [samples.shape[1]] * len(samples) if lengths is None else lengths.tolist()
    layers = [(layer, _as_matrix(layer.conv)) for layer in encoder.conv_layers]
    heard = samples.new_zeros(len(samples), frames, layers[-1][1].shape[1])
    with torch.no_grad():
        for row, out, length in zip(samples, heard, known, strict=True):
            count, _, _ = _frames(encoder, length)
            for start in range(0, count, PIECE):
                end = min(start + PIECE, count)
                piece = row[start * step : (end - 1) * step + sees].contiguous()
                out[start:end] = _through(layers, piece.unsqueeze(1))
    return heard.transpose(1, 2)


def _is_possible(encoder: nn.Module, samples: Tensor) -> bool:
    """Tell whether nothing here learns, and numbers are plain floats on a processor.

    Weights divided among processes are tensors of another type outside of each layer's own
    forward pass, which gathers them.
    """
    learns = torch.is_grad_enabled() and any(
        weight.requires_grad for weight in (samples, *encoder.parameters())
    )
    return (
        not learns
        and samples.device.type == "cpu"
        and samples.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
        and all(
            weight.dtype == torch.float32 and type(weight) is nn.Parameter
            for weight in encoder.parameters()
        )
    )


def _is_wide(layer: nn.Module) -> bool:
    return (
        isinstance(layer, nn.Conv1d)
        and layer.kernel_size[0] >= WIDE
        and layer.groups > 1
        and layer.stride == layer.dilation == (1,)
        and layer.padding_mode == "zeros"
        and not isinstance(layer.padding, str)
    )


def _forward_wide(layer: Any, otherwise: Callable[[Tensor], Tensor], rows: Tensor) -> Tensor:  # noqa: ANN401  no common type
    """Convolve rows (B, C, T) as `layer` does, by transforms where that is quicker."""
    if not _is_worth(layer, rows):
        return otherwise(rows)
    weight: Tensor = layer.weight  # which weight normalization computes
    if type(weight) not in (Tensor, nn.Parameter) or weight.dtype != torch.float32:
        return otherwise(rows)
    heard = _correlate(nn.functional.pad(rows, layer.padding * 2), weight, layer.groups)
    return heard if layer.bias is None else heard + layer.bias[:, None]


def _is_worth(layer: nn.Conv1d, rows: Tensor) -> bool:
    return (
        rows.ndim == 3
        and len(rows) * rows.shape[2] >= WORTH * layer.in_channels // layer.groups
        and rows.device.type == "cpu"
        and rows.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
    )


def _correlate(rows: Tensor, weight: Tensor, groups: int) -> Tensor:
    """Correlate rows (B, C, T) with kernels (O, C / groups, K), without padding.

    By overlap-save (Stockham 1966): stretches of 2 K frames, each K on from the one before, are
    transformed, multiplied by the transformed kernels, transformed back, and the first K frames
    of each kept, which no wrapping has reached.
    """
    batch, (outputs, inputs, kernel) = len(rows), weight.shape
    count = rows.shape[2] - kernel + 1
    stretches = -(-count // kernel)
    rows = nn.functional.pad(rows, (0, (stretches + 1) * kernel - rows.shape[2]))
    heard = torch.fft.rfft(rows.unfold(2, 2 * kernel, kernel))  # (B, C, N, K + 1)
    kernels = torch.fft.rfft(weight, 2 * kernel).conj()  # (O, C / groups, K + 1)
    # Both with frequency and group first, as one stack of matrices (B N, C / groups), (…, O / …).
    left = heard.view(batch, groups, inputs, stretches, -1).permute(4, 1, 0, 3, 2)
    right = kernels.view(groups, outputs // groups, inputs, -1).permute(3, 0, 2, 1)
    product = torch.bmm(
        left.reshape(-1, batch * stretches, inputs),
        right.reshape(-1, inputs, outputs // groups),
    )
    spectra = product.view(kernel + 1, groups, batch, stretches, -1).permute(2, 1, 4, 3, 0)
    written: Tensor = torch.fft.irfft(spectra.reshape(batch, outputs, stretches, -1), 2 * kernel)
    return written[..., :kernel].reshape(batch, outputs, -1)[..., :count]


def _frames(encoder: Any, samples: int) -> tuple[int, int, int]:  # noqa: ANN401  as above
    """Return the frames made of so many samples, their step, and how many samples one sees."""
    step, sees = 1, 1
    for layer in encoder.conv_layers:
        sees += (layer.conv.kernel_size[0] - 1) * step
        step *= layer.conv.stride[0]
    return max(0, (samples - sees) // step + 1), step, sees


def _as_matrix(conv: nn.Conv1d) -> Tensor:
    """Lay out weights (O, C, K) as what multiplies K frames of C channels in a row."""
    return conv.weight.detach().permute(2, 1, 0).reshape(-1, conv.out_channels)


def _through(layers: Layers, rows: Tensor) -> Tensor:
    """Take (N, C) through all layers."""
    for layer, matrix in layers:
        rows = layer.activation(layer.layer_norm(_convolve(rows, layer.conv, matrix)))
    return rows


def _convolve(rows: Tensor, conv: nn.Conv1d, matrix: Tensor) -> Tensor:
    """Convolve contiguous rows (N, C) to (T, O) by multiplying views of them.

    A view has `stride` rows of the input in each of its own, so that none overlaps the next and
    nothing is copied; a kernel longer than the stride takes several views.
    """
    kernel, stride, channels = conv.kernel_size[0], conv.stride[0], rows.shape[1]
    count = (len(rows) - kernel) // stride + 1
    result: Tensor | None = None
    for first in range(0, kernel, stride):
        width = min(stride, kernel - first) * channels
        view = rows.as_strided(
            (count, width), (stride * channels, 1), rows.storage_offset() + first * channels
        )
        part = matrix[first * channels : first * channels + width]
        if result is not None:
            result.addmm_(view, part)
        elif conv.bias is None:
            result = view @ part
        else:
            result = torch.addmm(conv.bias, view, part)
    assert result is not None  # a kernel has at least one row
    return result
