"""DeepSpeech2 as a model of `transformers`, to train from nothing.

Amodei et al. 2016 ("Deep Speech 2", sec. 3): two-dimensional convolutions over a spectrogram
shorten time, a stack of recurrent layers with batch normalization between them reads it in one
or both directions (both are summed), a linear layer names the tokens.

Two things here differ from the usual ports, and both keep one promise: **what an utterance
emits does not depend on what it is batched with.** Every layer masks what lies behind an
utterance's end, batch statistics are taken over real frames only, and the backward direction
reads each utterance reversed from its own last frame. No packing is needed for that, so the
recurrent kernels see one dense block.

Axes: B batch, T frames, F features (frequency), C channels, H hidden, V vocabulary.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, distributed, nn
from transformers import AutoConfig, AutoModelForCTC, PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutput

from anylect.errors import ConfigError
from anylect.models.recurrence import run_recurrent

RECURRENT = {"gru": nn.GRU, "lstm": nn.LSTM, "rnn": nn.RNN}


class DeepSpeech2Config(PreTrainedConfig):
    """The shape of a DeepSpeech2.

    Kernels, strides and paddings are (frequency, time) pairs, one per convolution. Cells and
    sizes are those listed by the MLPerf speech-recognition benchmark: 161 bins become
    32 x 21 = 672 inputs of the first recurrent layer, time is halved. `deepspeech2_variants`
    names the published shapes.
    """

    model_type = "deepspeech2"

    input_bins: int = 161
    conv_channels: Sequence[int] = (32, 32)
    conv_kernels: Sequence[Sequence[int]] = ((41, 11), (21, 11))
    conv_strides: Sequence[Sequence[int]] = ((2, 2), (2, 1))
    conv_paddings: Sequence[Sequence[int]] = ((0, 5), (0, 5))
    recurrent_type: str = "gru"
    recurrent_layers: int = 3
    hidden_size: int = 2560
    recurrent_bias: bool = True
    recurrent_norm: bool = True
    bidirectional: bool = True
    lookahead_frames: int = 0
    dropout: float = 0.0
    vocab_size: int = 29
    pad_token_id: int = 0

    @property
    def recurrent_input_size(self) -> int:
        """Inputs of the first recurrent layer: channels times remaining frequency bins."""
        bins = self.input_bins
        for kernel, stride, padding in zip(
            self.conv_kernels, self.conv_strides, self.conv_paddings, strict=True
        ):
            bins = (bins + 2 * padding[0] - kernel[0]) // stride[0] + 1
        return bins * self.conv_channels[-1]


class MaskedBatchNorm(nn.Module):
    """Batch normalization over channels whose statistics ignore padding.

    Takes x (B, C, ..., T) and mask (B, T); returns x normalized, zero where masked. Processes that
    share a batch add their sums up, so that statistics are those of the whole batch.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int, *, momentum: float = 0.1, epsilon: float = 1e-5) -> None:
        super().__init__()
        self.momentum, self.epsilon = momentum, epsilon
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Normalize x (B, C, ..., T), real where the mask (B, T) is true."""
        shape = [1, -1] + [1] * (x.dim() - 2)
        keep = mask.view(mask.shape[0], *[1] * (x.dim() - 2), mask.shape[1]).to(x.dtype)
        if self.training:
            mean, variance = self._statistics(x, keep)
        else:
            mean, variance = self.running_mean, self.running_var
        scale = self.weight * torch.rsqrt(variance + self.epsilon)
        shift = self.bias - mean * scale
        return (x * scale.view(shape).to(x.dtype) + shift.view(shape).to(x.dtype)) * keep

    def _statistics(self, x: Tensor, keep: Tensor) -> tuple[Tensor, Tensor]:
        axes = [axis for axis in range(x.dim()) if axis != 1]
        with torch.autocast(x.device.type, enabled=False):
            x = x.float()
            count = keep.float().sum() * (x[0, 0].numel() // x.shape[-1])
            total, squares = (x * keep).sum(axes), (x.square() * keep).sum(axes)  # (C,)
            if distributed.is_initialized() and distributed.get_world_size() > 1:
                sums = _AllReduce.apply(torch.cat([total, squares, count.view(1)]))  # type: ignore[no-untyped-call]  # of torch
                total, squares, count = sums[: len(total)], sums[len(total) : -1], sums[-1].detach()
            count = count.clamp_min(1.0)
            mean = total / count
            variance = (squares / count - mean.square()).clamp_min(0.0)
        with torch.no_grad():
            unbiased = variance * count / (count - 1).clamp_min(1.0)
            # One batch that overflows must not spoil what is remembered of all the others.
            pace = torch.isfinite(mean + unbiased).all() * self.momentum
            self.running_mean.lerp_(torch.nan_to_num(mean), pace)
            self.running_var.lerp_(torch.nan_to_num(unbiased), pace)
        return mean, variance


class _AllReduce(torch.autograd.Function):
    """Add a tensor up over all processes; its gradient is theirs added up."""

    @staticmethod
    def forward(_: Any, addend: Tensor) -> Tensor:  # noqa: ANN401  torch's context
        total = addend.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(_: Any, gradient: Tensor) -> Tensor:  # noqa: ANN401  torch's context
        total = gradient.clone()
        distributed.all_reduce(total)
        return total


class ConvolutionBlock(nn.Module):
    """One convolution over (frequency, time), normalized and clipped to [0, 20]."""

    def __init__(self, config: DeepSpeech2Config, layer: int) -> None:
        super().__init__()
        channels = [1, *config.conv_channels]
        self.time_kernel = config.conv_kernels[layer][1]
        self.time_stride = config.conv_strides[layer][1]
        self.time_padding = config.conv_paddings[layer][1]
        self.convolution = nn.Conv2d(
            channels[layer],
            channels[layer + 1],
            tuple(config.conv_kernels[layer]),  # type: ignore[arg-type]  # pairs, by the configuration's contract
            tuple(config.conv_strides[layer]),  # type: ignore[arg-type]  # as above
            tuple(config.conv_paddings[layer]),  # type: ignore[arg-type]  # as above
            bias=False,
        )
        self.norm = MaskedBatchNorm(channels[layer + 1])

    def frames(self, lengths: Tensor) -> Tensor:
        """Count the frames that remain of `lengths` frames."""
        span = lengths + 2 * self.time_padding - self.time_kernel
        return torch.div(span, self.time_stride, rounding_mode="floor") + 1

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Map x (B, C, F, T), zero behind `lengths`, to (B, C', F', T') and its lengths."""
        x = self.convolution(x)
        # Padding at the edges could make a frame of nothing at all.
        lengths = self.frames(lengths).clamp_min(0) * (lengths > 0)
        x = self.norm(x, _mask(lengths, x.shape[-1]))
        return nn.functional.hardtanh(x, 0.0, 20.0), lengths


