"""Recordings varied on the fly, so that a model hears more speakers and rooms than there are.

Stands between loading and features, in training only. Everything random is drawn from the
generator passed in, so the same seed gives the same audio. All of it is off unless asked for.
What is done to a waveform stands in `rooms`, `noise`, `channels` and `codecs`.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anylect.audio.channels import (
    change_microphone,
    change_speed,
    change_tempo,
    clip,
    lose_packets,
    telephone,
)
from anylect.audio.codecs import parse_codec, through_codec
from anylect.audio.noise import add_noise, coloured_noise, draw_noise
from anylect.audio.rooms import add_room, decaying_response, draw_far_field
from anylect.audio.sounds import open_sounds
from anylect.config import refuse_below
from anylect.errors import ConfigError
from anylect.records import Waveform

Features = NDArray[np.float32]
"""(T, F)."""

_STEEPEST = 2.0
"""Of generated noise: brown."""


@dataclass(frozen=True, kw_only=True)
class AugmentOptions:
    """What a waveform goes through, in this order; a probability of zero leaves a step out."""

    speeds: tuple[float, ...] = (1.0,)
    """Drawn anew for every utterance; 0.9, 1.0, 1.1 are usual (Ko et al. 2015). Changes
    duration and pitch together, as a tape does."""
    tempo: tuple[float, float] = (1.0, 1.0)
    """Drawn evenly between these: how much faster is spoken, at the same pitch."""
    room_probability: float = 0.0
    """Of a room: same level as before, the direct sound where it was."""
    rooms_folder: Path | None = None
    """Measured impulse responses; by default decaying noise stands for them."""
    far_field_probability: float = 0.0
    """Of a microphone across a simulated room, where the voice is weaker than its echoes."""
    far_field_m: tuple[float, float] = (1.0, 4.0)
    """Metres from mouth to microphone."""
    far_field_rt60_seconds: tuple[float, float] = (0.2, 0.8)
    """Reverberation time of those rooms."""
    microphone_db: float = 0.0
    """Standard deviation, octave by octave, of a random microphone's response; 4 is fair."""
    noise_probability: float = 0.0
    """Of noise: steady, of a random colour between white and brown, or from a folder."""
    noise_folder: Path | None = None
    """Recordings of noise, in it or in folders below; a stretch of one is drawn each time."""
    noise_snr_db: tuple[float, float] = (10.0, 30.0)
    """Active speech over noise, drawn evenly between these."""
    clipping_probability: float = 0.0
    """Of an overdriven recording."""
    clipping_headroom_db: tuple[float, float] = (0.0, 10.0)
    """From the speech's active level up to where it is cut off."""
    telephone_probability: float = 0.0
    """Of a fixed line: 300 to 3,400 Hz, 8 kHz, μ-law."""
    codec_probability: float = 0.0
    """Of one of the codecs, each as likely as the others."""
    codecs: tuple[str, ...] = ("gsm 13", "amr 12.2", "opus 12", "mp3 16")
    """Names and thousand bits a second; `gsm`, `amr`, `opus` and `mp3` there are."""
    packet_loss_probability: float = 0.0
    """Of a call that loses packets of 20 ms in bursts."""
    packet_loss_percent: tuple[float, float] = (2.0, 20.0)
    """Of packets lost, drawn evenly between these."""
    gain_db: tuple[float, float] = (0.0, 0.0)
    """Drawn evenly between these; without effect on models that normalize, but for the `floor` of
    their features."""

    def __post_init__(self) -> None:
        for speed in self.speeds:
            if not 0.25 <= speed <= 4.0:
                raise ConfigError(f"a speed is {speed}", hint="expected 0.25 to 4.0, e.g. 0.9")
        if not self.speeds:
            raise ConfigError("`speeds` is empty", hint="`speeds = [1.0]` leaves them as they are")
        if not self.codecs and self.codec_probability:
            raise ConfigError("`codecs` is empty", hint='e.g. `codecs = ["opus 12"]`')
        for name in _PROBABILITIES:
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"`{name}` is {getattr(self, name)}", hint="expected 0 to 1")
        refuse_below(self, 0, "microphone_db")
        for name, bounds in _RANGES.items():
            _refuse_outside(name, getattr(self, name), bounds)


def _refuse_outside(name: str, given: tuple[float, float], bounds: tuple[float, float]) -> None:
    (low, high), (lowest, highest) = given, bounds
    if low > high:
        raise ConfigError(f"`{name}` is [{low}, {high}]", hint="the lower bound comes first")
    if not (lowest <= low and high <= highest):
        raise ConfigError(
            f"`{name}` is [{low}, {high}]", hint=f"expected {lowest:g} to {highest:g}"
        )


_PROBABILITIES = (
    "room_probability",
    "far_field_probability",
    "noise_probability",
    "clipping_probability",
    "telephone_probability",
    "codec_probability",
    "packet_loss_probability",
)
_RANGES = {
    "tempo": (0.5, 2.0),
    "far_field_m": (0.2, 7.0),
    "far_field_rt60_seconds": (0.1, 1.5),
    "noise_snr_db": (-50.0, 100.0),
    "clipping_headroom_db": (-20.0, 40.0),
    "packet_loss_percent": (0.0, 90.0),
    "gain_db": (-100.0, 100.0),
}
"""Lowest and highest that makes sense."""

