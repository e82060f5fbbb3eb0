"""A bundle to the Hub: card, evidence, language model, and a look whether it arrived."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from anylect.errors import HubError
from anylect.hub.bundle import check_bundle, load_bundle
from anylect.hub.card import README, build_card
from anylect.hub.card_lint import Finding, lint_card
from anylect.hub.eval_script import write_eval_script
from anylect.hub.transfer import Entry, compare_folders, list_entries, pull, push_bundle


@dataclass(frozen=True, kw_only=True)
class PushConfig:
    """What to upload, where to, and what to check."""

    bundle: Path
    """With its evidence; the card is written anew from it."""
    repository: str
    """`someone/something`; made if it is not there."""
    private: bool = False
    """Whether a new repository is seen by its owners only."""
    dry_run: bool = False
    """Only say what would be uploaded."""
    tag: str | None = None
    """Name for this state, such as `v1`."""
    message: str = "A bundle of anylect"
    """Of the commit."""
    card: bool = True
    """Write the card anew first."""
    check: bool = True
    """Pull the repository afterwards, compare it file by file and load it."""


@dataclass(frozen=True, kw_only=True)
class PushReport:
    """What was, or would be, uploaded."""

    repository: str
    entries: tuple[Entry, ...]
    findings: tuple[Finding, ...]
    """What the card lacks."""
    url: str | None = None
    """Of the commit; None after a dry run."""
    is_checked: bool = False

    def lines(self) -> list[str]:
        """Say it in words."""
        total = sum(entry.size for entry in self.entries)
        lines = [*map(str, self.entries), f"{total:>15,}  bytes in {len(self.entries)} files"]
        if self.url is None:
            return [*lines, f"nothing was uploaded to {self.repository}: a dry run"]
        lines.append(f"pushed: {self.url}")
        if self.is_checked:
            lines.append("checked: the repository holds the same files, and loads")
        return lines


def push(config: PushConfig) -> PushReport:
    """Upload a bundle and check that it arrived.

    Raises:
        BundleError: When the bundle lacks a file or holds a pickle.
        HubError: When it cannot be uploaded, or does not arrive as it was.
    """
    check_bundle(config.bundle)
    if config.card and not config.dry_run:
        build_card(config.bundle)
        write_eval_script(config.bundle)
    entries = tuple(list_entries(config.bundle))
    card = config.bundle / README
    findings = tuple(lint_card(card.read_text(encoding="utf-8"))) if card.is_file() else ()
    if config.dry_run:
        return PushReport(repository=config.repository, entries=entries, findings=findings)
    pushed = push_bundle(
        config.bundle,
        config.repository,
        private=config.private,
        message=config.message,
        tag=config.tag,
    )
    if config.check:
        _check(config)
    return PushReport(
        repository=config.repository,
        entries=pushed.entries,
        findings=findings,
        url=pushed.url,
        is_checked=config.check,
    )


def _check(config: PushConfig) -> None:
    """Pull what was pushed into an empty folder, compare and load it."""
    with tempfile.TemporaryDirectory(prefix="anylect-") as place:
        there = pull(config.repository, revision=config.tag, to=Path(place))
        flaws = compare_folders(config.bundle, there, list_entries(config.bundle))
        if flaws:
            raise HubError(
                f"{config.repository}: did not arrive whole: {'; '.join(flaws[:5])}",
                hint="push again: what arrived is not sent twice",
            )
        load_bundle(there, device="cpu")
