"""N-gram counts in bounded memory: cut the text, count every piece, merge on disk.

Every piece becomes sorted tables (`counts.count_ngrams`). Tables of equal order are merged one
order after the other: once contexts have their final numbers, an n-gram is the number of its
context and its last word, one integer, and each piece's n-grams are already sorted by it.
Nothing is read but from the beginning to the end, and what is random stays within one piece.
"""

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anylect.lm.counts import CountTable, count_ngrams
from anylect.lm.disk import Appender, Column, save_column
from anylect.lm.words import BEGIN, END

Ints = NDArray[np.int32]
Longs = NDArray[np.int64]

_WORD_MASK = np.int64(0xFFFFFFFF)
_BYTES_PER_TOKEN, _BYTES_PER_TOKEN_AND_ORDER = 40, 24


@dataclass(frozen=True, slots=True)
class OrderColumns:
    """`counts.CountTable` on disk; the first order keeps no suffixes, the last no children."""

    word: Column
    count: Column
    suffix: Column | None = None
    children: Column | None = None
    adjusted: Column | None = None


@dataclass(frozen=True, slots=True)
class _Run:
    """One piece's n-grams of one order; `place` says where the merged ones will be."""

    word: Column
    count: Column
    suffix: Column
    parent: Column


def count_on_disk(
    numbers: Column, rank: Ints, *, order: int, memory: int, folder: Path
) -> list[OrderColumns]:
    """Count the n-grams of a text on disk.

    Args:
        numbers: Word numbers, every sentence between `<s>` and `</s>`.
        rank: New numbers of words by old.
        order: The highest order.
        memory: Bytes to use, beyond what the words themselves take.
        folder: Where to put what does not fit.
    """
    piece = max(2_000, memory // (_BYTES_PER_TOKEN + _BYTES_PER_TOKEN_AND_ORDER * order))
    unigrams = np.zeros(len(rank), np.int64)
    runs: list[list[_Run]] = []
    for number, text in enumerate(_cut(numbers, piece)):
        tables = count_ngrams(rank[text], len(rank), order=order, threads=1)
        unigrams += tables[0].count
        runs.append(_save_run(tables, folder, number))
    words = save_column(folder / "word1", np.arange(len(rank)), np.int32)
    columns = [OrderColumns(words, save_column(folder / "count1", unigrams, np.int32))]
    places: list[Column] | None = None
    for k in range(2, order + 1):
        merging = _Merging(folder, k, max(200, memory // (128 * max(1, len(runs)))))
        keyed = [
            merging.key(run[k - 2], places[i] if places else None, i) for i, run in enumerate(runs)
        ]
        merged, children, places = merging.merge(keyed, contexts=len(columns[-1].word))
        columns[-1] = OrderColumns(
            columns[-1].word, columns[-1].count, columns[-1].suffix, children
        )
        columns.append(merged)
    return [_adjust(columns, k, memory=memory, folder=folder) for k in range(1, order + 1)]


def _cut(numbers: Column, piece: int) -> Iterable[Ints]:
    """Yield whole sentences of about as many words as a piece has room for."""
    carry = np.empty(0, np.int32)
    for _, block in numbers.blocks(piece):
        text = np.concatenate([carry, block])
        ends = np.flatnonzero(text == END)
        cut = int(ends[-1]) + 1 if len(ends) else 0
        if cut:
            yield text[:cut]
        carry = text[cut:]


def _save_run(tables: Sequence[CountTable], folder: Path, number: int) -> list[_Run]:
    run = []
    for k, table in enumerate(tables[1:], start=2):
        name = f"run{number}-{k}"
        children = tables[k - 2].children
        assert children is not None
        assert table.suffix is not None
        parent = np.repeat(np.arange(len(children) - 1, dtype=np.int32), np.diff(children))
        run.append(
            _Run(
                save_column(folder / f"{name}-word", table.word, np.int32),
                save_column(folder / f"{name}-count", table.count, np.int32),
                save_column(folder / f"{name}-suffix", table.suffix, np.int32),
                save_column(folder / f"{name}-parent", parent, np.int32),
            )
        )
    return run


@dataclass(slots=True)
class _Merging:
    folder: Path
    k: int
    block: int

    def key(self, run: _Run, place: Column | None, number: int) -> tuple[Column, Column, Column]:
        """Rewrite a piece's n-grams in final numbers of the order before: key, count, suffix."""
        parent, suffix = run.parent.read(), run.suffix.read()
        if place is not None:
            final = place.read()
            parent, suffix = final[parent], final[suffix]
        keys = parent.astype(np.int64) << 32 | run.word.read()
        name = f"key{number}-{self.k}"
        columns = (
            save_column(self.folder / name, keys, np.int64),
            run.count,
            save_column(self.folder / f"{name}-suffix", suffix, np.int32),
        )
        for column in (run.parent, run.suffix, run.word):
            column.path.unlink()
        return columns

    def merge(
        self, runs: Sequence[tuple[Column, Column, Column]], *, contexts: int
    ) -> tuple[OrderColumns, Column, list[Column]]:
        """Merge sorted runs; return the order, children of the one before, and final places."""
        folder, k = self.folder, self.k
        positions = [0] * len(runs)
        filled, edge = 0, 0
        with ExitStack() as stack:
            names = (f"word{k}", f"count{k}", f"suffix{k}", f"children{k - 1}")
            word, count, suffix, children = (
                stack.enter_context(Appender(folder / name, np.int32)) for name in names
            )
            places = [
                stack.enter_context(Appender(folder / f"place{k}-{i}", np.int32))
                for i in range(len(runs))
            ]
            while parts := self._take(runs, positions):
                keys = np.concatenate([part[0] for _, part in parts])
                order = np.argsort(keys, kind="stable")
                keys = keys[order]
                starts = np.flatnonzero(np.diff(keys, prepend=-1))
                counts = np.concatenate([part[1] for _, part in parts])[order]
                suffixes = np.concatenate([part[2] for _, part in parts])[order]
                final = np.empty(len(keys), np.int32)
                final[order] = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(keys)))
                parents = keys[starts] >> 32
                edges = np.arange(edge, int(parents[-1]) + 1)
                children.append(filled + np.searchsorted(parents, edges))
                edge = int(parents[-1]) + 1
                word.append(keys[starts] & _WORD_MASK)
                count.append(np.add.reduceat(counts, starts))
                suffix.append(suffixes[starts])
                at = 0
                for i, part in parts:
                    places[i].append(filled + final[at : at + len(part[0])])
                    at += len(part[0])
                filled += len(starts)
            children.append(np.full(contexts + 1 - edge, filled))
        for run in runs:
            for column in run:
                column.path.unlink()
        merged = OrderColumns(word.column, count.column, suffix.column)
        return merged, children.column, [place.column for place in places]

    def _take(
        self, runs: Sequence[tuple[Column, Column, Column]], positions: list[int]
    ) -> list[tuple[int, tuple[Longs, Ints, Ints]]]:
        """Read from every run what is certain to come before all that is not read."""
        buffers: list[Longs] = []
        bound = np.iinfo(np.int64).max
        for run, position in zip(runs, positions, strict=True):
            stop = min(len(run[0]), position + self.block)
            keys = run[0].read(position, stop)
            buffers.append(keys)
            if stop < len(run[0]):
                bound = min(bound, int(keys[-1]))
        parts = []
        for i, (run, keys) in enumerate(zip(runs, buffers, strict=True)):
            size = int(np.searchsorted(keys, bound, side="right"))
            start = positions[i]
            if size:
                part = (
                    keys[:size],
                    run[1].read(start, start + size),
                    run[2].read(start, start + size),
                )
                parts.append((i, part))
                positions[i] += size
        return parts


def _adjust(columns: Sequence[OrderColumns], k: int, *, memory: int, folder: Path) -> OrderColumns:
    """Write adjusted counts of order k; see `counts.adjust_counts`."""
    table = columns[k - 1]
    if k == len(columns):
        if k > 1:
            return OrderColumns(table.word, table.count, table.suffix, None, table.count)
        counts = table.count.read()
        counts[BEGIN] = 0
        column = save_column(folder / "adjusted1", counts, np.int32)
        return OrderColumns(table.word, table.count, None, None, column)
    first, last = BEGIN, BEGIN + 1
    for shorter in columns[: k - 1]:
        assert shorter.children is not None
        first = int(shorter.children.read(first, first + 1)[0])
        last = int(shorter.children.read(last, last + 1)[0])
    suffix = columns[k].suffix
    assert suffix is not None
    size = max(1_000, memory // 32)
    with Appender(folder / f"adjusted{k}", np.int32) as adjusted_column:
        for low in range(0, len(table.word), size):
            high = min(len(table.word), low + size)
            adjusted = np.zeros(high - low, np.int64)
            for _, block in suffix.blocks(size):
                inside = block[(block >= low) & (block < high)] - low
                adjusted += np.bincount(inside, minlength=high - low)
            a, b = max(low, first), min(high, last)
            if a < b:
                adjusted[a - low : b - low] = table.count.read(a, b) if k > 1 else 0
            adjusted_column.append(adjusted)
    return OrderColumns(
        table.word, table.count, table.suffix, table.children, adjusted_column.column
    )
