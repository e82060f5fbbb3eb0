"""The catalogue of steps that a normalizer may be made of.

Each step is a frozen dataclass whose fields are its options, as `normalizer.json` writes them,
and whose call is the step. Besides, it answers three questions so that a recipe can be checked
and be fast: which characters concern it at all, which of them it holds to be the same (`fold`),
and into what it may rewrite them (`rewrites`). `text.normalize` says what they are for.

Categories come from Python's `unicodedata`; a character that is newer than its Unicode version
is left alone.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, Protocol, TypeVar

import regex  # type: ignore[import-untyped]  # the library has no type information

T = TypeVar("T")

DOT_ABOVE = "\u0307"
JOINERS = "\u200c\u200d\u180e"

APOSTROPHES = "'’ʼ‘‛`´＇"
"""What stands for an apostrophe in one corpus or another."""

JOINING_SCRIPTS = (
    *("Arabic", "Syriac", "Mongolian", "Nko", "Devanagari", "Bengali", "Gurmukhi", "Gujarati"),
    *("Oriya", "Tamil", "Telugu", "Kannada", "Malayalam", "Sinhala", "Myanmar", "Khmer"),
    *("Tibetan", "Balinese", "Javanese", "Sundanese", "Meetei_Mayek", "Chakma"),
)
"""Scripts in which a zero-width joiner or non-joiner between letters is part of the spelling."""


class Remembered(dict[str, T]):
    """Answers about single characters, each asked for once."""

    def __init__(self, answer: Callable[[str], T]) -> None:
        super().__init__()
        self.answer = answer

    def __missing__(self, character: str) -> T:
        self[character] = self.answer(character)
        return self[character]


class Step(Protocol):
    """One entry of the catalogue."""

    def __call__(self, text: str, /) -> str:
        """Apply the step."""

    def concerns(self, character: str, /) -> bool:
        """Say whether a text could be changed because this character is in it."""

    def fold(self, text: str, /) -> str:
        """Map every character, without context, to one that stands for all it is the same as."""

    def rewrites(self, characters: str, /) -> Iterator[tuple[str, str]]:
        """List what the step may turn into what, given these folded characters."""


@dataclass(frozen=True, kw_only=True)
class Unicode:
    """Choose one of the equivalent spellings of a character (Unicode Standard Annex #15)."""

    form: Literal["NFC", "NFD", "NFKC", "NFKD"] = "NFC"

    def __call__(self, text: str) -> str:
        return unicodedata.normalize(self.form, text)

    def concerns(self, character: str) -> bool:
        # Below U+0300 nothing composes and, in NFC, nothing changes.
        return character >= ("\u0300" if self.form == "NFC" else "\u0080")

    def fold(self, text: str) -> str:
        return unicodedata.normalize("NFKD" if "K" in self.form else "NFD", text)

    def rewrites(self, characters: str) -> Iterator[tuple[str, str]]:
        yield from ()


@dataclass(frozen=True, kw_only=True)
class Lowercase:
    """Write small letters, by the rules of the language.

    `turkic`: I and ı, İ and i are pairs. `greek`: sigma is ς at the end of a word of several
    letters and σ elsewhere. `lithuanian`: an i keeps the dot it is written with under an accent.
    In all others the dot which Python leaves when it lowers İ is dropped. ẞ becomes ß.
    """

    rules: Literal["plain", "turkic", "greek", "lithuanian"] = "plain"

    def __call__(self, text: str) -> str:
        if self.rules == "turkic":
            text = text.replace("I" + DOT_ABOVE, "i").replace("İ", "i").replace("I", "ı")
        text = text.replace("İ", "i").lower()
        if self.rules == "greek":
            text = _FINAL_SIGMA.sub("ς", text.replace("ς", "σ"))
        if self.rules != "lithuanian":
            text = text.replace("i" + DOT_ABOVE, "i")
        return text

    def concerns(self, character: str) -> bool:
        return (
            character.lower() != character
            or character == DOT_ABOVE
            or (self.rules == "greek" and character in "σς")
        )

    def fold(self, text: str) -> str:
        lower = [
            "ı" if character == "I" and self.rules == "turkic" else character.lower()
            for character in text
        ]
        return "".join(lower).replace("ς", "σ")

    def rewrites(self, characters: str) -> Iterator[tuple[str, str]]:
        if self.rules == "turkic":
            yield "ı" + DOT_ABOVE, "i"
        yield "i" + DOT_ABOVE, "i"


# A sigma with a letter before it and none after it; accents in between do not count.
_FINAL_SIGMA = regex.compile(r"(?<=\p{L}\p{M}*)σ(?!\p{M}*\p{L})")


@dataclass(frozen=True, kw_only=True)
class Replace:
    """Replace texts by texts, all at once, the longest first.

    A recipe refuses a map that could go round in circles or grow for ever.
    """

    map: Mapping[str, str]

    def __call__(self, text: str) -> str:
        return self._pattern.sub(lambda match: self.map[match[0]], text)

    def concerns(self, character: str) -> bool:
        return any(character in key for key in self.map)

    def fold(self, text: str) -> str:
        return text

    def rewrites(self, characters: str) -> Iterator[tuple[str, str]]:
        yield from self.map.items()

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        keys = sorted((key for key in self.map if key), key=lambda key: (-len(key), key))
        return re.compile("|".join(map(re.escape, keys)) or r"(?!)")


@dataclass(frozen=True, kw_only=True)
class Invisible:
    """Drop what cannot be seen: control and format characters, variation selectors.

    Zero-width joiners and non-joiners stay between letters of the `joining` scripts, where they
    tell words apart (Persian, Malayalam, Sinhala); a zero-width space becomes a space.
    """

    joining: tuple[str, ...] = JOINING_SCRIPTS

    def __call__(self, text: str) -> str:
        known = self._concerned
        for character in set(text):
            if known[character] and character not in JOINERS:
                text = text.replace(character, " " if character == "\u200b" else "")
        kept: str = self._joiners.sub(lambda match: match[1] or "", text)
        return kept

    def concerns(self, character: str) -> bool:
        category = unicodedata.category(character)
        return (
            category == "Cf"
            or (category == "Cc" and not character.isspace())
            or "\ufe00" <= character <= "\ufe0f"
            or "\U000e0100" <= character <= "\U000e01ef"
        )

    def fold(self, text: str) -> str:
        return text

    def rewrites(self, characters: str) -> Iterator[tuple[str, str]]:
        for character in filter(self.concerns, characters):
            yield character, " " if character == "\u200b" else ""

    @cached_property
    def _concerned(self) -> Remembered[bool]:
        return Remembered(self.concerns)

    @cached_property
    def _joiners(self) -> regex.Pattern[str]:
        scripts = "".join(rf"\p{{scx={script}}}" for script in self.joining)
        letter = rf"(?:(?=[\p{{L}}\p{{M}}])[{scripts}])" if scripts else "(?!)"
        return regex.compile(rf"(?<={letter})([{JOINERS}])[{JOINERS}]*(?={letter})|[{JOINERS}]+")


@dataclass(frozen=True, kw_only=True)
class Punctuation:
    """Turn punctuation (P) and symbols (S) into spaces, but not those that spell words.

    Letters, digits and combining marks (Mn, Mc) are never touched. How a symbol is read (`%`,
    `€`) depends on the language: a `replace` step before this one can spell it out.
    """

    inside: Mapping[str, str] = field(default_factory=lambda: dict.fromkeys(APOSTROPHES, "'"))
    """Kept between letters, and as what: apostrophes, a Catalan `·`, a hyphen if wanted. A
    letter here (ʼ) is rewritten between letters and stays as it is elsewhere."""
    initial: str = ""
    """Which of the values of `inside` also begin words (ʻokina)."""
    final: str = ""
    """Which of the values of `inside` also end words (Hebrew geresh)."""
    drop: str = "՛՜՞"
    """Dropped without a space: Armenian writes these within the word."""
    keep: str = ""
    """Left alone everywhere."""

    def __call__(self, text: str) -> str:
        known = self._concerned
        found = [character for character in set(text) if known[character]]
        # Contexts first: what is dropped below must not bring letters next to an apostrophe.
        if any(character in self.inside for character in found):
            text = self._inside.sub(self._choose, text)
        for character in found:
            if character not in self.inside:
                text = text.replace(character, self._instead(character))
        return text

    def concerns(self, character: str) -> bool:
        if character in self.inside or character in self.drop:
            return True
        return _is_punctuation(character) and character not in self.keep

    def fold(self, text: str) -> str:
        return text

    def rewrites(self, characters: str) -> Iterator[tuple[str, str]]:
        for character in filter(self.concerns, characters):
            for text in (self._instead(character), self.inside.get(character, character)):
                if text != character:
                    yield character, text

    @cached_property
    def _concerned(self) -> Remembered[bool]:
        return Remembered(self.concerns)

    @cached_property
    def _inside(self) -> re.Pattern[str]:
        return re.compile(f"[{re.escape(''.join(self.inside))}]")

    def _choose(self, match: re.Match[str]) -> str:
        text, start = match.string, match.start()
        before = start > 0 and _is_word(text[start - 1])
        after = start + 1 < len(text) and _is_word(text[start + 1])
        kept = self.inside[match[0]]
        if before and after:
            return kept
        if (after and kept in self.initial) or (before and kept in self.final):
            return kept
        return self._instead(match[0])

    def _instead(self, character: str) -> str:
        if character in self.drop or unicodedata.category(character) == "Me":
            return ""
        return " " if _is_punctuation(character) else character


def _is_punctuation(character: str) -> bool:
    category = unicodedata.category(character)
    return category[0] in "PS" or category == "Me"


def _is_word(character: str) -> bool:
    return unicodedata.category(character)[0] in "LMN"


@dataclass(frozen=True, kw_only=True)
class Whitespace:
    """Leave single spaces between words and none at the ends."""

    def __call__(self, text: str) -> str:
        return " ".join(text.split())

    def concerns(self, character: str) -> bool:
        return character.isspace()

    def fold(self, text: str) -> str:
        return text

    def rewrites(self, characters: str) -> Iterator[tuple[str, str]]:
        for character in characters:
            if character.isspace() and character != " ":
                yield character, " "


@dataclass(frozen=True, kw_only=True)
class Unspaced:
    """Drop the spaces between letters of scripts that are written without them.

    What spaces there are stand for a pause or a lost punctuation mark, not for a word boundary.
    """

    scripts: tuple[str, ...]

    def __call__(self, text: str) -> str:
        closed: str = self._gaps.sub("", text)
        return closed

    def concerns(self, character: str) -> bool:
        return character == " "

    def fold(self, text: str) -> str:
        return text

    def rewrites(self, characters: str) -> Iterator[tuple[str, str]]:
        yield " ", ""

    @cached_property
    def _gaps(self) -> regex.Pattern[str]:
        letter = "[" + "".join(rf"\p{{scx={script}}}" for script in self.scripts) + "]"
        return regex.compile(rf"(?<={letter}) +(?={letter})")


CATALOGUE: dict[str, type[Step]] = {
    "unicode": Unicode,
    "lowercase": Lowercase,
    "replace": Replace,
    "invisible": Invisible,
    "punctuation": Punctuation,
    "whitespace": Whitespace,
    "unspaced": Unspaced,
}
