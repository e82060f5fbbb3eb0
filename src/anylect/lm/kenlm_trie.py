"""KenLM's trie format: a reversed trie of bit-packed entries; log10 inside.

The children of a word are the words seen before it, so a longer context is a longer path. An
entry holds a word, its numbers and where its children begin; they end where those of the next
entry begin. Numbers may be quantised to entries of a table (Federico & Bertoldi 2006), and
pointers may have their upper bits moved to a sorted array (Raj & Whittaker 2003). Everything
a file says is checked or kept within bounds before it is used as an address.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anylect.compiled import Integer, compiled
from anylect.lm import layout as at
from anylect.lm.kenlm_header import (
    ARRAY_TRIE,
    QUANTIZED_ARRAY_TRIE,
    QUANTIZED_TRIE,
    Header,
    damaged,
)
from anylect.lm.layout import Bytes, Longs
from anylect.lm.memory import load_f32, load_u32, load_u64

_UNIGRAM_BYTES = 16
_SIGN = np.uint32(0x80000000)


def plan(path: Path | str, header: Header, image: Bytes) -> tuple[Longs, int]:
    """Lay out a trie.

    Returns:
        The layout and how many bytes of the file it covers.
    """
    try:
        layout = at.start_layout(header.order, header.counts[0], is_trie=True)
    except OverflowError as error:
        raise damaged(path, f"{header.counts[0]:,} words are too many for its order") from error
    words = header.counts[0]
    layout[at.LOOKUP] = header.size + 8
    layout[at.LOOKUP_SIZE] = min(words, int(image[header.size : header.size + 8].view("<u8")[0]))
    layout[at.WORD_BITS] = words.bit_length()
    end = header.size + 8 + 8 * words
    end = _plan_quantisation(path, header, image, (layout, end))
    layout[at.UNIGRAMS], layout[at.UNIGRAM_STRIDE] = end, _UNIGRAM_BYTES
    end += _UNIGRAM_BYTES * (words + 2)
    for order in range(2, header.order + 1):
        end = _plan_order(path, header, image, (layout, end, order))
    return layout, end


def _plan_quantisation(
    path: Path | str, header: Header, image: Bytes, state: tuple[Longs, int]
) -> int:
    layout, end = state
    if header.kind not in (QUANTIZED_TRIE, QUANTIZED_ARRAY_TRIE):
        layout[at.PROB_BITS], layout[at.BACKOFF_BITS] = 31, 32
        return end
    version, prob_bits, backoff_bits = image[end : end + 3].tolist() or (0, 0, 0)
    if version != 2 or not 0 < prob_bits <= 25 or not 0 < backoff_bits <= 25:
        raise damaged(path, f"quantisation {version}, {prob_bits}, {backoff_bits} is unknown")
    layout[at.PROB_BITS], layout[at.BACKOFF_BITS] = prob_bits, backoff_bits
    end += 8
    for order in range(2, header.order + 1):
        layout[at.order_place(order) + at.PROB_TABLE] = end
        end += 4 << prob_bits
        if order < header.order:
            layout[at.order_place(order) + at.BACKOFF_TABLE] = end
            end += 4 << backoff_bits
    return end


def _plan_order(
    path: Path | str, header: Header, image: Bytes, state: tuple[Longs, int, int]
) -> int:
    layout, end, order = state
    place, count = at.order_place(order), header.counts[order - 1]
    bits = int(layout[at.WORD_BITS] + layout[at.PROB_BITS])
    if order < header.order:
        bits += int(layout[at.BACKOFF_BITS])
        highest = header.counts[order]
        next_bits = highest.bit_length()
        if header.kind in (ARRAY_TRIE, QUANTIZED_ARRAY_TRIE):
            version, most = image[end : end + 2].tolist() if end + 2 <= len(image) else (1, 0)
            if version:
                raise damaged(path, f"array compression {version} is unknown")
            chopped = _chopped_bits(count + 1, highest, most)
            next_bits -= chopped
            size = (highest >> next_bits) + 1
            layout[place + at.ARRAY] = (end + 7) // 8 * 8 + 8
            layout[place + at.ARRAY_SIZE] = size
            end += 8 * (1 + size) + 7
        layout[place + at.NEXT_BITS] = next_bits
        bits += next_bits
    layout[place + at.TABLE], layout[place + at.ENTRIES] = end, count
    layout[place + at.STRIDE] = bits
    return end + ((1 + count) * bits + 7) // 8 + 8


def _chopped_bits(entries: int, highest: int, most: int) -> int:
    """Return how many upper bits of pointers KenLM moved to an array: the cheapest number."""
    required = highest.bit_length()
    costs = [
        ((highest >> (required - chop)) * 64 - entries * chop, chop)
        for chop in range(min(required, most) + 1)
    ]
    return min(costs)[1]


# ---------------------------------------------------------------- asking


@compiled
def load_bits(image: Bytes, begin: Integer, bit: Integer, bits: Integer) -> Integer:
    """Read up to 57 bits from any bit on."""
    value = load_u64(image, begin + (bit >> 3)) >> np.uint64(bit & 7)
    return np.int64(value & ((np.uint64(1) << np.uint64(bits)) - np.uint64(1)))


@compiled
def unigram_range(image: Bytes, layout: Longs, word: Integer) -> tuple[Integer, Integer]:
    """Return which entries of order two end in a word."""
    place = layout[at.UNIGRAMS] + word * _UNIGRAM_BYTES + 8
    entries = layout[at.FIRST_ORDER + at.ENTRIES]
    end = min(np.int64(load_u64(image, place + _UNIGRAM_BYTES)), entries)
    return max(np.int64(load_u64(image, place)), np.int64(0)), end


@compiled
def find_entry(
    image: Bytes, layout: Longs, order: Integer, siblings: tuple[Integer, Integer], word: Integer
) -> Integer:
    """Return the entry of an order, among siblings, that begins with a word; or -1."""
    place = at.FIRST_ORDER + (order - 2) * at.PER_ORDER
    table, bits = layout[place + at.TABLE], layout[place + at.STRIDE]
    word_bits = layout[at.WORD_BITS]
    low, high = siblings
    while low < high:
        middle = (low + high) >> 1
        found = load_bits(image, table, middle * bits, word_bits)
        if found == word:
            return middle
        if found < word:
            low = middle + 1
        else:
            high = middle
    return np.int64(-1)


@compiled
def child_range(
    image: Bytes, layout: Longs, order: Integer, entry: Integer
) -> tuple[Integer, Integer]:
    """Return which entries of the next order extend an entry to the left."""
    place = at.FIRST_ORDER + (order - 2) * at.PER_ORDER
    table, bits = layout[place + at.TABLE], layout[place + at.STRIDE]
    next_bits = layout[place + at.NEXT_BITS]
    bit = (entry + 1) * bits - next_bits
    begin = load_bits(image, table, bit, next_bits)
    end = load_bits(image, table, bit + bits, next_bits)
    if layout[place + at.ARRAY_SIZE]:
        begin += _upper_bits(image, layout, place, entry) << next_bits
        end += _upper_bits(image, layout, place, entry + 1) << next_bits
    return begin, min(end, layout[place + at.PER_ORDER + at.ENTRIES])


@compiled
def _upper_bits(image: Bytes, layout: Longs, place: Integer, entry: Integer) -> Integer:
    """Return the last place of the array whose value does not exceed an entry's number."""
    array = layout[place + at.ARRAY]
    low, high = np.int64(0), layout[place + at.ARRAY_SIZE]
    while high - low > 1:
        middle = (low + high) >> 1
        if np.int64(load_u64(image, array + 8 * middle)) <= entry:
            low = middle
        else:
            high = middle
    return low


