"""The folder `language_model/` beside a recogniser: a model, its words, and how to weigh it.

pyctcdecode made this layout, `transformers` and the Hub know it, bundles carry it:

```
language_model/attrs.json      alpha, beta, unk_score_offset, score_boundary
language_model/unigrams.txt    the words one may expect, sorted, one per line
language_model/<any name>.bin  a KenLM binary, or .binary, or .arpa
```

Other tools refuse a folder with anything more in it, so nothing more is ever written.
"""

import json
import math
import shutil
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from anylect.errors import BundleError, LanguageModelError
from anylect.lm.arpa import load_text
from anylect.lm.kenlm_binary import load_model
from anylect.lm.kenlm_header import is_kenlm_binary
from anylect.lm.ngram import NGramModel
from anylect.lm.words import SPECIAL

ATTRIBUTES, WORDS = "attrs.json", "unigrams.txt"
SUFFIXES = (".arpa", ".bin", ".binary")
"""What other tools take for a model."""


@dataclass(frozen=True, kw_only=True)
class LanguageModelWeights:
    """How a model counts in a search; names and meaning are those of `beam.BeamOptions`."""

    alpha: float = 0.5
    """Weight of the model's natural log-probability."""
    beta: float = 1.5
    """Bonus per word, natural log."""
    unknown_offset: float = -10.0
    """Of words the model does not know; `unk_score_offset` on disk."""
    scores_ends: bool = True
    """Whether sentences have a beginning and an end; `score_boundary` on disk."""


class LanguageModelFolder(NamedTuple):
    """What the folder held."""

    model: NGramModel
    words: list[str]
    """Without sentence marks; empty where the folder lists none."""
    weights: LanguageModelWeights
    path: Path
    """Of the model's file."""


