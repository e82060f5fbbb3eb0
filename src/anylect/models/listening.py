"""Many recordings through one model: read ahead, batched, in order, in bounded memory."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anylect.audio.load import load_waveform, stream_samples
from anylect.data.prefetch import prefetch
from anylect.errors import AudioError
from anylect.models.acoustic import AcousticModel
from anylect.records import Emissions, Utterance, Waveform

Heard = Emissions | AudioError
"""What became of an utterance: emissions, or why its recording cannot be read."""

Transform = Callable[[Utterance, Waveform], Waveform]
"""What a waveform goes through before it is heard, such as noise."""

LOT = 64
"""Utterances held at once, to be sorted by length and batched."""


def emit_each(
    model: AcousticModel,
    utterances: Iterable[Utterance],
    *,
    batch_seconds: float = 80.0,
    workers: int = 2,
    transform: Transform | None = None,
) -> Iterator[tuple[Utterance, Heard]]:
    """Yield what the model hears in each utterance, in the order given.

    Nothing is dropped: an unreadable recording comes back as its error.

    Args:
        model: What hears.
        utterances: Read as they are needed, never all at once.
        batch_seconds: Audio run at once, padding included.
        workers: Threads that read recordings ahead.
        transform: Done to every waveform, in those threads, before the model hears it.
    """
    loaded = prefetch(partial(_load, model, transform), utterances, workers=workers, ahead=LOT)
    while lot := list(itertools.islice(loaded, LOT)):
        heard = _emit_lot(model, [rows for _, rows in lot], seconds=batch_seconds)
        for (utterance, _), emissions in zip(lot, heard, strict=True):
            yield utterance, emissions


def emit_recording(model: AcousticModel, waveform: Waveform) -> Iterator[Emissions]:
    """Hear a waveform held in memory: in one pass, or in windows when it is long."""
    if waveform.duration <= model.longest_pass:
        yield model.emit(waveform)
    else:
        yield from model.emit_stream(partial(_blocks, waveform))


def emit_file(model: AcousticModel, source: Path | bytes) -> Iterator[Emissions]:
    """Hear a recording on disk or in bytes, of any length, in bounded memory."""
    blocks = partial(stream_samples, source, sample_rate=model.sample_rate)
    head, whole = _first_seconds(blocks(), model.longest_pass * model.sample_rate)
    if whole:
        yield model.emit(Waveform(head, model.sample_rate))
    else:
        yield from model.emit_stream(blocks)


def _blocks(waveform: Waveform) -> Iterator[NDArray[np.float32]]:
    """Hand out a waveform in pieces of ten seconds, as a stream would come."""
    step = 10 * waveform.sample_rate
    for position in range(0, len(waveform.samples), step):
        yield waveform.samples[position : position + step]


def _first_seconds(
    blocks: Iterator[NDArray[np.float32]], samples: float
) -> tuple[NDArray[np.float32], bool]:
    """Read blocks until more than `samples` are there; say whether that was all."""
    read: list[NDArray[np.float32]] = []
    count = 0
    for block in blocks:
        read.append(block)
        count += len(block)
        if count > samples:
            return np.concatenate(read), False
    return np.concatenate(read) if read else np.zeros(0, np.float32), True


def _load(
    model: AcousticModel, transform: Transform | None, utterance: Utterance
) -> tuple[Utterance, NDArray[np.float32] | Waveform | AudioError]:
    try:
        waveform = load_waveform(utterance, sample_rate=model.sample_rate)
    except AudioError as error:
        return utterance, error
    if transform is not None:
        waveform = transform(utterance, waveform)
    if waveform.duration > model.longest_pass:
        return utterance, waveform
    return utterance, model.prepare(waveform)


def _emit_lot(
    model: AcousticModel,
    lot: list[NDArray[np.float32] | Waveform | AudioError],
    *,
    seconds: float,
) -> list[Heard]:
    heard: dict[int, Heard] = {}
    short: list[tuple[int, NDArray[np.float32]]] = []
    for index, item in enumerate(lot):
        if isinstance(item, AudioError):
            heard[index] = item
        elif isinstance(item, Waveform):
            heard[index] = _joined(list(emit_recording(model, item)))
        else:
            short.append((index, item))
    for batch in _batches(short, longest=seconds / model.longest_pass):
        emissions = model.emit_prepared([rows for _, rows in batch])
        heard.update((index, each) for (index, _), each in zip(batch, emissions, strict=True))
    return [heard[index] for index in range(len(lot))]


def _batches(
    items: list[tuple[int, NDArray[np.float32]]], *, longest: float
) -> Iterator[list[tuple[int, NDArray[np.float32]]]]:
    """Cut items, longest first, into batches of at most `longest` times the longest rows."""
    items = sorted(items, key=lambda item: -len(item[1]))
    if not items:
        return
    budget = max(1.0, longest) * len(items[0][1])
    batch: list[tuple[int, NDArray[np.float32]]] = []
    for item in items:
        if batch and (len(batch) + 1) * len(batch[0][1]) > budget:
            yield batch
            batch = []
        batch.append(item)
    yield batch


def _joined(pieces: list[Emissions]) -> Emissions:
    log_probs = np.concatenate([piece.log_probs for piece in pieces])
    return Emissions(log_probs, pieces[0].frame_duration, pieces[0].start)
