"""Interpolated modified Kneser-Ney: from counts to probabilities.

Third step of estimation. The formulas are those of Chen & Goodman (1998, sec. 3) in the form
that Heafield et al. (2013, sec. 3) give them and that their program `lmplz` computes: adjusted
counts, three discounts per order, unigrams interpolated with the uniform distribution over all
words but `<s>`. With c an n-gram's context and w its last word,

    p(w | c) = (a(c w) - D(a(c w))) / a(c ·) + b(c) p(w | c without its first word)

where a is the adjusted count and b(c), the backoff, is the mass that discounts have freed.
"""

import itertools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anylect.compiled import Integer, compiled
from anylect.errors import LanguageModelError
from anylect.lm.counts import CountTable, count_counts, split_groups
from anylect.lm.tables import NGramTables, OrderTable, keep_entries
from anylect.lm.words import BEGIN, END, UNKNOWN, Words

Ints = NDArray[np.int32]
Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

MAX_ORDER = 6
FALLBACK = (0.5, 1.0, 1.5)
"""Discounts where a corpus is too small or too regular to estimate them; lmplz has the same."""

_LEAST = np.float32(1e-37)
"""What no probability falls below, so that its logarithm stays a number."""
_NOTHING_PRUNED = np.empty(0, np.bool_)


@dataclass(frozen=True, slots=True)
class Discounts:
    """What is taken from n-grams seen once, twice, and three times or more."""

    order: int
    values: tuple[float, float, float]
    fallback_reason: str | None = None
    """Why they were not estimated from the counts; None when they were."""


@dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """A model and how it came about."""

    tables: NGramTables
    discounts: tuple[Discounts, ...]


def estimate(
    counts: Sequence[CountTable],
    words: Words,
    *,
    prune: Sequence[int] = (0,),
    allowed: Mask | None = None,
    first_seen: Ints | None = None,
    threads: int = 2,
) -> Estimate:
    """Estimate a model from the counts of all orders.

    Args:
        counts: A table per order; see `count_ngrams`. Used up: the tables are emptied.
        words: The words by number.
        prune: For each order, n-grams seen this often or less are left out; the last holds
            for all higher orders. Not decreasing.
        allowed: Which words may appear in the model; None for all.
        first_seen: By word, its rank in the order words first appear in the text. Makes the
            discounts those of lmplz also where its last n-gram tips them; see `LastNGram`.
        threads: How many parts are computed side by side.

    Raises:
        LanguageModelError: For thresholds that decrease.
    """
    thresholds = spread_thresholds(prune, len(counts))
    discounts = estimate_discounts(counts, first_seen)
    keep = _choose(counts, thresholds, allowed)
    orders = [estimate_unigrams(counts[0], discounts[0], keep[0])]
    with ThreadPoolExecutor(threads) as pool:
        for k in range(2, len(counts) + 1):
            table = _extend(counts, orders[-1], discounts[k - 1], keep[k - 1], pool=pool)
            orders.append(table)
        for table in orders:
            list(pool.map(lambda part, table=table: to_logs(table, *part), _parts(len(table))))
    tables = NGramTables(words, orders)
    if any(mask.size for mask in keep):
        masks = [
            mask if mask.size else np.ones(len(table), np.bool_)
            for mask, table in zip(keep, orders, strict=True)
        ]
        tables = keep_entries(tables, masks)
    return Estimate(tables, tuple(discounts))


def spread_thresholds(prune: Sequence[int], order: int) -> list[int]:
    """Return a threshold per order.

    Example:
        >>> spread_thresholds([0, 0, 1], 5)
        [0, 0, 1, 1, 1]
    """
    given = list(prune) or [0]
    thresholds = [given[min(k, len(given) - 1)] for k in range(order)]
    if any(b < a for a, b in itertools.pairwise(thresholds)) or thresholds[0] < 0:
        raise LanguageModelError(
            f"pruning thresholds {given} decrease",
            hint="give one per order, each at least as large as the one before: `0 0 1`",
        )
    return thresholds


# ---------------------------------------------------------------- discounts


