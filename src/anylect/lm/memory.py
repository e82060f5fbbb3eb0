"""Numbers at any byte of an array, and the hash KenLM knows words by.

KenLM's files hold numbers at addresses that NumPy's typed arrays cannot start at. These
kernels read them in one instruction each. Byte order is little-endian, as in the files.
"""

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.extending import intrinsic
from numpy.typing import NDArray

from anylect.compiled import Integer, compiled

Bytes = NDArray[np.uint8]


def _pointer(context: Any, builder: Any, signature: Any, args: Any, width: Any) -> Any:  # noqa: ANN401
    make: Any = numba.core.cgutils.create_struct_proxy
    kind = make(signature.args[0])
    data = kind(context, builder, value=args[0]).data
    return builder.bitcast(builder.gep(data, [args[1]]), width.as_pointer())


def _loader(width: Any, kind: Any) -> Any:  # noqa: ANN401
    """Make a kernel that reads one number; there is no way to write it in Python itself."""

    def load(typing: Any, array: Any, at: Any) -> Any:  # noqa: ANN401
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:  # noqa: ANN401
            return builder.load(_pointer(context, builder, signature, args, width), align=1)

        return kind(array, numba.types.int64), generate

    return intrinsic(load)


def _storer(width: Any, kind: Any) -> Any:  # noqa: ANN401
    def store(typing: Any, array: Any, at: Any, value: Any) -> Any:  # noqa: ANN401
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:  # noqa: ANN401
            pointer = _pointer(context, builder, signature, args, width)
            builder.store(args[2], pointer, align=1)
            return context.get_dummy_value()

        return numba.types.void(array, numba.types.int64, kind), generate

    return intrinsic(store)


load_u64: Callable[[Bytes, Integer], np.uint64] = _loader(ir.IntType(64), numba.types.uint64)
load_u32: Callable[[Bytes, Integer], np.uint32] = _loader(ir.IntType(32), numba.types.uint32)
load_f32: Callable[[Bytes, Integer], np.float32] = _loader(ir.FloatType(), numba.types.float32)
store_u64: Callable[[Bytes, Integer, np.uint64], None] = _storer(ir.IntType(64), numba.types.uint64)
store_u32: Callable[[Bytes, Integer, np.uint32], None] = _storer(ir.IntType(32), numba.types.uint32)
store_f32: Callable[[Bytes, Integer, np.float32], None] = _storer(
    ir.FloatType(), numba.types.float32
)

_MULTIPLIER = np.uint64(0xC6A4A7935BD1E995)
_SHIFT = np.uint64(47)


@compiled
def murmur_hash(buffer: Bytes, start: Integer, stop: Integer) -> np.uint64:
    """Hash bytes by MurmurHash64A with seed zero (Austin Appleby, public domain)."""
    length = stop - start
    key = np.uint64(length) * _MULTIPLIER
    at = start
    while at + 8 <= stop:
        part = load_u64(buffer, at) * _MULTIPLIER
        part = (part ^ (part >> _SHIFT)) * _MULTIPLIER
        key = (key ^ part) * _MULTIPLIER
        at += 8
    if at < stop:
        for i in range(stop - at):
            key ^= np.uint64(buffer[at + i]) << np.uint64(8 * i)
        key *= _MULTIPLIER
    key = (key ^ (key >> _SHIFT)) * _MULTIPLIER
    return key ^ (key >> _SHIFT)


@compiled
def hash_words(buffer: Bytes, offsets: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Hash every word of a `Words`."""
    keys = np.empty(offsets.size - 1, np.uint64)
    for i in range(keys.size):
        keys[i] = murmur_hash(buffer, offsets[i], offsets[i + 1])
    return keys
