"""pyctcdecode's interface to the beam search: `import anylect.decoding as pyctcdecode`.

For code written against pyctcdecode 0.5.0: same names, arguments, defaults and results, computed
by `beam.BeamDecoder` in its open search. `docs/from-pyctcdecode.md` lists what differs and why.
"""

import logging
import os
from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike

from anylect.decoding.alphabet import Alphabet, load_alphabet
from anylect.decoding.language_model import LanguageModel
from anylect.decoding.pyctcdecode_defaults import (
    DEFAULT_ALPHA,
    DEFAULT_BEAM_WIDTH,
    DEFAULT_BETA,
    DEFAULT_HOTWORD_WEIGHT,
    DEFAULT_MIN_TOKEN_LOGP,
    DEFAULT_PRUNE_BEAMS,
    DEFAULT_PRUNE_LOGP,
    DEFAULT_SCORE_LM_BOUNDARY,
    DEFAULT_UNK_LOGP_OFFSET,
)
from anylect.decoding.pyctcdecode_search import (
    Call,
    Limits,
    OutputBeam,
    OutputBeamMPSafe,
    Searches,
)
from anylect.errors import BundleError, HubError, LanguageModelError
from anylect.lm.kenlm_binary import load_model
from anylect.lm.ngram import State
from anylect.lm.words import SPECIAL

logger = logging.getLogger(__name__)


