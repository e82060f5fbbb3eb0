"""KenLM's probing format: one open-addressing hash table per order; log10 inside.

An n-gram's key is a hash of its words from last to first, so a longer context only ever adds
to the key. The sign of a probability says that no n-gram extends this one to the left, and a
backoff of -0.0 that none extends it to the right: both spare lookups. The same layout serves
as our model in memory (Heafield 2011, sec. 3.1).
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anylect.compiled import Integer, compiled
from anylect.lm import layout as at
from anylect.lm.kenlm_header import PROBING, REST_PROBING, Header, damaged
from anylect.lm.layout import Bytes, KernelModel, Longs
from anylect.lm.memory import hash_words, load_u32, load_u64, store_f32, store_u32, store_u64
from anylect.lm.tables import NGramTables

Ints = NDArray[np.int32]
Floats = NDArray[np.float32]

LOG10_E = float(1 / np.log(10.0))
_WORD_STRIDE = 12
_LONGEST_STRIDE = 12
_SIGN = np.uint32(0x80000000)


def plan(path: Path | str, header: Header) -> tuple[Longs, int]:
    """Lay out a probing model.

    Returns:
        The layout and how many bytes of the file it covers.
    """
    has_rest = header.kind == REST_PROBING
    try:
        layout = at.start_layout(header.order, header.counts[0], is_trie=False)
    except OverflowError as error:
        raise damaged(path, f"{header.counts[0]:,} words are too many for its order") from error
    end = header.size + 8
    layout[at.LOOKUP], layout[at.LOOKUP_SIZE] = end, _buckets(header, 1)
    end += _WORD_STRIDE * int(layout[at.LOOKUP_SIZE])
    layout[at.UNIGRAMS], layout[at.UNIGRAM_STRIDE] = end, 12 if has_rest else 8
    end += int(layout[at.UNIGRAM_STRIDE]) * (header.counts[0] + 1)
    for order in range(2, header.order + 1):
        place = at.order_place(order)
        stride = 20 if has_rest else 16
        layout[place + at.STRIDE] = _LONGEST_STRIDE if order == header.order else stride
        layout[place + at.TABLE], layout[place + at.ENTRIES] = end, _buckets(header, order)
        end += int(layout[place + at.STRIDE]) * int(layout[place + at.ENTRIES])
    return layout, end


def _buckets(header: Header, order: int) -> int:
    count = header.counts[order - 1]
    # In single precision, as KenLM computes it: the result decides where everything stands.
    wanted = np.float32(header.probing_multiplier) * np.float32(count)
    return max(count + 1, int(wanted))


class MissingSuffixError(ValueError):
    """An n-gram's last words are no n-gram of the model; `complete_suffixes` adds them."""


def build_image(tables: NGramTables) -> tuple[Header, KernelModel]:
    """Lay a model out in memory as KenLM's probing format, words at the end left out.

    Raises:
        MissingSuffixError: If tables lack an n-gram that a longer one ends in.
    """
    counts = tables.counts if tables.order > 1 else [*tables.counts, 0]
    header = Header(PROBING, tuple(counts))
    layout, size = plan("model", header)
    image = np.zeros(size, np.uint8)
    image[: header.size] = np.frombuffer(header.pack(), np.uint8)
    image[header.size + 4 : header.size + 8] = np.frombuffer(
        np.uint32(len(tables.words)).tobytes(), np.uint8
    )
    _store_words(image, layout, hash_words(tables.words.buffer, tables.words.offsets))
    for order, table in enumerate(tables.orders, start=1):
        backoff = np.zeros(len(table), np.float32) if table.backoff is None else table.backoff
        edges = np.zeros(len(table) + 1, np.int32) if table.children is None else table.children
        for start, stop in tables.blocks(order):
            block = (
                tables.rows(order, start, stop),
                _to_log10(table.log_prob[start:stop]),
                _to_log10(backoff[start:stop]),
                edges[start : stop + 1],
            )
            if not _store_block(image, layout, block):
                raise MissingSuffixError
    return header, KernelModel(image, layout)


def _to_log10(natural: NDArray[np.floating]) -> Floats:
    return (natural.astype(np.float64) * LOG10_E).astype(np.float32)


# ---------------------------------------------------------------- asking


