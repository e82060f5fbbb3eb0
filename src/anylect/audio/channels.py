"""What stands between a mouth and a recording: microphones, levels, clocks, lines and packets.

Every function takes a waveform and gives one of the same length (but for speed and tempo), in
time with the one that came in. Codecs have a room of their own, `codecs`.
"""

from typing import Literal

import numpy as np
import soxr  # type: ignore[import-untyped]  # ships no types
from numpy.typing import NDArray

from anylect.audio.filtering import Samples, band, filter_spectrum, match_power
from anylect.audio.noise import active_power
from anylect.records import Waveform

TELEPHONE_HZ = (300.0, 3_400.0)
"""The band of analogue telephony (ITU-T G.712)."""
TELEPHONE_RATE = 8_000
PACKET_SECONDS = 0.02
"""Of speech in one packet, as nearly all telephony over the internet sends it."""

_MU = np.float32(255.0)
_FADE_DB = 6.0
"""By which every further packet that repeats the last one is weaker."""
_GRAIN_SECONDS = 0.03
_SEARCH_SECONDS = 0.01


def change_speed(waveform: Waveform, *, speed: float) -> Waveform:
    """Play faster (above 1.0) or slower, pitch and all, by resampling."""
    changed: Samples = soxr.resample(waveform.samples, speed, 1.0, quality="MQ")
    return Waveform(changed, waveform.sample_rate)


def change_tempo(waveform: Waveform, *, tempo: float) -> Waveform:
    """Speak faster (above 1.0) or slower at the same pitch (WSOLA, Verhelst & Roelands 1993).

    Grains of 30 ms are laid half over each other, each taken, within 10 ms around where it should
    come from, from where it continues the one before best.
    """
    samples = waveform.samples
    half = max(1, round(_GRAIN_SECONDS * waveform.sample_rate / 2))
    search = max(1, round(_SEARCH_SECONDS * waveform.sample_rate))
    size = round(len(samples) / tempo)
    padded = np.pad(samples, (half + search, 3 * half + search))
    window = np.hanning(2 * half + 1)[:-1].astype(np.float32)
    made = np.zeros(size + 3 * half, np.float32)
    place = half + search
    for start in range(0, size + half, half):
        # Grain k is centred on k · half of the result, so it comes from there times the tempo.
        wanted = min(round(start * tempo), len(samples)) + search
        if start:
            wanted += _best_shift(padded, place + half, wanted, half=half, search=search)
        place = wanted
        made[start : start + 2 * half] += window * padded[place : place + 2 * half]
    return Waveform(made[half : half + size], waveform.sample_rate)


def _best_shift(padded: Samples, natural: int, wanted: int, *, half: int, search: int) -> int:
    """Find the shift at which what is wanted looks most like what would follow naturally."""
    target = padded[natural : natural + half]
    region = padded[wanted - search : wanted + search + half]
    if len(target) < half or not target.any():
        return 0
    likeness = np.correlate(region, target, mode="valid")
    squares = np.cumsum(np.concatenate([[0.0], np.square(region, dtype=np.float64)]))
    energies = squares[half:] - squares[:-half]
    return int(np.argmax(likeness / np.sqrt(energies + 1e-9))) - search


def limit_band(waveform: Waveform, *, band_hz: tuple[float, float]) -> Waveform:
    """Remove what lies outside a band, with soft edges; length and mean power stay."""
    limited = filter_spectrum(waveform.samples, waveform.sample_rate, band(*band_hz))
    return Waveform(match_power(limited, waveform.samples), waveform.sample_rate)


def change_microphone(
    waveform: Waveform, generator: np.random.Generator, *, deviation_db: float
) -> Waveform:
    """Colour the samples as another microphone would; length and mean power stay.

    The response is drawn in decibels at every octave from 62.5 Hz and straight between them.
    """
    sample_rate = waveform.sample_rate
    octaves = np.arange(np.log2(62.5), np.log2(sample_rate / 2) + 1)
    response_db = generator.normal(0.0, deviation_db, len(octaves))

    def shape(hz: NDArray[np.float64]) -> NDArray[np.float64]:
        decibels = np.interp(np.log2(np.maximum(hz, 1.0)), octaves, response_db)
        return np.asarray(10 ** (decibels / 20))

    coloured = filter_spectrum(waveform.samples, sample_rate, shape)
    return Waveform(match_power(coloured, waveform.samples), sample_rate)


