"""Evaluations read back from their evidence: `<name>.json` and `<name>.utterances.jsonl`.

What `hub/evidence.py` writes, whoever compares or reports reads here.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anylect.errors import BundleError, ConfigError
from anylect.evaluation.breakdown import Breakdown
from anylect.evaluation.report import Report, Signature, report
from anylect.evaluation.scoreboard import Scoreboard, ScoredUtterance, parse_scored
from anylect.text.recipes import canonical_tag, written_without_spaces

UTTERANCES = ".utterances.jsonl"


@dataclass(frozen=True, kw_only=True)
class StoredEvaluation:
    """One scored set; `facts` is its report as it was written, empty where it is missing."""

    path: Path
    """Of the scored utterances."""
    scored: list[ScoredUtterance]
    unreadable: dict[str, str]
    """Id and reason of what could not be heard."""
    facts: dict[str, Any]

    @property
    def name(self) -> str:
        """Of the set, e.g. `manifest.test`."""
        return self.path.name.removesuffix(UTTERANCES)

    @property
    def language(self) -> str | None:
        """BCP 47 tag; in old evidence, that of the normalizer."""
        name = self.facts.get("language", self.signature.normalizer.rpartition("-")[0])
        try:
            return canonical_tag(name) if isinstance(name, str) else None
        except ConfigError:
            return None

    @property
    def signature(self) -> Signature:
        """What the score depends on."""
        normalizer = self.facts.get("normalizer") or {}
        return Signature(
            normalizer=str(normalizer.get("name", "unknown")),
            normalizer_hash=str(normalizer.get("hash", "")),
            decoding=str(self.facts.get("decoding", "decoder unknown")),
            tokens=str(self.facts.get("tokens", "words")),
        )

    def scoreboard(self) -> Scoreboard:
        """Pool the utterances anew."""
        board = Scoreboard()
        for each in self.scored:
            board.append(each)
        for _ in self.unreadable:
            board.skip("unreadable")
        return board

    def report(self, *, replicates: int = 1000, seed: int = 0) -> Report:
        """Make the numbers anew."""
        return report(
            self.scoreboard(),
            signature=self.signature,
            language=self.language,
            processing_seconds=self.facts.get("processing_seconds"),
            replicates=replicates,
            seed=seed,
        )

    def breakdown(self) -> Breakdown:
        """Find out where the errors are."""
        spaceless = self.signature.tokens == "words" and written_without_spaces(self.language)
        breakdown = Breakdown(spaceless=spaceless)
        for each in self.scored:
            breakdown.append(each)
        return breakdown


def read_evaluation(path: Path) -> StoredEvaluation:
    """Read one scored set.

    Args:
        path: Of the scored utterances or of the report beside them; or a folder that holds one
            scored set, such as a bundle's `evidence` or the bundle.

    Raises:
        BundleError: When there is no such evidence, several, or it is not as we write it.
    """
    utterances = _find(path)
    scored: list[ScoredUtterance] = []
    unreadable: dict[str, str] = {}
    for number, fields in _lines(utterances):
        try:
            if "unreadable" in fields:
                unreadable[str(fields["id"])] = str(fields["unreadable"])
            else:
                scored.append(parse_scored(fields))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BundleError(
                f"{utterances}:{number}: not a scored utterance ({error})", hint=_AGAIN
            ) from error
    facts_path = utterances.with_name(utterances.name.removesuffix(UTTERANCES) + ".json")
    return StoredEvaluation(
        path=utterances,
        scored=scored,
        unreadable=unreadable,
        facts=_facts(facts_path) if facts_path.is_file() else {},
    )


def evidence_names(folder: Path) -> list[str]:
    """Name the scored sets of a bundle, or of its `evidence`."""
    inside = folder / "evidence" if (folder / "evidence").is_dir() else folder
    return sorted(
        each.name.removesuffix(UTTERANCES)
        for each in inside.glob(f"*{UTTERANCES}")
        if not each.name.startswith(".")
    )


_AGAIN = "give what `anylect evaluate` left in `evidence`, or evaluate again"


def _find(path: Path) -> Path:
    if path.is_dir():
        names = evidence_names(path)
        inside = path / "evidence" if (path / "evidence").is_dir() else path
        if len(names) == 1:
            return inside / f"{names[0]}{UTTERANCES}"
        listed = ", ".join(f"`{name}{UTTERANCES}`" for name in names) or "none"
        raise BundleError(
            f"{inside}: {len(names)} scored sets ({listed}), expected one",
            hint="give the path of one" if names else _AGAIN,
        )
    if not path.name.endswith(UTTERANCES) and path.suffix == ".json":
        path = path.with_suffix(UTTERANCES)
    if not path.is_file():
        raise BundleError(f"{path}: no scored utterances there", hint=_AGAIN)
    return path


def _lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        with path.open(encoding="utf-8") as stream:
            for number, line in enumerate(stream, start=1):
                if not line.strip():
                    continue
                fields = json.loads(line)
                if not isinstance(fields, dict):
                    raise ValueError("expected an object")
                yield number, fields
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise BundleError(f"{path}: cannot be read ({reason})", hint=_AGAIN) from error


def _facts(path: Path) -> dict[str, Any]:
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BundleError(f"{path}: cannot be read ({error})", hint=_AGAIN) from error
    return facts if isinstance(facts, dict) else {}
