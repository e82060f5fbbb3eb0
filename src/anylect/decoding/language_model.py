"""A language model with its weights, under pyctcdecode's names.

For code written against pyctcdecode; inside anylect a search takes `lm.ngram.NGramModel`,
words and `beam.BeamOptions`.
"""

import bisect
import logging
import os
from collections.abc import Collection, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anylect.compiled import compiled
from anylect.decoding.language_model_folder import (
    ATTRIBUTES,
    WORDS,
    LanguageModelWeights,
    find_model,
    load_language_model,
    save_language_model,
)
from anylect.decoding.pyctcdecode_defaults import (
    AVG_TOKEN_LEN,
    DEFAULT_ALPHA,
    DEFAULT_BETA,
    DEFAULT_SCORE_LM_BOUNDARY,
    DEFAULT_UNK_LOGP_OFFSET,
    LOG_BASE_CHANGE_FACTOR,
)
from anylect.errors import BundleError, ConfigError, LanguageModelError
from anylect.lm.kenlm_binary import load_model
from anylect.lm.layout import KernelModel
from anylect.lm.ngram import EMPTY, NGramModel, State, advance
from anylect.lm.words import SPECIAL

logger = logging.getLogger(__name__)


class LanguageModel:
    """An n-gram model of words, the words one may expect, and their weights.

    `alpha`, `beta`, `unk_score_offset` and `score_boundary` may be set at any time.
    """

    JSON_ATTRS = ("alpha", "beta", "unk_score_offset", "score_boundary")

    def __init__(
        self,
        kenlm_model: Any,  # noqa: ANN401
        unigrams: Collection[str] | None = None,
        alpha: float = DEFAULT_ALPHA,
        beta: float = DEFAULT_BETA,
        unk_score_offset: float = DEFAULT_UNK_LOGP_OFFSET,
        score_boundary: bool = DEFAULT_SCORE_LM_BOUNDARY,  # noqa: FBT001
    ) -> None:
        """Weigh a model.

        Args:
            kenlm_model: An `NGramModel`, the path of an ARPA file or KenLM binary, or a
                `kenlm.Model`, whose file is then read again.
            unigrams: Words; those that the model does not know count for nothing. Without any,
                every word is taken for unknown while it is being spelled.
            alpha: Weight of the natural log-probability.
            beta: Bonus per word, natural log.
            unk_score_offset: Of unknown words, see `beam.BeamOptions.unknown_offset`.
            score_boundary: Whether sentences have a beginning and an end.

        Raises:
            LanguageModelError: When the model cannot be read.
        """
        self.alpha, self.beta = alpha, beta
        self.unk_score_offset, self.score_boundary = unk_score_offset, score_boundary
        self.path = _path_of(kenlm_model)
        self.model: NGramModel = kenlm_model if self.path is None else load_model(self.path)
        given = [word for word in sorted(set(unigrams or ())) if word and word not in SPECIAL]
        known = self.model.ids(given) != 0
        self.words = [word for word, is_known in zip(given, known, strict=True) if is_known]
        if not given:
            logger.warning("no unigrams: every word counts as unknown while it is being spelled")
        elif len(self.words) < 0.1 * len(given):
            logger.warning("of %d unigrams the model knows %d", len(given), len(self.words))

    @property
    def order(self) -> int:
        """How many words an n-gram has at most."""
        return self.model.order

    @property
    def weights(self) -> LanguageModelWeights:
        """The weights as they are now, under anylect's names."""
        return LanguageModelWeights(
            alpha=float(self.alpha),  # kernels are compiled anew for whole numbers
            beta=float(self.beta),
            unknown_offset=float(self.unk_score_offset),
            scores_ends=bool(self.score_boundary),
        )

    @property
    def serializable_attrs(self) -> dict[str, Any]:
        """The weights by pyctcdecode's names."""
        return {name: getattr(self, name) for name in self.JSON_ATTRS}

    def get_start_state(self) -> State:
        """Return what the model remembers before the first word."""
        return self.model.begin if self.score_boundary else EMPTY

    def score_partial_token(self, partial_token: str) -> float:
        """Return the punishment of a word that no known word begins like; 0 for others."""
        place = bisect.bisect_left(self.words, partial_token)
        if place < len(self.words) and self.words[place].startswith(partial_token):
            return 0.0
        return self.unk_score_offset * max(1.0, len(partial_token) / AVG_TOKEN_LEN)

    def score(
        self,
        prev_state: State,
        word: str,
        is_last_word: bool = False,  # noqa: FBT001, FBT002
    ) -> tuple[float, State]:
        """Return `alpha · ln p + beta` of a word after a state, and the state after it."""
        (number,) = self.model.ids([word])
        log_prob, state = self.model.advance(prev_state, int(number))
        if number == 0 or (self.words and not self._lists(word)):
            log_prob += LOG_BASE_CHANGE_FACTOR * self.unk_score_offset
        if is_last_word and self.score_boundary:
            log_prob += self.model.advance(state, self.model.end_word)[0]
        return self.alpha * log_prob + self.beta, state

    def reset_params(self, **params: float | bool | None) -> None:
        """Set weights by pyctcdecode's names; None leaves one as it is.

        Raises:
            ConfigError: For another name, or a value that is no number.
        """
        for name, value in params.items():
            if name not in self.JSON_ATTRS:
                raise ConfigError(f"unknown weight `{name}`", hint=f"one of {self.JSON_ATTRS}")
            if value is None:
                continue
            wanted = bool if name == "score_boundary" else (int, float)
            if not isinstance(value, wanted) or isinstance(value, bool) != (wanted is bool):
                raise ConfigError(
                    f"`{name}` is {value!r}",
                    hint="expected true or false" if wanted is bool else "expected a number",
                )
            setattr(self, name, value)

    def save_to_dir(self, filepath: str, unigram_encoding: str | None = None) -> None:
        """Write the folder `language_model`; words are written in UTF-8 always.

        Raises:
            LanguageModelError: When the model was not read from a file.
            BundleError: When there is such a folder already, or it cannot be written.
        """
        folder = Path(filepath)
        if self.path is None:
            raise LanguageModelError(
                "this language model was not read from a file, so there is none to copy",
                hint="save it first (`anylect.lm.kenlm_binary.save_model`) and give its path",
            )
        if folder.exists() and any(folder.iterdir()):
            raise BundleError(
                f"{folder}: holds files already",
                hint="give an empty folder, or move the one that is there",
            )
        save_language_model(folder, self.path, words=self.words, **asdict(self.weights))

    @classmethod
    def load_from_dir(cls, filepath: str, unigram_encoding: str | None = None) -> "LanguageModel":
        """Read the folder `language_model`; words are UTF-8 unless an encoding is given.

        Raises:
            BundleError: Naming what is missing, broken or there twice.
            LanguageModelError: When the model cannot be read.
        """
        found = load_language_model(Path(filepath), encoding=unigram_encoding or "utf-8")
        language_model = cls(found.model, found.words)
        language_model.path = found.path
        weights = found.weights
        language_model.alpha, language_model.beta = weights.alpha, weights.beta
        language_model.unk_score_offset = weights.unknown_offset
        language_model.score_boundary = weights.scores_ends
        return language_model

    @staticmethod
    def parse_directory_contents(filepath: str) -> dict[str, str]:
        """Return the paths of a folder's parts.

        Raises:
            BundleError: When one is missing, or there are two models.
        """
        folder = Path(filepath)
        paths = {"json_attrs": folder / ATTRIBUTES, "unigrams": folder / WORDS}
        for path in paths.values():
            if not path.is_file():
                raise BundleError(f"{path}: no such file", hint="copy the whole folder")
        return {name: str(path) for name, path in (paths | {"kenlm": find_model(folder)}).items()}

    def _lists(self, word: str) -> bool:
        place = bisect.bisect_left(self.words, word)
        return place < len(self.words) and self.words[place] == word


