"""What a language model file was built from: a small JSON beside it, `lm.bin.json`.

The formats of language models have no room for it, but a recogniser must know: a model built with
another normalizer spells words that are never heard, and one that has read the dev or test
sentences makes every number worthless.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from anylect.config import build_config
from anylect.errors import AnylectError, LanguageModelError


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What `anylect lm build` knew; `bytes` is the size of the model, so that another is told."""

    bytes: int
    unit: str = "word"
    """`word` or `character`."""
    sentences: int = 0
    normalizer: str | None = None
    normalizer_hash: str | None = None
    text: tuple[str, ...] = ()
    """The texts and manifests that were read; standard input is `-`."""
    exclude: tuple[str, ...] = ()
    """The texts and manifests whose sentences were left out."""
    split: str | None = None
    """Of manifests; None for `train` and what has none."""

    def facts(self) -> dict[str, Any]:
        """Return what may be published: no path of anybody's machine."""
        return {
            "unit": self.unit,
            "sentences": self.sentences,
            "normalizer": self.normalizer,
            "normalizer_hash": self.normalizer_hash,
        }


def origin_path(model: Path) -> Path:
    """Return where the origin of a model stands."""
    return model.with_name(f"{model.name}.json")


def save_origin(model: Path, origin: Origin) -> None:
    """Write it beside the model."""
    content = {name: value for name, value in asdict(origin).items() if value is not None}
    text = json.dumps(content, ensure_ascii=False, indent=2) + "\n"
    # Names that are not UTF-8 are kept as `\\udcff`, which JSON reads back.
    origin_path(model).write_text(text, encoding="utf-8", errors="backslashreplace")


def load_origin(model: Path) -> Origin | None:
    """Read what a model was built from; None where nothing is known of it.

    Raises:
        LanguageModelError: When the file beside the model is broken.
    """
    path = origin_path(model)
    if not path.is_file():
        return None
    try:
        origin = build_config(Origin, json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, AttributeError, AnylectError) as error:
        reason = error.message if isinstance(error, AnylectError) else error
        raise LanguageModelError(
            f"{path}: cannot be read ({reason})",
            hint="it says what the model was built from; restore it, or remove it",
        ) from error
    # What was built anew by another tool has left the old one behind.
    return origin if origin.bytes == model.stat().st_size else None