@compiled
def entry_prob(image: Bytes, layout: Longs, order: Integer, entry: Integer) -> np.float32:
    """Return the log10 probability of an entry."""
    place = at.FIRST_ORDER + (order - 2) * at.PER_ORDER
    bit = entry * layout[place + at.STRIDE] + layout[at.WORD_BITS]
    decoder = layout[place + at.PROB_TABLE]
    if decoder == 0:
        value = load_bits(image, layout[place + at.TABLE], bit, 31)
        return np.uint32(value | 0x80000000).view(np.float32)
    if order < layout[at.ORDER]:
        bit += layout[at.BACKOFF_BITS]
    value = load_bits(image, layout[place + at.TABLE], bit, layout[at.PROB_BITS])
    return load_f32(image, decoder + 4 * value)


@compiled
def entry_backoff(image: Bytes, layout: Longs, order: Integer, entry: Integer) -> np.float32:
    """Return the log10 backoff of an entry below the highest order."""
    place = at.FIRST_ORDER + (order - 2) * at.PER_ORDER
    bit = entry * layout[place + at.STRIDE] + layout[at.WORD_BITS]
    decoder = layout[place + at.BACKOFF_TABLE]
    if decoder == 0:
        value = load_bits(image, layout[place + at.TABLE], bit + 31, 32)
        return np.uint32(value).view(np.float32)
    value = load_bits(image, layout[place + at.TABLE], bit, layout[at.BACKOFF_BITS])
    return load_f32(image, decoder + 4 * value)


