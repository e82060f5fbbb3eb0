"""From a recording, bytes or an array to mono float32 samples at one rate: the walk begins here.

Channels are averaged, samples are resampled by soxr at its high quality, nothing is normalized
or clipped: samples beyond ±1 stay. One pipeline serves whole recordings, stretches and streams,
so a stream gives the very samples that loading gives. What is broken is an error, never silence.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soxr  # type: ignore[import-untyped]  # ships no types
from numpy.typing import NDArray

from anylect.audio.decoders import (
    Block,
    describe_source,
    is_short,
    measure,
    open_recording,
    scale_samples,
)
from anylect.audio.headers import Length
from anylect.errors import AudioError, ConfigError
from anylect.records import Utterance, Waveform

Samples = NDArray[np.float32]
"""(S,), mono."""

SAMPLE_RATES = (1_000, 1_000_000)
"""Hertz; a recording outside has a wrong header."""

_CUT_HINT = (
    "copy or download it again; to keep what is there, `ffmpeg -i IN OUT.flac` writes it anew"
)


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """What headers say: `duration` in seconds, `sample_rate` in hertz of the recording itself."""

    duration: float
    sample_rate: int
    channels: int


def load_waveform(
    source: Utterance | Path | str | bytes | NDArray[Any],
    *,
    sample_rate: int = 16_000,
    source_rate: int | None = None,
) -> Waveform:
    """Load a recording, or the stretch of it that is an utterance.

    An utterance's `start` is found by seeking, and its samples are resampled as if silence
    stood around them. A recording that decodes to clearly less than its header promises, or than
    its utterance lasts, is an error: half a recording with a whole transcript spoils training.

    Args:
        source: An utterance; a path; the bytes of a recording; or an array of samples, (S,) or
            with channels on its shorter axis, integers by their type's full scale.
        sample_rate: Hertz wanted.
        source_rate: Hertz of an array; recordings know theirs.

    Raises:
        AudioError: For a recording that is missing, empty, of unknown format, without audio,
            cut off or damaged, and for samples that are not numbers.

    Example:
        >>> load_waveform(np.zeros((2, 8_000)), source_rate=8_000).samples.shape
        (16000,)
    """
    check_rate(sample_rate, name="sample_rate")
    if isinstance(source, np.ndarray):
        parts: Iterable[Samples] = _stream_array(source, sample_rate, source_rate)
    elif isinstance(source, Utterance):
        parts = _stream_recording(
            source.audio, sample_rate, start=source.start, duration=source.duration
        )
    else:
        parts = _stream_recording(_as_source(source), sample_rate)
    gathered = [part for part in parts if len(part)]
    if len(gathered) == 1:
        return Waveform(gathered[0], sample_rate)
    samples = np.concatenate(gathered) if gathered else np.zeros(0, np.float32)
    return Waveform(samples, sample_rate)


def stream_samples(
    source: Path | str | bytes, *, sample_rate: int = 16_000, block_seconds: float = 10.0
) -> Iterator[Samples]:
    """Load a recording of any length piece by piece, in constant memory.

    The pieces joined are exactly what `load_waveform` gives.

    Args:
        source: A path or the bytes of a recording.
        sample_rate: Hertz wanted.
        block_seconds: Length of every piece but the last.

    Raises:
        AudioError: As `load_waveform`; for damage on the way, when it is reached.
    """
    check_rate(sample_rate, name="sample_rate")
    size = round(block_seconds * sample_rate)
    if size < 1:
        raise ConfigError(f"`block_seconds` is {block_seconds}", hint="it must be positive")
    held: list[Samples] = []
    length = 0
    for part in _stream_recording(_as_source(source), sample_rate):
        held.append(part)
        length += len(part)
        if length >= size:
            joined = np.concatenate(held)
            whole = length - length % size
            for position in range(0, whole, size):
                yield joined[position : position + size]
            held, length = [joined[whole:]], length - whole
    if length:
        yield np.concatenate(held)


def probe(source: Path | str | bytes) -> AudioInfo:
    """Read duration, sample rate and channels from headers, decoding nothing.

    Exact for WAV, FLAC, Ogg, Opus and AIFF. An MP3 that counts its frames is believed, one of
    constant bit rate is computed, one with neither is walked from frame to frame. M4A, WebM and
    video give what their container says, some hundredths of a second of padding included; WebM
    as browsers record it, without duration, is walked packet by packet. AAC and AMR without a
    container are estimates.

    Raises:
        AudioError: As `load_waveform`, as far as headers show.
    """
    found = _as_source(source)
    name = describe_source(found)
    measured = _refuse_cut(found, walks_all=False)
    if measured is not None:
        info = AudioInfo(
            measured.samples / max(1, measured.sample_rate), measured.sample_rate, measured.channels
        )
    else:
        with open_recording(found) as recording:
            duration = recording.find_duration()
            info = AudioInfo(duration, recording.sample_rate, recording.channels)
    _check_recorded_rate(info.sample_rate, name=name)
    if info.duration <= 0:
        raise _no_samples(name)
    return info


def _stream_recording(
    source: Path | bytes,
    sample_rate: int,
    *,
    start: float = 0.0,
    duration: float | None = None,
) -> Iterator[Samples]:
    """Decode, average channels and resample; then check that nothing was missing."""
    if start < 0 or (duration is not None and duration <= 0):
        raise AudioError(
            f"{describe_source(source)}: cannot take {duration} s from {start} s on",
            hint="`start` must not be negative, `duration` must be positive",
        )
    if duration is None:
        _refuse_cut(source, walks_all=True)
    with open_recording(source) as recording:
        _check_recorded_rate(recording.sample_rate, name=recording.name)
        seen = 0

        def count_mono() -> Iterator[Samples]:
            nonlocal seen
            for block in recording.blocks(start=start, duration=duration):
                at = start + seen / recording.sample_rate
                seen += len(block)
                yield _average(block, name=recording.name, at=at, rate=recording.sample_rate)

        yield from _resample(count_mono(), recording.sample_rate, sample_rate)
        expected = duration
        if expected is None and recording.promised is not None:
            expected = recording.promised - start
        _check_complete(recording.name, start, seen / recording.sample_rate, expected)


def _stream_array(
    samples: NDArray[Any], sample_rate: int, source_rate: int | None
) -> Iterator[Samples]:
    if source_rate is None:
        raise ConfigError(
            "an array of samples came without its sample rate",
            hint="pass it, e.g. `load_waveform(samples, source_rate=44_100)`",
        )
    check_rate(source_rate, name="source_rate")
    is_number = np.issubdtype(samples.dtype, np.number) and not np.iscomplexobj(samples)
    if samples.ndim not in (1, 2) or not is_number:
        raise AudioError(
            f"array of shape {samples.shape} and type {samples.dtype} is no audio",
            hint="pass numbers of shape (S,) or (S, channels)",
        )
    if samples.ndim == 1:
        samples = samples[:, np.newaxis]
    elif samples.shape[0] < samples.shape[1]:
        samples = samples.T
    if not samples.size:
        raise _no_samples("array")
    mono = _average(scale_samples(samples), name="array", at=0.0, rate=source_rate)
    yield from _resample([mono], source_rate, sample_rate)


def _average(block: Block, *, name: str, at: float, rate: int) -> Samples:
    """Average the channels of a block, refusing what is not a number."""
    with np.errstate(invalid="ignore", over="ignore"):
        mono: Samples = block[:, 0] if block.shape[1] == 1 else block.mean(axis=1)
        is_suspect = not np.isfinite(mono.sum())
    if is_suspect and not np.isfinite(block).all():
        sample, channel = np.argwhere(~np.isfinite(block))[0]
        raise AudioError(
            f"{name}: is {block[sample, channel]} at {at + sample / rate:.4f} s, "
            "expected finite numbers",
            hint="whatever wrote it divided by zero: write it again, or cut that place out",
        )
    return np.ascontiguousarray(mono)


def _resample(parts: Iterable[Samples], source_rate: int, sample_rate: int) -> Iterator[Samples]:
    """Resample a stream; how it is cut into parts changes no bit of the result."""
    if source_rate == sample_rate:
        yield from parts
        return
    resampler = soxr.ResampleStream(source_rate, sample_rate, 1, dtype="float32")
    for part in parts:
        yield resampler.resample_chunk(part)
    yield resampler.resample_chunk(np.zeros(0, np.float32), last=True)


def _refuse_cut(source: Path | bytes, *, walks_all: bool) -> Length | None:
    """Measure an MP3 or WAV by its headers and raise where its end is missing."""
    measured = measure(source, walks_all=walks_all)
    if measured is None or not measured.sample_rate:
        return None
    there = measured.samples / measured.sample_rate
    if measured.promised is not None:
        _check_complete(
            describe_source(source), 0.0, there, measured.promised / measured.sample_rate
        )
    elif measured.is_cut:
        raise AudioError(
            f"{describe_source(source)}: is cut off in the middle of an MP3 frame, "
            f"after {there:.2f} s",
            hint=_CUT_HINT,
        )
    return measured


def _check_complete(name: str, start: float, found: float, expected: float | None) -> None:
    if expected is not None and is_short(found, expected):
        since = f" from {start:.2f} s on" if start else ""
        raise AudioError(
            f"{name}: is cut off: {expected:.2f} s expected{since}, {found:.2f} s found",
            hint=_CUT_HINT,
        )
    if not found:
        raise _no_samples(name)


def _no_samples(name: str) -> AudioError:
    return AudioError(f"{name}: holds no samples (0.00 s)", hint="record it again, or leave it out")


def _check_recorded_rate(rate: int, *, name: str) -> None:
    low, high = SAMPLE_RATES
    if not low <= rate <= high:
        raise AudioError(
            f"{name}: has a sample rate of {rate:,} Hz, expected {low:,} to {high:,}",
            hint="its header is wrong: export it again from the original",
        )


def check_rate(rate: int, *, name: str) -> None:
    """Refuse a sample rate that no recording has."""
    low, high = SAMPLE_RATES
    if not low <= rate <= high:
        raise ConfigError(f"`{name}` is {rate}", hint=f"expected {low:,} to {high:,} Hz")


def _as_source(source: Path | str | bytes) -> Path | bytes:
    return Path(source) if isinstance(source, str) else source