class BeamSearchDecoderCTC:
    """Decodes logits by beam search, with or without a language model.

    Threads may share one; the arithmetic runs side by side in them.
    """

    _ALPHABET_SERIALIZED_FILENAME = "alphabet.json"
    _LANGUAGE_MODEL_SERIALIZED_DIRECTORY = "language_model"

    def __init__(self, alphabet: Alphabet, language_model: LanguageModel | None = None) -> None:
        """Decode with an alphabet.

        Raises:
            LanguageModelError: When the labels spell none of the language model's words.
        """
        self._alphabet = alphabet
        self._model_key = os.urandom(16)
        self.model_container: dict[bytes, LanguageModel | None] = {self._model_key: language_model}
        self._searches = Searches(alphabet, language_model)

    # ------------------------------------------------------------ decoding

    def decode(  # noqa: PLR0913
        self,
        logits: ArrayLike,
        beam_width: int = DEFAULT_BEAM_WIDTH,
        beam_prune_logp: float = DEFAULT_PRUNE_LOGP,
        token_min_logp: float = DEFAULT_MIN_TOKEN_LOGP,
        hotwords: Iterable[str] | None = None,
        hotword_weight: float = DEFAULT_HOTWORD_WEIGHT,
        lm_start_state: State | None = None,
    ) -> str:
        """Return the best text; arguments and errors are those of `decode_beams`."""
        limits = Limits(beam_width, beam_prune_logp, token_min_logp, prunes_history=True)
        call = self._call(limits, hotwords, hotword_weight)
        return self._searches.decode(logits, call, start=lm_start_state)

    def decode_beams(  # noqa: PLR0913
        self,
        logits: ArrayLike,
        beam_width: int = DEFAULT_BEAM_WIDTH,
        beam_prune_logp: float = DEFAULT_PRUNE_LOGP,
        token_min_logp: float = DEFAULT_MIN_TOKEN_LOGP,
        prune_history: bool = DEFAULT_PRUNE_BEAMS,  # noqa: FBT001
        hotwords: Iterable[str] | None = None,
        hotword_weight: float = DEFAULT_HOTWORD_WEIGHT,
        lm_start_state: State | None = None,
    ) -> list[OutputBeam]:
        """Return hypotheses, best first.

        Args:
            logits: (T, labels): logits, natural log-probabilities or probabilities.
            beam_width: Beams kept.
            beam_prune_logp: Beams this far below the best one are dropped, natural log.
            token_min_logp: Tokens less likely than this are not looked at, natural log.
            prune_history: Whether of texts that end in the same words only the best one stays.
            hotwords: Words to favour; phrases are taken apart, each of their words counts.
            hotword_weight: Natural log, per hotword.
            lm_start_state: `last_lm_state` of what was said before.

        Raises:
            EmissionsError: For another shape, no frames, NaN or +inf.
            ConfigError: For a width below one, and for limits above zero.
        """
        limits = Limits(beam_width, beam_prune_logp, token_min_logp, prunes_history=prune_history)
        call = self._call(limits, hotwords, hotword_weight)
        return self._searches.decode_beams(logits, call, start=lm_start_state)

    def decode_batch(  # noqa: PLR0913
        self,
        pool: Any,  # noqa: ANN401
        logits_list: Iterable[ArrayLike],
        beam_width: int = DEFAULT_BEAM_WIDTH,
        beam_prune_logp: float = DEFAULT_PRUNE_LOGP,
        token_min_logp: float = DEFAULT_MIN_TOKEN_LOGP,
        hotwords: Iterable[str] | None = None,
        hotword_weight: float = DEFAULT_HOTWORD_WEIGHT,
    ) -> list[str]:
        """Return the best text of every utterance, decoded in threads, one per processor.

        Args:
            pool: Not used: threads are faster than processes here. Any pool, or None.
            logits_list: See `decode_beams`, as the rest.
            beam_width: Beams kept.
            beam_prune_logp: Of beams.
            token_min_logp: Of tokens.
            hotwords: Words to favour.
            hotword_weight: Natural log, per hotword.
        """
        decode = partial(
            self.decode,
            beam_width=beam_width,
            beam_prune_logp=beam_prune_logp,
            token_min_logp=token_min_logp,
            hotwords=None if hotwords is None else list(hotwords),
            hotword_weight=hotword_weight,
        )
        with ThreadPoolExecutor(_processors()) as threads:
            return list(threads.map(decode, logits_list))

    def decode_beams_batch(  # noqa: PLR0913
        self,
        pool: Any,  # noqa: ANN401
        logits_list: Iterable[ArrayLike],
        beam_width: int = DEFAULT_BEAM_WIDTH,
        beam_prune_logp: float = DEFAULT_PRUNE_LOGP,
        token_min_logp: float = DEFAULT_MIN_TOKEN_LOGP,
        prune_history: bool = DEFAULT_PRUNE_BEAMS,  # noqa: FBT001
        hotwords: Iterable[str] | None = None,
        hotword_weight: float = DEFAULT_HOTWORD_WEIGHT,
    ) -> list[list[OutputBeamMPSafe]]:
        """Return the hypotheses of every utterance; see `decode_batch` and `decode_beams`."""
        decode = partial(
            self.decode_beams,
            beam_width=beam_width,
            beam_prune_logp=beam_prune_logp,
            token_min_logp=token_min_logp,
            prune_history=prune_history,
            hotwords=None if hotwords is None else list(hotwords),
            hotword_weight=hotword_weight,
        )
        with ThreadPoolExecutor(_processors()) as threads:
            found = list(threads.map(decode, logits_list))
        return [[OutputBeamMPSafe(beam[0], *beam[2:]) for beam in beams] for beams in found]

    def _call(self, limits: Limits, hotwords: Iterable[str] | None, weight: float) -> Call:
        language_model = self._language_model  # its weights may have been changed
        weights = None if language_model is None else language_model.weights
        return Call(weights, limits, self._searches.favour(hotwords, weight))

    # ------------------------------------------------------------ weights and files

    @property
    def _language_model(self) -> LanguageModel | None:
        try:
            return self.model_container[self._model_key]
        except KeyError:
            raise LanguageModelError(
                "this decoder was cleaned up", hint="build it again to decode with it"
            ) from None

    def reset_params(
        self,
        alpha: float | None = None,
        beta: float | None = None,
        unk_score_offset: float | None = None,
        lm_score_boundary: bool | None = None,  # noqa: FBT001
    ) -> None:
        """Change weights of the language model; does nothing without one.

        Raises:
            ConfigError: For a value that is no number.
        """
        if self._language_model is not None:
            self._language_model.reset_params(
                alpha=alpha,
                beta=beta,
                unk_score_offset=unk_score_offset,
                score_boundary=lm_score_boundary,
            )

    def cleanup(self) -> None:
        """Forget the language model; this decoder cannot be used any more."""
        self.model_container.clear()
        del self._searches

    @classmethod
    def clear_class_models(cls) -> None:
        """Do nothing: every decoder holds its own model, and goes with it."""

    def save_to_dir(self, filepath: str) -> None:
        """Write `alphabet.json` and, with a language model, the folder `language_model`.

        Raises:
            BundleError: When the folder has a language model already, or cannot be written.
            LanguageModelError: When the language model was not read from a file.
        """
        folder = Path(filepath)
        if self._language_model is not None:
            self._language_model.save_to_dir(
                str(folder / self._LANGUAGE_MODEL_SERIALIZED_DIRECTORY)
            )
        path = folder / self._ALPHABET_SERIALIZED_FILENAME
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path.write_text(self._alphabet.dumps(), encoding="utf-8")
        except OSError as error:
            raise BundleError(
                f"{path}: cannot be written ({error})", hint="choose another folder"
            ) from error

    @staticmethod
    def parse_directory_contents(filepath: str) -> dict[str, str | None]:
        """Return the paths of `alphabet` and `language_model`; None where there is only the first.

        Raises:
            BundleError: When there is no alphabet, or no language model among other files.
        """
        folder = Path(filepath)
        found = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
        names = [name for name in found if not name.startswith((".", "__"))]
        alphabet = BeamSearchDecoderCTC._ALPHABET_SERIALIZED_FILENAME
        language_model = BeamSearchDecoderCTC._LANGUAGE_MODEL_SERIALIZED_DIRECTORY
        for name in [alphabet] if names == [alphabet] else [alphabet, language_model]:
            if name not in names:
                raise BundleError(
                    f"{folder}: has no `{name}`",
                    hint="give a folder that `save_to_dir` wrote; to decode without a language "
                    "model use `BeamSearchDecoderCTC(Alphabet.loads(...))`",
                )
        return {
            "alphabet": str(folder / alphabet),
            "language_model": str(folder / language_model) if language_model in names else None,
        }

    @classmethod
    def load_from_dir(
        cls, filepath: str, unigram_encoding: str | None = None
    ) -> "BeamSearchDecoderCTC":
        """Load what `save_to_dir` or pyctcdecode wrote; words are UTF-8 unless said otherwise.

        Raises:
            BundleError: Naming what is missing or broken.
            VocabularyError: When the alphabet has no blank.
            LanguageModelError: When the language model cannot be read or is of another alphabet.
        """
        paths = cls.parse_directory_contents(filepath)
        alphabet = load_alphabet(Path(str(paths["alphabet"])))
        if paths["language_model"] is None:
            return cls(alphabet)
        return cls(alphabet, LanguageModel.load_from_dir(paths["language_model"], unigram_encoding))

    @classmethod
    def load_from_hf_hub(
        cls,
        model_id: str,
        cache_dir: str | None = None,
        **kwargs: Any,  # noqa: ANN401
    ) -> "BeamSearchDecoderCTC":
        """Load a folder that holds a snapshot of a repository; nothing is downloaded.

        Raises:
            HubError: When there is no such folder.
        """
        if not Path(model_id).is_dir():
            raise HubError(
                f"{model_id}: no such folder, and decoding does not reach the Hub",
                hint="download it first: `load_from_dir(huggingface_hub.snapshot_download"
                f'("{model_id}"))`',
            )
        return cls.load_from_dir(model_id, kwargs.get("unigram_encoding"))


