"""Where things stand in a model's memory, as kernels see it.

A model in memory is the image of a KenLM binary and an array that says where its parts
begin. Both are plain arrays of one type whatever the file, so kernels that ask a model are
compiled once.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Longs = NDArray[np.int64]


class KernelModel(NamedTuple):
    """A language model as numba kernels take it; see `ngram.advance`."""

    image: Bytes
    layout: Longs


# Places in the layout.
IS_TRIE, ORDER, VOCABULARY, BITS, PER_HALF, UNIGRAMS, UNIGRAM_STRIDE = range(7)
LOOKUP, LOOKUP_SIZE, WORD_BITS, PROB_BITS, BACKOFF_BITS, BEGIN_WORD, END_WORD = range(7, 14)
"""`LOOKUP` is where the words' hashes stand; the bits are those of a trie's entries."""

FIRST_ORDER = 16
"""The parts of order k ≥ 2 stand from `FIRST_ORDER + (k - 2) * PER_ORDER` on."""
PER_ORDER = 8
# Of a probing model: where the table begins, how many entries it has room for, their bytes.
TABLE, ENTRIES, STRIDE = range(3)
# Of a trie: bytes of the entries, their number and bits, bits of pointers, the array that
# completes pointers, its length, and the decoding tables of quantised numbers.
NEXT_BITS, ARRAY, ARRAY_SIZE, PROB_TABLE, BACKOFF_TABLE = range(3, 8)

NEGATIVE_ZERO = np.uint32(0x80000000)
"""The bits of a backoff of -0.0: nothing extends this n-gram to the right."""


def start_layout(order: int, vocabulary_size: int, *, is_trie: bool) -> Longs:
    """Return a layout in which only the general part is filled in.

    A state packs up to `order - 1` words into two halves of 64 bits.

    Raises:
        OverflowError: If the words of a context do not fit into a state.
    """
    layout = np.zeros(FIRST_ORDER + PER_ORDER * max(0, order - 1), np.int64)
    per_half = max(1, order // 2)
    bits = min(32, 64 // per_half)
    if vocabulary_size + 1 >= 1 << bits:
        raise OverflowError(vocabulary_size)
    layout[IS_TRIE], layout[ORDER], layout[VOCABULARY] = is_trie, order, vocabulary_size
    layout[BITS], layout[PER_HALF] = bits, per_half
    return layout


def order_place(order: int) -> int:
    """Return where in the layout the parts of an order stand."""
    return FIRST_ORDER + (order - 2) * PER_ORDER
