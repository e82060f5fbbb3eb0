"""Utterances joined at random, so that a model hears more than one at a time.

A recurrent model that only ever heard single sentences counts on a recording beginning and
ending with one, and is at a loss in a long talk. So some utterances of an epoch are heard as one
passage, with pauses between them. Which ones, in what order and how far apart follows from
seed and epoch alone; every utterance stands in exactly one passage of an epoch.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anylect.training.options import JoiningOptions

Samples = NDArray[np.float32]
"""(S,), mono."""

_HUSH_SECONDS = 0.025
"""The level of a pause is that of the quietest stretch of this length beside it."""


@dataclass(frozen=True, slots=True)
class Passage:
    """Utterances heard as one, by their positions, in the order they are heard.

    `pauses` are the seconds before each but the first.
    """

    positions: tuple[int, ...]
    pauses: tuple[float, ...] = ()

    def duration(self, durations: NDArray[np.float64]) -> float:
        """Add up what is heard: the utterances, of `durations` (N,) seconds, and the pauses."""
        if not self.pauses:
            return float(durations[self.positions[0]])
        return float(durations[list(self.positions)].sum()) + sum(self.pauses)

    def apart(self) -> "list[Passage]":
        """Take the utterances apart again."""
        return [Passage((position,)) for position in self.positions]


def draw_passages(
    durations: ArrayLike, options: JoiningOptions, *, seed: int = 0, epoch: int = 0
) -> list[Passage]:
    """Divide the utterances of an epoch into passages; without joining each is one of its own.

    A joined passage is filled up to a length drawn evenly between zero and `options.seconds`, so
    that all lengths up to the longest are heard.

    Args:
        durations: (N,) seconds.
        options: How often, how long, how far apart.
        seed: The same seed and epoch give the same passages.
        epoch: Number of the pass over the utterances, from 0.

    Example:
        >>> options = JoiningOptions(probability=1.0, seconds=20.0)
        >>> passages = draw_passages([3.0] * 40, options)
        >>> sum(len(passage.positions) for passage in passages)
        40
    """
    lengths = np.asarray(durations, dtype=np.float64)
    if not options.probability or epoch < options.from_epoch:
        return [Passage((position,)) for position in range(len(lengths))]
    # Four numbers: augmentation draws from three, the order of batches from two.
    random = np.random.default_rng([seed, epoch, 0, 1])
    return list(_fill(random.permutation(len(lengths)).tolist(), lengths.tolist(), options, random))


def _fill(
    order: list[int], lengths: list[float], options: JoiningOptions, random: np.random.Generator
) -> Iterator[Passage]:
    shortest, longest = options.pause_seconds
    positions: list[int] = []
    pauses: list[float] = []
    heard = room = 0.0
    for position in order:
        pause = shortest + (longest - shortest) * random.random() ** 2
        if positions and heard + pause + lengths[position] <= room:
            pauses.append(pause)
            heard += pause + lengths[position]
        else:
            if positions:
                yield Passage(tuple(positions), tuple(pauses))
            joins = random.random() < options.probability
            room = random.uniform(0.0, options.seconds) if joins else 0.0
            positions, pauses, heard = [], [], lengths[position]
        positions.append(position)
    if positions:
        yield Passage(tuple(positions), tuple(pauses))


def join_labels(spelt: Sequence[Sequence[int]], boundary: int | None) -> tuple[int, ...]:
    """Write utterances one after the other, with the word boundary between them if there is one.

    Example:
        >>> join_labels([[3, 4], [5]], boundary=2)
        (3, 4, 2, 5)
    """
    joined: list[int] = []
    for labels in spelt:
        if joined and boundary is not None:
            joined.append(boundary)
        joined.extend(labels)
    return tuple(joined)


def join_samples(
    parts: Sequence[Samples],
    pauses: Sequence[float],
    *,
    sample_rate: int,
    generator: np.random.Generator,
) -> tuple[Samples, list[int]]:
    """Put waveforms one after the other, with a hush between them as faint as they are at rest.

    Args:
        parts: At least one waveform (S,).
        pauses: Seconds before each but the first.
        sample_rate: Of all of them, hertz.
        generator: What the hush is drawn from.

    Returns:
        The joined samples, and at which of them each part begins.
    """
    levels = [_quietest(part, max(1, round(_HUSH_SECONDS * sample_rate))) for part in parts]
    pieces, starts, end = [parts[0]], [0], len(parts[0])
    for index, (part, pause) in enumerate(zip(parts[1:], pauses, strict=True), start=1):
        level = min(levels[index - 1], levels[index])
        hush = generator.standard_normal(round(pause * sample_rate), dtype=np.float32)
        pieces += [hush * np.float32(level), part]
        starts.append(end + len(hush))
        end += len(hush) + len(part)
    return np.concatenate(pieces), starts


def _quietest(samples: Samples, length: int) -> float:
    """Root mean square of the quietest of the stretches of so many samples."""
    stretches = samples[: len(samples) // length * length].reshape(-1, length)
    return float(np.sqrt(np.square(stretches).mean(axis=1).min())) if len(stretches) else 0.0
