"""What became of a corpus, as numbers and as a plain table."""

import unicodedata
from dataclasses import dataclass
from pathlib import Path

from anylect.data.filters import Reason
from anylect.data.leaks import Leak
from anylect.data.sources.detect import Layout

_RARE = 3
"""A character seen in fewer utterances than this is worth a look."""


@dataclass(frozen=True, slots=True)
class SplitSummary:
    """What one split holds; `speakers` counts those known by name."""

    utterances: int
    hours: float
    speakers: int
    sentences: int


@dataclass(frozen=True, kw_only=True)
class PrepareReport:
    """What became of a corpus; `kept` and the sum of `dropped` add up to `seen`."""

    source: Path
    layout: Layout
    manifest: Path
    checksum: str
    normalizers: tuple[str, ...]
    seen: int
    kept: int
    dropped: dict[Reason, int]
    examples: dict[Reason, str]
    splits: dict[str, SplitSummary]
    leaks: tuple[Leak, ...]
    scripts: dict[str, int]
    strays: int
    characters: dict[str, int]
    notes: tuple[str, ...]

    @property
    def hours(self) -> float:
        """Of all that was kept."""
        return sum(split.hours for split in self.splits.values())

    def lines(self) -> list[str]:
        """Return the report as a plain table, one line each."""
        return [
            f"source      {self.source} ({self.layout})",
            f"manifest    {self.manifest} (sha256 {self.checksum[:12]})",
            f"normalizer  {', '.join(self.normalizers) or 'none'}",
            f"kept        {self.kept:,} of {self.seen:,} utterances, {self.hours:.2f} h",
            "",
            *_split_table(self.splits),
            "",
            *self._drop_lines(),
            *self._text_lines(),
            *(f"leak        {leak}" for leak in self.leaks),
            *(f"note        {note}" for note in self.notes),
        ]

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def _drop_lines(self) -> list[str]:
        total = sum(self.dropped.values())
        if not total:
            return ["dropped     none", ""]
        rows = [
            f"{count:>9,}   {reason:<22}  e.g. {self.examples[reason]}"
            for reason, count in self.dropped.items()
        ]
        return [
            f"dropped     {total:,}, listed in {self.manifest.with_name('dropped.jsonl')}",
            *rows,
            "",
        ]

    def _text_lines(self) -> list[str]:
        scripts = ", ".join(f"{name.lower()} {count:,}" for name, count in self.scripts.items())
        common = [mark for mark, count in self.characters.items() if count >= _RARE]
        rare = [mark for mark, count in self.characters.items() if count < _RARE]
        lines = [f"script      {scripts or 'no letters'}"]
        if self.strays:
            lines.append(f"warning     transcripts in another script than most: {self.strays:,}")
        lines.append(f"characters  {len(self.characters)}: {_some(common)}")
        if rare and common:
            lines.append(f"rare        {len(rare)} in fewer than {_RARE} utterances: {_some(rare)}")
        return lines


def _some(marks: list[str], limit: int = 60) -> str:
    # A combining mark alone would sit on the space before it.
    shown = [
        f"◌{mark}" if unicodedata.category(mark).startswith("M") else mark for mark in marks[:limit]
    ]
    return " ".join(shown) + (f" … and {len(marks) - limit} more" if len(marks) > limit else "")


def _split_table(splits: dict[str, SplitSummary]) -> list[str]:
    head = f"{'split':<10} {'utterances':>12} {'hours':>9} {'speakers':>9} {'sentences':>10}"
    return [
        head,
        *(
            f"{name:<10} {split.utterances:>12,} {split.hours:>9.3f} {split.speakers:>9,} "
            f"{split.sentences:>10,}"
            for name, split in splits.items()
        ),
    ]
