"""A claimed score, measured again: does it hold, and if not, what differs?"""

import contextlib
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from anylect.errors import AnylectError, BundleError
from anylect.evaluation.evidence_files import StoredEvaluation, read_evaluation
from anylect.hub.bundle import load_bundle
from anylect.hub.card import README
from anylect.hub.card_claims import read_claims
from anylect.hub.card_facts import Scored, read_scored
from anylect.hub.evidence_check import Check, check_card, check_claim
from anylect.models.parity import check_parity
from anylect.progress import Progress, silent
from anylect.workflows.eval import EvalConfig, evaluate_contract, find_model
from anylect.workflows.eval_sets import ALL


@dataclass(frozen=True, kw_only=True)
class VerifyConfig:
    """Which claims to check, and with what."""

    bundle: str
    """A folder, or a repository on the Hub."""
    manifest: Path | None = None
    """Where the data of claims on a manifest are; or a folder that `--dataset` of `anylect eval`
    takes. Sets on the Hub are fetched."""
    name: str | None = None
    """Only this evaluation, e.g. `manifest.test`; by default all."""
    device: str = "auto"
    """`cpu`, `cuda`, `cuda:1`, `mps`."""
    parity: bool = True
    """Check besides whether batching, padding and cutting change what is heard."""
    batch_seconds: float = 80.0
    """Audio run at once, padding included."""
    workers: int = 2
    """Threads that read recordings ahead."""


@dataclass(frozen=True, kw_only=True)
class Verified:
    """What became of all claims of a bundle."""

    checks: tuple[Check, ...]
    unchecked: tuple[str, ...] = ()
    """Evaluations that could not be measured again, and why."""
    unfounded: tuple[str, ...] = ()
    """What the card claims without evidence."""
    parity: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether every claim was measured again and holds."""
        return (
            bool(self.checks)
            and all(check.holds for check in self.checks)
            and not (self.unfounded or self.unchecked)
        )

    def lines(self) -> list[str]:
        """Say it in words."""
        lines = [line for check in self.checks for line in check.lines()]
        lines += [f"not checked: {each}" for each in self.unchecked]
        return [*lines, *self.unfounded, *self.parity]


def verify(config: VerifyConfig, *, progress: Progress = silent) -> Verified:
    """Measure a bundle's evaluations again and hold them against its evidence and its card.

    Raises:
        BundleError: When there is no bundle, or nothing it claims.
    """
    folder = find_model(config.bundle)
    claims = [each for each in read_scored(folder / "evidence") if config.name in (None, each.name)]
    if not claims:
        which = f"no evaluation `{config.name}`" if config.name else "no evaluation"
        raise BundleError(
            f"{folder / 'evidence'}: {which} to verify", hint="`anylect eval` leaves its evidence"
        )
    checks: list[Check] = []
    unchecked: list[str] = []
    for claim in claims:
        if reason := _why_not(claim, config):
            unchecked.append(f"{claim.name}: {reason}")
            continue
        try:
            checks.append(_check(folder, claim, config, progress))
        except AnylectError as error:
            unchecked.append(f"{claim.name}: {error.message}")
    return Verified(
        checks=tuple(checks),
        unchecked=tuple(unchecked),
        unfounded=tuple(_unfounded(folder)),
        parity=tuple(_parity(folder, config)),
    )


def _why_not(claim: Scored, config: VerifyConfig) -> str | None:
    if claim.dataset.get("kind") != "hub" and config.manifest is None:
        return f"say where `{claim.dataset.get('id')}` is: `--manifest`"
    for option in ("lm", "hotwords"):
        given = claim.facts.get(option) or "none"
        if given != "none":
            return f"it was made with `--{option} {given}`, which is not in the bundle"
    return None


def _check(folder: Path, claim: Scored, config: VerifyConfig, progress: Progress) -> Check:
    with tempfile.TemporaryDirectory(prefix="anylect-") as place:
        done = evaluate_contract(_again(folder, claim, config, Path(place)), progress=progress)
        measured = json.loads(done.evidence.read_text(encoding="utf-8"))
        now = read_evaluation(done.evidence)
    path = folder / "evidence" / f"{claim.name}.utterances.jsonl"
    then = read_evaluation(path) if path.is_file() else None
    check = check_claim(claim.name, claim.facts, measured, changed=_changed(then, now))
    flaw = _disagreement(claim.facts, then)
    if flaw is None:
        return check
    return replace(check, verdict="no", differences=(flaw, *check.differences))


def _again(folder: Path, claim: Scored, config: VerifyConfig, place: Path) -> EvalConfig:
    """Return the settings under which the claim was made, as far as the evidence tells them."""
    facts, dataset = claim.facts, claim.dataset
    is_hub = dataset.get("kind") == "hub"
    return EvalConfig(
        model_id=str(folder),
        dataset=str(dataset["id"] if is_hub else config.manifest),
        config=dataset.get("config"),
        split=str(dataset.get("split") or ALL),
        chunk_length_s=facts.get("chunk_length_s"),
        stride_length_s=facts.get("stride_length_s"),
        revision=dataset.get("revision") if is_hub else None,
        lm=Path("none") if _was_greedy(facts) else None,
        device=config.device,
        output=place,
        evidence=place / "evidence",
        parity="off" if facts.get("parity") is None else "replace",
        batch_seconds=config.batch_seconds,
        workers=config.workers,
        replicates=int((facts.get("bootstrap") or {}).get("replicates", 1000)),
        seed=int((facts.get("bootstrap") or {}).get("seed", 0)),
    )


def _was_greedy(facts: Mapping[str, Any]) -> bool:
    return str(facts.get("decoding", "")).startswith("greedy")


def _changed(then: StoredEvaluation | None, now: StoredEvaluation) -> int | None:
    """Count utterances heard otherwise; ids may differ between kinds of sets, order may not."""
    if then is None or len(then.scored) != len(now.scored):
        return None
    pairs = zip(then.scored, now.scored, strict=True)
    return sum(before.hypothesis != after.hypothesis for before, after in pairs)


def _disagreement(facts: Mapping[str, Any], then: StoredEvaluation | None) -> str | None:
    """Say whether a report and the utterances beside it tell two stories."""
    if then is None:
        return None
    words = then.report(replicates=19).wer
    said = facts.get("wer") or {}
    if (words.errors, words.length) == (said.get("errors"), said.get("length")):
        return None
    return (
        f"the evidence contradicts itself: {said.get('errors')} errors in the report, "
        f"{words.errors} in the utterances"
    )


def _unfounded(folder: Path) -> list[str]:
    """Hold the card against all evidence, whichever of it was measured again."""
    path = folder / README
    with contextlib.suppress(OSError, UnicodeDecodeError):
        claims = read_claims(path.read_text(encoding="utf-8"))
        return check_card(claims, [each.facts for each in read_scored(folder / "evidence")])
    return []


def _parity(folder: Path, config: VerifyConfig) -> list[str]:
    if not config.parity:
        return []
    return check_parity(load_bundle(folder, device=config.device).model).lines()
