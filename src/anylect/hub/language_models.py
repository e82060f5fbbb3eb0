"""A language model and the recogniser it shall help: does it fit, and what is known of it?

Models come as one file (ARPA, KenLM binary) or as a folder `language_model/`, a bundle's own or one
that pyctcdecode or `transformers` wrote.
"""

import logging
from dataclasses import dataclass
from pathlib import Path

from anylect.decoding.language_model_folder import (
    ATTRIBUTES,
    LanguageModelWeights,
    load_language_model,
)
from anylect.errors import LanguageModelError
from anylect.lm.kenlm_binary import load_model
from anylect.lm.lint import lint_words
from anylect.lm.ngram import NGramModel
from anylect.lm.origin import Origin, load_origin
from anylect.lm.words import SPECIAL
from anylect.text.normalize import Normalizer
from anylect.text.vocabulary import Vocabulary

FOLDER = "language_model"
LOOKED_AT = 20_000
"""Words of a model that are looked at, evenly spread."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class LanguageModelFile:
    """A language model that was read."""

    path: Path
    model: NGramModel
    words: list[str]
    """Without sentence marks; empty where the model does not list them."""
    weights: LanguageModelWeights | None = None
    """Of a folder."""
    origin: Origin | None = None
    """What it was built from, where that is known."""


def read_language_model(path: Path) -> LanguageModelFile:
    """Read a file, a folder `language_model/`, or the bundle it lies in.

    Raises:
        LanguageModelError: When the file is missing, damaged or of another kind.
        BundleError: When the folder is broken.
    """
    if not path.is_dir():
        model = load_model(path)
        listed = model.listed_words
        words = [word for word in listed if word not in SPECIAL] if listed is not None else []
        return LanguageModelFile(path, model, words, origin=load_origin(path))
    folder = path if (path / ATTRIBUTES).is_file() else path / FOLDER
    if not folder.is_dir():
        raise LanguageModelError(
            f"{path}: holds no language model",
            hint="give a file (`lm.bin`, `lm.arpa`), a folder `language_model`, or a bundle",
        )
    found = load_language_model(folder)
    return LanguageModelFile(found.path, found.model, found.words, found.weights)


def check_fit(
    found: LanguageModelFile, *, vocabulary: Vocabulary, normalizer: Normalizer, spaced: bool
) -> list[str]:
    """Refuse a model whose words a recogniser can never say.

    Args:
        found: The model; what it does not list cannot be looked at.
        vocabulary: Of the acoustic model.
        normalizer: The recogniser's.
        spaced: Whether its language puts spaces between words.

    Returns:
        What may be meant but should be known.

    Raises:
        LanguageModelError: When most words cannot be spelled, or the recogniser's normalizer would
            change them, or it is made of characters and the language of words.
    """
    words = found.words[:: max(1, len(found.words) // LOOKED_AT)]
    is_of_characters = bool(words) and max(map(len, words)) == 1
    if spaced and is_of_characters and len(words) > 1:
        raise LanguageModelError(
            f"{found.path}: a model of characters, expected one of words",
            hint="this language has spaces between words: build it with `--unit word`",
        )
    findings = lint_words(
        words,
        characters=_characters(vocabulary),
        normalize=None if is_of_characters else normalizer,
    )
    built = found.origin.normalizer_hash if found.origin else None
    differs = (
        f"it was built with normalizer `{found.origin.normalizer}` ({built}), this recogniser "
        f"has `{normalizer.name}` ({normalizer.hash})"
        if found.origin and built and built != normalizer.hash
        else ""
    )
    for finding in findings:
        if finding.is_error and finding.code in ("unspellable", "normalizer"):
            raise LanguageModelError(
                f"{found.path}: {finding.message}",
                hint=differs
                or "build it with this recogniser's `normalizer.json` (`anylect lm build "
                "--normalizer`), from text of its language",
            )
    notes = [f"{found.path}: {differs}"] if differs else []
    return notes + [f"{found.path}: {finding.message}" for finding in findings if finding.is_error]


def warn(notes: list[str]) -> None:
    """Tell whoever loads a model what they should know of it."""
    for note in notes:
        logger.warning("%s", note)


def _characters(vocabulary: Vocabulary) -> set[str]:
    special = vocabulary.special
    return set(
        "".join(token for index, token in enumerate(vocabulary.tokens) if index not in special)
    )
