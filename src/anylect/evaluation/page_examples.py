"""Utterances on a report's page: what was said over what was heard, and the recording."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace

from anylect.evaluation.error_rate import align
from anylect.evaluation.scoreboard import ScoredUtterance

MOST_EDITS = 300
"""Of an alignment that is shown; a page must open even if one utterance lasts an hour."""
_CSS = {"=": "same", "S": "sub", "D": "del", "I": "ins"}


@dataclass(frozen=True, kw_only=True)
class Media:
    """A recording to listen to and to look at; both are data URIs."""

    audio: str
    spectrogram: str
    seconds: float
    highest_khz: float
    cut: bool = False
    """Whether only the beginning is there."""


@dataclass(frozen=True)
class Example:
    """An utterance to show, as one or two systems heard it."""

    heard: tuple[tuple[str, ScoredUtterance], ...]
    """Name of the system (empty where there is but one) and what it made of the utterance."""
    media: Media | None = None
    why_no_media: str = ""


@dataclass(frozen=True)
class Block:
    """Examples under one heading."""

    title: str
    anchor: str
    examples: Sequence[Example]


def view_examples(
    examples: Sequence[Example], *, anchor: str, spaceless: bool
) -> list[SimpleNamespace]:
    """Prepare examples for the template; each gets an anchor of its own."""
    return [
        _view(example, anchor=f"{anchor}-{number}", spaceless=spaceless)
        for number, example in enumerate(examples, start=1)
    ]


def direction(text: str) -> str:
    """Say how a text runs: `rtl` or `ltr`, by its first letter that has a direction.

    Example:
        >>> direction("١٢ سلام ok"), direction("ok سلام"), direction("…")
        ('rtl', 'ltr', 'ltr')
    """
    for character in text:
        kind = unicodedata.bidirectional(character)
        if kind in ("R", "AL"):
            return "rtl"
        if kind == "L":
            return "ltr"
    return "ltr"


def _view(example: Example, *, anchor: str, spaceless: bool) -> SimpleNamespace:
    _, first = example.heard[0]
    speaker = first.speaker or ""
    facts = [f"speaker {speaker[:24]}{'…' * (len(speaker) > 24)}" if speaker else ""]
    facts.append(f"{first.duration:.1f} s" if first.duration is not None else "")
    facts += [
        f"{trait} {value}"
        for trait, value in first.traits.items()
        if trait not in ("language", "corpus")  # mostly the same for all
    ]
    if len(example.heard) == 1:
        facts.append(_errors(first, spaceless=spaceless))
    return SimpleNamespace(
        id=first.id or "without id",
        anchor=anchor,
        facts=[fact for fact in facts if fact],
        alignments=[
            _alignment(each, name=name, spaceless=spaceless) for name, each in example.heard
        ],
        media=example.media,
        why_no_media=example.why_no_media,
    )


def _alignment(scored: ScoredUtterance, *, name: str, spaceless: bool) -> SimpleNamespace:
    edits = align(scored.reference, scored.hypothesis) if spaceless else scored.alignment
    return SimpleNamespace(
        name=f"{name}: {_errors(scored, spaceless=spaceless)}" if name else "",
        label=f"What was said and what {name or 'was'} heard",
        direction=direction(scored.reference + scored.hypothesis),
        tight=spaceless,
        edits=[
            SimpleNamespace(
                kind=edit.kind,
                css=_CSS[edit.kind],
                reference=visible(edit.reference or ""),
                hypothesis=visible(edit.hypothesis or ""),
            )
            for edit in edits[:MOST_EDITS]
        ],
        more=max(0, len(edits) - MOST_EDITS),
        unit="characters" if spaceless else "words",
    )


def visible(token: str) -> str:
    """Make a token seen that is a space, or a mark without its letter.

    Example:
        >>> visible(" "), visible("\u064e"), visible("a")
        ('␣', '◌َ', 'a')
    """
    if token == " ":
        return "␣"
    return f"◌{token}" if unicodedata.category(token[:1] or "a").startswith("M") else token


def _errors(scored: ScoredUtterance, *, spaceless: bool) -> str:
    counts, unit = (scored.characters, "characters") if spaceless else (scored.words, "words")
    errors = "1 error" if counts.errors == 1 else f"{counts.errors:,} errors"
    return f"{errors} in {counts.length:,} {unit}"
