"""How well a model predicts a text."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anylect.compiled import compiled
from anylect.lm.ngram import KernelModel, NGramModel, State, advance
from anylect.lm.words import UNKNOWN

_BATCH = 10_000


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
    words: list[str] = []
    for sentence in sentences:
        words += sentence.split()
        words.append("</s>")
    numbers = model.ids(words)
    # A text may hold `</s>` no more than a corpus, so these are the ends that we put.
    ends = np.fromiter((word == "</s>" for word in words), np.bool_, len(words))
    logs = _score_sentences(model.kernel, model.begin, numbers, ends)
    unknown = (numbers == UNKNOWN) & ~ends
    return Perplexity(
        len(sentences),
        len(words) - len(sentences),
        int(unknown.sum()),
        float(logs[~unknown].sum()),
        float(logs[unknown].sum()),
    )


@compiled
def _score_sentences(
    model: KernelModel,
    begin: State,
    numbers: NDArray[np.int32],
    ends: NDArray[np.bool_],
) -> NDArray[np.float64]:
    logs = np.empty(numbers.size, np.float64)
    state = begin
    for at in range(numbers.size):
        logs[at], state = advance(model, state, numbers[at])
        if ends[at]:
            state = begin
    return logs