class RecurrentBlock(nn.Module):
    """One recurrent layer, in one or both directions, the directions summed."""

    def __init__(self, config: DeepSpeech2Config, layer: int) -> None:
        super().__init__()
        kind = RECURRENT[config.recurrent_type]
        inputs = config.hidden_size if layer else config.recurrent_input_size
        self.norm = MaskedBatchNorm(inputs) if layer and config.recurrent_norm else None
        self.dropout = nn.Dropout(config.dropout)
        size, bias = config.hidden_size, config.recurrent_bias
        self.onward = kind(inputs, size, bias=bias)
        self.returning = kind(inputs, size, bias=bias) if config.bidirectional else None

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Map x (T, B, H') to (T, B, H); what lies behind `lengths` has no meaning."""
        if self.norm is not None:
            x = normed(self.norm, x, lengths)
        x = self.dropout(x)
        hidden = run_recurrent(self.onward, x)
        if self.returning is not None:
            order = _reversal(lengths, len(x))  # (T, B)
            from_end = run_recurrent(self.returning, _reorder(x, order))
            hidden = hidden + _reorder(from_end, order)
        return hidden


class Lookahead(nn.Module):
    """Each frame sees a few future ones (row convolution, Amodei et al. 2016, sec. 3.5)."""

    def __init__(self, size: int, frames: int) -> None:
        super().__init__()
        self.frames = frames
        self.convolution = nn.Conv1d(size, size, frames + 1, groups=size, bias=False)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Map x (T, B, H) to (T, B, H)."""
        x = x.permute(1, 2, 0) * _mask(lengths, len(x)).unsqueeze(1)
        ahead = nn.functional.pad(x, (0, self.frames))
        return nn.functional.hardtanh(self.convolution(ahead), 0.0, 20.0).permute(2, 0, 1)


class DeepSpeech2ForCTC(PreTrainedModel):
    """Spectrogram in, logits out.

    `input_features` is (B, T, F), `attention_mask` (B, T) with ones on real frames; logits are
    (B, T', V). `_get_feat_extract_output_lengths` maps input lengths to output lengths, by the
    name `transformers` gives that function in its speech models.
    """

    config_class = DeepSpeech2Config
    main_input_name = "input_features"
    base_model_prefix = "deepspeech2"

    def __init__(self, config: DeepSpeech2Config) -> None:
        super().__init__(config)
        if config.recurrent_layers < 1 and config.hidden_size != config.recurrent_input_size:
            raise ConfigError(
                f"`recurrent_layers` is {config.recurrent_layers} and `hidden_size` "
                f"{config.hidden_size}, where the convolutions put out "
                f"{config.recurrent_input_size}",
                hint="give 1 or more recurrent layers",
            )
        self.convolutions = nn.ModuleList(
            ConvolutionBlock(config, layer) for layer in range(len(config.conv_channels))
        )
        self.recurrent = nn.ModuleList(
            RecurrentBlock(config, layer) for layer in range(config.recurrent_layers)
        )
        self.lookahead = (
            Lookahead(config.hidden_size, config.lookahead_frames)
            if config.lookahead_frames
            else None
        )
        self.norm = MaskedBatchNorm(config.hidden_size)
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()  # type: ignore[no-untyped-call]  # of transformers

    def _init_weights(self, module: nn.Module) -> None:
        """Leave torch's own initialization, which suits every layer here."""

    def _get_feat_extract_output_lengths(self, input_lengths: Tensor) -> Tensor:
        for block in self.convolutions:
            assert isinstance(block, ConvolutionBlock)  # narrows for the type checker
            input_lengths = block.frames(input_lengths)
        return input_lengths

    def forward(
        self,
        input_features: Tensor,
        attention_mask: Tensor | None = None,
        **ignored: Any,  # noqa: ANN401  whatever `transformers` passes along
    ) -> CausalLMOutput:
        """Compute logits (B, T', V)."""
        batch, frames = input_features.shape[:2]
        if attention_mask is None:
            lengths = torch.full((batch,), frames, device=input_features.device)
        else:
            lengths = attention_mask.sum(1)
        x = input_features * _mask(lengths, frames).unsqueeze(2)
        x = x.transpose(1, 2).unsqueeze(1)  # (B, 1, F, T)
        for convolution in self.convolutions:
            x, lengths = convolution(x, lengths)
        x = x.flatten(1, 2).permute(2, 0, 1).contiguous()  # (T', B, C * F')
        for recurrent in self.recurrent:
            x = recurrent(x, lengths)
        if self.lookahead is not None:
            x = self.lookahead(x, lengths)
        x = normed(self.norm, x, lengths)
        return CausalLMOutput(logits=self.head(self.dropout(x)).transpose(0, 1))


def normed(norm: MaskedBatchNorm, x: Tensor, lengths: Tensor) -> Tensor:
    """Normalize x (T, B, C)."""
    normed: Tensor = norm(x.permute(1, 2, 0), _mask(lengths, len(x)))
    return normed.permute(2, 0, 1)


def _mask(lengths: Tensor, frames: int) -> Tensor:
    """True on the real frames: (B, T)."""
    return torch.arange(frames, device=lengths.device) < lengths.unsqueeze(1)


def _reversal(lengths: Tensor, frames: int) -> Tensor:
    """Where each frame comes from when every utterance is turned round within its own length."""
    position = torch.arange(frames, device=lengths.device).unsqueeze(1)
    turned = lengths - 1 - position  # (T, B)
    return torch.where(turned >= 0, turned, position)


def _reorder(x: Tensor, order: Tensor) -> Tensor:
    """Take the frames of x (T, B, C) in another order (T, B) for each utterance."""
    batch = x.shape[1]
    rows = order * batch + torch.arange(batch, device=x.device)
    return x.flatten(0, 1).index_select(0, rows.flatten()).view_as(x)


AutoConfig.register("deepspeech2", DeepSpeech2Config, exist_ok=True)
AutoModelForCTC.register(DeepSpeech2Config, DeepSpeech2ForCTC, exist_ok=True)
