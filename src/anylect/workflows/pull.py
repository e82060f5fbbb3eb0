"""A bundle from the Hub."""

from dataclasses import dataclass
from pathlib import Path

from anylect.hub import transfer
from anylect.hub.bundle import check_bundle


@dataclass(frozen=True, kw_only=True)
class PullConfig:
    """What to download, and where to."""

    repository: str
    """`someone/something`."""
    output: Path | None = None
    """A folder; by default the cache of the Hub's own library."""
    revision: str | None = None
    """Branch, tag or commit; the newest by default."""


def pull(config: PullConfig) -> Path:
    """Download a bundle, check that it is one, and return its folder.

    Raises:
        HubError: When it cannot be had.
        BundleError: When it is no bundle of ours.
    """
    folder = transfer.pull(config.repository, revision=config.revision, to=config.output)
    check_bundle(folder)
    return folder
