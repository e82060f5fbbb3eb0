"""How well a model predicts a text."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anylect.compiled import compiled
from anylect.lm.memory import murmur_hash
from anylect.lm.ngram import KernelModel, NGramModel, State, advance, find_word
from anylect.lm.words import UNKNOWN

_BATCH = 10_000
_NEWLINE = "\n"


@dataclass(frozen=True, slots=True)
class Perplexity:
    """Sums over a text that add up; the perplexity is per word, `</s>` counted.

    `log_prob` is natural and holds known words and `</s>` only; what an unknown word costs
    depends more on the size of the vocabulary than on the model, so it is kept apart.
    """

    sentences: int = 0
    words: int = 0
    """Words of the text, unknown ones among them, `</s>` not."""
    unknown: int = 0
    log_prob: float = 0.0
    log_prob_unknown: float = 0.0

    def __add__(self, other: "Perplexity") -> "Perplexity":
        """Add up two texts."""
        return Perplexity(
            self.sentences + other.sentences,
            self.words + other.words,
            self.unknown + other.unknown,
            self.log_prob + other.log_prob,
            self.log_prob_unknown + other.log_prob_unknown,
        )

    @property
    def perplexity(self) -> float:
        """Per known word, `</s>` counted; infinite for an empty text."""
        predicted = self.words - self.unknown + self.sentences
        return math.exp(-self.log_prob / predicted) if predicted else math.inf

    @property
    def perplexity_with_unknown(self) -> float:
        """Per word, `</s>` and unknown words counted."""
        predicted = self.words + self.sentences
        total = self.log_prob + self.log_prob_unknown
        return math.exp(-total / predicted) if predicted else math.inf

    @property
    def unknown_rate(self) -> float:
        """Share of words the model does not know (OOV)."""
        return self.unknown / self.words if self.words else 0.0


def measure_perplexity(model: NGramModel, sentences: Iterable[str]) -> Perplexity:
    """Measure a model on normalised sentences."""
    total = Perplexity()
    batch: list[str] = []
    for sentence in sentences:
        batch.append(sentence)
        if len(batch) == _BATCH:
            total += _measure(model, batch)
            batch = []
    return total + _measure(model, batch)


def _measure(model: NGramModel, sentences: list[str]) -> Perplexity:
    if not sentences:
        return Perplexity()
    text = "".join(f"{sentence.replace(_NEWLINE, ' ')}{_NEWLINE}" for sentence in sentences)
    logs, unknown = _score_text(
        model.kernel, model.begin, np.frombuffer(text.encode(), np.uint8), model.end_word
    )
    return Perplexity(
        len(sentences),
        len(logs) - len(sentences),
        int(unknown.sum()),
        float(logs[~unknown].sum()),
        float(logs[unknown].sum()),
    )


@compiled
def _score_text(
    model: KernelModel, begin: State, text: NDArray[np.uint8], end_word: int
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Score the words of lines, each with `</s>`; return ln p and whether a word is unknown."""
    logs = np.empty(text.size + 1, np.float64)
    unknown = np.zeros(text.size + 1, np.bool_)
    filled = at = 0
    state = begin
    while at < text.size:
        start = at
        while text[at] != 10 and text[at] != 32 and text[at] != 9:
            at += 1
        if at > start:
            word = find_word(model, murmur_hash(text, start, at))
            logs[filled], state = advance(model, state, word)
            unknown[filled] = word == UNKNOWN
            filled += 1
        if text[at] == 10:
            logs[filled], state = advance(model, state, end_word)
            filled += 1
            state = begin
        at += 1
    return logs[:filled], unknown[:filled]
