"""Best path: the likeliest token of every frame, repeats collapsed, blanks dropped.

Graves et al. 2006 ("Connectionist Temporal Classification", sec. 3.2). The simplest arrow from
emissions to a hypothesis, and the baseline every other decoder is measured against. It works
piece by piece, so that a recording of any length is decoded in the memory of one piece.
"""

import itertools
import unicodedata
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from anylect.decoding.decoder import Partial
from anylect.decoding.edges import move_within
from anylect.records import Emissions, Hypothesis, Word
from anylect.text.vocabulary import Vocabulary


@dataclass(slots=True)
class _Token:
    """A token of the best path: its id, the seconds it spans, its surest frame's probability."""

    id: int
    start: float
    end: float
    probability: float


@dataclass
class GreedyStream:
    """One recording being decoded; feed it emissions in order, then finish."""

    vocabulary: Vocabulary
    spaced: bool = True
    _began: float | None = None
    _ended: float = 0.0
    _step: float = 0.0
    _previous: int = -1
    _tokens: list[_Token] = field(default_factory=list)
    _texts: list[str] = field(default_factory=list)
    _words: list[Word] = field(default_factory=list)
    _score: float = 0.0

    def feed(self, emissions: Emissions) -> None:
        """Take in the next piece of emissions, (T, V)."""
        if not len(emissions.log_probs):
            return
        if self._began is None:
            self._began = emissions.start
        self._step = emissions.frame_duration
        self._ended = emissions.start + len(emissions.log_probs) * self._step
        best = emissions.log_probs.argmax(axis=1)  # (T,)
        log_probs = emissions.log_probs.max(axis=1)
        self._score += float(log_probs.sum(dtype=np.float64))
        for first, last in _runs(best):
            token = int(best[first])
            end = emissions.start + last * emissions.frame_duration
            probability = float(np.exp(log_probs[first:last].max()))
            if first == 0 and token == self._previous:
                self._prolong(token, end, probability)
            else:
                start = emissions.start + first * emissions.frame_duration
                self._accept(_Token(token, start, end, probability))
        self._previous = int(best[-1])

    def partial(self) -> Partial:
        """Return what was heard so far; all but the word not closed yet will stay."""
        joiner = " " if self.spaced else ""
        stable = " ".join(joiner.join(self._texts).split())
        letters = self.vocabulary.decode([token.id for token in self._tokens])
        text = " ".join(joiner.join([*self._texts, letters]).split())
        return Partial(text, stable)

    def finish(self) -> Hypothesis:
        """Close the last word and return everything heard."""
        self._close_word()
        text = (" " if self.spaced else "").join(self._texts)
        words = move_within(
            tuple(self._words), began=self._began or 0.0, ended=self._ended, frame=self._step
        )
        return Hypothesis(" ".join(text.split()), words, self._score)

    def _prolong(self, token: int, end: float, probability: float) -> None:
        # A run that crosses the border of two pieces is one token, not two.
        if self._tokens and self._tokens[-1].id == token:
            self._tokens[-1].end = end
            self._tokens[-1].probability = max(self._tokens[-1].probability, probability)

    def _accept(self, token: _Token) -> None:
        if token.id in self.vocabulary.special:
            return
        written = self.vocabulary.tokens[token.id]
        if token.id == self.vocabulary.boundary:
            self._close_word()
            if not self.spaced:
                self._texts.append(" ")
            return
        # Without spaces a letter is the smallest piece that has a time; its marks stay with it.
        if not self.spaced and not unicodedata.category(written[0]).startswith("M"):
            self._close_word()
        self._tokens.append(token)

    def _close_word(self) -> None:
        tokens, self._tokens = self._tokens, []
        if not tokens:
            return
        text = self.vocabulary.decode([token.id for token in tokens])
        if text:
            confidence = sum(token.probability for token in tokens) / len(tokens)
            self._texts.append(text)
            self._words.append(Word(text, tokens[0].start, tokens[-1].end, min(confidence, 1.0)))


class GreedyDecoder:
    """Decodes by best path.

    Example:
        >>> from anylect.text.vocabulary import build_vocabulary
        >>> vocabulary = build_vocabulary(["ab"])  # '', '<unk>', ' ', 'a', 'b'
        >>> probabilities = np.eye(5, dtype=np.float32)[[3, 3, 0, 3, 4, 2, 4]] * 0.96 + 0.008
        >>> hypothesis = GreedyDecoder(vocabulary).decode(Emissions(np.log(probabilities), 0.02))
        >>> hypothesis.text
        'aab b'
        >>> [(word.text, round(word.start, 2), round(word.end, 2)) for word in hypothesis.words]
        [('aab', 0.0, 0.1), ('b', 0.12, 0.14)]
    """

    def __init__(self, vocabulary: Vocabulary, *, spaced: bool = True) -> None:
        """Decode with a vocabulary; a language not `spaced` gets its times by letter."""
        self.vocabulary = vocabulary
        self.spaced = spaced

    @property
    def signature(self) -> str:
        """How scores name this decoder."""
        return "greedy"

    def stream(self) -> GreedyStream:
        """Begin a recording that comes in pieces."""
        return GreedyStream(self.vocabulary, self.spaced)

    def decode(self, emissions: Emissions) -> Hypothesis:
        """Decode a whole utterance; word times are seconds from the recording's beginning."""
        stream = self.stream()
        stream.feed(emissions)
        return stream.finish()


def _runs(ids: NDArray[np.intp]) -> list[tuple[int, int]]:
    """First frame and one past the last of every stretch of equal ids."""
    borders = np.flatnonzero(np.diff(ids)) + 1
    edges = [0, *borders.tolist(), len(ids)]
    return list(itertools.pairwise(edges))
