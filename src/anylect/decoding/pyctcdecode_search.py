"""The searches behind pyctcdecode's interface: one alphabet, one model, any weights."""

import logging
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from threading import Lock
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anylect.decoding.alphabet import BPE_TOKEN, Alphabet
from anylect.decoding.beam import Beam, BeamDecoder
from anylect.decoding.beam_options import BeamOptions
from anylect.decoding.hotwords import Hotwords
from anylect.decoding.language_model import LanguageModel, states_after
from anylect.decoding.language_model_folder import LanguageModelWeights
from anylect.decoding.pyctcdecode_input import build_columns
from anylect.decoding.spelling import Speller
from anylect.decoding.timing import align_tokens, find_words
from anylect.errors import ConfigError, LanguageModelError
from anylect.lm.ngram import EMPTY, State
from anylect.records import Emissions

WordFrames = tuple[str, tuple[int, int]]

KEPT_SEARCHES = 8
"""How many combinations of weights, limits and hotwords are kept ready."""

logger = logging.getLogger(__name__)


class OutputBeam(NamedTuple):
    """A hypothesis: the tuple that pyctcdecode returns, with names."""

    text: str
    last_lm_state: State | None
    """To hand on as `lm_start_state` of what follows."""
    text_frames: list[WordFrames]
    """Words with their frames `[start, end)`."""
    logit_score: float
    """Log-probability of the text by the acoustic model."""
    lm_score: float
    """The whole score: `logit_score`, language model and hotwords together."""


class OutputBeamMPSafe(NamedTuple):
    """A hypothesis of a batch: the same without the language model's state."""

    text: str
    text_frames: list[WordFrames]
    logit_score: float
    lm_score: float


@dataclass(frozen=True)
class Limits:
    """What a call of `decode` gives up."""

    beam_width: int
    beam_prune_logp: float
    token_min_logp: float
    prunes_history: bool


@dataclass(frozen=True)
class Favoured:
    """Hotwords of a call, one word each, and the weight of all of them."""

    words: frozenset[str] = frozenset()
    weight: float = 0.0


@dataclass(frozen=True)
class Call:
    """Everything a search depends on but for the logits; where it begins comes last."""

    weights: LanguageModelWeights | None
    limits: Limits
    favoured: Favoured


class Searches:
    """Prepares searches as calls ask for them, and runs them; threads may share one."""

    def __init__(self, alphabet: Alphabet, language_model: LanguageModel | None) -> None:
        """Prepare for an alphabet.

        Raises:
            LanguageModelError: When the labels spell none of the language model's words.
        """
        self._columns = build_columns(alphabet)
        self._speller = Speller(self._columns.vocabulary)
        self._characters = set("".join(alphabet.labels)) - {" "}
        self._model = None if language_model is None else language_model.model
        self._base = BeamDecoder(
            self._columns.vocabulary,
            self._model,
            words=[] if language_model is None else language_model.words,
            options=BeamOptions(search="open", counts_empty_end=True),
        )
        self._ready: OrderedDict[Call, BeamDecoder] = OrderedDict()
        self._lock = Lock()

    def favour(self, hotwords: Iterable[str] | None, weight: float) -> Favoured:
        """Take phrases apart, as pyctcdecode does; words that no labels spell are left out.

        Raises:
            ConfigError: For a text in place of a list of texts.
        """
        if isinstance(hotwords, str):
            raise ConfigError(
                f"`hotwords` is the text {hotwords!r}, expected a list of texts",
                hint="write `hotwords=[...]`; every letter of a text would be a hotword",
            )
        words = frozenset(word for phrase in hotwords or () for word in phrase.split())
        lost = sorted(word for word in words if not self._characters.issuperset(word))
        if lost:
            logger.warning("no labels spell these hotwords: %s", ", ".join(lost))
        words = words.difference(lost)
        return Favoured(words, float(weight)) if words else Favoured()

    def decode(self, logits: ArrayLike, call: Call, *, start: State | None) -> str:
        """Return the best text."""
        beams = self._run(self._columns.read(logits), call, start, count=1)
        return _clean(beams[0].text)

    def decode_beams(
        self, logits: ArrayLike, call: Call, *, start: State | None
    ) -> list[OutputBeam]:
        """Return hypotheses, best first, no text twice."""
        log_probs = self._columns.read(logits)
        beams: dict[str, Beam] = {}
        for beam in self._run(log_probs, call, start):
            beams.setdefault(_clean(beam.text), beam)
        states = self._states_after(list(beams), call, start)
        return [
            OutputBeam(text, state, self._time(log_probs, beam.text), beam.acoustic, beam.score)
            for (text, beam), state in zip(beams.items(), states, strict=True)
        ]

    def _run(
        self,
        log_probs: NDArray[np.float32],
        call: Call,
        start: State | None,
        *,
        count: int | None = None,
    ) -> list[Beam]:
        decoder = self._prepare(call)
        if start is None or self._model is None:
            return decoder.decode_beams(Emissions(log_probs, 1.0), count=count)
        search = decoder.hear(decoder.begin(), log_probs[:0])
        search.histories["state"][0] = _check_state(start)
        return decoder.finish(decoder.hear(search, log_probs), count=count)

    def _prepare(self, call: Call) -> BeamDecoder:
        with self._lock:
            if call not in self._ready:
                self._ready[call] = self._build(call)
                if len(self._ready) > KEPT_SEARCHES:
                    self._ready.popitem(last=False)
            self._ready.move_to_end(call)
            return self._ready[call]

    def _build(self, call: Call) -> BeamDecoder:
        limits, favoured = call.limits, call.favoured
        decoder = self._base.with_options(
            **({} if call.weights is None else asdict(call.weights)),
            width=int(limits.beam_width),
            prune_log_prob=float(limits.beam_prune_logp),
            min_token_log_prob=float(limits.token_min_logp),
            merges_states=limits.prunes_history,
        )
        if not favoured.words:
            return decoder
        return decoder.with_hotwords(Hotwords(sorted(favoured.words), favoured.weight))

    def _states_after(
        self, texts: list[str], call: Call, start: State | None
    ) -> list[State] | list[None]:
        if self._model is None or call.weights is None:
            return [None] * len(texts)
        begin = self._model.begin if call.weights.scores_ends else EMPTY
        return states_after(self._model, texts, begin if start is None else start)

    def _time(self, log_probs: NDArray[np.float32], text: str) -> list[WordFrames]:
        """Align a text to the frames; marks of sentence pieces may still stand in it."""
        parted = text.replace(BPE_TOKEN, " ")
        if not parted.strip():
            return []
        spelled = self._speller.spell(log_probs, text)
        blank = self._columns.vocabulary.blank
        spans = align_tokens(log_probs, spelled.tokens, blank=blank)
        frames: list[WordFrames] = []
        for first, last in find_words(parted):
            tokens = spelled.token_of[first:last]
            start, end = spans.starts[tokens[0]], spans.ends[tokens[-1]]
            frames.append((parted[first:last], (int(start), int(end))))
        return frames


def _check_state(state: object) -> State:
    if not isinstance(state, tuple) or len(state) != 2:
        raise LanguageModelError(
            f"`lm_start_state` is of type `{type(state).__name__}`",
            hint="hand on `last_lm_state` of a beam that this decoder returned",
        )
    return state[0], state[1]


def _clean(text: str) -> str:
    """Write words apart; `▁⁇▁` marks its end as well."""
    return " ".join(text.replace(BPE_TOKEN, " ").split())
