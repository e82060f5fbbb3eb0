"""What backoffs are for: making the probabilities after every context sum to one.

With C the words listed after a context h, and h' the context without its first word,

    b(h) = (1 - Σ_{w in C} p(w | h)) / (1 - Σ_{w in C} p(w | h'))

(Katz 1987). Whoever leaves out n-grams or changes probabilities has to compute them anew.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from anylect.lm.suffixes import backed_off
from anylect.lm.tables import NGramTables
from anylect.lm.words import BEGIN, UNKNOWN

Doubles = NDArray[np.float64]

_LEAST = 1e-30


def listed_mass(tables: NGramTables, order: int, start: int, stop: int) -> tuple[Doubles, Doubles]:
    """Add up what is listed after contexts `start` to `stop` of an order.

    Returns:
        The probability of the words listed, and what one order lower gives the same words.
    """
    table, longer = tables.orders[order - 1], tables.orders[order]
    assert table.children is not None
    first, last = int(table.children[start]), int(table.children[stop])
    context = np.repeat(np.arange(stop - start), np.diff(table.children[start : stop + 1]))
    rows = tables.rows(order + 1, first, last)
    lower = backed_off(tables.orders[:order], np.ascontiguousarray(rows[:, 1:]))
    # `<s>` is never predicted: where a file lists it, it counts for nothing.
    weight = (rows[:, -1] != begin_number(tables)).astype(np.float64)
    own = np.exp(longer.log_prob[first:last].astype(np.float64)) * weight
    shorter = np.exp(lower.astype(np.float64)) * weight
    size = stop - start
    mass: Doubles = np.bincount(context, own, size).astype(np.float64)
    shorter_mass: Doubles = np.bincount(context, shorter, size).astype(np.float64)
    return mass, shorter_mass


def renormalize(tables: NGramTables) -> None:
    """Compute the backoffs of all contexts anew, shortest contexts first."""
    for order in range(1, tables.order):
        table = tables.orders[order - 1]
        assert table.children is not None
        table.backoff = np.zeros(len(table), table.log_prob.dtype)
        for start, stop in tables.blocks(order):
            own, lower = listed_mass(tables, order, start, stop)
            free = np.maximum(1.0 - own, _LEAST) / np.maximum(1.0 - lower, _LEAST)
            has_children = np.diff(table.children[start : stop + 1]) > 0
            table.backoff[start:stop] = np.where(has_children, np.log(free), 0.0)


def context_sums(
    tables: NGramTables, *, contexts: int = 20_000
) -> Iterator[tuple[int, int, Doubles]]:
    """Sum the probabilities of all words after some contexts of every order.

    Sums are right as long as those of shorter contexts are one.

    Yields:
        The order of contexts, the first of a stretch of them, and their sums. Contexts that
        nothing is listed after have the sums of shorter ones and are given as one.
    """
    for order in range(1, tables.order):
        table = tables.orders[order - 1]
        assert table.backoff is not None
        assert table.children is not None
        step = max(1, len(table) // 8)
        size = max(1, contexts // 8)
        for start in range(0, len(table), step):
            stop = min(len(table), start + size)
            own, lower = listed_mass(tables, order, start, stop)
            sums = own + np.exp(table.backoff[start:stop]) * (1.0 - lower)
            childless = np.diff(table.children[start : stop + 1]) == 0
            yield order, start, np.where(childless, 1.0, sums)


def unigram_sum(tables: NGramTables) -> float:
    """Sum the probabilities of all words but `<s>`."""
    probs = np.exp(tables.orders[0].log_prob.astype(np.float64))
    begin = begin_number(tables)
    return float(probs.sum() - (probs[begin] if begin > UNKNOWN else 0.0))


def begin_number(tables: NGramTables) -> int:
    """Return the number of `<s>`, -1 where the model has none."""
    words = tables.words
    if len(words) > BEGIN and words[BEGIN] == "<s>":
        return BEGIN
    lengths = np.diff(words.offsets)
    for number in np.flatnonzero(lengths == 3):
        if words[int(number)] == "<s>":
            return int(number)
    return -1
