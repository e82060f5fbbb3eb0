"""Filters and convolution by fast Fourier transforms, and the level they leave alone.

What noise, rooms and channels are made with. NumPy leaves the interpreter's lock while it
transforms, so threads filter side by side.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
"""(S,), mono."""
Shape = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""From frequencies in hertz to amplification, one where nothing changes."""

_SHORTEST_BLOCK = 1 << 14
_EDGE = 0.2
"""Share of a corner frequency over which a band fades out."""


def convolve(samples: Samples, response: Samples) -> Samples:
    """Let samples go through an impulse response, in blocks (overlap and add).

    Blocks keep transforms in the processor's cache and memory bounded, however long the recording.

    Args:
        samples: (S,).
        response: (R,), at least one.

    Returns:
        (S + R - 1,).

    Example:
        >>> samples, response = np.array([[1, 2, 0], [1, 0, 3]], np.float32)
        >>> convolve(samples, response).round(5).tolist()
        [1.0, 2.0, 3.0, 6.0, 0.0]
    """
    tail = len(response) - 1
    made = np.zeros(len(samples) + tail, np.float32)
    if not len(samples):
        return made
    whole = fast_length(len(samples) + tail)
    length = min(whole, fast_length(max(_SHORTEST_BLOCK, 4 * tail)))
    step = length - tail
    spectrum = np.fft.rfft(response, length)
    for start in range(0, len(samples), step):
        block = samples[start : start + step]
        product = np.fft.irfft(np.fft.rfft(block, length) * spectrum, length)
        made[start : start + len(block) + tail] += product[: len(block) + tail]
    return made


def filter_spectrum(samples: Samples, sample_rate: int, shape: Shape) -> Samples:
    """Multiply the spectrum by `shape` of its frequencies; no delay, the same length."""
    length = fast_length(len(samples))
    spectrum = np.fft.rfft(samples, length)
    hz = np.arange(len(spectrum)) * sample_rate / length
    filtered = np.fft.irfft(spectrum * shape(hz).astype(np.float32), length)
    return filtered[: len(samples)].astype(np.float32, copy=False)


def band(low_hz: float, high_hz: float) -> Shape:
    """Make the shape that keeps a band, with soft edges of a fifth of the corner frequencies."""

    def shape(hz: NDArray[np.float64]) -> NDArray[np.float64]:
        rising = np.clip((hz / low_hz - 1) / _EDGE + 1, 0, 1)
        falling = np.clip((1 - hz / high_hz) / _EDGE + 1, 0, 1)
        return np.minimum(rising, falling)

    return shape


def mean_power(samples: Samples) -> float:
    """Average the squares; zero for no samples."""
    return float(np.dot(samples, samples)) / max(1, len(samples))


def match_power(changed: Samples, samples: Samples) -> Samples:
    """Scale what has changed to the mean power it had before; silence stays as it is."""
    power = mean_power(changed)
    scale = np.sqrt(mean_power(samples) / power) if power else 1.0
    return changed * np.float32(scale)


def fast_length(size: int) -> int:
    """Find a length of at least `size` that transforms fast: 1, 3/4 or 5/8 of a power of two.

    Example:
        >>> fast_length(5), fast_length(100), fast_length(70)
        (5, 128, 80)
    """
    size = max(1, size)
    power = 1 << (size - 1).bit_length()
    fitting = [length for length in (power * 5 // 8, power * 3 // 4) if length >= size]
    return min([*fitting, max(power, 2)])
