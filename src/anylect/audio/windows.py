"""Long recordings as overlapping windows, and which frames of each to keep.

A model hears one window at a time, so memory does not grow with the recording. Frames near the
cut ends of a window lack context; they are left to the neighbour, where they stand further
inside. The kept frames of all windows, joined, are frames 0, 1, 2, … of the whole.

```
whole    |--------------------------------------------------------|
window 0 |kkkkkkkkkkkkkkkkccc|
window 1              |ccckkkkkkkkkkkkkccc|
window 2                           |ccckkkkkkkkkkkkkccc|
last                                  |ccccccccccccckkkkkkkkkkkkkk|      k kept, c context
```

Every window starts at a multiple of the model's stride, so its frames fall where those of the
whole would. Where no frame sees further than the context, the result equals one pass exactly.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anylect.errors import ConfigError

Samples = NDArray[np.float32]
"""(S,), mono."""


@dataclass(frozen=True, kw_only=True)
class WindowOptions:
    """How long recordings are cut."""

    seconds: float = 30.0
    """Length of a window; memory and, for transformers, time per second follow it."""
    context_seconds: float = 3.0
    """Heard at both cut ends of a window but not kept; more costs time, less costs accuracy."""


SHORTEST_WINDOW = 10.0
"""Seconds; windows are not cut shorter, however short what a model was trained on."""


def fitting_windows(longest_heard: float) -> WindowOptions:
    """Choose windows as long as the longest a model was trained on, between 10 and 30 seconds.

    A recurrent model is not to be trusted with more than it has heard at once; one that has only
    heard a few seconds is no better in windows so short that most of them is context.

    Args:
        longest_heard: Seconds.

    Example:
        >>> fitting_windows(18.0)
        WindowOptions(seconds=18.0, context_seconds=3.0)
    """
    widest = WindowOptions()
    seconds = min(max(longest_heard, SHORTEST_WINDOW), widest.seconds)
    return WindowOptions(seconds=seconds, context_seconds=min(widest.context_seconds, seconds / 4))


@dataclass(frozen=True, slots=True)
class Window:
    """A piece of a recording for the model to hear.

    Of the frames the model makes of `samples`, `frames[keep_from:keep_to]` count; `keep_to`
    is None for the last window, whose number of frames only the model knows.
    """

    samples: Samples
    start_samples: int
    keep_from: int
    keep_to: int | None


def cut_windows(
    blocks: Iterable[Samples],
    options: WindowOptions,
    *,
    sample_rate: int,
    stride_samples: int,
) -> Iterator[Window]:
    """Cut a stream of samples into overlapping windows, holding one window at a time.

    The last window is moved back so that it is as long as the others (up to one stride longer);
    only a recording shorter than a window gives a shorter one.

    Args:
        blocks: The recording in order, in blocks of any length.
        options: Length of windows and context, rounded to whole strides.
        sample_rate: Of the samples, hertz.
        stride_samples: From one frame of the model to the next.

    Raises:
        ConfigError: Where the two contexts leave nothing of a window to keep.

    Example:
        >>> blocks = [np.zeros(6, np.float32), np.zeros(7, np.float32)]
        >>> options = WindowOptions(seconds=8, context_seconds=2)
        >>> for each in cut_windows(blocks, options, sample_rate=1, stride_samples=2):
        ...     print(each.start_samples, len(each.samples), each.keep_from, each.keep_to)
        0 8 0 3
        4 8 1 3
        4 9 3 None
    """
    length, context = _plan(options, sample_rate=sample_rate, stride_samples=stride_samples)
    held = _Held()
    start = kept = 0  # where the next window starts, in samples; frames kept so far
    for block in blocks:
        held.append(block)
        while held.end > start + length:
            keep_from = kept - start // stride_samples
            keep_to = (length - context) // stride_samples
            yield Window(held.cut(start, start + length), start, keep_from, keep_to)
            kept = start // stride_samples + keep_to
            held.forget(start)
            start += length - 2 * context
    if held.end:
        last = max(0, (held.end - length) // stride_samples * stride_samples)
        yield Window(held.cut(last, held.end), last, kept - last // stride_samples, None)


def _plan(options: WindowOptions, *, sample_rate: int, stride_samples: int) -> tuple[int, int]:
    """Return the lengths of window and context in samples, both whole strides."""
    stride_seconds = stride_samples / sample_rate
    strides = round(options.seconds / stride_seconds)
    context = round(options.context_seconds / stride_seconds)
    if context < 1 or strides <= 2 * context:
        raise ConfigError(
            f"windows of {options.seconds} s with {options.context_seconds} s of context at both "
            f"ends cannot be cut into frames of {1000 * stride_seconds:g} ms",
            hint="the context must be a frame or more, the window longer than two contexts",
        )
    return strides * stride_samples, context * stride_samples


class _Held:
    """The samples a window may still need; joins blocks only when one is cut."""

    def __init__(self) -> None:
        self._parts: list[Samples] = []
        self._origin = 0
        self.end = 0

    def append(self, block: Samples) -> None:
        self._parts.append(block)
        self.end += len(block)

    def cut(self, start: int, stop: int) -> Samples:
        if len(self._parts) > 1:
            self._parts = [np.concatenate(self._parts)]
        return self._parts[0][start - self._origin : stop - self._origin]

    def forget(self, before: int) -> None:
        self._parts = [self.cut(before, self.end)]
        self._origin = before
