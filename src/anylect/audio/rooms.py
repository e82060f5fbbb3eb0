"""Rooms: impulse responses, measured or made by the image-source method, and speech in them.

A response begins with the direct sound, so speech in a room stays where it was in time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from anylect.audio.filtering import Samples, convolve, filter_spectrum, match_power
from anylect.errors import ConfigError
from anylect.records import Waveform

ROOMS = 16
"""Different rooms made for one reverberation time and distance; utterances draw among them."""

_PLACES = 64
_SOUND_METRES_PER_SECOND = 343.0
_SMALLEST_METRES, _LARGEST_METRES = (3.0, 3.0, 2.4), (8.0, 6.0, 3.5)
_FROM_WALL_METRES = 0.3
_JITTER_METRES = 0.08
_LOWEST_HZ = 80.0
"""Image sources are all positive and pile up at 0 Hz (Allen & Berkley 1979, sec. III)."""
_CLOSE_METRES = 0.5
"""How far from the mouth a recording is taken to have been made."""
_BIN_SECONDS = 0.001
_FIT_DB = (-5.0, -25.0)
_DECAY_SECONDS = (0.15, 0.6)
"""Reverberation times (60 dB) of small and middling rooms."""
_DIRECT_SHARE = (0.5, 0.9)
"""Of a room's energy, what arrives directly."""


@dataclass(frozen=True, kw_only=True)
class Room:
    """A box with walls that reflect alike; metres, from one of its corners."""

    size: tuple[float, float, float]
    source: tuple[float, float, float]
    microphone: tuple[float, float, float]
    rt60_seconds: float
    """Until the sound has fallen by 60 dB."""


def add_room(waveform: Waveform, response: Samples) -> Waveform:
    """Let the waveform sound in a room; length and mean power stay, the direct sound is in time.

    Args:
        waveform: As recorded close to the mouth.
        response: (R,), its direct sound first, as `room_response` and `load_response` give it.
    """
    samples = waveform.samples
    heard = convolve(samples, response)[: len(samples)]
    return Waveform(match_power(heard, samples), waveform.sample_rate)


def far_field(
    waveform: Waveform, generator: np.random.Generator, *, distance_m: float, rt60_seconds: float
) -> Waveform:
    """Move the microphone away: one of the rooms, and a level that falls with distance.

    The direct sound halves with every doubling of the distance, from 0.5 m on; what the room
    adds does not.
    """
    number = int(generator.integers(ROOMS))
    response = make_response(
        number, waveform.sample_rate, distance_m=distance_m, rt60_seconds=rt60_seconds
    )
    heard = convolve(waveform.samples, response)[: len(waveform.samples)]
    return Waveform(heard * np.float32(_CLOSE_METRES / distance_m), waveform.sample_rate)


def draw_far_field(
    waveform: Waveform,
    generator: np.random.Generator,
    *,
    distance_m: tuple[float, float],
    rt60_seconds: tuple[float, float],
) -> Waveform:
    """Move the microphone away, at a distance and in a room drawn between bounds.

    There are 64 places between the bounds, each made once and then at hand.
    """
    place = np.random.default_rng(generator.integers(_PLACES))
    return far_field(
        waveform,
        place,
        distance_m=place.uniform(*distance_m),
        rt60_seconds=place.uniform(*rt60_seconds),
    )


@lru_cache(maxsize=256)
def make_response(
    number: int, sample_rate: int, *, distance_m: float, rt60_seconds: float
) -> Samples:
    """Make the response of room `number`, always the same; kept, as it takes up to half a second.

    Not to be written to, for others are given the same samples.
    """
    generator = np.random.default_rng((number, round(1e3 * distance_m), round(1e3 * rt60_seconds)))
    room = draw_room(generator, distance_m=distance_m, rt60_seconds=rt60_seconds)
    response = room_response(room, generator, sample_rate=sample_rate)
    response.setflags(write=False)
    return response


def draw_room(generator: np.random.Generator, *, distance_m: float, rt60_seconds: float) -> Room:
    """Draw a box, and a mouth and a microphone in it at a distance from each other.

    Raises:
        ConfigError: For a distance or a reverberation time that no such room has.
    """
    if not 0.1 <= rt60_seconds <= 1.5 or not 0.1 <= distance_m <= 7.0:
        raise ConfigError(
            f"no room is made with {rt60_seconds} s of reverberation, heard from {distance_m} m",
            hint="expected 0.1 to 1.5 s and 0.1 to 7 m; for halls, measured responses are better",
        )
    while True:
        size = generator.uniform(_SMALLEST_METRES, _LARGEST_METRES)
        if np.linalg.norm(size) < distance_m + 1:
            size = np.array(_LARGEST_METRES)
        microphone = generator.uniform(_FROM_WALL_METRES, size - _FROM_WALL_METRES)
        direction = generator.standard_normal(3) * (1, 1, 0.2)  # people sit and stand
        source = microphone + distance_m * direction / np.linalg.norm(direction)
        inside = (source > _FROM_WALL_METRES) & (source < size - _FROM_WALL_METRES)
        if inside.all():
            return Room(
                size=_triple(size),
                source=_triple(source),
                microphone=_triple(microphone),
                rt60_seconds=rt60_seconds,
            )


