"""Two models as one: linear interpolation, its weight fitted on a text.

The mixture is a model like any other: it lists what either lists, gives every n-gram
`weight · p(first) + (1 - weight) · p(second)`, and has its backoffs computed anew.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anylect.errors import LanguageModelError
from anylect.lm.backoffs import renormalize
from anylect.lm.suffixes import backed_off, complete_suffixes
from anylect.lm.tables import NGramTables, build_tables
from anylect.lm.words import UNKNOWN, build_words

Ints = NDArray[np.int32]
Doubles = NDArray[np.float64]

_IMPOSSIBLE = -1e30
_ROUNDS, _CHANGE = 200, 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Mixture:
    """A mixture, and the weight of its first model."""

    tables: NGramTables
    weight: float


def mix_tables(
    first: NGramTables,
    second: NGramTables,
    *,
    weight: float | None = None,
    dev: Iterable[str] = (),
) -> Mixture:
    """Mix two models.

    Args:
        first: A model.
        second: Another; it may know other words and have another order.
        weight: Of the first model, in [0, 1]; None fits it on `dev`.
        dev: Normalised sentences like those to come.

    Raises:
        LanguageModelError: For a weight outside [0, 1], or with nothing to fit it on.
    """
    names = list(first.words)
    known = set(names)
    names += [word for word in second.words if word not in known]
    sides = [_Side(tables, names) for tables in (first, second)]
    if weight is None:
        weight = _fit(sides, names, dev)
    if not 0 <= weight <= 1:
        raise LanguageModelError(f"weight {weight} is not in [0, 1]", hint="0.5 weighs both alike")
    sections = []
    for order in range(1, max(first.order, second.order) + 1):
        rows = _union([side.rows(order) for side in sides if order <= side.tables.order])
        log_prob = _mixed(weight, sides[0].log_probs(rows), sides[1].log_probs(rows))
        sections.append((rows, log_prob, np.zeros(len(rows))))
    tables = complete_suffixes(build_tables(build_words(names), sections))
    renormalize(tables)
    return Mixture(tables, weight)


class _Side:
    """One of the two models, asked in the numbers of the mixture."""

    def __init__(self, tables: NGramTables, names: list[str]) -> None:
        self.tables = tables
        number = {word: i for i, word in enumerate(names)}
        self._to_mixture = np.array([number[word] for word in tables.words], np.int32)
        self._from_mixture = np.full(len(names), -1, np.int32)
        self._from_mixture[self._to_mixture] = np.arange(len(tables.words), dtype=np.int32)

    def rows(self, order: int) -> Ints:
        """List the n-grams of an order."""
        listed = self.tables.rows(order, 0, len(self.tables.orders[order - 1]))
        return self._to_mixture[listed]

    def log_probs(self, rows: Ints) -> Doubles:
        """Return ln p(last word | words before); a word this side does not know has none."""
        own = self._from_mixture[rows]
        known = own[:, -1] >= 0
        logs = backed_off(self.tables.orders, np.maximum(own, UNKNOWN)).astype(np.float64)
        return np.where(known, logs, _IMPOSSIBLE)


def _union(listed: list[Ints]) -> Ints:
    return np.unique(np.concatenate(listed), axis=0).astype(np.int32)


def _mixed(weight: float, first: Doubles, second: Doubles) -> Doubles:
    with np.errstate(divide="ignore"):
        mixed: Doubles = np.logaddexp(np.log(weight) + first, np.log(1 - weight) + second)
    return mixed


def _fit(sides: list[_Side], names: list[str], dev: Iterable[str]) -> float:
    """Fit the weight by expectation maximisation (Jelinek & Mercer 1980)."""
    number = {word: i for i, word in enumerate(names)}
    width = max(side.tables.order for side in sides)
    begin, end = number.get("<s>", UNKNOWN), number.get("</s>", UNKNOWN)
    by_length: dict[int, list[list[int]]] = {}
    for sentence in dev:
        words = [number.get(word, UNKNOWN) for word in sentence.split()]
        padded = [begin, *words, end]
        for at in range(1, len(padded)):
            row = padded[max(0, at - width + 1) : at + 1]
            by_length.setdefault(len(row), []).append(row)
    pairs = [
        np.stack([side.log_probs(np.array(rows, np.int32)) for side in sides])
        for rows in by_length.values()
    ]
    if not pairs:
        raise LanguageModelError(
            "no text to fit the weight on", hint="give a dev text, or the weight itself"
        )
    logs = np.concatenate(pairs, axis=1)
    first, second = np.exp(logs - logs.max(axis=0))
    weight = 0.5
    for _ in range(_ROUNDS):
        fitted = float(np.mean(weight * first / (weight * first + (1 - weight) * second)))
        if abs(fitted - weight) < _CHANGE:
            break
        weight = fitted
    return weight
