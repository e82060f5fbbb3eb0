"""Recordings varied on the fly, so that a model hears more speakers and rooms than there are.

Stands between loading and features, in training only. Everything random is drawn from the
generator passed in, so the same seed gives the same audio. All of it is off unless asked for.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import soxr  # type: ignore[import-untyped]  # ships no types
from numpy.typing import NDArray

from anylect.errors import ConfigError
from anylect.records import Waveform

Samples = NDArray[np.float32]
"""(S,), mono."""
Features = NDArray[np.float32]
"""(T, F)."""

_TELEPHONE_HZ = (300.0, 3_400.0)
"""The band of analogue telephony (ITU-T G.712)."""
_EDGE = 0.2
"""Share of a corner frequency over which a band fades out."""
_ROOM_SECONDS = (0.15, 0.6)
"""Reverberation times (60 dB) of small and middling rooms."""
_DIRECT_SHARE = (0.5, 0.9)
"""Of a room's energy, what arrives directly."""


@dataclass(frozen=True, kw_only=True)
class AugmentOptions:
    """What a waveform goes through, in this order."""

    speeds: tuple[float, ...] = (1.0,)
    """Drawn anew for every utterance; 0.9, 1.0, 1.1 are usual (Ko et al. 2015). Changes
    duration and pitch together, as a tape does."""
    room_probability: float = 0.0
    """Of a simulated room: decaying noise as impulse response, same level as before."""
    microphone_db: float = 0.0
    """Standard deviation, octave by octave, of a random microphone's response; 4 is fair."""
    telephone_probability: float = 0.0
    """Of a telephone's band, 300 to 3,400 Hz."""
    noise_probability: float = 0.0
    """Of steady noise of a random colour between white and brown."""
    noise_snr_db: tuple[float, float] = (10.0, 30.0)
    """Speech over noise, drawn evenly between these."""
    gain_db: tuple[float, float] = (0.0, 0.0)
    """Drawn evenly between these; without effect on models that normalize."""

    def __post_init__(self) -> None:
        for speed in self.speeds:
            if not 0.25 <= speed <= 4.0:
                raise ConfigError(f"a speed is {speed}", hint="expected 0.25 to 4.0, e.g. 0.9")
        if not self.speeds:
            raise ConfigError("`speeds` is empty", hint="`speeds = [1.0]` leaves them as they are")
        for name in ("room_probability", "telephone_probability", "noise_probability"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"`{name}` is {getattr(self, name)}", hint="expected 0 to 1")
        if self.microphone_db < 0:
            raise ConfigError(f"`microphone_db` is {self.microphone_db}", hint="expected 0 or more")
        for name in ("noise_snr_db", "gain_db"):
            low, high = getattr(self, name)
            if low > high:
                raise ConfigError(
                    f"`{name}` is [{low}, {high}]", hint="the lower bound comes first"
                )


@dataclass(frozen=True, kw_only=True)
class SpecAugmentOptions:
    """Masks in time and frequency (Park et al. 2019, sec. 2), never longer than the features.

    Its policies for large corpora use two masks of each kind, up to 27 bins and 100 frames.
    """

    time_masks: int = 0
    """How many stretches of frames are masked."""
    time_mask_frames: int = 100
    """Longest of them; their lengths are drawn evenly from zero up."""
    time_mask_share: float = 0.2
    """Longest of them as a share of the utterance, so that short ones keep their words."""
    frequency_masks: int = 0
    """How many bands of bins are masked."""
    frequency_mask_bins: int = 27
    """Widest of them; their widths are drawn evenly from zero up."""

    def __post_init__(self) -> None:
        for name in ("time_masks", "time_mask_frames", "frequency_masks", "frequency_mask_bins"):
            if getattr(self, name) < 0:
                raise ConfigError(f"`{name}` is {getattr(self, name)}", hint="expected 0 or more")
        if not 0 <= self.time_mask_share <= 1:
            raise ConfigError(
                f"`time_mask_share` is {self.time_mask_share}", hint="expected 0 to 1"
            )


