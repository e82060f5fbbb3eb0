"""N-gram counts of all orders at once, as sorted tables.

Second step of estimation. The text is one array of word numbers. For k = 1, 2, … the start
positions of all k-grams are kept sorted by their k-gram: positions sorted by (k-1)-grams fall
into groups, and only groups with more than one member need sorting by their k-th word. So
every order falls out as a flat table in which the extensions of an n-gram are neighbours.
The table is work space and result at once: a trie without pointers.
"""

import itertools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anylect.compiled import Integer, compiled
from anylect.lm.words import BEGIN, END

Ints = NDArray[np.int32]

_PARTS_PER_THREAD = 16
_NO_WORD = np.int64(0xFFFFFFFF)


@dataclass(slots=True, eq=False)
class CountTable:
    """All n-grams of one order, sorted by their words from first to last.

    Entry i ends in word `word[i]`; entries of the next order that extend it to the right are
    `children[i]` to `children[i + 1]`; `suffix[i]` is the entry, one order lower, that lacks
    its first word. `adjusted` counts the different words seen before an n-gram, and for the
    highest order and for what begins with `<s>` how often it was seen
    (Heafield et al. 2013, sec. 3.2).
    """

    word: Ints
    count: Ints
    suffix: Ints | None = None
    children: Ints | None = None
    adjusted: Ints | None = None

    def __len__(self) -> int:
        return len(self.word)


def count_ngrams(
    numbers: Ints, vocabulary_size: int, *, order: int, threads: int = 2
) -> list[CountTable]:
    """Count the n-grams of orders one to `order`.

    Args:
        numbers: Word numbers of the text, every sentence between `<s>` and `</s>`.
        vocabulary_size: Word numbers are below this.
        order: The highest order.
        threads: How many groups are sorted side by side.

    Returns:
        A table per order; the first has an entry for every word, also those not seen.
    """
    unigrams = CountTable(
        np.arange(vocabulary_size, dtype=np.int32),
        np.bincount(numbers, minlength=vocabulary_size).astype(np.int32),
    )
    tables = [unigrams]
    if order > 1 and len(numbers):
        with ThreadPoolExecutor(threads) as pool:
            _Refiner(numbers, pool=pool, threads=threads).extend(tables, order=order)
    for _ in range(order - len(tables)):
        tables[-1].children = np.zeros(len(tables[-1]) + 1, np.int32)
        nothing = np.empty(0, np.int32)
        tables.append(CountTable(nothing, nothing, nothing))
    adjust_counts(tables)
    return tables


def adjust_counts(tables: Sequence[CountTable]) -> None:
    """Fill in `adjusted` of every order (Heafield et al. 2013, sec. 3.2).

    N-grams that begin with `<s>` have no word before them, so they keep their plain count;
    being the descendants of one unigram, they are neighbours in every table.
    """
    first, last = BEGIN, BEGIN + 1
    for k, table in enumerate(tables[:-1], start=1):
        longer = tables[k]
        table.adjusted = np.zeros(len(table), np.int32)
        assert longer.suffix is not None
        assert table.children is not None
        _count_predecessors(longer.suffix, table.adjusted)
        if k > 1:
            table.adjusted[first:last] = table.count[first:last]
        first, last = int(table.children[first]), int(table.children[last])
    tables[-1].adjusted = tables[-1].count
    unigrams = tables[0]
    assert unigrams.adjusted is not None
    unigrams.adjusted = unigrams.adjusted.copy()
    unigrams.adjusted[BEGIN] = 0


def split_groups(starts: Ints, groups: int, *, parts: int) -> list[tuple[int, int]]:
    """Cut groups into ranges of neighbours that hold about the same number of members.

    Args:
        starts: How many members come before each group; may go on to the end of the last.
        groups: How many groups there are.
        parts: How many ranges to make.

    Example:
        >>> split_groups(np.array([0, 5, 6, 7, 8, 13], np.int32), 5, parts=2)
        [(0, 2), (2, 5)]
    """
    if not groups:
        return []
    # Of the same type as the array, which would be copied otherwise.
    wanted = np.linspace(starts[0], starts[-1], parts + 1)[1:-1].astype(starts.dtype)
    cuts = np.minimum(np.searchsorted(starts, wanted), groups)
    edges = [0, *(int(cut) for cut in cuts), groups]
    return [(a, b) for a, b in itertools.pairwise(edges) if b > a]


