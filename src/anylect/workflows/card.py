"""Model cards: written from evidence, and looked at."""

from dataclasses import dataclass, field
from pathlib import Path

from anylect.errors import BundleError
from anylect.hub.card import README, build_card
from anylect.hub.card_facts import CardOptions
from anylect.hub.card_lint import Finding, lint_card, lint_results


@dataclass(frozen=True, kw_only=True)
class CardConfig:
    """Which bundle's card to write."""

    bundle: Path
    """With its evidence."""
    card: CardOptions | None = field(default=None)
    """What no measurement can say; by default what was given last time."""


@dataclass(frozen=True)
class WrittenCard:
    """What was written, and what is still wrong with it."""

    files: tuple[Path, ...]
    findings: tuple[Finding, ...]


def write_card(config: CardConfig) -> WrittenCard:
    """Write a bundle's card from its evidence, and look at it.

    Raises:
        BundleError: When there is no bundle, or it cannot be written to.
    """
    if not (config.bundle / "normalizer.json").is_file():
        raise BundleError(
            f"{config.bundle}: no bundle", hint="give the `bundle` folder of a training run"
        )
    files = build_card(config.bundle, config.card)
    return WrittenCard(tuple(files), tuple(lint(config.bundle / README)))


def lint(path: Path) -> list[Finding]:
    """Look at a card, or at an `…_eval_results.txt`; of a folder, at both.

    Raises:
        BundleError: When it cannot be read.
    """
    if path.is_dir():
        results = sorted(path.glob("*_eval_results.txt"))
        return [finding for each in (path / README, *results) for finding in lint(each)]
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BundleError(
            f"{path}: cannot be read ({error})", hint="give a `README.md`, or the folder it is in"
        ) from error
    if path.suffix == ".txt":
        return lint_results(text, place=path.name)
    return lint_card(text, place=path.name)
