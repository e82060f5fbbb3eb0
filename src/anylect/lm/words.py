"""The words of a language model, by number; and from text to numbers.

Words are kept as bytes in one buffer, not as Python objects: a model of two million words
would otherwise take half a gigabyte for its words alone.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from anylect.compiled import Integer, compiled
from anylect.errors import ManifestError
from anylect.lm.corpus import Block

UNKNOWN, BEGIN, END = 0, 1, 2
"""Numbers of `<unk>`, `<s>` and `</s>` in every model that we estimate."""
SPECIAL = ("<unk>", "<s>", "</s>")

_MARK = 8
"""A mark that stands in the text is told from one that we add by this difference."""
FNV_OFFSET = np.uint64(14695981039346656037)
FNV_PRIME = np.uint64(1099511628211)


@dataclass(frozen=True, slots=True, eq=False)
class Words:
    """Words by number: word i is `buffer[offsets[i]:offsets[i + 1]]`, in UTF-8.

    Example:
        >>> words = build_words(["a", "né"])
        >>> len(words), words[1], list(words)
        (2, 'né', ['a', 'né'])
    """

    buffer: NDArray[np.uint8]
    offsets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, number: int) -> str:
        start, stop = self.offsets[number], self.offsets[number + 1]
        return self.buffer[start:stop].tobytes().decode("utf-8", errors="replace")

    def __iter__(self) -> Iterator[str]:
        whole = self.buffer.tobytes()
        for start, stop in zip(self.offsets, self.offsets[1:], strict=False):
            yield whole[start:stop].decode("utf-8", errors="replace")

    def take(self, order: NDArray[np.int64]) -> "Words":
        """Return the words of these numbers, in this order."""
        lengths = np.diff(self.offsets)[order]
        offsets = np.zeros(len(order) + 1, np.int64)
        np.cumsum(lengths, out=offsets[1:])
        buffer = np.empty(offsets[-1], np.uint8)
        _copy_words(self.buffer, self.offsets, order, buffer, offsets)
        return Words(buffer, offsets)


def build_words(words: Iterable[str]) -> Words:
    """Number words in the order given."""
    encoded = [word.encode() for word in words]
    offsets = np.zeros(len(encoded) + 1, np.int64)
    np.cumsum([len(word) for word in encoded], out=offsets[1:])
    return Words(np.frombuffer(b"".join(encoded), np.uint8).copy(), offsets)


@dataclass(slots=True)
class Tokenizer:
    """Turns blocks of text into word numbers, words numbered as they are first seen.

    A word is found by a hash of 64 bits alone: with ten million words, the chance that any
    two share one is three in a million.
    """

    skip_marks: bool = False
    marks: int = 0
    """How many `<s>`, `</s>` or `<unk>` stood in the text and were skipped."""
    _keys: NDArray[np.uint64] = field(default_factory=lambda: np.zeros(1 << 16, np.uint64))
    _values: NDArray[np.int32] = field(default_factory=lambda: np.zeros(1 << 16, np.int32))
    _buffer: NDArray[np.uint8] = field(default_factory=lambda: np.empty(1 << 20, np.uint8))
    _offsets: NDArray[np.int64] = field(default_factory=lambda: np.zeros(1 << 15, np.int64))
    _count: Integer = 0

    def __post_init__(self) -> None:
        for mark in (*SPECIAL, "<UNK>"):
            self._number(mark.encode() + b"\n")
        # KenLM takes `<UNK>` for `<unk>`; it has a place in the table, but no number of its own.
        self._values[self._values == len(SPECIAL)] = UNKNOWN
        self._count = len(SPECIAL)

    def add(self, block: Block) -> NDArray[np.int32]:
        """Return the numbers of a block's words, every line between `<s>` and `</s>`.

        Raises:
            ManifestError: Where a mark such as `<s>` stands in the text itself.
        """
        numbers = self._number(block.data)
        marks = _find_marks(numbers)
        if len(marks):
            if not self.skip_marks:
                raise self._refuse_mark(block, numbers, int(marks[0]))
            self.marks += len(marks)
            numbers = np.delete(numbers, marks)
        return numbers

    def words(self) -> Words:
        """Return the words seen so far, in the order they were first seen."""
        offsets = self._offsets[: self._count + 1].copy()
        return Words(self._buffer[: offsets[-1]].copy(), offsets)

    def _number(self, data: bytes) -> NDArray[np.int32]:
        text = np.frombuffer(data, np.uint8)
        room = _count_tokens(text)
        numbers = np.empty(room, np.int32)
        at: Integer = 0
        filled: Integer = 0
        while at < len(text):
            at, filled, self._count = _tokenize(
                (text, at, filled, self._count),
                self._keys,
                self._values,
                self._buffer,
                self._offsets,
                numbers,
            )
            if at < len(text):
                self._grow(text, at)
        return numbers[:filled]

    def _grow(self, text: NDArray[np.uint8], at: Integer) -> None:
        """Make room for the word that did not fit, and for as many again."""
        if self._count + 2 > len(self._offsets):
            self._offsets = np.concatenate([self._offsets, np.zeros_like(self._offsets)])
            keys = np.zeros(len(self._keys) * 2, np.uint64)
            values = np.zeros(len(self._keys) * 2, np.int32)
            _rehash(self._keys, self._values, keys, values)
            self._keys, self._values = keys, values
        else:
            room = max(len(self._buffer), len(text) - at)
            self._buffer = np.concatenate([self._buffer, np.empty(room, np.uint8)])

    def _refuse_mark(
        self, block: Block, numbers: NDArray[np.int32], position: int
    ) -> ManifestError:
        line = block.lines[int(np.count_nonzero(numbers[:position] == END))]
        mark = SPECIAL[numbers[position] + _MARK]
        return ManifestError(
            f"{block.place}:{line}: `{mark}` stands in the text; sentence marks are added by us",
            hint='remove it from the text, or set `marks = "skip"` to read on without it',
        )


@compiled
def _is_separator(byte: Integer) -> bool:
    return bool(byte == 32 or byte == 10 or byte == 9 or byte == 13 or byte == 0)


@compiled
def _count_tokens(text: NDArray[np.uint8]) -> Integer:
    tokens, inside = 0, False
    for byte in text:
        separates = _is_separator(byte)
        tokens += inside and separates
        inside = not separates
        if byte == 10:
            tokens += 2
    return tokens


@compiled
def find_slot(key: np.uint64, keys: NDArray[np.uint64]) -> np.uint64:
    """Return where a key stands, or would, in a table of a power of two that is not full."""
    mask = np.uint64(keys.size - 1)
    slot = (key * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(32) & mask
    while keys[slot] != 0 and keys[slot] != key:
        slot = (slot + np.uint64(1)) & mask
    return slot


@compiled
def _tokenize(
    progress: tuple[NDArray[np.uint8], Integer, Integer, Integer],
    keys: NDArray[np.uint64],
    values: NDArray[np.int32],
    buffer: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    numbers: NDArray[np.int32],
) -> tuple[Integer, Integer, Integer]:
    """Number words until the text ends or the table is full; resumes where it stopped.

    A line is open when the last number is not `</s>`, so no other state is needed.
    """
    text, at, filled, count = progress
    while at < text.size:
        if filled == 0 or numbers[filled - 1] == END:
            numbers[filled] = BEGIN
            filled += 1
        byte = text[at]
        if _is_separator(byte):
            if byte == 10:
                numbers[filled] = END
                filled += 1
            at += 1
            continue
        start, key = at, FNV_OFFSET
        while at < text.size and not _is_separator(text[at]):
            key = (key ^ np.uint64(text[at])) * FNV_PRIME
            at += 1
        key ^= key >> np.uint64(29)
        key = max(key, np.uint64(1))
        slot = find_slot(key, keys)
        if keys[slot] == 0:
            end = offsets[count] + at - start
            if count + 2 > offsets.size or end > buffer.size:
                return start, filled, count
            buffer[offsets[count] : end] = text[start:at]
            offsets[count + 1] = end
            keys[slot] = key
            values[slot] = count
            count += 1
        word = values[slot]
        numbers[filled] = word if word > END else word - _MARK
        filled += 1
    return at, filled, count


@compiled
def _rehash(
    keys: NDArray[np.uint64],
    values: NDArray[np.int32],
    new_keys: NDArray[np.uint64],
    new_values: NDArray[np.int32],
) -> None:
    for old in range(keys.size):
        if keys[old] != 0:
            slot = find_slot(keys[old], new_keys)
            new_keys[slot] = keys[old]
            new_values[slot] = values[old]


@compiled
def _find_marks(numbers: NDArray[np.int32]) -> NDArray[np.int64]:
    found = 0
    for number in numbers:
        found += number < 0
    marks = np.empty(found, np.int64)
    found = 0
    for position in range(numbers.size):
        if numbers[position] < 0:
            marks[found] = position
            found += 1
    return marks


@compiled
def _copy_words(
    buffer: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    order: NDArray[np.int64],
    new_buffer: NDArray[np.uint8],
    new_offsets: NDArray[np.int64],
) -> None:
    for new in range(order.size):
        old = order[new]
        for byte in range(offsets[old + 1] - offsets[old]):
            new_buffer[new_offsets[new] + byte] = buffer[offsets[old] + byte]
