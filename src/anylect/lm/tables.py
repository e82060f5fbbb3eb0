"""An n-gram model as sorted tables: what is estimated, written, pruned, mixed and inspected.

Every order is one flat table sorted by words, first to last. The extensions of an n-gram are
neighbours, so a range stands for all of them and no n-gram repeats the words of its context.
`ngram.NGramModel` is the other form, made for asking.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anylect.compiled import Integer, compiled
from anylect.lm.disk import release
from anylect.lm.words import Words

Ints = NDArray[np.int32]
Floats = NDArray[np.floating]

BLOCK = 1 << 15
"""N-grams that are listed, written or sorted at a time."""


@dataclass(slots=True, eq=False)
class OrderTable:
    """The n-grams of one order, natural logarithms throughout.

    Entry i ends in `word[i]`; its extensions are entries `children[i]` to `children[i + 1]` of
    the next order. The highest order has neither children nor backoffs. The first order has
    one entry per word, in the order of their numbers. Logarithms are single precision when we
    estimated them, double when a file's base-10 ones must come back to the last digit.
    """

    word: Ints
    log_prob: Floats
    backoff: Floats | None = None
    children: Ints | None = None

    def __len__(self) -> int:
        return len(self.word)


@dataclass(slots=True, eq=False)
class NGramTables:
    """A whole model; `<unk>` is word 0."""

    words: Words
    orders: list[OrderTable]

    @property
    def order(self) -> int:
        return len(self.orders)

    @property
    def counts(self) -> list[int]:
        """The number of n-grams of every order."""
        return [len(table) for table in self.orders]

    def rows(self, order: int, start: int, stop: int) -> Ints:
        """Return the words of n-grams `start` to `stop` of an order, (stop - start, order)."""
        return expand_rows(self.orders, order=order, start=start, stop=stop)

    def release(self) -> None:
        """Give back memory of tables that are mapped from disk."""
        for table in self.orders:
            for column in (table.word, table.log_prob, table.backoff, table.children):
                if column is not None:
                    release(column)

    def blocks(self, order: int) -> Iterator[tuple[int, int]]:
        """Yield ranges that cover an order, each small enough to list."""
        size = len(self.orders[order - 1])
        for start in range(0, size, BLOCK):
            yield start, min(size, start + BLOCK)


def expand_rows(orders: Sequence[OrderTable], *, order: int, start: int, stop: int) -> Ints:
    """List the words of n-grams of one order; see `NGramTables.rows`."""
    rows = np.empty((stop - start, order), np.int32)
    entries = np.arange(start, stop)
    for k in range(order, 0, -1):
        _gather(orders[k - 1].word, entries, rows, k - 1)
        if k > 1 and len(entries):
            children = orders[k - 2].children
            assert children is not None
            # Of the same type as the array, which would be copied otherwise.
            first = int(np.searchsorted(children, np.int32(entries[0]), side="right")) - 1
            _climb(children, first, entries)
    return rows


def keep_entries(tables: NGramTables, keep: Sequence[NDArray[np.bool_]]) -> NGramTables:
    """Return the tables with only the marked n-grams.

    The context of a kept n-gram must be kept. Words without a unigram disappear.
    """
    orders: list[OrderTable] = []
    renumber = np.cumsum(keep[0], dtype=np.int64).astype(np.int32) - 1
    for k, (table, mask) in enumerate(zip(tables.orders, keep, strict=True)):
        children = None
        if table.children is not None:
            kept_before = np.zeros(len(keep[k + 1]) + 1, np.int32)
            np.cumsum(keep[k + 1], out=kept_before[1:])
            edges = kept_before[table.children]
            children = np.concatenate([edges[:-1][mask], edges[-1:]])
        orders.append(
            OrderTable(
                renumber[table.word[mask]],
                table.log_prob[mask],
                None if table.backoff is None else table.backoff[mask],
                children,
            )
        )
    words = tables.words
    if not keep[0].all():
        words = words.take(np.flatnonzero(keep[0]))
    result = NGramTables(words, orders)
    _clear_backoffs(result)
    return result


def _clear_backoffs(tables: NGramTables) -> None:
    """What has lost all its extensions passes everything on to lower orders."""
    for table in tables.orders[:-1]:
        assert table.backoff is not None
        assert table.children is not None
        table.backoff[np.diff(table.children) == 0] = 0.0


def build_tables(words: Words, orders: Sequence[tuple[Ints, Floats, Floats]]) -> NGramTables:
    """Sort n-grams given in any order into tables.

    Args:
        words: The words, `<unk>` first.
        orders: For each order the words (n, k), log-probabilities and backoffs of its n-grams;
            of the first, one for every word in the order of their numbers.

    Raises:
        MissingContextError: If an n-gram extends one that is not there.
        RepeatedNGramError: If an n-gram is given twice.
    """
    built: list[OrderTable] = []
    for k, (rows, log_prob, backoff) in enumerate(orders, start=1):
        if k == 1:
            table = OrderTable(np.arange(len(words), dtype=np.int32), log_prob, backoff)
        else:
            contexts = _find_contexts(built, rows)
            keys = contexts << 32 | rows[:, -1].astype(np.int64)
            order = None if _is_increasing(keys) else np.argsort(keys, kind="stable")
            if order is not None:
                keys, contexts = keys[order], contexts[order]
                rows, log_prob, backoff = rows[order], log_prob[order], backoff[order]
            _refuse_repeats(keys, rows)
            edges = np.searchsorted(contexts, np.arange(len(built[-1]) + 1))
            built[-1].children = edges.astype(np.int32)
            table = OrderTable(np.ascontiguousarray(rows[:, -1]), log_prob, backoff)
        built.append(table)
    built[-1].backoff = None
    return NGramTables(words, built)


class MissingContextError(ValueError):
    """An n-gram extends one that is not in the model; `row` holds its words."""

    def __init__(self, row: Sequence[int]) -> None:
        super().__init__(row)
        self.row = row


class RepeatedNGramError(MissingContextError):
    """An n-gram is in the model twice."""


def find_entries(orders: Sequence[OrderTable], rows: Ints) -> NDArray[np.int64]:
    """Return the entry of every n-gram, -1 where it is not in the tables.

    Args:
        orders: The tables.
        rows: Words, (n, k).
    """
    entries = rows[:, 0].astype(np.int64)
    for k in range(1, rows.shape[1]):
        children, words = orders[k - 1].children, orders[k].word
        assert children is not None
        entries = _find_children(children, words, entries, np.ascontiguousarray(rows[:, k]))
    return entries


def parents(table: OrderTable) -> NDArray[np.int32]:
    """Return for every entry of the next order the entry it extends."""
    assert table.children is not None
    return np.repeat(np.arange(len(table), dtype=np.int32), np.diff(table.children))


def _find_contexts(built: Sequence[OrderTable], rows: Ints) -> NDArray[np.int64]:
    contexts = find_entries(built, rows[:, :-1])
    missing = np.flatnonzero(contexts < 0)
    if len(missing):
        raise MissingContextError(rows[missing[0]].tolist())
    return contexts


def _refuse_repeats(keys: NDArray[np.int64], rows: Ints) -> None:
    repeated = np.flatnonzero(keys[1:] == keys[:-1])
    if len(repeated):
        raise RepeatedNGramError(rows[repeated[0]].tolist())


def _is_increasing(keys: NDArray[np.int64]) -> bool:
    return bool((keys[1:] > keys[:-1]).all())


@compiled
def _gather(words: Ints, entries: NDArray[np.int64], rows: Ints, column: Integer) -> None:
    for i in range(entries.size):
        rows[i, column] = words[entries[i]]


@compiled
def _climb(children: Ints, first: Integer, entries: NDArray[np.int64]) -> None:
    """Replace neighbouring entries by those they extend; the one of the first is known."""
    parent = first
    for i in range(entries.size):
        while children[parent + 1] <= entries[i]:
            parent += 1
        entries[i] = parent


@compiled
def find_child(children: Ints, words: Ints, entry: Integer, word: Integer) -> Integer:
    """Return the entry that extends another by a word, -1 if there is none."""
    low, high = np.int64(children[entry]), np.int64(children[entry + 1])
    while high - low > 8:
        middle = (low + high) >> 1
        if words[middle] <= word:
            low = middle
        else:
            high = middle
    while low < high:
        if words[low] == word:
            return low
        low += 1
    return np.int64(-1)


@compiled
def _find_children(
    children: Ints, words: Ints, entries: NDArray[np.int64], next_words: Ints
) -> NDArray[np.int64]:
    found = np.empty(entries.size, np.int64)
    for i in range(entries.size):
        if entries[i] < 0:
            found[i] = -1
        else:
            found[i] = find_child(children, words, entries[i], next_words[i])
    return found