def save_language_model(  # noqa: PLR0913
    folder: Path,
    model_path: Path,
    *,
    words: Collection[str],
    alpha: float = 0.5,
    beta: float = 1.5,
    unknown_offset: float = -10.0,
    scores_ends: bool = True,
) -> Path:
    """Write the folder, replacing the one that was there; the model may lie in that one.

    Args:
        folder: `language_model` beside an `alphabet.json`; written beside and renamed.
        model_path: An ARPA file or a KenLM binary; it is copied under its own name, unpacked.
        words: Normalized. Where there are none, other tools take every word for unknown while
            it is being spelled.
        alpha: See `LanguageModelWeights`, as the rest.
        beta: Bonus per word.
        unknown_offset: Of words the model does not know.
        scores_ends: Whether sentences have a beginning and an end.

    Returns:
        The model's file in the folder.

    Raises:
        LanguageModelError: When there is no such model, or a word cannot stand on a line.
        BundleError: When the folder cannot be written; what was there is left.
    """
    listing = _list_words(words)
    weights = LanguageModelWeights(
        alpha=alpha, beta=beta, unknown_offset=unknown_offset, scores_ends=scores_ends
    )
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        name = _copy_model(model_path, partial)
        (partial / WORDS).write_text(listing, encoding="utf-8")
        _write_weights(partial / ATTRIBUTES, weights)
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
    except OSError as error:
        raise BundleError(
            f"{folder}: cannot be written ({error})", hint="make room, or choose another folder"
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder / name


def save_weights(folder: Path, weights: LanguageModelWeights) -> None:
    """Change the weights of a folder that stands, as tuning does.

    Raises:
        BundleError: When there is no such folder, or it cannot be written.
    """
    partial = folder.with_name(f".{folder.name}.{ATTRIBUTES}.partial")
    try:
        _write_weights(partial, weights)
        partial.replace(folder / ATTRIBUTES)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise BundleError(
            f"{folder}: weights cannot be written ({error})",
            hint="save the whole folder with `save_language_model`",
        ) from error


def load_language_model(folder: Path, *, encoding: str = "utf-8") -> LanguageModelFolder:
    """Read the folder, whoever wrote it.

    Args:
        folder: `language_model` beside an `alphabet.json`.
        encoding: Of the list of words.

    Raises:
        BundleError: Naming what is missing, broken or there twice.
        LanguageModelError: When the model cannot be read.
    """
    path = find_model(folder)
    weights = _read_weights(folder / ATTRIBUTES)
    lines = _read(folder / WORDS, encoding=encoding).splitlines()
    words = [word for word in lines if word and word not in SPECIAL]
    return LanguageModelFolder(load_model(path), words, weights, path)


def find_model(folder: Path) -> Path:
    """Find the one model of a folder.

    Raises:
        BundleError: When there is none, or more than one.
    """
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    models = [path for path in found if path.suffix in SUFFIXES and path.name[0] not in "._"]
    if len(models) != 1:
        names = ", ".join(f"`{path.name}`" for path in models or found) or "nothing"
        raise BundleError(
            f"{folder}: has {names}, expected one language model ({', '.join(SUFFIXES)})",
            hint="put the model there that the weights were tuned for, and no other",
        )
    return models[0]


def _list_words(words: Collection[str]) -> str:
    ordered = sorted(set(words))
    for word in ordered:
        if word.splitlines() != [word]:
            raise LanguageModelError(
                f"the word {word!r} cannot stand on a line of its own",
                hint="leave out empty words, and words with a line break",
            )
    return "".join(f"{word}\n" for word in ordered)


def _copy_model(source: Path, folder: Path) -> str:
    if not source.is_file():
        raise LanguageModelError(
            f"{source}: no such file", hint="give an ARPA file or a KenLM binary"
        )
    is_binary = is_kenlm_binary(source)
    name = source.name.removesuffix(".gz").removesuffix(".xz").lstrip("._") or "lm"
    if Path(name).suffix not in SUFFIXES:
        name = f"{Path(name).stem}{'.bin' if is_binary else '.arpa'}"
    if is_binary:
        shutil.copyfile(source, folder / name)
    else:
        np.asarray(load_text(source)).tofile(folder / name)
    return name


def _write_weights(path: Path, weights: LanguageModelWeights) -> None:
    for name in ("alpha", "beta", "unknown_offset"):
        if not math.isfinite(getattr(weights, name)):
            raise LanguageModelError(
                f"`{name}` is {getattr(weights, name)}", hint="expected a finite number"
            )
    content = {
        "alpha": float(weights.alpha),
        "beta": float(weights.beta),
        "unk_score_offset": float(weights.unknown_offset),
        "score_boundary": bool(weights.scores_ends),
    }
    path.write_text(json.dumps(content), encoding="utf-8")


def _read_weights(path: Path) -> LanguageModelWeights:
    try:
        content: Any = json.loads(_read(path))
    except json.JSONDecodeError as error:
        raise BundleError(f"{path}:{error.lineno}: no JSON ({error.msg})", hint=_HINT) from error
    names = {"alpha", "beta", "unk_score_offset", "score_boundary"}
    if not isinstance(content, dict) or set(content) != names:
        raise BundleError(
            f"{path}: holds {json.dumps(content)[:200]}, expected {', '.join(sorted(names))}",
            hint=_HINT,
        )
    for name, value in content.items():
        wanted = bool if name == "score_boundary" else (int, float)
        if not isinstance(value, wanted) or isinstance(value, bool) != (wanted is bool):
            raise BundleError(
                f"{path}: `{name}` is {json.dumps(value)}, expected "
                f"{'true or false' if wanted is bool else 'a number'}",
                hint=_HINT,
            )
    return LanguageModelWeights(
        alpha=float(content["alpha"]),
        beta=float(content["beta"]),
        unknown_offset=float(content["unk_score_offset"]),
        scores_ends=content["score_boundary"],
    )


_HINT = "save the folder again with `save_language_model`, or restore it from where it came"


def _read(path: Path, *, encoding: str = "utf-8") -> str:
    try:
        return path.read_text(encoding=encoding)
    except (OSError, UnicodeDecodeError) as error:
        raise BundleError(f"{path}: cannot be read ({error})", hint=_HINT) from error
