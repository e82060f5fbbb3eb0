"""Hypotheses as people and programs read them: plain text, JSON, SRT and WebVTT.

Captions are grouped from words: a new one begins after a pause, and when a line would grow past
what reads comfortably in one glance.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from anylect.records import Hypothesis, Word

FORMATS = ("text", "json", "srt", "vtt")


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


@dataclass(frozen=True, slots=True)
class Caption:
    """A line and when it is shown, seconds."""

    text: str
    start: float
    end: float


def write_hypothesis(
    hypothesis: Hypothesis, *, form: str, audio: str = "", options: CaptionOptions | None = None
) -> str:
    """Write a hypothesis in one of `FORMATS`, ending in a newline.

    Args:
        hypothesis: With word times for all but plain text.
        form: `text`, `json`, `srt` or `vtt`.
        audio: The recording's name, kept in JSON.
        options: When a caption ends.
    """
    if form == "json":
        return _as_json(hypothesis, audio)
    if form == "text":
        return f"{hypothesis.text}\n"
    captions = list(group_words(hypothesis.words, options or CaptionOptions()))
    if form == "srt":
        blocks = [
            f"{number}\n{_clock(each.start, ',')} --> {_clock(each.end, ',')}\n{each.text}\n"
            for number, each in enumerate(captions, start=1)
        ]
        return "\n".join(blocks)
    cues = [
        f"{_clock(each.start, '.')} --> {_clock(each.end, '.')}\n{each.text}\n" for each in captions
    ]
    return "\n".join(["WEBVTT\n", *cues])


def group_words(words: tuple[Word, ...], options: CaptionOptions) -> Iterator[Caption]:
    """Group words into captions; every word stands in exactly one.

    Example:
        >>> words = (Word("one", 0.0, 0.4, 1.0), Word("two", 0.5, 0.9, 1.0), Word("x", 3, 3.2, 1.0))
        >>> [caption.text for caption in group_words(words, CaptionOptions())]
        ['one two', 'x']
    """
    line: list[Word] = []
    for word in words:
        if line and _ends(line, word, options):
            yield _caption(line, options)
            line = []
        line.append(word)
    if line:
        yield _caption(line, options)


def _ends(line: list[Word], word: Word, options: CaptionOptions) -> bool:
    characters = sum(len(each.text) + len(options.joiner) for each in line) + len(word.text)
    return (
        word.start - line[-1].end >= options.pause
        or characters > options.characters
        or word.end - line[0].start > options.duration
    )


def _caption(line: list[Word], options: CaptionOptions) -> Caption:
    return Caption(options.joiner.join(word.text for word in line), line[0].start, line[-1].end)


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


def _as_json(hypothesis: Hypothesis, audio: str) -> str:
    words = [
        {name: value if isinstance(value, str) else round(value, 3) for name, value in word.items()}
        for word in map(asdict, hypothesis.words)
    ]
    record = {"audio": audio, "text": hypothesis.text, "words": words}
    return json.dumps(record, ensure_ascii=False) + "\n"
