"""Rows of tables, with the line each begins on.

Comma- and semicolon-separated tables quote their cells as RFC 4180 says. Tab- and
pipe-separated ones do not: there a quotation mark is a quotation mark, and a reader that
thinks otherwise swallows rows up to the next one. Common Voice has both in one file.
"""

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path

from anylect.data.manifest import read_lines
from anylect.errors import ManifestError

SEPARATORS = (",", ";", "\t", "|")
_QUOTING = frozenset(",;")
_QUOTED = re.compile(r'"(?:[^"]|"")*"')


def read_rows(path: Path, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Read a table's rows, header included, as cells.

    Raises:
        ManifestError: If the table cannot be read, or a quotation mark is never closed.
    """
    if separator in _QUOTING:
        yield from _read_quoted(path, separator)
        return
    for number, line in read_lines(path):
        yield number, [unquote(cell) for cell in line.split(separator)]


def read_first_line(path: Path) -> str:
    """Return a table's first line that is not empty, or an empty text."""
    return next((line for _, line in read_lines(path)), "")


def split_line(line: str, separator: str) -> list[str]:
    """Split one line as `read_rows` would; a line it cannot read stays whole."""
    if separator not in _QUOTING:
        return [unquote(cell) for cell in line.split(separator)]
    try:
        return next(csv.reader([line], delimiter=separator), [])
    except csv.Error:
        return [line]


def unquote(cell: str) -> str:
    r"""Undo the quoting of a cell that a CSV writer must have made, and of no other.

    Such a cell begins and ends with a quotation mark and doubles all in between. A sentence
    that is a quotation has none doubled inside, and stays as it is.

    Example:
        >>> print(unquote('\"\"\"Well\"\", she said.\"'), unquote('\"Well.\"'))
        "Well", she said. "Well."
    """
    if cell.startswith('"') and '""' in cell[1:-1] and _QUOTED.fullmatch(cell):
        return cell[1:-1].replace('""', '"')
    return cell


def read_objects(path: Path) -> Iterator[tuple[int, dict[str, object]]]:
    """Read JSON Lines whose keys are not those of a manifest.

    Raises:
        ManifestError: If a line is not an object.
    """
    for number, line in read_lines(path):
        try:
            # Writers of data frames say NaN where nothing is known.
            fields = json.loads(line, parse_constant=lambda _: None)
        except (ValueError, RecursionError) as error:
            raise ManifestError(
                f"{path}:{number}: broken JSON: {error}", hint="a line is one flat object"
            ) from error
        if not isinstance(fields, dict):
            raise ManifestError(
                f"{path}:{number}: a {type(fields).__name__} where an object was expected",
                hint='a line is one object: {"path": "a.wav", "sentence": "…"}',
            )
        yield number, fields


def _read_quoted(path: Path, separator: str) -> Iterator[tuple[int, list[str]]]:
    begin = 0

    def lines() -> Iterator[str]:
        nonlocal begin
        for number, line in read_lines(path):
            begin = begin or number
            yield line + "\n"

    rows = csv.reader(lines(), delimiter=separator, strict=True)
    while True:
        begin = 0
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            raise ManifestError(
                f"{path}:{begin}: a row that begins here is not {separator!r}-separated ({error})",
                hint="close every quotation mark and double those inside a cell, or save the "
                "table tab-separated as .tsv, where they mean nothing",
            ) from error
        yield begin, row
