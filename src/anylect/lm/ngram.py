"""The model to ask: word and state in, natural log-probability and next state out.

Whatever the file, ARPA or any KenLM binary, a model in memory answers the same four questions,
from Python and from numba kernels alike:

```
model = load_model(Path("lm.bin"))                      # in Python
kernel, begin, words = model.kernel, model.begin, model.ids(["the", "cat", "</s>"])

@compiled                                               # in a kernel
def sentence_log_prob(kernel, state, words):
    total = 0.0
    for word in words:
        log_prob, state = advance(kernel, state, word)
        total += log_prob
    return total
```

A state is two unsigned 64-bit integers that hold the words which still matter, and no more of
them than matter: two states are equal exactly when the model cannot tell their futures apart,
so a search may merge on them. `EMPTY` is the state after nothing, `model.begin` that after
`<s>`. Words are numbered from zero, `<unk>` is 0; a number must be below `len(model)`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anylect.compiled import Integer, compiled
from anylect.errors import LanguageModelError
from anylect.lm import kenlm_probing as probing
from anylect.lm import kenlm_trie as trie
from anylect.lm import layout as at
from anylect.lm.layout import KernelModel
from anylect.lm.memory import hash_words, load_f32, load_u32
from anylect.lm.words import UNKNOWN, Words, build_words

State = tuple[np.uint64, np.uint64]
"""What a model remembers of the words so far; opaque, comparable, hashable."""

EMPTY: State = (np.uint64(0), np.uint64(0))
LN10 = float(np.log(10.0))


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class NGramModel:
    """A model to ask; `kernel` is what numba kernels take."""

    kernel: KernelModel
    counts: tuple[int, ...]
    kind: str
    """`arpa`, `estimated`, or what kind of KenLM binary it was read from."""
    listed_words: Words | None = None
    """None for a binary made without its words: it can be asked, but not listed."""

    def __repr__(self) -> str:
        """Its sizes; the arrays would fill screens."""
        return f"NGramModel({self.kind}, {self.counts})"

    def __len__(self) -> int:
        """The number of words, `<unk>` among them."""
        return int(self.kernel.layout[at.VOCABULARY])

    @property
    def order(self) -> int:
        return len(self.counts)

    @property
    def begin(self) -> State:
        """The state at the beginning of a sentence."""
        return _begin_state(self.kernel)

    @property
    def end_word(self) -> int:
        """The number of `</s>`."""
        return int(self.kernel.layout[at.END_WORD])

    @property
    def words(self) -> Words:
        """The words by number.

        Raises:
            LanguageModelError: For a binary made without its words.
        """
        if self.listed_words is None:
            raise LanguageModelError(
                "this language model does not list its words",
                hint="build it with words (`build_binary` without `-i`), or use its ARPA file",
            )
        return self.listed_words

    def ids(self, words: Sequence[str]) -> NDArray[np.int32]:
        """Return the numbers of words, 0 (`<unk>`) for those the model does not know."""
        listed = build_words(words)
        return find_words(self.kernel, hash_words(listed.buffer, listed.offsets))

    def advance(self, state: State, word: int) -> tuple[float, State]:
        """Return ln p(word | state) and the state after the word; see `advance`."""
        if not 0 <= word < len(self):
            raise LanguageModelError(f"{word} is no word of {len(self):,}", hint="see `ids`")
        log_prob, after = advance(self.kernel, state, word)
        return float(log_prob), after

    def score(self, sentence: str, *, begin: bool = True, end: bool = True) -> list[float]:
        """Return the natural log-probability of each word between spaces, `</s>` last.

        Args:
            sentence: Normalised text.
            begin: Whether the sentence begins here; otherwise nothing is known before it.
            end: Whether to score `</s>` as well.
        """
        numbers = self.ids(sentence.split())
        if end:
            numbers = np.append(numbers, np.int32(self.end_word))
        return list(score_words(self.kernel, self.begin if begin else EMPTY, numbers).tolist())


def finish_layout(kernel: KernelModel) -> None:
    """Write down the numbers of `<s>` and `</s>`, which every question needs."""
    marks = build_words(["<s>", "</s>"])
    begin, end = find_words(kernel, hash_words(marks.buffer, marks.offsets))
    kernel.layout[at.BEGIN_WORD], kernel.layout[at.END_WORD] = begin, end


# ---------------------------------------------------------------- kernels


@compiled
def advance(model: KernelModel, state: State, word: Integer) -> tuple[float, State]:
    """Return the natural log-probability of a word after a state, and the state after it.

    The longest n-gram known ends in the word; contexts longer than its own are paid for with
    their backoffs: ln p(w | c) = ln p(w | c') + Σ ln b over the contexts from c' on to c
    (Katz 1987). For use in kernels; takes about as long as one lookup per order.

    Args:
        model: `NGramModel.kernel`.
        state: As returned for the word before.
        word: Number of a word, in [0, vocabulary).
    """
    if model.layout[at.IS_TRIE]:
        log10, matched, kept = _ask_trie(model, state, np.int64(word))
    else:
        log10, matched, kept = _ask_probing(model, state, np.int64(word))
    if matched <= _length(model.layout, state):
        log10 += _backoffs(model, state, matched)
    return np.float64(log10) * LN10, _push(model.layout, state, word, kept)


@compiled
def unigram_log_prob(model: KernelModel, word: Integer) -> float:
    """Return the natural log-probability of a word that nothing is known about."""
    place = model.layout[at.UNIGRAMS] + word * model.layout[at.UNIGRAM_STRIDE]
    prob = np.uint32(load_u32(model.image, place) | at.NEGATIVE_ZERO).view(np.float32)
    return np.float64(prob) * LN10


@compiled
def unigram_log_probs(model: KernelModel, words: NDArray[np.int32]) -> NDArray[np.float32]:
    """Return the natural log-probability of each of some words, seen alone."""
    log_probs = np.empty(words.size, np.float32)
    for i in range(words.size):
        log_probs[i] = unigram_log_prob(model, words[i])
    return log_probs


@compiled
def score_words(model: KernelModel, state: State, words: NDArray[np.int32]) -> NDArray[np.float64]:
    """Return the natural log-probability of each of some words in a row."""
    scores = np.empty(words.size, np.float64)
    for i in range(words.size):
        scores[i], state = advance(model, state, words[i])
    return scores


@compiled
def find_word(model: KernelModel, key: np.uint64) -> Integer:
    """Return the number of the word with this `memory.murmur_hash`; 0 where there is none."""
    if model.layout[at.IS_TRIE]:
        return trie.find_word(model.image, model.layout, key)
    return probing.find_word(model.image, model.layout, key)


@compiled
def find_words(model: KernelModel, keys: NDArray[np.uint64]) -> NDArray[np.int32]:
    """Return the numbers of words by their hashes."""
    found = np.empty(keys.size, np.int32)
    for i in range(keys.size):
        found[i] = find_word(model, keys[i])
    return found


@compiled
def _begin_state(model: KernelModel) -> State:
    nothing = (np.uint64(0), np.uint64(0))
    return _push(model.layout, nothing, model.layout[at.BEGIN_WORD], np.int64(1))


@compiled
def _word_at(layout: NDArray[np.int64], state: State, age: Integer) -> Integer:
    """Return the word seen `age` words before the last one, -1 past the end of the context."""
    per_half, bits = layout[at.PER_HALF], layout[at.BITS]
    half = state[0] if age < per_half else state[1]
    if age >= 2 * per_half:
        return np.int64(-1)
    shifted = half >> np.uint64(bits * (age % per_half))
    return np.int64(shifted & _mask(bits)) - 1


@compiled
def _mask(bits: Integer) -> np.uint64:
    if bits >= 64:
        return np.uint64(0xFFFFFFFFFFFFFFFF)
    return (np.uint64(1) << np.uint64(bits)) - np.uint64(1)


@compiled
def _length(layout: NDArray[np.int64], state: State) -> Integer:
    length = np.int64(0)
    while length < layout[at.ORDER] - 1 and _word_at(layout, state, length) >= 0:
        length += 1
    return length


@compiled
def _push(layout: NDArray[np.int64], state: State, word: Integer, kept: Integer) -> State:
    """Return the state of the last `kept` words, this one among them."""
    per_half, bits = layout[at.PER_HALF], layout[at.BITS]
    carry = (state[0] >> np.uint64(bits * (per_half - 1))) & _mask(bits)
    newer = (state[0] << np.uint64(bits)) | np.uint64(word + 1)
    older = (state[1] << np.uint64(bits)) | carry
    newer &= _mask(bits * min(kept, per_half))
    older &= _mask(bits * max(np.int64(0), kept - per_half))
    return newer, older


@compiled
def _extends_right(backoff: np.float32) -> bool:
    return bool(np.float32(backoff).view(np.uint32) != at.NEGATIVE_ZERO)


@compiled
def _ask_probing(
    model: KernelModel, state: State, word: Integer
) -> tuple[np.float32, Integer, Integer]:
    """Return log10 of the longest known n-gram, its order, and how many words still matter."""
    image, layout = model.image, model.layout
    order = layout[at.ORDER]
    place = layout[at.UNIGRAMS] + word * layout[at.UNIGRAM_STRIDE]
    bits = load_u32(image, place)
    matched = np.int64(1)
    kept = np.int64(_extends_right(load_f32(image, place + 4)))
    key = np.uint64(word)
    # A clear sign bit says that something extends this n-gram to the left.
    while matched < order and bits < at.NEGATIVE_ZERO:
        before = _word_at(layout, state, matched - 1)
        if before < 0:
            break
        key = probing.combine(key, before)
        slot = probing.find_slot(image, layout, matched + 1, key)
        if slot < 0:
            break
        matched += 1
        bits = load_u32(image, slot + 8)
        if matched == order:
            break
        if _extends_right(load_f32(image, slot + 12)):
            kept = matched
    return np.uint32(bits | at.NEGATIVE_ZERO).view(np.float32), matched, kept


@compiled
def _ask_trie(
    model: KernelModel, state: State, word: Integer
) -> tuple[np.float32, Integer, Integer]:
    image, layout = model.image, model.layout
    order = layout[at.ORDER]
    place = layout[at.UNIGRAMS] + word * layout[at.UNIGRAM_STRIDE]
    prob = load_f32(image, place)
    matched = np.int64(1)
    kept = np.int64(_extends_right(load_f32(image, place + 4)))
    siblings = trie.unigram_range(image, layout, word)
    while matched < order and siblings[0] < siblings[1]:
        before = _word_at(layout, state, matched - 1)
        if before < 0:
            break
        entry = trie.find_entry(image, layout, matched + 1, siblings, before)
        if entry < 0:
            break
        matched += 1
        prob = trie.entry_prob(image, layout, matched, entry)
        if matched == order:
            break
        if _extends_right(trie.entry_backoff(image, layout, matched, entry)):
            kept = matched
        siblings = trie.child_range(image, layout, matched, entry)
    return prob, matched, kept


@compiled
def _backoffs(model: KernelModel, state: State, shortest: Integer) -> np.float32:
    """Add up the log10 backoffs of a state's contexts of `shortest` words and more."""
    image, layout = model.image, model.layout
    last = _word_at(layout, state, np.int64(0))
    place = layout[at.UNIGRAMS] + last * layout[at.UNIGRAM_STRIDE]
    total = load_f32(image, place + 4) if shortest <= 1 else np.float32(0.0)
    if layout[at.IS_TRIE]:
        return total + _trie_backoffs(model, state, shortest)
    key = np.uint64(last)
    for length in range(2, layout[at.ORDER]):
        before = _word_at(layout, state, np.int64(length - 1))
        if before < 0:
            break
        key = probing.combine(key, before)
        if length >= shortest:
            slot = probing.find_slot(image, layout, length, key)
            if slot < 0:
                break
            total += load_f32(image, slot + 12)
    return total


@compiled
def _trie_backoffs(model: KernelModel, state: State, shortest: Integer) -> np.float32:
    image, layout = model.image, model.layout
    total = np.float32(0.0)
    siblings = trie.unigram_range(image, layout, _word_at(layout, state, np.int64(0)))
    for length in range(2, layout[at.ORDER]):
        before = _word_at(layout, state, np.int64(length - 1))
        if before < 0:
            break
        entry = trie.find_entry(image, layout, length, siblings, before)
        if entry < 0:
            break
        if length >= shortest:
            total += trie.entry_backoff(image, layout, length, entry)
        siblings = trie.child_range(image, layout, length, entry)
    return total


__all__ = [
    "EMPTY",
    "UNKNOWN",
    "KernelModel",
    "NGramModel",
    "State",
    "advance",
    "find_word",
    "find_words",
    "score_words",
    "unigram_log_prob",
    "unigram_log_probs",
]
