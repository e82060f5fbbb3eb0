"""What is known of a program while it runs: its output, its memory, its files."""

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO

_MOST_ENTRIES = 100_000
"""Files in a scratch folder; a program that makes more fills the disk in its own way."""


class Tail:
    """Reads a pipe to its end, and keeps the last of it."""

    def __init__(self, pipe: IO[bytes], most: int = 16_384) -> None:
        self._pipe, self._most, self._kept = pipe, most, b""
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        with contextlib.suppress(OSError, ValueError), self._pipe:
            while piece := self._pipe.read1(65_536):  # type: ignore[attr-defined]  # it is buffered
                self._kept = (self._kept + piece)[-self._most :]

    def finish(self) -> None:
        """Wait for the end of the pipe, but not for ever."""
        # A process that left the group may keep the pipe open for ever.
        self._thread.join(2.0)

    def text(self) -> str:
        """Return what was kept."""
        return self._kept.decode("utf-8", "replace")


class Group:
    """The processes of one program: those of its cell, or of its session."""

    def __init__(self, pid: int | None, *, by_namespace: bool) -> None:
        self._read = self._namespace if by_namespace else self._session
        self._mark = None if pid is None else self._read(pid)

    def memory(self) -> int:
        """Sum up the bytes they hold, what they share counted once."""
        if self._mark is None:
            return 0
        return sum(_held(pid) for pid in _processes() if self._read(pid) == self._mark)

    @staticmethod
    def _namespace(pid: int) -> str | None:
        with contextlib.suppress(OSError):
            return str(Path(f"/proc/{pid}/ns/pid").readlink())
        return None

    @staticmethod
    def _session(pid: int) -> str | None:
        with contextlib.suppress(OSError, IndexError):
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
            return stat.rpartition(")")[2].split()[3]
        return None


def _processes() -> Iterator[int]:
    with contextlib.suppress(OSError):
        yield from (int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit())


def _held(pid: int) -> int:
    with contextlib.suppress(OSError, ValueError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
            if line.startswith("Pss:"):
                return 1024 * int(line.split()[1])
    return 0


def is_full(folder: Path, most: int) -> bool:
    """Say whether a folder holds more than so many bytes on disk, or far too many files."""
    total, entries = 0, 0
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(place, name)).st_blocks * 512  # noqa: PTH118  speed
            entries += 1
        if total > most or entries > _MOST_ENTRIES:
            return True
    return False
