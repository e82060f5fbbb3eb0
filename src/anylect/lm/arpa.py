"""ARPA files in and out; log10 stays at this border.

The format is Doug Paul's: a count per order, then every n-gram with the base-10 logarithm of
its probability and, below the highest order, of its backoff. It holds nothing but text, so it
is what language models are exchanged in, and half of the time of estimating one is spent
writing it: numbers and words are put into bytes by a kernel, blocks of n-grams side by side.
"""

import gzip
import lzma
import re
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from anylect.compiled import Integer, compiled
from anylect.errors import LanguageModelError
from anylect.lm import arpa_parsing as parsing
from anylect.lm.memory import load_u64, store_u64
from anylect.lm.tables import (
    MissingContextError,
    NGramTables,
    RepeatedNGramError,
    build_tables,
)
from anylect.lm.words import UNKNOWN, Words
from anylect.progress import Progress, silent

LN10 = float(np.log(10.0))
MISSING_UNKNOWN_LOG10 = -100.0
"""What KenLM gives `<unk>` where a file has none."""

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int32]
Doubles = NDArray[np.float64]

SpacedWords = tuple[Bytes, NDArray[np.int64]]

_BLOCKS_HELD = 16
_PADDING = 8
_NUMBER_BYTES = 14
_HEADER_BYTES = 1 << 16


def write_arpa(
    path: Path, tables: NGramTables, *, threads: int = 2, progress: Progress = silent
) -> None:
    """Write a model as an ARPA file, beside its place first and then renamed."""
    beside = path.with_name(path.name + ".part")
    with beside.open("wb", buffering=0) as file:
        _write(file, tables, threads=threads, progress=progress)
    beside.replace(path)


def read_arpa(path: Path) -> NGramTables:
    """Read an ARPA file, plain or packed by gzip or xz.

    A missing `<unk>` is added as KenLM does; `<UNK>` is read as `<unk>`.

    Raises:
        LanguageModelError: Naming the line that is not as it should be.
    """
    text = load_text(path)
    counts, at = read_counts(path, text)
    reader = parsing.Reader(text, place=str(path))
    sections = []
    for order, count in enumerate(counts, start=1):
        at = _find_section(path, text, at, order)
        rows, prob, backoff, at = reader.read_section(at, count=count, order=order)
        sections.append((rows, prob * LN10, backoff * LN10))
    _require_end(path, text, at)
    return _build(path, reader.words(), sections)


def load_text(path: Path) -> Bytes:
    """Return a file's bytes: mapped into memory, or unpacked if it was packed."""
    try:
        with path.open("rb") as file:
            head = file.read(6)
        if head.startswith(b"\x1f\x8b"):
            return np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8)
        if head.startswith(b"\xfd7zXZ\x00"):
            return np.frombuffer(lzma.decompress(path.read_bytes()), np.uint8)
        if not head:
            raise EOFError
        return np.frombuffer(np.memmap(path, np.uint8, "r"), np.uint8)
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        reason = getattr(error, "strerror", None) or str(error) or "is empty"
        raise LanguageModelError(
            f"{path}: cannot be read ({reason})", hint="give an ARPA file, plain, gzip or xz"
        ) from error


def read_counts(path: Path, text: Bytes) -> tuple[list[int], int]:
    """Read the header; return how many n-grams each order has, and where the header ends.

    Counts that the file is too short to hold are refused, so that nothing is allocated for them.
    """
    head = text[:_HEADER_BYTES].tobytes()
    start = re.search(rb"^\\data\\[ \t\r]*$", head, flags=re.MULTILINE)
    if not start:
        raise LanguageModelError(
            rf"{path}:1: no `\data\` section", hint="this is no ARPA file; see `anylect lm info`"
        )
    at = start.end()
    counts: list[int] = []
    line = re.compile(rb"\s*^ngram[ \t]+(\d{1,3})[ \t]*=[ \t]*(\d{1,15})[ \t\r]*$", re.MULTILINE)
    while found := line.match(head, at):
        if int(found[1]) != len(counts) + 1:
            raise parsing.error_at(path, text, found.start(1), "orders must be 1, 2, 3, …")
        counts.append(int(found[2]))
        at = found.end()
    if not counts or not counts[0]:
        raise parsing.error_at(path, text, at, "no `ngram 1=…` line with words to count")
    for order, count in enumerate(counts, start=1):
        if count * (2 * order + 2) > len(text):
            message = f"{count:,} {order}-grams do not fit into {len(text):,} bytes"
            raise parsing.error_at(path, text, start.end(), message)
    return counts, at


