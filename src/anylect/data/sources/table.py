"""Tables: CSV, TSV and JSON Lines, whatever their columns are called.

The header decides which column is which. A table without one is read only in the form of
LJSpeech, `id|transcript` or `id|transcript|normalised transcript`.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from anylect.data.filters import Dropped, Reason
from anylect.data.sources.recordings import Found, Locator, is_recording
from anylect.data.sources.rows import (
    SEPARATORS,
    read_first_line,
    read_objects,
    read_rows,
    split_line,
)
from anylect.data.splits import find_split
from anylect.errors import ManifestError
from anylect.records import Utterance

TABLE_SUFFIXES = frozenset({".csv", ".tsv", ".jsonl", ".txt", ".psv"})
_AUDIO = ("audio", "path", "file", "wav")
NAMES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "audio": (
            *_AUDIO,
            *(f"{name}_path" for name in _AUDIO),
            *("audio_filepath", "audio_file", "wav_filename"),
            *("file_name", "filename", "filepath", "recording"),
        ),
        "text": (
            *("text", "sentence", "transcript", "transcription"),
            *("normalized_text", "raw_text", "raw_transcription"),
        ),
        "speaker": ("speaker", "speaker_id", "client_id", "spk", "spk_id", "speaker_name"),
        "split": ("split", "subset", "set", "partition"),
        "language": ("language", "lang", "locale"),
        "id": ("id", "utterance_id", "utt_id"),
        "start": ("start", "offset", "start_time", "begin"),
        "end": ("end", "end_time"),
        "duration": ("duration", "duration_seconds"),
        "corpus": ("corpus",),
    }
)
_HEADERLESS = {2: ("audio", "text"), 3: ("audio", "raw_text", "text")}


@dataclass(frozen=True, slots=True)
class _Columns:
    """Where to find what: the names a table has for ours."""

    known: Mapping[str, str]
    locator: Locator
    place: str
    split: str | None


def read_table(
    path: Path | str, *, columns: Mapping[str, str] | None = None, split: str | None = None
) -> Iterator[Found]:
    r"""Read a table's rows as utterances.

    Columns are recognised by their usual names in any case (see `NAMES`); the others are kept
    in `extra`. The separator is the one that makes such names of the header. A recording is
    looked for beside the table and in `clips/`, `wavs/`, `wav/` and `audio/`, with and without
    a suffix. `end` becomes a duration.

    Args:
        path: A `.csv`, `.tsv`, `.jsonl` or `.txt` file in UTF-8.
        columns: The table's names for ours, where they are unusual: `{"text": "frase"}`.
        split: For all rows that name none.

    Yields:
        An utterance per row, or why it is none: a row with too many or too few cells, without
        a recording's name, or with a time that is no number.

    Raises:
        ManifestError: If the table cannot be read or has no column for audio or text.

    Example:
        >>> import tempfile
        >>> table = Path(tempfile.mkdtemp()) / "all.csv"
        >>> _ = table.write_text("File;Sentence;Speaker_ID\na.wav;Bonjour;7\n")
        >>> [(u.audio.name, u.text, u.speaker) for u in read_table(table)]
        [('a.wav', 'Bonjour', '7')]
    """
    path = Path(path)
    rows = _read_json(path) if path.suffix.lower() == ".jsonl" else _read_cells(path, columns)
    known: Mapping[str, str] = {}
    locator = Locator(path.parent)
    for number, row in rows:
        if isinstance(row, str):
            yield Dropped(Reason.MALFORMED, f"{path}:{number}: {row}")
            continue
        if not known:
            known = _recognize(row, columns)
            _require(known, row, place=f"{path}:{number}")
        elif path.suffix.lower() == ".jsonl":
            known = _recognize(row, columns)
        yield _build(row, _Columns(known, locator, f"{path}:{number}", split))


def _read_json(path: Path) -> Iterator[tuple[int, dict[str, object] | str]]:
    yield from read_objects(path)


def _read_cells(
    path: Path, columns: Mapping[str, str] | None
) -> Iterator[tuple[int, dict[str, object] | str]]:
    first = read_first_line(path)
    if not first:
        return
    separator = _find_separator(first, columns)
    rows = read_rows(path, separator)
    header = [cell.strip() for cell in split_line(first, separator)]
    if separator == "|" and len(header) in _HEADERLESS and not _complete(header, columns):
        header = list(_HEADERLESS[len(header)])
    else:
        next(rows, None)
    repeated = {name for name in header if header.count(name) > 1 and name}
    if repeated:
        raise ManifestError(
            f"{path}:1: column `{min(repeated)}` stands twice", hint="rename one of them"
        )
    for number, cells in rows:
        if len(cells) == len(header):
            yield number, dict(zip(header, cells, strict=True))
        else:
            yield number, f"{len(cells)} cells where {len(header)} were expected"


def _find_separator(first: str, columns: Mapping[str, str] | None) -> str:
    for separator in SEPARATORS:
        if _complete([cell.strip() for cell in split_line(first, separator)], columns):
            return separator
    # No header we know: LJSpeech's form if there are pipes, else whatever separates most.
    return max(SEPARATORS, key=lambda mark: (mark == "|" and mark in first, first.count(mark)))


def _complete(header: list[str], columns: Mapping[str, str] | None) -> bool:
    known = _recognize(dict.fromkeys(header, ""), columns)
    return "audio" in known and "text" in known


def _recognize(row: Mapping[str, object], columns: Mapping[str, str] | None) -> dict[str, str]:
    """Map our names to those of the row."""
    lowered = {name.lower(): name for name in row}
    known: dict[str, str] = {}
    for ours, usual in NAMES.items():
        wanted = (columns or {}).get(ours)
        for name in (wanted.lower(),) if wanted else usual:
            if name in lowered:
                known[ours] = lowered[name]
                break
    return known


def _require(known: Mapping[str, str], row: Mapping[str, object], *, place: str) -> None:
    for ours, meaning in (("audio", "the recording"), ("text", "the transcript")):
        if ours not in known:
            raise ManifestError(
                f"{place}: no column for {meaning}; there are "
                + ", ".join(f"`{name}`" for name in row),
                hint=f"call it one of {', '.join(NAMES[ours])}, or name it with "
                f'`columns.{ours} = "…"`; a table needs a header',
            )


def _build(row: dict[str, object], columns: _Columns) -> Found:
    cells = {ours: row.get(theirs) for ours, theirs in columns.known.items()}
    name, text = cells.get("audio"), cells.get("text")
    if not isinstance(name, str) or not name.strip() or "\0" in name:
        return Dropped(Reason.MALFORMED, f"{columns.place}: the recording is {name!r}")
    if text is not None and not isinstance(text, str):
        return Dropped(Reason.MALFORMED, f"{columns.place}: the transcript is {text!r}")
    times = {}
    for ours in ("start", "end", "duration"):
        value = _seconds(cells.get(ours))
        if value is not None and not (math.isfinite(value) and value >= 0):
            detail = f"{columns.place}: `{columns.known[ours]}` is {cells[ours]!r}"
            return Dropped(Reason.MALFORMED, detail)
        times[ours] = value
    start, end, duration = times["start"] or 0.0, times["end"], times["duration"]
    if end is not None and end <= start:
        detail = f"{columns.place}: ends at {end} s, before or where it starts ({start} s)"
        return Dropped(Reason.MALFORMED, detail)
    taken = set(columns.known.values())
    return Utterance(
        audio=columns.locator.find(name.strip()),
        text=text or "",
        id=_name(cells.get("id")) or _make_id(name.strip(), start),
        duration=duration or (end - start if end is not None else None),
        start=start,
        speaker=_name(cells.get("speaker")),
        language=_name(cells.get("language")),
        split=find_split(_name(cells.get("split"))) or columns.split,
        corpus=_name(cells.get("corpus")),
        extra={
            _free(key): value
            for key, value in row.items()
            if key and key not in taken and value not in ("", None)
        },
    )


def _seconds(value: object) -> float | None:
    """Return a number of seconds, None if nothing is given, NaN if it is none."""
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return math.nan
    try:
        return float(value)
    except (ValueError, OverflowError):
        return math.nan


def _name(value: object) -> str | None:
    return str(value).strip() or None if isinstance(value, (str, int)) else None


def _make_id(name: str, start: float) -> str:
    stem = name.rpartition(".")[0] if is_recording(name) else name
    return f"{stem}@{start:g}" if start else stem


def _free(key: str) -> str:
    """Keep a column apart from a manifest's own field that it is not."""
    ours = {*NAMES, "audio_filepath", "lang", "offset"} - {"end"}
    return f"{key}_column" if key in ours else key
