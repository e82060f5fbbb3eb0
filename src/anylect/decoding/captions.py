"""Timed texts as people and programs read them: text, JSON, SRT, WebVTT, TextGrid and EAF.

Captions are grouped from words: a new one begins after a pause, and when a line would grow past
what reads comfortably in one glance. A transcript that came in lines keeps them: a caption
never holds words of two.
"""

import html
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from anylect.decoding.annotations import Line, build_tiers, write_eaf, write_textgrid
from anylect.records import Hypothesis, Word

SUFFIXES = {
    "text": ".txt",
    "json": ".json",
    "srt": ".srt",
    "vtt": ".vtt",
    "textgrid": ".TextGrid",
    "eaf": ".eaf",
}
"""The forms, and how files of each are named."""


@dataclass(frozen=True, kw_only=True)
class CaptionOptions:
    """When a caption ends."""

    characters: int = 42
    """Longest line, the limit broadcasters and streaming services commonly set."""
    duration: float = 6.0
    """Longest time on screen, seconds."""
    pause: float = 0.8
    """A silence this long begins a new caption, seconds."""
    joiner: str = " "
    """Between words; nothing in languages written without spaces."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What a transcript was made from."""

    audio: str = ""
    """The recording's name, kept in JSON; its path in EAF."""
    duration: float | None = None
    """Of the recording, seconds; taken to end with its last word where it is not known."""
    folder: Path | None = None
    """Where an EAF file will stand."""


def write_hypothesis(
    hypothesis: Hypothesis,
    *,
    form: str,
    origin: Origin | None = None,
    options: CaptionOptions | None = None,
) -> str:
    """Write a hypothesis in one of the forms of `SUFFIXES`, ending in a newline.

    Args:
        hypothesis: With word times for all but plain text.
        form: `text`, `json`, `srt`, `vtt`, `textgrid` or `eaf`.
        origin: Where it came from.
        options: When a caption ends.
    """
    origin, options = origin or Origin(), options or CaptionOptions()
    if form == "text":
        return f"{hypothesis.text}\n"
    if form == "json":
        words = [_rounded(word) for word in hypothesis.words]
        return _as_json({"audio": origin.audio, "text": hypothesis.text, "words": words})
    captions = list(group_words(hypothesis.words, options))
    return _write_timed(captions, captions, form, origin, name="captions")


def write_lines(
    lines: Sequence[Line],
    *,
    form: str,
    origin: Origin | None = None,
    options: CaptionOptions | None = None,
) -> str:
    """Write an aligned transcript in one of the forms of `SUFFIXES`, ending in a newline.

    Arguments are those of `write_hypothesis`. Plain text has a line for each, after its start
    and end in seconds and a tab each, as Audacity reads labels.
    """
    origin, options = origin or Origin(), options or CaptionOptions()
    if form == "text":
        return "".join(f"{each.start:.3f}\t{each.end:.3f}\t{each.text}\n" for each in lines)
    if form == "json":
        return _as_json(
            {
                "audio": origin.audio,
                "duration": origin.duration,
                "text": "\n".join(line.text for line in lines),
                "lines": [_line_record(line) for line in lines],
            }
        )
    unbroken = replace(options, pause=math.inf)
    captions = [
        caption
        for line in lines
        for caption in ([line] if _fits(line, options) else group_words(line.words, unbroken))
    ]
    return _write_timed(captions, lines, form, origin, name="sentences")


def group_words(words: Sequence[Word], options: CaptionOptions) -> Iterator[Line]:
    """Group words into captions; every word stands in exactly one.

    Example:
        >>> words = (Word("one", 0.0, 0.4, 1.0), Word("two", 0.5, 0.9, 1.0), Word("x", 3, 3.2, 1.0))
        >>> [caption.text for caption in group_words(words, CaptionOptions())]
        ['one two', 'x']
    """
    line: list[Word] = []
    for word in words:
        if line and _ends(line, word, options):
            yield _joined(line, options)
            line = []
        line.append(word)
    if line:
        yield _joined(line, options)


def _joined(words: list[Word], options: CaptionOptions) -> Line:
    return Line(options.joiner.join(word.text for word in words), tuple(words))


def _ends(line: list[Word], word: Word, options: CaptionOptions) -> bool:
    characters = sum(len(each.text) + len(options.joiner) for each in line) + len(word.text)
    return (
        word.start - line[-1].end >= options.pause
        or characters > options.characters
        or word.end - line[0].start > options.duration
    )


def _fits(line: Line, options: CaptionOptions) -> bool:
    return len(line.text) <= options.characters and line.end - line.start <= options.duration


def _write_timed(
    captions: Sequence[Line], lines: Sequence[Line], form: str, origin: Origin, *, name: str
) -> str:
    """Write captions, or all tiers of lines, in a form with times."""
    if form == "srt":
        blocks = [
            f"{number}\n{_clock(each.start, ',')} --> {_clock(each.end, ',')}\n{each.text}\n"
            for number, each in enumerate(captions, start=1)
        ]
        return "\n".join(blocks)
    if form == "vtt":
        cues = [
            f"{_clock(each.start, '.')} --> {_clock(each.end, '.')}\n"
            f"{html.escape(each.text, quote=False)}\n"
            for each in captions
        ]
        return "\n".join(["WEBVTT\n", *cues])
    last = max((line.end for line in lines), default=0.0)
    duration = last if origin.duration is None else origin.duration
    tiers, end = build_tiers(lines, duration=duration, name=name)
    if form == "textgrid":
        return write_textgrid(tiers, end=end)
    return write_eaf(tiers, audio=origin.audio, folder=origin.folder)


def _clock(seconds: float, point: str) -> str:
    """Format hours:minutes:seconds with three decimals.

    Example:
        >>> _clock(3661.5, ",")
        '01:01:01,500'
    """
    milliseconds = round(seconds * 1000)
    minutes, milliseconds = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    whole, milliseconds = divmod(milliseconds, 1000)
    return f"{hours:02d}:{minutes:02d}:{whole:02d}{point}{milliseconds:03d}"


def _line_record(line: Line) -> dict[str, Any]:
    record = {"text": line.text, "start": round(line.start, 3), "end": round(line.end, 3)}
    words = [_rounded(word) for word in line.words]
    for word, letters in zip(words, line.letters, strict=False):
        word["characters"] = [_rounded(letter) for letter in letters]
    return {**record, "words": words}


def _rounded(word: Word) -> dict[str, Any]:
    return {
        name: value if isinstance(value, str) else round(value, 3)
        for name, value in asdict(word).items()
    }


def _as_json(record: dict[str, Any]) -> str:
    return json.dumps(record, ensure_ascii=False) + "\n"
