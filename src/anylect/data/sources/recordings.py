"""Finding recordings and transcripts on disk; shared by the layouts."""

import os
from collections.abc import Iterator
from pathlib import Path

from anylect.data.filters import Dropped
from anylect.records import Utterance

Found = Utterance | Dropped
"""What a source yields: an utterance, or what could not become one, with the reason."""

AUDIO_SUFFIXES = frozenset(
    {".wav", ".wave", ".flac", ".mp3", ".ogg", ".oga", ".opus", ".m4a", ".mp4", ".aac", ".webm"}
    | {".mkv", ".mov", ".wma", ".amr", ".aif", ".aiff", ".au", ".caf", ".sph", ".3gp"}
)
_FOLDERS = ("", "clips", "wavs", "wav", "audio")
_ENDINGS = ("", ".wav", ".flac", ".mp3", ".ogg", ".opus")


def is_recording(path: Path | str) -> bool:
    """Say whether a name ends like a recording's, in any case.

    Example:
        >>> is_recording("A.WAV"), is_recording("A.txt")
        (True, False)
    """
    return os.path.splitext(path)[1].lower() in AUDIO_SUFFIXES  # noqa: PTH122  # called per file


def walk(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    """Yield every folder below with its files' names, in sorted order, hidden ones left out.

    Links are followed, except one that leads to a folder above it: that way has no end.
    """
    for here, folders, files in os.walk(folder, followlinks=True):
        if _leads_up(Path(here), root=folder):
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield Path(here), sorted(name for name in files if not name.startswith("."))


def _leads_up(here: Path, *, root: Path) -> bool:
    if here == root or not here.is_symlink():
        return False
    depth = len(here.relative_to(root).parts)
    return any(here.samefile(above) for above in here.parents[:depth])


class Locator:
    """Finds the recordings a table names, which often lie in `clips/` or lack their suffix."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._places = [(folder / name, ending) for name in _FOLDERS for ending in _ENDINGS]

    def find(self, name: str) -> Path:
        """Return where a recording is; beside the table if it is nowhere."""
        suffixed = is_recording(name)
        for position, (folder, ending) in enumerate(self._places):
            if ending and suffixed:
                continue
            candidate = folder / (name + ending)
            # `Path.is_file` raises for names too long to exist.
            if os.path.isfile(candidate):  # noqa: PTH113
                # The next row is likely like this one: what worked is tried first.
                self._places.insert(0, self._places.pop(position))
                return candidate
        return self._folder / name
