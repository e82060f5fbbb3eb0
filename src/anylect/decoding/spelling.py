"""Which tokens a text was spelled with, where several spellings are possible.

With tokens of several characters `bugs` may be one token, or `bug` and `s`. What the model heard
is found by Viterbi over all spellings at once: a node is a token at a place in the text, and a
path goes from node to node as in CTC (Graves et al. 2006), blanks between them at will. Where
every token is one character there is one spelling, and nothing to search.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from anylect.compiled import Integer, compiled
from anylect.decoding.lexicon import MARKER, has_marker
from anylect.errors import AlignmentError, VocabularyError
from anylect.text.vocabulary import Vocabulary

LARGEST_TABLE = 1 << 28
"""Bytes a search may take; recordings past it are spelled with the longest tokens that fit."""


class SpelledText(NamedTuple):
    """A text as tokens: `token_of` is the index into `tokens` of every character, -1 for none."""

    tokens: NDArray[np.int64]
    token_of: NDArray[np.int64]


class _Nodes(NamedTuple):
    """Tokens at their places in a text, by place: node n writes `[first[n], end[n])`."""

    token: NDArray[np.int64]
    first: NDArray[np.int64]
    end: NDArray[np.int64]


class Speller:
    """Spells texts with the tokens of one vocabulary.

    Example:
        >>> speller = Speller(Vocabulary(("", "▁bug", "▁bugs", "s")))
        >>> log_probs = np.log(np.eye(4, dtype=np.float32)[[0, 1, 3, 2]] * 0.96 + 0.01)
        >>> speller.spell(log_probs, "bugs bugs").tokens
        array([1, 3, 2])
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        """Learn the tokens; where there is no word boundary, words may begin with `▁`."""
        self._blank = vocabulary.blank
        self._is_marked = has_marker(vocabulary)
        self._ids = {
            token: index
            for index, token in enumerate(vocabulary.tokens)
            if index not in vocabulary.special
        }
        self._lengths = sorted({len(token) for token in self._ids})

    def spell(self, log_probs: NDArray[np.float32], text: str) -> SpelledText:
        """Find the tokens with which a text was most likely spelled.

        Args:
            log_probs: Natural logs, (T, V), in which the text was said.
            text: Words parted by spaces. Where words begin with `▁` spaces stand for that mark;
                the first word may go without.

        Raises:
            VocabularyError: When no tokens spell the text.
            AlignmentError: When it cannot have been said in so few frames.
        """
        written = MARKER + text.replace(" ", MARKER) if self._is_marked else text
        if self._lengths == [1]:
            ids = [self._ids.get(character, -1) for character in written]
            if -1 in ids:
                raise _unspellable(text)
            tokens, token_of = np.array(ids, np.int64), np.arange(len(ids))
        else:
            tokens, token_of = self._choose(log_probs, written)
        silent = [each.isspace() or (self._is_marked and each == MARKER) for each in written]
        token_of[silent] = -1
        return SpelledText(tokens, token_of[1:] if self._is_marked else token_of)

    def _choose(self, log_probs: NDArray[np.float32], text: str) -> SpelledText:
        nodes = self._list_nodes(text)
        if 4 * len(log_probs) * (len(nodes.end) + len(text) + 1) > LARGEST_TABLE:
            path = _take_longest(nodes, text)
        else:
            path = _search(log_probs, nodes, text, blank=self._blank, marked=self._is_marked)
        token_of = np.full(len(text), -1, np.int64)
        for index, node in enumerate(path.tolist()):
            token_of[nodes.first[node] : nodes.end[node]] = index
        return SpelledText(nodes.token[path], token_of)

    def _list_nodes(self, text: str) -> _Nodes:
        ids = self._ids
        found = [
            (ids[text[first : first + length]], first, first + length)
            for first in range(len(text))
            for length in self._lengths
            if first + length <= len(text) and text[first : first + length] in ids
        ]
        columns = np.array(found, np.int64).reshape(len(found), 3).T
        return _Nodes(*(np.ascontiguousarray(column) for column in columns))


