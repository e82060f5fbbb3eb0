"""Noise to add to speech: generated, or from a folder of recordings, at a given ratio.

Beside `rooms` and `channels`: what real places do to a waveform before a recogniser hears it.
Everything random is drawn from the generator passed in.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from anylect.audio.filtering import Samples, fast_length, mean_power
from anylect.audio.sounds import Sounds
from anylect.errors import AudioError
from anylect.records import Waveform

COLOURS = {"white": 0.0, "pink": 1.0, "brown": 2.0}
"""Power falls with frequency as f to the minus this."""

_LOWEST_HZ = 50.0
"""Below it coloured noise rises no further: it would be all rumble that nobody hears."""
_FRAME_SECONDS = 0.02
_HANGOVER_FRAMES = 10
_MARGIN = 10**1.59
"""Active level over the threshold of activity: 15.9 dB (ITU-T P.56, sec. 7.4)."""
_STEP = 10**0.05
"""From one threshold tried to the next: half a decibel."""
_HUM_FALL_DB = 6.0
"""From one harmonic of the mains to the next."""
_DRAWS = 8


def add_noise(waveform: Waveform, noise: Samples, *, snr_db: float) -> Waveform:
    """Add noise so that the speech's active level stands `snr_db` above the noise's mean power.

    The active level leaves pauses out, so that an utterance with long pauses is as noisy, while
    somebody speaks, as one without.

    Args:
        waveform: Speech; silence stays silence, for no noise has a finite ratio to it.
        noise: As long as the waveform, of any level.
        snr_db: Signal-to-noise ratio in decibels.

    Example:
        >>> speech = Waveform(np.full(16_000, 0.5, np.float32), 16_000)
        >>> noisy = add_noise(speech, np.full(16_000, 7.0, np.float32), snr_db=20)
        >>> print(noisy.samples[0].round(4))
        0.55
    """
    power, noise_power = active_power(waveform), mean_power(noise)
    if not power or not noise_power:
        return waveform
    scale = np.float32(np.sqrt(power / noise_power / 10 ** (snr_db / 10)))
    return Waveform(waveform.samples + noise * scale, waveform.sample_rate)


def active_power(waveform: Waveform) -> float:
    """Measure the mean power of speech while it is active, after ITU-T P.56 (method B).

    All energy is divided by the time in which frames of 20 ms stand above a threshold, and 0.2 s
    after each; the threshold is the one 15.9 dB below the level that results. The standard
    smooths the rectified signal where we take frames.

    Returns:
        Mean square, 1.0 at full scale of a square wave; zero for silence.
    """
    samples, size = waveform.samples, max(1, round(_FRAME_SECONDS * waveform.sample_rate))
    if not len(samples):
        return 0.0
    starts = np.arange(0, len(samples), size)
    energies = np.add.reduceat(np.square(samples, dtype=np.float64), starts)
    sizes = np.minimum(size, len(samples) - starts)
    powers = energies / sizes
    total, loudest = float(energies.sum()), float(powers.max())
    # No level is below that of the whole, so no threshold is below the one that belongs to it.
    threshold = total / len(samples) / _MARGIN
    while True:
        level = total / float(sizes[_is_active(powers >= threshold)].sum())
        if level <= threshold * _MARGIN or threshold * _STEP > loudest:
            return level
        threshold *= _STEP


def _is_active(loud: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Count the frames after a loud one as active too, for the time of the hangover."""
    frames = np.arange(len(loud))
    last = np.maximum.accumulate(np.where(loud, frames, -_HANGOVER_FRAMES - 1))
    return frames - last <= _HANGOVER_FRAMES


def coloured_noise(
    size: int, generator: np.random.Generator, *, sample_rate: int, exponent: float
) -> Samples:
    """Draw noise whose power falls with frequency as f^-exponent above 50 Hz, and is even below.

    Args:
        size: Samples wanted.
        generator: What is drawn from.
        sample_rate: Hertz.
        exponent: 0 is white, 1 pink, 2 brown; see `COLOURS`.
    """
    if not exponent:
        return generator.standard_normal(size, dtype=np.float32)
    length = fast_length(max(1, size))
    spectrum = np.fft.rfft(generator.standard_normal(length, dtype=np.float32))
    hz = np.arange(len(spectrum), dtype=np.float32) * np.float32(sample_rate / length)
    spectrum *= np.maximum(hz / np.float32(_LOWEST_HZ), 1) ** np.float32(-exponent / 2)
    return np.fft.irfft(spectrum, length)[:size].astype(np.float32, copy=False)


def hum(
    size: int, generator: np.random.Generator, *, sample_rate: int, mains_hz: float = 50.0
) -> Samples:
    """Make the hum of mains: harmonics up to 2 kHz, each 6 dB weaker, phases drawn at random."""
    time = np.arange(size, dtype=np.float64) / sample_rate
    made = np.zeros(size, np.float32)
    highest = min(2_000.0, 0.45 * sample_rate)
    for harmonic in range(1, int(highest / mains_hz) + 1):
        amplitude = 10 ** (-_HUM_FALL_DB * (harmonic - 1) / 20)
        phase = generator.uniform(0, 2 * np.pi)
        if amplitude < 1e-4:
            break
        made += np.float32(amplitude) * np.sin(2 * np.pi * harmonic * mains_hz * time + phase)
    return made.astype(np.float32, copy=False)


def babble(size: int, voices: Sequence[Waveform], generator: np.random.Generator) -> Samples:
    """Mix voices into babble, each at the same active level, looped from a place drawn at random.

    Args:
        size: Samples wanted.
        voices: Utterances at one sample rate; six and more are babble, fewer are people talking.
        generator: What is drawn from.
    """
    made = np.zeros(size, np.float32)
    for voice in voices:
        power = active_power(voice)
        if power:
            made += loop(voice.samples, size, generator) / np.float32(np.sqrt(power))
    return made


def loop(samples: Samples, size: int, generator: np.random.Generator) -> Samples:
    """Take `size` samples from a place drawn at random, beginning anew where they end.

    Example:
        >>> looped = loop(np.arange(3, dtype=np.float32), 4, np.random.default_rng(0))
        >>> looped.tolist()
        [2.0, 0.0, 1.0, 2.0]
    """
    if len(samples) > size:
        start = int(generator.integers(len(samples) - size, endpoint=True))
        return samples[start : start + size]
    start = int(generator.integers(len(samples)))
    return np.resize(np.roll(samples, -start), size)


def draw_noise(
    sounds: Sounds, size: int, generator: np.random.Generator, *, sample_rate: int
) -> Samples:
    """Draw a recording of a folder and a stretch of it; one too short is looped.

    Every recording is as likely as any other. Stretches of digital silence are drawn anew.

    Raises:
        AudioError: For a recording that cannot be read, or a folder of silence.
    """
    for _ in range(_DRAWS):
        drawn = sounds.draw(size / sample_rate, generator, sample_rate=sample_rate)
        if drawn.any():
            return loop(drawn, size, generator)
    raise AudioError(
        f"{sounds.folder}: {_DRAWS} stretches drawn were all silent",
        hint="remove the recordings without sound",
    )