ROBUST = AugmentOptions(
    speeds=(0.9, 1.0, 1.1),
    room_probability=0.2,
    far_field_probability=0.1,
    microphone_db=3.0,
    noise_probability=0.4,
    noise_snr_db=(5.0, 30.0),
    clipping_probability=0.05,
    telephone_probability=0.1,
    codec_probability=0.15,
    packet_loss_probability=0.05,
)
"""A bit of everything, for a recogniser that shall work anywhere; about two in five utterances
stay free of all but speed and microphone."""


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


def check_sources(options: AugmentOptions) -> None:
    """Raise what would otherwise be raised in the midst of training: a codec or folder not there.

    Raises:
        ConfigError: For a folder that is missing or empty, or a codec that cannot be had.
        AudioError: For a recording in a folder that cannot be read.
    """
    if options.noise_probability and options.noise_folder is not None:
        open_sounds(options.noise_folder)
    if options.room_probability and options.rooms_folder is not None:
        open_sounds(options.rooms_folder)
    if options.codec_probability:
        for name in options.codecs:
            parse_codec(name)


def augment_waveform(
    waveform: Waveform, options: AugmentOptions, generator: np.random.Generator
) -> Waveform:
    """Vary speed, tempo, room, noise, line and gain, as far as the options ask for it.

    Example:
        >>> waveform = Waveform(np.ones(16_000, np.float32), 16_000)
        >>> faster = AugmentOptions(speeds=(1.25,))
        >>> augment_waveform(waveform, faster, np.random.default_rng(0)).duration
        0.8
    """
    if not len(waveform.samples):
        return waveform
    speed = options.speeds[generator.integers(len(options.speeds))]
    if speed != 1.0:
        waveform = change_speed(waveform, speed=speed)
    if options.tempo != (1.0, 1.0):
        waveform = change_tempo(waveform, tempo=generator.uniform(*options.tempo))
    for step in (_place, _record, _send):
        waveform = step(waveform, options, generator)
    gain_db = generator.uniform(*options.gain_db)
    if gain_db:
        gain = np.float32(10 ** (gain_db / 20))
        waveform = Waveform(waveform.samples * gain, waveform.sample_rate)
    return waveform


def _place(waveform: Waveform, options: AugmentOptions, generator: np.random.Generator) -> Waveform:
    """Put the speech into a room, near or far; never both, as nobody is in two rooms."""
    rate = waveform.sample_rate
    if _happens(options.room_probability, generator):
        if options.rooms_folder is None:
            return add_room(waveform, decaying_response(generator, sample_rate=rate))
        sounds = open_sounds(options.rooms_folder)
        return add_room(waveform, sounds.draw_response(generator, sample_rate=rate))
    if _happens(options.far_field_probability, generator):
        return draw_far_field(
            waveform,
            generator,
            distance_m=options.far_field_m,
            rt60_seconds=options.far_field_rt60_seconds,
        )
    return waveform


def _record(
    waveform: Waveform, options: AugmentOptions, generator: np.random.Generator
) -> Waveform:
    """Record it, with another microphone, noise, and the level set too high."""
    if options.microphone_db:
        waveform = change_microphone(waveform, generator, deviation_db=options.microphone_db)
    if _happens(options.noise_probability, generator):
        snr_db = generator.uniform(*options.noise_snr_db)
        noise = _draw_noise(waveform, options, generator)
        waveform = add_noise(waveform, noise, snr_db=snr_db)
    if _happens(options.clipping_probability, generator):
        headroom_db = generator.uniform(*options.clipping_headroom_db)
        waveform = clip(waveform, headroom_db=headroom_db)
    return waveform


def _draw_noise(
    waveform: Waveform, options: AugmentOptions, generator: np.random.Generator
) -> NDArray[np.float32]:
    size, rate = len(waveform.samples), waveform.sample_rate
    if options.noise_folder is not None:
        return draw_noise(open_sounds(options.noise_folder), size, generator, sample_rate=rate)
    exponent = generator.uniform(0.0, _STEEPEST)
    return coloured_noise(size, generator, sample_rate=rate, exponent=exponent)


def _send(waveform: Waveform, options: AugmentOptions, generator: np.random.Generator) -> Waveform:
    """Send it through a line, a codec and a network that loses packets."""
    if _happens(options.telephone_probability, generator):
        waveform = telephone(waveform)
    if _happens(options.codec_probability, generator):
        codec, kbps = parse_codec(options.codecs[generator.integers(len(options.codecs))])
        waveform = through_codec(waveform, codec=codec, kbps=kbps)
    if _happens(options.packet_loss_probability, generator):
        percent = generator.uniform(*options.packet_loss_percent)
        waveform = lose_packets(waveform, generator, share=percent / 100)
    return waveform


def _happens(probability: float, generator: np.random.Generator) -> bool:
    # Nothing is drawn for what is off, so that a new kind does not change what others draw.
    return bool(probability) and bool(generator.random() < probability)


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
