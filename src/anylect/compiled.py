"""Kernels: functions over arrays, compiled by numba and kept on disk.

`numba.njit(cache=True)` raises at import when neither the package's folder nor the user's
cache folder can be written, as in a read-only container. Here this is settled once: such a
process gets a private folder of its own, and where even that fails the kernel is compiled
anew by every process. A kept kernel is dropped when its own file changes, as numba does, and
also when one of ours that it imports does. Kernels release the interpreter lock, so threads run
them side by side.
"""

import os
import re
import stat
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numba.core.caching import IndexDataCacheFile

Integer = int | np.int64
"""A whole number as kernels take and return it: numba makes no difference between the two."""
Function = TypeVar("Function", bound=Callable[..., Any])
_INNER = {"_nrt": False, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
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


def inner(function: Function) -> Function:
    """Compile like `lean` a function that only kernels call; it is kept with those.

    Without what Python would need to call it, which for functions of many arrays takes longer to
    compile than they do themselves: calling one from Python crashes the process.
    """
    return _compile(function, keep=False, **_INNER)


def inlined(function: Function) -> Function:
    """Compile an `inner` function into every kernel that calls it.

    For inner loops: handing over many arrays costs a hundred nanoseconds a call.
    """
    return _compile(function, keep=False, forceinline=True, **_INNER)


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
    compiler: Any = numba.njit
    kernel = compiler(cache=keep, nogil=True, error_model="numpy", **settings)(function)
    if keep:
        files = kernel._cache._cache_file
        files.__class__, files._source_stamp = _KeptKernels, _stamp(function.__module__)
    return cast(Function, kernel)


class _KeptKernels(IndexDataCacheFile):
    """numba's kept kernels of one function, dropped when they cannot be read any more.

    What it keeps names the tuples a kernel takes by their class; after an upgrade that renames
    one, numba would fail instead of compiling anew.
    """

    def _load_index(self) -> dict[Any, Any]:
        try:
            index: dict[Any, Any] = super()._load_index()  # type: ignore[no-untyped-call]
        except (AttributeError, ImportError, TypeError, ValueError, EOFError, UnpicklingError):
            return {}
        return index


def _stamp(module: str) -> Stamp:
    """Tell which files a module's kernels are made of, and how old they are."""
    files = []
    for path in sorted(_sources(module)):
        found = path.stat()
        files.append((path.name, found.st_mtime_ns, found.st_size))
    return tuple(files)


def _sources(module: str) -> set[Path]:
    """Return the files of a module and of those of ours that it imports, however far off."""
    seen: set[str] = set()
    files: set[Path] = set()
    ahead = [module]
    while ahead:
        name = ahead.pop()
        if name in seen:
            continue
        seen.add(name)
        file = getattr(sys.modules.get(name), "__file__", None)
        if file is not None:  # nothing that is typed into an interpreter has one
            files.add(Path(file))
            ahead.extend(_imports(Path(file)))
    return files


@cache
def _imports(path: Path) -> list[str]:
    text = path.read_text(encoding="utf-8")
    return re.findall(r"^from (anylect\.[.\w]*) import", text, re.MULTILINE)


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