def estimate_discounts(
    counts: Sequence[CountTable], first_seen: Ints | None = None
) -> list[Discounts]:
    """Estimate three discounts per order from counts of counts (Chen & Goodman 1998, eq. 26)."""
    discounts = []
    last = None
    if first_seen is not None:
        last = LastNGram(first_seen, has_text=bool(counts[0].count[END]))
    for k, table in enumerate(counts, start=1):
        assert table.adjusted is not None
        seen = count_counts(table.adjusted)
        if last and k < len(counts):
            _correct(last, seen, counts, k)
        discounts.append(discounts_from(k, seen))
    return discounts


def discounts_from(order: int, seen: NDArray[np.int64]) -> Discounts:
    """Estimate the discounts of an order from how many n-grams have each adjusted count."""
    for j in (1, 2, 3):
        if not seen[j]:
            return Discounts(order, FALLBACK, f"no {order}-gram has an adjusted count of {j}")
    share = seen[1] / (seen[1] + 2 * seen[2])
    values = tuple(float(j - (j + 1) * share * seen[j + 1] / seen[j]) for j in (1, 2, 3))
    for j, value in enumerate(values, start=1):
        if not 0 <= value <= j:
            return Discounts(order, FALLBACK, f"the discount for count {j} would be {value:.2f}")
    return Discounts(order, (values[0], values[1], values[2]))


class LastNGram:
    """Counts the last n-gram of every order as lmplz does.

    lmplz sorts n-grams by their words from last to first, words by first appearance. When its
    stream ends it adds the last n-gram of each lower order to the counts of counts with its
    plain count instead of its adjusted one. On a large corpus nobody could tell; on a toy
    corpus it changes discounts in the second digit.
    """

    def __init__(self, first_seen: Ints, *, has_text: bool) -> None:
        self._first_seen = first_seen
        self._has_text = has_text
        self.entry = -1
        """The last n-gram of the order before; -1 where there is none to extend."""

    def goes_on(self, k: int) -> bool:
        """Tell whether order k has an n-gram to correct."""
        return self._has_text and (k == 1 or self.entry >= 0)

    def choose(self, candidates: NDArray[np.int64], first_words: NDArray[np.int64]) -> int:
        """Return the last of some n-grams that end alike, -1 for none, given first words."""
        if not len(candidates):
            self.entry = -1
            return -1
        best = int(np.argmax(self._first_seen[first_words]))
        entry = int(candidates[best])
        self.entry = -1 if first_words[best] == BEGIN else entry
        return entry

    @staticmethod
    def recount(seen: NDArray[np.int64], adjusted: int, count: int) -> None:
        """Put a count in the place of an adjusted one."""
        seen[min(adjusted, 5)] -= 1
        seen[min(count, 5)] += 1


def _correct(
    last: LastNGram, seen: NDArray[np.int64], counts: Sequence[CountTable], k: int
) -> None:
    if not last.goes_on(k):
        return
    table = counts[k - 1]
    assert table.adjusted is not None
    candidates = np.flatnonzero(table.suffix == last.entry) if k > 1 else np.arange(len(table))
    entry = last.choose(candidates, _first_words(counts, k, candidates))
    if entry >= 0:
        last.recount(seen, int(table.adjusted[entry]), int(table.count[entry]))


def _first_words(
    counts: Sequence[CountTable], k: int, entries: NDArray[np.int64]
) -> NDArray[np.int64]:
    for table in reversed(counts[: k - 1]):
        assert table.children is not None
        entries = np.searchsorted(table.children, entries, side="right") - 1
    return entries


# ---------------------------------------------------------------- probabilities


def _choose(
    counts: Sequence[CountTable], thresholds: Sequence[int], allowed: Mask | None
) -> list[Mask]:
    """Return which n-grams of each order stay; an empty mask where all do."""
    special = np.zeros(len(counts[0]), np.bool_)
    special[[UNKNOWN, BEGIN, END]] = True
    spelled = None if allowed is None else allowed | special
    keep: list[Mask] = []
    inside = np.empty(0, np.bool_)
    for k, (table, threshold) in enumerate(zip(counts, thresholds, strict=True)):
        mask = _NOTHING_PRUNED
        if threshold:
            mask = table.count > threshold
        if spelled is not None:
            inside = spelled if k == 0 else _inherit(counts[k - 1], inside) & spelled[table.word]
            mask = inside if not mask.size else mask & inside
        keep.append(mask | special if k == 0 and mask.size else mask)
    return keep