@dataclass(slots=True, eq=False)
class _Refiner:
    numbers: Ints
    pool: ThreadPoolExecutor
    threads: int

    def extend(self, tables: list[CountTable], *, order: int) -> None:
        """Append the tables of orders two to `order`."""
        numbers, size = self.numbers, len(tables[0])
        first_places = np.zeros(size + 1, np.int64)
        positions = _sort_starts(numbers, first_places)
        starts = first_places[:size].astype(np.int32)
        entry_at = numbers  # the entry of the (k-1)-gram that begins at a position
        for k in range(2, order + 1):
            entry_at, starts = self._extend_once(
                tables, (positions, starts, entry_at), k=k, is_last=k == order
            )

    def _extend_once(
        self,
        tables: list[CountTable],
        sorted_positions: tuple[Ints, Ints, Ints],
        *,
        k: int,
        is_last: bool,
    ) -> tuple[Ints, Ints]:
        positions, starts, entry_at = sorted_positions
        shorter = tables[-1]
        children_of = np.empty(len(shorter), np.int32)
        groups = (shorter.word, starts, shorter.count)
        parts = split_groups(starts, len(shorter), parts=_PARTS_PER_THREAD * self.threads)
        self._in_parts(
            parts,
            lambda a, b: _refine(self.numbers, positions, groups, k, (a, b), children_of),
        )
        children = np.zeros(len(shorter) + 1, np.int64)
        np.cumsum(children_of, out=children[1:])
        found = int(children[-1])
        edges = shorter.children = children.astype(np.int32)
        suffix = np.empty(found, np.int32)
        table = CountTable(np.empty(found, np.int32), np.empty(found, np.int32), suffix)
        kept = 0 if is_last else len(self.numbers)
        new_entry_at, new_starts = np.empty(kept, np.int32), np.empty(kept and found, np.int32)
        source = (self.numbers, positions, starts, shorter.count, entry_at)
        target = (table.word, table.count, suffix, new_starts, new_entry_at)
        self._in_parts(
            parts,
            lambda a, b: _emit(source, edges, k, (a, b), target),
        )
        tables.append(table)
        return new_entry_at, new_starts

    def _in_parts(self, parts: list[tuple[int, int]], function: Callable[[int, int], None]) -> None:
        list(self.pool.map(lambda part: function(*part), parts))


# ---------------------------------------------------------------- kernels


@compiled
def _sort_starts(numbers: Ints, starts: NDArray[np.int64]) -> Ints:
    """Sort every position that begins a bigram, all but those of `</s>`, by its word.

    A counting sort, which keeps the order of equals; `starts` receives each word's first place.
    """
    for at in range(numbers.size - 1):
        starts[numbers[at] + 1] += numbers[at] != END
    for word in range(starts.size - 1):
        starts[word + 1] += starts[word]
    positions = np.empty(starts[-1], np.int32)
    filled = starts[:-1].copy()
    for at in range(numbers.size - 1):
        word = numbers[at]
        if word != END:
            positions[filled[word]] = at
            filled[word] += 1
    return positions


@compiled
def _sort(keys: NDArray[np.uint64], size: Integer) -> None:
    """Sort the first `size` keys in place: quicksort on a stack of our own, insertion for few.

    Not recursive: a kernel that calls itself crashes when numba loads it from its cache.
    """
    stack = np.empty(128, np.int64)
    low: Integer = np.int64(0)
    high: Integer = np.int64(size)
    depth = 0
    while True:
        while high - low > 24:
            first, last = _partition(keys, low, high)
            if last + 1 - low < high - first:
                stack[depth], stack[depth + 1] = first, high
                high = last + 1
            else:
                stack[depth], stack[depth + 1] = low, last + 1
                low = first
            depth += 2
        _sort_few(keys, low, high)
        if depth == 0:
            return
        depth -= 2
        low, high = stack[depth], stack[depth + 1]


@compiled
def _partition(keys: NDArray[np.uint64], low: Integer, high: Integer) -> tuple[Integer, Integer]:
    """Split around the median of three: keys up to the second result, keys from the first."""
    a, b, c = keys[low], keys[(low + high) >> 1], keys[high - 1]
    pivot = max(min(a, b), min(max(a, b), c))
    first, last = low, high - 1
    while first <= last:
        while keys[first] < pivot:
            first += 1
        while keys[last] > pivot:
            last -= 1
        if first <= last:
            key = keys[first]
            keys[first] = keys[last]
            keys[last] = key
            first += 1
            last -= 1
    return first, last