def room_response(room: Room, generator: np.random.Generator, *, sample_rate: int) -> Samples:
    """Compute a room's impulse response by the image-source method (Allen & Berkley 1979).

    The walls' reflection is not taken from Sabine's or Eyring's formula, with which such rooms
    ring longer than asked, but chosen so that the energy of the images falls by 60 dB in the time
    asked. Images are moved at random by up to 8 cm, against the sweeping echoes of a perfect box
    (De Sena et al. 2015).

    Returns:
        (R,), the direct sound first, at one; as long as the reverberation time.
    """
    distances, reflections = _images(room, generator)
    direct = distances.min()
    amplitudes = direct / distances
    times = (distances - direct) / _SOUND_METRES_PER_SECOND
    reflection = _find_reflection(times, amplitudes, reflections, seconds=room.rt60_seconds)
    size = round(room.rt60_seconds * sample_rate) + 1
    places = np.rint(times * sample_rate).astype(np.int64)
    within = places < size
    weights = amplitudes[within] * reflection ** reflections[within].astype(np.float64)
    pulses = np.bincount(places[within], weights, minlength=size).astype(np.float32)

    def shape(hz: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.minimum(1.0, (hz / _LOWEST_HZ) ** 2)

    # Silence behind keeps what the filter rings before the direct sound from coming round.
    padded = np.pad(pulses, (0, sample_rate // 4))
    filtered = filter_spectrum(padded, sample_rate, shape)[:size]
    response: Samples = filtered / filtered[0]
    return response


def _images(
    room: Room, generator: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return distances of all images within the reverberation time, and their reflections."""
    direct = np.linalg.norm(np.subtract(room.source, room.microphone))
    reach = float(room.rt60_seconds * _SOUND_METRES_PER_SECOND + direct)
    axes = [
        _along_axis(*each, reach=reach)
        for each in zip(room.size, room.source, room.microphone, strict=True)
    ]
    (x, x_bounces), (y, y_bounces), (z, z_bounces) = axes
    flat = np.hypot(x[:, None], y[None, :]).ravel()
    flat_bounces = (x_bounces[:, None] + y_bounces[None, :]).ravel()
    flat_bounces = flat_bounces[flat <= reach]
    flat = flat[flat <= reach]
    distances = np.hypot(flat[:, None], z[None, :])
    near = distances <= reach
    reflections = (flat_bounces[:, None] + z_bounces[None, :])[near]
    found = distances[near]
    moved = generator.uniform(-_JITTER_METRES, _JITTER_METRES, len(found))
    found = np.where(reflections > 0, np.maximum(found + moved, direct), found)
    return found, reflections


def _along_axis(
    size: float, source: float, microphone: float, *, reach: float
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the images' distances along one axis, and how often each met a wall of the two."""
    most = int(np.ceil(reach / (2 * size))) + 1
    rooms = np.arange(-most, most + 1)
    straight = 2 * rooms * size + source - microphone
    mirrored = 2 * rooms * size - source - microphone
    bounces = np.concatenate([2 * np.abs(rooms), np.abs(rooms) + np.abs(rooms - 1)])
    return np.concatenate([straight, mirrored]), bounces


def _find_reflection(
    times: NDArray[np.float64],
    amplitudes: NDArray[np.float64],
    reflections: NDArray[np.int64],
    *,
    seconds: float,
) -> float:
    """Find, by bisection, the factor per reflection with which 60 dB take so many seconds."""
    bins = int(seconds / _BIN_SECONDS) + 1
    most = int(reflections.max()) + 1
    within = times < bins * _BIN_SECONDS
    places = (times[within] / _BIN_SECONDS).astype(np.int64) * most + reflections[within]
    energies = np.bincount(places, amplitudes[within] ** 2, minlength=bins * most)
    table = energies.reshape(bins, most)
    low, high = 0.0, 1.0
    for _ in range(24):
        middle = (low + high) / 2
        decay = table @ middle ** (2.0 * np.arange(most))
        if _decay_seconds(decay, step=_BIN_SECONDS) > seconds:
            high = middle
        else:
            low = middle
    return (low + high) / 2


def reverberation_seconds(response: Samples, *, sample_rate: int) -> float:
    """Measure the reverberation time of a response by backward integration (Schroeder 1965).

    A line is fitted to the decay from -5 to -25 dB and continued to -60 dB (T20, ISO 3382-2).

    Example:
        >>> decay = 10 ** (-3 * np.arange(16_000, dtype=np.float32) / 8_000)
        >>> round(reverberation_seconds(decay, sample_rate=16_000), 3)
        0.5
    """
    return _decay_seconds(np.square(response, dtype=np.float64), step=1 / sample_rate)


def _decay_seconds(energies: NDArray[np.float64], *, step: float) -> float:
    left = np.cumsum(energies[::-1])[::-1]
    left_db = 10 * np.log10(np.maximum(left / left[0], 1e-12))
    first, last = (int(np.argmax(left_db <= bound)) for bound in _FIT_DB)
    if last - first < 2:
        return 0.0
    slope = np.polyfit(np.arange(first, last) * step, left_db[first:last], 1)[0]
    return float(-60 / slope)


def decaying_response(generator: np.random.Generator, *, sample_rate: int) -> Samples:
    """Draw white noise that decays behind the direct sound: the cheapest of rooms (Moorer 1979).

    Its reverberation time lies between 0.15 and 0.6 s.
    """
    seconds = generator.uniform(*_DECAY_SECONDS)
    size = round(seconds * sample_rate)
    decay = np.exp(np.linspace(0.0, -np.log(1000.0), size)).astype(np.float32)
    response = generator.standard_normal(size, dtype=np.float32) * decay
    direct = generator.uniform(*_DIRECT_SHARE)
    response *= np.float32(np.sqrt((1 - direct) / direct / np.square(response).sum()))
    response[0] = 1.0
    return response


def _triple(values: Sequence[float] | NDArray[np.float64]) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in values)
    return x, y, z
