"""Beam search with an n-gram language model: `acoustic + alpha · ln p + beta · words`.

Prefix beam search (Hannun et al. 2014, "First-Pass Large Vocabulary Continuous Speech
Recognition using Bi-Directional Recurrent DNNs"), in the two searches of `beam_kernels`. The
arithmetic runs without the interpreter lock, so threads decode side by side.
"""

import dataclasses
import hashlib
import math
from collections import deque
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anylect.decoding.beam_kernels import finish, hear
from anylect.decoding.beam_options import OPEN_MIN_TOKEN, BeamOptions
from anylect.decoding.emissions import check_log_probs
from anylect.decoding.histories import list_words, rebuild_tables
from anylect.decoding.hotwords import BOUNDARY, Hotwords, build_hotwords, find_hotwords
from anylect.decoding.lexicon import MARKER, VOUCHED, Lexicon, build_lexicon, has_marker
from anylect.decoding.nbest import Beam, rank_texts
from anylect.decoding.rules import (
    ANYWHERE,
    AT_BOUNDARY,
    AT_MARKER,
    BY_STATE,
    BY_TEXT,
    BY_WINDOW,
    LN10,
    Rules,
    World,
)
from anylect.decoding.search import (
    BEAMS,
    HISTORIES,
    WANTED,
    Search,
    clear,
    make_room,
    new_search,
)
from anylect.decoding.streaming import BeamStream
from anylect.decoding.timing import time_words
from anylect.decoding.unknown_words import list_letters
from anylect.errors import ConfigError
from anylect.lm.layout import KernelModel
from anylect.lm.ngram import EMPTY, NGramModel
from anylect.lm.words import SPECIAL
from anylect.records import Emissions, Hypothesis
from anylect.text.vocabulary import Vocabulary

SLACK = 2.0
"""A candidate this far below what is dropped may still be added to others, natural log."""
SPARE = 8
"""Searches kept to be used again: more threads than this make some anew."""


