"""Phrases to favour, as one automaton over characters (Aho & Corasick 1975).

A hypothesis that is spelling a phrase is credited with a share of its weight that grows with
every character, so that the phrase survives until it is complete; what fails to become one loses
its credit in the same step, because the credit belongs to the automaton's state and not to the
hypothesis. Only whole phrases count: in languages with spaces a phrase begins and ends at word
boundaries. However many phrases there are, a character costs one step.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from anylect.compiled import Integer, inlined
from anylect.errors import ConfigError

LARGEST = 1 << 27
"""Transitions of an automaton, four bytes each."""
WEIGHT = 10.0
"""Of a phrase that says none, natural logarithm; pyctcdecode's default."""
_FORMAT = "one phrase a line, in UTF-8; a weight may follow behind a tab, e.g. `tbilisi<tab>8`"
BOUNDARY = -1
"""Stands for the space between words, whatever the alphabet."""


@dataclass(frozen=True)
class Hotwords:
    """Phrases and what each is worth, as a natural logarithm.

    Example:
        >>> Hotwords(["new york", "tbilisi"], weight=5.0).weights
        {'new york': 5.0, 'tbilisi': 5.0}
    """

    weights: Mapping[str, float]

    def __init__(
        self, phrases: Sequence[str] | Mapping[str, float], weight: float = WEIGHT
    ) -> None:
        """Favour phrases, all by one weight or each by its own.

        Raises:
            ConfigError: For a weight that is not finite, or an empty phrase.
        """
        given = dict(phrases) if isinstance(phrases, Mapping) else dict.fromkeys(phrases, weight)
        for phrase, worth in given.items():
            if not phrase.strip() or not np.isfinite(worth):
                raise ConfigError(
                    f"hotword {phrase!r} has weight {worth}",
                    hint="a hotword is a phrase of normalized words, its weight a finite number",
                )
        weights = {" ".join(phrase.split()): float(worth) for phrase, worth in given.items()}
        object.__setattr__(self, "weights", weights)

    @property
    def words(self) -> set[str]:
        """Every word of every phrase."""
        return {word for phrase in self.weights for word in phrase.split()}


