"""The rules a submission must keep, each with what was found and what to do about it.

Nothing of a submission is executed here: its files are read, as a stranger's. A rule that cannot
be checked from what is at hand says so; that is not the same as being kept.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from anylect.challenge.claims import of_common_voice
from anylect.challenge.flags import FLAGS, declared_flags
from anylect.challenge.submission import RESULTS
from anylect.challenge.weights import check_weights
from anylect.errors import AnylectError, BundleError, ConfigError
from anylect.hub.card import README
from anylect.hub.card_claims import Claim, as_table, read_claims
from anylect.hub.card_lint import Finding, lint_card, lint_results
from anylect.hub.card_metadata import EVENT, TASK
from anylect.hub.card_yaml import part_card, read_yaml
from anylect.text.recipes import canonical_tag, written_without_spaces

Verdict = Literal["passed", "failed", "unchecked"]

FILES = ("config.json", "vocab.json", "preprocessor_config.json", "eval.py", README)
"""What every submission holds, besides its weights."""
_LARGEST = 10_000_000
_NEAR = 0.005
"""Half a point: what a card may be away from its own result file."""


@dataclass(frozen=True, kw_only=True)
class Ruling:
    """One rule, and what became of it."""

    rule: str
    verdict: Verdict
    reason: str
    remedy: str = ""

    def __str__(self) -> str:
        mark = {"passed": "passed", "failed": "FAILED", "unchecked": "not checked"}[self.verdict]
        first = f"{mark:<12} {self.rule}: {self.reason}"
        return f"{first}\n{'':<13}hint: {self.remedy}" if self.remedy else first


@dataclass(frozen=True)
class Submission:
    """A submission's folder, and what its card says.

    Args:
        folder: Of a stranger.
        wanted: Language it is for, if known; by default that of the card.
    """

    folder: Path
    wanted: str | None = None
    text: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", _read_card(self.folder / README))

    @cached_property
    def metadata(self) -> dict[str, Any]:
        """The head of the card; empty where it is none."""
        head, _ = part_card(self.text)
        try:
            return dict(as_table(read_yaml(head, place=README))) if head is not None else {}
        except BundleError:
            return {}

    @cached_property
    def claims(self) -> list[Claim]:
        """What the card claims; nothing where it cannot be read."""
        try:
            return read_claims(self.text)
        except BundleError:
            return []

    @cached_property
    def findings(self) -> list[Finding]:
        """What is wrong with the card."""
        return lint_card(self.text)

    @cached_property
    def languages(self) -> list[str]:
        """Languages the card names, as tags."""
        written = self.metadata.get("language")
        codes = written if isinstance(written, list) else [written]
        return [tag for code in codes if (tag := _tag(code))]

    @property
    def language(self) -> str | None:
        """What it is a submission for."""
        return _tag(self.wanted) or (self.languages[0] if len(self.languages) == 1 else None)


def check_card_and_files(submission: Submission) -> list[Ruling]:
    """Apply all rules that need nothing but the submission."""
    rules: tuple[tuple[str, Callable[[Submission], Ruling]], ...] = (
        ("files", _files),
        ("weights", _weights),
        ("eval.py", _flags),
        ("tags", _tags),
        ("language", _language),
        ("datasets", _datasets),
        ("model-index", _index),
        ("results", _results),
        ("card", _card),
    )
    rulings = []
    for name, rule in rules:
        try:
            rulings.append(rule(submission))
        except AnylectError as error:
            rulings.append(failed(name, error.message, error.hint or ""))
    return rulings


def passed(rule: str, reason: str) -> Ruling:
    """Say that a rule is kept."""
    return Ruling(rule=rule, verdict="passed", reason=reason)


def failed(rule: str, reason: str, remedy: str) -> Ruling:
    """Say that a rule is broken, and how to mend it."""
    return Ruling(rule=rule, verdict="failed", reason=reason, remedy=remedy)


def unchecked(rule: str, reason: str, remedy: str) -> Ruling:
    """Say that nobody can tell yet, and what it takes."""
    return Ruling(rule=rule, verdict="unchecked", reason=reason, remedy=remedy)


def _files(submission: Submission) -> Ruling:
    missing = [name for name in FILES if not (submission.folder / name).is_file()]
    if missing:
        listed = ", ".join(f"`{name}`" for name in missing)
        return failed("files", f"missing: {listed}", "upload them; `anylect push` does")
    for name in FILES:
        if name.endswith(".json"):
            _read_object(submission.folder / name)
    return passed("files", ", ".join(FILES))


def _weights(submission: Submission) -> Ruling:
    return passed("weights", check_weights(submission.folder))


def _flags(submission: Submission) -> Ruling:
    found = declared_flags(submission.folder / "eval.py")
    missing = [flag for flag in FLAGS if flag not in found]
    if not found:
        return unchecked(
            "eval.py",
            "it declares no options that can be read without running it",
            'declare them by `parser.add_argument("--split", …)`; `challenge run` tries it out',
        )
    if missing:
        listed = ", ".join(f"`{flag}`" for flag in missing)
        return failed("eval.py", f"does not take {listed}", "start from the `eval.py` of a bundle")
    return passed("eval.py", f"takes all {len(FLAGS)} options (read from its source, not run)")


def _tags(submission: Submission) -> Ruling:
    tags = submission.metadata.get("tags")
    present = [str(tag) for tag in tags] if isinstance(tags, list) else []
    if submission.metadata.get("pipeline_tag") == TASK:
        present.append(TASK)
    missing = [tag for tag in (EVENT, TASK) if tag not in present]
    if missing:
        listed = ", ".join(f"`{tag}`" for tag in missing)
        return failed("tags", f"missing: {listed}", "add them to `tags` in the card's head")
    return passed("tags", f"`{EVENT}`, `{TASK}`")


def _language(submission: Submission) -> Ruling:
    flaws = [each for each in submission.findings if each.place == "language"]
    errors = [each for each in flaws if each.level == "error"]
    if errors:
        return failed("language", errors[0].what, errors[0].remedy)
    named = submission.languages
    if not named:
        return failed("language", "the card names none", "`language: sv`, an ISO 639 code")
    wanted = _tag(submission.wanted)
    if wanted and wanted.partition("-")[0] not in {tag.partition("-")[0] for tag in named}:
        listed = ", ".join(f"`{tag}`" for tag in named)
        return failed("language", f"{listed}, but submitted for `{wanted}`", "correct one of them")
    return passed("language", ", ".join(f"`{tag}`" for tag in named))


def _datasets(submission: Submission) -> Ruling:
    names = submission.metadata.get("datasets")
    listed = names if isinstance(names, list) else [names] if names else []
    if not listed:
        return failed(
            "datasets", "the card names none", "name what it was trained on under `datasets`"
        )
    return passed("datasets", ", ".join(f"`{name}`" for name in listed))


def _index(submission: Submission) -> Ruling:
    claims = _claims(submission)
    if not claims:
        return failed(
            "model-index",
            f"no {_metric(submission).upper()} on the test split of Common Voice",
            "measure it with `eval.py`, and write it into `model-index`; `anylect card` does both",
        )
    boldest = claims[0]
    if boldest.fraction is None:
        return failed("model-index", f"{boldest.written!r} is no number", "write percent: 12.3")
    read = f"{boldest.metric.upper()} {100 * boldest.fraction:.2f} % on {boldest.dataset}"
    if boldest.unit == "fraction":
        return failed(
            "model-index",
            f"{read}, but written as a fraction ({boldest.written})",
            f"the Hub's leaderboards read percent: write {100 * boldest.fraction:.2f}",
        )
    if boldest.unit == "unclear" and boldest.value:
        return unchecked(
            "model-index",
            f"{boldest.written}: a fraction, or really below {boldest.value:.2g} %",
            "say it in the text, too, with a percent sign",
        )
    return passed("model-index", read)


def _results(submission: Submission) -> Ruling:
    """Compare the card with the result files that lie beside it."""
    paths = [path for path in sorted(submission.folder.glob(RESULTS)) if path.is_file()]
    if not paths:
        return failed(
            "results",
            "no `…_eval_results.txt`",
            "run `eval.py --log_outputs` on the test set and upload what it writes",
        )
    written: list[float] = []
    for path in paths:
        text = path.read_text(encoding="utf-8", errors="replace")[:_LARGEST]
        for finding in lint_results(text, place=path.name):
            return failed("results", f"{path.name}: {finding.what}", finding.remedy)
        written += [
            float(line.partition(":")[2])
            for line in text.splitlines()
            if line.upper().startswith(f"{_metric(submission).upper()}:")
        ]
    claims = [each for each in _claims(submission) if each.fraction is not None]
    unfounded = [
        each
        for each in claims
        if not any(abs((each.fraction or 0.0) - rate) <= _NEAR for rate in written)
    ]
    if unfounded:
        shown = ", ".join(f"{100 * rate:.2f} %" for rate in written)
        return failed(
            "results",
            f"the card claims {100 * (unfounded[0].fraction or 0.0):.2f} %, the files say {shown}",
            "write what was measured; `anylect card` does",
        )
    return passed("results", f"{len(paths)} result files, and the card says the same")


def _card(submission: Submission) -> Ruling:
    """Apply what no other rule looks at."""
    others = ("language", "tags", "datasets")
    errors = [
        each
        for each in submission.findings
        if each.level == "error"
        and each.place not in others
        and not each.place.startswith(("WER", "CER"))
    ]
    if errors:
        more = f", and {len(errors) - 1} more" if len(errors) > 1 else ""
        what = f"{errors[0].place}: {errors[0].what}{more}"
        return failed("card", what, errors[0].remedy)
    return passed("card", "nothing to complain about")


def _claims(submission: Submission) -> Sequence[Claim]:
    return of_common_voice(
        submission.claims, metric=_metric(submission), language=submission.language
    )


def _metric(submission: Submission) -> str:
    return "cer" if written_without_spaces(submission.language) else "wer"


def _tag(code: Any) -> str | None:  # noqa: ANN401  foreign
    try:
        return canonical_tag(code) if isinstance(code, str) else None
    except ConfigError:
        return None


def _read_card(path: Path) -> str:
    try:
        with path.open(encoding="utf-8", errors="replace") as stream:
            return stream.read(_LARGEST)
    except OSError:
        return ""


def _read_object(path: Path) -> None:
    try:
        if path.stat().st_size > _LARGEST:
            raise ValueError(f"more than {_LARGEST:,} bytes")
        if not isinstance(json.loads(path.read_text(encoding="utf-8")), dict):
            raise ValueError("no object")
    except (OSError, ValueError, RecursionError) as error:
        raise BundleError(
            f"`{path.name}` is no JSON object ({error})", hint="save it anew"
        ) from error
