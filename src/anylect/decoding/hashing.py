"""Keys and hashes of what a search looks up."""

import numpy as np

from anylect.compiled import Integer, inlined

HISTORY_BITS, NODE_BITS, TOKEN_BITS = 26, 24, 14
REST_MASK = np.uint64((1 << (NODE_BITS + TOKEN_BITS)) - 1)
"""Of a key, what is not the history."""
_NODE_SHIFT, _HISTORY_SHIFT = np.uint64(TOKEN_BITS), np.uint64(NODE_BITS + TOKEN_BITS)
_NODE_MASK, _TOKEN_MASK = np.uint64((1 << NODE_BITS) - 1), np.uint64((1 << TOKEN_BITS) - 1)


@inlined
def pack(history: Integer, node: Integer, last: Integer) -> np.uint64:
    """Put history, node and last token into one integer."""
    shifted = np.uint64(history) << _HISTORY_SHIFT
    return shifted | (np.uint64(node) << _NODE_SHIFT) | np.uint64(last)


@inlined
def history_of(key: np.uint64) -> Integer:
    """Return the history in a key."""
    return np.int64(key >> _HISTORY_SHIFT)


@inlined
def node_of(key: np.uint64) -> Integer:
    """Return the node in a key."""
    return np.int64((key >> _NODE_SHIFT) & _NODE_MASK)


@inlined
def last_of(key: np.uint64) -> Integer:
    """Return the last token in a key."""
    return np.int64(key & _TOKEN_MASK)


@inlined
def mix(key: np.uint64) -> np.uint64:
    """Mix 64 bits (after the finalizer of MurmurHash3, Austin Appleby, public domain)."""
    key ^= key >> np.uint64(33)
    key *= np.uint64(0xFF51AFD7ED558CCD)
    return key ^ (key >> np.uint64(29))


@inlined
def mix_pair(first: np.uint64, second: np.uint64) -> np.uint64:
    """Mix twice 64 bits into 64."""
    return mix(first ^ mix(second))
