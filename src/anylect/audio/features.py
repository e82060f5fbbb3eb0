"""Spectrograms and filterbanks, in NumPy.

Frame t sees samples [t * hop, t * hop + window) and nothing else: no centring, no padding at
the ends, no normalization over time. So the features of a stretch are rows of the features of
the whole, and a recording may be given piece by piece.

Axes: S samples, T frames, F features of a frame.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from anylect.audio.frames import frame_count
from anylect.errors import ConfigError

Samples = NDArray[np.float32]
"""(S,), mono."""
Features = NDArray[np.float32]
"""(T, F)."""

_BLOCK_FRAMES = 128
"""Frames computed at a time, so that they stay in the processor's cache."""


@dataclass(frozen=True, kw_only=True)
class FeatureOptions:
    """What a model that does not read samples reads instead."""

    kind: Literal["spectrogram", "mel", "mfcc"] = "spectrogram"
    """All bins of the spectrum, as DeepSpeech2 reads; mel filters; or their cepstrum."""
    sample_rate: int = 16_000
    """Of the samples, hertz."""
    window_ms: float = 20.0
    """What a frame sees; 20 ms at 16 kHz make 161 bins."""
    hop_ms: float = 10.0
    """From one frame to the next."""
    taper: Literal["hamming", "hann"] = "hamming"
    """Fades a frame's ends; periodic."""
    scale: Literal["power", "magnitude"] = "power"
    """Power is the square of magnitude: after the logarithm, a factor of two."""
    floor: float = 1e-10
    """Added before the logarithm; samples of full scale have powers around 1e4."""
    bins: int = 80
    """Mel filters, of `mel` and `mfcc`; a spectrogram has as many bins as its window gives."""
    min_hz: float = 20.0
    """Where the lowest mel filter begins; below is hum."""
    max_hz: float | None = None
    """Where the highest mel filter ends; half the sample rate by default."""
    coefficients: int = 13
    """Of `mfcc`."""
    normalization: Literal["utterance", "running", "none"] = "utterance"
    """How level and gain are taken out: by mean and deviation of the whole utterance; by those of
    what came before, which a model needs that shall transcribe live; or not at all. Not part of
    `extract_features`, nor is what follows."""
    memory_seconds: float = 4.0
    """What `running` normalization remembers; older frames fade."""
    edge_ms: float = 0.0
    """Silence a model hears before and behind a recording; 50 ms keep the first and last letters
    of recordings that are cut close."""

    def __post_init__(self) -> None:
        highest = self.sample_rate / 2
        window, hop = self.window_samples, self.hop_samples
        checks = (
            (window >= 2, "window_ms", self.window_ms, "two samples or more"),
            (hop >= 1, "hop_ms", self.hop_ms, "a sample or more"),
            (self.floor > 0, "floor", self.floor, "a positive number"),
            (self.edge_ms >= 0, "edge_ms", self.edge_ms, "zero or more"),
            (self.memory_seconds > 0, "memory_seconds", self.memory_seconds, "a positive number"),
            (self.bins >= 1, "bins", self.bins, "one or more"),
            (0 <= self.min_hz < highest, "min_hz", self.min_hz, f"0 to {highest:g}"),
            (
                self.max_hz is None or self.min_hz < self.max_hz <= highest,
                "max_hz",
                self.max_hz,
                f"above `min_hz` and up to {highest:g}, half the sample rate",
            ),
            (
                self.kind != "mfcc" or 1 <= self.coefficients <= self.bins,
                "coefficients",
                self.coefficients,
                "1 to `bins`",
            ),
        )
        for is_right, name, value, expected in checks:
            if not is_right:
                raise ConfigError(f"`features.{name}` is {value}", hint=f"expected {expected}")

    @property
    def window_samples(self) -> int:
        """Samples a frame sees."""
        return round(self.window_ms * self.sample_rate / 1000)

    @property
    def hop_samples(self) -> int:
        """Samples from one frame to the next."""
        return round(self.hop_ms * self.sample_rate / 1000)

    @property
    def fft_samples(self) -> int:
        """Length of the Fourier transform: the window's, or for mel filters a power of two.

        Zeros behind the window give narrow filters more bins of the spectrum to fall upon.
        """
        if self.kind == "spectrogram":
            return self.window_samples
        return 1 << (self.window_samples - 1).bit_length()

    @property
    def size(self) -> int:
        """Features of a frame, F."""
        sizes = {
            "spectrogram": self.fft_samples // 2 + 1,
            "mel": self.bins,
            "mfcc": self.coefficients,
        }
        return sizes[self.kind]