def telephone(waveform: Waveform) -> Waveform:
    """Send through a fixed line: 300 to 3,400 Hz, 8 kHz, μ-law (ITU-T G.711)."""
    narrow = change_rate(waveform, TELEPHONE_RATE)
    samples = filter_spectrum(narrow.samples, TELEPHONE_RATE, band(*TELEPHONE_HZ))
    line = Waveform(through_mulaw(samples), TELEPHONE_RATE)
    return fit(change_rate(line, waveform.sample_rate), len(waveform.samples))


def through_mulaw(samples: Samples) -> Samples:
    """Write samples in 8 bits of μ-law and read them back; what is beyond ±1 is clipped.

    The smooth curve with μ = 255 that G.711 approximates by straight pieces, in 256 steps.
    """
    clipped = np.clip(samples, -1.0, 1.0)
    bent = np.sign(clipped) * np.log1p(_MU * np.abs(clipped)) / np.log1p(_MU)
    steps = np.rint(bent * np.float32(127)) / np.float32(127)
    straight: Samples = np.sign(steps) * np.expm1(np.abs(steps) * np.log1p(_MU)) / _MU
    return straight


def clip(waveform: Waveform, *, headroom_db: float) -> Waveform:
    """Overdrive: nothing stands more than `headroom_db` above the speech's active level.

    Speech peaks some 12 to 15 dB above its active level; 6 dB crackles, 0 dB is crushed.
    """
    limit = np.float32(np.sqrt(active_power(waveform)) * 10 ** (headroom_db / 20))
    return Waveform(np.clip(waveform.samples, -limit, limit), waveform.sample_rate)


def change_level(waveform: Waveform, *, gain_db: float, bits: int = 16) -> Waveform:
    """Amplify and write down in so many bits, as a recorder set too low or too high does."""
    steps = np.float32(2 ** (bits - 1))
    scaled = np.rint(waveform.samples * (np.float32(10 ** (gain_db / 20)) * steps))
    return Waveform(np.clip(scaled, -steps, steps - 1) / steps, waveform.sample_rate)


def lose_packets(
    waveform: Waveform,
    generator: np.random.Generator,
    *,
    share: float,
    mean_burst_packets: float = 2.0,
    concealment: Literal["zero", "repeat"] = "repeat",
) -> Waveform:
    """Lose packets of 20 ms in bursts, as a Gilbert-Elliott channel does.

    Two states, a good one that delivers all and a bad one that delivers nothing (Gilbert 1960);
    Elliott's chances of losses in the good one and deliveries in the bad one are zero.

    Args:
        waveform: What is sent.
        generator: What is drawn from.
        share: Of packets lost in the long run, 0 to below 1.
        mean_burst_packets: Lost in a row on average, 1 or more.
        concealment: Silence in their place, or the last packet again, weaker each time.
    """
    size = max(1, round(PACKET_SECONDS * waveform.sample_rate))
    count = -(-len(waveform.samples) // size)
    lost = _draw_losses(count, generator, share=share, mean_burst_packets=mean_burst_packets)
    packets = np.pad(waveform.samples, (0, count * size - len(waveform.samples)))
    packets = packets.reshape(count, size).copy()
    if concealment == "zero":
        packets[lost] = 0
    else:
        numbers = np.arange(count)
        last = np.maximum.accumulate(np.where(lost, -1, numbers))
        fades = 10 ** (-_FADE_DB * np.maximum(numbers - last - 1, 0) / 20)
        fades[last < 0] = 0  # nothing has come yet
        packets = packets[last] * fades[:, None].astype(np.float32)
    return Waveform(packets.reshape(-1)[: len(waveform.samples)], waveform.sample_rate)


def _draw_losses(
    count: int, generator: np.random.Generator, *, share: float, mean_burst_packets: float
) -> NDArray[np.bool_]:
    leave = 1 / mean_burst_packets
    enter = min(1.0, share / (1 - share) * leave)
    is_bad = bool(generator.random() < share)
    lost = np.zeros(count, np.bool_)
    for index, chance in enumerate(generator.random(count)):
        lost[index] = is_bad
        is_bad = chance >= leave if is_bad else chance < enter
    return lost


def change_rate(waveform: Waveform, sample_rate: int) -> Waveform:
    """Resample; what is in time stays in time."""
    if sample_rate == waveform.sample_rate:
        return waveform
    samples: Samples = soxr.resample(waveform.samples, waveform.sample_rate, sample_rate)
    return Waveform(samples, sample_rate)


def fit(waveform: Waveform, size: int) -> Waveform:
    """Cut or pad with silence at the end to so many samples, as rounding of rates asks for."""
    samples = waveform.samples[:size]
    return Waveform(np.pad(samples, (0, size - len(samples))), waveform.sample_rate)