def _find_section(path: Path, text: Bytes, at: int, order: int) -> int:
    head = text[at : at + 4096].tobytes()
    found = re.match(rb"\s*\\%d-grams:[ \t\r]*\n" % order, head)
    if not found:
        skipped = len(head) - len(head.lstrip())
        raise parsing.error_at(path, text, at + skipped, rf"expected the section `\{order}-grams:`")
    return at + found.end()


def _require_end(path: Path, text: Bytes, at: int) -> None:
    head = text[at : at + 4096].tobytes()
    if not re.match(rb"\s*\\end\\", head):
        skipped = len(head) - len(head.lstrip())
        raise parsing.error_at(path, text, at + skipped, r"expected `\end\`")


def _build(
    path: Path, words: Words, sections: Sequence[tuple[Ints, Doubles, Doubles]]
) -> NGramTables:
    """Give `<unk>` the number 0 and sort the n-grams into tables."""
    unknown = parsing.find_unknown(words)
    if unknown is not None:  # it may have been `<UNK>`
        start = int(words.offsets[unknown])
        words.buffer[start : start + 5] = np.frombuffer(b"<unk>", np.uint8)
    if unknown is None:
        words, sections = _add_unknown(words, sections)
    elif unknown != UNKNOWN:
        order = np.arange(len(words))
        order[1 : unknown + 1] = order[:unknown]
        order[0] = unknown
        words, sections = _renumber(words, sections, order)
    try:
        return build_tables(words, sections)
    except (MissingContextError, RepeatedNGramError) as error:
        text = " ".join(words[word] for word in error.row)
        if isinstance(error, RepeatedNGramError):
            raise LanguageModelError(
                f"{path}: `{text}` is listed twice", hint="remove one of the two lines"
            ) from error
        raise LanguageModelError(
            f"{path}: `{text}` extends an n-gram that is not in the file",
            hint="the program that pruned this model broke it; prune with `anylect lm prune`",
        ) from error


def _add_unknown(
    words: Words, sections: Sequence[tuple[Ints, Doubles, Doubles]]
) -> tuple[Words, Sequence[tuple[Ints, Doubles, Doubles]]]:
    mark = np.frombuffer(b"<unk>", np.uint8)
    longer = Words(
        np.concatenate([mark, words.buffer]), np.concatenate([[0], words.offsets + len(mark)])
    )
    shifted = [(rows + np.int32(1), prob, backoff) for rows, prob, backoff in sections]
    rows, prob, backoff = shifted[0]
    first = MISSING_UNKNOWN_LOG10 * LN10
    shifted[0] = (
        np.arange(len(rows) + 1, dtype=np.int32)[:, None],
        np.concatenate([[first], prob]),
        np.concatenate([[0.0], backoff]),
    )
    return longer, shifted


def _renumber(
    words: Words, sections: Sequence[tuple[Ints, Doubles, Doubles]], order: NDArray[np.int64]
) -> tuple[Words, Sequence[tuple[Ints, Doubles, Doubles]]]:
    number = np.empty(len(order), np.int32)
    number[order] = np.arange(len(order), dtype=np.int32)
    changed = [(number[rows], prob, backoff) for rows, prob, backoff in sections]
    rows, prob, backoff = sections[0]
    changed[0] = (rows, prob[order], backoff[order])
    return words.take(order), changed


# ---------------------------------------------------------------- writing


