"""Data sets of the Hub, and local ones that `datasets` wrote, as utterances.

Rows are streamed and audio is left undecoded: whatever bytes a row holds are put into a file for
as long as they are needed, and decoded by `audio` like any other recording. Nothing of a set is
kept but the row at hand.
"""

import itertools
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from anylect.data.filters import Dropped, Reason
from anylect.data.sources.recordings import Found
from anylect.data.sources.table import NAMES
from anylect.errors import HubError
from anylect.records import Utterance

SAVED = ("dataset_dict.json", "state.json")
"""Files by which a folder shows that `save_to_disk` wrote it."""
TABLES = ("*.parquet", "*.arrow", "*/*.parquet", "*/*.arrow")
_KEPT = ("accent", "accents", "age", "gender", "dialect", "condition")
"""Columns that errors are broken down by; others may be large and are left out."""


@dataclass(frozen=True, kw_only=True)
class HubOptions:
    """Which part of a data set, and under which names."""

    config: str | None = None
    """Of the data set, e.g. the locale for Common Voice."""
    split: str = "test"
    """One of its splits; `test[:100]` takes the first hundred rows."""
    revision: str | None = None
    """Commit of its repository; the newest by default."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """Unusual names of columns, by ours: `{text = "frase"}`."""


class HubSet:
    """The rows of one split as utterances; use it in a `with` block and go through it once.

    Recordings that come as bytes stand in a temporary folder until `forget` is called or the
    block is left.
    """

    def __init__(self, name: str, options: HubOptions) -> None:
        self.name, self.options = name, options
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> "HubSet":
        self._folder = tempfile.TemporaryDirectory(prefix="anylect-")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: object, trace: TracebackType | None
    ) -> None:
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def __iter__(self) -> Iterator[Found]:
        """Yield an utterance for every row, or why it is none.

        Raises:
            HubError: When the set or its split cannot be had, or has no audio or text.
        """
        rows = _open(self.name, self.options)
        number = 0
        while True:
            try:
                row = next(rows, None)
            except _foreign() as error:
                raise _explain(self.name, error) from error
            if row is None:
                return
            yield self._utterance(row, number)
            number += 1

    def forget(self, utterance: Utterance) -> None:
        """Remove the file of an utterance that has been heard."""
        if self._folder is not None and utterance.audio.parent == Path(self._folder.name):
            utterance.audio.unlink(missing_ok=True)

    def _utterance(self, row: dict[str, Any], number: int) -> Found:
        known = _columns(row, self.options.columns, name=self.name)
        place = f"{self.name}: row {number}"
        text = row[known["text"]]
        audio = row[known["audio"]]
        if not isinstance(text, str):
            return Dropped(Reason.MALFORMED, f"{place}: the transcript is {text!r}")
        path = self._recording(audio, number)
        if path is None:
            return Dropped(Reason.MALFORMED, f"{place}: there is no recording")
        return Utterance(
            audio=path,
            text=text,
            id=str(number),
            speaker=_text(row.get(known.get("speaker", ""))),
            language=_text(row.get(known.get("language", ""))),
            corpus=self.name,
            extra={key: str(row[key]) for key in _KEPT if row.get(key)},
        )

    def _recording(self, audio: object, number: int) -> Path | None:
        """Return where a recording lies, after writing it there if it came as bytes."""
        if isinstance(audio, str):
            audio = {"path": audio, "bytes": None}
        if not isinstance(audio, Mapping) or self._folder is None:
            return None
        content, path = audio.get("bytes"), audio.get("path")
        if content is None and isinstance(path, str):
            if Path(path).is_file():
                return Path(path)
            content = _fetch(path)
        if content is None:
            return None
        spooled = Path(self._folder.name) / f"{number}{Path(path or '').suffix or '.audio'}"
        spooled.write_bytes(content)
        return spooled


def is_dataset_folder(path: Path) -> bool:
    """Say whether a folder was written by `datasets`, or holds tables only it reads."""
    return any((path / name).is_file() for name in SAVED) or any(
        next(path.glob(pattern), None) is not None for pattern in TABLES
    )


def _open(name: str, options: HubOptions) -> Iterator[dict[str, Any]]:
    """Open a split's rows, audio undecoded."""
    import datasets

    split, first = cut_split(options.split)
    rows: Any
    try:
        if any((Path(name) / mark).is_file() for mark in SAVED):
            rows = datasets.load_from_disk(name)
            if isinstance(rows, datasets.DatasetDict):
                rows = _choose(rows, split, name=name)
        else:
            rows = datasets.load_dataset(
                name, options.config, split=split, revision=options.revision, streaming=True
            )
        for column, kind in (rows.features or {}).items():
            if isinstance(kind, datasets.Audio):
                rows = rows.cast_column(column, datasets.Audio(decode=False))
    except _foreign() as error:
        raise _explain(name, error) from error
    if isinstance(rows, datasets.Dataset):
        rows = rows.to_iterable_dataset()
    return itertools.islice(iter(rows), first)