def load_hotwords(path: Path, *, normalize: Callable[[str], str]) -> Hotwords:
    """Read phrases from a file, one a line; a weight may follow a phrase behind a tab.

    Args:
        path: UTF-8; empty lines are passed over.
        normalize: Writes phrases as the recogniser writes its transcripts.

    Raises:
        ConfigError: For a file that cannot be read or holds no phrase, a weight that is no number,
            or a phrase of which nothing is left.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise ConfigError(f"{path}: cannot be read ({reason})", hint=_FORMAT) from error
    weights: dict[str, float] = {}
    for number, line in enumerate(lines, start=1):
        if line.strip():
            phrase, weight = _read_phrase(line, f"{path}:{number}", normalize)
            weights[phrase] = weight
    if not weights:
        raise ConfigError(f"{path}: holds no phrase", hint=_FORMAT)
    return Hotwords(weights)


def _read_phrase(line: str, place: str, normalize: Callable[[str], str]) -> tuple[str, float]:
    written, tab, worth = line.partition("\t")
    phrase = normalize(written).strip()
    try:
        weight = float(worth) if tab else WEIGHT
    except ValueError as error:
        raise ConfigError(
            f"{place}: weight {worth.strip()!r} is no number", hint=_FORMAT
        ) from error
    if not phrase or not np.isfinite(weight):
        what = f"weight {weight}" if phrase else f"normalized, nothing is left of {written!r}"
        raise ConfigError(f"{place}: {what}", hint=_FORMAT)
    return phrase, weight


class KernelHotwords(NamedTuple):
    """The automaton as kernels take it; state 0 has matched nothing."""

    following: NDArray[np.int32]
    """(states, columns): the state after one letter more."""
    column: NDArray[np.int32]
    """(1 + letters,): the column of the boundary, then of each letter; 0 for letters that no
    phrase has."""
    credit: NDArray[np.float64]
    """(states,): e to what the unfinished phrases here are worth."""
    earned: NDArray[np.float64]
    """(states,): e to the weights of the phrases that end here."""
    rise: NDArray[np.float64]
    """(states,): the most that one character more can add, as a factor; 1 or more."""


def build_hotwords(hotwords: Hotwords | None, alphabet: str, *, spaced: bool) -> KernelHotwords:
    """Make the automaton of some phrases.

    Args:
        hotwords: None makes one that favours nothing.
        alphabet: Letters by number, as in `lexicon.Lexicon.alphabet`.
        spaced: Whether words are parted by spaces.

    Raises:
        ConfigError: For a phrase with a character that no token writes.
    """
    states = _States()
    for phrase, weight in (hotwords.weights if hotwords else {}).items():
        states.add(_spell(phrase, alphabet, spaced=spaced), weight)
    states.connect()
    return states.pack(len(alphabet))


def find_hotwords(text: str, hotwords: Hotwords | None, *, spaced: bool) -> tuple[str, ...]:
    """Return the phrases that stand in a text, as often as they do, in the order given."""
    if hotwords is None:
        return ()
    edge = " " if spaced else ""
    whole = f"{edge}{text}{edge}"
    found = []
    for phrase in hotwords.weights:
        written = phrase if spaced else phrase.replace(" ", "")
        if written in text:  # most are not, and there may be thousands
            found += [phrase] * len(list(_occurrences(f"{edge}{written}{edge}", whole)))
    return tuple(found)


def _occurrences(phrase: str, text: str) -> Iterator[int]:
    place = text.find(phrase)
    while place >= 0:
        yield place
        place = text.find(phrase, place + 1)


def _spell(phrase: str, alphabet: str, *, spaced: bool) -> list[int]:
    letters: list[int] = []
    for character in phrase:
        if character == " ":
            letters.extend([BOUNDARY] if spaced else [])
            continue
        place = alphabet.find(character)
        if place < 0:
            raise ConfigError(
                f"hotword {phrase!r}: no token writes {character!r}",
                hint="write hotwords as the normalizer writes transcripts (case, punctuation)",
            )
        letters.append(place)
    return [BOUNDARY, *letters, BOUNDARY] if spaced else letters


class _States:
    """The automaton while it is being built."""

    def __init__(self) -> None:
        self.children: list[dict[int, int]] = [{}]
        self.credit = [0.0]
        self.earned = [0.0]
        self.failure = [0]

    def add(self, letters: list[int], weight: float) -> None:
        state = 0
        for place, letter in enumerate(letters, start=1):
            if letter not in self.children[state]:
                self.children[state][letter] = len(self.children)
                self.children.append({})
                self.credit.append(0.0)
                self.earned.append(0.0)
                self.failure.append(0)
            state = self.children[state][letter]
            # The boundary before a phrase is no progress, the one behind it completes it.
            share = (
                weight * (place - 1) / (len(letters) - 1)
                if letters[0] == BOUNDARY
                else (weight * place / len(letters))
            )
            if place == len(letters):
                self.earned[state] += weight
            elif abs(share) > abs(self.credit[state]):
                self.credit[state] = share

    def connect(self) -> None:
        """Breadth first: where to go on when a phrase fails, and what that is worth."""
        queue = deque(self.children[0].values())
        while queue:
            state = queue.popleft()
            for letter, child in self.children[state].items():
                self.failure[child] = self._step(self.failure[state], letter)
                queue.append(child)
            fallen = self.failure[state]
            self.earned[state] += self.earned[fallen]
            if abs(self.credit[fallen]) > abs(self.credit[state]):
                self.credit[state] = self.credit[fallen]

    def _step(self, state: int, letter: int) -> int:
        while state and letter not in self.children[state]:
            state = self.failure[state]
        return self.children[state].get(letter, 0)

    def pack(self, letters: int) -> KernelHotwords:
        """Lay the automaton out for kernels, with no failure left to follow."""
        used = sorted({letter for children in self.children for letter in children})
        column = np.zeros(1 + letters, np.int32)
        column[1 + np.array(used, np.int64)] = np.arange(1, 1 + len(used))
        size = len(self.children) * (1 + len(used))
        if size > LARGEST:
            raise ConfigError(
                f"hotwords with {len(self.children):,} beginnings over {len(used):,} letters",
                hint="favour fewer phrases at once; a few thousand are no matter",
            )
        following = np.zeros((len(self.children), 1 + len(used)), np.int32)
        depths = self._depths()
        for state in sorted(range(len(depths)), key=depths.__getitem__):
            if state:
                following[state] = following[self.failure[state]]
            for letter, child in self.children[state].items():
                following[state, column[1 + letter]] = child
        return KernelHotwords(
            following=following,
            column=column,
            credit=np.exp(np.array(self.credit)),
            earned=np.exp(np.array(self.earned)),
            rise=np.exp(np.array(self._rises())),
        )

    def _rises(self) -> list[float]:
        """Return how much a state can gain by any letter that some phrase takes from there."""
        highest = [
            max((self.earned[child] + self.credit[child] for child in children.values()), default=0)
            for children in self.children
        ]
        for state in sorted(range(1, len(highest)), key=self._depths().__getitem__):
            highest[state] = max(highest[state], highest[self.failure[state]])
        return [max(0.0, top - now) for top, now in zip(highest, self.credit, strict=True)]

    def _depths(self) -> list[int]:
        depths = [0] * len(self.children)
        for state, children in enumerate(self.children):  # children come later
            for child in children.values():
                depths[child] = depths[state] + 1
        return depths


@inlined
def follow(hotwords: KernelHotwords, state: Integer, letter: Integer) -> Integer:
    """Return the state after one letter more, or after a boundary."""
    return np.int64(hotwords.following[state, hotwords.column[1 + letter]])
