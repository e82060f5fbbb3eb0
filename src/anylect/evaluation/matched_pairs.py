"""The matched-pairs test of word errors, by segments (Gillick & Cox 1989; NIST's MAPSSWE).

Utterances are cut where both systems are right twice in a row, so that what lies between two
cuts may be taken as independent of the rest; the differences in errors are those of a t-test for
large samples. It knows nothing of speakers: where one speaker suits one system better, it finds
differences that another set of speakers would not show. Therefore the bootstrap by speaker
decides, and this test is given beside it, for comparison with what others report.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from statistics import NormalDist
from typing import NamedTuple

from anylect.evaluation.error_rate import Edit

GUARD = 2
"""Words both systems must have right, one after the other, between two segments; NIST's choice."""


class MatchedPairs(NamedTuple):
    """The outcome: `z` is positive where the second system makes more errors."""

    segments: int
    mean: float
    z: float
    p: float


def matched_pairs(segments: Iterable[tuple[int, int]]) -> MatchedPairs:
    """Test whether two systems make as many errors per segment, two-sided.

    Args:
        segments: Errors of the first and the second system in every segment with any.

    Example:
        >>> found = matched_pairs([(2, 1), (1, 0), (1, 1), (3, 1), (0, 1), (2, 0)])
        >>> found.segments, round(found.z, 3), round(found.p, 3)
        (6, -1.746, 0.081)
    """
    count, total, squares = 0, 0, 0
    for first, second in segments:
        count += 1
        total += second - first
        squares += (second - first) ** 2
    mean = total / count if count else 0.0
    if count < 2 or not squares:
        return MatchedPairs(count, mean, 0.0, 1.0)
    variance = (squares - count * mean**2) / (count - 1)
    if variance <= 0:  # all segments differ alike: as rare as so many coins on one side
        return MatchedPairs(count, mean, math.copysign(math.inf, mean), 2.0 ** (1 - count))
    z = mean / math.sqrt(variance / count)
    return MatchedPairs(count, mean, z, 2 * NormalDist().cdf(-abs(z)))


def segments(
    first: Sequence[Edit], second: Sequence[Edit], *, guard: int = GUARD
) -> Iterator[tuple[int, int]]:
    """Cut an utterance where both systems are right, and yield the errors of each piece with any.

    Args:
        first: Edit alignment of the first system's hypothesis.
        second: That of the second system's, to the same reference.
        guard: How many words in a row both must have right.

    Example:
        >>> from anylect.evaluation.error_rate import align
        >>> said = "a b c d e f".split()
        >>> heard = ("a x c d e f".split(), "a b c d e f g".split())
        >>> list(segments(*(align(said, each) for each in heard)))
        [(1, 0), (0, 1)]
    """
    errors, right = (0, 0), 0
    for wrong in _columns(first, second):
        if wrong == (0, 0):
            right += 1
            if right == guard and errors != (0, 0):
                yield errors
                errors = (0, 0)
            continue
        errors, right = (errors[0] + wrong[0], errors[1] + wrong[1]), 0
    if errors != (0, 0):
        yield errors


def _columns(first: Sequence[Edit], second: Sequence[Edit]) -> Iterator[tuple[int, int]]:
    """Yield the errors of both at every reference word, and at every insertion between words."""
    for (before, wrong), (also_before, also_wrong) in zip(
        _by_word(first), _by_word(second), strict=True
    ):
        if before or also_before:
            yield before, also_before
        if wrong is not None and also_wrong is not None:
            yield wrong, also_wrong


def _by_word(alignment: Sequence[Edit]) -> Iterator[tuple[int, int | None]]:
    """Yield for each reference word the insertions before it and its error; last, those behind."""
    inserted = 0
    for edit in alignment:
        if edit.kind == "I":
            inserted += 1
            continue
        yield inserted, int(edit.kind != "=")
        inserted = 0
    yield inserted, None
