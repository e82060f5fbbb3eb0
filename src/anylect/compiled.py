"""Kernels: functions over arrays, compiled by numba and kept on disk.

`numba.njit(cache=True)` raises at import when neither the package's folder nor the user's
cache folder can be written, as in a read-only container. Here this is settled once: such a
process gets a private folder of its own, and where even that fails the kernel is compiled
anew by every process. A kept kernel is dropped when its own file changes, as numba does, and
also when one of the kernels it calls does. Kernels release the interpreter lock, so threads run
them side by side.
"""

import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
import numpy as np

Integer = int | np.int64
"""A whole number as kernels take and return it: numba makes no difference between the two."""
Function = TypeVar("Function", bound=Callable[..., Any])
Stamp = tuple[tuple[str, int, int], ...]
"""Name, time and size of every file that a kernel is made of."""


def compiled(function: Function) -> Function:
    """Compile a function on its first call and keep the result for the next process.

    Arithmetic follows NumPy (a division by zero gives infinity and raises nothing), indices
    are not checked: a kernel is handed arrays whose bounds its caller has checked.

    Example:
        >>> @compiled
        ... def double(number: int) -> int:
        ...     return 2 * number
        >>> double(21)
        42
    """
    return _keep(function)


def lean(function: Function) -> Function:
    """Compile like `compiled` a function that makes no arrays.

    numba counts references to every array that is named, also to those inside a tuple that is
    handed on; in a search made of small functions this took nine tenths of the time. What makes
    no array needs no counts (`_nrt`, as numba compiles C callbacks).
    """
    return _keep(function, _nrt=False)


def inlined(function: Function) -> Function:
    """Compile a function that makes no arrays into every kernel that calls it.

    For inner loops: handing over many arrays costs a hundred nanoseconds a call.
    """
    return _compile(function, keep=False, _nrt=False, forceinline=True)


def _keep(function: Function, **settings: bool) -> Function:
    """Compile, and keep the result wherever there is a folder for it."""
    try:
        return _compile(function, keep=True, **settings)
    except RuntimeError:  # numba found no folder it may write to
        config: Any = numba.config
        config.CACHE_DIR = config.CACHE_DIR or str(_private_folder())
    try:
        return _compile(function, keep=True, **settings)
    except RuntimeError:
        return _compile(function, keep=False, **settings)


def _compile(function: Function, *, keep: bool, **settings: bool) -> Function:
    kernel: Any = numba.njit(cache=keep, nogil=True, error_model="numpy", **settings)(function)
    kernel.anylect_stamp = _stamp(function)
    if keep:
        kernel._cache._cache_file._source_stamp = kernel.anylect_stamp
    return cast(Function, kernel)


def _stamp(function: Callable[..., Any]) -> Stamp:
    """Tell what a kernel is made of: its file and those of the kernels its module knows."""
    path = Path(function.__code__.co_filename)
    files: set[tuple[str, int, int]] = set()
    if path.exists():  # not so for what is typed into an interpreter
        found = path.stat()
        files.add((path.name, found.st_mtime_ns, found.st_size))
    for known in function.__globals__.values():
        files.update(getattr(known, "anylect_stamp", ()))
    return tuple(sorted(files))


def _private_folder() -> Path:
    """Return a folder nobody else can write to: what lies in it is run as code."""
    user = os.getuid() if hasattr(os, "getuid") else 0
    folder = Path(tempfile.gettempdir()) / f"anylect-kernels-{user}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        private = stat.S_ISDIR(found.st_mode) and not found.st_mode & 0o022
        if private and found.st_uid == user:
            return folder
        return Path(tempfile.mkdtemp(prefix="anylect-kernels-"))
    except OSError:
        return folder
