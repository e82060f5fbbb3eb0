"""What a recipe destroys of a text: words it merges or leaves nothing of, characters it loses.

A normalizer that strips accents makes one word of `ar` and `år`; scored under it, a recogniser
that cannot tell them apart makes no mistake. Whether that is so depends on the text: what merges
there is counted there, with examples, rather than guessed from the recipe.
"""

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from anylect.text.normalize import default_normalizer
from anylect.text.vocabulary import name_character

_SHOWN = 5
_SPELLING = ("L", "M", "N")
"""Categories that spell words: letters, marks, numbers."""


@dataclass(frozen=True, slots=True)
class Merge:
    """Different words of a text, commonest first, of which the recipe makes one."""

    written: str
    words: tuple[str, ...]
    times: int
    """How often they stand in the text, all together."""

    def __str__(self) -> str:
        return f"{', '.join(self.words)} → {self.written}"


@dataclass(frozen=True)
class Audit:
    """What became of a text's words under a recipe."""

    words: int
    """Different ones."""
    merges: tuple[Merge, ...]
    vanished: Mapping[str, int]
    """Words of which nothing is left, and how often they stand in the text."""
    lost: Mapping[str, int]
    """Letters, marks and digits that are dropped or replaced, and how often."""

    @property
    def is_harmless(self) -> bool:
        """Whether the recipe keeps all words apart."""
        return not (self.merges or self.vanished)

    def lines(self) -> list[str]:
        """Say it in words."""
        merged = sum(len(merge.words) for merge in self.merges)
        lines = [f"{self.words:,} different words, {merged:,} of them merged with others"]
        lines += [f"  {merge}" for merge in self.merges[:_SHOWN]]
        if self.vanished:
            shown = ", ".join(list(self.vanished)[:_SHOWN])
            lines.append(f"nothing is left of {len(self.vanished):,} words: {shown}")
        if self.lost:
            shown = ", ".join(
                f"{name_character(each)} {n:,}" for each, n in list(self.lost.items())[:_SHOWN]
            )
            lines.append(f"dropped or replaced characters: {shown}")
        return lines


def audit(
    normalize: Callable[[str], str],
    texts: Iterable[str],
    *,
    tell_apart: Callable[[str], str] | None = None,
) -> Audit:
    """Look for words of a text that a recipe merges or drops.

    Capitals, punctuation and ways to type the same letter make no different words: what does is
    decided by another recipe, one that is trusted.

    Args:
        normalize: The recipe in question.
        texts: Transcripts as their corpus writes them.
        tell_apart: The trusted recipe; by default the one we ship for an unknown language.

    Example:
        >>> without_accents = str.maketrans("åä", "aa")
        >>> found = audit(lambda text: text.lower().translate(without_accents), ["Ar år", "är ar"])
        >>> print(*found.merges)
        ar, är, år → ar
    """
    return audit_pairs(_pairs(normalize, texts), tell_apart=tell_apart)


def audit_pairs(
    pairs: Iterable[tuple[str, str]], *, tell_apart: Callable[[str], str] | None = None
) -> Audit:
    """Look for merged words where only the outcome is known, such as a log of references.

    Args:
        pairs: A word as its corpus writes it, and what the recipe made of it.
        tell_apart: As for `audit`.
    """
    trusted = tell_apart or default_normalizer()
    kept: dict[str, str] = {}
    made: dict[str, Counter[str]] = {}
    vanished: Counter[str] = Counter()
    lost: Counter[str] = Counter()
    different: set[str] = set()
    for word, form in pairs:
        key = kept[word] if word in kept else kept.setdefault(word, trusted(word))
        if not key:
            continue
        different.add(key)
        if form.strip():
            made.setdefault(form, Counter())[key] += 1
        else:
            vanished[key] += 1
        lost.update(_spelling(key) - _spelling(form))
    merges = [
        Merge(form, tuple(_commonest(words)), words.total())
        for form, words in made.items()
        if len(words) > 1
    ]
    merges.sort(key=lambda merge: (-merge.times, merge.written))
    return Audit(
        words=len(different),
        merges=tuple(merges),
        vanished={word: vanished[word] for word in _commonest(vanished)},
        lost={each: lost[each] for each in _commonest(lost)},
    )


def _pairs(normalize: Callable[[str], str], texts: Iterable[str]) -> Iterable[tuple[str, str]]:
    forms: dict[str, str] = {}
    for text in texts:
        for word in text.split():
            if word not in forms:
                forms[word] = normalize(word)
            yield word, forms[word]


def _commonest(counts: "Counter[str]") -> list[str]:
    return sorted(counts, key=lambda each: (-counts[each], each))


def _spelling(word: str) -> "Counter[str]":
    decomposed = unicodedata.normalize("NFD", word.lower())
    return Counter(each for each in decomposed if unicodedata.category(each)[0] in _SPELLING)
