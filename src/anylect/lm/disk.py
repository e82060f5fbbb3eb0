"""Columns of numbers on disk, appended to and read in pieces.

Plain files of one number after another in a folder that is removed afterwards. Read with
explicit reads, not mapped: what is read is what counts against the memory we were given.
"""

import mmap
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray


@dataclass(frozen=True, slots=True)
class Column:
    """A column of numbers in a file."""

    path: Path
    kind: np.dtype[Any]

    def __len__(self) -> int:
        return self.path.stat().st_size // self.kind.itemsize

    def read(self, start: int = 0, stop: int | None = None) -> NDArray[Any]:
        """Read the numbers from `start` to `stop`, all by default."""
        count = (len(self) if stop is None else stop) - start
        return np.fromfile(self.path, self.kind, count=count, offset=start * self.kind.itemsize)

    def blocks(self, size: int) -> Iterator[tuple[int, NDArray[Any]]]:
        """Yield where each block starts, and the block."""
        total = len(self)
        for start in range(0, total, size):
            yield start, self.read(start, min(total, start + size))

    def write(self, start: int, numbers: NDArray[Any]) -> None:
        """Overwrite numbers from `start` on; the column may grow."""
        with self.path.open("r+b") as file:
            file.seek(start * self.kind.itemsize)
            numbers.astype(self.kind, copy=False).tofile(file)

    def mapped(self) -> NDArray[Any]:
        """Map the column into memory; not to be changed, for `release` forgets changes."""
        if not len(self):
            return np.empty(0, self.kind)
        return np.asarray(np.memmap(self.path, self.kind, "c"))


class Scratch:
    """A folder of our own that disappears with this object."""

    def __init__(self, parent: Path | None = None) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="anylect-lm-", dir=parent))
        self._remove = weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)

    def remove(self) -> None:
        """Remove the folder now."""
        self._remove()


def release(array: NDArray[Any]) -> None:
    """Give back the memory that a mapped column takes; it is read anew when asked."""
    owner: Any = array
    while owner is not None:
        if isinstance(owner, mmap.mmap):
            if hasattr(mmap, "MADV_DONTNEED"):
                owner.madvise(mmap.MADV_DONTNEED)
            return
        owner = getattr(owner, "base", None)


class Appender:
    """Writes a column from its beginning to its end."""

    def __init__(self, path: Path, kind: DTypeLike) -> None:
        self.column = Column(path, np.dtype(kind))
        self._file: BinaryIO = path.open("wb")

    def append(self, numbers: NDArray[Any]) -> None:
        """Add numbers at the end."""
        numbers.astype(self.column.kind, copy=False).tofile(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()


def save_column(path: Path, numbers: NDArray[Any], kind: DTypeLike) -> Column:
    """Write a whole column."""
    with Appender(path, kind) as appender:
        appender.append(numbers)
    return appender.column
