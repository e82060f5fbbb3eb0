"""What proves a score: the report, and every utterance with its alignment.

Two files a scored set: `<name>.json` and `<name>.utterances.jsonl`. Utterances are written as they
come, beside their final place, and renamed when the evaluation is whole.

Besides the score's own signature a report holds when it was made, with which versions, and
hashes of what the bundle consisted of: `anylect verify` says which of them differ.
"""

import hashlib
import json
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import TracebackType
from typing import Any

from anylect.errors import BundleError
from anylect.evaluation.scoreboard import ScoredUtterance

PACKAGES = ("anylect", "torch", "transformers", "numpy", "numba", "soxr", "soundfile", "av")
"""Those whose version may move a score."""
PARTS = ("model.safetensors", "config.json", "vocab.json", "normalizer.json", "decoding.json")
"""Files of a bundle that decide what it hears and writes."""


class Evidence:
    """Collects the evidence of one evaluation.

    Args:
        folder: Usually a bundle's `evidence`.
        name: Of the set, e.g. `manifest.test`; what would be a folder in it becomes `-`.
    """

    def __init__(self, folder: Path, name: str) -> None:
        name = name.replace("/", "-")
        self.utterances = folder / f"{name}.utterances.jsonl"
        self.report = folder / f"{name}.json"
        self._partial = folder / f".{name}.partial"

    def __enter__(self) -> "Evidence":
        try:
            self._partial.parent.mkdir(parents=True, exist_ok=True)
            # Names that are not UTF-8 are kept as `\\udcff`, which JSON reads back.
            self._stream = self._partial.open("w", encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            raise self._refusal(error) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: object, trace: TracebackType | None
    ) -> None:
        try:
            self._stream.close()
            if kind is None:
                self._partial.replace(self.utterances)
        except OSError as error:
            if kind is None:
                raise self._refusal(error) from error
        finally:
            self._partial.unlink(missing_ok=True)

    def add(self, scored: ScoredUtterance) -> None:
        """Keep a scored utterance."""
        self._write(scored.to_json())

    def add_unreadable(self, name: str, reason: str) -> None:
        """Keep the id of an utterance that could not be heard, and why."""
        self._write({"id": name, "unreadable": reason})

    def conclude(self, facts: Mapping[str, Any]) -> None:
        """Write the report, with the day and the versions it was made with."""
        facts = {"date": today(), "versions": versions(), **facts}
        text = json.dumps(facts, ensure_ascii=False, indent=2) + "\n"
        try:
            self.report.write_text(text, encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            raise self._refusal(error) from error

    def _write(self, record: Mapping[str, Any]) -> None:
        try:
            self._stream.write(json.dumps(record, ensure_ascii=False) + "\n")
        except OSError as error:
            raise self._refusal(error) from error

    def _refusal(self, error: OSError) -> BundleError:
        return BundleError(
            f"{self._partial.parent}: cannot be written to ({error.strerror})",
            hint="choose another folder with `--output`, or make room",
        )


def today() -> str:
    """Return the date as ISO 8601 writes it, in UTC."""
    return datetime.now(UTC).date().isoformat()


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that may move a score."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def circumstances(bundle: Path, *, device: str) -> dict[str, Any]:
    """Say on what a score was measured: machine, device, and hashes of the bundle's parts.

    Args:
        bundle: A bundle's folder.
        device: As torch names it.

    Raises:
        BundleError: When a part cannot be read.
    """
    names = [*PARTS, *_language_model(bundle)]
    return {
        "machine": f"{platform.system()} {platform.machine()}",
        "device": device,
        "sha256": {name: _hash(bundle / name) for name in names if (bundle / name).is_file()},
    }


def without_places(settings: Any) -> Any:  # noqa: ANN401  JSON values
    """Return settings with folders of one's machine cut from paths: they are about to be published.

    Example:
        >>> without_places({"manifest": "/home/me/data/sv.jsonl", "seed": 0})
        {'manifest': 'sv.jsonl', 'seed': 0}
    """
    if isinstance(settings, Mapping):
        return {name: without_places(value) for name, value in settings.items()}
    if isinstance(settings, list):
        return [without_places(value) for value in settings]
    if isinstance(settings, str) and Path(settings).is_absolute():
        return Path(settings).name
    return settings


def _language_model(bundle: Path) -> list[str]:
    folder = bundle / "language_model"
    files = sorted(path for path in folder.glob("*") if path.is_file())
    return [f"language_model/{path.name}" for path in files if not path.name.startswith(".")]


def _hash(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise BundleError(
            f"{path}: cannot be read ({error.strerror})", hint="copy the whole bundle folder"
        ) from error
