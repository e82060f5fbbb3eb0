"""The lines of an ARPA file, read by a kernel; every complaint names the line."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anylect.compiled import Integer, compiled
from anylect.errors import LanguageModelError
from anylect.lm.words import FNV_OFFSET, FNV_PRIME, Words, find_slot

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int32]
Doubles = NDArray[np.float64]
Longs = NDArray[np.int64]

_FINE, _NO_NUMBER, _NO_WORD, _NEW_WORD, _OLD_WORD, _POSITIVE, _MORE_TEXT, _SHORT = range(8)
_PROBLEMS = {
    _NO_NUMBER: "expected a number",
    _NO_WORD: "expected another word",
    _NEW_WORD: "this word is not among the unigrams",
    _OLD_WORD: "this word is listed twice among the unigrams",
    _POSITIVE: "this log-probability is positive",
    _MORE_TEXT: "expected the end of the line",
    _SHORT: "the file ends too early",
}
_ROUNDING = 1e-4
"""A log10 probability up to this is taken for a rounded zero."""


def error_at(path: Path | str, text: Bytes, at: int, problem: str) -> LanguageModelError:
    """Make the error for a place in the text: file, line, what stands there."""
    line = int(np.count_nonzero(text[:at] == 10)) + 1
    rest = text[at : at + 60].tobytes().split(b"\n")[0].decode("utf-8", errors="replace")
    return LanguageModelError(
        f"{path}:{line}: {problem}, found `{rest.strip()}`",
        hint="`anylect lm lint --repair` mends common damage; otherwise build the model anew",
    )


def find_unknown(words: Words) -> int | None:
    """Return the number of `<unk>` or `<UNK>`."""
    whole = words.buffer.tobytes()
    lengths = np.diff(words.offsets)
    for number in np.flatnonzero(lengths == 5):
        start = int(words.offsets[number])
        if whole[start : start + 5] in (b"<unk>", b"<UNK>"):
            return int(number)
    return None


@dataclass(slots=True, eq=False)
class Reader:
    """Reads one section after another; the first fills the table of words."""

    text: Bytes
    place: str
    _keys: NDArray[np.uint64] = field(default_factory=lambda: np.zeros(2, np.uint64))
    _values: Ints = field(default_factory=lambda: np.zeros(2, np.int32))
    _places: Longs = field(default_factory=lambda: np.zeros((0, 2), np.int64))

    def read_section(
        self, at: int, *, count: int, order: int
    ) -> tuple[Ints, Doubles, Doubles, int]:
        """Read the n-grams of one order.

        Returns:
            Words (count, order), log10 probabilities, log10 backoffs, and where the section ends.
        """
        if order == 1:
            capacity = 1 << (2 * count).bit_length()
            self._keys = np.zeros(capacity, np.uint64)
            self._values = np.zeros(capacity, np.int32)
            self._places = np.zeros((count, 2), np.int64)
        rows = np.empty((count, order), np.int32)
        prob, backoff = np.empty(count, np.float64), np.zeros(count, np.float64)
        status, end = _read_section(
            self.text, at, (self._keys, self._values, self._places), rows, (prob, backoff)
        )
        if status != _FINE:
            raise error_at(self.place, self.text, int(end), _PROBLEMS[int(status)])
        return rows, prob, backoff, int(end)

    def words(self) -> Words:
        """Return the words of the first section, in its order."""
        lengths = self._places[:, 1] - self._places[:, 0]
        offsets = np.zeros(len(lengths) + 1, np.int64)
        np.cumsum(lengths, out=offsets[1:])
        buffer = np.empty(int(offsets[-1]), np.uint8)
        _copy_places(self.text, self._places, buffer)
        return Words(buffer, offsets)


@compiled
def _read_section(
    text: Bytes,
    at: Integer,
    table: tuple[NDArray[np.uint64], Ints, Longs],
    rows: Ints,
    logs: tuple[Doubles, Doubles],
) -> tuple[Integer, Integer]:
    prob, backoff = logs
    order = rows.shape[1]
    for i in range(rows.shape[0]):
        at = _skip_blank_lines(text, at)
        line = at
        value, at = _read_number(text, at)
        if np.isnan(value):
            return (_SHORT if at >= text.size else _NO_NUMBER), line
        if value > _ROUNDING:
            return _POSITIVE, line
        prob[i] = min(value, 0.0)
        for j in range(order):
            status, word, at = _read_word(text, at, table, i if order == 1 else -1)
            if status != _FINE:
                return status, at
            rows[i, j] = word
        at = _skip_blanks(text, at)
        if at < text.size and text[at] != 10:
            value, at = _read_number(text, at)
            if np.isnan(value) or abs(value) > 1e4:
                return _NO_NUMBER, at
            backoff[i] = value
            at = _skip_blanks(text, at)
        if at >= text.size:
            return _SHORT, text.size
        if text[at] != 10:
            return _MORE_TEXT, at
        at += 1
    return _FINE, at


@compiled
def _is_blank(byte: Integer) -> bool:
    return byte == 32 or byte == 9 or byte == 13


@compiled
def _skip_blanks(text: Bytes, at: Integer) -> Integer:
    while at < text.size and _is_blank(text[at]):
        at += 1
    return at


@compiled
def _skip_blank_lines(text: Bytes, at: Integer) -> Integer:
    while at < text.size and (_is_blank(text[at]) or text[at] == 10):
        at += 1
    return at


@compiled
def _read_digits(text: Bytes, at: Integer, value: Integer) -> tuple[Integer, Integer, Integer]:
    """Read digits onto a value; return it, how many counted, and where they end."""
    digits = 0
    while at < text.size and 48 <= text[at] <= 57:
        if value < 100_000_000_000_000_000:
            value = value * 10 + (np.int64(text[at]) - 48)
            digits += 1
        at += 1
    return value, digits, at


@compiled
def _read_number(text: Bytes, at: Integer) -> tuple[float, Integer]:
    """Read a decimal number, `-inf` as -99; NaN where there is none."""
    begin = at
    sign = 1.0
    if at < text.size and (text[at] == 45 or text[at] == 43):
        sign = -1.0 if text[at] == 45 else 1.0
        at += 1
    if at + 2 < text.size and text[at] | 32 == 105 and text[at + 1] | 32 == 110:
        return (-99.0 if sign < 0 else np.nan), at + 3
    whole, digits, at = _read_digits(text, at, np.int64(0))
    decimals: Integer = 0
    if at < text.size and text[at] == 46:
        whole, decimals, at = _read_digits(text, at + 1, whole)
    if at == begin or not (48 <= text[at - 1] <= 57 or digits):
        return np.nan, at
    exponent: Integer = np.int64(0)
    if at < text.size and text[at] | 32 == 101:
        negative = at + 1 < text.size and text[at + 1] == 45
        signed = at + 1 < text.size and (text[at + 1] == 45 or text[at + 1] == 43)
        exponent, _, at = _read_digits(text, at + (2 if signed else 1), np.int64(0))
        exponent = np.int64(min(exponent, 400)) * (-1 if negative else 1)
    if at < text.size and not (_is_blank(text[at]) or text[at] == 10):
        return np.nan, at
    return sign * whole * 10.0 ** (exponent - decimals), at


@compiled
def _read_word(
    text: Bytes, at: Integer, table: tuple[NDArray[np.uint64], Ints, Longs], new: Integer
) -> tuple[Integer, Integer, Integer]:
    """Read a word and find its number; `new` is the number it gets as a unigram, or -1."""
    keys, values, places = table
    at = _skip_blanks(text, at)
    begin, key = at, FNV_OFFSET
    while at < text.size and not (_is_blank(text[at]) or text[at] == 10):
        key = (key ^ np.uint64(text[at])) * FNV_PRIME
        at += 1
    if at == begin:
        return _NO_WORD, 0, begin
    key ^= key >> np.uint64(29)
    key = max(key, np.uint64(1))
    slot = find_slot(key, keys)
    if new >= 0:
        if keys[slot] != 0:
            return _OLD_WORD, 0, begin
        keys[slot] = key
        values[slot] = new
        places[new, 0] = begin
        places[new, 1] = at
    elif keys[slot] == 0:
        return _NEW_WORD, 0, begin
    return _FINE, values[slot], at


@compiled
def _copy_places(text: Bytes, places: Longs, buffer: Bytes) -> None:
    filled = 0
    for i in range(places.shape[0]):
        for at in range(places[i, 0], places[i, 1]):
            buffer[filled] = text[at]
            filled += 1