def augment_waveform(
    waveform: Waveform, options: AugmentOptions, generator: np.random.Generator
) -> Waveform:
    """Vary speed, room, band, noise and gain of a waveform, as far as the options ask for it.

    Example:
        >>> waveform = Waveform(np.ones(16_000, np.float32), 16_000)
        >>> faster = AugmentOptions(speeds=(1.25,))
        >>> augment_waveform(waveform, faster, np.random.default_rng(0)).duration
        0.8
    """
    samples, sample_rate = waveform.samples, waveform.sample_rate
    if not len(samples):
        return waveform
    speed = options.speeds[generator.integers(len(options.speeds))]
    if speed != 1.0:
        samples = change_speed(samples, speed)
    if generator.random() < options.room_probability:
        samples = add_room(samples, sample_rate, generator)
    if options.microphone_db:
        samples = change_microphone(
            samples, sample_rate, generator, deviation_db=options.microphone_db
        )
    if generator.random() < options.telephone_probability:
        samples = limit_band(samples, sample_rate, band_hz=_TELEPHONE_HZ)
    if generator.random() < options.noise_probability:
        snr_db = generator.uniform(*options.noise_snr_db)
        samples = add_noise(samples, coloured_noise(len(samples), generator), snr_db=snr_db)
    gain_db = generator.uniform(*options.gain_db)
    if gain_db:
        samples = samples * np.float32(10 ** (gain_db / 20))
    return Waveform(samples, sample_rate)


def change_speed(samples: Samples, speed: float) -> Samples:
    """Play faster (above 1.0) or slower, pitch and all, by resampling."""
    changed: Samples = soxr.resample(samples, speed, 1.0, quality="MQ")
    return changed


def add_noise(samples: Samples, noise: Samples, *, snr_db: float) -> Samples:
    """Add noise so that the samples' mean power stands `snr_db` above the noise's.

    Args:
        samples: (S,); silence stays silence, for no noise has a finite ratio to it.
        noise: (S,) of any level.
        snr_db: Signal-to-noise ratio, decibels.
    """
    power, noise_power = _power(samples), _power(noise)
    if not power or not noise_power:
        return samples
    scale = np.sqrt(power / noise_power / 10 ** (snr_db / 10))
    return samples + noise * np.float32(scale)


def coloured_noise(size: int, generator: np.random.Generator) -> Samples:
    """Draw noise whose power falls with frequency as f^-c, c drawn from 0 (white) to 2 (brown)."""
    exponent = generator.uniform(0.0, 2.0)
    length = _fast_length(size)
    spectrum = np.fft.rfft(generator.standard_normal(length, dtype=np.float32))
    falls = np.arange(1, len(spectrum) + 1, dtype=np.float32) ** np.float32(-exponent / 2)
    return np.fft.irfft(spectrum * falls, length)[:size].astype(np.float32, copy=False)


def add_room(samples: Samples, sample_rate: int, generator: np.random.Generator) -> Samples:
    """Let the samples sound in a room: white noise decaying by 60 dB, behind the direct sound.

    The oldest model of late reverberation (Moorer 1979); length and mean power stay.
    """
    seconds = generator.uniform(*_ROOM_SECONDS)
    size = round(seconds * sample_rate)
    decay = np.exp(np.linspace(0.0, -np.log(1000.0), size)).astype(np.float32)
    response = generator.standard_normal(size, dtype=np.float32) * decay
    direct = generator.uniform(*_DIRECT_SHARE)
    response *= np.float32(np.sqrt((1 - direct) / direct / np.square(response).sum()))
    response[0] = 1.0
    length = _fast_length(len(samples) + size)
    product = np.fft.rfft(samples, length) * np.fft.rfft(response, length)
    return _same_power(np.fft.irfft(product, length)[: len(samples)], samples)


