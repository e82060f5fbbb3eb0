"""Estimation in bounded memory: the formulas of `kneser_ney`, a block at a time from disk.

An n-gram needs the probability of the n-gram without its first word, anywhere in the table
before. These are fetched in passes: as much of that table as fits is read, and all n-grams
that ask for something in it are served. Everything else is read from beginning to end.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anylect.lm.counts import CountTable
from anylect.lm.disk import Appender, Column, save_column
from anylect.lm.external_counts import OrderColumns
from anylect.lm.kneser_ney import (
    Discounts,
    Estimate,
    LastNGram,
    discounts_from,
    estimate_unigrams,
    interpolate,
    spread_thresholds,
    to_logs,
)
from anylect.lm.tables import NGramTables, OrderTable
from anylect.lm.words import BEGIN, END, UNKNOWN, Words

Ints = NDArray[np.int32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Order:
    """What is known of an order once it is estimated; `backoff` comes with the next one."""

    word: Column
    prob: Column
    keep: Column
    inside: Column
    backoff: Column | None = None


def estimate_on_disk(
    counts: Sequence[OrderColumns],
    words: Words,
    *,
    prune: Sequence[int],
    allowed: Mask | None,
    first_seen: Ints,
    place: tuple[Path, int],
) -> Estimate:
    """Estimate a model whose tables lie in a folder; see `kneser_ney.estimate`.

    Args:
        counts: Counts on disk.
        words: The words by number.
        prune: Thresholds by order.
        allowed: Which words may appear; None for all.
        first_seen: By word, its rank in the order of first appearance.
        place: The folder for columns, and how many bytes of memory to use.

    Returns:
        The estimate; its tables are mapped from the folder, which must outlive them.
    """
    folder, memory = place
    work = _Work(folder, max(1_000, memory // 96), spread_thresholds(prune, len(counts)))
    discounts = work.discounts(counts, first_seen)
    orders = [work.first_order(counts[0], discounts[0], allowed, alone=len(counts) == 1)]
    for k in range(2, len(counts) + 1):
        backoff, order = work.extend(counts, k, discounts[k - 1], orders[-1])
        shorter = orders[-1]
        orders[-1] = _Order(shorter.word, shorter.prob, shorter.keep, shorter.inside, backoff)
        orders.append(order)
    tables = [work.finish(orders, counts, k) for k in range(1, len(counts) + 1)]
    kept = orders[0].keep.read()
    if not kept.all():
        words = words.take(np.flatnonzero(kept))
    return Estimate(NGramTables(words, tables), tuple(discounts))


@dataclass(slots=True)
class _Work:
    folder: Path
    block: int
    thresholds: list[int]
    renumber: Ints | None = None

    def discounts(self, counts: Sequence[OrderColumns], first_seen: Ints) -> list[Discounts]:
        last = _LastOnDisk(first_seen, counts, self.block)
        found = []
        for k, order in enumerate(counts, start=1):
            assert order.adjusted is not None
            seen = np.zeros(6, np.int64)
            for _, block in order.adjusted.blocks(self.block):
                seen += np.bincount(np.minimum(block, 5), minlength=6)
            if k < len(counts):
                last.correct(seen, k)
            found.append(discounts_from(k, seen))
        return found

    def first_order(
        self, counts: OrderColumns, discounts: Discounts, allowed: Mask | None, *, alone: bool
    ) -> _Order:
        assert counts.adjusted is not None
        special = np.zeros(len(counts.word), np.bool_)
        special[[UNKNOWN, BEGIN, END]] = True
        inside = np.ones(len(special), np.bool_) if allowed is None else allowed | special
        count = counts.count.read()
        keep = (inside & (count > self.thresholds[0])) | special if self.thresholds[0] else inside
        table = CountTable(counts.word.read(), count, adjusted=counts.adjusted.read())
        prob = estimate_unigrams(table, discounts, keep).log_prob
        self.renumber = np.cumsum(keep, dtype=np.int64).astype(np.int32) - 1
        return _Order(
            counts.word,
            save_column(self.folder / "prob1", prob, np.float32),
            save_column(self.folder / "keep1", keep, np.bool_),
            save_column(self.folder / "inside1", inside, np.bool_),
        )

    def extend(
        self, counts: Sequence[OrderColumns], k: int, discounts: Discounts, shorter: _Order
    ) -> tuple[Column, _Order]:
        """Estimate order k; return the backoffs of the order before, and the order."""
        order, children = counts[k - 1], counts[k - 2].children
        assert order.adjusted is not None
        assert order.suffix is not None
        assert children is not None
        low = self._fetch(order.suffix, shorter.prob)
        allowed = self._allowed_words()
        taken = np.array([0.0, *discounts.values])
        with ExitStack() as stack:
            kinds = (("prob", np.float32), ("keep", np.bool_), ("inside", np.bool_))
            prob_out, keep_out, inside_out = (
                stack.enter_context(Appender(self.folder / f"{name}{k}", kind))
                for name, kind in kinds
            )
            backoff_out = stack.enter_context(Appender(self.folder / f"backoff{k - 1}", np.float32))
            for start, edges in self._contexts(children):
                a, b = int(edges[0]), int(edges[-1])
                inside = np.repeat(
                    shorter.inside.read(start, start + len(edges) - 1), np.diff(edges)
                )
                inside &= allowed[order.word.read(a, b)]
                keep = inside & (order.count.read(a, b) > self.thresholds[k - 1])
                prob = np.empty(b - a, np.float32)
                backoff = np.empty(len(edges) - 1, np.float32)
                source = (
                    edges - edges[0],
                    order.adjusted.read(a, b),
                    keep,
                    np.arange(b - a, dtype=np.int32),
                    low.read(a, b),
                )
                interpolate(source, taken, (0, len(backoff)), (prob, backoff))
                for column, values in (
                    (prob_out, prob),
                    (keep_out, keep),
                    (inside_out, inside),
                    (backoff_out, backoff),
                ):
                    column.append(values)
        low.path.unlink()
        found = _Order(order.word, prob_out.column, keep_out.column, inside_out.column)
        return backoff_out.column, found

    def finish(
        self, orders: Sequence[_Order], counts: Sequence[OrderColumns], k: int
    ) -> OrderTable:
        """Leave out what is pruned, take logarithms, and map the table."""
        order, children, renumber = orders[k - 1], counts[k - 1].children, self.renumber
        assert renumber is not None
        with ExitStack() as stack:
            names = (("word", np.int32), ("log", np.float32), ("weight", np.float32))
            word, log_prob, backoff = (
                stack.enter_context(Appender(self.folder / f"final-{name}{k}", kind))
                for name, kind in names
            )
            edges = stack.enter_context(Appender(self.folder / f"final-children{k}", np.int32))
            kept_before, done = 0, 0
            edges.append(np.zeros(1, np.int32))
            for start, block in order.word.blocks(self.block):
                stop = start + len(block)
                keep = order.keep.read(start, stop)
                part = OrderTable(renumber[block[keep]], order.prob.read(start, stop)[keep])
                if children is not None and order.backoff is not None:
                    part.backoff = order.backoff.read(start, stop)[keep]
                    ends = children.read(start + 1, stop + 1)
                    kept = self._kept_until(orders[k].keep, done, ends) + kept_before
                    done, kept_before = int(ends[-1]), int(kept[-1])
                    kept_after = np.concatenate([[0], kept])[1:][keep]
                    edges.append(kept_after)
                to_logs(part, 0, len(part))
                word.append(part.word)
                log_prob.append(part.log_prob)
                if part.backoff is not None:
                    backoff.append(part.backoff)
        table = OrderTable(word.column.mapped(), log_prob.column.mapped())
        if children is not None:
            self._clear_backoffs(backoff.column, edges.column)
            table.backoff, table.children = backoff.column.mapped(), edges.column.mapped()
        return table

    def _clear_backoffs(self, backoff: Column, edges: Column) -> None:
        for start, block in backoff.blocks(self.block):
            childless = np.diff(edges.read(start, start + len(block) + 1)) == 0
            if block[childless].any():
                block[childless] = 0.0
                backoff.write(start, block)

    def _kept_until(self, keep: Column, start: int, ends: Ints) -> NDArray[np.int64]:
        """Count the kept entries from `start` to each of some ends, in pieces."""
        counts = np.zeros(len(ends), np.int64)
        total, at = 0, start
        while at < int(ends[-1]):
            stop = min(int(ends[-1]), at + self.block)
            sums = np.cumsum(keep.read(at, stop))
            here = (ends > at) & (ends <= stop)
            counts[here] = total + sums[ends[here] - at - 1]
            total += int(sums[-1])
            at = stop
        return np.maximum.accumulate(counts)

    def _allowed_words(self) -> Mask:
        inside: Mask = Column(self.folder / "inside1", np.dtype(np.bool_)).read()
        return inside

    def _contexts(self, children: Column) -> Iterator[tuple[int, Ints]]:
        """Yield ranges of contexts with few extensions together: the first, and the edges."""
        start, total = 0, len(children) - 1
        while start < total:
            edges = children.read(start, min(total, start + self.block) + 1)
            size = int(np.searchsorted(edges, edges[0] + self.block, side="right")) - 1
            size = max(1, size)
            yield start, edges[: size + 1]
            start += size

    def _fetch(self, suffix: Column, prob: Column) -> Column:
        """Fetch the probability of every n-gram's suffix, in passes over the suffixes."""
        low = save_column(self.folder / "fetched", np.empty(0), np.float32)
        size = 8 * self.block
        for bottom in range(0, len(prob), size):
            part = prob.read(bottom, min(len(prob), bottom + size))
            for start, block in suffix.blocks(self.block):
                if bottom == 0:
                    fetched = np.zeros(len(block), np.float32)
                else:
                    fetched = low.read(start, start + len(block))
                asked = (block >= bottom) & (block < bottom + len(part))
                fetched[asked] = part[block[asked] - bottom]
                low.write(start, fetched)
        return low


