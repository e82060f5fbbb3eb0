"""What every KenLM binary begins and ends with: the header, and the words as text.

The layout is that of version 5 of the format (`lm/binary_format.cc` of KenLM): a magic text,
numbers that tell byte order and float format, the kind of model, and the count of n-grams of
each order. What follows depends on the kind; the words stand at the very end.
"""

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anylect.errors import LanguageModelError
from anylect.lm.words import Words

Bytes = NDArray[np.uint8]

PROBING, REST_PROBING, TRIE, QUANTIZED_TRIE, ARRAY_TRIE, QUANTIZED_ARRAY_TRIE = range(6)
KINDS = (
    "probing",
    "probing with rest costs",
    "trie",
    "trie, quantised",
    "trie, array-compressed",
    "trie, quantised and array-compressed",
)
_SEARCH_VERSIONS = (0, 0, 1, 1, 1, 1)

_MAGIC_START = b"mmap lm http://kheafield.com/code format version"
_MAGIC = _MAGIC_START + b" 5\n\0\0"
_INCOMPLETE = b"mmap lm http://kheafield.com/code incomplete\n"
_MAGIC_BYTES = -(-len(_MAGIC) // 8) * 8
_SANITY = struct.pack(f"<{_MAGIC_BYTES}s3f3IQ", _MAGIC, 0.0, 1.0, -0.5, 1, 0xFFFFFFFF, 0, 1)
_FIXED = struct.Struct("<B3xfIB3xI")
_MAX_ORDER = 32


@dataclass(frozen=True, slots=True)
class Header:
    """What a KenLM binary says about itself."""

    kind: int
    counts: tuple[int, ...]
    has_words: bool = True
    probing_multiplier: float = 1.5

    @property
    def order(self) -> int:
        return len(self.counts)

    @property
    def size(self) -> int:
        """Bytes before what depends on the kind."""
        return -(-(len(_SANITY) + _FIXED.size + 8 * self.order) // 8) * 8

    def pack(self) -> bytes:
        """Return the header as it stands in a file."""
        fixed = _FIXED.pack(
            self.order,
            self.probing_multiplier,
            self.kind,
            self.has_words,
            _SEARCH_VERSIONS[self.kind],
        )
        counts = struct.pack(f"<{self.order}Q", *self.counts)
        return (_SANITY + fixed + counts).ljust(self.size, b"\0")


def is_kenlm_binary(path: Path) -> bool:
    """Tell whether a file is, or began to be, a KenLM binary."""
    with path.open("rb") as file:
        head = file.read(len(_MAGIC_START))
    return head == _MAGIC_START or (_INCOMPLETE.startswith(head[:40]) and len(head) >= 40)


def read_header(path: Path, image: Bytes) -> Header:
    """Read and check the header.

    Raises:
        LanguageModelError: For other versions or machines, and for counts that cannot be.
    """
    head = image[: len(_SANITY) + _FIXED.size + 8 * _MAX_ORDER].tobytes()
    if head.startswith(_INCOMPLETE):
        raise damaged(path, "its program was interrupted while writing it")
    if head[: len(_SANITY)] != _SANITY:
        raise damaged(path, "not version 5 of the format, or made on another kind of machine")
    if len(head) < len(_SANITY) + _FIXED.size:
        raise damaged(path, f"{len(image):,} bytes are too few")
    order, multiplier, kind, has_words, version = _FIXED.unpack_from(head, len(_SANITY))
    if not 0 < order <= _MAX_ORDER or kind >= len(KINDS) or version != _SEARCH_VERSIONS[kind]:
        raise damaged(path, f"order {order}, kind {kind}, version {version} are unknown")
    if not 1.0 < multiplier < 1000.0:
        raise damaged(path, f"the probing multiplier is {multiplier}")
    start = len(_SANITY) + _FIXED.size
    if len(head) < start + 8 * order:
        raise damaged(path, f"{len(image):,} bytes are too few")
    counts = struct.unpack_from(f"<{order}Q", head, start)
    if order < 2 or not counts[0] or max(counts) > len(image):
        raise damaged(path, f"{counts} n-grams cannot be in {len(image):,} bytes")
    return Header(kind, counts, bool(has_words), multiplier)


def read_words(path: Path, image: Bytes, start: int, count: int) -> Words:
    """Read the words at the end of a file, each followed by a zero byte."""
    buffer = np.array(image[start:])
    ends = np.flatnonzero(buffer == 0)
    if len(ends) != count or not len(buffer) or ends[-1] != len(buffer) - 1:
        raise damaged(path, f"it lists {len(ends):,} words instead of {count:,}")
    if buffer[: int(ends[0])].tobytes() != b"<unk>":
        raise damaged(path, "its first word is not `<unk>`")
    offsets = np.zeros(count + 1, np.int64)
    offsets[1:] = ends + 1 - np.arange(1, count + 1)
    return Words(buffer[buffer != 0], offsets)


def pack_words(words: Words) -> bytes:
    """Return the words as they stand at the end of a file."""
    return bytes(np.insert(words.buffer, words.offsets[1:], 0).tobytes())


def damaged(path: Path | str, problem: str) -> LanguageModelError:
    """Make the error for a binary that cannot be read."""
    return LanguageModelError(
        f"{path}: this KenLM binary cannot be read: {problem}",
        hint="copy the file anew, or build it anew from its ARPA file",
    )