class BeamDecoder:
    """Decodes by beam search.

    Example:
        >>> from anylect.text.vocabulary import build_vocabulary
        >>> vocabulary = build_vocabulary(["ab"])  # '', '<unk>', ' ', 'a', 'b'
        >>> probabilities = np.full((3, 5), 0.01, np.float32)
        >>> probabilities[:, 3], probabilities[:, 4] = [0.5, 0.01, 0.6], [0.47, 0.01, 0.37]
        >>> probabilities[1, 0] = 0.96
        >>> emissions = Emissions(np.log(probabilities), 0.02)
        >>> BeamDecoder(vocabulary).decode(emissions).text
        'aa'
        >>> BeamDecoder(vocabulary, words=["ba", "bb"]).decode(emissions).text
        'ba'
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        model: NGramModel | None = None,
        *,
        words: Sequence[str] | None = None,
        options: BeamOptions | None = None,
        hotwords: Hotwords | None = None,
        spaced: bool = True,
    ) -> None:
        """Decode with a vocabulary.

        Args:
            vocabulary: What the emissions' columns mean.
            model: Of words; of tokens where words are not parted by spaces.
            words: What may be said, normalized; by default the words of the model.
            options: Weights and limits.
            hotwords: Phrases to favour.
            spaced: Whether the language puts spaces between words.

        Raises:
            LanguageModelError: When none of the words can be spelled.
            ConfigError: When a hotword cannot, or a closed search has no words.
        """
        self.vocabulary, self.model, self.spaced = vocabulary, model, spaced
        self.options = options or BeamOptions()
        self.hotwords = hotwords
        self._ending = _choose_ending(vocabulary, model, words, spaced=spaced)
        if words is None and model is not None and model.listed_words is not None:
            words = [word for word in model.words if word not in SPECIAL]
        self.words = list(words or ())
        self.lexicon = self._build_lexicon()
        self._hotwords = self._build_hotwords()
        self._spare: deque[Search] = deque(maxlen=SPARE)
        self._spelled: dict[int, str] = {}  # by node of the lexicon
        _refuse_closed_without_words(self)

    @property
    def signature(self) -> str:
        """How scores name this decoder."""
        options = self.options
        parts = [f"beam {options.width}", "closed" if self.is_closed else "open"]
        if self.model is not None:
            parts += [f"alpha {options.alpha:g}", f"beta {options.beta:g}"]
            parts.append(f"lm {self.model.order}-gram {self.model_hash[:8]}")
        if self.hotwords:
            parts.append(f"hotwords {len(self.hotwords.weights)}")
        return ", ".join(parts)

    @cached_property
    def model_hash(self) -> str:
        """SHA-256 of the language model as it lies in memory; empty without one."""
        if self.model is None:
            return ""
        return hashlib.sha256(self.model.kernel.image.data).hexdigest()

    @property
    def is_closed(self) -> bool:
        """Whether only words of the lexicon can be said."""
        if self._ending == ANYWHERE:
            return True
        return self.options.search == "closed" or (
            self.options.search == "auto" and self.lexicon.words > 0
        )

    def with_options(self, **changes: Any) -> "BeamDecoder":  # noqa: ANN401
        """Return a decoder with other options that shares everything else; cheap."""
        other = object.__new__(BeamDecoder)
        other.__dict__.update(self.__dict__)
        other.__dict__.pop("_rules", None)
        if not changes.keys().isdisjoint(("alpha", "search", "scores_ends")):
            other.__dict__.pop("_world", None)
        other.options = dataclasses.replace(self.options, **changes)
        if other.options.width != self.options.width:
            other._spare = deque(maxlen=SPARE)
        _refuse_closed_without_words(other)
        return other

    def with_hotwords(self, hotwords: Hotwords | None) -> "BeamDecoder":
        """Return a decoder that favours other phrases.

        A closed search learns the words it does not know, which takes as long as building it.
        """
        other = object.__new__(BeamDecoder)
        other.__dict__.update(self.__dict__)
        for name in ("_rules", "_world"):
            other.__dict__.pop(name, None)
        other.hotwords = hotwords
        if other._strange_words() or self._strange_words():
            other.lexicon, other._spelled = other._build_lexicon(), {}
        other._hotwords = other._build_hotwords()
        return other

    def decode(self, emissions: Emissions) -> Hypothesis:
        """Decode a whole utterance; word times are seconds from the recording's beginning.

        Raises:
            EmissionsError: When they are no log-probabilities of this vocabulary.
        """
        if not len(emissions.log_probs):
            return Hypothesis("")
        best = self.decode_beams(emissions, count=1)[0]
        if not best.text:
            return Hypothesis("", (), best.score)
        words = time_words(emissions, best.text, self.vocabulary, spaced=self.spaced)
        return Hypothesis(best.text, words, best.score)

    def decode_beams(self, emissions: Emissions, *, count: int | None = None) -> list[Beam]:
        """Return hypotheses, best first; never none.

        Args:
            emissions: Of a whole utterance.
            count: How many at most; by default all that are left.
        """
        search = self.hear(self.begin(), emissions.log_probs)
        beams = self.finish(search, count=count)
        self._spare.append(search)
        return beams

    def stream(self) -> BeamStream:
        """Begin a recording that comes in pieces."""
        return BeamStream(self)

    # ------------------------------------------------------------ a search, step by step

    def begin(self) -> Search:
        """Begin a search."""
        try:
            search = self._spare.pop()
        except IndexError:
            return new_search(width=self.options.width, tokens=len(self.vocabulary))
        clear(search)
        return search

    def hear(self, search: Search, log_probs: NDArray[np.float32]) -> Search:
        """Take in emissions (T, V); return the search, which may have moved to larger arrays.

        Raises:
            EmissionsError: When they are no log-probabilities of this vocabulary.
        """
        rows = check_log_probs(log_probs, len(self.vocabulary))
        frame = hear(search, self._world, self._rules, rows, 0)
        while frame < len(rows):
            search = self._make_room(search)
            frame = hear(search, self._world, self._rules, rows, frame)
        return search

    def finish(self, search: Search, *, count: int | None = None) -> list[Beam]:
        """Return what was said, best first, if it ended here; the search may go on."""
        counts = search.counts
        if counts[HISTORIES] + counts[BEAMS] > len(search.histories):
            counts[WANTED : WANTED + 3] = 0, counts[BEAMS], 0
            search = self._make_room(search)
        end_word = -1
        if self.model is not None and self.options.scores_ends:
            end_word = self.model.end_word
        ends = finish(search, self._world, self._rules, end_word)
        score = search.beams["score"][: counts[BEAMS]].copy()
        ranked = rank_texts(score, *ends)
        said = zip(*(column[:count].tolist() for column in ranked), strict=True)
        return [self._beam(search, *each) for each in said]

    def _make_room(self, search: Search) -> Search:
        search = make_room(search, nodes=len(self.lexicon))
        rebuild_tables(search)
        return search

    def words_of(self, search: Search, history: int) -> list[str]:
        """Return the words of a history."""
        spelled = self._spelled
        nodes = list_words(search.histories, history).tolist()
        return [spelled.get(node) or self.spell(search, node) for node in nodes]

    def spell(self, search: Search, node: int) -> str:
        """Return the letters of a node, known or not."""
        leaf, letters = list_letters(search.unknowns, len(self.lexicon), node)
        known = int(leaf)
        begun = self._spelled.get(known)
        if begun is None:
            begun = self._spelled[known] = self.lexicon.spell(known).removeprefix(MARKER)
        if known == node:
            return begun
        more = "".join([self.lexicon.alphabet[letter] for letter in letters.tolist()])
        return begun + (more if known else more.removeprefix(MARKER))

    def _beam(self, search: Search, history: int, acoustic: float, lm: float) -> Beam:
        text = (" " if self.spaced else "").join(self.words_of(search, history))
        fired = find_hotwords(text, self.hotwords, spaced=self.spaced)
        extra = sum(self.hotwords.weights[phrase] for phrase in fired) if self.hotwords else 0.0
        return Beam(text, acoustic + lm, acoustic - extra, lm, fired, extra)

    # ------------------------------------------------------------ what kernels need

    def _strange_words(self) -> list[str]:
        """Return the hotwords that a closed search would have to learn."""
        if self.hotwords is None or not self.words:
            return []
        return sorted(self.hotwords.words.difference(self.words))

    def _build_lexicon(self) -> Lexicon:
        words, strange = self.words, self._strange_words()
        if self._ending == ANYWHERE:
            tokens = {token for token in self.vocabulary.tokens if token.strip()}
            words = [*words, *sorted(tokens.difference(words))]
        lexicon = build_lexicon([*words, *strange], self.vocabulary, self.model)
        if strange and self.model is not None:
            nodes = [lexicon.find(word) for word in strange]
            lexicon.kernel.word[[node for node in nodes if node >= 0]] = VOUCHED
        return lexicon

    def _build_hotwords(self) -> Any:  # noqa: ANN401
        spaced = self._ending != ANYWHERE
        return build_hotwords(self.hotwords, self.lexicon.alphabet, spaced=spaced)

    @cached_property
    def _world(self) -> World:
        lexicon, model = self.lexicon, self.model
        look = lexicon.look_ahead if self.is_closed else np.zeros_like(lexicon.look_ahead)
        nothing = KernelModel(np.zeros(0, np.uint8), np.zeros(16, np.int64))
        state = model.begin if model is not None and self.options.scores_ends else EMPTY
        begun = self._hotwords.following[0, self._hotwords.column[1 + BOUNDARY]]
        hot = 0 if self._ending == ANYWHERE else int(begun)
        return World(
            lexicon=lexicon.kernel,
            gain=np.exp(np.float32(self.options.alpha) * look),
            hotwords=self._hotwords,
            model=model.kernel if model is not None else nothing,
            begin=np.array([*state, hot], np.uint64),
        )

    @cached_property
    def _rules(self) -> Rules:
        options, vocabulary, closed = self.options, self.vocabulary, self.is_closed
        min_token = options.min_token_log_prob
        if min_token is None:
            min_token = -math.inf if closed else OPEN_MIN_TOKEN
        longest = int(np.diff(self.lexicon.kernel.first_character).max(initial=1))
        merging = BY_WINDOW
        if closed and self.model is not None:
            merging = BY_STATE if options.merges_states else BY_TEXT
        elif not options.merges_states:
            merging = BY_TEXT
        return Rules(
            width=options.width,
            max_tokens=options.max_tokens if closed else len(vocabulary),
            min_token=float(min_token),
            cut=math.exp(max(options.prune_log_prob, -600.0)),
            early_cut=math.exp(max(options.prune_log_prob - SLACK, -600.0)),
            alpha=float(options.alpha),
            beta=float(options.beta),
            unknown_offset=float(options.unknown_offset),
            best_word=math.exp(max(options.beta, 0.0)),
            best_unknown=math.exp(options.beta + options.alpha * LN10 * options.unknown_offset)
            if self.model is not None
            else 1.0,
            unknown_gain=math.exp(options.unknown_offset) if self.model is not None else 1.0,
            most_credit=min(float(self._hotwords.rise.max()) ** longest, 1e100),
            blank=vocabulary.blank,
            boundary=-1 if vocabulary.boundary is None else vocabulary.boundary,
            marker=self.lexicon.alphabet.find(MARKER),
            ending=self._ending,
            closed=closed,
            has_model=self.model is not None,
            has_words=self.lexicon.words > 0,
            has_hotwords=bool(self.hotwords and self.hotwords.weights),
            counts_empty_end=options.counts_empty_end,
            merging=merging,
            window=max(1, (self.model.order if self.model is not None else 1) - 1),
            longest=longest,
        )


def _choose_ending(
    vocabulary: Vocabulary,
    model: NGramModel | None,
    words: Sequence[str] | None,
    *,
    spaced: bool,
) -> int:
    """Say where words end: at a boundary, where the next begins with `▁`, or anywhere."""
    if has_marker(vocabulary):
        return AT_MARKER
    if (model is not None or words) and not (spaced and vocabulary.boundary is not None):
        return ANYWHERE
    return AT_BOUNDARY


def _refuse_closed_without_words(decoder: BeamDecoder) -> None:
    if decoder.is_closed and not decoder.lexicon.words:
        raise ConfigError(
            "a closed search without words",
            hint="give `words`, a language model that lists its words, or `search = open`",
        )


__all__ = ["Beam", "BeamDecoder", "BeamOptions", "Hotwords"]