def limit_band(samples: Samples, sample_rate: int, *, band_hz: tuple[float, float]) -> Samples:
    """Remove what lies outside a band, with soft edges; length and mean power stay."""
    low, high = band_hz

    def shape(hz: NDArray[np.float64]) -> NDArray[np.float64]:
        rising = np.clip((hz / low - 1) / _EDGE + 1, 0, 1)
        falling = np.clip((1 - hz / high) / _EDGE + 1, 0, 1)
        return np.minimum(rising, falling)

    return _filtered(samples, sample_rate, shape)


def change_microphone(
    samples: Samples, sample_rate: int, generator: np.random.Generator, *, deviation_db: float
) -> Samples:
    """Colour the samples as another microphone would; length and mean power stay.

    The response is drawn in decibels at every octave from 62.5 Hz and straight between them.
    """
    octaves = np.arange(np.log2(62.5), np.log2(sample_rate / 2) + 1)
    response_db = generator.normal(0.0, deviation_db, len(octaves))

    def shape(hz: NDArray[np.float64]) -> NDArray[np.float64]:
        decibels = np.interp(np.log2(np.maximum(hz, 1.0)), octaves, response_db)
        return np.asarray(10 ** (decibels / 20))

    return _filtered(samples, sample_rate, shape)


def _filtered(
    samples: Samples, sample_rate: int, shape: Callable[[NDArray[np.float64]], NDArray[np.float64]]
) -> Samples:
    """Multiply the spectrum by `shape` of its frequencies in hertz."""
    length = _fast_length(len(samples))
    spectrum = np.fft.rfft(samples, length)
    hz = np.arange(len(spectrum)) * sample_rate / length
    filtered = np.fft.irfft(spectrum * shape(hz).astype(np.float32), length)
    return _same_power(filtered[: len(samples)], samples)


def mask_features(
    rows: Features, options: SpecAugmentOptions, generator: np.random.Generator
) -> Features:
    """Lay SpecAugment's masks over features; a masked value is its bin's mean.

    Args:
        rows: (T, F); left as they are, the result is a copy.
        options: How many masks, how large at most.
        generator: What is drawn from.

    Example:
        >>> options = SpecAugmentOptions(time_masks=1, time_mask_share=1.0)
        >>> masked = mask_features(np.eye(3, dtype=np.float32), options, np.random.default_rng(1))
        >>> masked.shape
        (3, 3)
    """
    frames, bins = rows.shape
    masked = rows.copy()
    if not rows.size or not (options.time_masks or options.frequency_masks):
        return masked
    means = rows.mean(axis=0)
    longest = min(options.time_mask_frames, int(options.time_mask_share * frames))
    for _ in range(options.time_masks):
        first, last = _draw_stretch(frames, longest, generator)
        masked[first:last] = means
    widest = min(options.frequency_mask_bins, bins)
    for _ in range(options.frequency_masks):
        first, last = _draw_stretch(bins, widest, generator)
        masked[:, first:last] = means[first:last]
    return masked


def _draw_stretch(size: int, longest: int, generator: np.random.Generator) -> tuple[int, int]:
    length = int(generator.integers(longest, endpoint=True))
    first = int(generator.integers(size - length, endpoint=True))
    return first, first + length


def _power(samples: Samples) -> float:
    return float(np.dot(samples, samples)) / max(1, len(samples))


def _same_power(changed: NDArray[np.floating], samples: Samples) -> Samples:
    power = _power(changed.astype(np.float32, copy=False))
    scale = np.sqrt(_power(samples) / power) if power else 1.0
    return (changed * scale).astype(np.float32)


def _fast_length(size: int) -> int:
    """Return a length at or above `size` that is quick to transform: 2^k, 3 · 2^k or 5 · 2^k."""
    power = 1 << max(0, size - 1).bit_length()
    fitting = [length for length in (power * 5 // 8, power * 3 // 4) if length >= size]
    return min([*fitting, max(power, 2)])
