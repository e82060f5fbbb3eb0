"""Named recipes that make texts comparable: the same for training, language model and scoring.

A normalizer is a list of steps from the catalogue in `text.steps`, kept with the model as
`normalizer.json` and identified by its hash. Two texts are compared only after the same
normalizer, so it must be idempotent: normalising what is normalised changes nothing.

Single steps undo each other: dropping a joiner lets an accent compose, composing makes a new
key of a replacement map. The normalizer is therefore the fixed point of its steps: they are
applied again until nothing changes. That this ends is checked when a recipe is made. Fold
every character to its decomposed small form. What a step then rewrites takes characters away
(consumed) and brings others (produced). If no chain of "c was consumed to produce d" comes back
to where it began, every rewriting makes the multiset of characters smaller (Dershowitz & Manna
1979, multiset ordering), which cannot go on for ever; what is left, case and composition, each
have one normal form that the other keeps.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from anylect.config import build_config, to_mapping
from anylect.errors import BundleError, ConfigError
from anylect.text.recipes import VERSION, canonical_tag, default_steps
from anylect.text.steps import CATALOGUE, Lowercase, Remembered, Replace, Step, Unicode


@dataclass(frozen=True)
class Normalizer:
    """A recipe for text; call it. `language` is a BCP 47 tag, `und` when unknown.

    Example:
        >>> default_normalizer("tr")("“Işık”, DİYARBAKIR’dan!")
        "ışık diyarbakır'dan"
    """

    name: str
    language: str
    steps: tuple[Step, ...]

    def __post_init__(self) -> None:
        _check_order(self)
        _check_ends(self)

    def __call__(self, text: str) -> str:
        # Termination is proved above; the bound turns a hole in that proof into an error.
        for _ in range(len(text) + 64):
            once = self._once(text)
            if once == text:
                return text
            text = once
        raise ConfigError(
            f"normalizer `{self.name}` does not come to rest on {text[:60]!r}",
            hint="its steps undo each other; simplify its `replace` maps",
        )

    def __hash__(self) -> int:
        return int(self.hash, 16)  # the maps among the options have no hash of their own

    @cached_property
    def hash(self) -> str:
        """Twelve hexadecimal digits of the SHA-256 of the canonical JSON."""
        canonical = json.dumps(
            _plain(self), ensure_ascii=False, sort_keys=True, separators=(",", ":")
        )
        return hashlib.sha256(canonical.encode("utf-8")).hexdigest()[:12]

    def _once(self, text: str) -> str:
        concerned = self._concerned
        bits = 0
        for character in set(text):
            bits |= concerned[character]
        for bit, step in self._numbered:
            if bits & bit:
                text = step(text)
        return text

    @cached_property
    def _numbered(self) -> tuple[tuple[int, Step], ...]:
        return tuple((1 << index, step) for index, step in enumerate(self.steps))

    @cached_property
    def _concerned(self) -> Remembered[int]:
        # One bit per step, so that most steps need not look at most texts.
        return Remembered(self._bits)

    def _bits(self, character: str) -> int:
        return sum(bit for bit, step in self._numbered if step.concerns(character))


def default_normalizer(language: str | None = None) -> Normalizer:
    """Return the recipe we ship for a language, given by BCP 47 tag; region is ignored.

    Small letters, apostrophes kept within words, other punctuation and symbols turned into
    spaces; digits, combining marks and joiners that spell words stay. What single languages
    need besides is in `text.recipes`.

    Raises:
        ConfigError: When the tag is not one.

    Example:
        >>> default_normalizer("de-AT").name, default_normalizer("sr-Latn-RS").name
        ('de-1', 'sr-Latn-1')
    """
    tag = canonical_tag(language) if language else "und"
    return Normalizer(f"{tag}-{VERSION}", tag, default_steps(tag))


def save_normalizer(normalizer: Normalizer, path: Path) -> None:
    """Write `normalizer.json`: every step with every option, and the hash."""
    value = {**_plain(normalizer), "hash": normalizer.hash}
    path.write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def load_normalizer(path: Path) -> Normalizer:
    """Read a `normalizer.json`; one written by hand may leave out the hash and default options.

    Raises:
        BundleError: When the file is missing, no JSON, or does not match its hash.
        ConfigError: When it has an unknown step or option, or a map that goes round in circles.
    """
    value = _read(path)
    given_hash = value.pop("hash", None)
    fields = build_config(_File, value, place=str(path))
    steps = tuple(
        _build_step(step, place=f"{path}: `steps[{index}]`")
        for index, step in enumerate(fields.steps)
    )
    try:
        normalizer = Normalizer(fields.name, fields.language, steps)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error.message}", hint=error.hint) from error
    if given_hash is not None and given_hash != normalizer.hash:
        raise BundleError(
            f"{path}: its hash is `{given_hash}`, its steps have `{normalizer.hash}`",
            hint="the recipe was edited after it was saved; restore it, or, if the edit is meant, "
            "give it a new `name`, remove `hash` and train again",
        )
    return normalizer


@dataclass(frozen=True, kw_only=True)
class _File:
    """What stands in `normalizer.json` besides the hash."""

    name: str
    language: str
    steps: tuple[dict[str, Any], ...]


def _read(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BundleError(
            f"{path}: cannot be read ({error.strerror})",
            hint="a bundle holds `normalizer.json`; without it texts cannot be compared",
        ) from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise BundleError(f"{path}: not JSON: {error}", hint="restore the file") from error
    if not isinstance(value, dict):
        raise BundleError(f"{path}: holds no object", hint="restore the file")
    return value


def _build_step(value: Mapping[str, Any], *, place: str) -> Step:
    options = dict(value)
    name = options.pop("step", None)
    kind = CATALOGUE.get(name) if isinstance(name, str) else None
    if kind is None:
        near = get_close_matches(str(name), CATALOGUE, n=1, cutoff=0.5)
        known = ", ".join(f"`{step}`" for step in CATALOGUE)
        raise ConfigError(
            f"{place}: unknown step `{name}`",
            hint=f"did you mean `{near[0]}`?" if near else f"known steps: {known}",
        )
    return build_config(kind, options, place=place)


def _plain(normalizer: Normalizer) -> dict[str, Any]:
    names = {kind: name for name, kind in CATALOGUE.items()}
    return {
        "name": normalizer.name,
        "language": normalizer.language,
        "steps": [{"step": names[type(step)], **to_mapping(step)} for step in normalizer.steps],
    }


def _check_order(normalizer: Normalizer) -> None:
    """Refuse a late Unicode form, and keys that an earlier step leaves nothing to match."""
    before: list[Step] = []
    if any(isinstance(step, Unicode) for step in normalizer.steps[1:]):
        raise ConfigError(
            f"normalizer `{normalizer.name}` has a `unicode` step that is not its first step",
            hint="move it to the front, and have only one; the others rely on its form",
        )
    for step in normalizer.steps:
        if isinstance(step, Replace):
            for key in step.map:
                seen = key
                for earlier in before:
                    seen = earlier(seen)
                if not key:
                    raise ConfigError(
                        f"`replace` of normalizer `{normalizer.name}` maps the empty text",
                        hint="remove this entry",
                    )
                if seen != key:
                    raise ConfigError(
                        f"`replace` of normalizer `{normalizer.name}` maps {_show(key)}, which "
                        f"earlier steps turn into {_show(seen)}",
                        hint=f"map {_show(seen)}, or move the `replace` step up",
                    )
        elif isinstance(step, (Unicode, Lowercase)):
            before.append(step)


def _check_ends(normalizer: Normalizer) -> None:
    """Refuse a recipe whose rewritings could go on for ever; see the module's text."""
    produces: dict[str, set[str]] = {}
    for before, after in _rewritings(normalizer):
        consumed, produced = Counter(before), Counter(after)
        if before and not consumed - produced:
            raise ConfigError(
                f"normalizer `{normalizer.name}` replaces {_show(before)} by "
                f"{_show(after)}, which holds all that it replaces",
                hint="the result would be replaced again; map to a text without these "
                "characters (a letter counts as its small form and its accents)",
            )
        for character in consumed - produced:
            produces.setdefault(character, set()).update(produced - consumed)
    try:
        TopologicalSorter(produces).prepare()
    except CycleError as error:
        circle = " → ".join(repr(character) for character in error.args[1])
        raise ConfigError(
            f"the steps of normalizer `{normalizer.name}` go round in circles: {circle}",
            hint="remove one of these replacements",
        ) from error


def _rewritings(normalizer: Normalizer) -> Iterator[tuple[str, str]]:
    """List what the steps may turn into what, in folded characters."""

    def fold(text: str) -> str:
        while (folded := _fold_once(normalizer, text)) != text:
            text = folded
        return text

    options = json.dumps(_plain(normalizer), ensure_ascii=False)
    form = [step for step in normalizer.steps if isinstance(step, Unicode)]
    written = {c for c in options if all(step(c) == c for step in form)}
    characters = "".join(sorted(written | set(fold(options))))
    for step in normalizer.steps:
        for before, after in step.rewrites(characters):
            folded = fold(before), fold(after)
            # What folds to the same is a matter of case or composition, and no rewriting.
            if folded[0] != folded[1] or isinstance(step, Replace):
                yield folded


def _show(text: str) -> str:
    return repr(text) if text.isascii() else f"{text!r} ({ascii(text)[1:-1]})"


def _fold_once(normalizer: Normalizer, text: str) -> str:
    for step in normalizer.steps:
        text = step.fold(text)
    return text
