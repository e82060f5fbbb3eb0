"""Timed transcripts as linguists read them: Praat's TextGrid and ELAN's EAF.

Both hold tiers, rows of intervals one below the other: sentences, their words and, where they are
timed, the letters of these. Times are whole milliseconds; intervals of a tier never overlap
and never are empty, which both programs insist on.

TextGrid: the long text format of Praat's manual ("TextGrid file formats"). EAF: format 3.0
(schema EAFv3.0.xsd of the Max Planck Institute for Psycholinguistics).
"""

import itertools
import mimetypes
import os
import unicodedata
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from anylect.records import Word

SCHEMA = "http://www.mpi.nl/tools/elan/EAFv3.0.xsd"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
INCLUDED = "Included_In"
CONSTRAINTS = {
    "Time_Subdivision": "parts of the annotation above, one after the other without gaps",
    "Symbolic_Subdivision": "parts of the annotation above, in order, without times of their own",
    "Symbolic_Association": "one for the annotation above",
    INCLUDED: "parts of the annotation above, with times, gaps allowed",
}
"""The relations between tiers that ELAN knows and expects a file to list, and what they mean."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a transcript as it is written, and the words it is made of.

    `letters` are those of each word, where they are timed; else there are none at all.
    """

    text: str
    words: tuple[Word, ...]
    letters: tuple[tuple[Word, ...], ...] = ()

    @property
    def start(self) -> float:
        """Seconds."""
        return self.words[0].start

    @property
    def end(self) -> float:
        """Seconds."""
        return max(word.end for word in self.words)


