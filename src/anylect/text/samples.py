"""Sentences that come with anylect, so that the demo can make a spoken corpus of its own.

Stands before the walk: what these sentences say, the built-in voice speaks, and the demo learns
from it. Every language is a small grammar in `samples/<tag>.toml`: patterns with slots, and for
each slot the words or phrases that may stand there. Agreement is settled inside the phrases, so
every combination is a correct sentence and nothing here knows any grammar.
"""

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from itertools import islice, product
from tomllib import loads

from anylect.config import build_config
from anylect.errors import ConfigError
from anylect.text.normalize import default_normalizer

_FOLDER = files("anylect.text") / "samples"
_SLOT = re.compile(r"\{(\w+)\}")
_PATIENCE = 50
"""Draws without a new sentence before the rest is listed in full."""


@dataclass(frozen=True, kw_only=True)
class Grammar:
    """What `samples/<tag>.toml` holds: `{name}` in a pattern stands for any phrase of that slot."""

    language: str
    patterns: tuple[str, ...]
    slots: Mapping[str, tuple[str, ...]]

    def sentences(self) -> Iterator[str]:
        """List every sentence, pattern by pattern; a few may come from two patterns."""
        for pattern in self.patterns:
            names = _SLOT.findall(pattern)
            for phrases in product(*(self.slots[name] for name in names)):
                yield self.fill(pattern, phrases)

    def fill(self, pattern: str, phrases: Sequence[str]) -> str:
        """Put phrases into the slots, in order, and begin with a capital where there are any."""
        left = iter(phrases)
        sentence = _SLOT.sub(lambda _: next(left), pattern)
        first = sentence[0]
        if first == "i" and self.language == "tr":
            return "İ" + sentence[1:]
        # Title case, since the upper case of Georgian is for whole words in capitals only.
        return first.title() + sentence[1:]


def sample_languages() -> tuple[str, ...]:
    """List the languages that have built-in text, as BCP 47 tags, sorted."""
    names = (entry.name for entry in _FOLDER.iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml")))


@cache
def load_grammar(language: str) -> Grammar:
    """Load the built-in grammar of a language.

    Raises:
        ConfigError: When there is none.
    """
    known = sample_languages()
    if language not in known:
        subtag = language.replace("_", "-").split("-")[0].lower()
        near = get_close_matches(subtag, known, n=1, cutoff=0.5)
        guess = f"did you mean `{near[0]}`? " if near else ""
        raise ConfigError(
            f"no built-in text for language `{language}`",
            hint=f"{guess}known: {', '.join(known)}; for others bring recordings of your own",
        )
    text = (_FOLDER / f"{language}.toml").read_text(encoding="utf-8")
    return build_config(Grammar, loads(text), place=f"samples/{language}.toml")


def sample_sentences(language: str, *, count: int, seed: int = 0) -> list[str]:
    """Draw distinct sentences as a careful writer would put them, capitals and full stops included.

    No two are the same after normalisation. A longer list begins with the shorter one.

    Args:
        language: One of `sample_languages()`.
        count: How many sentences.
        seed: The same seed gives the same sentences.

    Raises:
        ConfigError: For an unknown language, or when it has fewer sentences.

    Example:
        >>> sample_sentences("en", count=2)
        ['Peter visits the city every evening.', 'Tomorrow will be cold by the harbour.']
    """
    sentences = _shuffled(load_grammar(language), seed)
    return _take(sentences, count, name="count", language=language)


def split_sentences(
    language: str, *, train: int, dev: int, test: int, seed: int = 0
) -> dict[str, list[str]]:
    """Draw sentences for three splits: none in two of them, no word of dev and test new.

    Dev and test ask whether a model hears sentences it was not trained on, and only that: all
    their words occur in train.

    Args:
        language: One of `sample_languages()`.
        train: How many sentences to learn from.
        dev: How many to choose a checkpoint by.
        test: How many to score.
        seed: The same seed gives the same sentences.

    Returns:
        The sentences of `train`, `dev` and `test`.

    Raises:
        ConfigError: For an unknown language, or when it has fewer such sentences.
    """
    normalize = default_normalizer(language)
    rest = _shuffled(load_grammar(language), seed)
    learnt = _take(rest, train, name="train", language=language)
    known = {word for sentence in learnt for word in normalize(sentence).split()}
    spoken = (sentence for sentence in rest if known.issuperset(normalize(sentence).split()))
    return {
        "train": learnt,
        "dev": _take(spoken, dev, name="dev", language=language),
        "test": _take(spoken, test, name="test", language=language),
    }


def _take(sentences: Iterator[str], count: int, *, name: str, language: str) -> list[str]:
    if count < 0:
        raise ConfigError(f"`{name}` is {count}", hint="expected zero or more sentences")
    taken = list(islice(sentences, count))
    if len(taken) < count:
        raise ConfigError(
            f"`{name}` is {count:,}, but language `{language}` has {len(taken):,} such sentences",
            hint=f"use at most {len(taken):,}, or more sentences to train on",
        )
    return taken


def _shuffled(grammar: Grammar, seed: int) -> Iterator[str]:
    """Yield every sentence once, in an order that uses all patterns and phrases evenly."""
    normalize = default_normalizer(grammar.language)
    generator = random.Random(seed)
    drawn = _draw(grammar, generator)
    seen: set[str] = set()
    misses = 0
    while misses < _PATIENCE:
        sentence = next(drawn)
        misses += 1
        if _is_new(normalize(sentence), seen):
            misses = 0
            yield sentence
    rest = list(grammar.sentences())
    generator.shuffle(rest)
    yield from (sentence for sentence in rest if _is_new(normalize(sentence), seen))


def _is_new(key: str, seen: set[str]) -> bool:
    before = len(seen)
    seen.add(key)
    return len(seen) > before


def _draw(grammar: Grammar, generator: random.Random) -> Iterator[str]:
    """Draw sentences for ever, repeats included.

    Patterns and the phrases of each slot are dealt like cards from a deck that is shuffled anew
    when it is empty, so that none is rare by chance.
    """
    decks = {name: _deal(phrases, generator) for name, phrases in grammar.slots.items()}
    for pattern in _deal(grammar.patterns, generator):
        yield grammar.fill(pattern, [next(decks[name]) for name in _SLOT.findall(pattern)])


def _deal(cards: Sequence[str], generator: random.Random) -> Iterator[str]:
    while True:
        yield from generator.sample(cards, len(cards))