class _LastOnDisk(LastNGram):
    """`LastNGram` over columns."""

    def __init__(self, first_seen: Ints, counts: Sequence[OrderColumns], block: int) -> None:
        super().__init__(first_seen, has_text=bool(counts[0].count.read(END, END + 1)[0]))
        self._counts = counts
        self._block = block

    def correct(self, seen: NDArray[np.int64], k: int) -> None:
        """Correct the counts of counts of order k."""
        column = self._counts[k - 1]
        if not self.goes_on(k):
            return
        if k == 1:
            candidates = np.arange(len(column.word))
        else:
            assert column.suffix is not None
            found = [
                start + np.flatnonzero(block == self.entry)
                for start, block in column.suffix.blocks(self._block)
            ]
            candidates = np.concatenate([np.empty(0, np.int64), *found])
        first_words = candidates
        for shorter in reversed(self._counts[: k - 1]):
            assert shorter.children is not None
            first_words = self._parents(shorter.children, first_words)
        entry = self.choose(candidates, first_words)
        if entry >= 0:
            assert column.adjusted is not None
            adjusted = int(column.adjusted.read(entry, entry + 1)[0])
            self.recount(seen, adjusted, int(column.count.read(entry, entry + 1)[0]))

    def _parents(self, children: Column, entries: NDArray[np.int64]) -> NDArray[np.int64]:
        parents = np.zeros(len(entries), np.int64)
        for start, edges in children.blocks(self._block):
            within = np.searchsorted(edges, entries, side="right")
            parents = np.where(within > 0, start + within - 1, parents)
        return parents
