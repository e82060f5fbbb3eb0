"""Ranks with ties: who is not told apart from the best shares its rank.

Two submissions are compared on the same utterances by the paired bootstrap-t of
`evaluation/bootstrap.py`, speakers drawn within each test set, the sets weighing the same. The
best of those without a rank leads; whoever is not shown to be worse shares its rank; then the best
of the rest leads. Since one leader is compared with many, p-values are those of Holm (1979).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anylect.evaluation.bootstrap import PairedDifference, paired_mean_difference
from anylect.evaluation.comparison import SIGNIFICANCE

METHOD = (
    "Ties: paired bootstrap-t on the same utterances, speakers drawn within each set, sets "
    f"weighing the same; p-values by Holm, level {SIGNIFICANCE:g}. Whoever is not told apart from "
    "the best shares its rank."
)
_REPLICATES = 1000
_FOR_EACH = 2 / SIGNIFICANCE
"""Replicates for each comparison: p is at least one over their number, and Holm multiplies it."""


@dataclass(frozen=True)
class SetLayout:
    """What is the same for all: the block each utterance is drawn with, and its length."""

    blocks: NDArray[np.integer]
    lengths: NDArray[np.integer]


@dataclass(frozen=True)
class Contender:
    """A score, and errors by utterance for each test set, in the order of its `SetLayout`."""

    score: float
    errors: Mapping[str, NDArray[np.integer]]


@dataclass(frozen=True)
class Standing:
    """A rank, and how the submission compares with the one that leads it.

    `paired` and `p` are None for the leader itself, and where no test is possible.
    """

    rank: int
    leader: int
    paired: PairedDifference | None = None
    p: float | None = None


def rank(
    sets: Mapping[str, SetLayout], contenders: Sequence[Contender], *, seed: int = 0
) -> list[Standing]:
    """Rank contenders, the lowest score first; the result is in the order given.

    Example:
        >>> sets = {"test": SetLayout(np.arange(8), np.full(8, 10))}
        >>> errors = ([1, 2, 1, 0, 2, 1, 1, 2], [2, 1, 1, 1, 1, 2, 1, 2], [6, 7, 5, 6, 8, 6, 5, 7])
        >>> contenders = [Contender(sum(e) / 80, {"test": np.array(e)}) for e in errors]
        >>> [standing.rank for standing in rank(sets, contenders)]
        [1, 1, 3]
    """
    standings: dict[int, Standing] = {}
    left = sorted(range(len(contenders)), key=lambda index: (contenders[index].score, index))
    while left:
        leader, *others = left
        place = len(standings) + 1
        standings[leader] = Standing(place, leader)
        replicates = max(_REPLICATES, int(_FOR_EACH * len(others)))
        found = [
            compare(sets, contenders[leader], contenders[other], replicates=replicates, seed=seed)
            for other in others
        ]
        corrected = holm([1.0 if each is None else each.p for each in found])
        for other, paired, p in zip(others, found, corrected, strict=True):
            if p >= SIGNIFICANCE:
                standings[other] = Standing(place, leader, paired, None if paired is None else p)
        left = [other for other in others if other not in standings]
    return [standings[index] for index in range(len(contenders))]


def compare(
    sets: Mapping[str, SetLayout],
    first: Contender,
    second: Contender,
    *,
    replicates: int = _REPLICATES,
    seed: int = 0,
) -> PairedDifference | None:
    """Compare two contenders, second minus first; None where a set has a single block."""
    return paired_mean_difference(
        [_pool(each, first.errors[kind], second.errors[kind]) for kind, each in sets.items()],
        replicates=replicates,
        seed=seed,
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p-values for their number, step down (Holm 1979).

    Example:
        >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
        [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    corrected, highest = [0.0] * len(p_values), 0.0
    for done, index in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - done) * p_values[index]))
        corrected[index] = highest
    return corrected


def _pool(
    test: SetLayout, first: NDArray[np.integer], second: NDArray[np.integer]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Sum up each block: errors of both (B, 2), and lengths (B,)."""
    _, which = np.unique(test.blocks, return_inverse=True)
    table = np.zeros((int(which.max(initial=-1)) + 1, 3), dtype=np.int64)
    np.add.at(table, which, np.column_stack([first, second, test.lengths]))
    return table[:, :2], table[:, 2]