def _choose(splits: Mapping[str, Any], split: str, *, name: str) -> Any:  # noqa: ANN401  a data set
    if split not in splits:
        raise HubError(f"{name}: no split `{split}`", hint=f"there are {', '.join(sorted(splits))}")
    return splits[split]


def cut_split(split: str) -> tuple[str, int | None]:
    """Part `test[:100]` into the split's name and how many rows to take; None takes all.

    Raises:
        HubError: For other slices, which a stream cannot take.

    Example:
        >>> cut_split("test[:100]"), cut_split("validation")
        (('test', 100), ('validation', None))
    """
    name, bracket, rest = split.partition("[")
    if not bracket:
        return split, None
    count = rest.removeprefix(":").removesuffix("]")
    if not (rest.startswith(":") and rest.endswith("]") and count.isdigit()):
        raise HubError(
            f"split `{split}` cannot be taken from a stream",
            hint=f"whole splits, or the first rows of one: `{name}[:100]`",
        )
    return name, int(count)


def _columns(row: Mapping[str, Any], given: Mapping[str, str], *, name: str) -> dict[str, str]:
    """Map our names to those of a row."""
    lowered = {column.lower(): column for column in row}
    known: dict[str, str] = {}
    for ours in ("audio", "text", "speaker", "language"):
        names = (given[ours].lower(),) if ours in given else NAMES[ours]
        found = next((lowered[each] for each in names if each in lowered), None)
        if found is not None:
            known[ours] = found
    for ours in ("audio", "text"):
        if ours not in known:
            listed = ", ".join(f"`{column}`" for column in row)
            raise HubError(
                f"{name}: no column for {ours}; there are {listed}",
                hint=f'name it: `--set columns.{ours}="…"`',
            )
    return known


def _fetch(path: str) -> bytes:
    """Read a recording from wherever a stream says it lies."""
    import fsspec

    with fsspec.open(path, "rb") as stream:
        content: bytes = stream.read()
    return content


def _text(value: object) -> str | None:
    return str(value) or None if isinstance(value, (str, int)) else None


def _foreign() -> tuple[type[Exception], ...]:
    """Return what `datasets` raises for names, networks and files that are not there."""
    from datasets.exceptions import DatasetsError

    return (OSError, ValueError, TypeError, RuntimeError, ImportError, DatasetsError)


def _explain(name: str, error: Exception) -> HubError:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    hint = "check the name, the config and the split; `hf auth login` opens gated sets; offline, "
    hint += "give a folder, a Common Voice release or a manifest"
    if isinstance(error, ImportError):
        hint = "this set is laid out so that `datasets` itself must encode its audio: "
        hint += "`pip install torchcodec`, or download it and give its folder"
    return HubError(f"{name}: cannot be read ({reason})", hint=hint)
