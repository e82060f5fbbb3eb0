"""The facts behind a card, gathered from a bundle: nothing on a card is typed by hand."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anylect.config import build_config, to_mapping
from anylect.errors import BundleError

OPTIONS = "card.json"
"""In `evidence`: what `CardOptions` were, so that a card written anew stays as it was."""


@dataclass(frozen=True, kw_only=True)
class CardOptions:
    """What of a card no measurement can say."""

    license: str | None = None
    """Of the weights, as the Hub names licences: `apache-2.0`, `cc0-1.0`."""
    name: str | None = None
    """Of the model; by default that of its folder or run."""
    datasets: tuple[str, ...] = ()
    """Names on the Hub of what it was trained on, where the manifest does not say them."""
    tags: tuple[str, ...] = ()
    """More of them."""


@dataclass(frozen=True)
class Scored:
    """One evaluation in the evidence, as its JSON says."""

    name: str
    facts: Mapping[str, Any]

    @property
    def dataset(self) -> Mapping[str, Any]:
        """Id, config, split and revision; of a manifest, its name."""
        found: Mapping[str, Any] | None = self.facts.get("dataset")
        split = self.facts.get("split")
        name = self.name.removesuffix(f".{split}") if split else self.name
        return found or {"id": name, "config": None, "split": split, "kind": "manifest"}

    @property
    def has_lm(self) -> bool:
        """Whether a language model helped."""
        return re.search(r"\blm\b", str(self.facts.get("decoding", ""))) is not None

    def percent(self, rate: str) -> float | None:
        """Return `wer` or `cer` in percent."""
        value = (self.facts.get(rate) or {}).get("rate")
        return None if value is None else round(100 * value, 2)


@dataclass(frozen=True)
class Facts:
    """All that a card says."""

    folder: Path
    language: str
    normalizer: str
    options: CardOptions
    training: Mapping[str, Any] = field(default_factory=dict)
    scored: tuple[Scored, ...] = ()
    decoding: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What the model is called."""
        folder = self.folder.resolve()
        generic = folder.name in ("bundle", ".bundle.partial", ".pushed")
        return self.options.name or (folder.parent.name if generic else folder.name)

    @property
    def config(self) -> Mapping[str, Any]:
        """The training's settings."""
        return dict(self.training.get("config") or {})

    @property
    def checkpoint(self) -> str | None:
        """The pretrained model on the Hub it was fine-tuned from."""
        name = (self.config.get("model") or {}).get("checkpoint")
        is_hub = isinstance(name, str) and re.fullmatch(r"[\w.-]+/[\w.-]+", name)
        return name if is_hub else None

    @property
    def splits(self) -> Mapping[str, Any]:
        """The data statement, by split."""
        return (self.training.get("data") or {}).get("splits") or {}

    @property
    def leaks(self) -> list[Mapping[str, Any]] | None:
        """What stands on two sides; None if nobody looked."""
        data = self.training.get("data")
        return None if data is None else list(data.get("leaks") or [])

    @property
    def corpora(self) -> list[str]:
        """What was learnt from, by the names the manifest has for it."""
        learnt = (self.config.get("data") or {}).get("train") or ["train"]
        named = [name for split in learnt for name in self.splits.get(split, {}).get("corpus", {})]
        return list(dict.fromkeys(name for name in named if name != "others"))


def gather(folder: Path, options: CardOptions | None = None) -> Facts:
    """Read a bundle's facts.

    Args:
        folder: The bundle.
        options: New ones; by default those the bundle was last given.

    Raises:
        BundleError: When a file is broken.
    """
    evidence = folder / "evidence"
    normalizer = read_json(folder / "normalizer.json")
    return Facts(
        folder=folder,
        language=str(normalizer.get("language") or "und"),
        normalizer=str(normalizer.get("name", "unknown")),
        options=options or _read_options(evidence / OPTIONS),
        training=read_json(evidence / "training.json"),
        scored=tuple(read_scored(evidence)),
        decoding=read_json(folder / "decoding.json"),
    )


def read_scored(evidence: Path) -> list[Scored]:
    """Read every evaluation that stands in a folder of evidence, by name."""
    found = [Scored(path.stem, read_json(path)) for path in sorted(evidence.glob("*.json"))]
    return [each for each in found if isinstance(each.facts.get("wer"), dict)]


def keep_options(folder: Path, options: CardOptions) -> None:
    """Keep what a card was given, for the next time."""
    path = folder / "evidence" / OPTIONS
    try:
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(to_mapping(options), indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise BundleError(
            f"{path}: cannot be written ({error.strerror})", hint="work on a copy of the bundle"
        ) from error


def read_json(path: Path) -> dict[str, Any]:
    """Read an object, empty where there is no file.

    Raises:
        BundleError: When it is broken.
    """
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BundleError(
            f"{path}: cannot be read ({error})", hint="copy the whole bundle folder"
        ) from error
    return content if isinstance(content, dict) else {}


def _read_options(path: Path) -> CardOptions:
    return build_config(CardOptions, read_json(path), place=str(path))