class MultiLanguageModel:
    """Refuses: a search takes one model."""

    def __init__(self, language_models: Sequence[LanguageModel]) -> None:
        """Say what to do instead.

        Raises:
            LanguageModelError: Always.
        """
        raise LanguageModelError(
            f"{len(language_models)} language models at once are not supported, expected one",
            hint="make one of them with `anylect lm mix`, weighted by how well each predicts "
            "your text; it is also better and faster than a mean of their scores",
        )


def load_unigram_set_from_arpa(arpa_path: str) -> set[str]:
    """Return the words of an ARPA file, sentence marks and `<unk>` left out.

    Raises:
        LanguageModelError: When it cannot be read.
    """
    return set(load_model(Path(arpa_path)).words).difference(SPECIAL)


def states_after(model: NGramModel, texts: Sequence[str], start: State) -> list[State]:
    """Return what a model remembers after each of some texts.

    Args:
        model: Of words.
        texts: Words between spaces.
        start: What it remembered before them.
    """
    words = [text.split()[-max(1, model.order - 1) :] for text in texts]
    # A whole window of words leaves nothing of what was before it.
    is_fresh = [len(each) >= model.order - 1 for each in words]
    ends = np.cumsum([len(each) for each in words]).astype(np.int64)
    numbers = model.ids([word for each in words for word in each])
    states = np.zeros((len(texts), 2), np.uint64)
    states[~np.array(is_fresh, bool)] = start
    _walk(model.kernel, numbers, ends, states)
    return [(first, second) for first, second in states]


@compiled
def _walk(
    model: KernelModel,
    numbers: NDArray[np.int32],
    ends: NDArray[np.int64],
    states: NDArray[np.uint64],
) -> None:
    at = 0
    for text in range(ends.size):
        state = (states[text, 0], states[text, 1])
        while at < ends[text]:
            _, state = advance(model, state, numbers[at])
            at += 1
        states[text, 0], states[text, 1] = state


def _path_of(model: Any) -> Path | None:  # noqa: ANN401
    """Return the file to read; None for a model that is in memory."""
    if isinstance(model, NGramModel):
        return None
    place = model if isinstance(model, (str, os.PathLike)) else getattr(model, "path", None)
    if not isinstance(place, (str, bytes, os.PathLike)):
        raise LanguageModelError(
            f"a language model of type `{type(model).__name__}`",
            hint="give an `NGramModel`, the path of an ARPA file or KenLM binary, or a "
            "`kenlm.Model`",
        )
    return Path(os.fsdecode(place))
