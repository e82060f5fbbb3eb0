"""Chunk and stride as the pipeline of `transformers` cuts recordings for CTC models.

The eval contract speaks of `chunk_length_s` and `stride_length_s`; scores under them are only
comparable if both are cut the same way. Chunks begin every chunk minus two strides, each is
normalized by itself, and of the frames of each those of the strides are left out. Our own
`audio.windows` differ: there the whole recording decides mean and variance.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anylect.errors import ConfigError
from anylect.models.acoustic import AcousticModel, Blocks
from anylect.records import Emissions, Waveform
from anylect.text.vocabulary import Vocabulary


@dataclass(frozen=True, kw_only=True)
class ChunkOptions:
    """How the reference cuts recordings, in seconds."""

    length: float
    """Of a chunk."""
    stride: float | None = None
    """Heard at both ends of a chunk but left out; by default a sixth of the chunk."""

    def __post_init__(self) -> None:
        if not self.length > 0:
            raise ConfigError(f"chunks of {self.length} s", hint="expected more than 0")
        if not 0 <= self.margin < self.length / 2:
            raise ConfigError(
                f"chunks of {self.length:g} s with strides of {self.margin:g} s leave nothing "
                "to keep",
                hint="a stride must be shorter than half a chunk, e.g. 5 and 1",
            )

    @property
    def margin(self) -> float:
        """The stride, whether given or not."""
        return self.length / 6 if self.stride is None else self.stride


@dataclass(frozen=True, slots=True)
class Chunk:
    """Samples `[start, stop)` of a recording; `frames[keep_from:keep_to]` of its frames count."""

    start: int
    stop: int
    keep_from: int
    keep_to: int | None


def cut_chunks(
    samples: int, options: ChunkOptions, *, sample_rate: int, stride_samples: int
) -> Iterator[Chunk]:
    """Say where the chunks of a recording are; the last one keeps all its frames.

    Args:
        samples: Length of the recording.
        options: Lengths, rounded to whole frame steps.
        sample_rate: Hertz.
        stride_samples: From one frame of the model to the next.

    Raises:
        ConfigError: When the lengths, rounded, leave nothing to keep.

    Example:
        >>> for each in cut_chunks(20, ChunkOptions(length=8, stride=2), sample_rate=1,
        ...                        stride_samples=2):
        ...     print(each.start, each.stop, each.keep_from, each.keep_to)
        0 8 0 3
        4 12 1 3
        8 16 1 3
        12 20 1 None
    """
    frames = sample_rate / stride_samples
    length, margin = round(options.length * frames), round(options.margin * frames)
    step = length - 2 * margin
    if step < 1:
        raise ConfigError(
            f"chunks of {options.length:g} s cannot be cut into frames of {1000 / frames:g} ms",
            hint="a chunk must be longer than two strides and a frame",
        )
    for first in itertools.count(0, step):
        start, stop = first * stride_samples, (first + length) * stride_samples
        is_last = stop >= samples
        keep_from = 0 if first == 0 else margin
        # A rest no longer than the stride holds nothing that was not kept already.
        if min(stop, samples) - start > keep_from * stride_samples:
            yield Chunk(start, min(stop, samples), keep_from, None if is_last else length - margin)
        if is_last:
            return


class ChunkedModel:
    """An acoustic model that hears every recording longer than a chunk in chunks."""

    def __init__(self, model: AcousticModel, options: ChunkOptions) -> None:
        self.model, self.options = model, options

    @property
    def vocabulary(self) -> Vocabulary:
        """What the columns of the emissions mean."""
        return self.model.vocabulary

    @property
    def sample_rate(self) -> int:
        """Hertz that every waveform must have."""
        return self.model.sample_rate

    @property
    def frame_duration(self) -> float:
        """Seconds from one frame to the next, measured."""
        return self.model.frame_duration

    @property
    def longest_pass(self) -> float:
        """Seconds of a chunk: what is shorter is heard at once."""
        return self.options.length

    def emit(self, waveform: Waveform) -> Emissions:
        """Hear one waveform in one pass."""
        return self.model.emit(waveform)

    def prepare(self, waveform: Waveform) -> NDArray[np.float32]:
        """Compute what the model reads."""
        return self.model.prepare(waveform)

    def emit_prepared(self, batch: Sequence[NDArray[np.float32]]) -> list[Emissions]:
        """Hear several prepared waveforms."""
        return self.model.emit_prepared(batch)

    def emit_stream(self, blocks: Blocks) -> Iterator[Emissions]:
        """Hear a recording chunk by chunk; it is held in memory whole, as the reference does."""
        samples = np.concatenate([np.zeros(0, np.float32), *blocks()])
        rate, step = self.sample_rate, round(self.frame_duration * self.sample_rate)
        for chunk in cut_chunks(len(samples), self.options, sample_rate=rate, stride_samples=step):
            heard = self.model.emit(Waveform(samples[chunk.start : chunk.stop], rate))
            start = heard.start + chunk.start / rate + chunk.keep_from * heard.frame_duration
            kept = heard.log_probs[chunk.keep_from : chunk.keep_to]
            yield Emissions(kept, heard.frame_duration, start)