@compiled
def combine(key: np.uint64, word: Integer) -> np.uint64:
    """Add the word before to the key of an n-gram."""
    left = key * np.uint64(8978948897894561157)
    return left ^ (np.uint64(1 + word) * np.uint64(17894857484156487943))


@compiled
def find_slot(image: Bytes, layout: Longs, order: Integer, key: np.uint64) -> Integer:
    """Return where the entry of an n-gram stands in the image, or -1."""
    place = at.FIRST_ORDER + (order - 2) * at.PER_ORDER
    table, entries = layout[place + at.TABLE], layout[place + at.ENTRIES]
    stride = layout[place + at.STRIDE]
    slot = np.int64(key % np.uint64(entries))
    for _ in range(entries):  # a damaged table may have no free slot to stop at
        found = load_u64(image, table + slot * stride)
        if found == key:
            return np.int64(table + slot * stride)
        if found == 0:
            return np.int64(-1)
        slot += 1
        if slot == entries:
            slot = np.int64(0)
    return np.int64(-1)


@compiled
def find_word(image: Bytes, layout: Longs, key: np.uint64) -> Integer:
    """Return the number of the word with this hash; that of `<unk>` if there is none."""
    table, entries = layout[at.LOOKUP], layout[at.LOOKUP_SIZE]
    slot = np.int64(key % np.uint64(entries))
    for _ in range(entries):
        found = load_u64(image, table + slot * _WORD_STRIDE)
        if found == key:
            word = np.int64(load_u32(image, table + slot * _WORD_STRIDE + 8))
            return word if word < layout[at.VOCABULARY] else np.int64(0)
        if found == 0:
            return np.int64(0)
        slot += 1
        if slot == entries:
            slot = np.int64(0)
    return np.int64(0)


# ---------------------------------------------------------------- building


@compiled
def _store_words(image: Bytes, layout: Longs, keys: NDArray[np.uint64]) -> None:
    table, entries = layout[at.LOOKUP], layout[at.LOOKUP_SIZE]
    for word in range(1, keys.size):  # `<unk>` is what is not found
        slot = np.int64(keys[word] % np.uint64(entries))
        while load_u64(image, table + slot * _WORD_STRIDE) != 0:
            slot += 1
            if slot == entries:
                slot = np.int64(0)
        store_u64(image, table + slot * _WORD_STRIDE, keys[word])
        store_u32(image, table + slot * _WORD_STRIDE + 8, np.uint32(word))


@compiled
def _new_slot(image: Bytes, layout: Longs, order: Integer, key: np.uint64) -> Integer:
    place = at.FIRST_ORDER + (order - 2) * at.PER_ORDER
    table, entries = layout[place + at.TABLE], layout[place + at.ENTRIES]
    stride = layout[place + at.STRIDE]
    slot = np.int64(key % np.uint64(entries))
    while load_u64(image, table + slot * stride) != 0:
        slot += 1
        if slot == entries:
            slot = np.int64(0)
    store_u64(image, table + slot * stride, key)
    return np.int64(table + slot * stride)


@compiled
def _store_block(image: Bytes, layout: Longs, block: tuple[Ints, Floats, Floats, Ints]) -> bool:
    """Store n-grams; say whether all have their suffix one order lower."""
    rows, prob, backoff, children = block
    order = rows.shape[1]
    for i in range(rows.shape[0]):
        key = np.uint64(rows[i, order - 1])
        suffix = layout[at.UNIGRAMS] + np.int64(key) * layout[at.UNIGRAM_STRIDE]
        if order == 1:
            place = suffix
        else:
            for j in range(order - 2, 0, -1):
                key = combine(key, rows[i, j])
            if order > 2:
                suffix = find_slot(image, layout, order - 1, key) + 8
                if suffix < 8:
                    return False
            place = _new_slot(image, layout, order, combine(key, rows[i, 0])) + 8
            # The sign of its probability goes: something extends the suffix to the left.
            store_u32(image, suffix, load_u32(image, suffix) & ~_SIGN)
        store_f32(image, place, prob[i])
        store_u32(image, place, load_u32(image, place) | _SIGN)
        if order < layout[at.ORDER]:
            store_f32(image, place + 4, backoff[i])
            if backoff[i] == 0:
                extends = children[i] != children[i + 1]
                store_u32(image, place + 4, np.uint32(0) if extends else _SIGN)
    return True