def _take_longest(nodes: _Nodes, text: str) -> NDArray[np.int64]:
    """Return the spelling with the fewest tokens."""
    length = len(text)
    count = np.full(length + 1, length + 1, np.int64)
    node_to = np.full(length + 1, -1, np.int64)
    count[0] = 0
    for node, (first, end) in enumerate(zip(nodes.first, nodes.end, strict=True)):
        if count[first] + 1 < count[end]:
            count[end], node_to[end] = count[first] + 1, node
    if length and node_to[length] < 0:
        raise _unspellable(text)
    path: list[int] = []
    while length > 0:
        path.append(int(node_to[length]))
        length = int(nodes.first[path[-1]])
    return np.array(path[::-1], np.int64)


def _search(
    log_probs: NDArray[np.float32], nodes: _Nodes, text: str, *, blank: int, marked: bool
) -> NDArray[np.int64]:
    by_end = np.argsort(nodes.end, kind="stable")
    before = np.searchsorted(nodes.end[by_end], np.arange(len(text) + 2)).astype(np.int64)
    starts = np.zeros(len(text) + 1, np.bool_)
    starts[0] = True
    starts[min(1, len(text))] |= marked
    path = _find_path(
        np.ascontiguousarray(log_probs, np.float32), nodes, by_end, before, starts, blank
    )
    if not len(path) and text.strip(f" {MARKER}"):
        _take_longest(nodes, text)  # says so where there is no spelling at all
        raise AlignmentError(
            f"{text!r} cannot have been said in {len(log_probs)} frames",
            hint="give all the emissions the text was said in",
        )
    return path


def _unspellable(text: str) -> VocabularyError:
    shown = text if len(text) <= 60 else f"{text[:60]}…"
    return VocabularyError(
        f"no tokens of the vocabulary spell {shown!r}",
        hint="write the text as it was said, in the letters the model was trained on",
    )


@compiled
def _find_path(
    log_probs: NDArray[np.float32],
    nodes: _Nodes,
    by_end: NDArray[np.int64],
    before: NDArray[np.int64],
    starts: NDArray[np.bool_],
    blank: int,
) -> NDArray[np.int64]:
    """Return the nodes of the best path; none where there is no path.

    The nodes that end at place p are `by_end[before[p]:before[p + 1]]`. State n < N is node n,
    state N + p a blank at place p; paths begin with a blank where `starts` holds.
    """
    frames, count, places = log_probs.shape[0], nodes.token.size, starts.size
    score = np.full(count + places, -np.inf)
    score[count:][starts] = 0.0
    after = np.empty(count + places)
    came_from = np.empty((frames, count + places), np.int32)
    for t in range(frames):
        for n in range(count):
            place, token = nodes.first[n], nodes.token[n]
            best = n if score[n] >= score[count + place] else count + place
            best = _best_ending(
                score, nodes, by_end[before[place] : before[place + 1]], best, token
            )
            after[n], came_from[t, n] = score[best] + log_probs[t, token], best
        for place in range(places):
            ending = by_end[before[place] : before[place + 1]]
            best = _best_ending(score, nodes, ending, count + place, blank)
            after[count + place] = score[best] + log_probs[t, blank]
            came_from[t, count + place] = best
        score, after = after, score
    ending = by_end[before[places - 1] : before[places]]
    last = _best_ending(score, nodes, ending, score.size - 1, blank)
    return _walk_back(score, came_from, last, count)


@compiled
def _best_ending(
    score: NDArray[np.float64],
    nodes: _Nodes,
    ending: NDArray[np.int64],
    best: Integer,
    barred: Integer,
) -> Integer:
    """Return a state at least as good as `best` among some nodes, those of one token left out."""
    for node in ending:
        if nodes.token[node] != barred and score[node] > score[best]:
            best = node
    return best


@compiled
def _walk_back(
    score: NDArray[np.float64], came_from: NDArray[np.int32], last: Integer, count: Integer
) -> NDArray[np.int64]:
    """Return the nodes, numbers below `count`, on the way to a state, in order."""
    if score[last] == -np.inf:
        return np.empty(0, np.int64)
    frames = came_from.shape[0]
    path = np.empty(frames, np.int64)
    length = 0
    for t in range(frames - 1, -1, -1):
        earlier = np.int64(came_from[t, last])
        if last < count and earlier != last:
            path[length] = last
            length += 1
        last = earlier
    return path[:length][::-1].copy()
