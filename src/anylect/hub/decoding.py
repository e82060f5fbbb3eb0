"""`decoding.json`: how a bundle turns emissions into text, and how that was found out.

```
decoder                 auto: beam search where there is a language model; greedy; beam
beam                    the options of the search; those that pyctcdecode knows stand in
                        `language_model/attrs.json` too
language_model          which model these were tuned for: file, counts, SHA-256, normalizer
normalizer              name and hash of the bundle's own
tuning                  on which set, every value tried, what it gained
longest_heard_seconds   the longest the model was trained on, which decides its windows
```
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast, get_args

from anylect.config import build_config, to_mapping
from anylect.decoding.beam_options import BeamOptions
from anylect.decoding.language_model_folder import LanguageModelWeights
from anylect.errors import AnylectError, BundleError

FILE = "decoding.json"
LONGEST_HEARD = "longest_heard_seconds"
"""Field of the file: the longest the model was trained on, which decides its windows."""
Kind = Literal["auto", "greedy", "beam"]


@dataclass(frozen=True, kw_only=True)
class Decoding:
    """What `decoding.json` says."""

    decoder: Kind = "auto"
    """`auto` is beam search where there is a language model, else greedy."""
    beam: BeamOptions | None = None
    """None where nobody has chosen any."""
    language_model: Mapping[str, Any] | None = None
    """Which model the options are for."""
    normalizer: Mapping[str, str] | None = None
    """Name and hash of the bundle's own."""
    tuning: Mapping[str, Any] | None = None
    """Where the options come from, for people to read."""
    longest_heard: float | None = None
    """Seconds of the longest the model was trained on."""
    more: Mapping[str, Any] = field(default_factory=dict)
    """Fields that a later version wrote; kept."""

    def weights(self) -> LanguageModelWeights:
        """Return what of the options stands beside the language model."""
        beam = self.beam or BeamOptions()
        return LanguageModelWeights(
            alpha=beam.alpha,
            beta=beam.beta,
            unknown_offset=beam.unknown_offset,
            scores_ends=beam.scores_ends,
        )


def load_decoding(folder: Path) -> Decoding:
    """Read a bundle's `decoding.json`; bundles without it decode as they can.

    Raises:
        BundleError: When it is broken, or a value in it cannot be used.
    """
    path = folder / FILE
    if not path.is_file():
        return Decoding()
    values = _read(path)
    longest = values.pop(LONGEST_HEARD, None)
    try:
        seconds = None if longest is None else float(longest)
    except (ValueError, TypeError) as error:
        raise BundleError(f"{path}: cannot be read ({error})", hint=_HINT) from error
    if seconds is not None and not 0 < seconds < math.inf:
        raise BundleError(
            f"{path}: `{LONGEST_HEARD}` is {longest}", hint="expected seconds, more than 0"
        )
    kind = values.pop("decoder", "auto")
    if kind not in get_args(Kind):
        raise BundleError(
            f"{path}: `decoder` is {json.dumps(kind)}", hint="expected auto, greedy or beam"
        )
    return Decoding(
        decoder=cast(Kind, kind),
        beam=_read_options(path, values.pop("beam", None)),
        language_model=_take_table(path, values, "language_model"),
        normalizer=_take_table(path, values, "normalizer"),
        tuning=_take_table(path, values, "tuning"),
        longest_heard=seconds,
        more=values,
    )


def save_decoding(folder: Path, decoding: Decoding) -> None:
    """Write `decoding.json`, beside and renamed.

    Raises:
        BundleError: When it cannot be written; what was there is left.
    """
    content: dict[str, Any] = {"decoder": decoding.decoder}
    if decoding.longest_heard is not None:
        content[LONGEST_HEARD] = round(decoding.longest_heard, 2)
    if decoding.beam is not None:
        content["beam"] = to_mapping(decoding.beam)
    for name in ("language_model", "normalizer", "tuning"):
        if getattr(decoding, name) is not None:
            content[name] = dict(getattr(decoding, name))
    partial = folder / f".{FILE}.partial"
    try:
        text = json.dumps(content | dict(decoding.more), ensure_ascii=False, indent=2)
        partial.write_text(f"{text}\n", encoding="utf-8")
        partial.replace(folder / FILE)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise BundleError(
            f"{folder / FILE}: cannot be written ({error.strerror})",
            hint="make room on that disk, or work on a copy of the bundle that may be changed",
        ) from error


def _read(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BundleError(f"{path}: cannot be read ({error})", hint=_HINT) from error
    if not isinstance(values, dict):
        raise BundleError(f"{path}: cannot be read (it holds no object)", hint=_HINT)
    return values


def _read_options(path: Path, values: Any) -> BeamOptions | None:  # noqa: ANN401
    if values is None:
        return None
    if not isinstance(values, dict):
        raise BundleError(f"{path}: `beam` is {json.dumps(values)[:80]}", hint="expected a table")
    try:
        return build_config(BeamOptions, values)
    except AnylectError as error:
        raise BundleError(f"{path}: `beam`: {error.message}", hint=error.hint) from error


def _take_table(path: Path, values: dict[str, Any], name: str) -> dict[str, Any] | None:
    value = values.pop(name, None)
    if value is not None and not isinstance(value, dict):
        raise BundleError(f"{path}: `{name}` is {json.dumps(value)[:80]}", hint="expected a table")
    return value


_HINT = "copy the whole bundle folder, or save it again with `anylect train --resume`"