def _inherit(shorter: CountTable, mask: Mask) -> Mask:
    assert shorter.children is not None
    return np.repeat(mask, np.diff(shorter.children))


def estimate_unigrams(table: CountTable, discounts: Discounts, keep: Mask) -> OrderTable:
    """Interpolate unigrams with the uniform distribution; `<s>` has probability one."""
    assert table.adjusted is not None
    adjusted = table.adjusted.astype(np.float64)
    taken = np.array([0.0, *discounts.values])[np.minimum(table.adjusted, 3)]
    freed = (np.where(keep, taken, adjusted) if keep.size else taken).sum()
    total = adjusted.sum()
    kept = int(keep.sum()) if keep.size else len(table)
    uniform = freed / total / (kept - 1)  # `<s>` is never predicted
    prob = ((adjusted - taken) / total + uniform).astype(np.float32)
    prob[UNKNOWN], prob[BEGIN] = uniform, 1.0
    return OrderTable(table.word, prob)


def _extend(
    counts: Sequence[CountTable],
    shorter: OrderTable,
    discounts: Discounts,
    keep: Mask,
    *,
    pool: ThreadPoolExecutor,
) -> OrderTable:
    """Estimate one order; the order before it gets its backoffs and children."""
    k = discounts.order
    table, context = counts[k - 1], counts[k - 2]
    assert context.children is not None
    assert table.adjusted is not None
    assert table.suffix is not None
    prob = np.empty(len(table), np.float32)
    backoff = np.empty(len(shorter), np.float32)
    taken = np.array([0.0, *discounts.values])
    source = (context.children, table.adjusted, keep, table.suffix, shorter.log_prob)
    list(
        pool.map(
            lambda part: interpolate(source, taken, part, (prob, backoff)),
            split_groups(context.children, len(shorter), parts=32),
        )
    )
    shorter.backoff, shorter.children = backoff, context.children
    context.adjusted = context.suffix = None
    if k == len(counts):
        table.adjusted = table.suffix = None
    return OrderTable(table.word, prob)


def _parts(size: int) -> list[tuple[int, int]]:
    step = 1 << 20
    return [(start, min(size, start + step)) for start in range(0, size, step)]


def to_logs(table: OrderTable, start: int, stop: int) -> None:
    """Turn probabilities, kept in `log_prob` so far, into natural logarithms."""
    for column in (table.log_prob, table.backoff):
        if column is not None:
            part = column[start:stop]
            np.log(np.maximum(part, _LEAST, out=part), out=part)
            np.minimum(part, 0.0, out=part)


@compiled
def interpolate(
    source: tuple[Ints, Ints, Mask, Ints, NDArray[np.floating]],
    discounts: NDArray[np.float64],
    part: tuple[Integer, Integer],
    target: tuple[Floats, Floats],
) -> None:
    """Fill in the probabilities of the extensions of contexts in a range, and their backoffs."""
    children, adjusted, keep, suffix, shorter_prob = source
    prob, backoff = target
    for context in range(part[0], part[1]):
        begin, end = children[context], children[context + 1]
        if begin == end:
            backoff[context] = 1.0
            continue
        total, freed = np.int64(0), 0.0
        for entry in range(begin, end):
            count = adjusted[entry]
            total += count
            if keep.size and not keep[entry]:
                freed += count
            else:
                freed += discounts[min(count, 3)]
        share = 1.0 / total
        freed *= share
        for entry in range(begin, end):
            count = adjusted[entry]
            own = (count - discounts[min(count, 3)]) * share
            prob[entry] = own + freed * shorter_prob[suffix[entry]]
        backoff[context] = freed
