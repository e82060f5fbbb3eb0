"""Batches of so many seconds, by length, so that little of them is padding.

Stands between a manifest and training: durations in, lists of positions out. What a batch
holds follows from seed and epoch alone, so a run resumes at any batch by skipping to it.
"""

from collections.abc import Iterator, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anylect.errors import ConfigError

Item = TypeVar("Item")

_JITTER = 0.04
"""Lengths are sorted after moving each by up to this share: mixes a batch anew every epoch
for some 3 % of padding."""


def bucketed_batches(
    durations: ArrayLike,
    *,
    seconds: float,
    max_utterances: int | None = None,
    seed: int = 0,
    epoch: int = 0,
    shuffle: bool = True,
) -> list[list[int]]:
    """Group utterances of similar length into batches of at most so many seconds.

    A batch costs its longest utterance times its size, padding included; that product stays
    within `seconds`, except that an utterance longer than `seconds` makes a batch of its own.
    Every utterance stands in exactly one batch.

    Args:
        durations: (N,) seconds.
        seconds: Largest padded duration of a batch.
        max_utterances: Largest size of a batch; None sets no limit.
        seed: Of the shuffling; the same seed and epoch give the same batches.
        epoch: Number of the pass over the utterances, from 0.
        shuffle: False gives batches from the shortest to the longest utterances, as some
            start their first epoch (Amodei et al. 2016, sec. 3.2).

    Returns:
        Positions in `durations`, batch by batch.

    Example:
        >>> bucketed_batches([1.0, 9.0, 1.1, 30.0], seconds=10, shuffle=False)
        [[0, 2], [1], [3]]
    """
    lengths = _check(durations, seconds=seconds, max_utterances=max_utterances)
    if not shuffle:
        order = np.argsort(lengths, kind="stable")
        return list(_cut(order, lengths, seconds=seconds, max_utterances=max_utterances))
    random = _generator(seed, epoch)
    mixed = random.permutation(len(lengths))
    moved = lengths[mixed] * random.uniform(1 - _JITTER, 1 + _JITTER, len(lengths))
    order = mixed[np.argsort(moved, kind="stable")]
    batches = list(_cut(order, lengths, seconds=seconds, max_utterances=max_utterances))
    return [batches[position] for position in random.permutation(len(batches))]


def equal_length_batches(
    durations: ArrayLike,
    *,
    seconds: float,
    max_utterances: int | None = None,
    seed: int = 0,
    epoch: int = 0,
    tolerance: float = 0.02,
) -> list[list[int]]:
    """Group utterances of (nearly) the same length, for models whose output padding changes.

    Like `bucketed_batches`, but lengths within a batch differ by less than `tolerance`
    seconds (0.02 is one frame of wav2vec 2.0; 0 asks for equal lengths), at the price of
    smaller batches.
    """
    lengths = _check(durations, seconds=seconds, max_utterances=max_utterances)
    if not tolerance >= 0:
        raise ConfigError(f"`tolerance` is {tolerance} s", hint="give 0.0 or more")
    random = _generator(seed, epoch)
    mixed = random.permutation(len(lengths))
    # Bins begin at another place in every epoch, so that neighbours across a border meet too.
    bins = np.floor(lengths / tolerance + random.uniform()) if tolerance > 0 else lengths  # (N,)
    order = mixed[np.argsort(bins[mixed], kind="stable")]
    borders = np.flatnonzero(np.diff(bins[order])) + 1
    batches = [
        batch
        for group in np.split(order, borders)
        for batch in _cut(group, lengths, seconds=seconds, max_utterances=max_utterances)
    ]
    return [batches[position] for position in random.permutation(len(batches))]


def share_batches(
    batches: Sequence[Sequence[Item]], *, rank: int, processes: int
) -> list[Sequence[Item]]:
    """Take one process's share of every batch.

    All processes together hear each batch once, so an update does not depend on how many they
    are. Neighbours in a batch are of similar length: dealt out in turn, shares cost alike. Where
    a batch has fewer items than there are processes, some shares are empty.

    Args:
        batches: The same for every process.
        rank: Which process this is, from 0.
        processes: How many there are.

    Example:
        >>> share_batches([[4, 2, 7], [1]], rank=1, processes=2)
        [[2], []]
    """
    if not 0 <= rank < processes:
        raise ConfigError(f"process {rank} of {processes}", hint="processes count from 0")
    return [batch[rank::processes] for batch in batches]


def padding_share(batches: Sequence[Sequence[int]], durations: ArrayLike) -> float:
    """Return which share of the padded batches is padding, from 0.0 to below 1.0."""
    lengths = np.asarray(durations, dtype=np.float64)
    padded = sum(float(lengths[list(batch)].max()) * len(batch) for batch in batches)
    spoken = sum(float(lengths[list(batch)].sum()) for batch in batches)
    return 1.0 - spoken / padded if padded else 0.0


def pad(
    arrays: Sequence[NDArray[np.float32]],
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Stack waveforms or features of different lengths, zeros behind the shorter ones.

    Args:
        arrays: B waveforms (S,), or features (T, F) with one F.

    Returns:
        (B, S) or (B, T, F) float32, as long as the longest, and the (B,) lengths before padding.
    """
    lengths = np.array([len(array) for array in arrays], dtype=np.int64)
    shape = arrays[0].shape[1:] if arrays else ()
    padded = np.zeros((len(arrays), int(lengths.max(initial=0)), *shape), dtype=np.float32)
    for row, array in zip(padded, arrays, strict=True):
        row[: len(array)] = array
    return padded, lengths


def _check(
    durations: ArrayLike, *, seconds: float, max_utterances: int | None
) -> NDArray[np.float64]:
    if not seconds > 0:
        raise ConfigError(f"`seconds` is {seconds}", hint="a batch needs room: e.g. 60.0")
    if max_utterances is not None and max_utterances < 1:
        raise ConfigError(f"`max_utterances` is {max_utterances}", hint="give 1 or more")
    lengths = np.asarray(durations, dtype=np.float64)
    bad = np.flatnonzero(~(np.isfinite(lengths) & (lengths >= 0)))
    if len(bad):
        raise ConfigError(
            f"the duration of utterance {bad[0]} is {lengths[bad[0]]} s",
            hint="durations are measured by `anylect prepare`",
        )
    return lengths


def _generator(seed: int, epoch: int) -> np.random.Generator:
    if seed < 0 or epoch < 0:
        raise ConfigError(f"seed {seed}, epoch {epoch}", hint="both count from 0")
    return np.random.default_rng([seed, epoch])


def _cut(
    order: NDArray[np.intp],
    lengths: NDArray[np.float64],
    *,
    seconds: float,
    max_utterances: int | None,
) -> Iterator[list[int]]:
    """Cut an order into batches as large as they may be."""
    limit = max_utterances or len(lengths)
    batch: list[int] = []
    longest = 0.0
    # Plain lists: a loop over NumPy scalars takes several times as long.
    for position, length in zip(order.tolist(), lengths[order].tolist(), strict=True):
        longest = max(longest, length)
        if batch and (longest * (len(batch) + 1) > seconds or len(batch) == limit):
            yield batch
            batch, longest = [], length
        batch.append(position)
    if batch:
        yield batch
