"""A submission's folder: which files belong to it, what it is called, a copy to run.

The folder comes from a stranger. Links that lead out of it could make us copy our own files, the
references perhaps, to where the submission may read them; they are refused. Only the cache of the
Hub is laid out so, and its links are followed.
"""

import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from anylect.errors import SubmissionError

_LEFT_OUT = ("__pycache__", "evidence")
"""Folders that are no part of what a submission does."""
RESULTS = "*_eval_results.txt"
PREDICTIONS = "log_*predictions.txt"
TARGETS = "log_*targets.txt"


def iterate_files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield the files of a submission by name, in order, each with where its content is.

    Hidden ones, `evidence`, results and logs of earlier runs are left out.

    Raises:
        SubmissionError: For a link that leads elsewhere, and for what is neither file nor folder.
    """
    home = folder.resolve()
    # A snapshot in the Hub's cache links to `../../blobs`.
    blobs = home.parents[1] / "blobs" if home.parent.name == "snapshots" else home
    for place, folders, names in os.walk(home):
        here = Path(place)
        for name in [each for each in folders if (here / each).is_symlink()]:
            _refuse_elsewhere(here / name, home, blobs)
        folders[:] = sorted(
            each
            for each in folders
            if not each.startswith(".") and each not in _LEFT_OUT and not (here / each).is_symlink()
        )
        for name in sorted(names):
            path = here / name
            if name.startswith(".") or any(
                path.match(pattern) for pattern in (RESULTS, PREDICTIONS, TARGETS)
            ):
                continue
            _refuse_elsewhere(path, home, blobs)
            if not path.is_file():
                raise SubmissionError(
                    f"{path}: neither a file nor a folder", hint="a submission holds plain files"
                )
            yield path.relative_to(home).as_posix(), path


def fingerprint(folder: Path) -> str:
    """Return sixteen hexadecimal digits that stand for all files of a submission.

    Raises:
        SubmissionError: As `iterate_files`.
    """
    digest = hashlib.sha256()
    for name, path in iterate_files(folder):
        with path.open("rb") as stream:
            content = hashlib.file_digest(stream, "sha256").hexdigest()
        digest.update(f"{content}  {name}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:16]


def copy_submission(folder: Path, to: Path) -> None:
    """Copy a submission's files, links as what they lead to.

    Raises:
        SubmissionError: As `iterate_files`.
    """
    to.mkdir(parents=True)
    for name, path in iterate_files(folder):
        target = to / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        target.chmod(path.stat().st_mode & 0o777 | 0o600)


def find_name(folder: Path) -> str:
    """Name a submission by its folder.

    Example:
        >>> find_name(Path("runs/swedish/bundle"))
        'swedish'
    """
    real = folder.resolve()
    if real.parent.name == "snapshots":  # models--someone--something/snapshots/<commit>
        return real.parents[1].name.removeprefix("models--").replace("--", "/")
    return real.parent.name if real.name == "bundle" else real.name


def _refuse_elsewhere(path: Path, home: Path, blobs: Path) -> None:
    if not path.is_symlink():
        return
    real = path.resolve()
    if not (real.is_relative_to(home) or real.is_relative_to(blobs)):
        raise SubmissionError(
            f"{path}: a link that leads out of the submission, to {real}",
            hint="a submission brings all its files itself; copy the file instead",
        )
