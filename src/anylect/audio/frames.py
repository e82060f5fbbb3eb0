"""Samples, frames, seconds: the arithmetic between them.

A frame is one step of a model or of a spectrogram. It sees a window of samples and steps by a
stride; a stack of layers sees more than its first and steps by the product of all.
"""

import math
from collections.abc import Sequence

Layers = Sequence[tuple[int, int]]
"""Kernel and stride of every convolution, input side first."""

WAV2VEC2_LAYERS: Layers = ((10, 5), (3, 2), (3, 2), (3, 2), (3, 2), (2, 2), (2, 2))
"""The feature encoder of wav2vec 2.0 (Baevski et al. 2020, sec. 4.2), HuBERT, WavLM, XLS-R."""


def frame_count(samples: int, layers: Layers = WAV2VEC2_LAYERS) -> int:
    """Count the frames a stack of unpadded convolutions makes of a waveform.

    A layer turns n inputs into floor((n - kernel) / stride) + 1 outputs. With the seven
    layers of wav2vec 2.0 (Baevski et al. 2020, sec. 4.2) a frame sees 400 samples (25 ms)
    and steps by 320 (20 ms), so one second at 16 kHz makes 49 frames, not 50. A spectrogram
    is a stack of one layer: its window and its hop.

    Args:
        samples: Length of the waveform in samples, padding excluded.
        layers: Kernel and stride of every convolution, input side first.

    Returns:
        The number of frames T; zero when the waveform is shorter than what one frame sees.

    Example:
        >>> frame_count(16_000), frame_count(400), frame_count(399)
        (49, 1, 0)
        >>> frame_count(16_000, [(320, 160)])
        99
    """
    for kernel, stride in layers:
        samples = max(0, (samples - kernel) // stride + 1)
    return samples


def frame_stride(layers: Layers = WAV2VEC2_LAYERS) -> int:
    """Return how many samples lie between one frame and the next.

    Example:
        >>> frame_stride()
        320
    """
    return math.prod(stride for _, stride in layers)


def frame_window(layers: Layers = WAV2VEC2_LAYERS) -> int:
    """Return how many samples one frame sees, its receptive field.

    Every layer adds (kernel - 1) steps of the stride below it.

    Example:
        >>> frame_window()
        400
    """
    seen, step = 1, 1
    for kernel, stride in layers:
        seen += (kernel - 1) * step
        step *= stride
    return seen


def samples_needed(frames: int, layers: Layers = WAV2VEC2_LAYERS) -> int:
    """Return the shortest waveform, in samples, that makes so many frames.

    Example:
        >>> samples_needed(1), samples_needed(49)
        (400, 15760)
    """
    return frame_window(layers) + (frames - 1) * frame_stride(layers) if frames > 0 else 0


def to_samples(seconds: float, sample_rate: int) -> int:
    """Round seconds to the nearest sample.

    Example:
        >>> to_samples(0.02, 16_000)
        320
    """
    return round(seconds * sample_rate)


def to_frames(seconds: float, frame_duration: float) -> int:
    """Return the frame that begins nearest to a time.

    Example:
        >>> to_frames(1.0, 0.02)
        50
    """
    return round(seconds / frame_duration)


def to_seconds(frame: int, frame_duration: float) -> float:
    """Return when a frame begins.

    Example:
        >>> to_seconds(50, 0.02)
        1.0
    """
    return frame * frame_duration
