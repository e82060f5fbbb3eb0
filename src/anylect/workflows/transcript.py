"""A transcript as somebody wrote it, and what of it is said: word by word.

What is aligned is the normalised text, what is written out are the words as they were, with
capitals and punctuation. A written word may be two normalised ones (`e-mail`), and a lone dash
none: it then stays with the word before it, or after it where it opens something.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from anylect.decoding.timing import find_words
from anylect.text.normalize import Normalizer


@dataclass(frozen=True, slots=True)
class TranscriptLine:
    """A line of a transcript: `words[i]`, as written, is `spoken[first:last]` of `pieces[i]`."""

    number: int
    text: str
    spoken: str
    words: tuple[str, ...]
    pieces: tuple[tuple[int, int], ...]


def read_transcript(text: str, normalizer: Normalizer, *, spaced: bool) -> Iterator[TranscriptLine]:
    """Read the lines of a transcript that say something.

    Args:
        text: As written, a sentence or an utterance a line.
        normalizer: Of the model that shall hear it.
        spaced: Whether words are apart by spaces; if not, every letter counts as one.

    Example:
        >>> from anylect.text.normalize import default_normalizer
        >>> english = default_normalizer("en")
        >>> (line,) = read_transcript("Write an E-mail – now!", english, spaced=True)
        >>> line.spoken, line.words
        ('write an e mail now', ('Write', 'an', 'E-mail –', 'now!'))
        >>> [line.spoken[first:last] for first, last in line.pieces]
        ['write', 'an', 'e mail', 'now']
    """
    for number, written in enumerate(text.splitlines(), start=1):
        line = " ".join(written.split())
        units = [line[first:last] for first, last in find_words(line, spaced=spaced)]
        said = [normalizer(unit) for unit in units]
        if not any(said):
            continue
        joiner = " " if spaced else ""
        spoken = normalizer(line)
        if _letters(spoken) != "".join(map(_letters, said)):
            # What stands beside a word changes how it is normalised; taken by itself it is ours.
            spoken = joiner.join(filter(None, said))
        yield TranscriptLine(
            number,
            line,
            spoken,
            tuple(_attach_silent(units, said, joiner=joiner)),
            tuple(_find_pieces(spoken, [len(_letters(each)) for each in said if each])),
        )


def _letters(text: str) -> str:
    return "".join(text.split())


def _attach_silent(units: Sequence[str], said: Sequence[str], *, joiner: str) -> Iterator[str]:
    """Yield the words that are said, each with the silent ones that belong to it."""
    word: str | None = None
    waiting = ""  # for the word it opens
    for unit, sound in zip(units, said, strict=True):
        if sound:
            if word is not None:
                yield word
            word, waiting = f"{waiting}{unit}", ""
        elif word is None or waiting or _opens(unit):
            waiting += f"{unit}{joiner}"
        else:
            word += f"{joiner}{unit}"
    yield f"{word or ''}{joiner if waiting else ''}{waiting}".rstrip()


def _opens(unit: str) -> bool:
    return unicodedata.category(unit[0]) in ("Ps", "Pi") or unit[0] in "¿¡"


def _find_pieces(spoken: str, lengths: Sequence[int]) -> Iterator[tuple[int, int]]:
    places = [place for place, character in enumerate(spoken) if not character.isspace()]
    first = 0
    for length in lengths:
        yield places[first], places[first + length - 1] + 1
        first += length