@compiled
def find_word(image: Bytes, layout: Longs, key: np.uint64) -> Integer:
    """Return the number of the word with this hash; that of `<unk>` if there is none."""
    low, high = np.int64(0), layout[at.LOOKUP_SIZE]
    while low < high:
        middle = (low + high) >> 1
        found = load_u64(image, layout[at.LOOKUP] + 8 * middle)
        if found == key:
            return np.int64(min(middle + 1, layout[at.VOCABULARY] - 1))
        if found < key:
            low = middle + 1
        else:
            high = middle
    return np.int64(0)


# ---------------------------------------------------------------- listing


@compiled
def list_order(
    image: Bytes,
    layout: Longs,
    order: Integer,
    shorter: tuple[NDArray[np.int32], NDArray[np.int64]],
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]:
    """List the n-grams of an order, given the words and entries of those they end in.

    Returns:
        Words (n, order), log10 probabilities, log10 backoffs, entries.
    """
    rows, entries = shorter
    count = layout[at.FIRST_ORDER + (order - 2) * at.PER_ORDER + at.ENTRIES]
    place = at.FIRST_ORDER + (order - 2) * at.PER_ORDER
    word_bits, bits = layout[at.WORD_BITS], layout[place + at.STRIDE]
    new_rows = np.zeros((count, order), np.int32)
    new_entries = np.zeros(count, np.int64)
    prob, backoff = np.zeros(count, np.float32), np.zeros(count, np.float32)
    filled = 0
    for i in range(rows.shape[0]):
        if order == 2:
            begin, end = unigram_range(image, layout, np.int64(rows[i, 0]))
        else:
            begin, end = child_range(image, layout, order - 1, entries[i])
        for entry in range(begin, min(end, begin + count - filled)):
            word = load_bits(image, layout[place + at.TABLE], entry * bits, word_bits)
            new_rows[filled, 0] = min(word, layout[at.VOCABULARY] - 1)
            new_rows[filled, 1:] = rows[i]
            prob[filled] = entry_prob(image, layout, order, entry)
            if order < layout[at.ORDER]:
                backoff[filled] = entry_backoff(image, layout, order, entry)
            new_entries[filled] = entry
            filled += 1
    return new_rows[:filled], prob[:filled], backoff[:filled], new_entries[:filled]


@compiled
def list_unigrams(image: Bytes, layout: Longs) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """List the log10 probabilities and backoffs of all words."""
    words = layout[at.VOCABULARY]
    prob, backoff = np.zeros(words, np.float32), np.zeros(words, np.float32)
    for word in range(words):
        place = layout[at.UNIGRAMS] + word * layout[at.UNIGRAM_STRIDE]
        prob[word] = np.uint32(load_u32(image, place) | _SIGN).view(np.float32)
        backoff[word] = load_f32(image, place + 4)
    return prob, backoff
