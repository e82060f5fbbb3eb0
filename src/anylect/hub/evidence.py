"""What proves a score: the report, and every utterance with its alignment.

Two files a scored set: `<name>.json` and `<name>.utterances.jsonl`. Utterances are written as they
come, beside their final place, and renamed when the evaluation is whole.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from anylect.errors import BundleError
from anylect.evaluation.scoreboard import ScoredUtterance


class Evidence:
    """Collects the evidence of one evaluation.

    Args:
        folder: Usually a bundle's `evidence`.
        name: Of the set, e.g. `manifest.test`.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.utterances = folder / f"{name}.utterances.jsonl"
        self.report = folder / f"{name}.json"
        self._partial = folder / f".{name}.partial"

    def __enter__(self) -> "Evidence":
        try:
            self._partial.parent.mkdir(parents=True, exist_ok=True)
            self._stream = self._partial.open("w", encoding="utf-8")
        except OSError as error:
            raise BundleError(
                f"{self._partial.parent}: cannot be written to ({error.strerror})",
                hint="choose another folder with `--output`",
            ) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: object, trace: TracebackType | None
    ) -> None:
        self._stream.close()
        if kind is None:
            self._partial.replace(self.utterances)
        else:
            self._partial.unlink(missing_ok=True)

    def add(self, scored: ScoredUtterance) -> None:
        """Keep a scored utterance."""
        self._write(scored.to_json())

    def add_unreadable(self, name: str, reason: str) -> None:
        """Keep the id of an utterance that could not be heard, and why."""
        self._write({"id": name, "unreadable": reason})

    def conclude(self, facts: Mapping[str, Any]) -> None:
        """Write the report."""
        text = json.dumps(facts, ensure_ascii=False, indent=2) + "\n"
        self.report.write_text(text, encoding="utf-8")

    def _write(self, record: Mapping[str, Any]) -> None:
        self._stream.write(json.dumps(record, ensure_ascii=False) + "\n")
