"""Kernels: functions over arrays, compiled by numba and kept on disk.

`numba.njit(cache=True)` raises at import when neither the package's folder nor the user's
cache folder can be written, as in a read-only container. Here this is settled once: such a
process gets a private folder of its own, and where even that fails the kernel is compiled
anew by every process. Kernels release the interpreter lock, so threads run them side by side.
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
    try:
        return _compile(function, keep=True)
    except RuntimeError:  # numba found no folder it may write to
        settings: Any = numba.config
        settings.CACHE_DIR = settings.CACHE_DIR or str(_private_folder())
    try:
        return _compile(function, keep=True)
    except RuntimeError:
        return _compile(function, keep=False)


def _compile(function: Function, *, keep: bool) -> Function:
    kernel = numba.njit(cache=keep, nogil=True, error_model="numpy")(function)
    return cast(Function, kernel)


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
