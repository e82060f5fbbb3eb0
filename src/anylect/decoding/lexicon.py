"""The words a search may say, as a trie over characters that tokens walk along.

A partial word is one integer: the node its characters lead to. Nodes are characters, edges are
tokens, and a token of several characters (BPE) leads to the node all of them lead to, so that
every way to cut a word into tokens arrives at the same place. Nodes are numbered breadth first:
a child has a larger number than its parent.

```
words "a", "an", "and" over the tokens a, n, d, nd

   0 ──a──▶ 1 ──n──▶ 2 ──d──▶ 3         node 3 spells "and", and is reached by n·d and by nd
            └────────nd───────┘
```
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from anylect.decoding.edge_table import build_edge_table
from anylect.errors import LanguageModelError
from anylect.lm.ngram import NGramModel, unigram_log_probs
from anylect.text.vocabulary import Vocabulary

MARKER = "▁"
"""Begins the first token of a word in vocabularies without a word boundary (SentencePiece)."""
NO_WORD, VOUCHED = -1, -2
"""In place of a word's number: none ends here; one that the model does not know, and that is not
punished for it."""
MANY_NODES, MANY_TOKENS = 1 << 24, 1 << 14
"""Nodes and tokens have to fit into one integer together with a word history."""
MASK_BITS = 64
"""Of `edge_mask`: with no more tokens than these, each has a bit of its own."""
_PRIME = np.uint64(0x9E3779B97F4A7C15)


class KernelLexicon(NamedTuple):
    """A lexicon as numba kernels take it: N nodes, E edges, V tokens, C characters."""

    first_edge: NDArray[np.int32]
    edges: NDArray[np.int32]
    """Where tokens lead: see `edge_table.EdgeTable`."""
    edge_mask: NDArray[np.uint64]
    """(N,): bit `token % MASK_BITS` is set where some edge of a node has such a token: most tokens
    that lead nowhere are told without a look at the edges."""
    root_child: NDArray[np.int32]
    """(V,): where each token leads from the root, -1 for nowhere."""
    word: NDArray[np.int32]
    """(N,): number in the language model of the word that ends here, or `NO_WORD`."""
    spelling: NDArray[np.uint64]
    """(N,): a hash of the characters that lead here."""
    first_character: NDArray[np.int32]
    """(V + 1,): the characters of token v are `characters[first[v]:first[v + 1]]`."""
    characters: NDArray[np.int32]
    begins_word: NDArray[np.bool_]
    """(V,): the token begins a word by itself, as `▁` does."""
    parent: NDArray[np.int32]
    letter: NDArray[np.int32]
    """(N,): the node before, and the character that leads from it to this one."""
    length: NDArray[np.int16]
    """(N,): how many characters lead here; the marker is none."""
    code_points: NDArray[np.int32]
    """(C,): of the characters."""


@dataclass(frozen=True, slots=True, eq=False)
class Lexicon:
    """The words a search knows, what it takes to spell them, and how likely they are."""

    kernel: KernelLexicon
    look_ahead: NDArray[np.float32]
    """(N,): natural log-probability of the likeliest single word at or below a node; 0 at the
    root and wherever there is no language model."""
    alphabet: str
    """The characters that tokens are made of, sorted."""
    words: int
    """How many words it holds."""
    unspellable: int
    """How many it was given that no tokens spell."""

    def __len__(self) -> int:
        """The number of nodes."""
        return len(self.kernel.parent)

    def find(self, word: str) -> int:
        """Return the node where a word ends; -1 where nothing begins like it."""
        spelling = np.zeros(1, np.uint64)
        marked = bool(self.kernel.begins_word.any()) and not word.startswith(MARKER)
        for letter in (MARKER + word) if marked else word:
            place = self.alphabet.find(letter)
            if place < 0:
                return -1
            spelling = extend_spelling(spelling, np.array([place], np.int32))
        nodes = np.flatnonzero(self.kernel.spelling == spelling)
        return int(nodes[0]) if len(nodes) else -1

    def spell(self, node: int) -> str:
        """Return the characters that lead to a node."""
        letters: list[str] = []
        while node > 0:
            letters.append(self.alphabet[self.kernel.letter[node]])
            node = int(self.kernel.parent[node])
        return "".join(reversed(letters))


def build_lexicon(
    words: Sequence[str], vocabulary: Vocabulary, model: NGramModel | None = None
) -> Lexicon:
    """Arrange words as a trie over a vocabulary's tokens.

    Args:
        words: Normalised; those that no tokens spell are left out and counted. May be empty.
        vocabulary: Of the acoustic model. In one without a boundary whose tokens begin with
            `▁`, words begin with it too.
        model: Gives words their numbers and their look-ahead.

    Raises:
        LanguageModelError: When there are words and none of them can be spelled, or too many.

    Example:
        >>> from anylect.text.vocabulary import build_vocabulary
        >>> lexicon = build_lexicon(["a", "an", "and"], build_vocabulary(["and"]))
        >>> len(lexicon), lexicon.spell(3)
        (4, 'and')
    """
    alphabet = "".join(sorted(set("".join(_text_tokens(vocabulary)))))
    marked = has_marker(vocabulary)
    letters, kept = _letters(words, alphabet, prefix=MARKER if marked else "")
    if words and not len(kept):
        raise LanguageModelError(
            f"none of the {len(words):,} words can be spelled, e.g. {words[0]!r}",
            hint="the words were normalized otherwise than the transcripts the model learnt from "
            "(capitals, script, accents); build them with the bundle's `normalizer.json`",
        )
    numbers = _numbers([words[index] for index in kept], model)
    tree = _grow(letters, numbers)
    if len(tree.parent) >= MANY_NODES or len(vocabulary) >= MANY_TOKENS:
        raise LanguageModelError(
            f"{len(kept):,} words over {len(vocabulary):,} tokens are more than a search can hold",
            hint=f"at most {MANY_TOKENS:,} tokens and some three million words; "
            "leave out rare words with `anylect lm build --vocabulary`",
        )
    return Lexicon(
        kernel=_connect(tree, alphabet, vocabulary),
        look_ahead=_look_ahead(tree, model),
        alphabet=alphabet,
        words=len(kept),
        unspellable=len(words) - len(kept),
    )


def has_marker(vocabulary: Vocabulary) -> bool:
    """Say whether words begin with `▁` rather than being parted by a boundary."""
    return vocabulary.boundary is None and any(
        token.startswith(MARKER) for token in _text_tokens(vocabulary)
    )


class _Tree(NamedTuple):
    """The bare trie: by node, its parent, letter, depth, word and hash of its characters."""

    parent: NDArray[np.int32]
    letter: NDArray[np.int32]
    depth: NDArray[np.int32]
    word: NDArray[np.int32]
    spelling: NDArray[np.uint64]


def _text_tokens(vocabulary: Vocabulary) -> list[str]:
    skipped = vocabulary.special | {vocabulary.boundary}
    return [token for index, token in enumerate(vocabulary.tokens) if index not in skipped]


def _letters(
    words: Sequence[str], alphabet: str, *, prefix: str
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Return (n, L) letters of spellable words, sorted, -1 behind the end; and which they are."""
    known = set(alphabet)
    usable = ((word, index) for index, word in enumerate(words) if word and known.issuperset(word))
    ordered = sorted(usable)
    kept = np.array([index for _, index in ordered], np.int64)
    spelled = [prefix + word for word, _ in ordered]
    longest = max(map(len, spelled), default=0)
    codes = np.array(spelled, dtype=f"U{max(1, longest)}").view(np.uint32)
    codes = codes.reshape(len(spelled), max(1, longest))[:, :longest]
    points = np.array([ord(letter) for letter in alphabet] or [0], np.uint32)
    letters = np.searchsorted(points, codes).astype(np.int32)
    letters[codes == 0] = -1
    return letters, kept