def extract_features(samples: Samples, options: FeatureOptions) -> Features:
    """Compute the features that `options.kind` names.

    Args:
        samples: (S,), full scale at ±1.
        options: Kind, window, hop and scale.

    Returns:
        (T, F) natural logarithms (their cosine transform for `mfcc`); T is zero for samples
        shorter than a window.

    Example:
        >>> extract_features(np.zeros(16_000, np.float32), FeatureOptions()).shape
        (99, 161)
    """
    kinds: dict[str, Callable[[Samples, FeatureOptions], Features]] = {
        "spectrogram": spectrogram,
        "mel": mel_filterbank,
        "mfcc": mfcc,
    }
    return kinds[options.kind](samples, options)


def spectrogram(samples: Samples, options: FeatureOptions) -> Features:
    """Compute the log-spectrogram: (T, fft / 2 + 1)."""
    rows = _new_rows(samples, options, size=options.fft_samples // 2 + 1)
    for block, energy in _energies(samples, options):
        np.log(energy + np.float32(options.floor), out=rows[block])
    return rows


def mel_filterbank(samples: Samples, options: FeatureOptions) -> Features:
    """Compute the log of energies under triangular mel filters: (T, bins)."""
    filters = mel_filters(options)  # (fft / 2 + 1, bins)
    rows = _new_rows(samples, options, size=options.bins)
    for block, energy in _energies(samples, options):
        np.log(energy @ filters + np.float32(options.floor), out=rows[block])
    return rows


def mfcc(samples: Samples, options: FeatureOptions) -> Features:
    """Compute mel-frequency cepstral coefficients: (T, coefficients).

    The orthonormal cosine transform (DCT-II) of the log mel energies, its first coefficients
    kept (Davis & Mermelstein 1980).
    """
    return mel_filterbank(samples, options) @ _cosines(options.bins, options.coefficients)


@lru_cache(maxsize=8)
def mel_filters(options: FeatureOptions) -> NDArray[np.float32]:
    """Build triangular filters: (fft / 2 + 1, bins).

    Their corners are evenly spaced on the mel scale 2595 log10(1 + f / 700) (O'Shaughnessy
    1987), each filter's peak of one at its neighbours' feet.

    Raises:
        ConfigError: Where filters are so narrow that one catches no bin of the spectrum.
    """
    top = options.max_hz if options.max_hz is not None else options.sample_rate / 2
    low, high = (2595 * np.log10(1 + hz / 700) for hz in (options.min_hz, top))
    corners = 700 * (10 ** (np.linspace(low, high, options.bins + 2) / 2595) - 1)
    hz = np.arange(options.fft_samples // 2 + 1) * options.sample_rate / options.fft_samples
    rising = (hz[:, None] - corners[:-2]) / (corners[1:-1] - corners[:-2])
    falling = (corners[2:] - hz[:, None]) / (corners[2:] - corners[1:-1])
    filters: NDArray[np.float32] = np.maximum(0, np.minimum(rising, falling)).astype(np.float32)
    empty = np.flatnonzero(filters.sum(axis=0) == 0)
    if len(empty):
        raise ConfigError(
            f"`features.bins` is {options.bins}: mel filter {empty[0] + 1} lies between two bins "
            f"of a {options.window_ms:g} ms window",
            hint="choose fewer bins or a longer `features.window_ms`",
        )
    return filters


@lru_cache(maxsize=8)
def _cosines(bins: int, coefficients: int) -> NDArray[np.float32]:
    angles = np.pi / bins * (np.arange(bins)[:, None] + 0.5) * np.arange(coefficients)
    scales = np.full(coefficients, np.sqrt(2 / bins))
    scales[0] = np.sqrt(1 / bins)
    cosines: NDArray[np.float32] = (np.cos(angles) * scales).astype(np.float32)
    return cosines


@lru_cache(maxsize=8)
def _taper(kind: str, length: int) -> NDArray[np.float32]:
    edge = 0.54 if kind == "hamming" else 0.5
    angles = 2 * np.pi * np.arange(length) / length
    taper: NDArray[np.float32] = (edge - (1 - edge) * np.cos(angles)).astype(np.float32)
    return taper


def _new_rows(samples: Samples, options: FeatureOptions, *, size: int) -> Features:
    frames = frame_count(len(samples), [(options.window_samples, options.hop_samples)])
    return np.empty((frames, size), np.float32)


def _energies(samples: Samples, options: FeatureOptions) -> Iterator[tuple[slice, Features]]:
    """Compute power or magnitude, some frames at a time, with the rows they belong to."""
    window, hop = options.window_samples, options.hop_samples
    if len(samples) < window:
        return
    taper = _taper(options.taper, window)
    framed = sliding_window_view(samples.astype(np.float32, copy=False), window)[::hop]  # (T, W)
    for start in range(0, len(framed), _BLOCK_FRAMES):
        block = slice(start, min(start + _BLOCK_FRAMES, len(framed)))
        spectrum = np.fft.rfft(
            framed[block] * taper, options.fft_samples
        )  # (B, fft / 2 + 1), complex64
        power = np.square(spectrum.real) + np.square(spectrum.imag)
        yield block, np.sqrt(power) if options.scale == "magnitude" else power
