"""Pushing a run to the Hub while it goes on, so that a lost machine loses little.

After each checkpoint the bundle of that moment is uploaded in the background; while an upload is
under way later checkpoints wait for their turn to pass. What goes wrong on the way is told and
does not stop the training; only the last push must succeed.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from anylect.errors import HubError

LAST = "last-checkpoint"
"""Folder in the repository of the newest checkpoint, as the reference script calls it."""


@dataclass(frozen=True, kw_only=True)
class PushOptions:
    """Where a run is pushed to, what of it, and when."""

    repository: str | None = None
    """Name on the Hub, `someone/something`, made if it is not there; None pushes nothing."""
    when: Literal["save", "end"] = "save"
    """`save` pushes the bundle after each checkpoint and at the end; `end` once."""
    checkpoints: Literal["none", "last", "all"] = "none"
    """Which checkpoints to push besides, to resume from on another machine."""
    private: bool = True
    """Whether a new repository is seen by its owners only."""


class Pusher:
    """Listens to a journal and pushes after checkpoints."""

    def __init__(self, options: PushOptions, run: Path, save: Callable[[Path], Path]) -> None:
        """Make the repository, so that missing rights are known before hours of training.

        Args:
            options: With a repository.
            run: The run folder.
            save: Writes a bundle of the present weights into a folder.

        Raises:
            HubError: When the repository cannot be made or reached.
        """
        self.options, self.run, self.save = options, run, save
        self.repository = str(options.repository)
        self.failures: list[str] = []
        """What went wrong on the way, oldest first."""
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="push")
        self._upload: Future[None] | None = None
        create_repository(self.repository, private=options.private)

    def __call__(self, event: dict[str, Any]) -> None:
        """Push what stands after a checkpoint, unless an upload is under way."""
        if event["event"] != "checkpoint" or self.options.when != "save":
            return
        if self._upload is not None and not self._upload.done():
            return
        self._settle()
        bundle = self.save(self.run / ".pushed")
        message = f"update {event['update']:,}"
        checkpoint = self.run / "checkpoints" / event["path"]
        self._upload = self._worker.submit(self._push, bundle, checkpoint, message)

    def finish(self, bundle: Path) -> None:
        """Push the finished bundle.

        Raises:
            HubError: When that fails.
        """
        self._settle()
        self._worker.shutdown()
        push_folder(bundle, self.repository, message="the finished bundle")

    def _push(self, bundle: Path, checkpoint: Path, message: str) -> None:
        push_folder(bundle, self.repository, message=message)
        if self.options.checkpoints == "last":
            push_folder(checkpoint, self.repository, message=message, into=LAST)
        elif self.options.checkpoints == "all":
            into = f"checkpoints/{checkpoint.name}"
            push_folder(checkpoint, self.repository, message=message, into=into)

    def _settle(self) -> None:
        if self._upload is None:
            return
        error = self._upload.exception()
        if isinstance(error, HubError):
            self.failures.append(error.message)
        elif error is not None:
            raise error
        self._upload = None


def create_repository(repository: str, *, private: bool) -> None:
    """Make a model repository unless it is there.

    Raises:
        HubError: When it cannot be made or reached.
    """
    from huggingface_hub import HfApi

    try:
        HfApi().create_repo(repository, private=private, exist_ok=True)
    except foreign() as error:
        raise explain(repository, error) from error


def push_folder(folder: Path, repository: str, *, message: str, into: str | None = None) -> None:
    """Upload a folder's files in one commit.

    Args:
        folder: What to upload.
        repository: A model repository that exists.
        message: Of the commit.
        into: A folder in the repository, whose other files go; by default its top, whose others
            stay.

    Raises:
        HubError: When the upload fails.
    """
    from huggingface_hub import HfApi

    try:
        HfApi().upload_folder(
            repo_id=repository,
            folder_path=folder,
            path_in_repo=into,
            commit_message=message,
            delete_patterns="*" if into else None,
        )
    except foreign() as error:
        raise explain(repository, error) from error


def foreign() -> tuple[type[Exception], ...]:
    """Return what the library raises for a name, a right, or a network that is not there."""
    from huggingface_hub import errors

    http: type[Exception] = getattr(errors, "HTTPError", OSError)
    return (OSError, ValueError, RuntimeError, http)


def explain(repository: str, error: Exception) -> HubError:
    """Say why a repository cannot be pushed to."""
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return HubError(
        f"{repository}: cannot be pushed to ({reason})",
        hint="check the name and the network; `hf auth login` or HF_TOKEN gives the right to "
        "write; the run itself is whole on this machine",
    )