def _numbers(words: list[str], model: NGramModel | None) -> NDArray[np.int32]:
    if model is None:
        return np.arange(len(words), dtype=np.int32)
    return model.ids(words)


def _grow(letters: NDArray[np.int32], numbers: NDArray[np.int32]) -> _Tree:
    """Make a trie of sorted words: a node begins where a word leaves the one before it."""
    count, longest = letters.shape
    inside = letters >= 0
    differs = np.ones((count, longest), bool)
    differs[1:] = np.logical_or.accumulate(letters[1:] != letters[:-1], axis=1)
    begins = differs & inside
    last_of_level = np.concatenate([[1], 1 + np.cumsum(begins.sum(axis=0))])
    node = np.zeros((count, longest + 1), np.int32)  # by word and depth
    for depth in range(longest):
        node[:, depth + 1] = last_of_level[depth] + np.cumsum(begins[:, depth]) - 1
    size = int(last_of_level[-1])
    tree = _Tree(
        parent=np.zeros(size, np.int32),
        letter=np.full(size, -1, np.int32),
        depth=np.zeros(size, np.int32),
        word=np.full(size, NO_WORD, np.int32),
        spelling=np.zeros(size, np.uint64),
    )
    for depth in range(longest):
        rows = np.flatnonzero(begins[:, depth])
        born, parents = node[rows, depth + 1], node[rows, depth]
        tree.parent[born], tree.letter[born] = parents, letters[rows, depth]
        tree.depth[born] = depth + 1
        tree.spelling[born] = extend_spelling(tree.spelling[parents], letters[rows, depth])
    lengths = inside.sum(axis=1)
    tree.word[node[np.arange(count), lengths]] = numbers
    return tree


