"""Which layout a corpus has, told from its files."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Literal

from anylect.data.manifest import read_manifest
from anylect.data.sources.common_voice import find_tables, read_common_voice
from anylect.data.sources.folder import read_folder
from anylect.data.sources.librispeech import TRANSCRIPTS, read_librispeech
from anylect.data.sources.openslr import INDEX, read_openslr
from anylect.data.sources.recordings import Found, is_recording, walk
from anylect.data.sources.rows import read_first_line
from anylect.data.sources.table import TABLE_SUFFIXES, read_table
from anylect.data.splits import SPLITS, find_split
from anylect.errors import ManifestError

Layout = Literal["manifest", "table", "tables", "common-voice", "librispeech", "openslr", "folder"]
LAYOUTS: Mapping[Layout, str] = {
    "manifest": "a .jsonl file with `audio` and `text` (or `manifest.jsonl` in the folder)",
    "table": "a .csv, .tsv or .jsonl file (or `metadata.csv` and the like in the folder)",
    "tables": "a folder with `train.csv`, `test.csv` and the like",
    "common-voice": "a folder with `clips/` and `train.tsv`, `validated.tsv` and the like",
    "librispeech": "folders SPEAKER/CHAPTER/ with *.trans.txt (or SCRIPT/SPEAKER/: Zeroth Korean)",
    "openslr": "a folder with `line_index.tsv` or `utt_spk_text.tsv`, recordings beside or below",
    "folder": "recordings, each with a .txt of the same name beside it",
}
_DEPTHS = ("", "*/", "*/*/", "*/*/*/", "*/*/*/*/")


@dataclass(frozen=True, kw_only=True)
class SourceOptions:
    """How a corpus is read; what does not concern its layout has no effect."""

    columns: Mapping[str, str] | None = None
    """Unusual names in a table's header, by ours: `{text = "frase"}`."""
    tables: tuple[str, ...] = ()
    """Of a Common Voice release; empty takes train, dev and test, or validated without them."""
    speaker_from_folder: bool = False
    """In a folder of recordings, the folder one lies in is its speaker."""


@dataclass(frozen=True)
class Corpus:
    """What was recognised; `found` can be gone through once."""

    layout: Layout
    found: Iterator[Found]


_ARCHIVES = (".tar", ".gz", ".tgz", ".bz2", ".xz", ".zip")


def open_corpus(
    path: Path, options: SourceOptions | None = None, *, layout: Literal[Layout, "auto"] = "auto"
) -> Corpus:
    """Recognise a corpus's layout, unless it is given, and read it.

    Raises:
        ManifestError: If there is nothing at the path, or nothing that we know how to read.
    """
    if not path.is_file() and not path.is_dir():
        raise ManifestError(f"{path}: no such file or folder", hint="check the path")
    found = find_layout(path) if layout == "auto" else layout
    return Corpus(found, _read(path, found, options or SourceOptions()))


def find_layout(path: Path) -> Layout:
    """Return the layout a file or folder has.

    Raises:
        ManifestError: If it has none of those we know; the hint lists them.
    """
    layout = _layout_of_file(path) if path.is_file() else _layout_of_folder(path)
    if layout is None and path.suffix.lower() in _ARCHIVES:
        raise ManifestError(
            f"{path}: is an archive",
            hint=f"unpack it first, e.g. `tar -xf {path.name}`, and give the folder it makes",
        )
    if layout is None:
        known = "; ".join(f"{name}: {meaning}" for name, meaning in LAYOUTS.items())
        raise ManifestError(
            f"{path}: no known layout; it holds {_describe(path)}", hint=f"known layouts: {known}"
        )
    return layout


def _layout_of_file(path: Path) -> Layout | None:
    if path.suffix.lower() not in TABLE_SUFFIXES:
        return None
    if path.suffix.lower() != ".jsonl":
        return "table"
    try:
        fields = json.loads(read_first_line(path) or "null")
    except (ValueError, RecursionError):
        return "manifest"  # whose reader says what is wrong, and where
    if isinstance(fields, dict) and not {"audio", "audio_filepath"}.isdisjoint(fields):
        return "manifest" if "text" in fields else "table"
    return "table" if isinstance(fields, dict) else "manifest"


def _layout_of_folder(path: Path) -> Layout | None:
    if any(any(path.glob(f"{depth}clips")) for depth in _DEPTHS[:3]) and any(
        any(path.glob(f"{depth}*.tsv")) for depth in _DEPTHS[:3]
    ):
        return "common-voice"
    if any(any(path.glob(f"{depth}*{TRANSCRIPTS}")) for depth in _DEPTHS):
        return "librispeech"
    if _has_index(path):
        return "openslr"
    if (path / "manifest.jsonl").is_file():
        return "manifest"
    if _tables(path, "metadata"):
        return "table"
    if any(_tables(path, name) for name in _split_names(path)):
        return "tables"
    return "folder" if _has_pairs(path) else None


def _has_index(path: Path) -> bool:
    return any(
        INDEX.fullmatch(found.name)
        for depth in _DEPTHS[:3]
        for pattern in ("line_index*.tsv", "utt_spk_text.tsv")
        for found in path.glob(f"{depth}{pattern}")
    )


def _has_pairs(path: Path) -> bool:
    return any(
        is_recording(name) and f"{Path(name).stem.lower()}{suffix}" in lowered
        for _, files in walk(path)
        for lowered in [{file.lower() for file in files}]
        for name in files
        for suffix in (".txt", ".normalized.txt", ".lab")
    )


def _read(path: Path, layout: Layout, options: SourceOptions) -> Iterator[Found]:
    if layout == "manifest":
        return read_manifest(path if path.is_file() else path / "manifest.jsonl")
    if layout == "table":
        table = path if path.is_file() else _single_table(path)
        return read_table(table, columns=options.columns)
    if layout == "tables":
        return chain.from_iterable(
            read_table(table, columns=options.columns, split=find_split(name))
            for name in _split_names(path)
            for table in _tables(path, name)
        )
    if layout == "common-voice":
        return read_common_voice(path, tables=options.tables or find_tables(path))
    if layout == "librispeech":
        return read_librispeech(path)
    if layout == "openslr":
        return read_openslr(path)
    return read_folder(path, speaker_from_folder=options.speaker_from_folder)


def _single_table(path: Path) -> Path:
    tables = _tables(path, "metadata")
    if len(tables) != 1:
        found = ", ".join(table.name for table in tables) or "none"
        raise ManifestError(
            f"{path}: expected one table called metadata, found {found}",
            hint="give the path of the table itself",
        )
    return tables[0]


def _tables(path: Path, stem: str) -> list[Path]:
    candidates = (path / f"{stem}{suffix}" for suffix in (".csv", ".tsv", ".jsonl"))
    return [candidate for candidate in candidates if candidate.is_file()]


def _split_names(path: Path) -> list[str]:
    names = {entry.stem for entry in path.iterdir() if entry.suffix.lower() in TABLE_SUFFIXES}
    return sorted(name for name in names if find_split(name) in SPLITS)


def _describe(path: Path) -> str:
    if path.is_file():
        return f"a file that ends in {path.suffix or 'nothing'}"
    counts: dict[str, int] = {}
    for _, files in walk(path):
        for name in files:
            suffix = Path(name).suffix.lower() or "no suffix"
            counts[suffix] = counts.get(suffix, 0) + 1
    most = sorted(counts, key=counts.__getitem__, reverse=True)[:5]
    return ", ".join(f"{counts[suffix]:,} × {suffix}" for suffix in most) or "no files"