def _write(file: BinaryIO, tables: NGramTables, *, threads: int, progress: Progress) -> None:
    total, done, blocks = sum(tables.counts), 0, 0
    header = "".join(f"ngram {k}={count}\n" for k, count in enumerate(tables.counts, start=1))
    file.write(b"\\data\\\n" + header.encode())
    words = _space(tables.words)
    with ThreadPoolExecutor(threads) as pool:
        for order in range(1, tables.order + 1):
            file.write(b"\n\\%d-grams:\n" % order)
            for block, size in _in_order(pool, tables, words, order, ahead=2 * threads):
                file.write(block)
                done += size
                progress(done, total)
                blocks += 1
                if blocks % _BLOCKS_HELD == 0:
                    tables.release()
    file.write(b"\n\\end\\\n")


def _space(words: Words) -> SpacedWords:
    buffer = np.insert(words.buffer, words.offsets[1:], 32)
    offsets = words.offsets + np.arange(len(words.offsets))
    return np.concatenate([buffer, np.zeros(_PADDING, np.uint8)]), offsets


def _in_order(
    pool: ThreadPoolExecutor, tables: NGramTables, words: SpacedWords, order: int, *, ahead: int
) -> Iterator[tuple[memoryview, int]]:
    waiting: deque[Future[tuple[memoryview, int]]] = deque()
    for start, stop in tables.blocks(order):
        waiting.append(pool.submit(_format_block, tables, words, order, (start, stop)))
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _format_block(
    tables: NGramTables, words: SpacedWords, order: int, block: tuple[int, int]
) -> tuple[memoryview, int]:
    start, stop = block
    rows = tables.rows(order, start, stop)
    table = tables.orders[order - 1]
    room = _text_size(rows, words[1]) + (stop - start) * 2 * _NUMBER_BYTES + _PADDING
    text = np.empty(room, np.uint8)
    prob = table.log_prob[start:stop].astype(np.float64)
    backoff = prob[:0] if table.backoff is None else table.backoff[start:stop].astype(np.float64)
    size = _format(rows, prob, backoff, words, text)
    return text[:size].data, stop - start


@compiled
def _text_size(rows: Ints, offsets: NDArray[np.int64]) -> Integer:
    size = 0
    for i in range(rows.shape[0]):
        for j in range(rows.shape[1]):
            size += offsets[rows[i, j] + 1] - offsets[rows[i, j]]
    return size


@compiled
def _format(
    rows: Ints,
    prob: Doubles,
    backoff: Doubles,
    words: SpacedWords,
    text: Bytes,
) -> Integer:
    """Write lines of log10 probability, words and log10 backoff; return the number of bytes.

    Words come with the space after them, and eight bytes more than there are at the end.
    """
    buffer, offsets = words
    at: Integer = 0
    for i in range(rows.shape[0]):
        at = _format_log10(text, at, prob[i])
        text[at] = 9
        at += 1
        for j in range(rows.shape[1]):
            place = offsets[rows[i, j]]
            end = at + offsets[rows[i, j] + 1] - place
            while at < end:  # eight bytes at a time; what is too much is overwritten
                store_u64(text, at, load_u64(buffer, place))
                at += 8
                place += 8
            at = end
        if backoff.size:
            text[at - 1] = 9
            at = _format_log10(text, at, backoff[i]) + 1
        text[at - 1] = 10
    return at


@compiled
def _format_log10(text: Bytes, at: Integer, natural: float) -> Integer:
    """Write a natural logarithm as a base-10 one with seven decimals."""
    value = natural * 0.4342944819032518
    if value < 0:
        text[at] = 45
        at += 1
        value = -value
    scaled = np.int64(value * 1e7 + 0.5)
    whole, rest = scaled // 10_000_000, scaled % 10_000_000
    if whole >= 100:
        text[at] = 48 + whole // 100
        at += 1
    if whole >= 10:
        text[at] = 48 + whole // 10 % 10
        at += 1
    text[at] = 48 + whole % 10
    at += 1
    if rest == 0:
        return at
    text[at] = 46
    digits = np.uint32(rest)  # from the last to the first: only ever divided by a constant
    for place in range(7, 0, -1):
        text[at + place] = 48 + digits % np.uint32(10)
        digits //= np.uint32(10)
    return at + 8