@dataclass(frozen=True, slots=True)
class Interval:
    """A text and when it was said, whole milliseconds."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Tier:
    """Intervals in order; none overlaps another, and each lies within one of the tier above."""

    name: str
    intervals: tuple[Interval, ...]


def build_tiers(
    lines: Sequence[Line], *, duration: float, name: str = "sentences"
) -> tuple[tuple[Tier, ...], int]:
    """Lay lines, words and letters out as tiers, the topmost first.

    Args:
        lines: In order, each with a word at least.
        duration: Of the recording, seconds. Should there be more words than milliseconds, it
            is longer in the end.
        name: Of the topmost tier.

    Returns:
        The tiers, and the duration in milliseconds.
    """
    words = [word for line in lines for word in line.words]
    letters = [each for line in lines for word in line.letters for each in word]
    spans, end = _lay_out(letters or words, round(1000 * duration))
    tiers: list[Tier] = []
    if letters:
        tiers.append(_tier("characters", letters, spans))
        counts = [len(word) for line in lines for word in line.letters]
        spans = _grouped(spans, counts)
    tiers.append(_tier("words", words, spans))
    spans = _grouped(spans, [len(line.words) for line in lines])
    tiers.append(_tier(name, lines, spans))
    return tuple(reversed(tiers)), end


def write_textgrid(tiers: Sequence[Tier], *, end: int) -> str:
    """Write Praat's TextGrid; silence between intervals is an interval without text.

    Args:
        tiers: Topmost first.
        end: Duration of the recording in milliseconds.
    """
    lines = [
        'File type = "ooTextFile"',
        'Object class = "TextGrid"',
        "",
        "xmin = 0",
        f"xmax = {_seconds(end)}",
        "tiers? <exists>",
        f"size = {len(tiers)}",
        "item []:",
    ]
    for number, tier in enumerate(tiers, start=1):
        intervals = list(_filled(tier.intervals, end))
        lines += [
            f"    item [{number}]:",
            '        class = "IntervalTier"',
            f"        name = {_quoted(tier.name)}",
            "        xmin = 0",
            f"        xmax = {_seconds(end)}",
            f"        intervals: size = {len(intervals)}",
        ]
        for place, interval in enumerate(intervals, start=1):
            lines += [
                f"        intervals [{place}]:",
                f"            xmin = {_seconds(interval.start)}",
                f"            xmax = {_seconds(interval.end)}",
                f"            text = {_quoted(interval.text)}",
            ]
    return "\n".join(lines) + "\n"


def write_eaf(
    tiers: Sequence[Tier],
    *,
    audio: str,
    folder: Path | None = None,
    written: datetime | None = None,
) -> str:
    """Write ELAN's EAF; every tier but the first hangs below the one before it.

    Args:
        tiers: Topmost first.
        audio: The recording's path; ELAN opens it together with the annotations.
        folder: Where the EAF file will stand, so that both can be moved together.
        written: When; now by default.
    """
    root = ET.Element(
        "ANNOTATION_DOCUMENT",
        {
            "AUTHOR": "anylect",
            "DATE": (written or datetime.now(UTC)).isoformat(timespec="seconds"),
            "FORMAT": "3.0",
            "VERSION": "3.0",
            "xmlns:xsi": XSI,
            "xsi:noNamespaceSchemaLocation": SCHEMA,
        },
    )
    header = ET.SubElement(root, "HEADER", {"MEDIA_FILE": "", "TIME_UNITS": "milliseconds"})
    ET.SubElement(header, "MEDIA_DESCRIPTOR", _media(audio, folder))
    count = sum(len(tier.intervals) for tier in tiers)
    last = ET.SubElement(header, "PROPERTY", {"NAME": "lastUsedAnnotationId"})
    last.text = str(count)
    _add_tiers(root, tiers)
    for tier, parent in zip(tiers, [None, *tiers], strict=False):
        kind = {
            "LINGUISTIC_TYPE_ID": tier.name,
            "TIME_ALIGNABLE": "true",
            "GRAPHIC_REFERENCES": "false",
        }
        ET.SubElement(root, "LINGUISTIC_TYPE", kind | ({"CONSTRAINTS": INCLUDED} if parent else {}))
    for stereotype, meaning in CONSTRAINTS.items():
        ET.SubElement(root, "CONSTRAINT", {"STEREOTYPE": stereotype, "DESCRIPTION": meaning})
    ET.indent(root, space="    ")
    body = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}\n'


def _lay_out(words: Sequence[Word], duration: int) -> tuple[list[tuple[int, int]], int]:
    """Round times to milliseconds so that every word has one at least and none overlaps."""
    spans: list[tuple[int, int]] = []
    before = 0
    for word in words:
        start = max(before, round(1000 * word.start))
        before = max(start + 1, round(1000 * word.end))
        spans.append((start, before))
    # What this pushed beyond the end is pushed back.
    limit = end = max(duration, len(words), 1)
    for index in range(len(spans) - 1, -1, -1):
        start, stop = spans[index]
        if stop <= limit:
            break
        spans[index] = start, stop = min(start, limit - 1), limit
        limit = start
    return spans, end


def _grouped(spans: list[tuple[int, int]], counts: list[int]) -> list[tuple[int, int]]:
    rest = iter(spans)
    groups = [list(itertools.islice(rest, count)) for count in counts]
    return [(group[0][0], group[-1][1]) for group in groups]


def _tier(name: str, texts: Iterable[Word | Line], spans: list[tuple[int, int]]) -> Tier:
    pairs = zip(texts, spans, strict=True)
    return Tier(name, tuple(Interval(_printable(each.text), *span) for each, span in pairs))


def _printable(text: str) -> str:
    """Drop what XML 1.0 cannot hold and what would end a line of a TextGrid."""
    spaced = " ".join(text.split())
    return "".join(
        character
        for character in spaced
        if unicodedata.category(character) not in ("Cc", "Cs") and character not in "\ufffe\uffff"
    )


def _filled(intervals: Iterable[Interval], end: int) -> Iterator[Interval]:
    before = 0
    for interval in intervals:
        if interval.start > before:
            yield Interval("", before, interval.start)
        yield interval
        before = interval.end
    if before < end:
        yield Interval("", before, end)


def _seconds(milliseconds: int) -> str:
    """Write seconds without a rounding error.

    Example:
        >>> _seconds(12_050), _seconds(3000)
        ('12.05', '3')
    """
    whole, rest = divmod(milliseconds, 1000)
    return f"{whole}.{rest:03d}".rstrip("0").rstrip(".") if rest else str(whole)


def _quoted(text: str) -> str:
    doubled = text.replace('"', '""')
    return f'"{doubled}"'


def _media(audio: str, folder: Path | None) -> dict[str, str]:
    path = Path(audio).resolve()
    try:
        relative = os.path.relpath(path, folder.resolve() if folder else path.parent)
    except ValueError:  # on another drive
        relative = path.name
    relative = Path(relative).as_posix()
    return {
        "MEDIA_URL": path.as_uri(),
        "MIME_TYPE": mimetypes.guess_type(path.name)[0] or "unknown",
        "RELATIVE_MEDIA_URL": quote(
            relative if relative.startswith("../") else f"./{relative}", errors="surrogateescape"
        ),
    }


def _add_tiers(root: ET.Element, tiers: Sequence[Tier]) -> None:
    order = ET.SubElement(root, "TIME_ORDER")
    times = sorted(
        (time, index, place, side)
        for index, tier in enumerate(tiers)
        for place, interval in enumerate(tier.intervals)
        for side, time in enumerate((interval.start, interval.end))
    )
    slots: dict[tuple[int, int, int], str] = {}
    for number, (time, *owner) in enumerate(times, start=1):
        slot = {"TIME_SLOT_ID": f"ts{number}", "TIME_VALUE": str(time)}
        ET.SubElement(order, "TIME_SLOT", slot)
        slots[owner[0], owner[1], owner[2]] = f"ts{number}"
    numbers = itertools.count(1)
    for index, tier in enumerate(tiers):
        parent = {"PARENT_REF": tiers[index - 1].name} if index else {}
        row = ET.SubElement(
            root, "TIER", {"LINGUISTIC_TYPE_REF": tier.name, "TIER_ID": tier.name} | parent
        )
        for place, interval in enumerate(tier.intervals):
            annotation = ET.SubElement(
                ET.SubElement(row, "ANNOTATION"),
                "ALIGNABLE_ANNOTATION",
                {
                    "ANNOTATION_ID": f"a{next(numbers)}",
                    "TIME_SLOT_REF1": slots[index, place, 0],
                    "TIME_SLOT_REF2": slots[index, place, 1],
                },
            )
            ET.SubElement(annotation, "ANNOTATION_VALUE").text = interval.text