@compiled
def _sort_few(keys: NDArray[np.uint64], low: Integer, high: Integer) -> None:
    for i in range(low + 1, high):
        key = keys[i]
        j = i - 1
        while j >= low and keys[j] > key:
            keys[j + 1] = keys[j]
            j -= 1
        keys[j + 1] = key


@compiled
def _refine(
    numbers: Ints,
    positions: Ints,
    groups: tuple[Ints, Ints, Ints],
    k: Integer,
    part: tuple[Integer, Integer],
    children_of: Ints,
) -> None:
    """Sort each group of equal (k-1)-grams by its k-th word and count the different ones.

    `groups` holds last word, first place in `positions` and size of every (k-1)-gram.
    """
    words, starts, sizes = groups
    largest = np.int32(0)
    for group in range(part[0], part[1]):
        largest = max(largest, sizes[group])
    keys = np.empty(largest, np.uint64)
    for group in range(part[0], part[1]):
        start, size = np.int64(starts[group]), np.int64(sizes[group])
        if words[group] == END or size == 0:
            children_of[group] = 0
        elif size == 1:
            children_of[group] = 1
        elif size == 2:
            children_of[group] = _refine_pair(numbers, positions, start, k - 1)
        else:
            children_of[group] = _refine_many(numbers, positions, start, k - 1, keys[:size])


@compiled
def _refine_pair(numbers: Ints, positions: Ints, start: Integer, shift: Integer) -> Integer:
    a, b = positions[start], positions[start + 1]
    word_a, word_b = numbers[a + shift], numbers[b + shift]
    if word_a > word_b:
        positions[start], positions[start + 1] = b, a
    return 1 if word_a == word_b else 2


@compiled
def _refine_many(
    numbers: Ints, positions: Ints, start: Integer, shift: Integer, keys: NDArray[np.uint64]
) -> Integer:
    is_sorted: np.bool_ = np.bool_(True)
    different = 1
    last = np.int64(numbers[positions[start] + shift])
    for i in range(keys.size):
        position = positions[start + i]
        word = np.int64(numbers[position + shift])
        keys[i] = np.uint64(word) << np.uint64(32) | np.uint64(position)
        is_sorted &= word >= last
        different += word != last
        last = word
    if is_sorted:  # many groups have but one continuation
        return different
    _sort(keys, keys.size)
    different, last = 0, _NO_WORD
    for i in range(keys.size):
        positions[start + i] = np.int32(keys[i] & np.uint64(0xFFFFFFFF))
        word = np.int64(keys[i] >> np.uint64(32))
        different += word != last
        last = word
    return different


@compiled
def _emit(
    source: tuple[Ints, Ints, Ints, Ints, Ints],
    children: Ints,
    k: Integer,
    part: tuple[Integer, Integer],
    target: tuple[Ints, Ints, Ints, Ints, Ints],
) -> None:
    """Write the entries of order k, now that their number and places are known."""
    numbers, positions, starts, sizes, entry_at = source
    new_word, new_count, new_suffix, new_starts, new_entry_at = target
    is_last = new_entry_at.size == 0
    for group in range(part[0], part[1]):
        entry = children[group]
        if entry == children[group + 1]:
            continue
        at = np.int64(starts[group])
        end = at + sizes[group]
        while at < end:
            begin, position = at, positions[at]
            word = numbers[position + k - 1]
            new_word[entry] = word
            new_suffix[entry] = entry_at[position + 1]
            while at < end and numbers[positions[at] + k - 1] == word:
                if not is_last:
                    new_entry_at[positions[at]] = entry
                at += 1
            new_count[entry] = at - begin
            if not is_last:
                new_starts[entry] = begin
            entry += 1


@compiled
def _count_predecessors(suffix: Ints, adjusted: Ints) -> None:
    for entry in suffix:
        adjusted[entry] += 1


@compiled
def count_counts(adjusted: Ints) -> NDArray[np.int64]:
    """Count how many n-grams have an adjusted count of 0, 1, 2, 3, 4, and more."""
    seen = np.zeros(6, np.int64)
    for count in adjusted:
        seen[min(count, 5)] += 1
    return seen
