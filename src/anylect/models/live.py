"""Emissions while somebody speaks: a DeepSpeech2 of one direction, piece by piece.

Every layer keeps what it needs of the past: samples that make no whole frame yet, the frames a
convolution will look back on, the state of a recurrent layer, the frames a look-ahead waits for.
So pieces of any length give, joined, what one pass over the whole recording gives, each frame as
soon as the model has heard all it looks at, in memory that does not grow.

Axes: S samples, T frames, F features, C channels, H hidden, V vocabulary; the batch is one.
"""

from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from anylect.errors import BundleError
from anylect.models.acoustic import AcousticModel
from anylect.models.checkpoints import CheckpointModel
from anylect.models.deepspeech2 import (
    ConvolutionBlock,
    DeepSpeech2ForCTC,
    Lookahead,
    RecurrentBlock,
    normed,
)
from anylect.models.frontend import RowCutter, RunningNorm
from anylect.records import Emissions


class LiveEmitter:
    """One recording being heard; feed it samples in order, then finish.

    Example:
        >>> emitter = LiveEmitter(model)                              # doctest: +SKIP
        >>> for samples in microphone:                                # doctest: +SKIP
        ...     stream.feed(emitter.feed(samples))
    """

    def __init__(self, model: AcousticModel) -> None:
        """Begin to hear.

        Raises:
            BundleError: When the model has to know a whole recording before it can hear any of it.
        """
        self.model, module = _require_live(model)
        module.train(mode=False)
        frontend = self.model.frontend
        self._cutter = RowCutter(frontend)
        self._norm = RunningNorm(frontend.memory) if frontend.memory is not None else None
        self._edge = np.zeros(frontend.edge, np.float32)
        self._layers = _live_layers(module)
        self._norm_last, self._head = module.norm, module.head
        self._is_begun = False
        self._emitted = 0

    @property
    def frames(self) -> int:
        """Frames emitted so far."""
        return self._emitted

    @property
    def delay(self) -> float:
        """Seconds of audio, from a frame's beginning on, that the model hears before it emits it.

        The hidden frames each layer looks ahead, counted from the last layer down.
        """
        module, frontend = self.model.module, self.model.frontend
        ahead = module.config.lookahead_frames
        for block in reversed(module.convolutions):
            ahead = ahead * block.time_stride + block.time_kernel - 1 - block.time_padding
        return float(ahead * frontend.hop + frontend.window) / frontend.sample_rate

    def feed(self, samples: NDArray[np.float32]) -> Emissions:
        """Take in the next samples (S,) at the model's rate; return the frames they settle."""
        if not self._is_begun and len(samples):
            self._is_begun = True
            samples = np.concatenate([self._edge, samples])
        return self._emit(self._rows(samples), is_last=False)

    def finish(self) -> Emissions:
        """Return the frames that waited for what would come."""
        silence = self._edge if self._is_begun else self._edge[:0]
        return self._emit(self._rows(silence), is_last=True)

    def _rows(self, samples: NDArray[np.float32]) -> Tensor | None:
        rows = self._cutter.feed(samples)
        if not len(rows):
            return None
        if self._norm is not None:
            rows = self._norm.apply(rows)
        return torch.from_numpy(np.ascontiguousarray(rows)).to(self.model.device)

    @torch.inference_mode()
    def _emit(self, rows: Tensor | None, *, is_last: bool) -> Emissions:
        x = None if rows is None else rows.t()[None, None]  # (1, 1, F, T)
        for layer in self._layers:
            x = layer(x, is_last=is_last)
        log_probs = np.zeros((0, len(self.model.vocabulary)), np.float32)
        if x is not None:
            logits = self._head(
                normed(self._norm_last, x, torch.tensor([len(x)], device=x.device))
            )[:, 0]  # (T, V)
            log_probs = nn.functional.log_softmax(logits.float(), dim=-1).cpu().numpy()
        began = self.model.start + self._emitted * self.model.frame_duration
        self._emitted += len(log_probs)
        return Emissions(log_probs, self.model.frame_duration, began)


def _require_live(model: AcousticModel) -> tuple[CheckpointModel, DeepSpeech2ForCTC]:
    """Return a model that can hear a recording before it has ended, and its module."""
    module = model.module if isinstance(model, CheckpointModel) else None
    if not isinstance(model, CheckpointModel) or not isinstance(module, DeepSpeech2ForCTC):
        kind = type(module if module is not None else model).__name__
        raise BundleError(
            f"a {kind} hears whole recordings, so it cannot transcribe live",
            hint="only a DeepSpeech2 can, trained with `model.settings.bidirectional = false`; "
            "transcribe the recording once it has ended",
        )
    if module.config.bidirectional and module.config.recurrent_layers:
        raise BundleError(
            "this DeepSpeech2 hears from both ends, so it cannot transcribe live",
            hint="train one with `model.settings.bidirectional = false`, e.g. with "
            "`model.settings.lookahead_frames = 20`; or transcribe once the recording has ended",
        )
    if model.frontend.normalized:
        raise BundleError(
            "this model's features are normalized over the whole utterance, so it cannot "
            "transcribe live",
            hint='train one with `model.features.normalization = "running"`; '
            "or transcribe once the recording has ended",
        )
    return model, module