def extend_spelling(spelling: NDArray[np.uint64], letter: NDArray[np.int32]) -> NDArray[np.uint64]:
    """Return the hash of a spelling and one letter more."""
    mixed = (spelling + letter.astype(np.uint64) + np.uint64(1)) * _PRIME
    hashed: NDArray[np.uint64] = mixed ^ (mixed >> np.uint64(29))
    return hashed


def _connect(tree: _Tree, alphabet: str, vocabulary: Vocabulary) -> KernelLexicon:
    places = {letter: index for index, letter in enumerate(alphabet)}
    text = {
        index: token
        for index, token in enumerate(vocabulary.tokens)
        if index not in vocabulary.special and index != vocabulary.boundary
    }
    spelled = [[places[x] for x in text.get(index, "")] for index in range(len(vocabulary))]
    lengths = np.array([len(letters) for letters in spelled], np.int32)
    edges = [_edges(tree, spelled, length) for length in sorted(set(lengths[lengths > 0]))]
    source, token, target = (np.concatenate(column) for column in zip(*edges, strict=True))
    if has_marker(vocabulary) and len(tree.parent) > 1:
        # All words begin with the marker; the first of an utterance may be heard without it.
        first = source == 1
        source = np.concatenate([source, np.zeros(first.sum(), source.dtype)])
        token = np.concatenate([token, token[first]])
        target = np.concatenate([target, target[first]])
    table = build_edge_table(source, token, target, nodes=len(tree.parent))
    root_child = np.full(len(vocabulary), -1, np.int32)
    root_child[token[source == 0]] = target[source == 0]
    begins = [text.get(index, "").startswith(MARKER) for index in range(len(vocabulary))]
    return KernelLexicon(
        first_edge=table.first_edge,
        edges=table.edges,
        edge_mask=_mask(source, token, nodes=len(tree.parent)),
        root_child=root_child,
        word=tree.word,
        spelling=tree.spelling,
        first_character=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32),
        characters=np.array([x for letters in spelled for x in letters], np.int32),
        begins_word=np.array(begins, np.bool_),
        parent=tree.parent,
        letter=tree.letter,
        length=np.maximum(tree.depth - any(begins), 0).astype(np.int16),
        code_points=np.array([ord(letter) for letter in alphabet], np.int32),
    )


def _mask(source: NDArray[np.int64], token: NDArray[np.int64], *, nodes: int) -> NDArray[np.uint64]:
    mask = np.zeros(nodes, np.uint64)
    np.bitwise_or.at(mask, source, np.uint64(1) << (token % MASK_BITS).astype(np.uint64))
    return mask


def _edges(
    tree: _Tree, spelled: list[list[int]], length: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Find where tokens of so many letters lead: sources, tokens and targets."""
    tokens = np.array([i for i, letters in enumerate(spelled) if len(letters) == length])
    wanted = np.array([spelled[i] for i in tokens], np.int32)  # (tokens, length)
    keys = np.zeros(len(tokens), np.uint64)
    for place in range(length):
        keys = extend_spelling(keys, wanted[:, place])
    order = np.argsort(keys)
    keys, tokens = keys[order], tokens[order]
    target = np.flatnonzero(tree.depth >= length)
    path = np.empty((length, len(target)), np.int32)  # the last letters before each node
    source = target
    for place in reversed(range(length)):
        path[place] = tree.letter[source]
        source = tree.parent[source].astype(np.int64)
    found = np.zeros(len(target), np.uint64)
    for letters in path:
        found = extend_spelling(found, letters)
    match = np.minimum(np.searchsorted(keys, found), len(keys) - 1)
    hit = keys[match] == found
    return source[hit], tokens[match[hit]], target[hit]


def _look_ahead(tree: _Tree, model: NGramModel | None) -> NDArray[np.float32]:
    look = np.zeros(len(tree.parent), np.float32)
    if model is None or len(look) == 1:
        return look
    look[:] = -np.inf
    ends = tree.word != NO_WORD
    look[ends] = unigram_log_probs(model.kernel, tree.word[ends])
    for depth in range(int(tree.depth.max()), 1, -1):
        level = tree.depth == depth
        np.maximum.at(look, tree.parent[level], look[level])
    look[0] = 0.0
    return look
