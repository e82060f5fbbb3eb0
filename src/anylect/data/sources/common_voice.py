"""Common Voice releases, of any version: `clips/` and one table per selection.

Columns came and went (`accent` became `accents`; `locale`, `segment`, `variant`,
`sentence_id` and `sentence_domain` were added), so they are read by name. The tables are
tab-separated without quoting, though sentences with quotation marks may be quoted as in CSV.
"""

import re
from array import array
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from anylect.data.filters import Dropped, Reason
from anylect.data.manifest import read_lines
from anylect.data.sources.recordings import Found, is_recording
from anylect.data.sources.rows import read_rows
from anylect.errors import ManifestError
from anylect.records import Utterance

SPLITS = ("train", "dev", "test")
TABLES = (*SPLITS, "validated", "other", "invalidated")
_COUNTS = ("up_votes", "down_votes")
_RENAMED = {"accent": "accents"}
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")


def read_common_voice(folder: Path | str, *, tables: tuple[str, ...] = SPLITS) -> Iterator[Found]:
    """Read the selections of a release in one language.

    Train, dev and test are disjoint; `validated` holds them and more. A recording that stands
    in several of the tables asked for is yielded once, for the first; only the three splits
    give their name to `split`. The language is the `locale`, or in versions without that
    column the folder's name. Durations are taken from `clip_durations.tsv` where there is one.

    Args:
        folder: What holds `clips/`; or a folder above with one language in it.
        tables: Which of `train`, `dev`, `test`, `validated`, `other`, `invalidated`.

    Raises:
        ManifestError: If a table asked for is missing or is none of Common Voice's.
    """
    folder = find_release(Path(folder))
    durations = _Durations(folder / "clip_durations.tsv")
    seen: set[int] = set()
    for table in tables:
        path = folder / f"{table}.tsv"
        _require_table(path, table)
        for found in _read_selection(path, table, durations):
            # Only overlapping tables need a memory of what was yielded.
            if not set(tables) <= set(SPLITS) and isinstance(found, Utterance):
                if hash(found.id) in seen:
                    continue
                seen.add(hash(found.id))
            yield found


def find_release(folder: Path) -> Path:
    """Return the folder that holds `clips/`: this one, or the only one below that does.

    Raises:
        ManifestError: If there is none, or several.
    """
    if (folder / "clips").is_dir():
        return folder
    below = sorted(path.parent for path in folder.glob("*/clips") if path.is_dir())
    below = below or sorted(path.parent for path in folder.glob("*/*/clips") if path.is_dir())
    if len(below) == 1:
        return below[0]
    if not below:
        raise ManifestError(
            f"{folder}: no `clips/` folder", hint="give the folder of one language of a release"
        )
    names = ", ".join(path.name for path in below[:8]) + (", …" if len(below) > 8 else "")
    raise ManifestError(
        f"{folder}: {len(below)} languages ({names})",
        hint=f"prepare them one by one, e.g. `{below[0]}`",
    )


def find_tables(folder: Path) -> tuple[str, ...]:
    """Return which of train, dev and test a release has; `validated` if it has none."""
    release = find_release(folder)
    present = tuple(table for table in SPLITS if (release / f"{table}.tsv").is_file())
    return present or ("validated",)


def _require_table(path: Path, table: str) -> None:
    if table not in TABLES:
        raise ManifestError(
            f"Common Voice has no table `{table}`", hint=f"choose from {', '.join(TABLES)}"
        )
    if not path.is_file():
        present = ", ".join(name for name in TABLES if path.with_name(f"{name}.tsv").is_file())
        raise ManifestError(
            f"{path}: no such table; there are {present or 'none'}",
            hint='name those wanted, e.g. `tables = ["validated"]`',
        )


def _read_selection(path: Path, table: str, durations: "_Durations") -> Iterator[Found]:
    rows = read_rows(path, "\t")
    _, header = next(rows, (1, []))
    for name in ("path", "sentence"):
        if name not in header:
            columns = ", ".join(f"`{column}`" for column in header) or "none"
            raise ManifestError(
                f"{path}:1: no column `{name}`; there are {columns}",
                hint="the first line of a Common Voice table names its columns",
            )
    for number, cells in rows:
        place = f"{path}:{number}"
        if len(cells) != len(header):
            detail = f"{place}: {len(cells)} cells where {len(header)} were expected"
            yield Dropped(Reason.MALFORMED, detail)
            continue
        row = dict(zip(header, cells, strict=True))
        if not row["path"] or "\0" in row["path"]:
            yield Dropped(Reason.MALFORMED, f"{place}: `path` is {row['path']!r}")
            continue
        yield _build(row, path.parent, table, durations)


def _build(row: dict[str, str], folder: Path, table: str, durations: "_Durations") -> Utterance:
    # Version 1 names recordings without their suffix.
    name = row.pop("path")
    name = name if is_recording(name) else f"{name}.mp3"
    language = row.pop("locale", "") or (folder.name if _LANGUAGE.fullmatch(folder.name) else None)
    return Utterance(
        audio=folder / "clips" / name,
        text=row.pop("sentence"),
        id=name.rpartition(".")[0],
        duration=durations.find(name),
        speaker=row.pop("client_id", "") or None,
        language=language,
        split=table if table in SPLITS else None,
        corpus="common-voice",
        extra={
            _RENAMED.get(key, key): int(value) if key in _COUNTS and value.isdigit() else value
            for key, value in row.items()
            if value
        },
    )


class _Durations:
    """The durations of all clips of a release, in 16 bytes each."""

    def __init__(self, path: Path) -> None:
        names, milliseconds = array("q"), array("d")
        if path.is_file():
            for _, line in read_lines(path):
                name, _, value = line.partition("\t")
                if value.strip().isdigit():
                    names.append(hash(name))
                    milliseconds.append(float(value))
        order = np.argsort(np.array(names, dtype=np.int64), kind="stable")
        self._names = np.array(names, dtype=np.int64)[order]
        self._seconds = np.array(milliseconds, dtype=np.float64)[order] / 1000

    def find(self, name: str) -> float | None:
        """Return a recording's duration in seconds, None where none is stated."""
        position = int(np.searchsorted(self._names, hash(name)))
        if position < len(self._names) and self._names[position] == hash(name):
            return float(self._seconds[position]) or None
        return None
