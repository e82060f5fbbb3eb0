"""Bundles to the Hub and back.

Uploads resume by themselves: what the Hub has already of a file is not sent again. After a push
the repository is pulled into an empty folder and compared file by file.
"""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from anylect.errors import BundleError, HubError
from anylect.hub.push import create_repository, explain, foreign

KEPT_HIDDEN = (".eval_results", ".gitattributes")
"""Names with a dot that belong to a repository."""

PICKLES = (".pkl", ".pickle", ".pt", ".pth", ".ckpt")


@dataclass(frozen=True, slots=True)
class Entry:
    """A file to be pushed."""

    name: str
    size: int

    def __str__(self) -> str:
        return f"{self.size:>15,}  {self.name}"


@dataclass(frozen=True)
class Pushed:
    """What became of a push."""

    repository: str
    url: str
    entries: tuple[Entry, ...]


def list_entries(folder: Path) -> list[Entry]:
    """List what a push of a folder uploads, in order.

    Raises:
        BundleError: When a pickle lies there: we ship none.
    """
    entries = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        hidden = any(part.startswith(".") and part not in KEPT_HIDDEN for part in name.parts)
        if not path.is_file() or hidden or "__pycache__" in name.parts:
            continue
        if path.suffix in PICKLES or path.name == "pytorch_model.bin":
            raise BundleError(
                f"{path}: a file that may run code when it is opened",
                hint="a bundle ships safetensors and JSON; move it elsewhere",
            )
        entries.append(Entry(name.as_posix(), path.stat().st_size))
    return entries


def push_bundle(
    folder: Path, repository: str, *, private: bool, message: str, tag: str | None = None
) -> Pushed:
    """Upload a folder as one commit, and tag it if asked.

    Args:
        folder: What to upload.
        repository: `someone/something`; made if it is not there.
        private: Whether a new repository is seen by its owners only.
        message: Of the commit.
        tag: Name for this state, such as `v1`.

    Raises:
        HubError: When the repository cannot be made, or the upload fails.
    """
    from huggingface_hub import HfApi

    entries = list_entries(folder)
    create_repository(repository, private=private)
    try:
        api = HfApi()
        made = api.upload_folder(
            repo_id=repository,
            folder_path=folder,
            commit_message=message,
            allow_patterns=[_literal(entry.name) for entry in entries],
        )
        if tag is not None:
            api.create_tag(repository, tag=tag, revision=made.oid, exist_ok=True)
    except foreign() as error:
        raise explain(repository, error) from error
    return Pushed(repository, str(made.commit_url), tuple(entries))


def pull(repository: str, *, revision: str | None = None, to: Path | None = None) -> Path:
    """Download a repository, or what of it is not here yet, and return its folder.

    Args:
        repository: `someone/something`.
        revision: Branch, tag or commit; the newest by default.
        to: A folder of one's own; by default the cache that `transformers` uses.

    Raises:
        HubError: When it cannot be had.
    """
    from huggingface_hub import HfApi

    try:
        return Path(HfApi().snapshot_download(repository, revision=revision, local_dir=to))
    except foreign() as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise HubError(
            f"{repository}: no such folder here, and it cannot be pulled ({reason})",
            hint="check the name and the network; `hf auth login` opens private repositories",
        ) from error


def compare_folders(folder: Path, other: Path, entries: Sequence[Entry]) -> list[str]:
    """Return what of a folder's entries is missing or different in another."""
    flaws = []
    for entry in entries:
        there = other / entry.name
        if not there.is_file():
            flaws.append(f"{entry.name} is missing")
        elif _digest(folder / entry.name) != _digest(there):
            flaws.append(f"{entry.name} is different")
    return flaws


def dataset_revision(name: str) -> str | None:
    """Return the newest commit of a data set's repository; None where the Hub is out of reach."""
    from huggingface_hub import HfApi

    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        return None
    try:
        sha: str | None = HfApi().dataset_info(name).sha
    except foreign():
        return None  # `datasets` itself will say what is wrong, or take what is cached
    return sha


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _literal(name: str) -> str:
    """Write a name so that it is no pattern."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)