def build_ctcdecoder(  # noqa: PLR0913
    labels: list[str],
    kenlm_model_path: str | None = None,
    unigrams: Collection[str] | None = None,
    alpha: float = DEFAULT_ALPHA,
    beta: float = DEFAULT_BETA,
    unk_score_offset: float = DEFAULT_UNK_LOGP_OFFSET,
    lm_score_boundary: bool = DEFAULT_SCORE_LM_BOUNDARY,  # noqa: FBT001
) -> BeamSearchDecoderCTC:
    """Build a decoder.

    Args:
        labels: Of the logits' columns; see `Alphabet.build_alphabet`.
        kenlm_model_path: An ARPA file or a KenLM binary of words.
        unigrams: Words one may expect; by default those of the ARPA file. Those of a binary are
            not taken by themselves: give them, see the log.
        alpha: Weight of the language model's natural log-probability.
        beta: Bonus per word, natural log.
        unk_score_offset: Of unknown words, see `beam.BeamOptions.unknown_offset`.
        lm_score_boundary: Whether sentences have a beginning and an end.

    Raises:
        VocabularyError: For labels that cannot be.
        LanguageModelError: When the model cannot be read, or the labels spell none of its words.

    Example:
        >>> import numpy as np
        >>> decoder = build_ctcdecoder([" ", "a", "b", ""])
        >>> decoder.decode(np.eye(4)[[1, 1, 3, 1, 0, 2]] * 10.0)
        'aa b'
    """
    alphabet = Alphabet.build_alphabet(labels)
    if kenlm_model_path is None:
        return BeamSearchDecoderCTC(alphabet)
    model = load_model(Path(kenlm_model_path))
    if unigrams is None and model.kind == "arpa":
        unigrams = set(model.words).difference(SPECIAL)
    if unigrams:
        _compare(alphabet, unigrams)
    language_model = LanguageModel(
        model, unigrams, alpha, beta, unk_score_offset, lm_score_boundary
    )
    language_model.path = Path(kenlm_model_path)
    return BeamSearchDecoderCTC(alphabet, language_model)


def _compare(alphabet: Alphabet, unigrams: Collection[str]) -> None:
    characters = set("".join(unigrams))
    lacking = sorted(characters.difference("".join(alphabet.labels)))
    if len(lacking) > 0.2 * len(characters):
        logger.warning(
            "unigrams have %d characters, no label writes %d of them: %s",
            len(characters),
            len(lacking),
            "".join(lacking[:40]),
        )


def _processors() -> int:
    """Count the processors this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS and Windows have no such call
        return os.cpu_count() or 1