class _LiveLayer(Protocol):
    """A layer that remembers what it needs of the past."""

    def __call__(self, x: Tensor | None, *, is_last: bool) -> Tensor | None:
        """Take in frames, if there are any; return those that are settled, if any are.

        With `is_last` nothing follows, so that all frames that waited are settled.
        """


def _live_layers(module: DeepSpeech2ForCTC) -> list[_LiveLayer]:
    layers: list[_LiveLayer] = []
    for block in module.convolutions:
        assert isinstance(block, ConvolutionBlock)  # narrows for the type checker
        layers.append(_LiveConvolution(block))
    layers.append(_flatten)
    for layer in module.recurrent:
        assert isinstance(layer, RecurrentBlock)  # as above
        layers.append(_LiveRecurrent(layer))
    if module.lookahead is not None:
        layers.append(_LiveLookahead(module.lookahead))
    return layers


def _flatten(x: Tensor | None, *, is_last: bool) -> Tensor | None:
    """Map what convolutions put out (1, C, F, T) to what recurrent layers read (T, 1, C F)."""
    return None if x is None else x.flatten(1, 2).permute(2, 0, 1)


class _LiveConvolution:
    """Holds the frames that the next windows of a convolution begin with."""

    def __init__(self, block: ConvolutionBlock) -> None:
        self.block = block
        self._held: Tensor | None = None

    def __call__(self, x: Tensor | None, *, is_last: bool) -> Tensor | None:
        """Map (1, C, F, T) to (1, C', F', T')."""
        pieces = [piece for piece in (self._held, x) if piece is not None]
        if not pieces:
            return None
        silence = pieces[0].new_zeros(*pieces[0].shape[:3], self.block.time_padding)
        if self._held is None:
            pieces = [silence, *pieces]
        if is_last:
            pieces = [*pieces, silence]
        held = torch.cat(pieces, 3)
        kernel, stride = self.block.time_kernel, self.block.time_stride
        made = max(0, (held.shape[3] - kernel) // stride + 1)
        self._held = held[..., made * stride :].clone()
        return self._run(held[..., : (made - 1) * stride + kernel]) if made else None

    def _run(self, x: Tensor) -> Tensor:
        layer = self.block.convolution
        x = nn.functional.conv2d(
            x, layer.weight, stride=layer.stride, padding=(int(layer.padding[0]), 0)
        )
        mask = torch.ones(1, x.shape[3], dtype=torch.bool, device=x.device)
        return nn.functional.hardtanh(self.block.norm(x, mask), 0.0, 20.0)


class _LiveRecurrent:
    """Holds the state of a recurrent layer."""

    def __init__(self, block: RecurrentBlock) -> None:
        self.block = block
        self._state: Tensor | tuple[Tensor, Tensor] | None = None

    def __call__(self, x: Tensor | None, *, is_last: bool) -> Tensor | None:
        """Map (T, 1, H') to (T, 1, H)."""
        if x is None:
            return None
        if self.block.norm is not None:
            x = normed(self.block.norm, x, torch.tensor([len(x)], device=x.device))
        hidden: Tensor
        hidden, self._state = self.block.onward(x, self._state)
        return hidden


class _LiveLookahead:
    """Holds the frames that have not seen all they look ahead to."""

    def __init__(self, layer: Lookahead) -> None:
        self.layer = layer
        self._held: Tensor | None = None

    def __call__(self, x: Tensor | None, *, is_last: bool) -> Tensor | None:
        """Map (T, 1, H) to (T', 1, H)."""
        pieces = [piece for piece in (self._held, x) if piece is not None]
        if not pieces:
            return None
        if is_last:
            pieces.append(pieces[0].new_zeros(self.layer.frames, *pieces[0].shape[1:]))
        held = torch.cat(pieces)
        made = max(0, len(held) - self.layer.frames)
        self._held = held[made:].clone()
        if not made:
            return None
        seen = self.layer.convolution(held.permute(1, 2, 0))
        return nn.functional.hardtanh(seen, 0.0, 20.0).permute(2, 0, 1)
